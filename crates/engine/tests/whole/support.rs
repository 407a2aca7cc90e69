//! What the tests of whole runs share: plans, and a run of one into a temporary record.

use std::num::NonZeroU32;
use std::sync::mpsc;
use std::time::Duration;

use plimsoll_engine::schedule::Share;
use plimsoll_engine::{Run, RunOutcome, StopHandle, quick_plan};
use plimsoll_plan::{Arrivals, Load, Phase, Plan, Rate, RateShape, ThinkTime};
use plimsoll_record::RunDir;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::summary::{Facts, Scope, Totals};
use url::Url;

/// Runs `plan` and reads its record back.
pub(crate) fn record(plan: &Plan) -> (RunOutcome, Facts) {
    record_with(plan, &StopHandle::new())
}

/// The same with a way to stop it.
pub(crate) fn record_with(plan: &Plan, stop: &StopHandle) -> (RunOutcome, Facts) {
    let directory = tempfile::tempdir().unwrap();
    let run = RunDir::create_or_join(directory.path(), &plan.name, "test 1.0").unwrap();
    let (events, _shown) = mpsc::sync_channel(1);
    let outcome = Run::prepare(plan, &run, "test 1.0").unwrap().run(stop, events).unwrap();
    (outcome, Facts::load(directory.path()).unwrap())
}

/// Runs one segment of `plan` and reads its record back.
pub(crate) fn record_segment(plan: &Plan, segment: Share) -> (RunOutcome, Facts) {
    let directory = tempfile::tempdir().unwrap();
    let run = RunDir::create_or_join(directory.path(), &plan.name, "test 1.0").unwrap();
    let (events, _shown) = mpsc::sync_channel(1);
    let prepared = Run::prepare_segment(plan, segment, &run, "test 1.0").unwrap();
    let outcome = prepared.run(&StopHandle::new(), events).unwrap();
    (outcome, Facts::load(directory.path()).unwrap())
}

/// Everything that happened in a run.
pub(crate) fn totals(facts: &Facts) -> Totals {
    facts.totals(&Scope::default())
}

/// How many arrivals ended in `outcome`.
pub(crate) fn count(facts: &Facts, outcome: Outcome) -> u64 {
    totals(facts).ledger.count(outcome)
}

/// `requests` requests by `users` closed users.
pub(crate) fn closed(url: &Url, users: u32, requests: u64) -> Plan {
    quick_plan(url, users, requests)
}

/// One open phase of evenly spaced arrivals.
pub(crate) fn open(url: &Url, per_second: f64, length: Duration, connections: u32) -> Plan {
    let mut plan = quick_plan(url, connections, 1);
    plan.phases = vec![open_phase("steady", per_second, length)];
    plan
}

/// An open phase of evenly spaced arrivals.
pub(crate) fn open_phase(name: &str, per_second: f64, length: Duration) -> Phase {
    let rate = RateShape::Constant(Rate::per_second(per_second).unwrap());
    let load = Load::Open { rate, arrivals: Arrivals::Uniform };
    Phase { name: name.to_owned(), start: None, duration: Some(length), load }
}

/// A closed phase without a limit on iterations.
pub(crate) fn closed_phase(name: &str, users: u32, think: Duration, length: Duration) -> Phase {
    let load = Load::Closed {
        users: NonZeroU32::new(users).unwrap(),
        spawn_rate: None,
        ramp_down: None,
        think: ThinkTime::Constant(think),
        pacing: None,
        iterations: None,
    };
    Phase { name: name.to_owned(), start: None, duration: Some(length), load }
}
