//! One run of loadgen as users run it: a plan in a file, a child process, a record to read.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use plimsoll_engine::{Stop, StopHandle};
use plimsoll_record::summary::{Facts, Scope, Totals};
use plimsoll_record::verdict::GeneratorHealth;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::server::ServerReport;
use super::service::Service;
use super::waiting;
use crate::exit::{ENVIRONMENT, FAILED, Failure, INTERRUPTED};

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The load of one trial: the parts of a plan that differ between trials.
#[derive(Clone, Debug)]
pub(super) struct Load {
    /// Lines of the one phase, `rate = "1000/s"`.
    pub(super) phase: String,
    /// Its length.
    pub(super) length: Duration,
    pub(super) connections: u32,
    /// Further lines of `[generator]`.
    pub(super) generator: String,
}

impl Load {
    fn plan(&self, url: &str) -> String {
        let Self { phase, length, connections, generator } = self;
        format!(
            r#"schema = 1
name = "calibration"

[target]
url = "{url}"
connections = {connections}

[generator]
{generator}

[[phases]]
name = "load"
duration = "{}us"
{phase}

[flows.request]
[[flows.request.steps]]
name = "request"
get = "/"
"#,
            length.as_micros()
        )
    }
}

/// What a run left behind.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) facts: Facts,
    pub(super) totals: Totals,
    pub(super) health: GeneratorHealth,
    pub(super) server: ServerReport,
    /// Seconds in which loadgen or the server were ready to run and had no core.
    pub(super) waited_for_core: f64,
    /// Goes with what is read from it on demand.
    _directory: TempDir,
}

impl Measured {
    /// When the load began, on the machine's monotonic clock in nanoseconds.
    pub(super) fn start_ns(&self) -> i64 {
        let start = self.facts.traffic.as_ref().map_or(0, |traffic| traffic.header.body.start_ns.as_nanos());
        self.facts.run.info().anchor.monotonic_ns + start
    }

    /// Arrivals the plan asked for.
    pub(super) fn planned(&self) -> u64 {
        let phases = self.facts.traffic.iter().flat_map(|traffic| &traffic.header.body.phases);
        phases.filter_map(|phase| phase.planned_arrivals).sum()
    }
}

/// Runs `load` against `service` to its end.
pub(super) fn run(load: &Load, service: Service, stop: &StopHandle) -> Result<Measured, Failure> {
    Running::start(load, service)?.finish(stop)
}

/// A run that is going on. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Running {
    process: Process,
    service: Service,
    directory: TempDir,
}

impl Running {
    pub(super) fn start(load: &Load, service: Service) -> Result<Self, Failure> {
        let trouble = |error: std::io::Error| {
            Failure::new(ENVIRONMENT, format!("error: cannot start a run of loadgen\n  because: {error}"))
        };
        let directory = tempfile::Builder::new().prefix("loadgen-").tempdir().map_err(trouble)?;
        let plan = directory.path().join("plan.toml");
        std::fs::write(&plan, load.plan(service.url())).map_err(trouble)?;
        let mut command = Command::new(std::env::current_exe().map_err(trouble)?);
        command.arg("run").arg(plan).arg("--run-dir").arg(run_dir(&directory)).arg("--quiet");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        Ok(Self { process: Process(child.map_err(trouble)?), service, directory })
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub(super) fn finish(mut self, stop: &StopHandle) -> Result<Measured, Failure> {
        let mut waited_for_core = 0.0;
        let pids = [self.process.0.id(), self.service.id()];
        let look = || waited_for_core = pids.into_iter().map(waiting::seconds).sum::<f64>().max(waited_for_core);
        match self.process.wait(stop, look)? {
            Some(0) => {}
            _ => return Err(Failure::new(FAILED, self.process.last_words())),
        }
        let Self { service, directory, .. } = self;
        let facts = Facts::load(&run_dir(&directory)).map_err(|error| Failure::from_error(FAILED, &error))?;
        let (totals, health) = (facts.totals(&Scope::default()), health(&facts)?);
        Ok(Measured { facts, totals, health, server: service.finish()?, waited_for_core, _directory: directory })
    }
}

/// The child. Dropping it kills it, also when it is stopped.
#[derive(Debug)]
struct Process(Child);

impl Process {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // A run that has ended by itself needs no signal.
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for its end, looking around meanwhile, and hands an interruption on; its exit code.
    fn wait(&mut self, stop: &StopHandle, mut look: impl FnMut()) -> Result<Option<i32>, Failure> {
        let mut interrupted = false;
        loop {
            if stop.wish() != Stop::No && !interrupted {
                self.signal(Signal::INT);
                interrupted = true;
            }
            match self.0.try_wait() {
                Ok(None) => {
                    look();
                    sleep(LOOK_EVERY);
                }
                // A terminal tells the child itself, and it may be faster.
                Ok(Some(_)) if stop.wish() != Stop::No => {
                    return Err(Failure::new(INTERRUPTED, "interrupted; nothing was stored"));
                }
                Ok(Some(status)) => return Ok(status.code()),
                Err(error) => return Err(Failure::from_error(ENVIRONMENT, &error)),
            }
        }
    }

    fn last_words(&mut self) -> String {
        let mut said = String::new();
        if let Some(mut stderr) = self.0.stderr.take() {
            // What cannot be read cannot be told.
            drop(stderr.read_to_string(&mut said));
        }
        format!("error: a run of loadgen failed\n  because: {}", said.trim())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has usually ended by itself, and then there is nothing to kill.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn run_dir(directory: &TempDir) -> PathBuf {
    directory.path().join("run")
}

fn health(facts: &Facts) -> Result<GeneratorHealth, Failure> {
    let text = facts.plan.as_deref().unwrap_or_default();
    let plan = plimsoll_plan::parse_recorded(text).map_err(|problems| Failure::new(FAILED, problems.render(false)))?;
    let verdict = plimsoll_criteria::judge(facts, &plan, &[]);
    verdict.map(|verdict| verdict.generator).map_err(|error| Failure::from_error(FAILED, &error))
}
