//! `verdict trend`: how a series of runs went, and where it changed its level.

use std::process::ExitCode;

use plimsoll_criteria::comparison::{ChangePoint, change_points};
use plimsoll_record::digest::{Digest, DigestValue};
use plimsoll_record::units::Unit;
use serde_json::json;

use super::runs;
use super::table::Table;
use crate::args::{Trend, TrendFormat};
use crate::judging::Trouble;
use crate::{outcome, output};

const USUAL: [&str; 6] = ["p50", "p95", "p99", "error_rate", "throughput", "max(redis.used_memory)"];

/// One metric over the runs that have it.
struct Series {
    metric: String,
    endpoint: String,
    unit: Unit,
    /// The place of its run, and the value.
    values: Vec<(usize, f64)>,
    changes: Vec<ChangePoint>,
}

pub(crate) fn run(args: &Trend) -> anyhow::Result<ExitCode> {
    let digests = runs::digests(&args.runs, args.plan.as_deref(), args.again)?;
    let wanted: Vec<String> = match args.metric.as_slice() {
        [] => USUAL.map(str::to_owned).into(),
        named => named.to_vec(),
    };
    let mut all = Vec::new();
    for name in &wanted {
        match series(&digests, name) {
            Some(series) => all.push(series),
            None if args.metric.is_empty() => {}
            None => return Err(Trouble::NoMetric { metric: name.clone(), known: known(&digests) }.into()),
        }
    }
    output::print(&match args.format {
        TrendFormat::Text => format!("{}{}", table(&digests, &all).text(), changes(&digests, &all, "  ")),
        TrendFormat::Markdown => format!("{}{}", table(&digests, &all).markdown(), changes(&digests, &all, "- ")),
        TrendFormat::Json => json(&digests, &all),
    })?;
    Ok(outcome::done())
}

/// `p95`, or `p95[checkout]` for one endpoint.
fn series(digests: &[Digest], name: &str) -> Option<Series> {
    let (metric, endpoint) = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        Some((metric, endpoint)) => (metric, endpoint),
        None => (name, ""),
    };
    let value = |(place, digest): (usize, &Digest)| Some((place, digest.value(metric, endpoint)?.clone()));
    let found: Vec<(usize, DigestValue)> = digests.iter().enumerate().filter_map(value).collect();
    let unit = found.first()?.1.unit;
    let values: Vec<(usize, f64)> = found.into_iter().map(|(place, value)| (place, value.value)).collect();
    // Times change by factors, not by amounts.
    let by_factor = values.iter().all(|(_, value)| *value > 0.0) && unit != Unit::Share;
    let scaled: Vec<f64> = values.iter().map(|(_, value)| if by_factor { value.ln() } else { *value }).collect();
    let mut changes = change_points(&scaled);
    for change in &mut changes {
        if by_factor {
            (change.before, change.after) = (change.before.exp(), change.after.exp());
        }
        change.index = values[change.index].0;
    }
    Some(Series { metric: metric.to_owned(), endpoint: endpoint.to_owned(), unit, values, changes })
}

fn known(digests: &[Digest]) -> String {
    let mut names: Vec<String> =
        digests.iter().flat_map(|digest| &digest.values).map(|value| title(&value.metric, &value.endpoint)).collect();
    names.sort();
    names.dedup();
    names.join(", ")
}

fn title(metric: &str, endpoint: &str) -> String {
    if endpoint.is_empty() { metric.to_owned() } else { format!("{metric}[{endpoint}]") }
}

/// A row per metric would be too wide after a month: a row per run, a column per metric.
fn table(digests: &[Digest], all: &[Series]) -> Table {
    let heads = all.iter().map(|series| title(&series.metric, &series.endpoint));
    let mut table =
        Table::of(["when (UTC)", "verdict"].map(str::to_owned).into_iter().chain(heads.map(|head| format!(">{head}"))));
    for (place, digest) in digests.iter().enumerate() {
        let mut cells = vec![when(digest.unix_ns), digest.judgement.word().to_owned()];
        for series in all {
            let value = series.values.iter().find(|(run, _)| *run == place);
            let mark = if series.changes.iter().any(|change| change.index == place) { " *" } else { "" };
            cells
                .push(value.map_or_else(|| "-".to_owned(), |(_, value)| format!("{}{mark}", series.unit.show(*value))));
        }
        table.row(&cells);
    }
    table
}

fn when(unix_ns: i64) -> String {
    let time = jiff::Timestamp::from_nanosecond(unix_ns.into()).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

fn changes(digests: &[Digest], all: &[Series], lead: &str) -> String {
    let mut out = String::new();
    for series in all {
        for change in &series.changes {
            let percent = (change.after / change.before - 1.0) * 100.0;
            let by = if change.before > 0.0 { format!(" ({percent:+.0} %)") } else { String::new() };
            out += &format!(
                "{lead}{} changed from {} to {}{by} with the run of {}\n",
                plimsoll_report::plain(&title(&series.metric, &series.endpoint)),
                series.unit.show(change.before),
                series.unit.show(change.after),
                when(digests[change.index].unix_ns),
            );
        }
    }
    match (out.is_empty(), digests.len() < 6) {
        (true, true) => format!("\n{} runs: six or more show where the level changed\n", digests.len()),
        (true, false) => format!("\nno change of level in {} runs\n", digests.len()),
        (false, _) => format!(
            "\n* changes of level (chance would make one of this size in less than 1 % of random orders)\n\n{out}"
        ),
    }
}

fn json(digests: &[Digest], all: &[Series]) -> String {
    let change = |change: &ChangePoint| json!({ "run": digests[change.index].run, "before": change.before, "after": change.after, "p": change.p });
    let series = |series: &Series| {
        json!({
            "metric": series.metric, "endpoint": series.endpoint, "unit": series.unit.word(),
            "changes": series.changes.iter().map(change).collect::<Vec<_>>(),
        })
    };
    let document = json!({ "format": 1, "runs": digests, "series": all.iter().map(series).collect::<Vec<_>>() });
    format!("{document:#}\n")
}
