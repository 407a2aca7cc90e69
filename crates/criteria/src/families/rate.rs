//! `throughput > 100/s`, `count >= 1000`: everything was counted, nothing is estimated, so the numbers are compared as
//! they stand.
//!
//! An interval would mislead here: over a ramp the rate differs from batch to batch because the plan says so.

use crate::goal::{Finding, Goal};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::words;

pub(super) fn throughput(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Finding {
    let totals = run.facts.totals(&place.scope);
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
    let finished = run.facts.totals(&place.scope).ledger.finished();
    if finished == 0 {
        return Finding::missing("no arrival finished here");
    }
    Finding::plain(goal, finished as f64, finished, "is")
}
