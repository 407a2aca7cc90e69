//! The slowest requests one by one, and how many were slower than the plan calls slow.

use maud::{Markup, html};
use plimsoll_record::ledger::Outcome;
use plimsoll_record::traffic::{SlowRequest, TrafficHeader};
use plimsoll_record::units::Unit;

use crate::text;
use crate::view::View;

/// Most requests listed.
const MOST: usize = 20;
/// Headings, and whether words stand below them rather than numbers.
const HEADINGS: [(&str, bool); 7] = [
    ("endpoint", true),
    ("phase", true),
    ("ended", false),
    ("response", false),
    ("service", false),
    ("user", false),
    ("answer", true),
];

pub(super) fn section(view: &View<'_>) -> Markup {
    let slowest = view.facts.slowest(MOST);
    let (Some(axis), Some(traffic), false) = (view.axis, &view.facts.traffic, slowest.is_empty()) else {
        return html! { p.missing { "No request was answered, so none was slow." } };
    };
    let slow = view.facts.slow_requests();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Slowest requests" {
            table.numbers.wide {
                caption { "The slowest answer of each interval, and requests slower than the plan's limit" }
                thead { tr { @for (heading, words) in HEADINGS { th.words[words] scope="col" { (heading) } } } }
                tbody {
                    @for request in &slowest {
                        tr { (cells(request, &traffic.header.body, &axis.show(request.done()))) }
                    }
                }
            }
        }
        @if slow > 0 {
            p.note { (text::counted(slow, "request was", "requests were")) " slower than the plan calls slow." }
        }
    }
}

fn cells(request: &SlowRequest, header: &TrafficHeader, ended: &str) -> Markup {
    let operation = header.operations.get(request.operation as usize).map_or("?", String::as_str);
    let phase = header.phases.get(request.phase as usize).map_or("?", |phase| phase.name.as_str());
    let time = |nanos: u64| text::bound(Unit::Seconds, nanos as f64 / 1e9, request.at_least());
    html! {
        th scope="row" { (text::plain(operation)) }
        td.words { (text::plain(phase)) }
        td { (ended) }
        td { (time(request.response_ns)) }
        td { (time(request.service_ns)) }
        td { (request.user) }
        td.words { (answer(request)) }
    }
}

fn answer(request: &SlowRequest) -> String {
    match (request.outcome, request.status) {
        (None | Some(Outcome::Ok), status) => status.to_string(),
        (Some(outcome), 0) => outcome.name().replace('_', " "),
        (Some(outcome), status) => format!("{status}, {}", outcome.name().replace('_', " ")),
    }
}
