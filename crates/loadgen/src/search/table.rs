//! What a search showed, for people and for programs.

use plimsoll_record::summary::{Percentile, Totals};
use plimsoll_record::units::{Unit, show_duration};
use serde_json::{Value, json};

use super::hunt::{Found, Hunt};
use super::level::{Goal, Level};
use super::per_second;
use crate::args::Format;

/// One line when a level has ended.
pub(crate) fn progress(number: usize, most: usize, level: &Level) -> String {
    format!("level {number} of at most {most}: {}: {}", per_second(level.rate), level.reason)
}

/// The whole search.
pub(crate) fn show(levels: &[Level], hunt: &Hunt, goal: &Goal, format: Format) -> String {
    match format {
        Format::Text => text(levels, hunt, goal),
        Format::Json => format!("{}\n", json(levels, hunt, goal)),
    }
}

fn text(levels: &[Level], hunt: &Hunt, goal: &Goal) -> String {
    let mut out = format!(
        "{:>10} {:>10} {:>10} {:>9} {:>9} {:>8} {:>8}  \n",
        "rate", "answered", "p50", "p95", "p99", "limited", "errors"
    );
    let mut sorted: Vec<&Level> = levels.iter().collect();
    sorted.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    for level in sorted {
        out.push_str(&row(level));
    }
    out.push_str(&format!("{}\n", sentence(levels, hunt, goal)));
    out.replace(" \n", "\n")
}

fn row(level: &Level) -> String {
    let totals = &level.totals;
    let share = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| Unit::Share.show(share));
    let answered = totals.throughput().map_or_else(|| "-".to_owned(), per_second);
    let mark = match level.found {
        Found::Below => "",
        Found::Above => "<",
        Found::Unknown => "?",
    };
    format!(
        "{:>10} {answered:>10} {:>10} {:>9} {:>9} {:>8} {:>8}  {mark}\n",
        per_second(level.rate),
        quantile(totals, 0.5),
        quantile(totals, 0.95),
        quantile(totals, 0.99),
        share(totals.limited_share()),
        share(totals.error_rate()),
    )
}

fn quantile(totals: &Totals, q: f64) -> String {
    let show = |percentile: Percentile| {
        let bound = if percentile.at_least { ">=" } else { "" };
        format!("{bound}{}", show_duration(std::time::Duration::from_nanos(percentile.nanos)))
    };
    totals.response(q).map_or_else(|| "-".to_owned(), show)
}

/// What was found, or why not.
fn sentence(levels: &[Level], hunt: &Hunt, goal: &Goal) -> String {
    let reason = |rate: f64| levels.iter().find(|level| level.rate == rate).map_or("", |level| level.reason.as_str());
    let happens = match goal {
        Goal::Breaks => "breaks".to_owned(),
        Goal::Until(criterion) => format!("reaches `{}`", criterion.text),
    };
    if let Some(unknown) = levels.iter().find(|level| level.found == Found::Unknown) {
        return format!("no answer beyond {}: {}", per_second(unknown.rate), unknown.reason);
    }
    match hunt.bracket() {
        (Some(below), Some(above)) => {
            format!("{happens} between {} and {}: {}", per_second(below), per_second(above), reason(above))
        }
        (Some(below), None) => {
            format!("never {happens} up to {}: raise --to, if more makes sense", per_second(below))
        }
        (None, Some(above)) => format!("{happens} already at {}: lower --from ({})", per_second(above), reason(above)),
        (None, None) => "nothing was measured".to_owned(),
    }
}

fn json(levels: &[Level], hunt: &Hunt, goal: &Goal) -> Value {
    let sentence = sentence(levels, hunt, goal);
    let levels = levels.iter().map(|level| {
        json!({
            "rate_per_s": level.rate,
            "found": match level.found { Found::Below => "below", Found::Above => "above", Found::Unknown => "unknown" },
            "reason": level.reason,
            "achieved_per_s": level.totals.throughput(),
            "error_rate": level.totals.error_rate(),
            "limited_share": level.totals.limited_share(),
            "response_p50_ns": level.totals.response(0.5).map(|percentile| percentile.nanos),
            "response_p95_ns": level.totals.response(0.95).map(|percentile| percentile.nanos),
            "response_p99_ns": level.totals.response(0.99).map(|percentile| percentile.nanos),
        })
    });
    let (below, above) = hunt.bracket();
    json!({ "sentence": sentence, "below_per_s": below, "above_per_s": above, "levels": levels.collect::<Vec<_>>() })
}
