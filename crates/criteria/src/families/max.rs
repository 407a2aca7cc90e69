//! `max < 2s`: the slowest request. Every request was counted, so there is nothing to estimate: it is compared as it
//! stands, to the histogram's precision of 0.1 %. It says nothing about requests that were not made.

use std::time::Duration;

use plimsoll_record::ledger::Outcome;

use crate::goal::{Finding, Goal, Standing};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::words;

pub(super) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Finding {
    let totals = run.totals(&place.scope);
    let response = &totals.served.response;
    let censored = totals.ledger.censored();
    let Some(largest) = response.max().map(|nanos| nanos as f64 / 1e9).or((censored > 0).then_some(0.0)) else {
        return Finding::missing("no request was answered or timed out here, so there is no latency");
    };
    let limit = Duration::try_from_secs_f64(goal.limit).unwrap_or_default();
    let (surely, possibly) = response.at_or_above(limit);
    let waited_longer = totals.ledger.count(Outcome::TimedOut) > 0 && timeout(run) >= limit;
    let (beyond, within) = (surely > 0 || waited_longer, possibly == 0 && censored == 0);
    let standing = match (beyond, within, goal.wants_less()) {
        (true, _, true) | (_, true, false) => Standing::Missed,
        (_, true, true) | (true, _, false) => Standing::Met,
        _ => Standing::Undecided,
    };
    let mut reason = format!("is {}, limit {}", goal.show(largest), goal.show_limit());
    if censored > 0 {
        reason += &format!("; {} requests got no answer at all", words::count(censored));
    }
    Finding {
        standing,
        value: Some(largest),
        at_least: censored > 0,
        samples: response.count() + censored,
        reason,
        ..Finding::missing("")
    }
}

/// How long a request waited at least that was given up for want of a whole answer.
fn timeout(run: &JudgedRun<'_>) -> Duration {
    run.plan.target.as_ref().map_or(Duration::ZERO, |target| target.timeout)
}

#[cfg(test)]
mod tests {
    use plimsoll_record::ledger::Outcome;
    use plimsoll_record::verdict::Judgement;

    use crate::testing::{Script, Second, expect};

    #[track_caller]
    fn check(second: &Second, limit: &str, judgement: Judgement) {
        let criteria = format!("require = [\"max < {limit}\"]");
        let result = Script::of(30, |_| second.clone()).criteria(&criteria).result();
        expect(&result, judgement, &[]);
    }

    #[test]
    fn one_slow_request_is_enough() {
        check(&Second::ok(10, 20), "50ms", Judgement::Pass);
        check(&Second { ok_ms: vec![20, 20, 60], others: vec![] }, "50ms", Judgement::Fail);
    }

    #[test]
    fn a_request_that_timed_out_waited_at_least_the_timeout() {
        check(&Second::ok(10, 20).and(Outcome::TimedOut, 1), "4s", Judgement::Fail);
        check(&Second::ok(10, 20).and(Outcome::TimedOut, 1), "6s", Judgement::Inconclusive);
        check(&Second::ok(10, 20).and(Outcome::Unfinished, 1), "4s", Judgement::Inconclusive);
    }

    #[test]
    fn a_value_in_the_bin_of_the_limit_is_not_decided() {
        let criteria = r#"require = ["max < 20.001ms"]"#;
        let result = Script::of(30, |_| Second::ok(10, 20)).criteria(criteria).result();
        expect(&result, Judgement::Inconclusive, &[]);
    }
}
