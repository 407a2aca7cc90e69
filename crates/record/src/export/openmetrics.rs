//! OpenMetrics text (version 1.0) with a timestamp per sample, as `promtool tsdb create-blocks-from openmetrics` takes
//! it into Prometheus, and Grafana with it.
//!
//! Arrivals and outcomes are counters since the run began; percentiles of an interval are a summary; sampled metrics
//! are gauges by their own names. The samples of one label set stand together, in order of time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use super::{ExportError, name, unix_ns};
use crate::clock::Offset;
use crate::ledger::Outcome;
use crate::metric::{METRICS, Metric};
use crate::summary::{Facts, Scope};
use crate::traffic::{Interval, TrafficHeader};
use crate::units::Unit;

const QUANTILES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

/// Writes the run as OpenMetrics.
///
/// # Errors
/// [`ExportError::Write`] when `out` cannot be written.
pub fn openmetrics(facts: &Facts, out: &mut dyn Write) -> Result<(), ExportError> {
    let run = label(&facts.run.info().id);
    if let Some(traffic) = &facts.traffic {
        out.write_all(of_traffic(facts, &traffic.header.body, &run).as_bytes())?;
    }
    for metric in METRICS {
        out.write_all(of_series(facts, metric, &run).as_bytes())?;
    }
    out.write_all(b"# EOF\n")?;
    Ok(out.flush()?)
}

/// The rows of one phase and operation, in order of time: one label set.
type Rows<'a> = BTreeMap<(u32, u32), Vec<&'a Interval>>;

fn of_traffic(facts: &Facts, header: &TrafficHeader, run: &str) -> String {
    let mut rows = Rows::new();
    for row in facts.intervals(&Scope::default()) {
        rows.entry((row.phase, row.operation)).or_default().push(row);
    }
    let labels = |(phase, operation): &(u32, u32)| {
        let phase = header.phases.get(*phase as usize).map_or("unknown", |phase| &phase.name);
        let operation = name(&header.operations, *operation as usize);
        format!("run=\"{run}\",phase=\"{}\",operation=\"{}\"", label(phase), label(operation))
    };
    let mut out = String::new();
    head(&mut out, "plimsoll_arrivals", "counter", None, "Scheduled arrivals.");
    for (key, rows) in &rows {
        counter(&mut out, facts, "plimsoll_arrivals", &labels(key), rows, |row| row.ledger.scheduled());
    }
    head(&mut out, "plimsoll_requests", "counter", None, "Finished arrivals by outcome.");
    for (key, rows) in &rows {
        let occurred = |outcome: &Outcome| rows.iter().any(|row| row.ledger.count(*outcome) > 0);
        for outcome in Outcome::ALL.into_iter().filter(occurred) {
            let labels = format!("{},outcome=\"{}\"", labels(key), outcome.name());
            counter(&mut out, facts, "plimsoll_requests", &labels, rows, |row| row.ledger.count(outcome));
        }
    }
    let help = "Response time of served answers of an interval, from the intended send.";
    head(&mut out, "plimsoll_response_seconds", "summary", Some("seconds"), help);
    for (key, rows) in &rows {
        // The quantiles of one moment belong together: readers refuse times that go back within a summary.
        for row in rows {
            for q in QUANTILES {
                let Some(nanos) = row.served.response.quantile(q) else { continue };
                let labels = format!("{},quantile=\"{q}\"", labels(key));
                line(&mut out, "plimsoll_response_seconds", &labels, nanos as f64 / 1e9, &time(facts, end(row)));
            }
        }
    }
    out
}

fn counter(
    out: &mut String,
    facts: &Facts,
    family: &str,
    labels: &str,
    rows: &[&Interval],
    of: impl Fn(&Interval) -> u64,
) {
    let mut sum = 0;
    for row in rows {
        sum += of(row);
        line(out, &format!("{family}_total"), labels, sum as f64, &time(facts, end(row)));
    }
}

fn of_series(facts: &Facts, metric: &'static Metric, run: &str) -> String {
    let mut out = String::new();
    let values = facts.series(metric.source).map(|series| series.values(metric, None)).unwrap_or_default();
    if values.is_empty() {
        return out;
    }
    let unit = match metric.unit {
        Unit::Bytes => Some("bytes"),
        Unit::Seconds => Some("seconds"),
        Unit::Share => Some("ratio"),
        _ => None,
    };
    let plain = format!("plimsoll_{}_{}", metric.source.prefix(), metric.key);
    let family = match unit {
        Some(unit) if !plain.ends_with(&format!("_{unit}")) => format!("{plain}_{unit}"),
        _ => plain,
    };
    head(&mut out, &family, "gauge", unit, metric.help);
    let mut last = None;
    for (at, value) in values {
        // Of two samples in one millisecond the first stands.
        let time = time(facts, at);
        if last.as_ref() != Some(&time) {
            line(&mut out, &family, &format!("run=\"{run}\""), value, &time);
        }
        last = Some(time);
    }
    out
}

fn head(out: &mut String, family: &str, kind: &str, unit: Option<&str>, help: &str) {
    writeln!(out, "# TYPE {family} {kind}").expect("writing to a String cannot fail");
    if let Some(unit) = unit {
        writeln!(out, "# UNIT {family} {unit}").expect("writing to a String cannot fail");
    }
    writeln!(out, "# HELP {family} {}", label(help)).expect("writing to a String cannot fail");
}

fn line(out: &mut String, name: &str, labels: &str, value: f64, time: &str) {
    writeln!(out, "{name}{{{labels}}} {value} {time}").expect("writing to a String cannot fail");
}

/// What an interval counted was known at its end.
fn end(row: &Interval) -> Offset {
    Offset(row.at_ns.0.saturating_add_unsigned(row.len_ns))
}

/// Unix seconds, to the millisecond.
fn time(facts: &Facts, at: Offset) -> String {
    let ms = unix_ns(facts, at).div_euclid(1_000_000);
    format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000))
}

/// Text as the value of a label: a backslash, a quote and a line break are escaped.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
