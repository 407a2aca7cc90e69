//! Latency over time: percentiles of response time, and the service time beside them.

use maud::{Markup, html};
use plimsoll_record::summary::Percentile;
use plimsoll_record::units::Unit;

use crate::chart::{Chart, Dash, Fit, Ink, Stroke};
use crate::text;
use crate::view::{Column, Line, View};

pub(super) fn section(view: &View<'_>) -> Markup {
    let line = |name, ink, dash, read: fn(&Column) -> Option<Percentile>| -> Line {
        view.column_line(name, Stroke::new(ink, dash), |column| {
            read(column).map(|known| (text::seconds(known), known.at_least))
        })
    };
    let mut lines = vec![
        line("p99", Ink::Vermillion, Dash::Solid, |column| column.p99),
        line("p95", Ink::Green, Dash::LongAndDots, |column| column.p95),
        line("p50", Ink::Blue, Dash::Solid, |column| column.p50),
        line("service p50", Ink::Blue, Dash::Dots, |column| column.service_p50),
    ];
    let limited = limited(view);
    if !limited.runs.is_empty() {
        lines.insert(0, limited);
    }
    let chart = Chart {
        id: "latency-chart",
        title: "Response time, percentiles",
        note: "From the intended send time of each request to the last byte of its answer; rate-limited answers \
               stand apart. Service time runs from the actual send: where the two part, requests waited to be sent."
            .to_owned(),
        empty: "No latency was measured: no request was answered.",
        unit: Unit::Seconds,
        fit: Fit::Latency,
        curves: lines.iter().map(|line| view.curve(line)).collect(),
        limits: view.limits(&["p50", "p95", "p99", "service.p50"]),
        holes: view.traffic_holes().into_iter().chain(view.unserved()).collect(),
        frame: &view.frame,
        table: view.table(Unit::Seconds, &lines),
    };
    html! { (chart.render()) }
}

/// Rate-limited answers: how fast the service says no.
fn limited(view: &View<'_>) -> Line {
    view.column_line("limited p99", Stroke::new(Ink::Purple, Dash::Long), |column| {
        column.limited_p99_ns.map(|nanos| (nanos as f64 / 1e9, false))
    })
}
