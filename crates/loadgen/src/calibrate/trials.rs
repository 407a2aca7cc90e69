//! The trials: what is done to the server or to loadgen in each, and the truth that follows from it.

use std::thread::sleep;
use std::time::Duration;

use plimsoll_engine::StopHandle;
use plimsoll_record::RunClock;
use plimsoll_record::calibration::{Compared, Trial};
use plimsoll_record::units::{show_count, show_duration};
use plimsoll_record::verdict::Judgement;
use rustix::process::Signal;

use super::effort::Effort;
use super::load::{self, Load, Measured, Running};
use super::score::{self, Truth};
use super::server::Behaviour;
use super::service::Service;
use super::theory::{self, Distribution, Freezes};
use crate::exit::{FAILED, Failure};

/// Arrivals per second where the rate itself is not on trial.
const RATE: f64 = 1_000.0;
/// How fast a backlog is worked off varies from one time to the next; theory leaves so much open.
const DRAIN_AT_WORST: f64 = 0.8;
/// The parts into which the measurement of that is cut.
const DRAIN_INTERVALS: u32 = 5;
/// Times closer than this are the same in a comparison of distributions.
const SLACK_S: f64 = 0.001;
/// The service time of trials with a queue.
const SERVICE: Duration = Duration::from_millis(2);
const OVERLOAD: f64 = 1.2;
const UTILISATION: f64 = 0.8;
/// How many standard deviations of its sampling error the mean wait may be off.
const DEVIATIONS: f64 = 3.0;
/// The share of the time in which loadgen was stopped that it must name as contaminated.
const NAMED: f64 = 0.9;
/// How long loadgen runs before it is stopped.
const UNTIL_STOPPED: Duration = Duration::from_millis(1_200);

/// What all trials share.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    effort: Effort,
    stop: &'a StopHandle,
    /// What an answer takes when nothing is in its way, in seconds.
    base: f64,
}

impl<'a> Bench<'a> {
    /// Measures what an answer takes when nothing is in its way.
    pub(super) fn set_up(effort: Effort, stop: &'a StopHandle) -> Result<Self, Failure> {
        let run = load::run(&steady(effort.lead_in(), 50), Service::start(Behaviour::Instant)?, stop)?;
        let base = run.totals.response(0.5).filter(|median| !median.at_least);
        let base = base.ok_or_else(|| Failure::new(FAILED, "error: the built-in server answered nothing"))?;
        Ok(Self { effort, stop, base: base.nanos as f64 / 1e9 })
    }

    /// Requests per second that so many connections make when each sends its next one as soon as it has an answer,
    /// which is what they do with a backlog.
    fn drain(&self, connections: u32) -> Result<f64, Failure> {
        let length = self.effort.lead_in();
        let mut load = Load { phase: format!("users = {connections}"), ..steady(length, connections) };
        load.generator = format!("workers = 1\ninterval = \"{}ms\"", (length / DRAIN_INTERVALS).as_millis());
        let run = load::run(&load, Service::start(Behaviour::Instant)?, self.stop)?;
        // The first interval opens connections, and there are none to open in a backlog; the last one may be cut short.
        let points = run.facts.timeline();
        let rates = points.iter().take(DRAIN_INTERVALS as usize).skip(1).filter_map(|point| point.totals.throughput());
        let mut rates: Vec<f64> = rates.collect();
        rates.sort_by(f64::total_cmp);
        Ok(rates.get(rates.len() / 2).copied().unwrap_or(0.0).max(RATE))
    }

    /// Everything stands still `hold` times while the load goes on.
    fn frozen(&self, holds: &[f64], length: Duration, drain: f64) -> Truth {
        let freezes =
            Freezes { base: self.base, holds: holds.to_vec(), seconds: length.as_secs_f64(), rate: RATE, drain };
        let slowest = Freezes { drain: drain * DRAIN_AT_WORST, ..freezes.clone() };
        Truth { furthest: slowest.distribution(), ..Truth::known(freezes.distribution(), SLACK_S, RATE) }
    }

    /// The server holds every answer again and again.
    pub(super) fn freeze(&self, connections: u32) -> Result<Trial, Failure> {
        let (hold, every) = self.effort.freeze();
        let length = every * self.effort.freezes();
        let drain = self.drain(connections)?;
        // Each freeze in the middle of its period, so that the last backlog is gone before the end.
        let first = (every - hold) / 2;
        let behaviour = Behaviour::Freezing { first: nanos(first), hold: nanos(hold), every: nanos(every) };
        let run = load::run(&steady(length, connections), Service::start(behaviour)?, self.stop)?;
        let holds: Vec<f64> = run.server.freezes.iter().map(|(from, to)| seconds(to - from)).collect();
        let setting = format!(
            "answers held for {} every {}, {}/s for {}, {connections} connections",
            show_duration(hold),
            show_duration(every),
            show_count(RATE),
            show_duration(length)
        );
        let name = format!("freeze-{connections}");
        Ok(score::score(&name, setting, &run, &self.frozen(&holds, length, drain)))
    }

    /// The run ends in a freeze, and what it held is abandoned.
    pub(super) fn end(&self) -> Result<Trial, Failure> {
        let (length, tail, patience) = self.effort.end();
        let behaviour = Behaviour::Freezing {
            first: nanos(length - tail),
            hold: nanos(tail + patience + Duration::from_secs(60)),
            every: i64::MAX / 4,
        };
        let mut load = steady(length, 1_000);
        load.generator.push_str(&format!("\ndrain = \"{}ms\"", patience.as_millis()));
        let run = load::run(&load, Service::start(behaviour)?, self.stop)?;
        let end_ns = run.start_ns() + nanos(length);
        let held = run.server.freezes.first().map_or(0.0, |(from, _)| seconds(end_ns - from).max(0.0));
        let truth = theory::abandoned(self.base, length.as_secs_f64(), held, patience.as_secs_f64());
        let unfinished = (held * RATE).round() as u64;
        let truth = Truth { unfinished, horizon: patience.as_secs_f64(), ..Truth::known(truth, SLACK_S, RATE) };
        let setting = format!(
            "answers held from {} before the end of {}, given up {} after it: bounds, and nothing lost",
            show_duration(tail),
            show_duration(length),
            show_duration(patience)
        );
        let mut trial = score::score("end", setting, &run, &truth);
        // p99 falls among the abandoned, and must say so.
        let bound = trial.values.iter().any(|value| value.what == "p99" && value.at_least);
        if !bound && trial.judgement == Judgement::Pass {
            trial.judgement = Judgement::Fail;
            trial.reason = "p99 falls among arrivals without an answer and is not called a bound".to_owned();
        }
        Ok(trial)
    }

    /// loadgen itself stands still: it must count the wait all the same, and doubt itself.
    pub(super) fn stop(&self) -> Result<Trial, Failure> {
        // Few, because opening many at once takes time of its own, and that is not what is asked here.
        let connections = 10;
        let (length, pause) = self.effort.stop();
        let drain = self.drain(connections)?;
        let running = Running::start(&steady(length, connections), Service::start(Behaviour::Instant)?)?;
        let clock = RunClock::start();
        sleep(UNTIL_STOPPED);
        running.signal(Signal::STOP);
        let from = clock.anchor().monotonic_ns + clock.now().as_nanos();
        sleep(pause);
        running.signal(Signal::CONT);
        let to = clock.anchor().monotonic_ns + clock.now().as_nanos();
        let run = running.finish(self.stop)?;
        let truth = Truth { stopped: true, ..self.frozen(&[seconds(to - from)], length, drain) };
        let setting = format!("loadgen stopped for {} of {}", show_duration(pause), show_duration(length));
        let mut trial = score::score("stop", setting, &run, &truth);
        doubts_itself(&mut trial, &run, from, to);
        Ok(trial)
    }

    /// More than the server can do: the backlog grows evenly.
    pub(super) fn overload(&self) -> Result<Trial, Failure> {
        let length = self.effort.overload();
        let service = SERVICE.as_secs_f64();
        let rate = OVERLOAD / service;
        let load = Load { phase: format!("rate = \"{rate}/s\""), ..steady(length, 1_000) };
        let run = load::run(&load, Service::start(Behaviour::OneAtATime(nanos(SERVICE)))?, self.stop)?;
        let truth = theory::overload(self.base, service, rate, length.as_secs_f64());
        let setting = format!(
            "{OVERLOAD} times what a server of {} can do, for {}",
            show_duration(SERVICE),
            show_duration(length)
        );
        Ok(score::score("overload", setting, &run, &Truth::known(truth, SLACK_S, rate)))
    }

    /// A queue with random arrivals: M/D/1.
    pub(super) fn queue(&self) -> Result<Trial, Failure> {
        let length = self.effort.queue();
        let service = SERVICE.as_secs_f64();
        let rate = UTILISATION / service;
        let phase = format!("rate = \"{rate}/s\"\narrivals = \"poisson\"");
        let mut load = Load { phase, ..steady(length, 1_000) };
        load.generator.push_str("\nrequests = \"all\"");
        let run = load::run(&load, Service::start(Behaviour::OneAtATime(nanos(SERVICE)))?, self.stop)?;
        let times: Vec<f64> =
            theory::queue(&arrivals(&run)?, service).into_iter().map(|time| time + self.base).collect();
        let truth = Truth::known(Distribution::of(&times), service / 4.0, rate);
        let setting = format!(
            "Poisson arrivals at {UTILISATION} of what a server of {} can do, for {}",
            show_duration(SERVICE),
            show_duration(length)
        );
        let mut trial = score::score("queue", setting, &run, &truth);
        self.expect_mean_wait(&mut trial, rate, length);
        Ok(trial)
    }

    /// The long-run mean wait of such a queue, which one run finds only up to its sampling error.
    fn expect_mean_wait(&self, trial: &mut Trial, rate: f64, length: Duration) {
        let service = SERVICE.as_secs_f64();
        let mean = trial.values.iter().find(|value| value.what == "mean").and_then(|value| value.measured_s);
        let deviation = theory::mean_wait_error(rate, service, length);
        let wait = Compared {
            what: "mean wait".to_owned(),
            truth_s: theory::mean_wait(rate, service),
            measured_s: mean.map(|mean| mean - self.base - service),
            at_least: false,
            allowed_s: DEVIATIONS * deviation + Compared::tolerance(0.01, 0.0),
        };
        let sampling = show_duration(Duration::from_secs_f64(deviation));
        trial.setting.push_str(&format!("; sampling error of the mean wait {sampling}"));
        if !wait.holds() && trial.judgement == Judgement::Pass {
            trial.judgement = Judgement::Fail;
            trial.reason =
                "the mean wait is further from theory than chance explains: arrivals are not random".to_owned();
        }
        trial.values.push(wait);
    }
}

/// A stopped generator that trusts itself is worse than one that measures badly.
fn doubts_itself(trial: &mut Trial, run: &Measured, from: i64, to: i64) {
    let anchor = run.facts.run.info().anchor.monotonic_ns;
    let overlap = |span: &(i64, i64)| (to.min(span.1 + anchor) - from.max(span.0 + anchor)).max(0);
    let named: i64 = run.health.contaminated.iter().map(overlap).sum();
    if run.health.judgement == Judgement::Pass {
        trial.judgement = Judgement::Fail;
        trial.reason = "loadgen stood still and its run is not called contaminated".to_owned();
    } else if seconds(named) < NAMED * seconds(to - from) {
        trial.judgement = Judgement::Fail;
        trial.reason = "the run is called contaminated, and not in the seconds in which loadgen stood still".to_owned();
    } else if trial.judgement == Judgement::Pass {
        trial.reason = "within tolerance, called contaminated, and the right seconds named".to_owned();
    }
}

/// Uniform arrivals at the usual rate.
fn steady(length: Duration, connections: u32) -> Load {
    Load {
        phase: format!("rate = \"{RATE}/s\""),
        length,
        connections,
        // One worker, so that a backlog is worked off by as many as the load has.
        generator: "workers = 1\ninterval = \"250ms\"".to_owned(),
    }
}

/// The intended times of all arrivals, in order, in seconds.
fn arrivals(run: &Measured) -> Result<Vec<f64>, Failure> {
    let log = run.facts.requests().map_err(|error| Failure::from_error(FAILED, &error))?;
    let log = log.ok_or_else(|| Failure::new(FAILED, "error: a run of loadgen kept no request log"))?;
    let mut times: Vec<f64> = log.rows.iter().map(|row| row.intended.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}
