//! The limiter's row of the verdict: everything the replays counted, limit by limit.

use plimsoll_plan::{Criterion, Limit, Metric, WindowKind};
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{Bounds, LimitFacts, LimiterFacts};

use super::Replays;
use super::replay::{LimitTally, Tally};
use crate::judge::JudgeError;
use crate::place::Place;
use crate::run::JudgedRun;

/// What the limiter did where the first criterion about it looks; `None` without such a criterion, or when the record
/// cannot tell.
pub(crate) fn facts(run: &JudgedRun<'_>, criteria: &[Criterion]) -> Result<Option<LimiterFacts>, JudgeError> {
    let is_about = |criterion: &&Criterion| {
        matches!(criterion.expression.metric, Metric::LimiterEffectiveness | Metric::LimiterFalseRejects)
    };
    let (Some(limiter), Some(criterion)) = (&run.plan.limiter, criteria.iter().find(is_about)) else {
        return Ok(None);
    };
    let place = Place::of(run, &criterion.scope);
    if place.missing.is_some() {
        return Ok(None);
    }
    let Ok(replays) = Replays::of(run, &place)? else { return Ok(None) };
    let likely = replays.likely();
    let from = place.window.map_or(0, |window| window.from.0);
    let begin = run.facts.run.info().anchor.unix_ns.saturating_add(from);
    let since = |at: Option<i64>| at.map(|at| at.saturating_sub(begin) as f64 / 1e9);
    let limits = limiter.limits.iter().zip(&likely.limits).map(|(limit, tally)| of_limit(limit, *tally));
    Ok(Some(LimiterFacts {
        scope: place.words,
        window: word(limiter.window).to_owned(),
        requests: likely.made,
        refused: likely.refused,
        excess: likely.excess,
        false_accepts: likely.false_accepts,
        false_rejects: likely.false_rejects,
        effectiveness: (likely.excess > 0).then(|| bounds(&replays, Tally::effectiveness)),
        precision: (likely.refused > 0).then(|| bounds(&replays, |tally| 1.0 - tally.wrongly_refused())),
        limits: limits.collect(),
        first_refused_s: since(likely.first_refused_ns),
        first_due_s: since(likely.first_due_ns),
    }))
}

fn bounds(replays: &Replays, value: impl Fn(&Tally) -> f64) -> Bounds {
    let range = replays.range(&value);
    Bounds { value: value(replays.likely()), low: range.low, high: range.high }
}

fn of_limit(limit: &Limit, tally: LimitTally) -> LimitFacts {
    let per = match limit.per.as_secs_f64() {
        1.0 => "s".to_owned(),
        60.0 => "min".to_owned(),
        3600.0 => "h".to_owned(),
        seconds => Unit::Seconds.show(seconds),
    };
    LimitFacts {
        limit: format!("{}/{per}", limit.count),
        excess: tally.excess,
        false_accepts: tally.false_accepts,
        false_rejects: tally.false_rejects,
    }
}

fn word(kind: WindowKind) -> &'static str {
    match kind {
        WindowKind::Fixed => "fixed",
        WindowKind::Sliding => "sliding",
        WindowKind::TokenBucket => "token-bucket",
    }
}
