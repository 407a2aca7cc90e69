//! The verdict as workflow commands of GitHub Actions: one annotation per criterion that is not met.
//!
//! A line of `stdout` that begins with `::` is a command there, so text of the record is escaped as the runner's own
//! toolkit does it: `%`, carriage return and line feed everywhere, `:` and `,` in properties. The runner shows at
//! most ten errors and ten warnings of a step, so the worst come first and the rest is counted.

use plimsoll_record::verdict::{CriterionResult, Judgement, Verdict};

use crate::criterion;
use crate::text::{cut, plain};

/// What the runner shows of one kind and step.
const MOST: usize = 10;
/// The most characters of a message.
const LONGEST: usize = 1_000;

/// The annotations, one line each. A verdict that passed is a notice.
#[must_use]
pub fn annotations(verdict: &Verdict) -> String {
    let word = verdict.judgement.word();
    let summary = format!("{}: {}", plain(&verdict.plan), plain(&verdict.sentence));
    let mut out = line(Level::of(verdict.judgement), &format!("plimsoll: {word}"), &summary);
    for level in [Level::Error, Level::Warning] {
        let of_level = verdict
            .criteria
            .iter()
            .filter(|result| result.judgement != Judgement::Pass && Level::of(result.judgement) == level);
        let all: Vec<&CriterionResult> = of_level.collect();
        // One place is the summary's, one is for what is left out.
        let shown = if all.len() > MOST - 1 { MOST - 2 } else { all.len() };
        all[..shown].iter().for_each(|result| out.push_str(&of_criterion(level, result)));
        if shown < all.len() {
            let message = format!("{} more criteria are not met; the job summary has them all", all.len() - shown);
            out.push_str(&line(level, "plimsoll", &message));
        }
    }
    out
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Notice,
    Warning,
    Error,
}

impl Level {
    fn of(judgement: Judgement) -> Self {
        match judgement {
            Judgement::Pass => Self::Notice,
            Judgement::Warn => Self::Warning,
            Judgement::Inconclusive | Judgement::Fail => Self::Error,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

fn of_criterion(level: Level, result: &CriterionResult) -> String {
    let title = format!("{}: {}", result.judgement.word(), plain(&result.id));
    let hint = result.hint.as_ref().map_or_else(String::new, |hint| format!(" Hint: {}", plain(hint)));
    let message = format!(
        "{} [{}]: {} (limit {}). {}{hint}",
        plain(&result.expression),
        plain(criterion::scope(result)),
        criterion::value(result),
        criterion::limit(result),
        plain(&result.reason)
    );
    line(level, &title, &message)
}

fn line(level: Level, title: &str, message: &str) -> String {
    format!("::{} title={}::{}\n", level.word(), property(&cut(title, 200)), data(&cut(message, LONGEST)))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
