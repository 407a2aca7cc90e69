//! The measured value of a criterion, its interval and its limit on one small scale.
//!
//! Nothing is told by colour alone: the limit is a labelled line, the value a dot where the limit is kept and a
//! diamond where it is not, the interval a line with ends.

use maud::{Markup, html};
use plimsoll_record::verdict::CriterionResult;

use crate::chart::percent;
use crate::criterion::{self, Comparison};

/// Values closer together than this share of the largest fill the scale, which then does not begin at zero.
const CLOSE: f64 = 0.15;
/// Room left and right of the outermost mark.
const ROOM: f64 = 0.03;

pub(super) fn bar(result: &CriterionResult) -> Markup {
    let Some(value) = result.value else { return html! { span.missing { "nothing to draw" } } };
    let (low, high) = result.interval.map_or((value, value), |interval| (interval.low, interval.high));
    let scale = Scale::of([value, low, high, result.limit]);
    let limit = scale.place(result.limit);
    let open = if result.at_least { 1.0 } else { scale.place(high) };
    html! {
        svg class=(format!("bar {}", result.judgement.word())) role="img" aria-label=(words(result)) width="100%" height="46" {
            rect.track x="0" y="17" width="100%" height="12" rx="3" {}
            @if let Some((from, to)) = good_side(result, limit) {
                rect.good x=(percent(from)) y="17" width=(percent(to - from)) height="12" rx="3" {}
            }
            line.range x1=(percent(scale.place(low))) x2=(percent(open)) y1="23" y2="23" {}
            @for end in [scale.place(low), scale.place(high)] {
                line.end x1=(percent(end)) x2=(percent(end)) y1="19" y2="27" {}
            }
            line.mark x1=(percent(limit)) x2=(percent(limit)) y1="14" y2="32" {}
            (dot(scale.place(value), criterion::is_outside(result)))
            (label(scale.place(value), "11", &criterion::value(result)))
            (label(limit, "44", &format!("limit {}", criterion::limit(result))))
        }
        @if scale.from > 0.0 {
            span.note { "Scale from " (result.unit.show(scale.from)) " to " (result.unit.show(scale.to)) "." }
        }
    }
}

/// What the picture says.
fn words(result: &CriterionResult) -> String {
    let interval = criterion::interval(result).map_or_else(String::new, |interval| format!(", {interval}"));
    format!("measured {}{interval}, limit {}", criterion::value(result), criterion::limit(result))
}

/// Where values keep the limit: places from and to.
fn good_side(result: &CriterionResult, limit: f64) -> Option<(f64, f64)> {
    match criterion::parts(&result.expression)?.1 {
        Comparison::Below(_) => Some((0.0, limit)),
        Comparison::Above(_) => Some((limit, 1.0)),
        Comparison::Exactly => None,
    }
}

fn dot(place: f64, outside: bool) -> Markup {
    html! {
        svg.value x=(percent(place)) y="23" {
            @if outside { path d="M0-6.5L6.5 0 0 6.5-6.5 0z" {} } @else { circle r="5" {} }
        }
    }
}

/// A label that stays inside the bar.
fn label(place: f64, y: &str, text: &str) -> Markup {
    let anchor = match place {
        near if near < 0.3 => "start",
        far if far > 0.7 => "end",
        _ => "middle",
    };
    html! { text x=(percent(place)) y=(y) text-anchor=(anchor) { (text) } }
}

struct Scale {
    from: f64,
    to: f64,
}

impl Scale {
    fn of(values: [f64; 4]) -> Self {
        let finite = || values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite().fold((f64::INFINITY, 0.0), |(low, high), x| (x.min(low), x.max(high)));
        let spread = high - low;
        if low > 0.0 && spread > 0.0 && spread < CLOSE * high {
            return Self { from: low - spread * 0.25, to: high + spread * 0.25 };
        }
        Self { from: low.min(0.0), to: high.max(f64::MIN_POSITIVE) }
    }

    fn place(&self, x: f64) -> f64 {
        ROOM + (1.0 - 2.0 * ROOM) * ((x - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_begins_at_zero_unless_its_values_lie_close_together() {
        let wide = Scale::of([0.9, 0.8, 0.95, 0.5]);
        assert!((wide.from, wide.to) == (0.0, 0.95));
        let close = Scale::of([0.98, 0.97, 0.99, 0.95]);
        assert!(close.from > 0.9 && close.from < 0.95 && close.to > 0.99);
        assert!(close.place(0.95) < close.place(0.97));
    }

    #[test]
    fn an_endless_interval_ends_at_the_edge() {
        let scale = Scale::of([2.0, 1.0, f64::INFINITY, 4.0]);
        assert!((scale.place(f64::INFINITY) - scale.place(4.0)).abs() < 1e-9);
        assert!(Scale::of([0.0; 4]).place(0.0).is_finite());
    }
}
