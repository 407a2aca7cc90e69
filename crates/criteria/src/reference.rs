//! Limits that are measured themselves: `p95(read) < p95(write)`, `p95(after) < p95(before) * 1.5`.
//!
//! Both sides have an interval. The criterion is decided when the interval of their difference lies on one side of
//! zero; a limit that is known exactly is the special case in which only one of them is wide.

use plimsoll_plan::{Bound, Comparison, Elsewhere, Function, Metric, Scope as Named};

use crate::criterion::Looker;
use crate::families;
use crate::goal::{Finding, Goal, Standing};
use crate::judge::JudgeError;
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::{Range, difference};
use crate::words;

/// A measured value, without any limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) value: f64,
    /// The value alone when it is known exactly; up to infinity when it is a lower bound.
    pub(crate) range: Range,
    pub(crate) samples: u64,
}

impl Known {
    pub(crate) fn of(finding: &Finding, value: f64) -> Self {
        let stated = finding.interval.map_or(Range { low: value, high: value }, |i| Range { low: i.low, high: i.high });
        let high = if finding.at_least { f64::INFINITY } else { stated.high };
        Self { value, range: Range { low: stated.low.min(value), high: high.max(value) }, samples: finding.samples }
    }
}

/// Measures a metric; the reason when it cannot be.
pub(crate) fn measure(
    run: &JudgedRun<'_>,
    named: &Named,
    metric: &Metric,
) -> Result<Result<Known, String>, JudgeError> {
    let goal = Goal { comparison: Comparison::GreaterOrEqual, limit: least(metric), unit: metric.unit() };
    let finding = families::examine(run, &Place::of(run, named), &goal, metric)?;
    let Some(value) = finding.value else { return Ok(Err(finding.reason)) };
    if let Some(obstacle) = finding.obstacle {
        return Ok(Err(obstacle));
    }
    // A percentile has an interval as soon as there are enough requests, or none because too many timed out.
    let vague = matches!(metric, Metric::Percentile { .. }) && finding.interval.is_none() && !finding.at_least;
    Ok(if vague {
        Err(format!("{} requests are too few", words::count(finding.samples)))
    } else {
        Ok(Known::of(&finding, value))
    })
}

/// Nothing lies below it.
fn least(metric: &Metric) -> f64 {
    match metric {
        Metric::Series { function: Function::Slope | Function::Rate, .. } | Metric::Drift(_) => f64::NEG_INFINITY,
        _ => 0.0,
    }
}

pub(crate) fn examine(
    looker: &Looker<'_, '_>,
    bound: &Bound,
    metric: &Metric,
    place: &Elsewhere,
) -> Result<(Finding, Goal), JudgeError> {
    let named = place.within(&looker.criterion.scope);
    let known = match measure(looker.run, &named, metric)? {
        Ok(known) => known,
        Err(reason) => {
            let finding = Finding::missing(format!("the limit is not known: {reason}")).without_limit();
            return Ok((finding, looker.goal(bound.offset)));
        }
    };
    let goal = looker.goal(bound.at(known.value));
    let mut finding = families::examine(looker.run, looker.place, &goal, &looker.criterion.expression.metric)?;
    let Some(value) = finding.value else { return Ok((finding, goal)) };
    let from = source(bound, &goal, known, &Place::of(looker.run, &named).words);
    let apart = apart(Known::of(&finding, value), known, bound);
    let standing = both(finding.standing, compare_apart(&goal, apart));
    if standing != finding.standing {
        finding.reason += "; the limit is not known well enough to decide";
    }
    finding.standing = standing;
    finding.reason += &format!("; the limit is {from}");
    finding.samples = finding.samples.min(known.samples);
    finding.evidence.limit_from = Some(from);
    // The interval is one of the value alone: where it would pass depends on the other side, too.
    finding.evidence.passes_at = Some(if goal.wants_less() { goal.limit + apart.high } else { goal.limit + apart.low });
    finding.evidence.passes_at = finding.evidence.passes_at.filter(|limit| limit.is_finite());
    Ok((finding, goal))
}

/// value - (factor * reference + offset).
pub(crate) fn apart(value: Known, reference: Known, bound: &Bound) -> Range {
    let apart = difference((value.value, value.range), (reference.value, reference.range), bound.factor);
    Range { low: apart.low - bound.offset, high: apart.high - bound.offset }
}

pub(crate) fn compare_apart(goal: &Goal, apart: Range) -> Standing {
    Goal { limit: 0.0, ..*goal }.compare_range(apart)
}

/// Decided only where both agree.
pub(crate) fn both(one: Standing, other: Standing) -> Standing {
    if one == other { one } else { Standing::Undecided }
}

fn source(bound: &Bound, goal: &Goal, known: Known, place: &str) -> String {
    let factor = if bound.factor == 1.0 { String::new() } else { format!("{} x ", bound.factor) };
    let place = if place.is_empty() { String::new() } else { format!(" of {place}") };
    let range =
        if known.range.low == known.range.high { String::new() } else { format!(" {}", goal.show_range(known.range)) };
    let plus = if bound.offset == 0.0 { String::new() } else { format!(" + {}", goal.show(bound.offset)) };
    format!("{factor}{}{range}{place}{plus}", goal.show(known.value))
}
