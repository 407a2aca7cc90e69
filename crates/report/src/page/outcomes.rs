//! How every scheduled arrival ended, which status codes came back, and which checks held.

use maud::{Markup, html};
use plimsoll_record::ledger::{Class, Outcome};

use super::checks;
use crate::text;
use crate::view::View;

pub(super) fn section(view: &View<'_>) -> Markup {
    let totals = &view.totals;
    html! {
        @if totals.ledger.scheduled() == 0 {
            p.missing { "No request was scheduled in this run." }
        } @else {
            div.pair {
                table.numbers {
                    caption { "Outcomes of " (text::counted(totals.ledger.scheduled(), "arrival", "arrivals")) }
                    thead { tr { th scope="col" { "outcome" } th.words scope="col" { "counts as" } th scope="col" { "requests" } } }
                    tbody {
                        @for (outcome, n) in totals.ledger.outcomes() {
                            tr { th scope="row" { (outcome.name().replace('_', " ")) } td.words { (counts_as(outcome)) } td { (text::count(n)) } }
                        }
                    }
                }
                @if totals.statuses.is_empty() {
                    p.missing { "No status code: no request was answered." }
                } @else {
                    table.numbers {
                        caption { "Status codes of " (text::counted(totals.ledger.answered(), "answer", "answers")) }
                        thead { tr { th scope="col" { "status" } th scope="col" { "answers" } } }
                        tbody {
                            @for (status, n) in &totals.statuses { tr { th scope="row" { (status) } td { (text::count(*n)) } } }
                        }
                    }
                }
            }
            (checks::table(view))
        }
    }
}

fn counts_as(outcome: Outcome) -> &'static str {
    match outcome.class() {
        Class::Ok => "ok",
        Class::Limited => "rate-limited",
        Class::FailedCheck => "failed check",
        Class::Error => "error",
        Class::TimedOut => "timed out",
        Class::Dropped => "dropped",
        Class::Unfinished => "unfinished",
    }
}
