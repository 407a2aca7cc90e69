//! One criterion, from what the plan says to a result: does it apply, what do the data say to its limits, what do its
//! options make of that.

use plimsoll_plan::{Bound, Criterion, Expression, OnInconclusive, Reference, When};
use plimsoll_record::verdict::{CriterionResult, Judgement, Severity, Skipped};

use crate::goal::{Finding, Goal, Standing};
use crate::health::Health;
use crate::judge::JudgeError;
use crate::place::Place;
use crate::run::JudgedRun;
use crate::{baseline, families, reference, stretches, words};

/// What became of a criterion.
pub(crate) enum Judged {
    Result(Box<CriterionResult>),
    Skipped(Skipped),
}

pub(crate) fn judge(run: &JudgedRun<'_>, health: &Health, criterion: &Criterion) -> Result<Judged, JudgeError> {
    let place = Place::of(run, &criterion.scope);
    let look = match applies(run, criterion)? {
        Applies::No(reason) => {
            let (id, expression) = (criterion.id.clone(), criterion.text.clone());
            return Ok(Judged::Skipped(Skipped { id, expression, reason }));
        }
        Applies::Unknown(reason) => Look::unknown(criterion, reason),
        Applies::Yes => Looker { run, health, place: &place, criterion }.both_limits()?,
    };
    Ok(Judged::Result(Box::new(look.into_result(criterion, place.words))))
}

/// Whether a criterion is to be judged in this run.
enum Applies {
    Yes,
    No(String),
    /// What it depends on was not measured.
    Unknown(String),
}

fn applies(run: &JudgedRun<'_>, criterion: &Criterion) -> Result<Applies, JudgeError> {
    Ok(match &criterion.options.when {
        None => Applies::Yes,
        Some(When::Baseline) if run.baselines.is_empty() => {
            Applies::No("no earlier run was given to compare with (`verdict check DIR --baseline EARLIER`)".to_owned())
        }
        Some(When::Baseline) => Applies::Yes,
        Some(When::Holds { text, expression, place }) => {
            match reference::measure(run, &place.within(&criterion.scope), &expression.metric)? {
                Err(reason) => Applies::Unknown(format!("whether `{text}` holds is not known: {reason}")),
                Ok(known) => {
                    let goal = Goal::at(expression, expression.limit.offset);
                    match goal.compare(known.value) {
                        Standing::Met => Applies::Yes,
                        _ => Applies::No(format!("`{text}` does not hold: it is {}", goal.show(known.value))),
                    }
                }
            }
        }
    })
}

/// What was found, and the limit that it was compared with.
struct Look {
    finding: Finding,
    goal: Goal,
    judgement: Judgement,
}

impl Look {
    fn unknown(criterion: &Criterion, reason: String) -> Self {
        let goal = Goal::at(&criterion.expression, criterion.expression.limit.offset);
        Self { finding: Finding::missing(reason), goal, judgement: Judgement::Inconclusive }
    }

    fn into_result(self, criterion: &Criterion, scope: String) -> CriterionResult {
        let Self { mut finding, goal, judgement } = self;
        let judgement = overruled(judgement, criterion.options.on_inconclusive, &mut finding);
        CriterionResult {
            id: criterion.id.clone(),
            expression: criterion.text.clone(),
            severity: criterion.severity,
            scope,
            judgement,
            margin: finding.value.filter(|_| !finding.exempt).and_then(|value| goal.margin(value)),
            value: finding.value,
            at_least: finding.at_least,
            interval: finding.interval,
            limit: goal.limit,
            unit: goal.unit,
            samples: finding.samples,
            effective_samples: finding.effective_samples,
            reason: finding.reason,
            hint: criterion.hint.clone().filter(|_| judgement != Judgement::Pass),
            evidence: finding.evidence,
        }
    }
}

/// What an inconclusive criterion counts as, by the plan's own word.
fn overruled(judgement: Judgement, word: OnInconclusive, finding: &mut Finding) -> Judgement {
    let (judgement, said) = match (judgement, word) {
        (Judgement::Inconclusive, OnInconclusive::Fail) => (Judgement::Fail, "fail"),
        // Without any data a warning would be a pass in disguise.
        (Judgement::Inconclusive, OnInconclusive::Warn) if finding.samples > 0 => (Judgement::Warn, "warn"),
        _ => return judgement,
    };
    finding.reason += &format!("; undecided, which the plan counts as {said}");
    judgement
}

/// Everything a look at the data takes.
#[derive(Clone, Copy)]
pub(crate) struct Looker<'r, 'a> {
    pub(crate) run: &'r JudgedRun<'a>,
    pub(crate) health: &'r Health,
    pub(crate) place: &'r Place,
    pub(crate) criterion: &'r Criterion,
}

impl Looker<'_, '_> {
    /// The limit, and the one that warns if there is one: beyond it only.
    fn both_limits(&self) -> Result<Look, JudgeError> {
        let look = self.at_limit(&self.criterion.expression.limit, self.criterion.severity)?;
        let Some(warn) = &self.criterion.warn else { return Ok(look) };
        let mut stricter = self.at_limit(warn, Severity::Prefer)?;
        stricter.finding.evidence.warn_limit = Some(stricter.goal.limit);
        if look.judgement != Judgement::Pass {
            let mut look = look;
            look.finding.evidence.warn_limit = Some(stricter.goal.limit);
            return Ok(look);
        }
        // Surely within the outer limit: what is not surely within the inner one, too, is at most a warning.
        if stricter.judgement == Judgement::Inconclusive {
            stricter.judgement = Judgement::Warn;
        }
        Ok(stricter)
    }

    fn at_limit(&self, bound: &Bound, severity: Severity) -> Result<Look, JudgeError> {
        let (mut finding, goal) = match self.criterion.options.every {
            Some(every) => stretches::examine(self, bound, every)?,
            None => self.once(bound)?,
        };
        self.too_few(&mut finding);
        counterfactual(&mut finding, &goal);
        let judgement = finding.standing.judgement(severity);
        Ok(Look { finding, goal, judgement })
    }

    /// One look at all of the place.
    fn once(&self, bound: &Bound) -> Result<(Finding, Goal), JudgeError> {
        let Expression { metric, .. } = &self.criterion.expression;
        let (finding, goal) = match &bound.reference {
            None => {
                let goal = self.goal(bound.offset);
                (families::examine(self.run, self.place, &goal, metric)?, goal)
            }
            Some(Reference::Measured { metric, place }) => reference::examine(self, bound, metric, place)?,
            Some(Reference::Baseline) => baseline::examine(self, bound)?,
        };
        Ok((self.trusted(self.place, finding, &goal), goal))
    }

    /// One look at a part of the place, compared with a plain limit.
    pub(crate) fn part(&self, place: &Place, goal: &Goal) -> Result<Finding, JudgeError> {
        let metric = &self.criterion.expression.metric;
        let finding = families::examine(self.run, place, goal, metric)?;
        Ok(self.trusted(place, finding, goal))
    }

    /// What the generator's own trouble may have caused is no miss. That the run was given up is no such trouble for
    /// the criterion that it was given up for.
    fn trusted(&self, place: &Place, mut finding: Finding, goal: &Goal) -> Finding {
        let beyond = finding.value.is_some_and(|value| goal.compare(value) == Standing::Missed);
        if self.criterion.options.abort && self.run.was_given_up() && beyond {
            if finding.standing == Standing::Undecided {
                finding.reason += "; loadgen gave the run up because a criterion could not be met any more";
            }
            finding.standing = Standing::Missed;
            return finding;
        }
        self.health.discount(self.run, place, &self.criterion.expression.metric, finding)
    }

    pub(crate) fn goal(&self, limit: f64) -> Goal {
        Goal::at(&self.criterion.expression, limit)
    }

    fn too_few(&self, finding: &mut Finding) {
        let least = self.criterion.options.min_samples;
        if finding.samples < least && finding.standing != Standing::Undecided {
            finding.standing = Standing::Undecided;
            finding.reason = format!(
                "{} of at least {} observations that the plan asks for; as far as they go, it {}",
                words::count(finding.samples),
                words::count(least),
                finding.reason
            );
        }
    }
}

/// The limit that these data would just have shown to be kept: what is missed or open says it.
fn counterfactual(finding: &mut Finding, goal: &Goal) {
    let Some(interval) = finding.interval.filter(|_| !finding.exempt && !finding.at_least) else { return };
    let end = if goal.wants_less() { interval.high } else { interval.low };
    if !end.is_finite() || goal.comparison == plimsoll_plan::Comparison::Equal {
        return;
    }
    finding.evidence.passes_at.get_or_insert(end);
    if finding.standing != Standing::Met {
        let excess = finding.evidence.excess.map_or_else(String::new, |excess| {
            format!(", {} {} too many", words::count(excess), if excess == 1 { "is" } else { "are" })
        });
        finding.reason += &format!("; passes at {}{excess}", goal.show(end));
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
