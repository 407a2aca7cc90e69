//! `error_rate < 1%`, `limited_share > 10%`: shares of the finished arrivals, with intervals corrected for
//! autocorrelation.

use plimsoll_plan::Comparison;
use plimsoll_record::ledger::Class;
use plimsoll_record::traffic::Interval;
use plimsoll_record::verdict::Evidence;

use crate::goal::{Finding, Goal, Standing, interval};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::{CONFIDENCE, Counts, ShareEstimate, estimate_share, most_hits, samples_to_certify};
use crate::words;

pub(super) fn error_rate(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Finding {
    examine(run, place, goal, "failed", |row| row.ledger.failures())
}

pub(super) fn limited(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Finding {
    examine(run, place, goal, "were rate-limited", |row| row.ledger.class(Class::Limited))
}

pub(super) fn examine(
    run: &JudgedRun<'_>,
    place: &Place,
    goal: &Goal,
    did: &str,
    hits: impl Fn(&Interval) -> u64,
) -> Finding {
    let batching = place.batching();
    let mut batches = vec![Counts::default(); batching.count];
    for row in run.facts.intervals(&place.scope) {
        let batch = &mut batches[batching.index(row.at_ns)];
        batch.hits += hits(row);
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
        evidence: evidence(place.seconds(), &estimate, goal, standing),
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

fn evidence(seconds: f64, estimate: &ShareEstimate, goal: &Goal, standing: Standing) -> Evidence {
    let most = |limit| most_hits(estimate, limit).unwrap_or(0);
    let open = standing == Standing::Undecided;
    Evidence {
        excess: (goal.wants_less() && standing != Standing::Met)
            .then(|| estimate.hits - most(goal.limit).min(estimate.hits)),
        decides_after_s: open.then(|| words::longer(seconds, factor(estimate, goal))).flatten(),
        ..Evidence::default()
    }
}

fn what_would_decide(seconds: f64, estimate: &ShareEstimate, goal: &Goal) -> String {
    let longer = words::how_much_longer(seconds, factor(estimate, goal));
    match certifying(estimate, goal) {
        Some(needed) => format!("{} requests like these are needed, {longer}", words::count(needed)),
        None => longer,
    }
}

/// With no hits, or hits only, a number of requests decides.
fn certifying(estimate: &ShareEstimate, goal: &Goal) -> Option<u64> {
    let side = if estimate.share < goal.limit { goal.limit } else { 1.0 - goal.limit };
    let extreme = estimate.hits == 0 || estimate.hits == estimate.total;
    (extreme && side > 0.0 && side < 1.0).then(|| samples_to_certify(side))
}

/// How many times as long would decide; as for percentiles: `T' = T (h / d)^2`.
fn factor(estimate: &ShareEstimate, goal: &Goal) -> f64 {
    if let Some(needed) = certifying(estimate, goal) {
        return needed as f64 / estimate.total as f64;
    }
    let below = estimate.share < goal.limit;
    let half = if below { estimate.range.high - estimate.share } else { estimate.share - estimate.range.low };
    (half / (estimate.share - goal.limit).abs()).powi(2)
}

#[cfg(test)]
mod tests {
    use plimsoll_record::ledger::Outcome;
    use plimsoll_record::verdict::Judgement;

    use crate::testing::{Script, Second, expect};

    fn errors(
        seconds: u64,
        of_hundred: impl Fn(u64) -> u64,
        criteria: &str,
    ) -> plimsoll_record::verdict::CriterionResult {
        let second = |i| Second::ok(100 - of_hundred(i) as usize, 10).and(Outcome::UnexpectedStatus, of_hundred(i));
        Script::of(seconds, second).criteria(&format!("require = [\"{criteria}\"]")).result()
    }

    #[test]
    fn no_error_in_enough_requests_passes_and_in_too_few_does_not() {
        expect(&errors(60, |_| 0, "error_rate < 1%"), Judgement::Pass, &["0 of 6,000 failed"]);
        expect(&errors(2, |_| 0, "error_rate < 1%"), Judgement::Inconclusive, &["299 requests like these"]);
    }

    #[test]
    fn many_errors_fail_and_a_share_on_the_limit_is_inconclusive() {
        expect(&errors(60, |_| 5, "error_rate < 1%"), Judgement::Fail, &["300 of 6,000", "5.00 %"]);
        let result = errors(60, |_| 1, "error_rate < 1%");
        expect(&result, Judgement::Inconclusive, &["no run of a practical length"]);
    }

    #[test]
    fn refused_connections_are_errors_and_limited_answers_are_not() {
        let mixed = |_| Second::ok(50, 10).and(Outcome::Limited, 50);
        let result = Script::of(60, mixed).criteria(r#"require = ["error_rate < 1%"]"#).result();
        expect(&result, Judgement::Pass, &[]);
        let result = Script::of(60, mixed).criteria(r#"require = ["limited_share > 40%"]"#).result();
        expect(&result, Judgement::Pass, &["3,000 of 6,000 were rate-limited"]);
        let refused = Script::of(60, |_| Second::default().and(Outcome::Refused, 10));
        expect(&refused.criteria(r#"require = ["error_rate < 50%"]"#).result(), Judgement::Fail, &[]);
    }

    #[test]
    fn a_bad_stretch_widens_the_interval() {
        let even = errors(240, |_| 1, "error_rate < 2%");
        let lumpy = errors(240, |i| if (60..72).contains(&i) { 20 } else { 0 }, "error_rate < 2%");
        expect(&even, Judgement::Pass, &[]);
        expect(&lumpy, Judgement::Inconclusive, &[]);
        assert!(lumpy.effective_samples.unwrap() < even.effective_samples.unwrap() / 20.0);
    }

    #[test]
    fn none_at_all_is_about_what_happened() {
        expect(&errors(10, |_| 0, "error_rate <= 0%"), Judgement::Pass, &[]);
        expect(&errors(10, |i| u64::from(i == 3), "error_rate <= 0%"), Judgement::Fail, &[]);
    }
}
