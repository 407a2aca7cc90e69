//! A run that an alert stopped is a failed run, whatever its criteria say: the alert's limit was a criterion too.

use plimsoll_plan::Trigger;
use plimsoll_record::events::{Event, Level};
use plimsoll_record::metric::Metric;
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{CriterionResult, Evidence, Judgement, Severity};

use crate::goal::Finding;
use crate::run::JudgedRun;

const ID: &str = "alert";

/// The alert that stopped the run, as a failed criterion; `None` when none did.
pub(crate) fn result(run: &JudgedRun<'_>) -> Option<CriterionResult> {
    let events = &run.facts.events.as_ref()?.facts;
    let stop = events.iter().position(|event| matches!(event, Event::Stop { .. }))?;
    let alert = events[..stop].iter().rev().find(|event| is_alert(event, Some(Level::Critical)));
    let alert = alert.or_else(|| events[..stop].iter().rev().find(|event| is_alert(event, None)));
    Some(match alert {
        Some(Event::Alert { metric, value, limit, message, .. }) => {
            let unit = unit(run, metric, *limit);
            let growth = unit == Unit::BytesPerSecond;
            let subject = if growth { format!("growth of {metric}") } else { metric.clone() };
            failed(format!("{subject} < {}", unit.show(*limit)), Some(*value), *limit, unit, message)
        }
        _ => match &events[stop] {
            Event::Stop { reason, .. } => failed("no stop".to_owned(), None, 0.0, Unit::Count, reason),
            _ => return None,
        },
    })
}

fn is_alert(event: &Event, wanted: Option<Level>) -> bool {
    matches!(event, Event::Alert { level, .. } if wanted.is_none_or(|wanted| wanted == *level))
}

/// Alerts on growth carry bytes per second under the name of the metric that grows.
fn unit(run: &JudgedRun<'_>, metric: &str, limit: f64) -> Unit {
    let alerts = run.plan.watch.as_ref().map_or(&[][..], |watch| &watch.alerts);
    if alerts.iter().any(|alert| alert.trigger == Trigger::Growth(limit)) {
        return Unit::BytesPerSecond;
    }
    Metric::find(metric).map_or(Unit::Ratio, |metric| metric.unit)
}

fn failed(expression: String, value: Option<f64>, limit: f64, unit: Unit, reason: &str) -> CriterionResult {
    let Finding { interval, effective_samples, at_least, .. } = Finding::missing("");
    CriterionResult {
        id: ID.to_owned(),
        expression,
        severity: Severity::Require,
        scope: String::new(),
        judgement: Judgement::Fail,
        value,
        at_least,
        interval,
        limit,
        unit,
        margin: value.filter(|_| limit != 0.0).map(|value| (limit - value) / limit.abs()),
        samples: 1,
        effective_samples,
        reason: format!("the run was stopped: {reason}"),
        hint: None,
        evidence: Evidence::default(),
    }
}
