//! `throughput > 100/s`, `count >= 1000`: everything was counted, nothing is estimated, so the numbers are compared as
//! they stand.
//!
//! That none of the arrivals came to an endpoint is such a count too; without any arrival there is nothing to count.
//!
//! An interval would mislead here: over a ramp the rate differs from batch to batch because the plan says so.

use plimsoll_record::summary::Scope;

use crate::goal::{Finding, Goal};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::words;

pub(super) fn throughput(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Finding {
    let totals = run.totals(&place.scope);
    let answered = totals.ledger.answered();
    match totals.throughput() {
        Some(throughput) if totals.ledger.finished() > 0 => {
            let mut finding = Finding::plain(goal, throughput, answered, "is");
            finding.reason +=
                &format!(": {} complete answers in {}", words::count(answered), words::duration(totals.seconds));
            finding
        }
        _ => Finding::missing("no arrival finished here"),
    }
}

pub(super) fn count(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Finding {
    let finished = run.totals(&place.scope).ledger.finished();
    let everywhere = Scope { operation: None, ..place.scope.clone() };
    if run.totals(&everywhere).ledger.finished() == 0 {
        return Finding::missing("no arrival finished here");
    }
    Finding::plain(goal, finished as f64, finished, "is")
}

#[cfg(test)]
mod tests {
    use plimsoll_record::ledger::Outcome;
    use plimsoll_record::verdict::Judgement;

    use super::*;
    use crate::testing::{Script, Second, expect};

    #[track_caller]
    fn check(criterion: &str, judgement: Judgement, words: &[&str]) {
        let second = |_| Second::ok(90, 10).and(Outcome::TimedOut, 10);
        let script = Script::of(30, second).criteria(&format!("require = [\"{criterion}\"]"));
        expect(&script.result(), judgement, words);
    }

    #[test]
    fn throughput_counts_complete_answers() {
        check("throughput > 80/s", Judgement::Pass, &["2,700 complete answers in 30.0 s"]);
        check("throughput > 95/s", Judgement::Fail, &["90.0/s"]);
    }

    #[test]
    fn count_counts_every_arrival_that_finished() {
        check("count >= 3000", Judgement::Pass, &[]);
        check("count == 3000", Judgement::Pass, &[]);
        check("count == 2999", Judgement::Fail, &["is 3,000, limit 2,999"]);
    }

    #[test]
    fn nobody_at_an_endpoint_is_a_count_and_no_traffic_at_all_is_none() {
        let examined = |script: Script| {
            let recorded = script.criteria("require = [\"count >= 8\"]").record();
            let run = JudgedRun::new(&recorded.facts, &recorded.plan);
            let criterion = &recorded.plan.criteria[0];
            let place = Place::of(&run, &criterion.scope);
            let never_called = Scope { operation: Some(1), ..place.scope.clone() };
            count(
                &run,
                &Place { scope: never_called, ..place },
                &Goal::at(&criterion.expression, criterion.expression.limit.offset),
            )
            .value
        };
        assert_eq!(examined(Script::healthy(30)), Some(0.0));
        assert_eq!(examined(Script::of(30, |_| Second::default())), None);
    }
}
