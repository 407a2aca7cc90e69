//! What became of acknowledged writes: how many there were, what reads showed during the load, what was there when
//! everything was read back.

use maud::{Markup, html};
use plimsoll_record::integrity::BadValue;
use plimsoll_record::summary::IntegritySummary;

use super::coded::coded;
use super::verdict::badge;
use crate::text;
use crate::view::View;

/// Most examples listed.
const MOST: usize = 20;
/// Criteria whose judgement is repeated here.
const SUBJECTS: [&str; 4] = ["lost_writes", "corrupted", "stale", "integrity"];

pub(super) fn section(view: &View<'_>) -> Markup {
    let Some(summary) = view.facts.integrity_summary() else { return Markup::default() };
    html! {
        @for result in view.verdict.criteria.iter().filter(|result| SUBJECTS.iter().any(|name| result.subject().contains(name))) {
            p.lead { (badge(result.judgement)) " " code { (text::plain(&result.expression)) } ": " (coded(&result.reason)) }
        }
        div.pair {
            (counts("Writes", &writes(&summary)))
            (counts("Reads during the load", &reads(&summary)))
            (counts("Keys read back after the load", &read_back(&summary)))
        }
        @if !summary.is_whole {
            p.note { "Not every set of keys was read back: what is not listed as intact is unknown, not lost." }
        }
        (examples(view, &summary))
    }
}

fn writes(summary: &IntegritySummary) -> Vec<(&'static str, u64)> {
    let counts = &summary.counts;
    let mut rows = vec![
        ("acknowledged", counts.acknowledged),
        ("rejected", counts.rejected),
        ("ambiguous: done or not", counts.ambiguous),
    ];
    rows.extend((counts.left_out > 0).then_some(("left out", counts.left_out)));
    rows
}

fn reads(summary: &IntegritySummary) -> Vec<(&'static str, u64)> {
    let counts = &summary.counts;
    vec![
        ("compared", summary.reads()),
        ("as it should be", counts.sound_reads),
        ("nothing there", counts.missing_reads),
        ("older than acknowledged", counts.stale_reads),
        ("not as written", counts.corrupted_reads),
        ("the same write twice", counts.duplicated_reads),
    ]
}

fn read_back(summary: &IntegritySummary) -> Vec<(&'static str, u64)> {
    let back = &summary.back;
    vec![
        ("with an acknowledged write", back.keys),
        ("intact", back.intact),
        ("lost: nothing there", back.missing),
        ("lost: an older write there", back.stale),
        ("not as written", back.corrupted),
        ("the same write twice", back.duplicated),
        ("could not be read", back.unreadable),
    ]
}

fn counts(caption: &str, rows: &[(&str, u64)]) -> Markup {
    html! {
        table.numbers {
            caption { (caption) }
            tbody { @for (words, n) in rows { tr { th scope="row" { (words) } td { (text::count(*n)) } } } }
        }
    }
}

fn examples(view: &View<'_>, summary: &IntegritySummary) -> Markup {
    html! {
        @if !summary.examples.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Values that were not as they should be" {
                table.numbers {
                    caption { "Values that were not as they should be: the first of each kind" }
                    thead {
                        tr {
                            th scope="col" { "set" }
                            @for heading in ["what", "found"] { th.words scope="col" { (heading) } }
                            @for heading in ["time", "key", "oldest write allowed", "write there"] { th scope="col" { (heading) } }
                        }
                    }
                    tbody { @for (set, bad) in summary.examples.iter().take(MOST) { (example(view, set, bad)) } }
                }
            }
        }
    }
}

fn example(view: &View<'_>, set: &str, bad: &BadValue) -> Markup {
    html! {
        tr {
            th scope="row" { (text::cut(&text::plain(set), 80)) }
            td.words { (bad.defect.name()) }
            td.words { @if bad.at_the_end { "when read back" } @else { "during the load" } }
            td { (view.axis.map_or_else(|| "unknown".to_owned(), |axis| axis.show(bad.at_ns))) }
            td { (bad.key) }
            td { (bad.at_least) }
            td { @match bad.found { Some(write) => (write), None => "none" } }
        }
    }
}
