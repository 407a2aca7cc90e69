//! The criteria of a verdict as CSV (RFC 4180), for spreadsheets and data frames: a row per criterion.
//!
//! Numbers stand in the unit's base (seconds, bytes, shares from 0 to 1) and are empty where nothing was measured. A
//! text that a spreadsheet would take for a formula gets an apostrophe in front.

use plimsoll_record::verdict::{CriterionResult, Severity, Verdict};

use crate::text::plain;

const COLUMNS: [&str; 20] = [
    "run",
    "plan",
    "verdict",
    "id",
    "expression",
    "scope",
    "severity",
    "judgement",
    "value",
    "at_least",
    "low",
    "high",
    "confidence",
    "limit",
    "unit",
    "margin",
    "samples",
    "effective_samples",
    "reason",
    "hint",
];

/// The criteria as a table.
#[must_use]
pub fn csv(verdict: &Verdict) -> String {
    let mut out = COLUMNS.join(",") + "\n";
    for result in &verdict.criteria {
        out.push_str(&row(verdict, result).join(","));
        out.push('\n');
    }
    out
}

fn row(verdict: &Verdict, result: &CriterionResult) -> [String; COLUMNS.len()] {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let severity = match result.severity {
        Severity::Require => "require",
        Severity::Prefer => "prefer",
    };
    [
        cell(&verdict.run),
        cell(&verdict.plan),
        verdict.judgement.word().to_owned(),
        cell(&result.id),
        cell(&result.expression),
        cell(&result.scope),
        severity.to_owned(),
        result.judgement.word().to_owned(),
        number(result.value),
        result.at_least.to_string(),
        number(result.interval.map(|interval| interval.low)),
        number(result.interval.map(|interval| interval.high)),
        number(result.interval.map(|interval| interval.confidence)),
        number(Some(result.limit)),
        result.unit.word().to_owned(),
        number(result.margin),
        result.samples.to_string(),
        number(result.effective_samples),
        cell(&result.reason),
        cell(result.hint.as_deref().unwrap_or_default()),
    ]
}

/// Text as a cell: nothing in it ends the cell, and no spreadsheet computes it.
fn cell(text: &str) -> String {
    plimsoll_record::export::cell(&plain(text))
}
