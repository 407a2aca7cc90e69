//! What the plan's checks found: a table beside the outcomes, nothing when the plan has none.

use maud::{Markup, html};
use plimsoll_record::summary::Scope;

use crate::text;
use crate::view::View;

/// The table of all checks over the whole run, what failed first.
pub(super) fn table(view: &View<'_>) -> Markup {
    let checks = view.facts.checks(&Scope::default());
    html! {
        @if !checks.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Checks of answers" {
                table.numbers.wide {
                    caption { "Checks of answers with an expected status" }
                    thead {
                        tr {
                            th scope="col" { "check" }
                            th.words scope="col" { "endpoint" }
                            th.words scope="col" { "when it fails" }
                            th scope="col" { "passed" }
                            th scope="col" { "failed" }
                            th scope="col" { "passed share" }
                        }
                    }
                    tbody {
                        @for check in &checks {
                            tr {
                                th scope="row" { (text::plain(&check.name)) }
                                td.words { (text::plain(&check.operation)) }
                                td.words { (text::when_failed(check)) }
                                td { (text::count(check.count.passed)) }
                                td { (text::count(check.count.failed)) }
                                td { (text::passed_share(check)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
