//! `log.errors.oom == 0`, `log.rate_limiter.RATE_LIMITED > 100`: lines counted in a followed log.
//!
//! Lines are counted one by one, so the number is compared as it stands. A log that could never be read proves
//! nothing, however few lines it had.

use plimsoll_record::Offset;
use plimsoll_record::files::FactFile;
use plimsoll_record::logs::{LogFact, Logs};
use plimsoll_record::summary::Window;

use crate::goal::{Finding, Goal};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::words;

/// The word for all lines of a log.
const ALL_LINES: &str = "lines";

pub(super) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal, log: &str, event: &str) -> Finding {
    let Some(file) = &run.facts.logs else {
        return Finding::missing("no log was followed; was memwatch running?");
    };
    let Some(followed) = file.header.body.logs.iter().find(|followed| followed.name == log) else {
        return Finding::missing(format!("the log `{log}` was not followed"));
    };
    let inside = |at: Offset| place.window.is_none_or(|window: Window| window.contains(at));
    let seen = Seen::of(file, log, event, inside);
    if let (0, Some(gap)) = (seen.lines_ever, &seen.gap) {
        return Finding::missing(format!("{} could not be read: {gap}", followed.path));
    }
    let mut finding = Finding::plain(goal, seen.matching as f64, seen.lines_ever, "is");
    finding.reason += &format!("; {} lines of `{log}` were read in all", words::count(seen.lines_ever));
    let died = file.is_partial().then(|| "memwatch died while following the logs".to_owned());
    finding.never_met(died)
}

/// What was seen of a log.
#[derive(Debug, Default)]
struct Seen {
    matching: u64,
    /// In the whole run: an empty log is an answer only if it could be read.
    lines_ever: u64,
    gap: Option<String>,
}

impl Seen {
    fn of(file: &FactFile<Logs>, log: &str, event: &str, inside: impl Fn(Offset) -> bool) -> Self {
        let mut seen = Self::default();
        for fact in &file.facts {
            match fact {
                LogFact::Counts(row) if row.log == log => {
                    seen.lines_ever += row.lines;
                    let of_event = row.events.iter().filter(|counted| counted.event == event);
                    let matching = if event == ALL_LINES { row.lines } else { of_event.map(|e| e.count).sum() };
                    seen.matching += if inside(row.at_ns) { matching } else { 0 };
                }
                LogFact::Gap { log: name, reason, .. } if name == log => seen.gap = Some(reason.clone()),
                _ => {}
            }
        }
        seen
    }
}
