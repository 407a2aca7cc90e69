//! `verdict explain`: how one criterion was decided, down to the rows of data behind it.

use std::process::ExitCode;

use plimsoll_criteria::{Location, Method, locate, method};
use plimsoll_plan::{Criterion, Metric, Plan};
use plimsoll_record::Offset;
use plimsoll_record::logs::LogFact;
use plimsoll_record::summary::{Facts, Scope, Window};
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::CriterionResult;
use plimsoll_report::{plain, wrapped};

use super::table::Table;
use crate::args::Explain;
use crate::judging::{Judged, Trouble, judge};
use crate::{outcome, output};

pub(crate) fn run(args: &Explain) -> anyhow::Result<ExitCode> {
    let judged = judge(&args.run, &args.by)?;
    let Some(id) = &args.id else {
        output::print(&list(&judged))?;
        return Ok(outcome::done());
    };
    let results: Vec<&CriterionResult> =
        judged.verdict.criteria.iter().filter(|result| result.id == *id || result.expression == *id).collect();
    if results.is_empty() {
        let known = judged.verdict.criteria.iter().map(|result| plain(&result.id)).collect::<Vec<_>>().join(", ");
        return Err(Trouble::NoCriterion { id: id.clone(), known }.into());
    }
    for result in results {
        let criterion = judged.criteria.iter().find(|criterion| criterion.id == result.id);
        output::print(&explanation(&judged, result, criterion, args.rows as usize))?;
    }
    Ok(outcome::done())
}

fn list(judged: &Judged) -> String {
    let mut table = Table::new(&["id", "criterion", "verdict"]);
    for result in &judged.verdict.criteria {
        table.row(&[result.id.clone(), result.expression.clone(), result.judgement.word().to_owned()]);
    }
    table.text()
}

fn explanation(judged: &Judged, result: &CriterionResult, criterion: Option<&Criterion>, rows: usize) -> String {
    let mut out = format!("{}: {}\n", result.judgement.word().to_uppercase(), plain(&result.id));
    let mut line = |name: &str, text: &str| {
        for (i, part) in wrapped(&plain(text), output::width().saturating_sub(14)).into_iter().enumerate() {
            out += &format!("  {:<12}{part}\n", if i == 0 { name } else { "" });
        }
    };
    line("criterion", &result.expression);
    line("where", if result.scope.is_empty() { "whole run" } else { &result.scope });
    line("why", &result.reason);
    line("value", &plimsoll_report::value(result));
    line("limit", &plimsoll_report::limit(result));
    if let Some(interval) = result.interval {
        let unit = result.unit;
        let (low, high) = (unit.show(interval.low), unit.show(interval.high));
        line("interval", &format!("{low} to {high}, confidence {:.0} %", interval.confidence * 100.0));
    }
    let worth = result
        .effective_samples
        .map_or_else(String::new, |worth| format!(", worth {} independent ones", Unit::Count.show(worth)));
    line("samples", &format!("{}{worth}", Unit::Count.show(result.samples as f64)));
    if let Some(hint) = &result.hint {
        line("hint", hint);
    }
    if let Some(criterion) = criterion {
        let how: Method = method(&criterion.expression.metric);
        line("formula", how.formula);
        line("more", &format!("docs/statistics.md#{} ({})", how.anchor(), how.section));
        out += &format!("\n{}", data(&judged.facts, &judged.plan, criterion, rows));
    }
    out + "\n"
}

/// The rows behind a criterion, in at most so many stretches of time.
fn data(facts: &Facts, plan: &Plan, criterion: &Criterion, rows: usize) -> String {
    let place = match locate(facts, plan, &criterion.scope) {
        Ok(place) => place,
        Err(missing) => return format!("{}\n", plain(&missing)),
    };
    let window = place.window;
    match &criterion.expression.metric {
        Metric::Series { metric, of, .. } => sampled(facts, metric, of.as_deref(), window, rows),
        Metric::Fragmentation => {
            let of = |name| plimsoll_record::metric::Metric::find(name).expect("a metric of the catalogue");
            sampled(facts, of("redis.mem_fragmentation_ratio"), None, window, rows)
                + &sampled(facts, of("redis.used_memory"), None, window, rows)
        }
        Metric::Log { log, event } => counted(facts, log, event, window),
        _ => answered(facts, &place, rows),
    }
}

/// Equal stretches of a window, none shorter than an interval of the record.
fn stretches(window: Window, shortest_ns: u64, most: usize) -> Vec<Window> {
    let length = window.to.since(window.from);
    let n = (length / shortest_ns.max(1)).clamp(1, most as u64);
    let at = |i: u64| {
        Offset(window.from.0.saturating_add_unsigned((u128::from(length) * u128::from(i) / u128::from(n)) as u64))
    };
    (0..n).map(|i| Window { from: at(i), to: at(i + 1) }).collect()
}

fn answered(facts: &Facts, place: &Location, rows: usize) -> String {
    let (Some(traffic), Some(window)) = (&facts.traffic, place.window) else {
        return "no traffic was recorded\n".to_owned();
    };
    let header = &traffic.header.body;
    let heads = ["from", "to", ">scheduled", ">finished", ">failed", ">limited", ">p50", ">p95", ">p99", ">slowest"];
    let mut table = Table::new(&heads);
    for stretch in stretches(window, header.every_ns, rows) {
        let totals = facts.totals(&Scope { window: Some(stretch), ..place.scope.clone() });
        let count = |n: u64| Unit::Count.show(n as f64);
        let seconds =
            |nanos: Option<u64>| nanos.map_or_else(|| "-".to_owned(), |nanos| Unit::Seconds.show(nanos as f64 / 1e9));
        let at = |q| {
            let known = totals.response(q);
            format!(
                "{}{}",
                if known.is_some_and(|known| known.at_least) { "≥ " } else { "" },
                seconds(known.map(|known| known.nanos))
            )
        };
        let limited = totals.ledger.count(plimsoll_record::ledger::Outcome::Limited);
        table.row(&[
            clock(header.start_ns, stretch.from),
            clock(header.start_ns, stretch.to),
            count(totals.ledger.scheduled()),
            count(totals.ledger.finished()),
            count(totals.ledger.failures()),
            count(limited),
            at(0.5),
            at(0.95),
            at(0.99),
            seconds(totals.served.response.max()),
        ]);
    }
    table.text()
}

fn sampled(
    facts: &Facts,
    metric: &plimsoll_record::metric::Metric,
    of: Option<&str>,
    window: Option<Window>,
    rows: usize,
) -> String {
    let Some(series) = facts.series_of(metric.source, of) else { return format!("no sample of {}\n", metric.name()) };
    let values = series.values(metric, window);
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return format!("no sample of {} there\n", metric.name());
    };
    let zero = facts.traffic.as_ref().map_or(Offset::ZERO, |traffic| traffic.header.body.start_ns);
    let all = Window { from: first.0, to: Offset(last.0.0.saturating_add(1)) };
    let mut table = Table::new(&["from", "to", ">samples", ">first", ">last", ">smallest", ">median", ">largest"]);
    for stretch in stretches(all, series.header.every_ns, rows) {
        let Some(stats) = series.stats(metric, Some(stretch)) else { continue };
        let show = |value| metric.unit.show(value);
        table.row(&[
            clock(zero, stretch.from),
            clock(zero, stretch.to),
            Unit::Count.show(stats.count as f64),
            show(stats.first),
            show(stats.last),
            show(stats.min),
            show(stats.median),
            show(stats.max),
        ]);
    }
    let gaps = series.gaps.iter().filter(|gap| all.contains(gap.at_ns)).count();
    let missing = if gaps > 0 { format!("{gaps} samples are missing there\n") } else { String::new() };
    format!("{}\n{}{missing}", metric.name(), table.text())
}

fn counted(facts: &Facts, log: &str, event: &str, window: Option<Window>) -> String {
    let zero = facts.traffic.as_ref().map_or(Offset::ZERO, |traffic| traffic.header.body.start_ns);
    let inside = |at: Offset| window.is_none_or(|window| window.from < at && at <= window.to);
    let mut table = Table::new(&["until", "event", "value", ">lines"]);
    for fact in facts.logs.iter().flat_map(|logs| &logs.facts) {
        let LogFact::Counts(row) = fact else { continue };
        if row.log != log || !inside(row.at_ns) {
            continue;
        }
        let until = clock(zero, row.at_ns);
        if event == "lines" {
            table.row(&[until, event.to_owned(), String::new(), row.lines.to_string()]);
            continue;
        }
        for one in row.events.iter().filter(|one| one.event == event) {
            table.row(&[until.clone(), event.to_owned(), one.value.clone().unwrap_or_default(), one.count.to_string()]);
        }
    }
    if table.is_empty() { format!("log {} said nothing of {} there\n", plain(log), plain(event)) } else { table.text() }
}

/// Seconds since the load began.
fn clock(zero: Offset, at: Offset) -> String {
    format!("{:.1} s", (at.0 - zero.0) as f64 / 1e9)
}
