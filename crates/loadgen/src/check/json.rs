//! What is said of a plan, for programs. Empty is null: what is not known is not 0.

use plimsoll_plan::Scope;
use plimsoll_record::verdict::Severity;
use serde_json::{Value, json};

use super::text::prospect_word;
use super::{Checked, judging, load, trial};
use plimsoll_criteria::forecast::Amount;

pub(super) fn show(checked: &Checked<'_>) -> Value {
    let plan = checked.plan;
    let forecast = &checked.forecast;
    let phases = forecast.phases.iter().zip(&plan.phases).map(|(phase, stated)| {
        json!({
            "name": phase.name,
            "model": if phase.users.is_some() { "closed" } else { "open" },
            "load": load::words(stated),
            "start_s": phase.planned.start.as_secs_f64(),
            "length_s": phase.planned.length.map(|length| length.as_secs_f64()),
            "peak_per_s": phase.planned.peak,
            "users": phase.users,
            "iterations": amount(phase.iterations),
            "requests": phase.requests.iter().copied().map(amount).collect::<Vec<_>>(),
        })
    });
    let operations = checked.operations.iter().enumerate();
    let operations = operations.map(
        |(index, name)| json!({ "name": name, "requests": amount(forecast.requests(&Scope::default(), Some(index))) }),
    );
    let data = checked.data.iter().map(|supply| {
        json!({ "name": supply.name, "rows": supply.rows, "flows": supply.flows, "suffices": supply.suffices,
            "words": supply.words })
    });
    let watched = judging::watched(plan);
    let watched = watched.iter().map(|one| json!({ "what": one.what, "criteria": one.criteria }));
    json!({
        "plan": plan.name,
        "seed": plan.seed,
        "target": plan.target.as_ref().map(|target| target.url.as_str()),
        "stores": plan.stores.iter().map(|store| json!({ "name": store.name, "kind": store.kind.name(), "url": store.url.as_str() })).collect::<Vec<_>>(),
        "connections": plan.target.as_ref().map(|target| target.connections.get()),
        "users": plan.users.count.get(),
        "segment": checked.segment.map(|share| format!("{}/{}", share.index() + 1, share.count())),
        "assumed_answer_s": forecast.is_estimate.then_some(checked.answer.as_secs_f64()),
        "phases": phases.collect::<Vec<_>>(),
        "operations": operations.collect::<Vec<_>>(),
        "data": data.collect::<Vec<_>>(),
        "criteria": checked.criteria.iter().map(criterion).collect::<Vec<_>>(),
        "memwatch": watched.collect::<Vec<_>>(),
        "warnings": checked.warnings,
        "tried": checked.tried.as_deref().map(trial::json),
        "decidable": !checked.is_undecidable(),
    })
}

fn criterion(one: &judging::Judging<'_>) -> Value {
    json!({
        "id": one.criterion.id,
        "expression": one.criterion.text,
        "required": one.criterion.severity == Severity::Require,
        "phases": one.criterion.scope.phases,
        "endpoint": one.criterion.scope.endpoint,
        "decidable": prospect_word(one.outlook.prospect),
        "requests_needed": one.outlook.requests_needed,
        "reason": one.outlook.reason,
    })
}

fn amount(amount: Amount) -> Value {
    let finite = |number: f64| number.is_finite().then_some(number);
    json!({ "least": amount.least, "expected": finite(amount.expected), "most": finite(amount.most) })
}
