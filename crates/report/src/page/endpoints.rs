//! Numbers by endpoint and by phase: counts, and percentiles of response and service time.

use maud::{Markup, html};
use plimsoll_record::latency::Histogram;
use plimsoll_record::ledger::Class;
use plimsoll_record::summary::{Scope, Totals};
use plimsoll_record::timings::Timings;
use plimsoll_record::units::Unit;

use crate::text;
use crate::view::View;

const HEADINGS: [&str; 11] = ["offered", "ok", "limited", "errors", "p50", "p90", "p95", "p99", "max", "p50", "p99"];

pub(super) fn section(view: &View<'_>) -> Markup {
    let Some(traffic) = &view.facts.traffic else {
        return html! { p.missing { "No traffic was recorded in this run." } };
    };
    let header = &traffic.header.body;
    let of = |scope: Scope| view.facts.totals(&scope);
    let operations = (0..).zip(&header.operations);
    let by_operation = operations.map(|(i, name)| (name, of(Scope { operation: Some(i), ..Scope::default() })));
    let phases = (0..).zip(&header.phases);
    let by_phase = phases.map(|(i, phase)| (&phase.name, of(Scope { phase: Some(i), ..Scope::default() })));
    html! {
        (table("By endpoint, whole run", "endpoint", by_operation, Some(&view.totals)))
        (table("By phase, all endpoints", "phase", by_phase, None))
        @if !view.totals.timings.is_empty() { (parts(view, &header.operations, header.lookup_ns)) }
    }
}

/// Where the time of requests went: a column for each part, a row for each endpoint.
fn parts(view: &View<'_>, operations: &[String], lookup_ns: Option<u64>) -> Markup {
    let of = |i| view.facts.totals(&Scope { operation: Some(i), ..Scope::default() });
    let rows = (0..).zip(operations).map(|(i, name)| (text::plain(name), of(i).timings));
    html! {
        div.scroll tabindex="0" role="region" aria-label="Parts of the time, whole run" {
            table.numbers.wide {
                caption { "Parts of the time, whole run" }
                thead {
                    tr { td {} th colspan="3" scope="colgroup" { "wait for a connection" } th colspan="3" scope="colgroup" { "connect" } th colspan="3" scope="colgroup" { "TLS" } th colspan="2" scope="colgroup" { "send to first byte" } }
                    tr {
                        th scope="col" { "endpoint" }
                        @for _ in 0..3 { th scope="col" { "requests" } th scope="col" { "p50" } th scope="col" { "p99" } }
                        th scope="col" { "p50" } th scope="col" { "p99" }
                    }
                }
                tbody {
                    @for (name, timings) in rows { (part_row(&name, &timings)) }
                    (part_row("all", &view.totals.timings))
                }
            }
        }
        @if let Some(lookup) = lookup_ns {
            p { "The target's name was looked up once, in " (Unit::Seconds.show(lookup as f64 / 1e9)) "." }
        }
    }
}

fn part_row(name: &str, timings: &Timings) -> Markup {
    let quantile = |part: &Histogram, q| part.quantile(q).map(|nanos| nanos as f64 / 1e9);
    html! {
        tr {
            th scope="row" { (name) }
            @for part in [&timings.wait, &timings.connect, &timings.tls] {
                td { (text::count(part.count())) }
                @for q in [0.5, 0.99] { td { (text::optional(Unit::Seconds, quantile(part, q), "none")) } }
            }
            @for q in [0.5, 0.99] {
                td { (text::optional(Unit::Seconds, quantile(&timings.first_byte, q), "none")) }
            }
        }
    }
}

fn table<'a>(
    caption: &str,
    what: &str,
    rows: impl Iterator<Item = (&'a String, Totals)>,
    all: Option<&Totals>,
) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table.numbers.wide {
                caption { (caption) }
                thead {
                    tr { td {} th colspan="4" scope="colgroup" { "requests" } th colspan="5" scope="colgroup" { "response time" } th colspan="2" scope="colgroup" { "service time" } }
                    tr { th scope="col" { (what) } @for heading in HEADINGS { th scope="col" { (heading) } } }
                }
                tbody {
                    @for (name, totals) in rows { (row(&text::plain(name), &totals)) }
                    @if let Some(totals) = all { (row("all", totals)) }
                }
            }
        }
    }
}

fn row(name: &str, totals: &Totals) -> Markup {
    let ledger = &totals.ledger;
    let counts = [ledger.scheduled(), ledger.class(Class::Ok), ledger.class(Class::Limited), ledger.failures()];
    let measured = totals.response(0.5).is_some();
    html! {
        tr {
            th scope="row" { (name) }
            @for n in counts { td { (text::count(n)) } }
            @if measured {
                @for q in [0.5, 0.9, 0.95, 0.99, 1.0] { td { (text::percentile(totals.response(q))) } }
                @for q in [0.5, 0.99] { td { (text::percentile(totals.service(q))) } }
            } @else {
                td.missing colspan="7" { "no answer that was not rate-limited" }
            }
        }
    }
}
