//! The resolved plan, as it was recorded: every default written out, secrets redacted.

use maud::{Markup, html};

use crate::text;
use crate::view::View;

pub(super) fn section(view: &View<'_>) -> Markup {
    html! {
        @match &view.facts.plan {
            Some(plan) => {
                details { summary { "The plan as it was run, every default written out" } pre { code { (text::block(plan)) } } }
            }
            None => p.missing { "The run has no plan." }
        }
    }
}
