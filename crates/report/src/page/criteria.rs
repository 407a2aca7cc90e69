//! The criteria: what was asked, what was measured, how sure that is, and why the judgement is what it is.

use maud::{Markup, html};
use plimsoll_record::verdict::{CriterionResult, Judgement, Skipped};

use super::coded::coded;
use super::interval_bar::bar;
use super::verdict::badge;
use crate::criterion;
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
            p.note {
                "Bars: the line is the limit, shaded where it is kept; a dot keeps it, a diamond does not, and the line \
                 through them is the interval."
            }
        }
        (skipped(&view.verdict.skipped))
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
                p { (coded(&result.reason)) }
                (evidence(result))
                @if result.judgement != Judgement::Pass && let Some(hint) = &result.hint {
                    p.hint { strong { "Hint: " } (coded(hint)) }
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
                @if let Some(words) = criterion::would_pass(result) { span.would { (words) } }
            }
        }
    }
}

/// What the judgement hangs on, beyond its reason.
fn evidence(result: &CriterionResult) -> Markup {
    let evidence = criterion::evidence(result);
    html! {
        @if !evidence.is_empty() {
            dl.evidence { @for (name, words) in evidence { div { dt { (name) } dd { (coded(&words)) } } } }
        }
    }
}

fn skipped(skipped: &[Skipped]) -> Markup {
    html! {
        @if !skipped.is_empty() {
            h3.skipped { "Not judged, because they do not apply to this run" }
            ul {
                @for one in skipped { li { code { (text::plain(&one.expression)) } ": " (coded(&one.reason)) } }
            }
        }
    }
}
