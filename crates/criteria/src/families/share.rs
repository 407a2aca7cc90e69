//! `error_rate < 1%`, `limited_share > 10%`: shares of the finished arrivals, with intervals corrected for
//! autocorrelation.

use plimsoll_plan::Comparison;
use plimsoll_record::ledger::{Class, Ledger};

use crate::goal::{Finding, Goal, Standing, interval};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::{CONFIDENCE, Counts, ShareEstimate, estimate_share, samples_to_certify};
use crate::words;

pub(super) fn error_rate(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Finding {
    examine(run, place, goal, "failed", Ledger::failures)
}

pub(super) fn limited(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Finding {
    examine(run, place, goal, "were rate-limited", |ledger| ledger.class(Class::Limited))
}

fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal, did: &str, hits: impl Fn(&Ledger) -> u64) -> Finding {
    let batching = place.batching();
    let mut batches = vec![Counts::default(); batching.count];
    for row in run.facts.intervals(&place.scope) {
        let batch = &mut batches[batching.index(row.at_ns)];
        batch.hits += hits(&row.ledger);
        batch.total += row.ledger.finished();
    }
    let Some(estimate) = estimate_share(&batches) else {
        return Finding::missing("no arrival finished here");
    };
    let standing = standing(goal, &estimate);
    let mut reason = format!(
        "is {} {}, limit {}: {} of {} {did}",
        goal.show(estimate.share),
        goal.show_range(estimate.range),
        goal.show_limit(),
        words::count(estimate.hits),
        words::count(estimate.total),
    );
    if standing == Standing::Undecided {
        reason += &format!("; {}", what_would_decide(place.seconds(), &estimate, goal));
    }
    reason += &words::low_confidence(estimate.effective, place.seconds());
    Finding {
        standing,
        value: Some(estimate.share),
        interval: Some(interval(estimate.range, CONFIDENCE)),
        samples: estimate.total,
        effective_samples: estimate.effective,
        reason,
        ..Finding::missing("")
    }
}

/// A limit of exactly none or all (`error_rate <= 0%`) is about what happened, not about what is likely: no number of
/// requests could prove it, so it is compared as it stands.
fn standing(goal: &Goal, estimate: &ShareEstimate) -> Standing {
    let absolute = match goal.comparison {
        Comparison::LessOrEqual => goal.limit == 0.0,
        Comparison::GreaterOrEqual => goal.limit == 1.0,
        Comparison::Equal => true,
        Comparison::Less | Comparison::Greater => false,
    };
    if absolute { goal.compare(estimate.share) } else { goal.compare_range(estimate.range) }
}

/// As for percentiles: `T' = T (h / d)^2`.
fn what_would_decide(seconds: f64, estimate: &ShareEstimate, goal: &Goal) -> String {
    let side = if estimate.share < goal.limit { goal.limit } else { 1.0 - goal.limit };
    let extreme = estimate.hits == 0 || estimate.hits == estimate.total;
    if extreme && side > 0.0 && side < 1.0 {
        let needed = samples_to_certify(side);
        let factor = needed as f64 / estimate.total as f64;
        let longer = words::how_much_longer(seconds, factor);
        return format!("{} requests like these are needed, {longer}", words::count(needed));
    }
    let below = estimate.share < goal.limit;
    let half = if below { estimate.range.high - estimate.share } else { estimate.share - estimate.range.low };
    words::how_much_longer(seconds, (half / (estimate.share - goal.limit).abs()).powi(2))
}
