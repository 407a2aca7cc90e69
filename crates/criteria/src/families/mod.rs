//! The families of criteria, one file each: what is looked at, and when it counts as met, missed or undecided.
//!
//! To add one: a variant of `plimsoll_plan::Metric`, a file here whose function takes what it needs of run, place and
//! goal and returns a finding, an arm in [`examine`], an arm in `health::distorts`, a section in
//! `docs/statistics.md`.

mod max;
mod mean;
mod percentile;
mod rate;
mod share;

mod answers;
mod drift;
mod knee;
mod recovery;

mod coverage;
mod fragmentation;
mod series;
mod slope;

mod limiter;

mod integrity;
mod logs;

use plimsoll_plan::{Function, Metric};

use crate::goal::{Finding, Goal};
use crate::judge::JudgeError;
use crate::place::Place;
use crate::run::JudgedRun;

pub(crate) use answers::hits;
pub(crate) use coverage::{mark_words, window as series_window};
pub(crate) use limiter::facts as limiter_facts;
pub(crate) use slope::{is_short, shortest_phase, steps};

/// Looks at the data behind one criterion.
pub(crate) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal, metric: &Metric) -> Result<Finding, JudgeError> {
    if let Some(missing) = &place.missing {
        return Ok(Finding::missing(missing.clone()));
    }
    if needs_traffic(metric) && run.facts.traffic.is_none() {
        return Ok(Finding::missing("no traffic was recorded"));
    }
    Ok(match metric {
        Metric::Percentile { quantile, service } => percentile::examine(run, place, goal, *quantile, *service),
        Metric::Mean => mean::examine(run, place, goal),
        Metric::Max => max::examine(run, place, goal),
        Metric::ErrorRate => share::error_rate(run, place, goal),
        Metric::LimitedShare => share::limited(run, place, goal),
        Metric::Throughput => rate::throughput(run, place, goal),
        Metric::Count => rate::count(run, place, goal),
        Metric::Answers { tally, answers } => answers::examine(run, place, goal, *tally, answers),
        Metric::Drift(of) => drift::examine(run, place, goal, of),
        Metric::RecoveryTime { phase, quantile } => recovery::examine(run, place, goal, phase, *quantile),
        Metric::Knee(condition) => knee::examine(run, place, goal, condition.as_deref())?,
        Metric::Integrity(integrity) => integrity::examine(run, goal, *integrity),
        Metric::LimiterEffectiveness => limiter::effectiveness(run, place, goal)?,
        Metric::LimiterFalseRejects => limiter::false_rejects(run, place, goal)?,
        Metric::Fragmentation => fragmentation::examine(run, place, goal),
        Metric::Log { log, event } => logs::examine(run, place, goal, log, event),
        Metric::Series { function: Function::Slope, metric, of } => {
            slope::examine(run, place, goal, metric, of.as_deref())
        }
        Metric::Series { function, metric, of } => {
            series::examine(run, place, goal, *function, (metric, of.as_deref()))
        }
    })
}

fn needs_traffic(metric: &Metric) -> bool {
    !matches!(metric, Metric::Fragmentation | Metric::Log { .. } | Metric::Series { .. } | Metric::Integrity(_))
}
