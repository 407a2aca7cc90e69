//! The stack as processes of this machine: a Redis with a directory of its own and, where plans ask them, the example
//! service and a PostgreSQL, all on free loopback ports, all gone when this is dropped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::credentials;
use crate::plans::Parts;
use crate::postgres::PostgresServer;
use crate::probe;
use crate::process::Running;
use crate::redis::RedisServer;
use crate::stack::{Endpoints, copy_files, ended_while_starting};
use crate::wait::{Attempt, until};
use crate::workspace::{self, Workspace};

const START_LIMIT: Duration = Duration::from_secs(20);
/// A free port can be taken between asking and binding; twice in a row is bad luck, more is something else.
const PORT_ATTEMPTS: usize = 3;
const LISTENING: &str = "listening on ";
const SERVICE_OUTPUT: &str = "example-service.out";

/// The fields go down in this order: the service first, then the stores, then the files.
#[derive(Debug)]
pub(crate) struct NativeStack {
    service: Option<Running>,
    postgres: Option<PostgresServer>,
    redis: Running,
    endpoints: Endpoints,
    dir: TempDir,
}

impl NativeStack {
    pub(crate) fn bring_up(
        workspace: &Workspace,
        parts: Parts,
        service: &Path,
        faults: &[String],
    ) -> anyhow::Result<NativeStack> {
        let server = RedisServer::provide(workspace)?;
        server.say_where();
        let dir = workspace.scratch_dir("stack")?;
        let logs = dir.path().join("logs");
        fs::create_dir(&logs)?;

        let (redis, address) = start_redis(&server, dir.path(), &logs)?;
        let redis_url = format!("redis://{address}");
        let postgres = parts.postgres.then(|| PostgresServer::start(&logs.join("postgres.log"))).transpose()?;
        let mut command = service_command(service, &redis_url, &logs, faults);
        let service = parts.service.then(|| start_service(&mut command, &logs)).transpose()?;
        let (service, target_url) = service.unzip();
        let postgres_url = postgres.as_ref().map(|server| server.url().to_owned());
        let endpoints = Endpoints { target_url, redis_url, postgres_url, log_dir: Some(logs) };
        Ok(NativeStack { service, postgres, redis, endpoints, dir })
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    pub(crate) fn collect_logs(&self, into: &Path) -> anyhow::Result<()> {
        copy_files(&self.dir.path().join("logs"), into)
    }

    pub(crate) fn leave(self) -> String {
        let mut dirs = vec![workspace::keep(self.dir)];
        let mut processes = vec![self.redis.id()];
        self.redis.leave();
        if let Some(service) = self.service {
            processes.push(service.id());
            service.leave();
        }
        if let Some((id, dir)) = self.postgres.map(PostgresServer::leave) {
            processes.push(id);
            dirs.push(dir);
        }
        let processes = processes.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        let dirs = dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(" ");
        format!("kill {processes}; rm -r {dirs}")
    }
}

fn start_redis(server: &RedisServer, dir: &Path, logs: &Path) -> anyhow::Result<(Running, SocketAddr)> {
    let data = dir.join("redis");
    fs::create_dir(&data)?;
    on_a_free_port("Redis", |port| try_redis(server, port, &data, &logs.join("redis.log")))
}

/// Starts what takes no port of the system's choice.
pub(crate) fn on_a_free_port<T>(who: &str, start: impl Fn(u16) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut last = None;
    for _ in 0..PORT_ATTEMPTS {
        match start(probe::free_port()?) {
            Ok(started) => return Ok(started),
            Err(error) if error.is::<crate::interrupt::Interrupted>() => return Err(error),
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("there is at least one attempt")).with_context(|| format!("cannot start {who}"))
}

fn try_redis(server: &RedisServer, port: u16, data: &Path, log: &Path) -> anyhow::Result<(Running, SocketAddr)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut command = server.command(address.port(), data);
    write_output_to(&mut command, log)?;
    let redis = Running::start("Redis", &mut command)?;
    probe::wait_redis(address, START_LIMIT, || still_runs(&redis, "Redis", log))?;
    Ok((redis, address))
}

fn service_command(service: &Path, redis_url: &str, logs: &Path, faults: &[String]) -> Command {
    let mut command = Command::new(service);
    command.args(["--listen", "127.0.0.1:0", "--redis", redis_url]).arg("--log-dir").arg(logs);
    command.env(credentials::API_KEY, credentials::api_key());
    command.args(faults.iter().flat_map(|fault| ["--fault", fault]));
    command
}

fn start_service(command: &mut Command, logs: &Path) -> anyhow::Result<(Running, String)> {
    let (service, url) = start_listening(command, logs)?;
    let alive = || still_runs(&service, "the example service", &logs.join(SERVICE_OUTPUT));
    probe::wait_healthy(probe::address_of(&url)?, START_LIMIT, alive)?;
    Ok((service, url))
}

/// Starts the example service by its whole command line and waits until it listens, healthy or not; the URL is the
/// one it prints.
pub(crate) fn start_listening(command: &mut Command, logs: &Path) -> anyhow::Result<(Running, String)> {
    let output = logs.join(SERVICE_OUTPUT);
    write_output_to(command, &output)?;
    let service = Running::start("the example service", command)?;
    let url = until("the example service to listen", START_LIMIT, || {
        still_runs(&service, "the example service", &output)?;
        Ok(match listening_url(&fs::read_to_string(&output)?) {
            Some(url) => Attempt::Done(url),
            None => Attempt::NotYet(format!("no line `{LISTENING}...` in its output")),
        })
    })?;
    Ok((service, url))
}

/// The URL in the one line that says where the service listens, once that line is whole.
fn listening_url(output: &str) -> Option<String> {
    let whole = &output[..=output.rfind('\n')?];
    whole.lines().find_map(|line| line.strip_prefix(LISTENING)).map(|url| url.trim().to_owned())
}

pub(crate) fn write_output_to(command: &mut Command, path: &Path) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    command.stderr(file.try_clone()?).stdout(file);
    Ok(())
}

pub(crate) fn still_runs(process: &Running, name: &str, output: &Path) -> anyhow::Result<()> {
    match process.ended_with() {
        None => Ok(()),
        Some(code) => Err(ended_while_starting(name, code, &fs::read_to_string(output).unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_taken_from_a_whole_line_only() {
        assert_eq!(listening_url("listening on http://127.0.0.1:80"), None);
        assert_eq!(listening_url("a warning\nlistening on http://127.0.0.1:8080\n").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(listening_url(""), None);
    }

    #[test]
    fn faults_are_handed_to_the_service_one_by_one() {
        let faults = ["limiter=off".to_owned(), "latency=20ms".to_owned()];
        let command = service_command(Path::new("service"), "redis://127.0.0.1:1", Path::new("logs"), &faults);
        let line = crate::process::line_of(&command);
        assert!(line.ends_with("--log-dir logs --fault limiter=off --fault latency=20ms"), "{line}");
    }

    #[test]
    fn a_service_that_ends_while_starting_is_quoted() {
        let logs = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'error: cannot connect to redis' >&2; exit 4"]);
        let error = start_service(&mut command, logs.path()).unwrap_err();
        assert!(error.to_string().ends_with("error: cannot connect to redis"), "{error}");
    }
}
