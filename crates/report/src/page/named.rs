//! Containers and probes: several series of one kind, each a line by its name and a row of a table.

use std::collections::BTreeMap;

use maud::{Markup, html};
use plimsoll_record::metric::Metric;
use plimsoll_record::summary::{Series, SeriesStats};
use plimsoll_record::units::Unit;

use crate::chart::{Chart, Dash, Fit, Ink, Stroke};
use crate::text;
use crate::view::{Line, View};

/// Most lines on one chart; the table has them all.
const MOST_LINES: usize = 5;
/// Longest name beside a line.
const LONGEST_NAME: usize = 16;
const STROKES: [(Ink, Dash); MOST_LINES] = [
    (Ink::Blue, Dash::Solid),
    (Ink::Vermillion, Dash::Long),
    (Ink::Green, Dash::LongAndDots),
    (Ink::Purple, Dash::Dots),
    (Ink::Grey, Dash::Solid),
];

type All = BTreeMap<String, Series>;

pub(super) fn containers(view: &View<'_>) -> Markup {
    let all = &view.facts.containers;
    if all.is_empty() {
        return Markup::default();
    }
    html! {
        (chart(view, all, ("container-memory", "Memory of containers", "Without page cache that can go.", "container.memory")))
        (chart(view, all, ("container-cpu", "CPU of containers", "100 % is one whole core.", "container.cpu_share")))
        (table(all, "Containers", &[
            ("peak memory", "container.memory", |stats| stats.max),
            ("memory limit", "container.memory_limit", |stats| stats.last),
            ("mean CPU", "container.cpu_share", |stats| stats.mean),
            ("peak CPU", "container.cpu_share", |stats| stats.max),
            ("held back", "container.throttled_seconds", SeriesStats::change),
            ("killed for memory", "container.oom_kills", SeriesStats::change),
            ("restarts", "container.restarts", |stats| stats.last),
        ]))
    }
}

pub(super) fn probes(view: &View<'_>) -> Markup {
    let all = &view.facts.probes;
    if all.is_empty() {
        return Markup::default();
    }
    html! {
        (chart(view, all, ("probe-latency", "Latency of probes", "Asked from beside the load, whatever it does.", "probe.latency")))
        (table(all, "Probes", &[
            ("available", "probe.up", |stats| stats.mean),
            ("errors", "probe.errors", |stats| stats.last),
            ("median", "probe.latency", |stats| stats.median),
            ("slowest", "probe.latency", |stats| stats.max),
        ]))
    }
}

fn chart(
    view: &View<'_>,
    all: &All,
    (id, title, note, metric): (&'static str, &'static str, &str, &'static str),
) -> Markup {
    let unit = Metric::find(metric).map_or(Unit::Count, |metric| metric.unit);
    let line = |((name, series), (ink, dash)): ((&String, &Series), (Ink, Dash))| {
        let name = text::cut(&text::plain(name), LONGEST_NAME);
        Line::of_series(name, Stroke::new(ink, dash), Some(series), metric)
    };
    let lines: Vec<Line> = all.iter().zip(STROKES).map(line).collect();
    let only = all.values().next().filter(|_| all.len() == 1);
    let more = all.len().saturating_sub(MOST_LINES);
    let more = if more > 0 { format!(" {more} more are only in the table.") } else { String::new() };
    let subjects: Vec<String> = all.keys().flat_map(|name| subjects(metric, name)).collect();
    let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
    let chart = Chart {
        id,
        title,
        note: format!("{note}{more}"),
        empty: "They were watched, but never seen.",
        unit,
        fit: if unit == Unit::Seconds { Fit::Latency } else { Fit::FromZero },
        curves: lines.iter().map(|line| view.curve(line)).collect(),
        limits: view.limits(&subjects),
        holes: view.holes(only),
        frame: &view.frame,
        table: view.table(unit, &lines),
    };
    chart.render()
}

/// What criteria that draw a limit on the chart are about.
fn subjects(metric: &str, name: &str) -> [String; 2] {
    let of = Metric::find(metric).map_or_else(String::new, |metric| metric.name_of(Some(name)));
    [format!("max({metric})"), format!("max({of})")]
}

/// A column: heading, metric, what is shown of it.
type Column = (&'static str, &'static str, fn(&SeriesStats) -> f64);

fn table(all: &All, caption: &str, columns: &[Column]) -> Markup {
    let shown = |series: &Series, (_, metric, read): &Column| {
        let metric = Metric::find(metric)?;
        Some(metric.unit.show(read(&series.stats(metric, None)?)))
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table.numbers.wide {
                caption { (caption) ", whole run" }
                thead {
                    tr {
                        th scope="col" { "name" }
                        @for (heading, ..) in columns { th scope="col" { (heading) } }
                        @for heading in ["samples", "gaps"] { th scope="col" { (heading) } }
                    }
                }
                tbody {
                    @for (name, series) in all {
                        tr {
                            th scope="row" { (text::cut(&text::plain(name), 80)) }
                            @for column in columns { td { (shown(series, column).unwrap_or_else(|| "none".to_owned())) } }
                            td { (text::count(series.samples.len() as u64)) }
                            td { (text::count(series.gaps.len() as u64)) }
                        }
                    }
                }
            }
        }
    }
}
