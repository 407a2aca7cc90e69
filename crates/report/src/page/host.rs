//! The host, CPU and memory in use over time, and beside it the watched process.

use maud::{Markup, html};
use plimsoll_record::units::Unit;

use super::process;
use crate::chart::{Chart, Dash, Fit, Ink, Stroke};
use crate::view::{Line, View};

pub(super) fn section(view: &View<'_>) -> Markup {
    let host = view.facts.host.as_ref();
    let lines = [
        Line::of_series("CPU", Stroke::new(Ink::Vermillion, Dash::Solid), host, "host.cpu_share"),
        Line::of_series("memory", Stroke::new(Ink::Blue, Dash::Long), host, "host.memory_share"),
    ];
    let chart = Chart {
        id: "host-chart",
        title: "CPU and memory of the host",
        note: "CPU: share of all cores. Memory: in use / total.".to_owned(),
        empty: "The host was not watched in this run.",
        unit: Unit::Share,
        fit: Fit::Share,
        curves: lines.iter().map(|line| view.curve(line)).collect(),
        limits: view.limits(&["max(host.cpu_share)", "max(host.memory_share)"]),
        holes: view.holes(host),
        frame: &view.frame,
        table: view.table(Unit::Share, &lines),
    };
    html! { (chart.render()) (process::section(view)) }
}
