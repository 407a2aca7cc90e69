//! One criterion's result in words, the same in every renderer, and the line it draws on a chart.

use plimsoll_record::summary::{Facts, Window};
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{CriterionResult, Judgement, Severity, comparison_at};

use crate::text;

/// Which side of the limit is good, as the expression says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// `<` or `<=`
    Below(&'static str),
    /// `>` or `>=`
    Above(&'static str),
    /// `==`
    Exactly,
}

/// A margin this large reads better as a multiple than in percent.
const MULTIPLE_FROM: f64 = 10.0;

/// The measured side, the comparison and nothing else of an expression such as `p99 < 500ms`; `None` when it has
/// no comparison.
pub(crate) fn parts(expression: &str) -> Option<(&str, Comparison)> {
    let at = comparison_at(expression)?;
    let (subject, rest) = expression.split_at(at);
    let comparison = match rest.as_bytes() {
        [b'<', b'=', ..] => Comparison::Below("≤"),
        [b'<', ..] => Comparison::Below("<"),
        [b'>', b'=', ..] => Comparison::Above("≥"),
        [b'>', ..] => Comparison::Above(">"),
        _ => Comparison::Exactly,
    };
    Some((subject.trim(), comparison))
}

/// The measured value: `12.3 ms`, `≥ 30 s`, `not measured`.
#[must_use]
pub fn value(result: &CriterionResult) -> String {
    result.value.map_or_else(|| "not measured".to_owned(), |value| text::bound(result.unit, value, result.at_least))
}

/// The limit with its comparison: `< 500 ms`; as it was written when it is measured itself, and could not be.
#[must_use]
pub fn limit(result: &CriterionResult) -> String {
    let written = || result.expression[result.subject().len()..].trim_start_matches([' ', '<', '>', '=']);
    let unknown = result.value.is_none() && result.evidence.limit_from.is_some();
    let shown = if unknown { written().to_owned() } else { result.unit.show(result.limit) };
    match parts(&result.expression) {
        Some((_, Comparison::Below(sign) | Comparison::Above(sign))) => format!("{sign} {shown}"),
        Some((_, Comparison::Exactly)) => format!("= {shown}"),
        None => shown,
    }
}

/// The confidence interval: `11.0 ms to 14.0 ms (95 %)`; `None` also for one without width, which says nothing.
pub(crate) fn interval(result: &CriterionResult) -> Option<String> {
    let interval = result.interval?;
    let (low, high) = (result.unit.show(interval.low), result.unit.show(interval.high));
    (low != high).then(|| format!("{low} to {high} ({:.0} %)", interval.confidence * 100.0))
}

/// True when a reader who sees only value and limit would doubt the judgement, so that the reason must stand beside
/// it: everything but a pass, and a pass whose value is on the wrong side because the limit does not apply.
pub(crate) fn needs_reason(result: &CriterionResult) -> bool {
    is_outside(result) || result.judgement != Judgement::Pass
}

/// True when the value is on the wrong side of the limit, or there is none.
pub(crate) fn is_outside(result: &CriterionResult) -> bool {
    match (result.value, parts(&result.expression)) {
        (Some(value), Some((_, Comparison::Below(_)))) => value > result.limit,
        (Some(value), Some((_, Comparison::Above(_)))) => value < result.limit,
        (Some(value), Some((_, Comparison::Exactly))) => value != result.limit,
        _ => true,
    }
}

/// The limit that these data would just have shown to be kept: `would pass at < 930 ms`.
pub(crate) fn would_pass(result: &CriterionResult) -> Option<String> {
    let at = result.unit.show(result.evidence.passes_at?);
    let (Comparison::Below(sign) | Comparison::Above(sign)) = parts(&result.expression)?.1 else { return None };
    let still = if result.judgement == Judgement::Pass { "would still pass at" } else { "would pass at" };
    Some(format!("{still} {sign} {at}"))
}

/// What a judgement hangs on, beyond its reason: a name and a sentence each.
pub(crate) fn evidence(result: &CriterionResult) -> Vec<(&'static str, String)> {
    let evidence = &result.evidence;
    let about = |seconds: f64| format!("about {} of the judged stretch", Unit::Seconds.show(seconds));
    let too_many = |n| text::counted(n, "observation is", "observations are") + " beyond the limit that may not be";
    [
        ("Limit from", evidence.limit_from.clone()),
        ("Warns from", evidence.warn_limit.map(|limit| result.unit.show(limit))),
        ("Too many", evidence.excess.filter(|n| *n > 0).map(too_many)),
        ("Would decide", evidence.decides_after_s.map(about)),
        ("To do", evidence.recommendation.clone()),
    ]
    .into_iter()
    .filter_map(|(name, words)| Some((name, words?)))
    .collect()
}

/// The margin: `40.0 % inside`, `3.2 x the limit outside`.
pub(crate) fn margin(result: &CriterionResult) -> Option<String> {
    let margin = result.margin?;
    let side = if margin < 0.0 { "outside" } else { "inside" };
    let size = margin.abs();
    Some(match size >= MULTIPLE_FROM {
        true => format!("{size:.0} x the limit {side}"),
        false => format!("{} {side}", Unit::Share.show(size)),
    })
}

/// What the value rests on: `3,600 samples, worth 240`.
pub(crate) fn samples(result: &CriterionResult) -> String {
    let samples = text::counted(result.samples, "sample", "samples");
    match result.effective_samples {
        Some(worth) => format!("{samples}, worth {}", Unit::Count.show(worth)),
        None => samples,
    }
}

/// Where it was judged: `whole run` unless the criterion says otherwise.
pub(crate) fn scope(result: &CriterionResult) -> &str {
    if result.scope.is_empty() { "whole run" } else { &result.scope }
}

/// What a miss means.
pub(crate) fn severity(result: &CriterionResult) -> &'static str {
    match result.severity {
        Severity::Require => "required",
        Severity::Prefer => "preferred",
    }
}

/// The window a criterion's limit belongs to on a chart of all traffic: its phase's, or the whole run's (`None`
/// inside). `None` when it is judged on one endpoint of several, whose limit has no place among all of them.
pub(crate) fn window(result: &CriterionResult, facts: &Facts) -> Option<Option<Window>> {
    let header = facts.traffic.as_ref().map(|traffic| &traffic.header.body);
    let named = |what: &str| result.scope.split(", ").find_map(|part| part.strip_prefix(what));
    if named("endpoint ").is_some() && header.is_some_and(|header| header.operations.len() > 1) {
        return None;
    }
    Some(named("phase ").and_then(|phase| facts.phase_window(phase)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_record::verdict::Interval;

    fn result(expression: &str) -> CriterionResult {
        CriterionResult {
            id: expression.to_owned(),
            expression: expression.to_owned(),
            severity: Severity::Require,
            scope: String::new(),
            judgement: Judgement::Pass,
            value: Some(0.0123),
            at_least: false,
            interval: Some(Interval { low: 0.011, high: 0.014, confidence: 0.95 }),
            limit: 0.5,
            unit: Unit::Seconds,
            margin: Some(0.975),
            samples: 3600,
            effective_samples: Some(240.0),
            reason: String::new(),
            hint: None,
            evidence: plimsoll_record::verdict::Evidence::default(),
        }
    }

    #[test]
    fn a_comparison_in_parentheses_is_not_the_comparison() {
        let knee = CriterionResult { limit: 20.0, unit: Unit::PerSecond, ..result("knee(p95 < 2s) >= 20/s") };
        assert_eq!((knee.subject(), limit(&knee).as_str()), ("knee(p95 < 2s)", "≥ 20.0/s"));
        let mut unknown = CriterionResult { value: None, limit: 0.0, ..result("p95 <= baseline * 1.1") };
        unknown.evidence.limit_from = Some("not known".to_owned());
        assert_eq!(limit(&unknown), "≤ baseline * 1.1");
    }

    #[test]
    fn a_result_reads_like_a_sentence() {
        let result = result("p99 <= 500ms");
        assert_eq!((value(&result), limit(&result)), ("12.3 ms".into(), "≤ 500 ms".into()));
        assert_eq!(interval(&result).as_deref(), Some("11.0 ms to 14.0 ms (95 %)"));
        assert_eq!(margin(&result).as_deref(), Some("97.5 % inside"));
        assert_eq!(samples(&result), "3,600 samples, worth 240");
    }

    #[test]
    fn a_missing_value_is_words_and_a_bound_is_marked() {
        let mut result = result("p99 < 500ms");
        result.at_least = true;
        assert_eq!(value(&result), "≥ 12.3 ms");
        result.value = None;
        assert_eq!(value(&result), "not measured");
    }

    #[test]
    fn a_leak_far_beyond_its_limit_is_a_multiple() {
        let mut result = result("slope(redis.used_memory) < 1 MB/min");
        result.margin = Some(-31.4);
        assert_eq!(margin(&result).as_deref(), Some("31 x the limit outside"));
    }

    #[test]
    fn a_pass_beyond_its_limit_must_say_why() {
        let mut exempt = CriterionResult { limit: 2.0, unit: Unit::Ratio, ..result("redis.fragmentation < 2.0") };
        exempt.value = Some(1.2);
        assert!(!needs_reason(&exempt));
        exempt.value = Some(2.66);
        assert!(needs_reason(&exempt));
    }

    #[test]
    fn an_interval_without_width_is_not_shown() {
        let mut result = result("p99 < 500ms");
        result.interval = Some(Interval { low: 1.0, high: 1.0, confidence: 1.0 });
        assert_eq!(interval(&result), None);
    }

    #[test]
    fn the_good_side_is_read_from_the_expression() {
        assert_eq!(parts("limiter.effectiveness > 80%"), Some(("limiter.effectiveness", Comparison::Above(">"))));
        assert_eq!(parts("count==0"), Some(("count", Comparison::Exactly)));
        assert_eq!(parts("nonsense"), None);
    }
}
