//! Running the binaries under test and looking at what came of it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The path of a binary of this workspace, built by `cargo xtask test` before the tests run.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let path = bin_dir().join(name);
    assert!(path.is_file(), "{} is missing: run the tests with `cargo xtask test`, which builds it", path.display());
    path
}

fn bin_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("PLIMSOLL_BIN_DIR") {
        return dir.into();
    }
    let test = std::env::current_exe().expect("a running test has an executable");
    let deps = test.parent().expect("test binaries stand in target/<profile>/deps");
    deps.parent().expect("test binaries stand in target/<profile>/deps").to_path_buf()
}

/// A command about to run, with an environment that owes nothing to the caller's.
#[derive(Debug)]
pub struct Tool {
    command: Command,
}

impl Tool {
    /// A binary of this workspace.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::of(binary(name))
    }

    /// Any other program.
    #[must_use]
    pub fn of(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.env_remove("TARGET_URL").env_remove("REDIS_URL").env_remove("LOG_DIR").env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs in this directory.
    #[must_use]
    pub fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(self) -> Finished {
        Finished::wait(self.start())
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut self) -> Child {
        self.command.spawn().expect("the binary was found just before")
    }
}

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed for machines and people to read.
    pub stdout: String,
    /// What it said about its progress and its troubles.
    pub stderr: String,
}

impl Finished {
    /// Waits for a started command.
    ///
    /// # Panics
    /// When it cannot be waited for.
    #[must_use]
    pub fn wait(child: Child) -> Self {
        let output = child.wait_with_output().expect("the child was started by this process");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts the exit code and that every one of `words` was said on stderr or stdout.
    ///
    /// # Panics
    /// When it was not so.
    #[track_caller]
    pub fn expect(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "exit code\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        for word in words {
            let said = self.stdout.contains(word) || self.stderr.contains(word);
            assert!(said, "`{word}` was not said\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        }
    }
}
