//! The verdict for a terminal: the sentence first, then a line or a few per criterion.
//!
//! It takes the verdict alone: judging a run prints no statistics of its own.

use plimsoll_record::verdict::{CriterionResult, Judgement, Verdict};

use crate::criterion;
use crate::text::{cut, plain};

/// How wide a terminal is and whether it shows colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalStyle {
    /// Columns; at least 40 are used.
    pub width: usize,
    /// True for ANSI colours. The words say everything without them.
    pub color: bool,
}

const NARROWEST: usize = 40;
const WIDEST: usize = 120;
/// Columns taken by icon and judgement before the text of a criterion.
const INDENT: usize = 16;
/// Columns between an expression and its numbers.
const GAP: usize = 2;
/// Columns that a value and its limit usually need.
const MEASURED: usize = 32;

/// The verdict as lines of text, each ending in a line break.
#[must_use]
pub fn terminal(verdict: &Verdict, style: TerminalStyle) -> String {
    let style = TerminalStyle { width: style.width.clamp(NARROWEST, WIDEST), ..style };
    let mut out = Lines { style, text: String::new() };
    out.headline(verdict);
    if verdict.generator.judgement != Judgement::Pass {
        out.entry(verdict.generator.judgement, "the measurement itself", "");
        out.paragraph(&verdict.generator.reason, INDENT, "");
    }
    let column = expression_column(verdict, style.width);
    for result in &verdict.criteria {
        out.criterion(result, column);
    }
    out.list("concerns", &verdict.concerns);
    out.list("recommendations", &verdict.recommendations);
    if !verdict.generator.calibration.is_empty() {
        out.line("");
        out.paragraph(&verdict.generator.calibration, 0, "loadgen: ");
    }
    out.text
}

/// The common column of the expressions: as wide as the widest one that leaves room for its numbers beside it.
fn expression_column(verdict: &Verdict, width: usize) -> usize {
    let room = width.saturating_sub(INDENT + GAP + MEASURED);
    let widths = verdict.criteria.iter().map(|result| label(result).chars().count());
    widths.filter(|width| *width <= room).max().unwrap_or(0)
}

/// The expression, with its scope unless that is the whole run.
fn label(result: &CriterionResult) -> String {
    let scope = if result.scope.is_empty() { String::new() } else { format!(" [{}]", plain(&result.scope)) };
    format!("{}{scope}", plain(&result.expression))
}

struct Lines {
    style: TerminalStyle,
    text: String,
}

impl Lines {
    fn headline(&mut self, verdict: &Verdict) {
        let word = verdict.judgement.word().to_uppercase();
        let indent = word.chars().count() + 2;
        let mut lines = wrap(&plain(&verdict.sentence), self.style.width - indent).into_iter();
        let first = lines.next().unwrap_or_default();
        let painted = self.paint(verdict.judgement, &word);
        self.line(&format!("{painted}  {first}"));
        for line in lines {
            self.line(&format!("{:indent$}{line}", ""));
        }
        let run = format!("{} · {}", plain(&verdict.plan), plain(&verdict.run));
        self.line(&format!("{:indent$}{}", "", cut(&run, self.style.width - indent)));
        self.line("");
    }

    fn criterion(&mut self, result: &CriterionResult, column: usize) {
        let label = label(result);
        let measured = format!("{} (limit {})", criterion::value(result), criterion::limit(result));
        let room = INDENT + column + GAP + measured.chars().count() <= self.style.width;
        if room && label.chars().count() <= column {
            self.entry(result.judgement, &format!("{label:column$}"), &measured);
        } else {
            self.paragraph_after(result.judgement, &label);
            self.paragraph(&measured, INDENT, "");
        }
        if result.value.is_some() {
            self.paragraph(&basis(result), INDENT, "");
        }
        if criterion::needs_reason(result) {
            self.paragraph(&result.reason, INDENT, "");
        }
        if let Some(hint) = &result.hint
            && result.judgement != Judgement::Pass
        {
            self.paragraph(hint, INDENT, "hint: ");
        }
    }

    /// An entry whose label needs lines of its own.
    fn paragraph_after(&mut self, judgement: Judgement, label: &str) {
        let mut lines = wrap(label, self.style.width - INDENT).into_iter();
        self.entry(judgement, &lines.next().unwrap_or_default(), "");
        for line in lines {
            self.line(&format!("{:INDENT$}{line}", ""));
        }
    }

    fn entry(&mut self, judgement: Judgement, label: &str, numbers: &str) {
        let word = format!("{} {:<12}", icon(judgement), judgement.word());
        let painted = self.paint(judgement, &word);
        let line = format!("{painted}  {label}  {numbers}");
        self.line(line.trim_end());
    }

    fn list(&mut self, heading: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.line("");
        self.line(heading);
        for item in items {
            self.paragraph(item, 2, "- ");
        }
    }

    /// Wrapped text behind `indent` columns; `lead` stands before the first line, the others align with its text.
    fn paragraph(&mut self, text: &str, indent: usize, lead: &str) {
        let hang = lead.chars().count();
        for (i, line) in wrap(&plain(text), self.style.width - indent - hang).into_iter().enumerate() {
            let before = if i == 0 { lead } else { "" };
            self.line(&format!("{:indent$}{before:hang$}{line}", ""));
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn paint(&self, judgement: Judgement, text: &str) -> String {
        let code = match judgement {
            Judgement::Pass => "32",
            Judgement::Warn => "33",
            Judgement::Inconclusive => "35",
            Judgement::Fail => "31",
        };
        if self.style.color { format!("\u{1b}[1;{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// What stands behind the value: `97.5 % inside, 11.0 ms to 14.0 ms (95 %), 3,600 samples, worth 240`.
fn basis(result: &CriterionResult) -> String {
    let parts = [criterion::margin(result), criterion::interval(result), Some(criterion::samples(result))];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn icon(judgement: Judgement) -> char {
    match judgement {
        Judgement::Pass => '✓',
        Judgement::Warn => '!',
        Judgement::Inconclusive => '?',
        Judgement::Fail => '✗',
    }
}

/// Breaks text between words; a word longer than the line is broken where the line ends. At least one line.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + rest.len() > width {
            lines.push(String::new());
            used = 0;
        }
        while !rest.is_empty() {
            let gap = usize::from(used > 0);
            let fits = rest.len().min(width - used - gap);
            let line = lines.last_mut().expect("there is always a line");
            line.extend([' '].iter().take(gap));
            line.extend(rest.drain(..fits));
            used += gap + fits;
            if !rest.is_empty() {
                lines.push(String::new());
                used = 0;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_between_words_and_long_words_break() {
        assert_eq!(wrap("memory grows by three", 12), ["memory grows", "by three"]);
        assert_eq!(wrap("abcdefghijklmnop qr", 10), ["abcdefghij", "klmnop qr"]);
        assert_eq!(wrap("", 10), [""]);
    }
}
