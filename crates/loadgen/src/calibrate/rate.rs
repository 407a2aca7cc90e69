//! Up to which rate arrivals are sent on time: one rate after another against a server that answers at once.

use plimsoll_engine::StopHandle;
use plimsoll_record::calibration::{RateStep, TrustedRate};
use plimsoll_record::traffic::GeneratorInterval;
use plimsoll_record::units::{Unit, show_count};

use super::effort::Effort;
use super::load::{self, Load, Measured};
use super::server::Behaviour;
use super::service::Service;
use crate::exit::Failure;

/// A 99th percentile of send lag that is still on time.
const MOST_LAG_NS: u64 = 1_000_000;
/// The least share of the planned requests that is still the planned rate.
const LEAST_OFFERED: f64 = 0.98;
/// A worker busier than this has no time left to be punctual.
const BUSIEST_WORKER: f64 = 0.9;
/// More arrivals than this share waiting for a connection: the server is the limit, not loadgen.
const MOST_WAITING: f64 = 0.01;
/// An interval with fewer requests than this share of all is a rest that says nothing.
const REST: f64 = 0.1;

/// Raises the rate until it is not kept, with a second try for each rate: a machine may have other things to do.
pub(super) fn climb(effort: Effort, stop: &StopHandle, tell: impl Fn(f64)) -> Result<TrustedRate, Failure> {
    let mut steps: Vec<RateStep> = Vec::new();
    for rate in effort.rates() {
        tell(*rate);
        let mut found = step(effort, *rate, stop)?;
        if !found.trouble.is_empty() {
            found = step(effort, *rate, stop)?;
        }
        let kept = found.trouble.is_empty();
        steps.push(found);
        if !kept {
            break;
        }
    }
    Ok(trusted(steps))
}

fn trusted(steps: Vec<RateStep>) -> TrustedRate {
    let kept = steps.iter().rev().find(|step| step.trouble.is_empty());
    let at_least = steps.iter().all(|step| step.trouble.is_empty());
    TrustedRate { per_second: kept.map(|step| step.rate), at_least, steps }
}

fn step(effort: Effort, rate: f64, stop: &StopHandle) -> Result<RateStep, Failure> {
    let length = effort.step();
    let load = Load {
        phase: format!("rate = \"{rate}/s\""),
        length,
        connections: 1_000,
        // One interval for the whole step: its percentile is the step's.
        generator: format!("precision = \"fine\"\ninterval = \"{}ms\"", length.as_millis()),
    };
    let run = load::run(&load, Service::start(Behaviour::Instant)?, stop)?;
    Ok(read(rate, &run))
}

fn read(rate: f64, run: &Measured) -> RateStep {
    let rows: Vec<&GeneratorInterval> = run.facts.generator().collect();
    let sent: u64 = rows.iter().map(|row| row.sent).sum();
    let body = || rows.iter().filter(|row| row.sent as f64 > REST * sent as f64);
    let phases = run.facts.traffic.iter().flat_map(|traffic| &traffic.header.body.phases);
    let end = phases.filter_map(|phase| phase.end_ns).max().unwrap_or_default();
    let in_time: u64 = rows.iter().filter(|row| row.at_ns < end).map(|row| row.sent).sum();
    let mean = |histogram: &plimsoll_record::latency::Histogram| histogram.mean().unwrap_or(0.0);
    let served = &run.totals.served;
    let mut step = RateStep {
        rate,
        offered_share: in_time as f64 / run.planned().max(1) as f64,
        lag_mean_ns: (mean(&served.response) - mean(&served.service)).max(0.0) as u64,
        lag_p99_ns: body().map(|row| row.send_lag_p99_ns).max().unwrap_or(0),
        busiest_worker: body().map(|row| row.busiest_worker).fold(0.0, f64::max),
        trouble: String::new(),
    };
    let waited: u64 = rows.iter().map(|row| row.waited_for_connection).sum();
    step.trouble = trouble(&step, waited as f64 / sent.max(1) as f64);
    step
}

fn trouble(step: &RateStep, waiting: f64) -> String {
    let mut troubles = Vec::new();
    if step.lag_p99_ns > MOST_LAG_NS {
        troubles.push(format!("p99 of the send lag is {}", Unit::Seconds.show(step.lag_p99_ns as f64 / 1e9)));
    }
    if step.offered_share < LEAST_OFFERED {
        troubles.push(format!("only {} was offered", Unit::Share.show(step.offered_share)));
    }
    if step.busiest_worker > BUSIEST_WORKER {
        troubles.push(format!("a core was {} busy", Unit::Share.show(step.busiest_worker)));
    }
    if waiting > MOST_WAITING {
        troubles.push(format!("the built-in server could not keep up with {}/s", show_count(step.rate)));
    }
    troubles.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rate: f64, lag_p99_ns: u64, offered_share: f64, busiest_worker: f64) -> RateStep {
        let mut step =
            RateStep { rate, offered_share, lag_mean_ns: 0, lag_p99_ns, busiest_worker, trouble: String::new() };
        step.trouble = trouble(&step, 0.0);
        step
    }

    #[test]
    fn the_last_rate_that_was_kept_is_trusted() {
        let good = |rate| step(rate, 200_000, 1.0, 0.5);
        let found = trusted(vec![good(1e3), good(2e3), step(4e3, 2_000_000, 1.0, 0.5)]);
        assert_eq!((found.per_second, found.at_least), (Some(2e3), false));
        let found = trusted(vec![good(1e3), good(2e3)]);
        assert_eq!((found.per_second, found.at_least), (Some(2e3), true));
        let found = trusted(vec![step(1e3, 2_000_000, 1.0, 0.5)]);
        assert_eq!((found.per_second, found.at_least), (None, false));
    }

    #[test]
    fn lateness_a_missed_rate_a_full_core_and_a_slow_server_each_end_the_climb() {
        assert!(step(1e3, 1_000_001, 1.0, 0.5).trouble.contains("send lag"));
        assert!(step(1e3, 0, 0.97, 0.5).trouble.contains("97.0 % was offered"));
        assert!(step(1e3, 0, 1.0, 0.91).trouble.contains("busy"));
        assert!(trouble(&step(1e3, 0, 1.0, 0.5), 0.02).contains("could not keep up"));
    }
}
