//! A PostgreSQL for the plans that ask one: a cluster of its own on a free loopback port, gone when this is dropped. Its
//! settings are PostgreSQL's own, so that it has on disk what it acknowledges. Asking it is the business of the tools.

use std::env;
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::native::{on_a_free_port, still_runs, write_output_to};
use crate::platform;
use crate::process::{Running, capture, capture_ok};
use crate::sweeper::{self, Promise};
use crate::wait::{Attempt, until};

/// Where its programs are when they are neither Debian's nor on PATH.
const BIN_DIR: &str = "PLIMSOLL_POSTGRES_BIN";
/// Where Debian keeps them, by major version: they are not on PATH.
const VERSIONS: &str = "/usr/lib/postgresql";
/// `nobody`, who exists everywhere: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;
const USER: &str = "plimsoll";
const INIT_LIMIT: Duration = Duration::from_secs(60);
const START_LIMIT: Duration = Duration::from_secs(20);
const ASK_LIMIT: Duration = Duration::from_secs(5);

/// Where PostgreSQL's programs are: as the environment says, else Debian's newest, else on PATH.
pub(crate) fn programs() -> Option<PathBuf> {
    let version = |dir: &Path| dir.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = fs::read_dir(VERSIONS).into_iter().flatten().flatten().map(|entry| entry.path());
    let complete = installed.filter(|dir| dir.join("bin/initdb").is_file());
    let newest = || complete.filter_map(|dir| Some((version(&dir)?, dir.join("bin")))).max().map(|(_, bin)| bin);
    let named = env::var_os(BIN_DIR).map(PathBuf::from);
    named.or_else(newest).or_else(|| Some(platform::find_program("initdb")?.parent()?.to_owned()))
}

/// The fields go down in this order: the server, then its files.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    server: Running,
    url: String,
    dir: TempDir,
}

impl PostgresServer {
    pub(crate) fn start(log: &Path) -> anyhow::Result<PostgresServer> {
        let bin = programs().with_context(|| {
            format!("the plan asks PostgreSQL, and there is none here: install postgresql, or say in {BIN_DIR} where initdb is")
        })?;
        let dir = own_dir()?;
        capture_ok(&mut initdb(&bin, dir.path()), INIT_LIMIT).context("cannot make a PostgreSQL cluster")?;
        let (server, port) = on_a_free_port("PostgreSQL", |port| try_server(&bin, dir.path(), port, log))?;
        Ok(PostgresServer { server, url: format!("postgresql://{USER}@127.0.0.1:{port}/postgres"), dir })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Lets it run on; the answer is its process and its directory.
    pub(crate) fn leave(self) -> (u32, PathBuf) {
        let id = self.server.id();
        self.server.leave();
        (id, crate::workspace::keep(self.dir))
    }
}

/// Not below the source tree, which whoever the server runs as may have no way into.
fn own_dir() -> anyhow::Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("plimsoll-postgres-").tempdir().context("cannot create a directory")?;
    sweeper::promise(&Promise::Directory { path: dir.path().to_owned() });
    if platform::is_root() {
        chown(dir.path(), Some(NOBODY), Some(NOBODY)).context("cannot give PostgreSQL its directory")?;
    }
    Ok(dir)
}

fn program(bin: &Path, name: &str, dir: &Path) -> Command {
    let mut command = Command::new(bin.join(name));
    if platform::is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir(dir).env("LC_ALL", "C");
    command
}

/// Anybody on this machine may log in, as with the Redis beside it: both live as long as one plan.
fn initdb(bin: &Path, dir: &Path) -> Command {
    let mut command = program(bin, "initdb", dir);
    command.args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--auth=trust", "--username", USER]);
    command.arg("--pgdata").arg(dir.join("data"));
    command
}

fn try_server(bin: &Path, dir: &Path, port: u16, log: &Path) -> anyhow::Result<(Running, u16)> {
    let port_word = port.to_string();
    let mut command = program(bin, "postgres", dir);
    command.arg("-D").arg(dir.join("data")).args(["-p", &port_word]);
    command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
    write_output_to(&mut command, log)?;
    let server = Running::start("PostgreSQL", &mut command)?;
    until("PostgreSQL", START_LIMIT, || {
        still_runs(&server, "PostgreSQL", log)?;
        let mut ask = program(bin, "pg_isready", dir);
        let answer = capture(ask.args(["-h", "127.0.0.1", "-p", &port_word]), ASK_LIMIT)?;
        Ok(if answer.succeeded() { Attempt::Done(()) } else { Attempt::NotYet(answer.complaint()) })
    })?;
    Ok((server, port))
}
