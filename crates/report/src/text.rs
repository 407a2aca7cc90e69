//! Words shared by all renderers: how a missing number reads, and hostile text made inert.
//!
//! Escaping for a medium (HTML, Markdown) is not here: each renderer does its own.

use plimsoll_record::summary::{CheckTotal, Percentile};
use plimsoll_record::units::Unit;

/// The text on one line, with everything that could steer a terminal or reorder the text around it made visible:
/// control characters, line and paragraph separators, bidirectional overrides.
#[must_use]
pub fn plain(text: &str) -> String {
    escape(text, |_| false)
}

/// Like [`plain`], but keeps line breaks and tabs.
pub(crate) fn block(text: &str) -> String {
    escape(text, |c| matches!(c, '\n' | '\t'))
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) && !keep(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

fn steers(c: char) -> bool {
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    let reorders =
        matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || separates || reorders
}

/// At most `most` characters, with an ellipsis where something was cut off.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A percentile in words; `≥` where only a lower bound is known.
pub(crate) fn percentile(percentile: Option<Percentile>) -> String {
    percentile.map_or_else(|| "no answers".to_owned(), |known| bound(Unit::Seconds, seconds(known), known.at_least))
}

/// A percentile in seconds, the base of [`Unit::Seconds`].
pub(crate) fn seconds(percentile: Percentile) -> f64 {
    percentile.nanos as f64 / 1e9
}

/// A number in its unit; `≥` where it is only a lower bound.
pub(crate) fn bound(unit: Unit, value: f64, at_least: bool) -> String {
    if at_least { format!("≥ {}", unit.show(value)) } else { unit.show(value) }
}

/// A number in its unit, or the words for its absence.
pub(crate) fn optional(unit: Unit, value: Option<f64>, missing: &str) -> String {
    value.map_or_else(|| missing.to_owned(), |value| unit.show(value))
}

/// What it means when a check does not hold.
pub(crate) fn when_failed(check: &CheckTotal) -> &'static str {
    if check.soft { "only counts" } else { "fails the request" }
}

/// How often a check held, as a share. Rounded it could read 100 % although it failed, so it never does then.
pub(crate) fn passed_share(check: &CheckTotal) -> String {
    let Some(share) = check.count.passed_share() else { return "nothing checked".to_owned() };
    let shown = Unit::Share.show(share);
    if check.count.failed > 0 && shown == Unit::Share.show(1.0) { format!("< {shown}") } else { shown }
}

/// A count with thousands separators.
pub(crate) fn count(n: u64) -> String {
    Unit::Count.show(n as f64)
}

/// A number with the word it counts, in the plural where it must be.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_steers_a_terminal_is_made_visible() {
        assert_eq!(plain("a\u{1b}[31mb\r\nc\u{9b}"), r"a\u{1b}[31mb\r\nc\u{9b}");
        assert_eq!(plain("user\u{202e}gnp.exe"), r"user\u{202e}gnp.exe");
        assert_eq!(plain("größer ✓ 語"), "größer ✓ 語");
        assert_eq!(block("a\n\tb\u{7}"), "a\n\tb\\u{7}");
    }

    #[test]
    fn cutting_counts_characters_and_shows_itself() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
    }

    #[test]
    fn a_missing_percentile_is_words_and_a_bound_says_so() {
        assert_eq!(percentile(None), "no answers");
        assert_eq!(percentile(Some(Percentile { nanos: 30_000_000_000, at_least: true })), "≥ 30.0 s");
    }
}
