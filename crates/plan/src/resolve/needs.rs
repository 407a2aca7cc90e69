//! What a criterion needs from the rest of the plan, and which limits make sense.

use plimsoll_record::metric::Source;
use plimsoll_record::units::Unit;

use crate::criteria::{Comparison, Expression, Function, Metric};
use crate::model::{Plan, RequestLogging};
use crate::reader::Text;

/// True for what is measured by operation.
pub(super) fn is_traffic(metric: &Metric) -> bool {
    match metric {
        Metric::Percentile { .. }
        | Metric::Mean
        | Metric::Max
        | Metric::ErrorRate
        | Metric::Throughput
        | Metric::Count
        | Metric::LimitedShare => true,
        Metric::LimiterEffectiveness
        | Metric::LimiterFalseRejects
        | Metric::Fragmentation
        | Metric::Log { .. }
        | Metric::Series { .. } => false,
    }
}

/// Notes what a criterion lacks.
pub(super) fn check(text: &Text<'_>, expression: &Expression, plan: &Plan) {
    if let Some((title, help)) = missing(&expression.metric, plan) {
        text.reject(title, None, help);
    }
    if let Some((title, help)) = nonsense(expression) {
        text.reject(title, None, help);
    }
}

type Complaint = (&'static str, &'static str);

/// What the plan does not give.
fn missing(metric: &Metric, plan: &Plan) -> Option<Complaint> {
    match metric {
        Metric::LimiterEffectiveness | Metric::LimiterFalseRejects => missing_limiter(plan),
        Metric::LimitedShare => missing_traffic(plan).or_else(|| missing_limited(plan)),
        Metric::Fragmentation => missing_source(Source::Redis, plan),
        Metric::Series { metric, .. } => missing_source(metric.source, plan),
        // A log that is not followed is unknown, which is reported where the word is understood.
        Metric::Log { .. } => None,
        _ => missing_traffic(plan),
    }
}

fn missing_traffic(plan: &Plan) -> Option<Complaint> {
    let complaint = ("the plan makes no traffic to judge", "add [target], [[phases]] and [flows], or leave it out");
    plan.target.is_none().then_some(complaint)
}

fn missing_limiter(plan: &Plan) -> Option<Complaint> {
    if plan.limiter.is_none() {
        return Some(("there is no [limiter] to judge", "add `[limiter]` with `limits = [\"5/s\", \"10/min\"]`"));
    }
    if plan.generator.requests != RequestLogging::All {
        let help = "leave `requests` out of [generator]";
        return Some(("the limiter is judged by the log of all requests, which is off", help));
    }
    missing_traffic(plan).or_else(|| missing_limited(plan))
}

fn missing_limited(plan: &Plan) -> Option<Complaint> {
    let limited = plan.requests().iter().any(|request| request.expect.limited.is_some());
    let help = "add it to the step: `expect = { status = [200, 429], limited = 429 }`";
    (!limited).then_some(("no step says which status a limited answer has", help))
}

fn missing_source(source: Source, plan: &Plan) -> Option<Complaint> {
    let watch = plan.watch.as_ref();
    let (watched, complaint) = match source {
        Source::Redis => (
            watch.is_some_and(|watch| watch.redis.is_some()),
            ("no Redis is watched", "add `redis = \"redis://127.0.0.1:6379\"` to [watch]"),
        ),
        Source::Host => (
            watch.is_some_and(|watch| watch.host),
            ("the host is not watched", "add [watch], and leave `host = false` out of it"),
        ),
        Source::Process => (
            watch.is_some_and(|watch| watch.process.is_some()),
            ("no process is watched", "add `process = { name = \"...\" }` to [watch]"),
        ),
    };
    (!watched).then_some(complaint)
}

/// A limit that can never decide anything.
fn nonsense(expression: &Expression) -> Option<Complaint> {
    let Expression { metric, comparison, limit } = expression;
    let slope = matches!(metric, Metric::Series { function: Function::Slope, .. });
    // A process may use more than one core, so its share may exceed 100 %.
    let whole = match metric {
        Metric::Series { metric, .. } => metric.source != Source::Process,
        _ => true,
    };
    if !limit.value.is_finite() {
        Some(("the limit is too large", "write a finite number"))
    } else if limit.value < 0.0 && !slope {
        Some(("the limit is negative, the measured value never is", "only slopes have limits below zero"))
    } else if limit.unit == Unit::Share && whole && limit.value > 1.0 {
        Some(("the limit is above 100 %", "shares lie between 0 % and 100 %"))
    } else if *comparison == Comparison::Equal && limit.unit != Unit::Count && limit.value != 0.0 {
        Some(("measured values are never exactly equal", "use `<=` or `>=`; `==` is for counts and for zero"))
    } else {
        None
    }
}
