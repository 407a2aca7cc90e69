//! Limits that refer to earlier runs: `p95 <= baseline * 1.10 + 5ms`.
//!
//! The unit is the run. Two runs of the same code differ by more than the requests of either let one expect, so many
//! requests make no proof: with several earlier runs, how much those differ says what is chance. With one, nothing
//! says it, so that the intervals of both runs are compared, and what they show is a warning unless it is gross.

use plimsoll_plan::{Bound, Metric};
use plimsoll_record::run::Machine;
use plimsoll_record::summary::Facts;
use plimsoll_record::verdict::Judgement;

use crate::criterion::Looker;
use crate::families;
use crate::goal::{Finding, Goal, Standing};
use crate::health::Health;
use crate::judge::JudgeError;
use crate::paired;
use crate::place::Place;
use crate::reference::{self, Known};
use crate::run::JudgedRun;
use crate::statistics::{Range, prediction_range};

/// With one earlier run, a miss counts as one only beyond this many times the tolerance.
const GROSS: f64 = 2.0;
const NONE: &str =
    "no earlier run was given to compare with; give one or more that passed: `verdict check DIR --baseline EARLIER`";

pub(crate) fn examine(looker: &Looker<'_, '_>, bound: &Bound) -> Result<(Finding, Goal), JudgeError> {
    let unknown = |reason: String| Ok((Finding::missing(reason).without_limit(), looker.goal(bound.offset)));
    if looker.run.baselines.is_empty() {
        return unknown(NONE.to_owned());
    }
    let earlier = match Earlier::of(looker)? {
        Ok(earlier) => earlier,
        Err(reason) => return unknown(reason),
    };
    let goal = looker.goal(bound.at(earlier.level));
    let mut finding = families::examine(looker.run, looker.place, &goal, &looker.criterion.expression.metric)?;
    let Some(value) = finding.value else { return Ok((finding, goal)) };
    match earlier.runs.as_slice() {
        [only] => against_one(looker, bound, &goal, only, &mut finding, value),
        _ => against_several(&goal, &earlier, &mut finding, value),
    }
    finding.reason += &format!("; {}", earlier.words(&goal));
    finding.evidence.limit_from = Some(earlier.words(&goal));
    if let Some(other) = earlier.other_environment.filter(|_| finding.standing != Standing::Undecided) {
        finding.standing = Standing::Undecided;
        finding.reason += &format!("; not comparable: {other}");
        finding.evidence.recommendation = Some("repeat the earlier run on this machine".to_owned());
    }
    Ok((finding, goal))
}

/// One earlier run, measured.
struct Measured<'r, 'a> {
    run: &'r JudgedRun<'a>,
    known: Known,
}

/// What earlier runs measured.
struct Earlier<'r, 'a> {
    runs: Vec<Measured<'r, 'a>>,
    /// Their mean, on the scale of the logarithm where that is possible.
    level: f64,
    /// Where another run of the same code would lie; `None` with one run.
    range: Option<Range>,
    other_environment: Option<String>,
}

impl<'r, 'a> Earlier<'r, 'a> {
    fn of(looker: &Looker<'r, 'a>) -> Result<Result<Self, String>, JudgeError> {
        let (named, metric) = (&looker.criterion.scope, &looker.criterion.expression.metric);
        let (mut runs, mut troubles, mut other_environment) = (Vec::new(), Vec::new(), None);
        for run in &looker.run.baselines {
            let id = &run.facts.run.info().id;
            if let Some(trouble) = untrusted(looker, run) {
                troubles.push(format!("{id}: {trouble}"));
                continue;
            }
            match reference::measure(run, named, metric)? {
                Err(reason) => troubles.push(format!("{id}: {reason}")),
                Ok(known) => {
                    let differs = differs(&looker.run.facts.run.info().machine, &run.facts.run.info().machine);
                    other_environment = other_environment.or(differs.map(|what| format!("{id} {what}")));
                    runs.push(Measured { run, known });
                }
            }
        }
        if runs.is_empty() {
            return Ok(Err(format!("no earlier run can be compared with: {}", troubles.join("; "))));
        }
        let values: Vec<f64> = runs.iter().map(|run| run.known.value).collect();
        let (level, range) = prediction_range(&values);
        Ok(Ok(Self { runs, level, range, other_environment }))
    }

    fn words(&self, goal: &Goal) -> String {
        let level = goal.show(self.level);
        match self.range {
            None => format!("the baseline is {level}"),
            Some(range) => {
                let runs = self.runs.len();
                format!(
                    "the baseline is {level} over {runs} runs, another like them would lie in {}",
                    goal.show_range(range)
                )
            }
        }
    }
}

/// Why an earlier run is nothing to compare with.
fn untrusted(looker: &Looker<'_, '_>, earlier: &JudgedRun<'_>) -> Option<String> {
    let scope = &looker.criterion.scope;
    let of = |run: &JudgedRun<'_>| -> Vec<_> {
        run.plan.phases.iter().filter(|phase| scope.covers(&phase.name)).cloned().collect()
    };
    if of(earlier) != of(looker.run) {
        return Some("it had another load".to_owned());
    }
    let health = Health::examine(earlier, std::slice::from_ref(looker.criterion));
    (health.judgement() != Judgement::Pass).then(|| health.reason())
}

/// What two machines have in common decides what a comparison of times is worth.
fn differs(now: &Machine, then: &Machine) -> Option<String> {
    let pairs = [
        ("platform", now.platform.clone(), then.platform.clone()),
        ("number of cores", now.cores.to_string(), then.cores.to_string()),
        ("CPU", now.cpu.clone(), then.cpu.clone()),
    ];
    let other = pairs.into_iter().find(|(_, now, then)| now != then)?;
    Some(format!("had another {}: {}, now {}", other.0, other.2, other.1))
}

/// A regression lies beyond the tolerance and beyond what runs of the same code differ by.
fn against_several(goal: &Goal, earlier: &Earlier<'_, '_>, finding: &mut Finding, value: f64) {
    let beyond_noise = earlier.range.is_some_and(|range| match goal.wants_less() {
        true => value > range.high,
        false => value < range.low,
    });
    let beyond_limit = goal.compare(value) == Standing::Missed;
    finding.standing = match (beyond_limit, beyond_noise) {
        (true, true) => Standing::Missed,
        (true, false) => {
            finding.reason += "; beyond the limit, but no further than earlier runs differ from one another";
            finding.evidence.recommendation = Some("give more earlier runs, or repeat this one".to_owned());
            Standing::Undecided
        }
        (false, _) if finding.standing == Standing::Met => Standing::Met,
        (false, _) => Standing::Undecided,
    };
}

/// Two runs alone do not tell what is chance: what their intervals show is a warning unless it is gross.
fn against_one(
    looker: &Looker<'_, '_>,
    bound: &Bound,
    goal: &Goal,
    earlier: &Measured<'_, '_>,
    finding: &mut Finding,
    value: f64,
) {
    let mine = Known::of(finding, value);
    let place = Place::of(earlier.run, &looker.criterion.scope);
    let sides = (looker.run, looker.place, earlier.run, &place);
    let metric: &Metric = &looker.criterion.expression.metric;
    let apart = |bound: &Bound| {
        let resampled = paired::difference(sides, metric, bound.factor);
        let shifted = resampled.map(|r| Range { low: r.low - bound.offset, high: r.high - bound.offset });
        shifted.unwrap_or_else(|| reference::apart(mine, earlier.known, bound))
    };
    let tolerance = goal.limit - earlier.known.value;
    let tolerant = if goal.wants_less() { tolerance > 0.0 } else { tolerance < 0.0 };
    let gross = Bound { factor: 1.0, offset: GROSS * tolerance, ..bound.clone() };
    finding.standing = match reference::compare_apart(goal, apart(bound)) {
        Standing::Missed if tolerant && reference::compare_apart(goal, apart(&gross)) == Standing::Missed => {
            finding.reason += "; beyond twice the tolerance";
            Standing::Missed
        }
        Standing::Missed => {
            finding.reason += "; worse, but with one earlier run that may be chance";
            finding.evidence.recommendation = Some("compare with three earlier runs or more".to_owned());
            Standing::Doubtful
        }
        Standing::Met if finding.standing == Standing::Met => Standing::Met,
        _ => {
            finding.reason += "; the two runs are not known well enough to decide";
            Standing::Undecided
        }
    };
}

/// A run to compare with: what was recorded, and by which plan.
#[derive(Clone, Copy, Debug)]
pub struct Baseline<'a> {
    /// What was recorded.
    pub facts: &'a Facts,
    /// The plan of that run.
    pub plan: &'a plimsoll_plan::Plan,
}
