//! Concerns and recommendations: things worth knowing that decide nothing, and what to do next.

use maud::{Markup, html};

use super::coded::coded;
use crate::view::View;

pub(super) fn section(view: &View<'_>) -> Markup {
    html! {
        div.pair {
            div {
                h3 { "Worth knowing" }
                (list(&view.verdict.concerns, "Nothing else stood out."))
            }
            div {
                h3 { "What to do next" }
                (list(&view.verdict.recommendations, "The data supports no particular advice."))
            }
        }
    }
}

fn list(items: &[String], none: &str) -> Markup {
    html! {
        @if items.is_empty() { p.missing { (none) } }
        @else { ul { @for item in items { li { (coded(item)) } } } }
    }
}
