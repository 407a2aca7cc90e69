//! A real PostgreSQL for one test: a cluster of its own in a temporary directory, on a free loopback port and a unix
//! socket, gone when dropped.
//!
//! It syncs nothing to disk, so it starts in a second or two: tests that can share one should. Over the socket nobody
//! needs a password; over TCP everybody does.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::looking::signal;
use crate::servers::free_port;

/// `nobody`, who exists everywhere: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;
const USER: &str = "plimsoll";
const PASSWORD: &str = "cargo-line";
/// Ten seconds for a start on a busy machine.
const LOOKS: usize = 200;
const PAUSE: Duration = Duration::from_millis(50);
/// Small, and without anything that only matters to data that is kept.
const SETTINGS: [(&str, &str); 5] = [
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("shared_buffers", "16MB"),
    ("max_connections", "40"),
    ("log_min_messages", "warning"),
];

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    server: Child,
    port: u16,
    dir: TempDir,
}

impl Postgres {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no PostgreSQL, or it does not come up.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[], &[])
    }

    /// Starts one with further settings, e.g. `("ssl", "on")`, and with files in its data directory, e.g.
    /// `("server.key", ..)`.
    ///
    /// # Panics
    /// When there is no PostgreSQL, or it does not come up.
    #[must_use]
    pub fn with(settings: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("the temporary directory is writable");
        hand_over(dir.path());
        initialise(dir.path());
        let port = free_port();
        let lines = SETTINGS.iter().chain(settings).map(|(key, value)| format!("{key} = '{value}'\n"));
        let own = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n",
            dir.path().display()
        );
        write(&data(dir.path()).join("postgresql.auto.conf"), &lines.chain([own]).collect::<String>());
        for (name, content) in files {
            write(&data(dir.path()).join(name), content);
        }
        let server = serve(dir.path());
        let postgres = Self { server, port, dir };
        postgres.wait_until_it_answers();
        postgres
    }

    /// Its URL over TCP, with the password in it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgresql://{USER}:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// The password in [`url`](Self::url), which must never be seen anywhere else.
    #[must_use]
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Its port on loopback, which is also in the name of the socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its unix socket, where no password is needed.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process id of the server's first process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Runs SQL through `psql` and gives the last statement's rows, columns parted by `|`.
    ///
    /// # Panics
    /// When the server refuses it.
    #[must_use = "for statements without an answer there is `run`"]
    pub fn ask(&self, sql: &str) -> String {
        let output = self.psql(sql).output().expect("psql stands beside the server");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {said}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs SQL for what it does.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn run(&self, sql: &str) {
        let _ = self.ask(sql);
    }

    /// Starts SQL in a session of its own, e.g. one that holds a lock or sleeps. It ends with the child's end.
    ///
    /// # Panics
    /// When psql is not there.
    #[must_use]
    pub fn begin(&self, sql: &str) -> Session {
        Session(
            self.psql(sql).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("psql stands beside the server"),
        )
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn kill(&mut self) {
        signal(self.server.id(), Signal::QUIT);
        self.server.wait().expect("the server is our child");
    }

    /// Starts it again where it was, with the data it had.
    pub fn restart(&mut self) {
        self.server = serve(self.dir.path());
        self.wait_until_it_answers();
    }

    fn psql(&self, sql: &str) -> Command {
        let mut command = Command::new(program("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", "postgres", "-h"]);
        command.arg(self.dir.path()).args(["-p", &self.port.to_string(), "-c", sql]).stdin(Stdio::null());
        command
    }

    fn wait_until_it_answers(&self) {
        for _ in 0..LOOKS {
            let mut ready = Command::new(program("pg_isready"));
            ready.args(["-q", "-h", &Ipv4Addr::LOCALHOST.to_string(), "-p", &self.port.to_string()]);
            if ready.status().is_ok_and(|status| status.success()) {
                return;
            }
            sleep(PAUSE);
        }
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        panic!("PostgreSQL on port {} does not answer: {log}", self.port);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT takes the server's other processes along; SIGKILL would leave them to find out.
        if matches!(self.server.try_wait(), Ok(None)) {
            signal(self.server.id(), Signal::QUIT);
        }
        let _ = self.server.wait();
    }
}

/// A session that was begun and goes on, ended when dropped.
#[derive(Debug)]
pub struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// A program of PostgreSQL: where the tests were told, else the newest of Debian's, else on PATH.
fn program(name: &str) -> PathBuf {
    if let Some(dir) = std::env::var_os("PLIMSOLL_POSTGRES_BIN") {
        return PathBuf::from(dir).join(name);
    }
    let version = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>().ok();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = installed.filter_map(|entry| Some((version(&entry)?, entry.path()))).max();
    newest.map_or_else(|| name.into(), |(_, path)| path.join("bin").join(name))
}

/// A server program as somebody other than root.
fn unprivileged(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(program(name));
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir(dir).stdin(Stdio::null());
    command
}

/// Gives a file or directory to whoever the server runs as.
fn hand_over(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give its files away");
    }
}

/// Private to the server, which refuses a key that others could read.
fn write(path: &Path, content: &str) {
    fs::write(path, content).expect("the temporary directory is writable");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    hand_over(path);
}

fn initialise(dir: &Path) {
    let secret = dir.join("password");
    write(&secret, PASSWORD);
    let mut command = unprivileged("initdb", dir);
    command.args(["--no-sync", "--no-instructions", "--locale=C", "--encoding=UTF8", "--username", USER]);
    command.args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile"]).arg(&secret);
    let output = command.arg("--pgdata").arg(data(dir)).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start initdb: {error}; use `cargo xtask test`"));
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
}

fn serve(dir: &Path) -> Child {
    let log = fs::File::create(dir.join("log")).expect("the temporary directory is writable");
    let mut command = unprivileged("postgres", dir);
    command.arg("-D").arg(data(dir)).stdout(Stdio::null()).stderr(log);
    command.spawn().expect("postgres stands beside initdb")
}
