//! `lost_writes == 0`: what reading back showed of what was written.
//!
//! Every key that had a write acknowledged is read back, so a count is exact and needs no interval. A key that could
//! not be read may be lost or not: then the count is a lower bound, which can fail a criterion and never pass it.

use plimsoll_plan::Integrity;
use plimsoll_record::summary::IntegritySummary;

use crate::goal::{Finding, Goal, Standing};
use crate::run::JudgedRun;
use crate::words;

pub(super) fn examine(run: &JudgedRun<'_>, goal: &Goal, integrity: Integrity) -> Finding {
    let Some(shown) = run.facts.integrity_summary() else {
        let what = "no writes were numbered: give the plan [integrity.NAME], and a step `writes` and another `reads`";
        return Finding::missing(what);
    };
    let back = &shown.back;
    let (value, compared, what) = match integrity {
        Integrity::LostWrites => (back.lost(), back.keys, "keys with acknowledged writes were read back"),
        Integrity::StaleReads => (shown.stale(), shown.reads(), "reads were compared during the load"),
        Integrity::CorruptedReads => (shown.corrupted(), shown.reads() + back.keys, "values were compared"),
    };
    if compared == 0 {
        return Finding::missing(nothing_compared(&shown));
    }
    let mut finding = Finding::plain(goal, value as f64, compared, "is");
    finding.reason += &format!("; {} {what}", words::count(compared));
    finding.reason += &example(&shown);
    if integrity == Integrity::StaleReads {
        return finding;
    }
    lower_bound(finding, goal, &shown)
}

fn nothing_compared(shown: &IntegritySummary) -> String {
    match shown.counts.acknowledged {
        0 => "no write was acknowledged".to_owned(),
        acknowledged => {
            format!("{} writes were acknowledged, and nothing was read", words::count(acknowledged))
        }
    }
}

/// What was not read cannot be said to be there.
fn lower_bound(mut finding: Finding, goal: &Goal, shown: &IntegritySummary) -> Finding {
    let unreadable = shown.back.unreadable;
    let obstacle = match (shown.is_whole, unreadable) {
        (false, _) => "the run ended before everything was read back".to_owned(),
        (true, 0) => return finding,
        (true, _) => format!("{} keys could not be read back", words::count(unreadable)),
    };
    finding.at_least = true;
    if finding.standing == Standing::Missed
        && !goal.wants_less()
        && finding.value.is_none_or(|value| value < goal.limit)
    {
        finding.standing = Standing::Undecided;
    }
    finding.never_met(Some(obstacle))
}

/// The first value that was not as it should be.
fn example(shown: &IntegritySummary) -> String {
    let Some((set, bad)) = shown.examples.iter().max_by_key(|(_, bad)| bad.at_the_end) else { return String::new() };
    let found = bad.found.map_or("nothing".to_owned(), |write| format!("write {write}"));
    let (key, defect, at_least) = (bad.key, bad.defect.name(), bad.at_least);
    format!("; for example key {key} of `{set}` is {defect}: {found} instead of write {at_least} or later")
}
