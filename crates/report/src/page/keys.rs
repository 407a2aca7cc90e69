//! The keys of Redis by pattern: what each holds now, and how it grew from the first reading to the last.

use maud::{Markup, html};
use plimsoll_record::keys::{Checkpoint, DatabaseKeys, Estimate, KeyPattern};
use plimsoll_record::summary::{KeyGrowth, PatternGrowth};
use plimsoll_record::units::Unit;

use crate::numbers;
use crate::text;
use crate::view::View;

/// Most patterns listed.
const MOST: usize = 20;
/// Most single keys listed.
const MOST_LARGE: usize = 10;

pub(super) fn section(view: &View<'_>) -> Markup {
    let Some(last) = view.facts.checkpoints().last() else { return Markup::default() };
    let growth = view.facts.key_growth(None).filter(|growth| growth.window.seconds() > 0.0);
    html! {
        (patterns(last, growth.as_ref()))
        (sampled(view, last))
        (largest(last))
    }
}

/// A pattern with its database, as it is now and as it changed.
type Row<'a> = (u32, &'a str, Option<&'a KeyPattern>, Option<&'a PatternGrowth>);

/// The patterns that grew most first; without two readings those with most memory.
fn rows<'a>(last: &'a Checkpoint, growth: Option<&'a KeyGrowth>) -> Vec<Row<'a>> {
    let now = || last.databases.iter().flat_map(|database| database.patterns.iter().map(move |one| (database, one)));
    let find = |grown: &PatternGrowth| {
        let same = |(database, one): &(&DatabaseKeys, &KeyPattern)| {
            database.number == grown.database && one.pattern == grown.pattern
        };
        now().find(same).map(|(_, one)| one)
    };
    match growth {
        Some(growth) => growth
            .patterns
            .iter()
            .map(|grown| (grown.database, grown.pattern.as_str(), find(grown), Some(grown)))
            .collect(),
        None => {
            let mut rows: Vec<Row<'_>> =
                now().map(|(database, one)| (database.number, one.pattern.as_str(), Some(one), None)).collect();
            rows.sort_by(|a, b| bytes_now(b).total_cmp(&bytes_now(a)));
            rows
        }
    }
}

fn bytes_now(row: &Row<'_>) -> f64 {
    row.2.map_or(0.0, |one| one.bytes.value)
}

fn patterns(last: &Checkpoint, growth: Option<&KeyGrowth>) -> Markup {
    let rows = rows(last, growth);
    let more = rows.len().saturating_sub(MOST);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Keys by pattern" {
            table.numbers.wide {
                caption { "Keys by pattern" @if growth.is_some() { ", the one that grew most first" } }
                thead {
                    tr {
                        th scope="col" { "pattern" }
                        @for heading in ["database", "keys", "memory", "a key", "never expire"] { th scope="col" { (heading) } }
                        @if growth.is_some() { th scope="col" { "more keys" } th scope="col" { "growth" } th scope="col" { "interval (95 %)" } }
                    }
                }
                tbody { @for row in rows.iter().take(MOST) { (pattern(row)) } }
            }
        }
        @if more > 0 { p.note { (text::counted(more as u64, "more pattern is", "more patterns are")) " not listed." } }
    }
}

fn pattern((database, name, now, grown): &Row<'_>) -> Markup {
    let rate = |value| Unit::BytesPerSecond.show(value);
    html! {
        tr {
            th scope="row" { (text::cut(&text::plain(name), 80)) }
            td { (database) }
            @match now {
                Some(now) => {
                    td { (about(Unit::Count, now.keys)) }
                    td { (about(Unit::Bytes, now.bytes)) }
                    td { (text::optional(Unit::Bytes, now.bytes_per_key(), "unknown")) }
                    td { (text::optional(Unit::Share, now.lasting_share(), "unknown")) }
                }
                None => { td.missing colspan="4" { "gone" } }
            }
            @if let Some(grown) = grown {
                td { (numbers::change(Unit::Count, grown.keys.value)) }
                td { (numbers::change(Unit::BytesPerSecond, grown.bytes_per_second.value)) }
                td { (rate(grown.bytes_per_second.lower)) " to " (rate(grown.bytes_per_second.upper)) }
            }
        }
    }
}

/// An estimate says so.
fn about(unit: Unit, estimate: Estimate) -> String {
    let shown = unit.show(estimate.value);
    if estimate.lower < estimate.upper { format!("≈ {shown}") } else { shown }
}

/// How much was read, and what that cost.
fn sampled(view: &View<'_>, last: &Checkpoint) -> Markup {
    let taken = view.facts.checkpoints().count() as u64;
    let of = |database: &DatabaseKeys| match database.exact {
        true => format!("database {}: all {} keys", database.number, text::count(database.keys)),
        false => format!(
            "database {}: {} of {} keys, so its numbers are estimates",
            database.number,
            text::count(database.read),
            text::count(database.keys)
        ),
    };
    let read: Vec<String> = last.databases.iter().map(of).collect();
    let waited = Unit::Seconds.show(last.cost.waited_ns as f64 / 1e9);
    html! {
        p.note {
            "Read " (text::counted(taken, "time", "times")) "; the last time " (read.join("; ")) ". Waiting for answers took "
            (waited) "."
        }
    }
}

fn largest(last: &Checkpoint) -> Markup {
    let mut keys: Vec<_> =
        last.databases.iter().flat_map(|one| one.largest.iter().map(move |key| (one.number, key))).collect();
    keys.sort_by_key(|(_, key)| std::cmp::Reverse(key.bytes));
    html! {
        @if !keys.is_empty() {
            details {
                summary { "The largest keys among those read" }
                div.scroll tabindex="0" role="region" aria-label="The largest keys" {
                    table.numbers {
                        thead {
                            tr {
                                th scope="col" { "key" } th.words scope="col" { "type" }
                                @for heading in ["database", "memory", "time to live"] { th scope="col" { (heading) } }
                            }
                        }
                        tbody {
                            @for (database, key) in keys.into_iter().take(MOST_LARGE) {
                                tr {
                                    th scope="row" { (text::cut(&text::plain(&key.key), 80)) }
                                    td.words { (text::plain(&key.kind)) }
                                    td { (database) }
                                    td { (Unit::Bytes.show(key.bytes as f64)) }
                                    td { (text::optional(Unit::Seconds, key.ttl_ns.map(|ns| ns as f64 / 1e9), "none")) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
