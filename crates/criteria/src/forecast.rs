//! Before a run: how many iterations and requests each phase of a plan will make, and which criteria that decides.
//!
//! Arrivals of open phases are handed in by whoever has counted them, or are those to be expected ([`planned`]). Users of
//! closed phases wait for their answers, so what they do is an estimate: it takes an assumed time to answer.

mod amount;
mod planned;

use std::time::Duration;

use plimsoll_plan::{Action, Criterion, Flow, Load, Phase, Plan, Scope, Session, SessionLength, Step, ThinkTime};

use crate::outlook::{Outlook, Supply, outlook};

pub use amount::Amount;
pub use planned::{PlannedPhase, planned};

/// What the phases of a plan will make.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// Phase by phase, in the plan's order.
    pub phases: Vec<PhaseForecast>,
    /// Whether any of it rests on the assumed time of answers.
    pub is_estimate: bool,
}

/// What one phase will make.
#[derive(Clone, Debug)]
pub struct PhaseForecast {
    /// Its name.
    pub name: String,
    /// Where it stands on the time axis.
    pub planned: PlannedPhase,
    /// Users at once, in closed phases.
    pub users: Option<u64>,
    /// How often users go through a flow.
    pub iterations: Amount,
    /// By operation, if nothing fails.
    pub requests: Vec<Amount>,
}

impl Forecast {
    /// What a plan will make of its `planned` phases; `part` is how many of so many users or arrivals there are in this
    /// segment of the load, and `answer` how long an answer is taken to be.
    #[must_use]
    pub fn of(plan: &Plan, planned: Vec<PlannedPhase>, part: &dyn Fn(u64) -> u64, answer: Duration) -> Self {
        let each = per_iteration(plan);
        let phases = plan.phases.iter().zip(planned).map(|(phase, planned)| {
            let users = users(phase, part);
            let iterations = match (users, planned.arrivals) {
                (None, arrivals) => Amount::exactly(arrivals.unwrap_or(0) as f64),
                (Some(users), quota) => closed(plan, phase, planned.length, users, quota, answer),
            };
            let requests = each.iter().map(|amount| iterations.times(*amount)).collect();
            PhaseForecast { name: phase.name.clone(), planned, users, iterations, requests }
        });
        let phases: Vec<PhaseForecast> = phases.collect();
        let estimated =
            |phase: &PhaseForecast| phase.users.is_some() && phase.iterations.least != phase.iterations.most;
        Self { is_estimate: phases.iter().any(estimated), phases }
    }

    /// Each criterion of the plan with what is to be expected of it.
    #[must_use]
    pub fn outlooks<'p>(&self, plan: &'p Plan) -> Vec<(&'p Criterion, Outlook)> {
        let operations = plan.operations();
        let every = plan.watch.as_ref().map_or(Duration::from_secs(1), |watch| watch.every);
        let of = |criterion: &'p Criterion| {
            let scope = &criterion.scope;
            let endpoint = scope.endpoint.as_deref();
            let endpoint = endpoint.and_then(|name| operations.iter().position(|operation| operation == name));
            let requests = self.requests(scope, endpoint);
            let supply = Supply {
                requests: requests.expected,
                bounds: (requests.least, requests.finite_most()),
                window: self.length(scope),
                every,
            };
            (criterion, outlook(criterion, &supply))
        };
        plan.criteria.iter().map(of).collect()
    }

    /// Requests in the phases of a scope of an operation (all of them).
    #[must_use]
    pub fn requests(&self, scope: &Scope, operation: Option<usize>) -> Amount {
        let phases = self.phases.iter().filter(|one| scope.covers(&one.name));
        let counts = phases.flat_map(|one| one.requests.iter().enumerate());
        let wanted = counts.filter(|(index, _)| operation.is_none_or(|wanted| wanted == *index));
        let all = wanted.map(|(_, amount)| *amount).fold(Amount::NONE, Amount::plus);
        // As if arrivals were spread evenly: good enough to tell too few from enough.
        let part = self.whole(scope).zip(self.length(scope)).filter(|(whole, _)| !whole.is_zero());
        part.map_or(all, |(whole, part)| all.scaled(part.as_secs_f64() / whole.as_secs_f64()))
    }

    /// How long what a scope covers lasts.
    #[must_use]
    pub fn length(&self, scope: &Scope) -> Option<Duration> {
        let whole = self.whole(scope)?;
        let from = scope.from.unwrap_or_default().min(whole);
        Some(scope.to.map_or(whole, |to| to.min(whole)).saturating_sub(from))
    }

    /// From the start of a scope's first phase to the end of its last.
    fn whole(&self, scope: &Scope) -> Option<Duration> {
        let phases = || self.phases.iter().filter(|one| scope.covers(&one.name));
        let start =
            if scope.phases.is_empty() { Duration::ZERO } else { phases().map(|one| one.planned.start).min()? };
        let end = phases().map(|one| Some(one.planned.start + one.planned.length?)).max()??;
        Some(end.saturating_sub(start))
    }
}

fn users(phase: &Phase, part: &dyn Fn(u64) -> u64) -> Option<u64> {
    if let Load::Closed { users, .. } = &phase.load { Some(part(u64::from(users.get()))) } else { None }
}

/// Each operation in one iteration, by the weights of the flows.
fn per_iteration(plan: &Plan) -> Vec<Amount> {
    let mut list = Vec::new();
    for (flow, share) in plan.flows.iter().zip(shares(plan)) {
        collect(&flow.steps, Amount::exactly(share), &mut list);
    }
    list
}

/// The shares of the flows.
#[must_use]
pub fn shares(plan: &Plan) -> Vec<f64> {
    let all: f64 = plan.flows.iter().map(|flow| flow.weight).sum();
    plan.flows.iter().map(|flow| flow.weight / all).collect()
}

/// Adds the operations of steps, in the order of [`Plan::operation_list`].
fn collect(steps: &[Step], times: Amount, list: &mut Vec<Amount>) {
    for step in steps {
        let times = if step.when.is_some() { Amount { least: 0.0, ..times } } else { times };
        match &step.action {
            Action::Request(request) => match &request.poll {
                None => list.push(times),
                Some(poll) => {
                    let tries = 1.0 + (poll.timeout.as_secs_f64() / poll.every.as_secs_f64().max(1e-3)).floor();
                    list.push(Amount { most: times.most * tries, ..times });
                    list.push(times);
                }
            },
            Action::Think(_) | Action::Set(_) => {}
            Action::Repeat { times: turns, steps } => {
                let turns = Amount::between(turns.min.into(), turns.max.get().into());
                collect(steps, times.times(turns), list);
            }
            Action::While { limit, steps, .. } => {
                let turns = Amount { least: 0.0, expected: 1.0, most: limit.get().into() };
                collect(steps, times.times(turns), list);
            }
            Action::Copies { count, steps } => collect(steps, times.scaled(count.get().into()), list),
            Action::Branches(branches) => branches.iter().for_each(|branch| collect(branch, times, list)),
            Action::Choose(choices) => {
                let all: f64 = choices.iter().map(|choice| choice.weight).sum();
                choices.iter().for_each(|choice| collect(&choice.steps, times.scaled(choice.weight / all), list));
            }
        }
    }
}

/// The iterations of a closed phase.
fn closed(
    plan: &Plan,
    phase: &Phase,
    length: Option<Duration>,
    users: u64,
    quota: Option<u64>,
    answer: Duration,
) -> Amount {
    let quota = quota.map_or(f64::INFINITY, |quota| quota as f64);
    let Some(length) = length else { return Amount::exactly(quota) };
    let expected = iterations(plan, phase, length, users, answer.as_secs_f64());
    // An answer takes no less than no time.
    let most = iterations(plan, phase, length, users, 0.0);
    let sessions = match plan.users.session {
        Some(Session { length: SessionLength::Iterations(each), replace: false }) => users as f64 * each.get() as f64,
        _ => f64::INFINITY,
    };
    Amount { least: expected, expected, most }.at_most(quota.min(sessions))
}

/// Each user begins at least one, and another one after each.
fn iterations(plan: &Plan, phase: &Phase, length: Duration, users: u64, answer: f64) -> f64 {
    let Load::Closed { spawn_rate, ramp_down, .. } = &phase.load else { return 0.0 };
    let each: f64 =
        plan.flows.iter().zip(shares(plan)).map(|(flow, share)| share * seconds(flow, &phase.load, answer)).sum();
    if each <= 0.0 {
        return f64::INFINITY;
    }
    let apart = spawn_rate.map_or(0.0, |rate| 1.0 / rate.as_per_second().max(f64::MIN_POSITIVE));
    let ramp = ramp_down.map_or(0.0, |ramp| ramp.as_secs_f64());
    let stay = |user: u64| {
        let left_before_end = ramp * (users - 1 - user) as f64 / users as f64;
        length.as_secs_f64() - user as f64 * apart - left_before_end
    };
    (0..users).map(stay).take_while(|stay| *stay > 0.0).map(|stay| (stay / each).max(1.0)).sum()
}

/// How long an iteration takes on average, when every answer takes `answer` seconds.
fn seconds(flow: &Flow, load: &Load, answer: f64) -> f64 {
    let Load::Closed { think, pacing, .. } = load else { return 0.0 };
    let pause = mean(*think);
    match flow.pacing.or(*pacing) {
        Some(pacing) => f64::max(pacing.as_secs_f64(), time(&flow.steps, answer + pause) - pause),
        None => time(&flow.steps, answer + pause),
    }
}

/// Time of a list of steps, when each request takes `each` with its pause.
fn time(steps: &[Step], each: f64) -> f64 {
    let of = |step: &Step| match &step.action {
        Action::Request(_) => each,
        Action::Think(think) => mean(*think),
        Action::Set(_) => 0.0,
        Action::Repeat { times, steps } => f64::midpoint(times.min.into(), times.max.get().into()) * time(steps, each),
        Action::While { steps, .. } | Action::Copies { steps, .. } => time(steps, each),
        Action::Branches(branches) => branches.iter().map(|branch| time(branch, each)).fold(0.0, f64::max),
        Action::Choose(choices) => {
            let all: f64 = choices.iter().map(|choice| choice.weight).sum();
            choices.iter().map(|choice| choice.weight / all * time(&choice.steps, each)).sum()
        }
    };
    steps.iter().map(of).sum()
}

/// The mean of a think time, in seconds. What a normal distribution loses at zero is not counted.
fn mean(think: ThinkTime) -> f64 {
    match think {
        ThinkTime::None => 0.0,
        ThinkTime::Constant(pause) => pause.as_secs_f64(),
        ThinkTime::Uniform { min, max } => f64::midpoint(min.as_secs_f64(), max.as_secs_f64()),
        ThinkTime::Normal { mean, .. } | ThinkTime::Exponential { mean } => mean.as_secs_f64(),
        ThinkTime::LogNormal { median, p95 } => {
            let sigma = (p95.as_secs_f64() / median.as_secs_f64()).ln() / 1.6449;
            median.as_secs_f64() * (sigma * sigma / 2.0).exp()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_plan::{SourceText, Surroundings};

    fn forecast(phase: &str, flows: &str) -> Forecast {
        let text = format!(
            "schema = 1\nname = \"p\"\n[target]\nurl = \"http://h\"\n[[phases]]\nname = \"a\"\n{phase}\n{flows}\n"
        );
        let source = SourceText { name: "test".to_owned(), text };
        let plan = plimsoll_plan::parse(&source, &[], &Surroundings::NONE).unwrap();
        Forecast::of(&plan, planned(&plan), &|all| all, Duration::from_millis(100))
    }

    const PLAIN: &str = "[flows.f]\nsteps = [{ name = \"s\", get = \"/\" }]";

    #[test]
    fn open_phases_are_counted_exactly() {
        let made = forecast("duration = \"3m\"\nrate = \"18/s\"", PLAIN);
        assert_eq!(made.phases[0].iterations, Amount::exactly(3_240.0));
        assert!(!made.is_estimate);
    }

    #[test]
    fn users_are_estimated_from_their_pauses_and_the_assumed_answer() {
        let thinking = forecast("duration = \"100s\"\nusers = 10\nthink = \"1s..3s\"", PLAIN);
        let iterations = thinking.phases[0].iterations;
        assert!((iterations.expected - 10.0 * 100.0 / 2.1).abs() < 1e-6 && iterations.most == 500.0, "{iterations:?}");
        assert!(thinking.is_estimate);
        let paced = forecast("duration = \"100s\"\nusers = 10\nthink = \"0s\"\npacing = \"5s\"", PLAIN);
        assert_eq!(paced.phases[0].iterations, Amount::exactly(200.0), "answers of 100 ms fit into 5 s");
        let busy = forecast("duration = \"1s\"\nusers = 2", PLAIN).phases[0].iterations;
        assert!((busy.expected - 20.0).abs() < 1e-6 && busy.most.is_infinite(), "{busy:?}");
        let quota = forecast("users = 2\niterations = { per_user = 7 }", PLAIN);
        assert_eq!(quota.phases[0].iterations, Amount::exactly(14.0));
    }

    #[test]
    fn users_who_come_and_go_one_by_one_do_less() {
        let all = forecast("duration = \"100s\"\nusers = 10\nthink = \"1s\"", PLAIN).phases[0].iterations.expected;
        let slow = "duration = \"100s\"\nusers = 10\nthink = \"1s\"\nspawn_rate = \"1/s\"\nramp_down = \"50s\"";
        let fewer = forecast(slow, PLAIN).phases[0].iterations.expected;
        assert!((all / fewer - 100.0 / (100.0 - 4.5 - 22.5)).abs() < 1e-6, "{all} {fewer}");
    }

    #[test]
    fn loops_polls_and_choices_count_by_expectation_with_their_bounds() {
        let flows = r#"
[flows.a]
weight = 3
steps = [
  { name = "log-in", when = "not {token} exists", post = "/login", capture = { token = "$.t" } },
  { repeat = "1..3", steps = [{ name = "list", get = "/" }] },
  { choose = [{ weight = 3, steps = [{ name = "buy", post = "/buy" }] }, { steps = [] }] },
]
[flows.b]
steps = [
  { name = "wait", get = "/task", poll = { until = "status == 200", every = "1s", timeout = "4s" } },
  { parallel = 4, steps = [{ name = "part", get = "/part" }] },
  { while = "{turn} < 3", limit = 5, steps = [{ name = "more", get = "/more" }] },
]"#;
        let made = forecast("duration = \"10s\"\nrate = \"40/s\"", flows);
        let amount = |least, expected, most| Amount { least, expected, most };
        let expected = [
            amount(0.0, 300.0, 300.0),
            amount(300.0, 600.0, 900.0),
            Amount::exactly(225.0),
            amount(100.0, 100.0, 500.0),
            Amount::exactly(100.0),
            Amount::exactly(400.0),
            amount(0.0, 100.0, 500.0),
        ];
        assert_eq!(made.phases[0].requests, expected);
        assert_eq!(made.requests(&Scope { phases: vec!["a".to_owned()], ..Scope::default() }, Some(1)), expected[1]);
        assert_eq!(made.requests(&Scope::default(), None).expected, 1_825.0);
    }
}
