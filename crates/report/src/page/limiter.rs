//! The rate limiter: how much it turned away, by which limit as the service's logs say, and how it was judged.

use maud::{Markup, html};
use plimsoll_record::ledger::Class;
use plimsoll_record::units::Unit;

use super::verdict::badge;
use crate::text;
use crate::view::View;

pub(super) fn section(view: &View<'_>) -> Markup {
    let totals = &view.totals;
    let limited = totals.ledger.class(Class::Limited);
    html! {
        div.pair {
            table.numbers {
                caption { "As the generator saw it" }
                tbody {
                    tr { th scope="row" { "finished requests" } td { (text::count(totals.ledger.finished())) } }
                    tr { th scope="row" { "rate-limited" } td { (text::count(limited)) } }
                    tr { th scope="row" { "share" } td { (text::optional(Unit::Share, totals.limited_share(), "nothing finished")) } }
                }
            }
            (by_type(view))
        }
        @for result in view.verdict.criteria.iter().filter(|result| is_about_limiter(&result.expression)) {
            p.lead {
                (badge(result.judgement)) " " code { (text::plain(&result.expression)) } ": " (text::plain(&result.reason))
            }
        }
    }
}

fn is_about_limiter(expression: &str) -> bool {
    expression.contains("limiter.") || expression.contains("limited_share")
}

/// Log lines that were counted by a field are how a service says which limit it applied.
fn by_type(view: &View<'_>) -> Markup {
    let counts = view.facts.log_counts();
    let typed: Vec<_> = counts.iter().filter_map(|(key, n)| Some((key, key.value.as_ref()?, *n))).collect();
    html! {
        @if typed.is_empty() {
            p.missing { "No followed log counted refusals by the type of limit." }
        } @else {
            table.numbers {
                caption { "As the logs counted it" }
                thead { tr { th scope="col" { "type" } th.words scope="col" { "event" } th scope="col" { "lines" } } }
                tbody {
                    @for (key, value, n) in typed {
                        tr { th scope="row" { (text::plain(value)) } td.words { (text::plain(&key.event)) } td { (text::count(n)) } }
                    }
                }
            }
        }
    }
}
