//! What happened, in order of time, with the numbers that mark it on the charts.

use maud::{Markup, html};

use crate::view::View;

/// Most events listed; the record has them all.
const MOST: usize = 200;

pub(super) fn section(view: &View<'_>) -> Markup {
    let (Some(axis), false) = (view.axis, view.happenings.is_empty()) else {
        return html! { p.missing { "No alert, no restart, no note." } };
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Events" {
            table.events {
                thead { tr { @for heading in ["no.", "time", "from", "what"] { th scope="col" { (heading) } } } }
                tbody {
                    @for (i, happening) in view.happenings.iter().take(MOST).enumerate() {
                        tr { td { (i + 1) } td { (axis.show(happening.at)) } td { (happening.source) } td { (happening.text) } }
                    }
                }
            }
        }
        @if view.happenings.len() > MOST { p.note { (view.happenings.len() - MOST) " more events are in the record." } }
    }
}
