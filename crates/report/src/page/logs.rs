//! What the followed logs said: lines, counted events, a few examples.

use maud::{Markup, html};
use plimsoll_record::Offset;
use plimsoll_record::logs::LogFact;

use crate::text;
use crate::view::View;

/// Most examples shown; the record keeps a few per event.
const MOST_EXAMPLES: usize = 40;
/// Most rows of counted events.
const MOST_EVENTS: usize = 200;

pub(super) fn section(view: &View<'_>) -> Markup {
    let lines = view.facts.log_lines();
    if lines.is_empty() {
        return html! { p.missing { "No log was followed in this run." } };
    }
    html! {
        div.pair {
            table.numbers {
                caption { "Lines read" }
                thead { tr { th scope="col" { "log" } th scope="col" { "lines" } } }
                tbody { @for (log, n) in &lines { tr { th scope="row" { (text::plain(log)) } td { (text::count(*n)) } } } }
            }
            (events(view))
        }
        (examples(view))
    }
}

fn events(view: &View<'_>) -> Markup {
    let counts = view.facts.log_counts();
    html! {
        @if counts.is_empty() {
            p.missing { "No line matched an event that is looked for." }
        } @else {
            table.numbers {
                caption { "Events counted" }
                thead { tr { @for heading in ["log", "event", "value"] { th.words scope="col" { (heading) } } th scope="col" { "lines" } } }
                tbody {
                    @for (key, n) in counts.iter().take(MOST_EVENTS) {
                        tr {
                            th scope="row" { (text::plain(&key.log)) }
                            td.words { (text::plain(&key.event)) }
                            td.words { (key.value.as_deref().map_or_else(String::new, text::plain)) }
                            td { (text::count(*n)) }
                        }
                    }
                }
            }
            @if counts.len() > MOST_EVENTS { p.note { (counts.len() - MOST_EVENTS) " more events are in the record." } }
        }
    }
}

fn examples(view: &View<'_>) -> Markup {
    let facts = view.facts.logs.iter().flat_map(|logs| &logs.facts);
    let examples: Vec<(Offset, &str, &str)> = facts
        .filter_map(|fact| match fact {
            LogFact::Example { at_ns, log, line, .. } => Some((*at_ns, log.as_str(), line.as_str())),
            LogFact::Counts(_) | LogFact::Gap { .. } => None,
        })
        .take(MOST_EXAMPLES)
        .collect();
    html! {
        @if !examples.is_empty() {
            details {
                summary { "Examples of counted lines" }
                ul.examples {
                    @for (at, log, line) in examples {
                        li {
                            span.tag { (view.axis.map(|axis| axis.show(at)).unwrap_or_default()) " · " (text::plain(log)) }
                            code { (text::plain(line)) }
                        }
                    }
                }
            }
        }
    }
}
