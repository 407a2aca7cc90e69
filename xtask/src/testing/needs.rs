//! What the groups of tests need: found where it is, on Debian installed by root where it is not, and stopped at the
//! end where it was started here.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::args::Group;
use crate::engine::Engine;
use crate::platform;
use crate::postgres;
use crate::process::{Running, capture_ok};
use crate::redis::RedisServer;
use crate::say;
use crate::testing::{unmet, unmet_by};
use crate::wait::{Attempt, until};
use crate::workspace::Workspace;

const INSTALL_LIMIT: Duration = Duration::from_secs(900);
const DAEMON_LIMIT: Duration = Duration::from_secs(60);
/// A daemon stops its containers before it ends.
const DAEMON_GRACE: Duration = Duration::from_secs(30);
const CHROMIUMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Where the needs are met, and the daemon that ends with the tests.
#[derive(Debug, Default)]
pub(super) struct Needs {
    redis: Option<PathBuf>,
    postgres_bin: Option<PathBuf>,
    chromium: Option<PathBuf>,
    /// Held for its end: the daemon stops when the tests are through.
    docker_daemon: Option<Running>,
}

impl Needs {
    pub(super) fn provide(workspace: &Workspace, groups: &[Group]) -> anyhow::Result<Needs> {
        let mut needs = Needs::default();
        for group in groups {
            match group {
                Group::Redis => needs.redis = Some(redis(workspace)?),
                Group::Postgres => needs.postgres_bin = Some(postgres()?),
                Group::Docker => needs.docker_daemon = docker(workspace)?,
                Group::Browser => needs.chromium = Some(chromium()?),
            }
        }
        Ok(needs)
    }

    /// The environment of the tests: Redis both by variable and on PATH.
    pub(super) fn variables(&self) -> Vec<(&'static str, OsString)> {
        let redis = self
            .redis
            .iter()
            .flat_map(|program| [("PLIMSOLL_REDIS_SERVER", program.into()), ("PATH", path_with(program))]);
        let postgres = self.postgres_bin.iter().map(|path| ("PLIMSOLL_POSTGRES_BIN", path.into()));
        let chromium = self.chromium.iter().map(|path| ("PLIMSOLL_CHROMIUM", path.into()));
        redis.chain(postgres).chain(chromium).collect()
    }
}

fn redis(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let server = RedisServer::provide(workspace).map_err(|error| unmet_by(Group::Redis, error))?;
    server.say_where();
    under_usual_name(workspace, server.launcher())
}

/// The same program as `redis-server` in a directory that can go on PATH: it may be called valkey-server.
fn under_usual_name(workspace: &Workspace, launcher: &Path) -> anyhow::Result<PathBuf> {
    let link = workspace.kept_dir("bin")?.join("redis-server");
    if fs::read_link(&link).ok().as_deref() != Some(launcher) {
        let _ = fs::remove_file(&link);
        symlink(launcher, &link).with_context(|| format!("cannot link {}", link.display()))?;
    }
    Ok(link)
}

/// PATH with the directory of a program in front.
fn path_with(program: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = program.parent().map(Path::to_owned).into_iter().chain(env::split_paths(&path));
    env::join_paths(dirs).unwrap_or(path)
}

/// The directory with PostgreSQL's programs. The tests run clusters of their own: one that the package starts is
/// nobody's business.
fn postgres() -> anyhow::Result<PathBuf> {
    if let Some(dir) = postgres::programs() {
        return Ok(dir);
    }
    if !(platform::is_root() && platform::has_apt()) {
        let why = "there is no PostgreSQL here, and only root on Debian can have it installed";
        return Err(unmet(Group::Postgres, why));
    }
    install(&["postgresql"]).map_err(|error| unmet_by(Group::Postgres, error))?;
    postgres::programs().ok_or_else(|| unmet(Group::Postgres, "there is no PostgreSQL, even after installing it"))
}

/// A running engine with compose. The answer is the daemon, where it had to be started.
fn docker(workspace: &Workspace) -> anyhow::Result<Option<Running>> {
    let Err(reasons) = Engine::find()? else { return Ok(None) };
    if !(platform::is_root() && platform::has_apt()) {
        return Err(unmet(Group::Docker, &format!("{reasons}; only root on Debian can have it set up here")));
    }
    if platform::find_program("dockerd").is_none() || !has_compose() {
        install(&["docker.io", "docker-compose"]).map_err(|error| unmet_by(Group::Docker, error))?;
    }
    // A package that was just installed may have started its daemon.
    if Engine::find()?.is_ok() {
        return Ok(None);
    }
    start_daemon(workspace).map(Some).map_err(|error| unmet_by(Group::Docker, error))
}

fn has_compose() -> bool {
    let plugin = ["/usr/libexec/docker/cli-plugins/docker-compose", "/usr/lib/docker/cli-plugins/docker-compose"];
    platform::find_program("docker-compose").is_some() || plugin.iter().any(|path| Path::new(path).is_file())
}

fn start_daemon(workspace: &Workspace) -> anyhow::Result<Running> {
    let log = workspace.kept_dir("dockerd")?.join("dockerd.log");
    say::step(format!("starting dockerd for the tests; its log is {}", log.display()));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new("dockerd");
    command.stdout(file.try_clone()?).stderr(file);
    let daemon = Running::start("dockerd", &mut command)?.with_grace(DAEMON_GRACE);
    until("dockerd", DAEMON_LIMIT, || {
        anyhow::ensure!(!daemon.has_exited(), "dockerd ended while starting: see {}", log.display());
        Ok(match Engine::find()? {
            Ok(_) => Attempt::Done(()),
            Err(reasons) => Attempt::NotYet(reasons),
        })
    })?;
    Ok(daemon)
}

fn chromium() -> anyhow::Result<PathBuf> {
    if let Some(program) = find_chromium() {
        return Ok(program);
    }
    if !(platform::is_root() && platform::has_apt()) {
        return Err(unmet(
            Group::Browser,
            "there is no chromium on PATH, and only root on Debian can have it installed",
        ));
    }
    install(&["chromium"]).map_err(|error| unmet_by(Group::Browser, error))?;
    find_chromium().ok_or_else(|| unmet(Group::Browser, "there is no chromium on PATH, even after installing it"))
}

fn find_chromium() -> Option<PathBuf> {
    CHROMIUMS.iter().find_map(|name| platform::find_program(name))
}

/// Installs packages of the system: only ever for tests, only as root, and it says so.
fn install(packages: &[&str]) -> anyhow::Result<()> {
    say::step(format!("installing {} with apt-get", packages.join(", ")));
    let mut update = apt_get();
    capture_ok(update.arg("update"), INSTALL_LIMIT)?;
    let mut install = apt_get();
    install.args(["install", "--yes", "--no-install-recommends"]).args(packages);
    capture_ok(&mut install, INSTALL_LIMIT).map(drop)
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // Another apt may be at work; it is waited for.
    command.arg("-oDPkg::Lock::Timeout=300").env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_learn_only_of_what_was_provided() {
        let needs = Needs { redis: Some("/ours/redis-server".into()), ..Needs::default() };
        let variables = needs.variables();
        assert_eq!(variables[0], ("PLIMSOLL_REDIS_SERVER", OsString::from("/ours/redis-server")));
        assert!(variables[1].1.to_string_lossy().starts_with("/ours:"), "{variables:?}");
        assert_eq!(variables.len(), 2);
    }
}
