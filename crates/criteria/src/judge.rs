//! The judgement of a whole run: the generator first, then every criterion; the worst outcome wins.

use plimsoll_plan::{Criterion, Plan};
use plimsoll_record::files::{FORMAT, ReadError};
use plimsoll_record::summary::Facts;
use plimsoll_record::verdict::{CriterionResult, Judgement, Severity, Verdict};

use crate::goal::Goal;
use crate::health::Health;
use crate::place::Place;
use crate::run::JudgedRun;
use crate::{concerns, families, recommendations, rounding, stopped, words};

/// Why a run could not be judged at all.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The request log is damaged.
    #[error("the request log cannot be read")]
    Requests(#[from] ReadError),
}

/// Judges a run by `criteria`, which are the plan's own or those of another file checked against it.
///
/// The overall judgement is the worst of the generator's health, an alert that stopped the run, and all criteria. A
/// preference that cannot be decided counts as a warning, unless there was no data at all.
///
/// # Errors
/// [`JudgeError`] when a file of the run that is read on demand is damaged.
pub fn judge(facts: &Facts, plan: &Plan, criteria: &[Criterion]) -> Result<Verdict, JudgeError> {
    let run = JudgedRun::new(facts, plan);
    let health = Health::examine(&run, criteria);
    let mut results: Vec<CriterionResult> = stopped::result(&run).into_iter().collect();
    for criterion in criteria {
        results.push(result(&run, &health, criterion)?);
    }
    let judgement = results.iter().map(weight).fold(health.judgement(), Judgement::max);
    let judgement = if criteria.is_empty() { judgement.max(Judgement::Inconclusive) } else { judgement };
    let mut verdict = Verdict {
        format: FORMAT,
        run: facts.run.info().id.clone(),
        plan: plan.name.clone(),
        judgement,
        sentence: sentence(judgement, &health, &results),
        generator: health.into_record(),
        concerns: concerns::list(&run, criteria),
        recommendations: recommendations::list(&run, &results),
        criteria: results,
    };
    rounding::round(&mut verdict);
    Ok(verdict)
}

fn result(run: &JudgedRun<'_>, health: &Health, criterion: &Criterion) -> Result<CriterionResult, JudgeError> {
    let goal = Goal::of(criterion);
    let place = Place::of(run, &criterion.scope);
    let found = families::examine(run, &place, &goal, &criterion.expression.metric)?;
    let found = health.discount(run, &place, &criterion.expression.metric, found);
    let judgement = found.standing.judgement(criterion.severity);
    Ok(CriterionResult {
        id: criterion.id.clone(),
        expression: criterion.text.clone(),
        severity: criterion.severity,
        scope: place.words,
        judgement,
        margin: found.value.filter(|_| !found.exempt).and_then(|value| goal.margin(value)),
        value: found.value,
        at_least: found.at_least,
        interval: found.interval,
        limit: goal.limit,
        unit: goal.unit,
        samples: found.samples,
        effective_samples: found.effective_samples,
        reason: found.reason,
        hint: criterion.hint.clone().filter(|_| judgement != Judgement::Pass),
    })
}

/// What a criterion weighs in the whole: a missed preference costs a warning, so an undecided one costs no more. With
/// no data at all nothing is known, whatever the severity.
fn weight(result: &CriterionResult) -> Judgement {
    match (result.severity, result.judgement) {
        (Severity::Prefer, Judgement::Inconclusive) if result.samples > 0 => Judgement::Warn,
        (_, judgement) => judgement,
    }
}

/// What decided, without the word for the judgement itself: every renderer says that first in its own way.
fn sentence(judgement: Judgement, health: &Health, results: &[CriterionResult]) -> String {
    if judgement == Judgement::Pass {
        return match results.len() {
            1 => "the criterion is met".to_owned(),
            n => format!("all {n} criteria are met"),
        };
    }
    if health.judgement() == judgement {
        return health.reason();
    }
    let deciding: Vec<&CriterionResult> = results.iter().filter(|result| weight(result) == judgement).collect();
    match deciding.as_slice() {
        [] => "the plan has no criteria; add [criteria] or pass --criteria FILE".to_owned(),
        [only] => words::decision(only),
        [first, others @ ..] => format!("{} (and {} more)", words::decision(first), others.len()),
    }
}
