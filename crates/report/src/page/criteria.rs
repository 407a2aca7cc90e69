//! The criteria: what was asked, what was measured, how sure that is, and why the judgement is what it is.

use maud::{Markup, html};
use plimsoll_record::verdict::{CriterionResult, Judgement};

use super::verdict::badge;
use crate::chart::percent;
use crate::criterion::{self, Comparison};
use crate::text;
use crate::view::View;

pub(super) fn section(view: &View<'_>) -> Markup {
    let generator = &view.verdict.generator;
    html! {
        p.lead {
            (badge(generator.judgement)) " " strong { "Generator: " } (text::plain(&generator.reason))
        }
        @if view.verdict.criteria.is_empty() {
            p.missing { "The plan states no criteria: nothing was judged but the measurement itself." }
        } @else {
            table.criteria {
                thead {
                    tr {
                        th scope="col" { "Judgement" }
                        th scope="col" { "Criterion" }
                        th scope="col" { "Measured" }
                        th scope="col" { "Limit" }
                        th scope="col" { "Against the limit" }
                    }
                }
                tbody { @for result in &view.verdict.criteria { (row(result)) } }
            }
        }
    }
}

fn row(result: &CriterionResult) -> Markup {
    html! {
        tr class=(result.judgement.word()) {
            td.outcome { (badge(result.judgement)) }
            td.what {
                code { (text::plain(&result.expression)) }
                div.tags {
                    @if result.id != result.expression { span.tag { (text::plain(&result.id)) } }
                    span.tag { (text::plain(criterion::scope(result))) }
                    span.tag { (criterion::severity(result)) }
                }
                p { (text::plain(&result.reason)) }
                @if result.judgement != Judgement::Pass && let Some(hint) = &result.hint {
                    p.hint { strong { "Hint: " } (text::plain(hint)) }
                }
            }
            td.measured data-label="Measured" {
                strong { (criterion::value(result)) }
                @if let Some(interval) = criterion::interval(result) { span { (interval) } }
                @if result.value.is_some() { span { (criterion::samples(result)) } }
            }
            td.limit data-label="Limit" { strong { (criterion::limit(result)) } }
            td.against data-label="Against the limit" {
                (bar(result))
                @if let Some(margin) = criterion::margin(result) { span { (margin) } }
            }
        }
    }
}

/// The value and its interval on a line from zero, with the limit and the good side of it.
fn bar(result: &CriterionResult) -> Markup {
    let Some(value) = result.value else { return html! { span.missing { "nothing to draw" } } };
    let (low, high) = result.interval.map_or((value, value), |interval| (interval.low, interval.high));
    let ends = [value, low, high, result.limit];
    let from = ends.into_iter().fold(0.0, f64::min);
    let to = ends.into_iter().fold(f64::MIN_POSITIVE, f64::max);
    let place = |x: f64| 0.03 + 0.94 * ((x - from) / (to - from)).clamp(0.0, 1.0);
    let limit = place(result.limit);
    let good = match criterion::parts(&result.expression) {
        Some((_, Comparison::Below(_))) => Some((0.0, limit)),
        Some((_, Comparison::Above(_))) => Some((limit, 1.0)),
        Some((_, Comparison::Exactly)) | None => None,
    };
    let words = format!("measured {}, limit {}", criterion::value(result), criterion::limit(result));
    html! {
        svg class=(format!("bar {}", result.judgement.word())) role="img" aria-label=(words) width="100%" height="26" {
            rect.track x="0" y="7" width="100%" height="12" rx="3" {}
            @if let Some((from, to)) = good {
                rect.good x=(percent(from)) y="7" width=(percent(to - from)) height="12" rx="3" {}
            }
            line.range x1=(percent(place(low))) x2=(percent(place(high))) y1="13" y2="13" {}
            line.mark x1=(percent(limit)) x2=(percent(limit)) y1="1" y2="25" {}
            circle cx=(percent(place(value))) cy="13" r="4.5" {}
        }
    }
}
