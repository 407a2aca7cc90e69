//! `share(5xx) < 1%`, `count(timed_out) == 0`, `rate(503) < 1/s`: arrivals that ended in a certain way.
//!
//! The share is one of all that finished, with the interval of shares; numbers and rates were counted and are compared
//! as they stand.

use plimsoll_plan::{Answers, Tally};
use plimsoll_record::traffic::Interval;

use super::share;
use crate::goal::{Finding, Goal};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::words;

pub(super) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal, tally: Tally, answers: &Answers) -> Finding {
    let what = name(answers);
    if tally == Tally::Share {
        return share::examine(run, place, goal, &format!("ended as {what}"), |row| hits(answers, row));
    }
    let (mut hit, mut finished) = (0, 0);
    for row in run.facts.intervals(&place.scope) {
        hit += hits(answers, row);
        finished += row.ledger.finished();
    }
    if finished == 0 {
        return Finding::missing("no arrival finished here");
    }
    let value = if tally == Tally::Count { hit as f64 } else { hit as f64 / place.seconds() };
    let mut finding = Finding::plain(goal, value, finished, "is");
    finding.reason += &format!(": {} of {} ended as {what}", words::count(hit), words::count(finished));
    finding
}

pub(crate) fn hits(answers: &Answers, row: &Interval) -> u64 {
    match answers {
        Answers::Outcome(outcome) => row.ledger.count(*outcome),
        Answers::Failed => row.ledger.failures(),
        Answers::Status(codes) => row.statuses.range(codes.clone()).map(|(_, n)| n).sum(),
    }
}

fn name(answers: &Answers) -> String {
    match answers {
        Answers::Outcome(outcome) => outcome.name().to_owned(),
        Answers::Failed => "failed".to_owned(),
        Answers::Status(codes) if codes.start() == codes.end() => format!("status {}", codes.start()),
        Answers::Status(codes) => format!("status {}xx", codes.start() / 100),
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::ledger::Outcome;
    use plimsoll_record::verdict::Judgement;

    use crate::testing::{Script, Second, expect};

    fn run(criterion: &str) -> Script {
        let second = |i: u64| Second::ok(98, 10).and(Outcome::TimedOut, 1).and(Outcome::FailedCheck, i % 2);
        Script::of(120, second).criteria(&format!("require = [\"{criterion}\"]"))
    }

    #[test]
    fn a_share_has_its_interval_and_counts_what_is_too_many() {
        let result = run("share(timed_out) < 0.5%").result();
        expect(&result, Judgement::Fail, &["120 of 11,940 ended as timed_out", "too many"]);
        assert!(result.evidence.excess.unwrap() > 60, "{:?}", result.evidence);
        expect(&run("share(timed_out) < 2%").result(), Judgement::Pass, &[]);
    }

    #[test]
    fn numbers_and_rates_are_compared_as_they_stand() {
        expect(&run("count(failed_check) <= 60").result(), Judgement::Pass, &["is 60", "60 of 11,940"]);
        expect(&run("count(timed_out) == 0").result(), Judgement::Fail, &["is 120"]);
        expect(&run("rate(failed) < 1/s").result(), Judgement::Fail, &["is 1.50/s"]);
    }
}
