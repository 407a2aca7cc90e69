//! The load over time: what was offered, what was answered, what was turned away, what failed.

use maud::{Markup, html};
use plimsoll_record::units::Unit;

use crate::chart::{Chart, Dash, Fit, Ink, Stroke};
use crate::view::{Column, View};

pub(super) fn section(view: &View<'_>) -> Markup {
    let exactly = |value: Option<f64>| value.map(|value| (value, false));
    let line = |name, ink, dash, read: fn(&Column) -> Option<f64>| {
        view.column_line(name, Stroke::new(ink, dash), |column| exactly(read(column)))
    };
    let lines = [
        line("offered", Ink::Grey, Dash::Broad, |column| column.offered),
        line("achieved", Ink::Blue, Dash::Solid, |column| column.achieved),
        line("limited", Ink::Purple, Dash::LongAndDots, |column| column.limited),
        line("errors", Ink::Vermillion, Dash::Long, |column| column.failures),
    ];
    let chart = Chart {
        id: "load-chart",
        title: "Requests per second",
        note: "Offered: arrivals whose time had come. Achieved: complete answers, whatever they said. \
               Errors: everything but ok and rate-limited."
            .to_owned(),
        empty: "No traffic was recorded in this run.",
        unit: Unit::PerSecond,
        fit: Fit::FromZero,
        curves: lines.iter().map(|line| view.curve(line)).collect(),
        limits: view.limits(&["throughput"]),
        holes: view.traffic_holes(),
        frame: &view.frame,
        table: view.table(Unit::PerSecond, &lines),
    };
    html! { (chart.render()) }
}
