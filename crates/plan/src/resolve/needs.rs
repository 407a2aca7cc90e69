//! What a criterion needs from the rest of the plan, and which limits make sense.

use plimsoll_record::ledger::Outcome;
use plimsoll_record::metric::Source;
use plimsoll_record::units::Unit;

use crate::criteria::{Answers, Comparison, Expression, Function, Metric, Reference};
use crate::model::{Load, Plan, RateShape, RequestLogging};
use crate::reader::Text;

/// Notes what a criterion lacks.
pub(super) fn check(text: &Text<'_>, expression: &Expression, plan: &Plan) {
    let reference = match &expression.limit.reference {
        Some(Reference::Measured { metric, .. }) => missing(metric, plan),
        _ => None,
    };
    if let Some((title, help)) = missing(&expression.metric, plan).or(reference) {
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
        Metric::RecoveryTime { phase, .. } => missing_traffic(plan).or_else(|| missing_neighbours(phase, plan)),
        Metric::Answers { answers: Answers::Outcome(Outcome::Limited), .. } | Metric::LimitedShare => {
            missing_traffic(plan).or_else(|| missing_limited(plan))
        }
        Metric::Fragmentation => missing_source(Source::Redis, plan),
        Metric::Series { metric, .. } => missing_source(metric.source, plan),
        // A log that is not followed is unknown, which is reported where the word is understood.
        Metric::Log { .. } => None,
        _ => missing_traffic(plan),
    }
}

fn missing_traffic(plan: &Plan) -> Option<Complaint> {
    let complaint = ("the plan makes no traffic to judge", "add [target], [[phases]] and [flows], or leave it out");
    (plan.target.is_none() && plan.stores.is_empty()).then_some(complaint)
}

/// There is something to recover to, and time to recover in.
fn missing_neighbours(name: &str, plan: &Plan) -> Option<Complaint> {
    let at = plan.phases.iter().position(|phase| phase.name == name)?;
    if matches!(plan.phases[at].load, Load::Open { rate: RateShape::Spike { .. }, .. }) {
        return None;
    }
    if at == 0 {
        let help = "add a phase before it, with the load that is normal";
        return Some(("there is nothing before this phase to recover to", help));
    }
    let last = at + 1 == plan.phases.len();
    last.then_some((
        "there is no time after this phase to recover in",
        "add a phase after it, with the load that is normal",
    ))
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
    let limited = plan.requests().iter().any(|request| !request.expect.limited.is_empty());
    let help = "add it to the step: `expect = { status = [200, 429], limited = 429 }`";
    (!limited).then_some(("no step says which status a limited answer has", help))
}

fn missing_source(source: Source, plan: &Plan) -> Option<Complaint> {
    let watched = plan.watch.as_ref().is_some_and(|watch| watch.samples(source));
    let complaint = match source {
        Source::Redis => ("no Redis is watched", "add `redis = \"redis://127.0.0.1:6379\"` to [watch]"),
        Source::Postgres => {
            ("no PostgreSQL is watched", "add `postgres = \"postgresql://user@127.0.0.1/database\"` to [watch]")
        }
        Source::Pool => ("no connection pool is watched", "add `pool = { application = \"...\" }` to [watch]"),
        Source::Host => ("the host is not watched", "add [watch], and leave `host = false` out of it"),
        Source::Process => ("no process is watched", "add `process = { name = \"...\" }` to [watch]"),
        Source::Container => ("no container is watched", "add `containers = [\"...\"]` to [watch]"),
        Source::Probe => ("no endpoint is asked", "add `probes = [\"http://127.0.0.1:8080/health\"]` to [watch]"),
    };
    (!watched).then_some(complaint)
}

/// A limit that can never decide anything.
fn nonsense(expression: &Expression) -> Option<Complaint> {
    let Expression { metric, comparison, limit } = expression;
    if !(limit.offset.is_finite() && limit.factor.is_finite()) {
        return Some(("the limit is too large", "write a finite number"));
    }
    if limit.reference.is_some() {
        let help = "write for example `baseline * 1.1 + 5ms`";
        return (limit.factor <= 0.0).then_some(("the limit falls when what it refers to rises", help));
    }
    let falls = matches!(metric, Metric::Series { function: Function::Slope | Function::Rate, .. } | Metric::Drift(_));
    if limit.offset < 0.0 && !falls {
        Some(("the limit is negative, the measured value never is", "only slopes have limits below zero"))
    } else if limit.unit == Unit::Share && is_part(metric) && limit.offset > 1.0 {
        Some(("the limit is above 100 %", "shares lie between 0 % and 100 %"))
    } else if *comparison == Comparison::Equal && limit.unit != Unit::Count && limit.offset != 0.0 {
        Some(("measured values are never exactly equal", "use `<=` or `>=`; `==` is for counts and for zero"))
    } else {
        None
    }
}

/// True for shares of a whole. A process may use more than one core, and a drift may double a value.
fn is_part(metric: &Metric) -> bool {
    match metric {
        Metric::Series { metric, .. } => {
            metric.key != "cpu_share" || !matches!(metric.source, Source::Process | Source::Container)
        }
        Metric::Drift(_) => false,
        _ => true,
    }
}
