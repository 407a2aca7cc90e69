//! `mean < 100ms`: the mean response time of served requests, with an interval from the spread of the batches.
//!
//! A request that timed out has no latency to average, so with one of them the mean is only a lower bound.

use plimsoll_record::verdict::Evidence;

use crate::goal::{Finding, Goal, Standing, interval};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::{CONFIDENCE, Range, Sums, normal_quantile};
use crate::words;

pub(super) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Finding {
    let totals = run.totals(&place.scope);
    let response = &totals.served.response;
    let Some(mean) = response.mean().map(|nanos| nanos / 1e9) else {
        return Finding::missing("no request was answered here, so there is no latency");
    };
    let corrected = Sums::mean_range(&batches(run, place));
    let Some(range) = corrected.or_else(|| naive_range(mean, response.bins())) else {
        return Finding { samples: 1, value: Some(mean), ..Finding::missing("one request is too few for a mean") };
    };
    let censored = totals.ledger.censored();
    let standing = match goal.compare_range(range) {
        Standing::Met if censored > 0 && goal.wants_less() => Standing::Undecided,
        standing => standing,
    };
    let mut evidence = Evidence::default();
    let mut reason = format!("is {} {}, limit {}", goal.show(mean), goal.show_range(range), goal.show_limit());
    if censored > 0 {
        reason += &format!("; {} requests got no answer, so the true mean is higher", words::count(censored));
    } else if standing == Standing::Undecided {
        let factor = (range.half_width() / (mean - goal.limit).abs()).powi(2);
        reason += &format!("; {}", words::how_much_longer(place.seconds(), factor));
        evidence.decides_after_s = words::longer(place.seconds(), factor);
    }
    reason += &words::low_confidence(corrected.map(|_| 0.0), place.seconds());
    Finding {
        standing,
        value: Some(mean),
        at_least: censored > 0,
        interval: Some(interval(range, CONFIDENCE)),
        samples: response.count(),
        reason,
        evidence,
        ..Finding::missing("")
    }
}

fn batches(run: &JudgedRun<'_>, place: &Place) -> Vec<Sums> {
    let batching = place.batching();
    let mut batches = vec![Sums::default(); batching.count];
    for row in run.facts.intervals(&place.scope) {
        let batch = &mut batches[batching.index(row.at_ns)];
        let count = row.served.response.count();
        batch.sum += row.served.response.mean().unwrap_or(0.0) / 1e9 * count as f64;
        batch.count += count;
    }
    batches
}

/// As if requests were independent: `m +- 1.96 s / sqrt(n)`.
fn naive_range(mean: f64, bins: impl Iterator<Item = (u64, u64)>) -> Option<Range> {
    let (mut n, mut squares) = (0.0, 0.0);
    for (nanos, count) in bins {
        n += count as f64;
        squares += count as f64 * (nanos as f64 / 1e9 - mean).powi(2);
    }
    let half = normal_quantile(f64::midpoint(CONFIDENCE, 1.0)) * (squares / (n - 1.0) / n).sqrt();
    (n >= 2.0).then_some(Range { low: mean - half, high: mean + half })
}

#[cfg(test)]
mod tests {
    use plimsoll_record::ledger::Outcome;
    use plimsoll_record::verdict::Judgement;

    use crate::testing::{Script, Second, expect};

    const MEAN: &str = r#"require = ["mean < 100ms"]"#;

    #[test]
    fn a_mean_far_from_the_limit_is_decided() {
        let fast = Script::of(60, |i| Second::ok(50, 20 + i % 5)).criteria(MEAN).result();
        expect(&fast, Judgement::Pass, &["low confidence"]);
        assert!((fast.value.unwrap() - 0.022).abs() < 1e-4, "{fast:?}");
        let slow = Script::of(60, |i| Second::ok(50, 120 + i % 5)).criteria(MEAN).result();
        expect(&slow, Judgement::Fail, &["limit 100 ms"]);
    }

    #[test]
    fn a_mean_on_the_limit_is_inconclusive() {
        let result = Script::of(180, |i| Second::ok(50, 60 + i % 80)).criteria(MEAN).result();
        expect(&result, Judgement::Inconclusive, &[]);
        assert!(!result.reason.contains("low confidence"), "{}", result.reason);
    }

    #[test]
    fn requests_without_an_answer_leave_only_a_lower_bound() {
        let some_lost =
            |ms| Script::of(60, move |_| Second::ok(50, ms).and(Outcome::TimedOut, 1)).criteria(MEAN).result();
        expect(&some_lost(20), Judgement::Inconclusive, &["60 requests got no answer"]);
        expect(&some_lost(200), Judgement::Fail, &[]);
    }
}
