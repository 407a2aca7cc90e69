//! Which arrivals `share`, `count` and `rate` tally: an outcome, a status, a class of statuses.

use plimsoll_record::ledger::Outcome;

use crate::criteria::{Answers, Tally};
use crate::reader::Text;
use crate::words;

pub(super) const TALLIES: [(&str, Tally); 3] =
    [("share", Tally::Share), ("count", Tally::Count), ("rate", Tally::Rate)];

/// The word for everything that is neither ok nor rate-limited.
const FAILED: &str = "failed";

pub(super) fn tally(word: &str) -> Option<Tally> {
    TALLIES.iter().find(|(known, _)| *known == word).map(|(_, tally)| *tally)
}

/// `timed_out`, `503`, `5xx`; `None` when it is neither.
pub(super) fn find(word: &str) -> Option<Answers> {
    let word = word.strip_prefix("status ").map_or(word, str::trim);
    if word == FAILED {
        return Some(Answers::Failed);
    }
    if let Some(outcome) = Outcome::ALL.into_iter().find(|outcome| outcome.name() == word) {
        return Some(Answers::Outcome(outcome));
    }
    let digits = word.strip_suffix("xx").filter(|digit| digit.len() == 1);
    if let Some(class) = digits.and_then(|digit| digit.parse::<u16>().ok()).filter(|class| (1..=5).contains(class)) {
        return Some(Answers::Status(class * 100..=class * 100 + 99));
    }
    let code = word.parse::<u16>().ok().filter(|code| word.len() == 3 && (100..=599).contains(code));
    code.map(|code| Answers::Status(code..=code))
}

pub(super) fn reject(text: &Text<'_>) {
    let outcomes = || [FAILED].into_iter().chain(Outcome::ALL.into_iter().map(Outcome::name));
    let near = words::nearest(&text.content, outcomes());
    let help = format!(
        "valid are statuses such as `503` and `5xx`, and outcomes such as {}; the record lists them all",
        words::list([FAILED, "ok", "limited", "unexpected_status", "failed_check", "refused", "reset", "timed_out"])
    );
    text.reject(format!("`{}` is no outcome and no status", text.content), near, help);
}
