//! One run of one generator against one server, and what it took.

use std::time::Duration;

use anyhow::Context as _;

use crate::cargo::Binaries;
use crate::interrupt::{self, Interrupted};
use crate::process;
use crate::say;
use crate::workspace::Workspace;

use super::cores::Cores;
use super::generators::{Contestant, Model, Work};
use super::servers::{Kind, Server};
use super::table::{Figures, Table};
use super::usage;

/// Beyond its time, a run has to start, to drain, and to print.
const RUN_SLACK: Duration = Duration::from_secs(30);
/// A service so slow that a second brings two requests per connection: what a run takes then is start-up and end.
const NEARLY_NOTHING: Kind = Kind::Example { fault: Some("latency=500ms") };
const START_UP_RUNS: usize = 3;

/// Everything that stays the same from run to run.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) binaries: Binaries,
    /// The server to load instead of one that is started here.
    pub(super) url: Option<String>,
}

/// Who runs what, where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) contestant: &'a Contestant,
    pub(super) work: Work<'a>,
    pub(super) cores: &'a Cores,
}

/// One run of one generator.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) cpu_s: f64,
    pub(super) requests: f64,
    pub(super) per_second: f64,
    /// None where it ended before the first look.
    pub(super) peak_rss_mib: Option<f64>,
    pub(super) output: String,
}

impl Sample {
    pub(super) fn cpu_us_per_request(&self) -> f64 {
        self.cpu_s * 1e6 / self.requests
    }

    /// Without what the start takes; None where nothing is left.
    pub(super) fn net_us_per_request(&self, start_up_s: f64) -> Option<f64> {
        let net = self.cpu_s - start_up_s;
        (net > 0.0).then_some(net * 1e6 / self.requests)
    }
}

impl Bench<'_> {
    pub(super) fn run(&self, contestant: &Contestant, work: &Work<'_>, cores: &Cores) -> anyhow::Result<Sample> {
        interrupt::check()?;
        let scratch = self.workspace.scratch_dir("peers")?;
        let mut command = cores.generator(&contestant.program);
        contestant.arguments(&mut command, work, scratch.path())?;
        let metered = usage::run(&mut command, Duration::from_secs(work.seconds.into()) + RUN_SLACK)?;
        let answer = contestant.read(&metered.stdout).with_context(|| format!("`{}`", process::line_of(&command)))?;
        let mib = |kib: u64| u32::try_from(kib).ok().map(|kib| f64::from(kib) / 1024.0);
        Ok(Sample {
            cpu_s: metered.cpu_s,
            requests: answer.requests,
            per_second: answer.per_second,
            peak_rss_mib: metered.peak_rss_kib.and_then(mib),
            output: metered.stdout,
        })
    }

    /// As `run`, and a run that fails is a note below the table: one generator's trouble leaves the others' figures.
    pub(super) fn try_run(&self, turn: &Turn<'_>, table: &mut Table) -> anyhow::Result<Option<Sample>> {
        match self.run(turn.contestant, &turn.work, turn.cores) {
            Ok(sample) => Ok(Some(sample)),
            Err(error) if error.is::<Interrupted>() => Err(error),
            Err(error) => {
                let note = format!("{} has a run without figures: {error:#}", turn.contestant.title);
                say::warn(&note);
                table.note(note);
                Ok(None)
            }
        }
    }

    /// One run right after the other. Who goes first changes from pair to pair, so that a machine that slows down
    /// favours nobody.
    pub(super) fn pair(
        &self,
        number: u32,
        turns: &[Turn<'_>; 2],
        table: &mut Table,
    ) -> anyhow::Result<Option<[Sample; 2]>> {
        let [one, other] = turns;
        if number.is_multiple_of(2) {
            let (one, other) = (self.try_run(one, table)?, self.try_run(other, table)?);
            return Ok(one.zip(other).map(<[Sample; 2]>::from));
        }
        let (other, one) = (self.try_run(other, table)?, self.try_run(one, table)?);
        Ok(one.zip(other).map(<[Sample; 2]>::from))
    }

    /// The CPU seconds of a run of one second with as many connections and nearly no requests.
    pub(super) fn start_up(&self, contestant: &Contestant, work: &Work<'_>, cores: &Cores) -> anyhow::Result<f64> {
        let server = Server::start(self, NEARLY_NOTHING, cores)?;
        // A rate that the slow service can follow, so that nothing is left to wait for.
        let model = match work.model {
            Model::Closed => Model::Closed,
            Model::Open(_) => Model::Open(work.connections),
        };
        let work = Work { url: &server.url, seconds: 1, model, ..*work };
        let runs: Vec<f64> =
            (0..START_UP_RUNS).map(|_| Ok(self.run(contestant, &work, cores)?.cpu_s)).collect::<anyhow::Result<_>>()?;
        Figures::of(runs).median().context("there was no run")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_per_request_is_of_the_whole_process_or_net_of_its_start() {
        let sample =
            Sample { cpu_s: 2.0, requests: 200_000.0, per_second: 1.0, peak_rss_mib: None, output: String::new() };
        assert_eq!(sample.cpu_us_per_request(), 10.0);
        assert_eq!(sample.net_us_per_request(0.5), Some(7.5));
        assert_eq!(sample.net_us_per_request(2.0), None);
    }
}
