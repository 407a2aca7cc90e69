//! A container engine that runs, with a compose command that goes with it. Installed is not enough: docker is often
//! there without a daemon, or with one this user may not talk to.

use std::process::Command;
use std::time::Duration;

use crate::platform;
use crate::process::{self, Finished};

const CANNOT_CONNECT: &str = "Cannot connect";
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// In the order they are tried: engine, and the compose commands that can drive it.
const CANDIDATES: [(&str, [&[&str]; 2]); 2] = [
    ("docker", [&["docker", "compose"], &["docker-compose"]]),
    ("podman", [&["podman", "compose"], &["podman-compose"]]),
];

#[derive(Debug, Clone)]
pub(crate) struct Engine {
    program: &'static str,
    compose: &'static [&'static str],
}

impl Engine {
    /// The first engine that works. When none does, the reasons of all.
    pub(crate) fn find() -> anyhow::Result<Result<Engine, String>> {
        let mut reasons = Vec::new();
        for (program, composes) in &CANDIDATES {
            match try_engine(program, composes)? {
                Ok(engine) => return Ok(Ok(engine)),
                Err(reason) => reasons.push(reason),
            }
        }
        Ok(Err(reasons.join("; ")))
    }

    /// The engine's own command, such as `docker`.
    pub(crate) fn command(&self) -> Command {
        Command::new(self.program)
    }

    pub(crate) fn compose_command(&self) -> Command {
        let mut command = Command::new(self.compose[0]);
        command.args(&self.compose[1..]);
        command
    }

    /// As one types it: `docker-compose`, `podman compose`.
    pub(crate) fn compose_name(&self) -> String {
        self.compose.join(" ")
    }
}

fn try_engine(program: &'static str, composes: &[&'static [&'static str]]) -> anyhow::Result<Result<Engine, String>> {
    if platform::find_program(program).is_none() {
        return Ok(Err(format!("{program} is not installed")));
    }
    let info = ask(Command::new(program).arg("info"))?;
    if !answers(&info) {
        return Ok(Err(format!("{program} is installed but its engine does not answer ({})", refusal(&info))));
    }
    for compose in composes {
        let engine = Engine { program, compose };
        if platform::find_program(compose[0]).is_some() && ask(engine.compose_command().arg("version"))?.succeeded() {
            return Ok(Ok(engine));
        }
    }
    Ok(Err(format!("{program} runs but has no compose command")))
}

/// Some versions of docker exit with 0 although only the client's half of the answer came.
fn answers(info: &Finished) -> bool {
    info.succeeded() && !refusal(info).contains(CANNOT_CONNECT)
}

/// docker puts the cause among other words, on either stream by version.
fn refusal(info: &Finished) -> String {
    let mut lines = info.stderr.lines().chain(info.stdout.lines()).map(str::trim);
    let cause = lines.find(|line| line.contains(CANNOT_CONNECT) || line.contains("permission denied"));
    cause.map_or_else(|| info.complaint(), |line| line.trim_start_matches("ERROR: ").to_owned())
}

fn ask(command: &mut Command) -> anyhow::Result<Finished> {
    process::capture(command, ASK_LIMIT)
}
