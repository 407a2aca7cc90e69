//! A redis-server program to start: the one on PATH, else the one fetched earlier, else on Debian one fetched now.
//! Starting it is the business of the stack.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::interrupt;
use crate::platform;
use crate::redis_apt;
use crate::say;
use crate::workspace::Workspace;

/// Valkey is the same server under another name.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

#[derive(Debug, Clone)]
pub(crate) struct RedisServer {
    program: PathBuf,
    /// Where its libraries are when the system does not have them.
    library_path: Option<OsString>,
    /// What to call to run it without knowing about libraries.
    launcher: PathBuf,
}

impl RedisServer {
    pub(crate) fn provide(workspace: &Workspace) -> anyhow::Result<RedisServer> {
        if let Some(server) = RedisServer::on_path() {
            return Ok(server);
        }
        let missing = "there is no redis-server or valkey-server on PATH";
        let line = platform::redis_install_line();
        if !platform::has_apt() {
            bail!("{missing}: {line}");
        }
        redis_apt::provide(workspace).or_else(|error| {
            interrupt::check()?;
            bail!("{missing}, and fetching one failed ({error:#}): {line}")
        })
    }

    fn on_path() -> Option<RedisServer> {
        let program = NAMES.iter().find_map(|name| platform::find_program(name))?;
        Some(RedisServer { launcher: program.clone(), program, library_path: None })
    }

    /// One that was unpacked somewhere, with its libraries beside it.
    pub(crate) fn unpacked(program: PathBuf, library_path: OsString, launcher: PathBuf) -> RedisServer {
        RedisServer { program, library_path: Some(library_path), launcher }
    }

    /// The program itself, for putting it into an image.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn library_path(&self) -> Option<&OsString> {
        self.library_path.as_ref()
    }

    /// What runs it, whatever it needs: the program, or a script that names the libraries first.
    pub(crate) fn launcher(&self) -> &Path {
        &self.launcher
    }

    /// A server on loopback that keeps its data in memory only, and whatever it writes in `dir`.
    pub(crate) fn command(&self, port: u16, dir: &Path) -> Command {
        let mut command = Command::new(&self.launcher);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
        command.arg("--dir").arg(dir).current_dir(dir);
        command
    }

    pub(crate) fn say_where(&self) {
        say::step(format!("Redis is {}", self.program.display()));
    }
}
