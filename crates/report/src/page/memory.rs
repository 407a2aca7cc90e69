//! Redis memory: over time on the axis of the load, and from its beginning to its end in a table.

use maud::{Markup, html};
use plimsoll_record::metric::{Metric, Source};
use plimsoll_record::units::Unit;

use super::growth;
use super::verdict::badge;
use crate::chart::{Chart, Dash, Fit, Ink, Limit, Stroke};
use crate::criterion;
use crate::numbers;
use crate::text;
use crate::view::{Line, View};

const ROWS: [(&str, &str); 8] = [
    ("redis.used_memory", "used"),
    ("redis.used_memory_dataset", "data set"),
    ("redis.used_memory_overhead", "overhead"),
    ("redis.used_memory_rss", "resident"),
    ("redis.mem_fragmentation_ratio", "fragmentation ratio"),
    ("redis.keys", "keys"),
    ("redis.expires", "keys with a time to live"),
    ("redis.connected_clients", "clients"),
];

pub(super) fn section(view: &View<'_>) -> Markup {
    html! { (chart(view)) (table(view)) (judged_growth(view)) (growth::section(view)) }
}

fn chart(view: &View<'_>) -> Markup {
    let redis = view.facts.redis.as_ref();
    let lines = [
        Line::of_series("resident", Stroke::new(Ink::Green, Dash::Long), redis, "redis.used_memory_rss"),
        Line::of_series("peak so far", Stroke::new(Ink::Grey, Dash::Dots), redis, "redis.used_memory_peak"),
        Line::of_series("used", Stroke::new(Ink::Blue, Dash::Solid), redis, "redis.used_memory"),
    ];
    let mut limits = view.limits(&["max(redis.used_memory)", "last(redis.used_memory)", "max(redis.used_memory_rss)"]);
    limits.extend(maxmemory(view));
    let chart = Chart {
        id: "memory-chart",
        title: "Used, resident and peak memory",
        note: "Used: what Redis allocated. Resident: what the operating system gave it. Peak: the highest used \
               since the server started."
            .to_owned(),
        empty: "Redis was not watched in this run, or never answered.",
        unit: Unit::Bytes,
        fit: Fit::Level,
        curves: lines.iter().map(|line| view.curve(line)).collect(),
        limits,
        holes: view.holes(redis),
        frame: &view.frame,
        table: view.table(Unit::Bytes, &lines),
    };
    chart.render()
}

fn maxmemory(view: &View<'_>) -> Option<Limit> {
    let configured = numbers::stats(view.facts, "redis.maxmemory")?.last;
    let label = format!("maxmemory {}", Unit::Bytes.show(configured));
    (configured > 0.0).then_some(Limit { label, value: configured, span: (0.0, 1.0) })
}

fn table(view: &View<'_>) -> Markup {
    html! {
        @if numbers::watched(view.facts, Source::Redis) {
            div.scroll tabindex="0" role="region" aria-label="Redis from beginning to end" {
                table.numbers {
                    caption { "From the first sample to the last" }
                    thead { tr { @for heading in ["", "initial", "peak", "final", "change"] { th scope="col" { (heading) } } } }
                    tbody { @for (metric, words) in ROWS { (row(view, metric, words)) } }
                }
            }
        }
    }
}

fn row(view: &View<'_>, name: &str, words: &str) -> Markup {
    let unit = Metric::find(name).map_or(Unit::Count, |metric| metric.unit);
    html! {
        tr {
            th scope="row" { (words) }
            @match numbers::stats(view.facts, name) {
                Some(stats) => {
                    @for value in [stats.first, stats.max, stats.last] { td { (unit.show(value)) } }
                    td { (numbers::change(unit, stats.change())) }
                }
                None => { td.missing colspan="4" { "Redis did not say" } }
            }
        }
    }
}

/// Growth is judged, not computed here: the table repeats what the criteria found.
fn judged_growth(view: &View<'_>) -> Markup {
    let about_growth = |expression: &str| expression.contains("slope(redis.");
    let mut judged = view.verdict.criteria.iter().filter(|result| about_growth(&result.expression)).peekable();
    html! {
        @if judged.peek().is_none() {
            p.note { "No criterion asks about growth, so none was judged; for example " code { "slope(redis.used_memory) < 1 MB/min" } "." }
        } @else {
            @for result in judged {
                p.lead {
                    (badge(result.judgement)) " " strong { "Growth " (criterion::value(result)) }
                    @if let Some(interval) = criterion::interval(result) { ", " (interval) }
                    ", limit " (criterion::limit(result)) ", " (text::plain(criterion::scope(result))) "."
                }
            }
        }
    }
}
