//! The watched process, if there is one: its CPU and its memory over time.

use maud::{Markup, html};
use plimsoll_record::units::Unit;

use crate::chart::{Chart, Dash, Fit, Ink, Stroke};
use crate::view::{Line, View};

pub(super) fn section(view: &View<'_>) -> Markup {
    if view.facts.process.is_none() {
        return html! { p.note { "No process was watched in this run." } };
    }
    html! {
        (chart(view, "process-cpu-chart", "CPU of the process", "100 % is one whole core.", Unit::Share,
            ("CPU", "process.cpu_share"), "max(process.cpu_share)"))
        (chart(view, "process-memory-chart", "Memory of the process", "Resident memory.", Unit::Bytes,
            ("resident", "process.rss"), "max(process.rss)"))
    }
}

fn chart(
    view: &View<'_>,
    id: &'static str,
    title: &'static str,
    note: &str,
    unit: Unit,
    (name, metric): (&'static str, &str),
    subject: &str,
) -> Markup {
    let process = view.facts.process.as_ref();
    let lines = [Line::of_series(name, Stroke::new(Ink::Blue, Dash::Solid), process, metric)];
    let chart = Chart {
        id,
        title,
        note: note.to_owned(),
        empty: "The process was never seen.",
        unit,
        fit: if unit == Unit::Bytes { Fit::Level } else { Fit::FromZero },
        curves: lines.iter().map(|line| view.curve(line)).collect(),
        limits: view.limits(&[subject]),
        holes: view.holes(process),
        frame: &view.frame,
        table: view.table(unit, &lines),
    };
    chart.render()
}
