//! `throughput > 100/s`, `count >= 1000`: everything was counted, nothing is estimated, so the numbers are compared as
//! they stand.
//!
//! An interval would mislead here: over a ramp the rate differs from batch to batch because the plan says so.

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
    if finished == 0 {
        return Finding::missing("no arrival finished here");
    }
    Finding::plain(goal, finished as f64, finished, "is")
}

#[cfg(test)]
mod tests {
    use plimsoll_record::ledger::Outcome;
    use plimsoll_record::verdict::Judgement;

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
}
