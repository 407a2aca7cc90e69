//! What became of memory, as the verdict found it: each component's growth, the steps left out of it, what grows, and
//! what was left when the load was over. Nothing is judged or computed here.

use maud::{Markup, html};
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{Fragmentation, MemoryFacts, MemoryGrowth, MemoryStep};

use super::coded::coded;
use crate::numbers;
use crate::text;
use crate::view::View;

/// Most steps listed.
const MOST_STEPS: usize = 40;

pub(super) fn section(view: &View<'_>) -> Markup {
    let Some(memory) = &view.verdict.memory else { return Markup::default() };
    html! {
        (components(view, memory))
        (ledger(view, memory))
        (fragmentation(memory.fragmentation.as_ref()))
        @if let Some(drain) = &memory.drain {
            p.note { strong { "After the load: " } (coded(&drain.sentence)) }
        }
    }
}

fn components(view: &View<'_>, memory: &MemoryFacts) -> Markup {
    html! {
        @if !memory.components.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Growth by component" {
                table.numbers.wide {
                    caption { "Growth by component, explained steps left out; intervals are of 90 %" }
                    thead {
                        tr {
                            th scope="col" { "component" }
                            @for heading in ["it is", "why"] { th.words scope="col" { (heading) } }
                            @for heading in ["growth", "interval", "last half", "window"] { th scope="col" { (heading) } }
                        }
                    }
                    tbody { @for growth in &memory.components { (component(view, growth)) } }
                }
            }
        }
    }
}

fn component(view: &View<'_>, growth: &MemoryGrowth) -> Markup {
    let rate = |value| text::optional(Unit::BytesPerSecond, value, "too little data");
    let interval = growth.interval.map(|interval| {
        format!("{} to {}", Unit::BytesPerSecond.show(interval.low), Unit::BytesPerSecond.show(interval.high))
    });
    let moment = |at| view.axis.map_or_else(String::new, |axis| axis.show(at));
    html! {
        tr {
            th scope="row" { (text::plain(&growth.metric)) }
            td.words { strong { (growth.state.word()) } }
            td.words.why { (coded(&growth.reason)) (more(growth)) }
            td { (rate(growth.slope)) }
            td { (interval.unwrap_or_else(|| "none".to_owned())) }
            td { (rate(growth.late_slope)) }
            td { (moment(growth.from_ns)) " to " (moment(growth.to_ns)) }
        }
    }
}

/// What grows, what a request costs, and how long it can go on.
fn more(growth: &MemoryGrowth) -> Markup {
    let seconds = |value| Unit::Seconds.show(value);
    let request = growth
        .per_request
        .map(|cost| format!("{} per request ({} to {})", bytes(cost.value), bytes(cost.low), bytes(cost.high)));
    let full = growth.full_in_s.map(|left| {
        let latest = left.latest.map_or_else(|| "never".to_owned(), seconds);
        format!("maxmemory in {} ({} to {latest})", seconds(left.value), seconds(left.soonest))
    });
    let plateau = growth.plateau.map(|level| format!("it will level off at about {}", bytes(level)));
    let needed = growth.needed_s.map(|needed| format!("a window of about {} would decide", seconds(needed)));
    let cause = growth.cause.as_ref().map(|cause| cause.sentence.clone());
    html! {
        @for words in [cause, request, full, plateau, needed].into_iter().flatten() { div.note { (coded(&words)) } }
    }
}

/// Every step of every component, in order of time.
fn ledger(view: &View<'_>, memory: &MemoryFacts) -> Markup {
    let steps = memory.components.iter().flat_map(|growth| growth.steps.iter().map(move |step| (growth, step)));
    let mut steps: Vec<(&MemoryGrowth, &MemoryStep)> = steps.collect();
    steps.sort_by_key(|(_, step)| step.at_ns);
    let left_out = steps.len().saturating_sub(MOST_STEPS);
    html! {
        @if !steps.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Steps in memory" {
                table.numbers {
                    caption { "Steps in memory: explained ones are left out of the growth" }
                    thead {
                        tr {
                            th scope="col" { "time" } th.words scope="col" { "component" }
                            th scope="col" { "by" } th.words scope="col" { "what it was" }
                        }
                    }
                    tbody {
                        @for (growth, step) in steps.iter().take(MOST_STEPS) {
                            tr {
                                th scope="row" { (view.axis.map_or_else(String::new, |axis| axis.show(step.at_ns))) }
                                td.words { (text::plain(&growth.metric)) }
                                td { (numbers::change(Unit::Bytes, step.bytes)) }
                                td.words { (step.kind.words()) }
                            }
                        }
                    }
                }
            }
            @if left_out > 0 { p.note { (text::counted(left_out as u64, "later step is", "later steps are")) " not listed." } }
        }
    }
}

fn fragmentation(fragmentation: Option<&Fragmentation>) -> Markup {
    let Some(memory) = fragmentation else { return Markup::default() };
    let rows = [
        ("used by Redis", Some(memory.used)),
        ("pages in use that are not full", memory.external),
        ("pages the allocator keeps", memory.retained),
        ("the process itself", memory.process),
        ("resident", Some(memory.resident)),
    ];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Where resident memory goes" {
            table.numbers {
                caption { "Where resident memory goes: medians, resident / used is " (Unit::Ratio.show(memory.ratio)) }
                tbody {
                    @for (words, value) in rows {
                        tr { th scope="row" { (words) } td { (text::optional(Unit::Bytes, value, "Redis did not say")) } }
                    }
                }
            }
        }
    }
}

fn bytes(value: f64) -> String {
    Unit::Bytes.show(value)
}
