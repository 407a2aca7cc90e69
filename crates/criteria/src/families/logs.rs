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

#[cfg(test)]
mod tests {
    use plimsoll_record::logs::{EventCount, LogCounts, LogFact};
    use plimsoll_record::verdict::{CriterionResult, Judgement};

    use crate::testing::{Script, at, expect};

    fn counted(seconds: f64, log: &str, event: &str, count: u64) -> LogFact {
        let events = vec![EventCount { event: event.to_owned(), value: Some("per_minute".to_owned()), count }];
        LogFact::Counts(LogCounts { at_ns: at(seconds), log: log.to_owned(), lines: count + 1, events })
    }

    fn judged(criterion: &str, facts: Vec<LogFact>) -> CriterionResult {
        let script = Script { logs: Some(facts), ..Script::healthy(30) };
        script.criteria(&format!("require = [\"{criterion}\"]")).result()
    }

    #[test]
    fn events_are_counted_inside_the_phase() {
        let rows = || vec![counted(5.0, "limits", "RATE_LIMITED", 40), counted(99.0, "limits", "RATE_LIMITED", 7)];
        let enough = judged("log.limits.RATE_LIMITED >= 40", rows());
        expect(&enough, Judgement::Pass, &["is 40, limit 40"]);
        expect(&judged("log.limits.RATE_LIMITED > 40", rows()), Judgement::Fail, &[]);
        assert_eq!(judged("log.limits.lines > 1", rows()).value, Some(41.0));
    }

    #[test]
    fn an_empty_log_that_could_be_read_has_no_errors() {
        expect(&judged("log.errors.lines == 0", vec![]), Judgement::Pass, &["0 lines of `errors`"]);
        let one = vec![counted(5.0, "errors", "oom", 1)];
        expect(&judged("log.errors.oom == 0", one), Judgement::Fail, &["is 1, limit 0"]);
    }

    #[test]
    fn a_log_that_could_never_be_read_proves_nothing() {
        let gap = LogFact::Gap { at_ns: at(0.0), log: "errors".into(), reason: "no such file".into() };
        let result = judged("log.errors.lines == 0", vec![gap]);
        expect(&result, Judgement::Inconclusive, &["errors.log could not be read: no such file"]);
    }

    #[test]
    fn no_logs_at_all_prove_nothing() {
        let result = Script::healthy(30).criteria(r#"require = ["log.errors.lines == 0"]"#).result();
        expect(&result, Judgement::Inconclusive, &["no log was followed"]);
    }
}
