//! `limiter.effectiveness > 80%`, `limiter.false_rejects < 1%`: does the service's rate limiter do what it should?
//!
//! Every request of the log is replayed, user by user, through an oracle of the plan's limits: excess E is what the
//! oracle refuses, false accepts are what the service allows beyond the oracle in a window, false rejects what it
//! refuses below it. Effectiveness is 1 - false accepts / E: the share of 429s alone would reward a limiter that
//! refuses everybody.
//!
//! When the service decided is not known, only that it was between sending and answer, so everything is replayed at
//! both ends. Nor is it known whether a request that timed out, broke or got another error was counted: it is
//! replayed once as never made, once as made and allowed. The value is the replay at the send time without those
//! requests, the interval spans all four.

mod facts;
mod oracle;
mod replay;

use plimsoll_record::requests::{Kept, RequestRow};
use plimsoll_record::summary::Scope;
use plimsoll_record::units::show_count;
use plimsoll_record::verdict::Interval;

use self::replay::{Decided, Tally, Unclear, replay};
use crate::goal::{Finding, Goal, Standing};
use crate::judge::JudgeError;
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::Range;

pub(crate) use facts::facts;

/// With fewer requests to judge by, one more or less changes the answer too much.
const FEWEST: u64 = 30;

pub(super) fn effectiveness(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Result<Finding, JudgeError> {
    let replays = match Replays::of(run, place)? {
        Ok(replays) => replays,
        Err(missing) => return Ok(Finding::missing(missing)),
    };
    let tally = replays.likely();
    let what = format!(
        "of {} requests beyond the limits, {} got through",
        show_count(tally.excess as f64),
        show_count(tally.false_accepts as f64)
    );
    let too_few = format!(
        "only {} requests went beyond the limits, {FEWEST} are needed; raise the rate or lower the number of users",
        tally.excess
    );
    Ok(replays.finding(goal, Tally::effectiveness, |tally| tally.excess, &what, too_few))
}

pub(super) fn false_rejects(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Result<Finding, JudgeError> {
    let replays = match Replays::of(run, place)? {
        Ok(replays) => replays,
        Err(missing) => return Ok(Finding::missing(missing)),
    };
    let tally = replays.likely();
    let what = format!(
        "of {} refused requests, {} were within the limits",
        show_count(tally.refused as f64),
        show_count(tally.false_rejects as f64)
    );
    let too_few = format!("only {} requests were refused, {FEWEST} are needed", tally.refused);
    Ok(replays.finding(goal, Tally::wrongly_refused, |tally| tally.refused, &what, too_few))
}

/// The replays; the first is the likely one.
#[derive(Debug)]
struct Replays([Tally; 4]);

impl Replays {
    /// The replays, or why there are none.
    fn of(run: &JudgedRun<'_>, place: &Place) -> Result<Result<Self, String>, JudgeError> {
        let Some(limiter) = &run.plan.limiter else {
            return Ok(Err("the plan has no [limiter] to judge by".to_owned()));
        };
        let Some(log) = run.requests()? else {
            return Ok(Err("there is no request log; set `requests = \"all\"` under [generator]".to_owned()));
        };
        if log.kept != Kept::All {
            return Ok(Err(
                "the request log holds only some requests; set `requests = \"all\"` under [generator]".to_owned()
            ));
        }
        if let Some(incomplete) = incomplete(run, log.partial, &log.rows) {
            return Ok(Err(incomplete));
        }
        let limited = limited_operations(run);
        let rows: Vec<&RequestRow> =
            log.rows.iter().filter(|row| limited.get(usize::from(row.operation)) != Some(&false)).collect();
        let anchor = run.facts.run.info().anchor.unix_ns;
        let replay = |decided, unclear| replay(&rows, &place.scope, limiter, anchor, decided, unclear);
        Ok(Ok(Self([
            replay(Decided::WhenSent, Unclear::NeverMade),
            replay(Decided::WhenAnswered, Unclear::NeverMade),
            replay(Decided::WhenSent, Unclear::Allowed),
            replay(Decided::WhenAnswered, Unclear::Allowed),
        ])))
    }

    fn likely(&self) -> &Tally {
        &self.0[0]
    }

    /// The lowest and the highest value of all replays.
    fn range(&self, value: impl Fn(&Tally) -> f64) -> Range {
        let values = self.0.each_ref().map(value);
        Range {
            low: values.iter().copied().fold(f64::MAX, f64::min),
            high: values.iter().copied().fold(f64::MIN, f64::max),
        }
    }

    fn finding(
        &self,
        goal: &Goal,
        value: impl Fn(&Tally) -> f64,
        basis: impl Fn(&Tally) -> u64,
        what: &str,
        too_few: String,
    ) -> Finding {
        let samples = basis(self.likely());
        if samples < FEWEST {
            return Finding { samples, ..Finding::missing(too_few) };
        }
        let (likely, range) = (value(self.likely()), self.range(&value));
        let standing = goal.compare_range(range);
        let mut reason =
            format!("is {} {}, limit {}: {what}", goal.show(likely), goal.show_range(range), goal.show_limit());
        if standing == Standing::Undecided {
            reason += "; it depends on when the service decided and on requests without a clear answer, so a faster or more stable service would decide";
        }
        Finding {
            standing,
            value: Some(likely),
            interval: Some(Interval { low: range.low, high: range.high, confidence: 1.0 }),
            samples,
            reason,
            ..Finding::missing("")
        }
    }
}

/// Why the log does not hold every request, if so: one missing request shifts all that follow it.
fn incomplete(run: &JudgedRun<'_>, partial: bool, rows: &[RequestRow]) -> Option<String> {
    let dropped: u64 = run.facts.generator().map(|interval| interval.log_rows_dropped).sum();
    let logged = rows.iter().filter(|row| row.outcome.is_answered()).count() as u64;
    let answered = answered_requests(run);
    if partial {
        Some("the request log breaks off: loadgen died".to_owned())
    } else if dropped > 0 {
        Some(format!("{} requests are missing from the request log", show_count(dropped as f64)))
    } else if logged < answered {
        let (logged, answered) = (show_count(logged as f64), show_count(answered as f64));
        Some(format!("the request log holds {logged} of {answered} answers"))
    } else {
        None
    }
}

/// A whole poll is an arrival of its own, and no request.
fn answered_requests(run: &JudgedRun<'_>) -> u64 {
    let operations = (0..).zip(run.plan.operation_list());
    let polls = operations
        .filter(|(_, operation)| operation.whole_poll)
        .map(|(index, _)| run.totals(&Scope { operation: Some(index), ..Scope::default() }).ledger.answered());
    run.totals(&Scope::default()).ledger.answered() - polls.sum::<u64>()
}

/// Which operations the limiter guards: those that expect to be limited, or all when none says so.
fn limited_operations(run: &JudgedRun<'_>) -> Vec<bool> {
    let operations = run.plan.operation_list();
    let limited: Vec<bool> =
        operations.iter().map(|one| !one.request.expect.limited.is_empty() && !one.whole_poll).collect();
    if limited.contains(&true) { limited } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::Offset;
    use plimsoll_record::traffic::GeneratorInterval;
    use plimsoll_record::verdict::{CriterionResult, Judgement};

    use plimsoll_plan::Limiter;
    use plimsoll_record::ledger::Outcome;

    use super::oracle::Oracle;
    use super::*;
    use crate::testing::{SECOND, Script, Second, expect};

    const EFFECTIVE: &str = r#"require = ["limiter.effectiveness > 80%"]"#;
    const FAIR: &str = r#"require = ["limiter.false_rejects < 1%"]"#;

    /// What a limiter does with a user's request.
    type Service = fn(&mut Oracle, i64, u64) -> Outcome;

    fn limits() -> Limiter {
        let limit = |count, seconds| plimsoll_plan::Limit {
            count: std::num::NonZeroU32::new(count).unwrap(),
            per: std::time::Duration::from_secs(seconds),
        };
        Limiter { limits: vec![limit(5, 1), limit(10, 60)], window: plimsoll_plan::WindowKind::Fixed }
    }

    /// Ten users, one request each per second, answered after 2 ms by a service that decides after 1 ms. `anchor` must
    /// be the run's, because windows are aligned to the wall clock.
    fn requests(anchor: i64, seconds: u64, service: Service) -> Vec<RequestRow> {
        let mut rows = Vec::new();
        let mut oracles: Vec<Oracle> = (0..10).map(|_| Oracle::new(limits().window, &limits().limits)).collect();
        for i in 0..seconds * 10 {
            let user = i % 10;
            let intended = Offset((i * SECOND / 10 + 1).cast_signed());
            let outcome = service(&mut oracles[user as usize], anchor + intended.0 + 1_000_000, i);
            let row = RequestRow {
                intended,
                send_lag_ns: 0,
                service_ns: 2_000_000,
                user: user + 1,
                iteration: 0,
                body_bytes: 0,
                phase: 0,
                operation: 0,
                status: 200,
                outcome,
            };
            rows.push(row);
        }
        rows
    }

    /// Judges a run whose request log came from `service`, after `change`.
    fn judged(criteria: &str, service: Service, change: impl Fn(&mut Script)) -> CriterionResult {
        let mut script = Script::of(150, |_| Second::ok(10, 2)).criteria(criteria);
        // The log must be made for the anchor the directory will get, so the run is recorded twice: the windows of the
        // second anchor differ, and `shifted` moves the rows back onto those of the first.
        let anchor = script.record().facts.run.info().anchor.unix_ns;
        script.requests = requests(anchor, 150, service);
        change(&mut script);
        let mut recorded = script.record();
        let shift = recorded.facts.run.info().anchor.unix_ns - anchor;
        recorded.rewrite_requests(&script.requests, -shift);
        let verdict = recorded.judge();
        verdict.criteria[0].clone()
    }

    fn correct(oracle: &mut Oracle, unix_ns: i64, _: u64) -> Outcome {
        if oracle.decide(unix_ns).is_allowed() { Outcome::Ok } else { Outcome::Limited }
    }

    #[test]
    fn a_correct_limiter_is_effective_and_fair() {
        let result = judged(EFFECTIVE, correct, |_| {});
        expect(&result, Judgement::Pass, &["requests beyond the limits, 0 got through"]);
        assert!(result.value == Some(1.0) && result.samples > 1_000, "{result:?}");
        let fair = judged(FAIR, correct, |_| {});
        expect(&fair, Judgement::Pass, &["0 were within the limits"]);
    }

    #[test]
    fn a_limiter_switched_off_is_not_effective() {
        let result = judged(EFFECTIVE, |_, _, _| Outcome::Ok, |_| {});
        expect(&result, Judgement::Fail, &["is 0.00 %"]);
        let fair = judged(FAIR, |_, _, _| Outcome::Ok, |_| {});
        expect(&fair, Judgement::Inconclusive, &["only 0 requests were refused"]);
    }

    #[test]
    fn a_limiter_that_refuses_everybody_is_effective_but_not_fair() {
        expect(&judged(EFFECTIVE, |_, _, _| Outcome::Limited, |_| {}), Judgement::Pass, &[]);
        expect(&judged(FAIR, |_, _, _| Outcome::Limited, |_| {}), Judgement::Fail, &["were within the limits"]);
    }

    #[test]
    fn a_leaky_limiter_loses_the_share_it_lets_through() {
        let leaky: Service = |oracle, unix_ns, i| match correct(oracle, unix_ns, i) {
            Outcome::Limited if i % 4 == 0 => Outcome::Ok,
            outcome => outcome,
        };
        let result = judged(EFFECTIVE, leaky, |_| {});
        expect(&result, Judgement::Fail, &[]);
        assert!((result.value.unwrap() - 0.75).abs() < 0.03, "{result:?}");
    }

    #[test]
    fn requests_without_a_clear_answer_widen_the_interval() {
        let flaky: Service = |oracle, unix_ns, i| match correct(oracle, unix_ns, i) {
            _ if i % 5 == 0 => Outcome::TimedOut,
            outcome => outcome,
        };
        let result = judged(EFFECTIVE, flaky, |script| script.seconds = vec![Second::ok(8, 2); 150]);
        let interval = result.interval.unwrap();
        assert!(interval.low < 0.85 && interval.high > 0.99, "{interval:?}");
        expect(&result, Judgement::Inconclusive, &["requests without a clear answer"]);
    }

    #[test]
    fn too_little_excess_proves_nothing() {
        let result = judged(EFFECTIVE, correct, |script| {
            script.requests.truncate(100);
            script.seconds = vec![Second::ok(10, 2); 10];
        });
        expect(&result, Judgement::Inconclusive, &["went beyond the limits, 30 are needed"]);
    }

    #[test]
    fn a_log_with_holes_proves_nothing() {
        let dropped = GeneratorInterval { len_ns: SECOND, log_rows_dropped: 3, ..GeneratorInterval::default() };
        let result = judged(EFFECTIVE, correct, |script| script.generator.push(dropped.clone()));
        expect(&result, Judgement::Inconclusive, &["3 requests are missing"]);
        let result = judged(EFFECTIVE, correct, |script| {
            script.requests.pop();
        });
        expect(&result, Judgement::Inconclusive, &["holds 1,499 of 1,500 answers"]);
        let bad = judged(EFFECTIVE, correct, |script| script.kept = Kept::Bad);
        expect(&bad, Judgement::Inconclusive, &["holds only some requests", "requests = \"all\""]);
        let none = Script::healthy(30).criteria(EFFECTIVE).result();
        expect(&none, Judgement::Inconclusive, &["no request log"]);
    }
}
