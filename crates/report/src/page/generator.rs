//! The generator's own health: whether the measurement can be trusted.

use maud::{Markup, html};
use plimsoll_record::traffic::GeneratorInterval;
use plimsoll_record::units::Unit;

use super::verdict::badge;
use crate::chart::{Chart, Dash, Fit, Ink, Limit, Stroke};
use crate::lines::{self, Dot};
use crate::text;
use crate::view::{Line, View};

const UNTOLD: &str = "not recorded";

pub(super) fn section(view: &View<'_>) -> Markup {
    let health = &view.verdict.generator;
    html! {
        p.lead { (badge(health.judgement)) " " (text::plain(&health.reason)) }
        p.note {
            "Offered of what the plan asks for: "
            strong { (text::optional(Unit::Share, health.offered_share, "the plan does not fix the number")) } ". "
            (text::counted(health.contaminated.len() as u64, "contaminated span", "contaminated spans")) "."
        }
        @if !health.calibration.is_empty() {
            p.note #calibration { "loadgen: " (text::plain(&health.calibration)) "." }
        }
        @if view.facts.traffic.is_none() {
            p.missing { "No generator took part in this run." }
        } @else {
            (lag(view))
            (cpu(view))
            (resources(view))
        }
    }
}

/// What the generator held and lacked at its worst. What was not recorded says so.
fn resources(view: &View<'_>) -> Markup {
    let peaks = view.facts.generator_peaks();
    let count = |n: Option<u64>| n.map_or_else(|| UNTOLD.to_owned(), text::count);
    let seconds = |seconds: Option<f64>| text::optional(Unit::Seconds, seconds, UNTOLD);
    let descriptors = match peaks.open_files_limit {
        Some(limit) => format!("{} of {}", count(peaks.open_files), text::count(limit)),
        None => count(peaks.open_files),
    };
    let rows = [
        ("Longest delay of an event loop", seconds(peaks.loop_delay_ns.map(|nanos| nanos as f64 / 1e9))),
        ("Time a worker waited for a core, in all", seconds(peaks.waited_s)),
        ("Most file descriptors in use", descriptors),
        ("Fewest local ports left towards the target", count(peaks.free_ports)),
        ("Request-log rows dropped", text::count(peaks.log_rows_dropped)),
    ];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Resources of the generator" {
            table.numbers {
                caption { "The generator's own resources, at their worst" }
                tbody { @for (name, value) in rows { tr { th scope="row" { (name) } td { (value) } } } }
            }
        }
    }
}

fn lag(view: &View<'_>) -> Markup {
    let sent = |nanos: u64, row: &GeneratorInterval| (row.sent > 0).then_some(nanos as f64 / 1e9);
    let lines = [
        line(view, "max", Stroke::new(Ink::Vermillion, Dash::Solid), |row| sent(row.send_lag_max_ns, row)),
        line(view, "p99", Stroke::new(Ink::Blue, Dash::Long), |row| sent(row.send_lag_p99_ns, row)),
        line(view, "event loop", Stroke::new(Ink::Green, Dash::Dots), |row| {
            row.loop_delay_max_ns.map(|nanos| nanos as f64 / 1e9)
        }),
    ];
    let chart = Chart {
        id: "lag-chart",
        title: "Send lag",
        note: "How much later than intended requests were written although a connection was free: the generator's \
               own delay. Event loop: the most by which a worker woke later than it meant to."
            .to_owned(),
        empty: "The generator sent nothing.",
        unit: Unit::Seconds,
        fit: Fit::Latency,
        curves: lines.iter().map(|line| view.curve(line)).collect(),
        limits: bound(view).into_iter().collect(),
        holes: view.traffic_holes(),
        frame: &view.frame,
        table: view.table(Unit::Seconds, &lines),
    };
    chart.render()
}

fn bound(view: &View<'_>) -> Option<Limit> {
    let value = view.facts.traffic.as_ref()?.header.body.max_send_lag_ns as f64 / 1e9;
    Some(Limit { label: format!("send lag the plan allows: {}", Unit::Seconds.show(value)), value, span: (0.0, 1.0) })
}

fn cpu(view: &View<'_>) -> Markup {
    let lines = [
        line(view, "busiest worker", Stroke::new(Ink::Vermillion, Dash::Solid), |row| Some(row.busiest_worker)),
        line(view, "whole process", Stroke::new(Ink::Blue, Dash::Long), GeneratorInterval::cpu_cores),
        line(view, "waiting for a core", Stroke::new(Ink::Green, Dash::Dots), GeneratorInterval::waited_share),
    ];
    let chart = Chart {
        id: "generator-cpu-chart",
        title: "CPU of the generator",
        note:
            "100 % is one whole core. A worker that is always busy sends late, and so does one that waits for a core \
               that others have."
                .to_owned(),
        empty: "The generator wrote no row about itself.",
        unit: Unit::Share,
        fit: Fit::Share,
        curves: lines.iter().map(|line| view.curve(line)).collect(),
        limits: Vec::new(),
        holes: view.traffic_holes(),
        frame: &view.frame,
        table: view.table(Unit::Share, &lines),
    };
    chart.render()
}

fn line(view: &View<'_>, name: &'static str, stroke: Stroke, read: impl Fn(&GeneratorInterval) -> Option<f64>) -> Line {
    let end = |row: &GeneratorInterval| row.at_ns.0.saturating_add_unsigned(row.len_ns);
    let joined = |before: &&GeneratorInterval, after: &&GeneratorInterval| {
        after.at_ns.0.saturating_sub(end(before)) <= (before.len_ns / 2).cast_signed()
    };
    let dot = |row: &&GeneratorInterval| {
        let at = plimsoll_record::Offset(i64::midpoint(row.at_ns.0, end(row)));
        read(row).map(|value| Dot { at, value, at_least: false })
    };
    Line::new(name, stroke, lines::runs(view.facts.generator(), joined, dot))
}
