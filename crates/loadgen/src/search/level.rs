//! One level of a search: the plan with a single phase at one rate, its record, and what the criteria say to it.

use std::time::Duration;

use plimsoll_plan::{Arrivals, Criterion, Expression, Load, Metric, Phase, Plan, Rate, RateShape};
use plimsoll_record::summary::{Facts, Scope, Totals};
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{Judgement, Verdict};

use super::hunt::Found;

/// Less than this share of what was offered came back well within the phase: the service is past its capacity.
const LEAST_GOODPUT: f64 = 0.98;

/// What is searched for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Goal {
    /// The lowest rate at which a requirement of the plan is missed.
    Breaks,
    /// The lowest rate at which this criterion is met.
    Until(Box<Criterion>),
}

/// What one level showed.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) rate: f64,
    pub(crate) found: Found,
    /// Why, in a sentence.
    pub(crate) reason: String,
    pub(crate) totals: Totals,
}

/// The plan with only `phase`, at `rate` for `hold`, and with the criteria that decide here.
pub(crate) fn plan_at(plan: &Plan, phase: &str, rate: Rate, hold: Duration, goal: &Goal) -> Plan {
    let mut level = plan.clone();
    let arrivals = match plan.phases.iter().find(|other| other.name == phase).map(|phase| &phase.load) {
        Some(Load::Open { arrivals, .. }) => *arrivals,
        _ => Arrivals::Uniform,
    };
    let load = Load::Open { rate: RateShape::Constant(rate), arrivals };
    level.phases = vec![Phase { name: phase.to_owned(), start: None, duration: Some(hold), load }];
    level.criteria = match goal {
        Goal::Until(criterion) => vec![(**criterion).clone()],
        Goal::Breaks => deciding(plan, phase).cloned().collect(),
    };
    level
}

/// The criteria of a plan that traffic alone decides, in this phase or in the whole run.
pub(crate) fn deciding<'a>(plan: &'a Plan, phase: &'a str) -> impl Iterator<Item = &'a Criterion> {
    let of_phase = move |criterion: &&Criterion| criterion.scope.covers(phase);
    plan.criteria.iter().filter(of_phase).filter(|criterion| decides_alone(&criterion.expression))
}

/// True for what one phase at one rate, and nothing else, decides.
fn decides_alone(expression: &Expression) -> bool {
    let Expression { metric, limit, .. } = expression;
    let whole_plan = matches!(metric, Metric::RecoveryTime { .. } | Metric::Knee(_) | Metric::Drift(_));
    !needs_memwatch(metric) && !whole_plan && limit.known().is_some()
}

fn needs_memwatch(metric: &Metric) -> bool {
    matches!(metric, Metric::Series { .. } | Metric::Fragmentation | Metric::Log { .. } | Metric::Integrity(_))
}

impl Level {
    /// Reads off a judged level what it showed.
    pub(crate) fn read(rate: f64, facts: &Facts, verdict: &Verdict, goal: &Goal) -> Self {
        let totals = facts.totals(&Scope { phase: Some(0), ..Scope::default() });
        let (found, reason) = match goal {
            Goal::Breaks => breaks(facts, verdict),
            Goal::Until(_) => reached(verdict),
        };
        Self { rate, found, reason, totals }
    }
}

fn breaks(facts: &Facts, verdict: &Verdict) -> (Found, String) {
    let missed = verdict.criteria.iter().find(|criterion| criterion.judgement == Judgement::Fail);
    if let Some(missed) = missed {
        return (Found::Above, format!("{}: {}", missed.expression, first_part(&missed.reason)));
    }
    let health = &verdict.generator;
    // Arrivals that waited for a slow service until the end are its doing, unless the generator itself was late.
    let goodput = goodput(facts).filter(|_| health.contaminated.is_empty());
    if let Some(share) = goodput.filter(|share| *share < LEAST_GOODPUT) {
        let share = Unit::Share.show(share);
        return (Found::Above, format!("only {share} of what was offered was answered before the phase ended"));
    }
    if health.judgement == Judgement::Pass {
        (Found::Below, undecided(verdict))
    } else {
        (Found::Unknown, health.reason.clone())
    }
}

fn undecided(verdict: &Verdict) -> String {
    let open = verdict.criteria.iter().filter(|criterion| criterion.judgement == Judgement::Inconclusive).count();
    match open {
        0 => "holds".to_owned(),
        1 => "holds, with one criterion undecided: hold each rate longer".to_owned(),
        n => format!("holds, with {n} criteria undecided: hold each rate longer"),
    }
}

fn reached(verdict: &Verdict) -> (Found, String) {
    if verdict.generator.judgement != Judgement::Pass {
        return (Found::Unknown, verdict.generator.reason.clone());
    }
    let Some(result) = verdict.criteria.first() else { return (Found::Unknown, verdict.sentence.clone()) };
    let found = if matches!(result.judgement, Judgement::Pass) { Found::Above } else { Found::Below };
    (found, first_part(&result.reason).to_owned())
}

/// A reason without its details; they can be had from the level's own record.
fn first_part(reason: &str) -> &str {
    reason.split([';', ':']).next().unwrap_or(reason)
}

/// What was answered as planned (limited counts) within the phase, as a share of what was offered in it. Requests that
/// are rightly under way when it ends, rate times service time of them (Little's law), count as answered.
fn goodput(facts: &Facts) -> Option<f64> {
    let window = facts.phase_windows().first().copied()?;
    let mut within = Totals { seconds: window.seconds(), ..Totals::default() };
    for interval in facts.intervals(&Scope { window: Some(window), ..Scope::default() }) {
        within.ledger.merge(&interval.ledger);
        within.served.merge(&interval.served);
    }
    let offered = within.ledger.scheduled() as f64;
    let service_s = within.service(0.95).map_or(0.0, |percentile| percentile.nanos as f64 / 1e9);
    let under_way = (within.offered().unwrap_or(0.0) * service_s).ceil();
    let good = (within.ledger.finished() - within.ledger.failures()) as f64;
    (offered > 0.0).then(|| ((good + under_way) / offered).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_plan::{SourceText, parse};

    const PLAN: &str = r#"
        name = "search"
        target = { url = "http://127.0.0.1:1" }
        phases = [
            { name = "warm-up", duration = "5s", rate = "1/s" },
            { name = "steady", duration = "5s", rate = "5/s", arrivals = "poisson" },
        ]
        flows.home.steps = [{ name = "home", get = "/" }]
        watch = { redis = "redis://127.0.0.1:1" }
        [criteria]
        phase = "steady"
        require = ["p95 < 100ms", "slope(redis.used_memory) < 1MB/min"]
        [criteria.early]
        phase = "warm-up"
        require = "error_rate < 1%"
        [criteria.all]
        phase = "*"
        require = "error_rate < 2%"
    "#;

    fn plan() -> Plan {
        let source = SourceText { name: "search.toml".to_owned(), text: PLAN.to_owned() };
        parse(&source, &[], &plimsoll_plan::Surroundings::NONE).unwrap()
    }

    #[test]
    fn a_level_is_one_phase_at_one_rate_with_the_criteria_that_traffic_decides() {
        let rate = Rate::per_second(70.0).unwrap();
        let level = plan_at(&plan(), "steady", rate, Duration::from_secs(9), &Goal::Breaks);
        let load = Load::Open { rate: RateShape::Constant(rate), arrivals: Arrivals::Poisson };
        assert_eq!(
            level.phases,
            [Phase { name: "steady".to_owned(), start: None, duration: Some(Duration::from_secs(9)), load }]
        );
        let kept: Vec<&str> = level.criteria.iter().map(|criterion| criterion.text.as_str()).collect();
        assert_eq!(kept, ["p95 < 100ms", "error_rate < 2%"]);
    }

    #[test]
    fn a_criterion_to_be_met_is_the_only_one() {
        let criterion = plan().criteria[0].clone();
        let goal = Goal::Until(Box::new(criterion.clone()));
        let level = plan_at(&plan(), "steady", Rate::per_second(1.0).unwrap(), Duration::from_secs(1), &goal);
        assert_eq!(level.criteria, [criterion]);
    }
}
