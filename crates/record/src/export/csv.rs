//! Tables for pandas, DuckDB, R and spreadsheets: one for traffic, one per sampled source, one for logs, one for requests.
//!
//! Every table begins with `time` (UTC) and `offset_s` (seconds since the first planned arrival), by which they join.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use jiff::Timestamp;

use super::{ExportError, header, name, unix_ns};
use crate::clock::Offset;
use crate::latency::Histogram;
use crate::ledger::Class;
use crate::logs::LogFact;
use crate::metric::Source;
use crate::requests::{RequestNames, RequestReader, TextForm, TextWriter};
use crate::series::Sample;
use crate::summary::{Facts, Scope, Series};
use crate::traffic::Interval;

const TRAFFIC: &str = "time,offset_s,seconds,phase,operation,scheduled,finished,ok,limited,failed_checks,errors,\
timed_out,dropped,unfinished,pending,body_bytes,response_mean_s,response_p50_s,response_p90_s,response_p95_s,\
response_p99_s,response_max_s,service_p50_s,service_p95_s,service_p99_s";

/// The tables of a run: file name and content. Only what was recorded has a table.
///
/// # Errors
/// [`ExportError::Read`] when the request log is damaged.
pub fn tables(facts: &Facts, names: &RequestNames) -> Result<Vec<(&'static str, Vec<u8>)>, ExportError> {
    let mut tables = Vec::new();
    if facts.traffic.is_some() {
        tables.push(("traffic.csv", traffic(facts)?));
    }
    let sources = [
        ("redis.csv", Source::Redis),
        ("postgres.csv", Source::Postgres),
        ("pool.csv", Source::Pool),
        ("host.csv", Source::Host),
        ("process.csv", Source::Process),
    ];
    for (file, source) in sources {
        tables.extend(facts.series(source).map(|of| (file, series(facts, of))));
    }
    for (file, all) in [("containers.csv", &facts.containers), ("probes.csv", &facts.probes)] {
        if !all.is_empty() {
            tables.push((file, several(facts, all)));
        }
    }
    if facts.logs.is_some() {
        tables.push(("logs.csv", logs(facts)));
    }
    if let Some(reader) = RequestReader::open(facts.run.path())? {
        tables.push(("requests.csv", requests(facts, reader, names)?));
    }
    Ok(tables)
}

/// Text as a cell of CSV (RFC 4180): nothing in it ends the cell, and no spreadsheet takes it for a formula.
#[must_use]
pub fn cell(text: &str) -> String {
    let formula = text.trim_start().starts_with(['=', '+', '-', '@', '|', '%', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    if formula || text.contains([',', '"', '\n', '\r', ';', '\'', '\0']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\"").replace('\0', ""))
    } else {
        text.to_owned()
    }
}

fn traffic(facts: &Facts) -> Result<Vec<u8>, ExportError> {
    let header = header(facts)?;
    let mut out = format!("{TRAFFIC}\n").into_bytes();
    for row in facts.intervals(&Scope::default()) {
        let (phase, operation) = (row.phase as usize, row.operation as usize);
        let phase = header.phases.get(phase).map_or("unknown", |phase| &phase.name);
        let names = format!("{},{}", cell(phase), cell(name(&header.operations, operation)));
        writeln!(
            out,
            "{},{:.3},{names},{},{}",
            when(facts, row.at_ns),
            row.len_ns as f64 / 1e9,
            counts(row),
            latency(row)
        )?;
    }
    Ok(out)
}

fn counts(row: &Interval) -> String {
    let classes = [
        Class::Ok,
        Class::Limited,
        Class::FailedCheck,
        Class::Error,
        Class::TimedOut,
        Class::Dropped,
        Class::Unfinished,
    ];
    let classes: Vec<String> = classes.into_iter().map(|class| row.ledger.class(class).to_string()).collect();
    let (scheduled, finished) = (row.ledger.scheduled(), row.ledger.finished());
    format!("{scheduled},{finished},{},{},{}", classes.join(","), row.pending, row.body_bytes)
}

fn latency(row: &Interval) -> String {
    let (response, service) = (&row.served.response, &row.served.service);
    let seconds = |nanos: Option<f64>| nanos.map_or_else(String::new, |nanos| format!("{:.6}", nanos / 1e9));
    let at = |of: &Histogram, q: f64| seconds(of.quantile(q).map(|nanos| nanos as f64));
    let cells = [
        seconds(response.mean()),
        at(response, 0.5),
        at(response, 0.9),
        at(response, 0.95),
        at(response, 0.99),
        seconds(response.max().map(|nanos| nanos as f64)),
        at(service, 0.5),
        at(service, 0.95),
        at(service, 0.99),
    ];
    cells.join(",")
}

fn series(facts: &Facts, series: &Series) -> Vec<u8> {
    let columns = columns([series].into_iter());
    let mut out = format!("time,offset_s{}\n", heads(&columns));
    series
        .samples
        .iter()
        .for_each(|sample| out += &format!("{}{}\n", when(facts, sample.at_ns), values(sample, &columns)));
    out.into_bytes()
}

/// Series that have names of their own: one more column says whose row it is.
fn several(facts: &Facts, all: &BTreeMap<String, Series>) -> Vec<u8> {
    let columns = columns(all.values());
    let mut out = format!("time,offset_s,name{}\n", heads(&columns));
    for (name, series) in all {
        for sample in &series.samples {
            out += &format!("{},{}{}\n", when(facts, sample.at_ns), cell(name), values(sample, &columns));
        }
    }
    out.into_bytes()
}

fn columns<'a>(all: impl Iterator<Item = &'a Series>) -> BTreeSet<&'a String> {
    all.flat_map(|series| series.samples.iter().flat_map(|sample| sample.values.keys())).collect()
}

fn heads(columns: &BTreeSet<&String>) -> String {
    columns.iter().map(|column| format!(",{}", cell(column))).collect()
}

fn values(sample: &Sample, columns: &BTreeSet<&String>) -> String {
    let shown = |column: &&String| sample.values.get(*column).map_or_else(String::new, f64::to_string);
    columns.iter().map(|column| format!(",{}", shown(column))).collect()
}

fn logs(facts: &Facts) -> Vec<u8> {
    let mut out = String::from("time,offset_s,log,event,value,lines\n");
    for fact in facts.logs.iter().flat_map(|logs| &logs.facts) {
        let LogFact::Counts(row) = fact else { continue };
        let mut line = |event: &str, value: &str, n: u64| {
            let names = format!("{},{},{}", cell(&row.log), cell(event), cell(value));
            out.push_str(&format!("{},{names},{n}\n", when(facts, row.at_ns)));
        };
        line("", "", row.lines);
        row.events.iter().for_each(|each| line(&each.event, each.value.as_deref().unwrap_or_default(), each.count));
    }
    out.into_bytes()
}

fn requests(facts: &Facts, reader: RequestReader, names: &RequestNames) -> Result<Vec<u8>, ExportError> {
    let mut text = TextWriter::new(TextForm::Csv, names, facts.run.info().anchor);
    let mut out = Vec::new();
    text.head(&mut out);
    for row in reader {
        text.row(&row?, &mut out);
    }
    Ok(out)
}

/// `time,offset_s`.
fn when(facts: &Facts, at: Offset) -> String {
    let start = facts.traffic.as_ref().map_or(Offset::ZERO, |traffic| traffic.header.body.start_ns);
    let time = Timestamp::from_nanosecond(unix_ns(facts, at).into()).unwrap_or_default();
    format!("{},{:.3}", time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"), (at.0 - start.0) as f64 / 1e9)
}
