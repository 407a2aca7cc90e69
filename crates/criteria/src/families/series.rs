//! `max(host.cpu_share) < 90%`, `last(redis.keys) < 1000`: the largest, smallest, mean or last sample.
//!
//! Samples are compared as they stand: they are what was seen. What happened between them is not known, so with too
//! many holes nothing passes.

use plimsoll_plan::Function;
use plimsoll_record::metric::Metric;

use super::coverage::{self, Coverage};
use crate::goal::{Finding, Goal};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::words;

pub(super) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal, function: Function, metric: &Metric) -> Finding {
    let found = run.facts.series(metric.source).and_then(|series| {
        let window = coverage::window(series, place.window)?;
        Some((Coverage::of(series, metric, window), series.stats(metric, Some(window))?))
    });
    let Some((coverage, stats)) = found else { return no_samples(metric) };
    if let Some(reason) = coverage.too_little() {
        return Finding { samples: stats.count as u64, ..Finding::missing(reason) };
    }
    let (value, what) = match function {
        Function::Max => (stats.max, "the largest of"),
        Function::Min => (stats.min, "the smallest of"),
        Function::Mean | Function::Slope => (stats.mean, "the mean of"),
        Function::Last => (stats.last, "the last of"),
    };
    let mut finding = Finding::plain(goal, value, stats.count as u64, "is");
    finding.reason += &format!(": {what} {} samples", words::count(stats.count as u64));
    finding.never_met(coverage.obstacle())
}

pub(super) fn no_samples(metric: &Metric) -> Finding {
    Finding::missing(format!("there is no sample of {} here; was memwatch running?", metric.name()))
}
