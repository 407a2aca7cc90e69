//! The top of the page: the verdict in one sentence, what kind of run it was, the few numbers that sum it up.

use maud::{Markup, html};
use plimsoll_record::verdict::Judgement;

use super::environment;
use crate::numbers;
use crate::text;
use crate::view::View;

pub(super) fn header(view: &View<'_>) -> Markup {
    let verdict = view.verdict;
    html! {
        header class=(format!("verdict {}", verdict.judgement.word())) {
            p.run { (text::plain(&verdict.plan)) " · " (environment::started(view.facts)) }
            h1 {
                span.badge { (icon(verdict.judgement)) span { (verdict.judgement.word()) } }
                span.sentence { (text::plain(&verdict.sentence)) }
            }
            @if verdict.generator.judgement != Judgement::Pass {
                p.generator { strong { "The measurement itself: " } (text::plain(&verdict.generator.reason)) }
            }
            dl.numbers {
                @for number in numbers::key_numbers(view.facts, &view.totals) {
                    div { dt { (number.name) } dd { strong { (number.value) } span { (number.detail) } } }
                }
            }
        }
    }
}

/// The judgement as a picture: shape, not only colour.
pub(super) fn icon(judgement: Judgement) -> Markup {
    let path = match judgement {
        Judgement::Pass => "M4 10.5l4 4 8-9",
        Judgement::Warn => "M10 2.5L18.5 17h-17zM10 8v4.2M10 14.4v.4",
        Judgement::Inconclusive => "M6.5 7.2c0-4.6 7-4.6 7 0 0 2.8-3.5 2.8-3.5 5.4M10 16v.4",
        Judgement::Fail => "M4.5 4.5l11 11M15.5 4.5l-11 11",
    };
    html! { svg.icon viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" { path d=(path) {} } }
}

/// The judgement as a small badge: icon and word.
pub(super) fn badge(judgement: Judgement) -> Markup {
    html! { span class=(format!("judgement {}", judgement.word())) { (icon(judgement)) (judgement.word()) } }
}
