//! PostgreSQL and the service's pool of connections to it: who is connected, who waits, and what was done.

use maud::{Markup, html};
use plimsoll_record::metric::Metric;
use plimsoll_record::summary::Series;
use plimsoll_record::units::Unit;

use crate::chart::{Chart, Dash, Fit, Ink, Limit, Stroke};
use crate::numbers;
use crate::view::{Line, View};

/// Rows of the table: a metric and what it is called.
const ROWS: [(&str, &str); 9] = [
    ("postgres.connections", "connections"),
    ("postgres.connections_active", "active connections"),
    ("postgres.connections_idle_in_transaction", "idle in a transaction"),
    ("postgres.locks_waiting", "locks waited for"),
    ("postgres.longest_transaction_seconds", "longest transaction"),
    ("postgres.cache_hit_share", "found in shared buffers"),
    ("postgres.deadlocks", "deadlocks"),
    ("postgres.temp_bytes", "temporary files"),
    ("postgres.database_bytes", "size of the database"),
];

pub(super) fn section(view: &View<'_>) -> Markup {
    let (postgres, pool) = (view.facts.postgres.as_ref(), view.facts.pool.as_ref());
    html! {
        @if postgres.is_some() { (connections(view)) (transactions(view)) (table(view)) }
        @if pool.is_some() { (pooled(view)) }
    }
}

fn connections(view: &View<'_>) -> Markup {
    let postgres = view.facts.postgres.as_ref();
    let line = |name, ink, dash, metric| Line::of_series(name, Stroke::new(ink, dash), postgres, metric);
    let lines = [
        line("all", Ink::Grey, Dash::Broad, "postgres.connections"),
        line("active", Ink::Blue, Dash::Solid, "postgres.connections_active"),
        line("in transaction", Ink::Purple, Dash::Long, "postgres.connections_idle_in_transaction"),
        line("wait for a lock", Ink::Vermillion, Dash::LongAndDots, "postgres.connections_waiting"),
    ];
    let most = numbers::stats(view.facts, "postgres.max_connections").map(|stats| Limit {
        label: format!("max_connections {}", Unit::Count.show(stats.last)),
        value: stats.last,
        span: (0.0, 1.0),
    });
    let mut limits = view.limits(&["max(postgres.connections)", "max(postgres.connections_active)"]);
    limits.extend(most);
    let note = "In transaction: idle inside an open transaction, which holds its locks.";
    chart(view, ("postgres-connections", "Connections of PostgreSQL", note), Unit::Count, &lines, limits, postgres)
}

fn transactions(view: &View<'_>) -> Markup {
    let postgres = view.facts.postgres.as_ref();
    let stroke = Stroke::new(Ink::Blue, Dash::Solid);
    let lines = [Line::of_series("ended", stroke, postgres, "postgres.transactions_per_second")];
    let limits = view.limits(&["max(postgres.transactions_per_second)"]);
    let words = ("postgres-transactions", "Transactions of PostgreSQL", "Committed and rolled back, all databases.");
    chart(view, words, Unit::PerSecond, &lines, limits, postgres)
}

fn pooled(view: &View<'_>) -> Markup {
    let pool = view.facts.pool.as_ref();
    let line = |name, ink, dash, metric| Line::of_series(name, Stroke::new(ink, dash), pool, metric);
    let lines = [
        line("size", Ink::Grey, Dash::Broad, "pool.size"),
        line("active", Ink::Blue, Dash::Solid, "pool.active"),
        line("waiting", Ink::Vermillion, Dash::Long, "pool.waiting"),
    ];
    let limits = view.limits(&["max(pool.active)", "max(pool.waiting)"]);
    let note = "Waiting: callers that wait for a connection because all are in use.";
    chart(view, ("pool-chart", "The service's pool of connections", note), Unit::Count, &lines, limits, pool)
}

fn chart(
    view: &View<'_>,
    (id, title, note): (&'static str, &'static str, &str),
    unit: Unit,
    lines: &[Line],
    limits: Vec<Limit>,
    series: Option<&Series>,
) -> Markup {
    let chart = Chart {
        id,
        title,
        note: note.to_owned(),
        empty: "It was watched, but never answered.",
        unit,
        fit: Fit::FromZero,
        curves: lines.iter().map(|line| view.curve(line)).collect(),
        limits,
        holes: view.holes(series),
        frame: &view.frame,
        table: view.table(unit, lines),
    };
    chart.render()
}

fn table(view: &View<'_>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="PostgreSQL from beginning to end" {
            table.numbers {
                caption { "PostgreSQL from the first sample to the last" }
                thead { tr { @for heading in ["", "initial", "mean", "peak", "final"] { th scope="col" { (heading) } } } }
                tbody { @for (metric, words) in ROWS { (row(view, metric, words)) } }
            }
        }
    }
}

fn row(view: &View<'_>, name: &str, words: &str) -> Markup {
    let unit = Metric::find(name).map_or(Unit::Count, |metric| metric.unit);
    html! {
        @if let Some(stats) = numbers::stats(view.facts, name) {
            tr {
                th scope="row" { (words) }
                @for value in [stats.first, stats.mean, stats.max, stats.last] { td { (unit.show(value)) } }
            }
        }
    }
}
