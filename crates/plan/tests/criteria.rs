//! The language of criteria: what sound ones mean, and that they are written back as they were.

use std::time::Duration;

use plimsoll_plan::{
    Answers, Bound, Comparison, Criterion, Elsewhere, Every, Function, Metric, OnInconclusive, Plan, Reference, Scope,
    SourceText, Surroundings, Tally, When, parse, parse_recorded,
};
use plimsoll_record::ledger::Outcome;
use plimsoll_record::units::Unit;

fn plan(criteria: &str) -> Plan {
    let text = format!(
        r#"
name = "words"
target = {{ url = "http://127.0.0.1:8080" }}
phases = [
    {{ name = "before", duration = "2m", rate = "10/s" }},
    {{ name = "spike", duration = "1m", rate = "40/s" }},
    {{ name = "after", duration = "5m", rate = "10/s" }},
]
flows.store.steps = [{{ name = "read", get = "/" }}, {{ name = "write", post = "/" }}]
[watch]
redis = "redis://127.0.0.1:6379"
logs = [{{ path = "rate-limits.log" }}]
{criteria}
"#
    );
    let source = SourceText { name: "words.toml".to_owned(), text };
    let plan = parse(&source, &[], &Surroundings::NONE).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(parse_recorded(&plan.to_toml()).unwrap_or_else(|problems| panic!("{problems}")), plan);
    plan
}

#[track_caller]
fn one(expression: &str) -> Criterion {
    let mut plan = plan(&format!("[criteria]\nrequire = ['{expression}']"));
    assert_eq!(plan.criteria.len(), 1);
    plan.criteria.remove(0)
}

#[track_caller]
fn limit(expression: &str) -> Bound {
    one(expression).expression.limit
}

fn constant(offset: f64, unit: Unit) -> Bound {
    Bound { offset, factor: 0.0, reference: None, unit }
}

#[test]
fn numbers_with_units_can_be_reckoned_with() {
    assert_eq!(limit("p95 < 100ms + 0.5s"), constant(0.6, Unit::Seconds));
    assert_eq!(limit("p95 < 2 * (100ms - 50 ms) / 4"), constant(0.025, Unit::Seconds));
    assert_eq!(limit("throughput > 18/s * 50%"), constant(9.0, Unit::PerSecond));
    assert_eq!(limit("throughput > 60 / min / 2"), constant(0.5, Unit::PerSecond));
    assert_eq!(limit("slope(redis.used_memory) < -1 MB/min + 500 kB/min"), constant(-5e5 / 60.0, Unit::BytesPerSecond));
    assert_eq!(limit("count >= 5 * 20"), constant(100.0, Unit::Count));
    assert_eq!(limit("error_rate < 2 * 50%"), constant(1.0, Unit::Share));
}

#[test]
fn a_limit_may_refer_to_earlier_runs() {
    let baseline = |factor, offset| Bound { offset, factor, reference: Some(Reference::Baseline), unit: Unit::Seconds };
    assert_eq!(limit("p95 <= baseline * 1.10 + 5ms"), baseline(1.1, 0.005));
    assert_eq!(limit("p95 <= 110% * baseline"), baseline(1.1, 0.0));
    assert_eq!(limit("p95 <= (baseline + 10ms) / 0.5"), baseline(2.0, 0.02));
}

#[test]
fn a_limit_may_refer_to_another_endpoint_or_phase() {
    let criterion = one("p95(read) < p95(write) * 2");
    assert_eq!(criterion.scope, Scope { endpoint: Some("read".to_owned()), ..Scope::default() });
    let place = Elsewhere { phase: None, endpoint: Some("write".to_owned()) };
    let metric = Box::new(Metric::Percentile { quantile: 0.95, service: false });
    let reference = Some(Reference::Measured { metric, place });
    assert_eq!(criterion.expression.limit, Bound { offset: 0.0, factor: 2.0, reference, unit: Unit::Seconds });

    let criterion = one("mean(endpoint write, phase after) < 1.5 * mean(before)");
    assert_eq!(
        (criterion.scope.phases.as_slice(), criterion.scope.endpoint.as_deref()),
        (&["after".to_owned()][..], Some("write"))
    );
    let Some(Reference::Measured { place, .. }) = criterion.expression.limit.reference else { panic!("{criterion:?}") };
    let elsewhere = place.within(&criterion.scope);
    assert_eq!((elsewhere.phases, elsewhere.endpoint.as_deref()), (vec!["before".to_owned()], Some("write")));
}

#[test]
fn functions_say_what_they_are_of() {
    let metric = |expression: &str| one(expression).expression.metric;
    let p95 = || Box::new(Metric::Percentile { quantile: 0.95, service: false });
    let share = Metric::Answers { tally: Tally::Share, answers: Answers::Outcome(Outcome::TimedOut) };
    assert_eq!(metric("share(timed_out) < 1%"), share);
    let rate = Metric::Answers { tally: Tally::Rate, answers: Answers::Status(500..=599) };
    assert_eq!(metric("rate(5xx) < 1/min"), rate);
    let count = Metric::Answers { tally: Tally::Count, answers: Answers::Status(503..=503) };
    assert_eq!(metric("count(503, spike) < 100"), count);
    assert_eq!(metric("drift(p95) < 20%"), Metric::Drift(p95()));
    assert_eq!(
        metric("recovery_time(spike) < 60s"),
        Metric::RecoveryTime { phase: "spike".to_owned(), quantile: 0.95 }
    );
    assert_eq!(
        metric("recovery_time(spike, p99) < 60s"),
        Metric::RecoveryTime { phase: "spike".to_owned(), quantile: 0.99 }
    );
    assert!(matches!(metric("knee(p95 < 2s) > 20/s"), Metric::Knee(Some(_))));
    assert!(matches!(metric("knee > 20/s"), Metric::Knee(None)));
    for (word, function) in [("peak", Function::Max), ("rate", Function::Rate), ("last", Function::Last)] {
        let unit = if function == Function::Rate { "B/s" } else { "B" };
        let Metric::Series { function: found, .. } = metric(&format!("{word}(redis.used_memory) < 1{unit}")) else {
            panic!("{word}")
        };
        assert_eq!(found, function);
    }
    assert!(matches!(metric("log.rate-limits.oom == 0"), Metric::Log { .. }));
    assert!(matches!(metric("count(read) > 5"), Metric::Count));
    assert!(matches!(metric("max(redis.keys, spike) < 5"), Metric::Series { function: Function::Max, .. }));
}

#[test]
fn a_table_says_where_when_and_how() {
    let plan = plan(
        r#"
[criteria]
phase = "before"
from = "30s"
[criteria.sla]
phase = ["spike", "after"]
endpoint = "*"
from = "10s"
to = "5m"
every = "60s"
allow = "1 of 20"
require = "p95 < 3s"
[criteria.rest]
min_samples = 500
when = "share(429, spike) > 0%"
on_inconclusive = "fail"
hint = "look there"
prefer = "p99 < 3s"
[criteria.compared]
when = "baseline"
on_inconclusive = "warn"
require = "p95 < baseline * 2"
[criteria.stop]
phase = "spike"
abort = true
require = ["error_rate < 50%", "count(5xx) == 0"]
"#,
    );
    let found = |id: &str| plan.criteria.iter().find(|one| one.id == id).unwrap_or_else(|| panic!("no {id}"));
    let sla = found("sla [write]");
    let (from, to) = (Some(Duration::from_secs(10)), Some(Duration::from_mins(5)));
    let phases = vec!["spike".to_owned(), "after".to_owned()];
    assert_eq!(sla.scope, Scope { phases, endpoint: Some("write".to_owned()), from, to });
    let every = Every { length: Duration::from_mins(1), allowed: 1, of: 20.try_into().ok() };
    assert_eq!(sla.options.every, Some(every));
    assert_eq!((every.allowed_of(19), every.allowed_of(60)), (0, 3));
    let rest = found("rest");
    assert_eq!((rest.scope.from, rest.options.min_samples), (Some(Duration::from_secs(30)), 500));
    assert_eq!(rest.options.on_inconclusive, OnInconclusive::Fail);
    assert!(matches!(&rest.options.when, Some(When::Holds { place, .. }) if place.phase.as_deref() == Some("spike")));
    assert_eq!(found("compared").options.when, Some(When::Baseline));
    assert!(found("stop.1").options.abort && found("stop.1").scope.from.is_none());
}

#[test]
fn two_limits_make_three_outcomes() {
    let plan = plan(
        r#"
[criteria.slow]
metric = "p95(read)"
warn_at = "2s"
fail_at = "4s"
[criteria.done]
metric = "count"
warn_at = "9"
fail_at = "7"
"#,
    );
    let [slow, done] = plan.criteria.as_slice() else { panic!("{:?}", plan.criteria) };
    assert_eq!(slow.text, "p95(read) < 4s, warn at 2s");
    assert_eq!((slow.expression.comparison, slow.expression.limit.offset), (Comparison::Less, 4.0));
    assert_eq!(slow.warn, Some(constant(2.0, Unit::Seconds)));
    assert_eq!((done.expression.comparison, done.expression.limit.offset), (Comparison::Greater, 7.0));
    assert_eq!(done.warn, Some(constant(9.0, Unit::Count)));
}
