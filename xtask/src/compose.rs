//! The stack as containers, by a compose file and whichever compose command the engine has. Every run is a project
//! of its own name, on ports the engine picks, and all of it is removed when this is dropped.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::engine::Engine;
use crate::images;
use crate::probe;
use crate::process::{self, capture, capture_ok, capture_regardless};
use crate::say;
use crate::stack::{Endpoints, copy_files, ended_while_starting};
use crate::sweeper::{self, Promise};
use crate::workspace::{self, Workspace};

const UP_LIMIT: Duration = Duration::from_secs(300);
const DOWN_LIMIT: Duration = Duration::from_secs(120);
const ASK_LIMIT: Duration = Duration::from_secs(30);
const HEALTHY_LIMIT: Duration = Duration::from_secs(60);
/// podman-compose before 1.0.6 does not know about orphans, and refuses what it does not know.
const DOWN_FLAGS: [&[&str]; 2] =
    [&["--volumes", "--remove-orphans", "--timeout", "5"], &["--volumes", "--timeout", "5"]];
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
const REDIS_PORT: u16 = 6379;
const SERVICE_PORT: u16 = 8080;

#[derive(Debug)]
pub(crate) struct ComposeStack {
    // First, so that the containers are gone before the directory they write into.
    project: Project,
    containers: Containers,
    endpoints: Endpoints,
    dir: TempDir,
}

impl ComposeStack {
    pub(crate) fn bring_up(
        workspace: &Workspace,
        engine: &Engine,
        file: &Path,
        service: &Path,
        faults: &[String],
    ) -> anyhow::Result<ComposeStack> {
        let dir = workspace.scratch_dir("stack")?;
        let logs = dir.path().join("logs");
        fs::create_dir(&logs)?;
        let mut variables = image_variables(workspace, engine, file, service)?;
        variables.insert("LOG_DIR", logs.display().to_string());
        variables.insert("SERVICE_FLAGS", flags(faults));

        let project = Project::new(engine, file, dir.path(), variables);
        sweeper::promise(&project.promise());
        let containers = project.up()?;
        let endpoints = Endpoints {
            target_url: Some(format!("http://{}", containers.service.address)),
            redis_url: format!("redis://{}", containers.redis.address),
            postgres_url: None,
            log_dir: Some(logs),
        };
        Ok(ComposeStack { project, containers, endpoints, dir })
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    pub(crate) fn collect_logs(&self, into: &Path) -> anyhow::Result<()> {
        copy_files(&self.dir.path().join("logs"), into)?;
        for container in [&self.containers.redis, &self.containers.service] {
            fs::write(into.join(format!("{}.out", container.service)), container.output()?)?;
        }
        Ok(())
    }

    pub(crate) fn leave(self) -> String {
        let dir = workspace::keep(self.dir);
        let how = format!("{}; rm -r {}", self.project.down_line(), dir.display());
        self.project.leave();
        how
    }
}

/// The images a compose file asks for by variable; an image the user named is taken as it is.
fn image_variables(
    workspace: &Workspace,
    engine: &Engine,
    file: &Path,
    service: &Path,
) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let wanted = |name: &str| text.contains(&format!("${{{name}")) && env::var_os(name).is_none();
    let mut variables = BTreeMap::new();
    if wanted("REDIS_IMAGE") {
        variables.insert("REDIS_IMAGE", images::redis(engine, workspace)?);
    }
    if wanted("SERVICE_IMAGE") {
        variables.insert("SERVICE_IMAGE", images::service(engine, workspace, service)?);
    }
    Ok(variables)
}

fn flags(faults: &[String]) -> String {
    faults.iter().map(|fault| format!("--fault {fault}")).collect::<Vec<_>>().join(" ")
}

#[derive(Debug)]
struct Containers {
    redis: Container,
    service: Container,
}

#[derive(Debug)]
struct Container {
    engine: Engine,
    service: &'static str,
    id: String,
    address: SocketAddr,
}

impl Container {
    fn published(&self, port: u16) -> anyhow::Result<Option<SocketAddr>> {
        let asked = capture(self.engine.command().args(["port", &self.id, &format!("{port}/tcp")]), ASK_LIMIT)?;
        // One that has ended publishes nothing, and its own words say more than that.
        self.still_runs()?;
        Ok(published_address(&asked.stdout))
    }

    /// An error with the container's own words once it has ended. Only a clear answer counts.
    fn still_runs(&self) -> anyhow::Result<()> {
        let mut inspect = self.engine.command();
        inspect.args(["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", &self.id]);
        let answer = capture(&mut inspect, ASK_LIMIT)?.stdout;
        match answer.split_whitespace().collect::<Vec<_>>()[..] {
            ["exited" | "dead", code] => Err(ended_while_starting(
                &format!("the container `{}`", self.service),
                code.parse().ok(),
                &self.output()?,
            )),
            _ => Ok(()),
        }
    }

    fn output(&self) -> anyhow::Result<String> {
        let logs = capture_regardless(self.engine.command().args(["logs", &self.id]), ASK_LIMIT)?;
        Ok(logs.stdout + &logs.stderr)
    }
}

/// One compose project, from `up` until `down`.
#[derive(Debug)]
struct Project {
    engine: Engine,
    name: String,
    file: PathBuf,
    variables: BTreeMap<&'static str, String>,
    down_when_dropped: bool,
}

impl Project {
    fn new(engine: &Engine, file: &Path, dir: &Path, variables: BTreeMap<&'static str, String>) -> Project {
        // The directory's random name makes the project's name unique; compose wants it in lower case.
        let unique = dir.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        Project {
            engine: engine.clone(),
            name: format!("plimsoll-{}-{unique}", std::process::id()),
            file: file.to_owned(),
            variables,
            down_when_dropped: true,
        }
    }

    /// Redis first, and the service once it answers: a service should not have to survive a missing Redis to start.
    fn up(&self) -> anyhow::Result<Containers> {
        say::step(format!("starting the containers of {} as project {}", self.file.display(), self.name));
        let redis = self.start("redis", REDIS_PORT)?;
        probe::wait_redis(redis.address, HEALTHY_LIMIT, || redis.still_runs())?;
        let service = self.start("service", SERVICE_PORT)?;
        probe::wait_healthy(service.address, HEALTHY_LIMIT, || service.still_runs())?;
        Ok(Containers { redis, service })
    }

    /// Starts one service and looks its container up. From there on the engine is asked, and not compose, whose
    /// `ps`, `port` and `logs` differ from one implementation to the next.
    fn start(&self, service: &'static str, port: u16) -> anyhow::Result<Container> {
        let up = capture_ok(self.compose().args(["up", "-d", service]), UP_LIMIT);
        let up = up.with_context(|| format!("cannot start the container `{service}`"))?;
        let mut ps = self.engine.command();
        ps.args(["ps", "--all", "--quiet", "--no-trunc"]);
        ps.args(["--filter", &format!("label=com.docker.compose.project={}", self.name)]);
        ps.args(["--filter", &format!("label=com.docker.compose.service={service}")]);
        let ids = capture_ok(&mut ps, ASK_LIMIT)?.stdout;
        let id = ids.lines().next().with_context(|| format!("there is no container `{service}`"))?;
        let mut container = Container { engine: self.engine.clone(), service, id: id.to_owned(), address: NOWHERE };
        // podman-compose calls it a success when the engine refused to start what it made.
        let why = || format!("`{service}` publishes no port {port} ({})", up.complaint());
        container.address = container.published(port)?.with_context(why)?;
        Ok(container)
    }

    fn compose(&self) -> Command {
        let mut command = self.engine.compose_command();
        command.args(["-p", &self.name, "-f"]).arg(&self.file).envs(&self.variables);
        command
    }

    fn down(&self, flags: &[&str]) -> Command {
        let mut down = self.compose();
        down.arg("down").args(flags);
        down
    }

    /// Down with everything that the compose command at hand can be told to remove. None when it worked.
    fn complaint_of_down(&self) -> Option<String> {
        let mut complaint = None;
        for flags in DOWN_FLAGS {
            complaint = match capture_regardless(&mut self.down(flags), DOWN_LIMIT) {
                Ok(finished) if finished.succeeded() => return None,
                Ok(finished) => Some(finished.complaint()),
                Err(error) => Some(format!("{error:#}")),
            };
        }
        complaint
    }

    /// `down` as one types it: the file wants its variables again.
    fn down_line(&self) -> String {
        let variables = self.variables.iter().map(|(name, value)| format!("{name}='{value}' "));
        variables.collect::<String>() + &process::line_of(&self.down(&["--volumes"]))
    }

    /// The same for whoever comes after an xtask that was killed.
    fn promise(&self) -> Promise {
        let words_of = |command: &Command| {
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words.map(|word| word.to_string_lossy().into_owned()).collect()
        };
        let attempts = DOWN_FLAGS.iter().map(|flags| words_of(&self.down(flags))).collect();
        let environment = self.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Promise::Command { attempts, environment }
    }

    fn leave(mut self) {
        sweeper::release(&self.promise());
        self.down_when_dropped = false;
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let complaint = if self.down_when_dropped { self.complaint_of_down() } else { None };
        if let Some(complaint) = complaint {
            let (name, line) = (&self.name, self.down_line());
            say::warn(format!("the containers of {name} may still be there: {complaint}; try: {line}"));
        }
        sweeper::release(&self.promise());
    }
}

/// `0.0.0.0:32768` or `127.0.0.1:32768` as `docker port` prints it, as an address to connect to.
fn published_address(answer: &str) -> Option<SocketAddr> {
    let line = answer.lines().find(|line| !line.trim().is_empty())?;
    let port = line.trim().rsplit(':').next()?.parse().ok().filter(|port| *port != 0)?;
    Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_port_is_read_from_every_form() {
        for answer in ["127.0.0.1:32768\n", "0.0.0.0:32768\n[::]:32768\n", "\n[::]:32768\n"] {
            assert_eq!(published_address(answer), Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 32768))), "{answer}");
        }
    }

    #[test]
    fn no_published_port_is_no_address() {
        for answer in ["", "invalid\n", ":0\n"] {
            assert_eq!(published_address(answer), None, "{answer}");
        }
    }

    #[test]
    fn faults_become_the_flags_of_the_service() {
        assert_eq!(
            flags(&["limiter=off".to_owned(), "leak=100x1000".to_owned()]),
            "--fault limiter=off --fault leak=100x1000"
        );
        assert_eq!(flags(&[]), "");
    }
}
