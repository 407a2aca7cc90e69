//! The Markdown summary for a CI job: sentence, criteria, key numbers, concerns. Always below 100 kB.
//!
//! Strings of a record are escaped so that they show as they are: no markup, no HTML, no mention, no link.

use plimsoll_record::summary::{Facts, Scope};
use plimsoll_record::verdict::{CriterionResult, Judgement, Verdict};

use crate::criterion;
use crate::numbers;
use crate::text::{self, cut, plain};

/// The most bytes of criteria and lists; the rest of the summary is small.
const BUDGET: usize = 80_000;
/// The most characters of one string of the record.
const LONGEST: usize = 600;

/// The summary as Markdown (the GitHub and GitLab kind).
#[must_use]
pub fn markdown(facts: &Facts, verdict: &Verdict) -> String {
    let mut out = format!(
        "# {} {}: {}\n\n**{}**\n\n",
        icon(verdict.judgement),
        verdict.judgement.word().to_uppercase(),
        escape(&verdict.plan),
        escape(&verdict.sentence)
    );
    if verdict.generator.judgement != Judgement::Pass {
        out.push_str(&format!("> **The measurement itself:** {}\n\n", escape(&verdict.generator.reason)));
    }
    criteria(&mut out, verdict);
    key_numbers(&mut out, facts);
    checks(&mut out, facts);
    list(&mut out, "Concerns", &verdict.concerns);
    list(&mut out, "Recommendations", &verdict.recommendations);
    out.push_str(&format!("Run {}\n", code(&verdict.run)));
    if !verdict.generator.calibration.is_empty() {
        out.push_str(&format!("\nloadgen: {}\n", escape(&verdict.generator.calibration)));
    }
    out
}

fn criteria(out: &mut String, verdict: &Verdict) {
    if verdict.criteria.is_empty() {
        out.push_str("The plan states no criteria.\n\n");
        return;
    }
    out.push_str("| | Criterion | Where | Measured | Limit | Margin | Why |\n|---|---|---|---|---|---|---|\n");
    let rows = verdict.criteria.iter().map(criterion_row);
    append_within_budget(out, rows, verdict.criteria.len(), "criteria");
}

fn criterion_row(result: &CriterionResult) -> String {
    let interval = criterion::interval(result).map_or_else(String::new, |interval| format!("<br>{interval}"));
    let samples = result.value.map_or_else(String::new, |_| format!("<br>{}", criterion::samples(result)));
    let hint = match &result.hint {
        Some(hint) if result.judgement != Judgement::Pass => format!("<br>Hint: {}", escape(hint)),
        _ => String::new(),
    };
    format!(
        "| {} {} | {} | {} | {}{interval}{samples} | {} | {} | {}{hint} |\n",
        icon(result.judgement),
        result.judgement.word(),
        code(&result.expression),
        escape(criterion::scope(result)),
        escape(&criterion::value(result)),
        escape(&criterion::limit(result)),
        criterion::margin(result).unwrap_or_else(|| "not known".to_owned()),
        escape(&result.reason),
    )
}

fn key_numbers(out: &mut String, facts: &Facts) {
    out.push_str("| Number | Value | |\n|---|---|---|\n");
    for number in numbers::key_numbers(facts, &facts.totals(&Scope::default())) {
        out.push_str(&format!("| {} | {} | {} |\n", number.name, number.value, number.detail));
    }
    out.push('\n');
}

fn checks(out: &mut String, facts: &Facts) {
    let checks = facts.checks(&Scope::default());
    if checks.is_empty() {
        return;
    }
    out.push_str("### Checks\n\n| Check | Endpoint | When it fails | Passed | Failed | Passed share |\n|---|---|---|---|---|---|\n");
    let rows = checks.iter().map(|check| {
        format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            code(&check.name),
            escape(&check.operation),
            text::when_failed(check),
            text::count(check.count.passed),
            text::count(check.count.failed),
            escape(&text::passed_share(check)),
        )
    });
    append_within_budget(out, rows, checks.len(), "checks");
}

fn list(out: &mut String, heading: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    out.push_str(&format!("### {heading}\n\n"));
    append_within_budget(out, items.iter().map(|item| format!("- {}\n", escape(item))), items.len(), "entries");
}

/// Appends lines until the budget is spent, and says how many were left out.
fn append_within_budget(out: &mut String, lines: impl Iterator<Item = String>, n: usize, what: &str) {
    let mut shown = 0;
    for line in lines {
        if out.len() + line.len() > BUDGET {
            break;
        }
        out.push_str(&line);
        shown += 1;
    }
    if shown < n {
        out.push_str(&format!("\n{} more {what} are in the HTML report.\n", n - shown));
    }
    out.push('\n');
}

fn icon(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Pass => "✅",
        Judgement::Warn => "⚠️",
        Judgement::Inconclusive => "❔",
        Judgement::Fail => "❌",
    }
}

/// Text that shows as it is, inside a table cell too: everything Markdown or HTML could read as markup is escaped,
/// bare addresses don't become links and `@name` reaches nobody.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    let text = cut(&plain(text), LONGEST);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("@\u{200b}"),
            ':' if rest.peek() == Some(&'/') => out.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '!' | '|' | '~' | '$' | '^' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.replace("www.", "www\\.")
}

/// Text as code where it is as harmless as expressions and ids are; escaped text otherwise.
fn code(text: &str) -> String {
    let text = cut(&plain(text), LONGEST);
    let harmless = |c: char| c.is_alphanumeric() || " ._-+*/%(),:<>='".contains(c);
    let opens_tag = |pair: &[u8]| pair[0] == b'<' && !matches!(pair[1], b' ' | b'=');
    if text.chars().all(harmless) && !text.as_bytes().windows(2).any(opens_tag) {
        format!("`{text}`")
    } else {
        escape(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_shows_as_it_is() {
        assert_eq!(escape("a|b `c` *d*"), r"a\|b \`c\` \*d\*");
        assert_eq!(escape("<img src=x> & </td>"), "&lt;img src=x&gt; &amp; &lt;/td&gt;");
        assert_eq!(escape("[x](http://evil) ![y](z)\n# h"), r"\[x\](http&#58;//evil) \!\[y\](z)\\n\# h");
        assert_eq!(escape("@admin"), "@\u{200b}admin");
    }

    #[test]
    fn only_harmless_text_becomes_code() {
        assert_eq!(code("p99 < 500ms"), "`p99 < 500ms`");
        assert_eq!(code("max(redis.used_memory) <= 3 MB"), "`max(redis.used_memory) <= 3 MB`");
        assert_eq!(code("a`b|c"), r"a\`b\|c");
        assert_eq!(code("<b>"), "&lt;b&gt;");
    }
}
