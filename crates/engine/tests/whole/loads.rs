//! Loads that overlap, that were recorded, that come and go: what they offer, and what their record says about it.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::support::{closed_phase, open, open_phase, record, totals};
use plimsoll_engine::fake::{FakeServer, Script};
use plimsoll_plan::{Iterations, Load, Phase, Recording, Replay};
use plimsoll_record::summary::{Facts, Scope};

const MS: Duration = Duration::from_millis(1);

fn server(service: Duration) -> FakeServer {
    FakeServer::start(Script { service, ..Script::default() }).unwrap()
}

fn scheduled(facts: &Facts, phase: u32) -> u64 {
    facts.totals(&Scope { phase: Some(phase), ..Scope::default() }).ledger.scheduled()
}

/// The windows of all phases in milliseconds from the start of the load.
fn windows(facts: &Facts) -> Vec<(i64, i64)> {
    let start = facts.traffic.as_ref().unwrap().header.body.start_ns.as_nanos();
    let ms = |at: plimsoll_record::Offset| (at.as_nanos() - start) / 1_000_000;
    facts.phase_windows().into_iter().map(|window| (ms(window.from), ms(window.to))).collect()
}

#[test]
fn phases_that_overlap_are_counted_apart_each_in_its_own_window() {
    let server = server(Duration::ZERO);
    let mut plan = open(server.url(), 100.0, 900 * MS, 8);
    plan.phases.push(Phase { start: Some(300 * MS), ..open_phase("burst", 300.0, 300 * MS) });
    plan.phases.push(Phase { start: Some(100 * MS), ..closed_phase("people", 3, 100 * MS, 400 * MS) });
    plan.phases.push(open_phase("after people", 50.0, 200 * MS));
    let (outcome, facts) = record(&plan);
    assert_eq!(windows(&facts), [(0, 900), (300, 600), (100, 500), (500, 700)]);
    assert_eq!([0, 1, 3].map(|phase| scheduled(&facts, phase)), [90, 90, 10]);
    let people = scheduled(&facts, 2);
    assert!((3..=12).contains(&people), "{people}");
    assert_eq!(outcome.answered, 190 + people);
    assert_eq!(server.requests(), 190 + people);
    assert_eq!(totals(&facts).ledger.scheduled(), 190 + people);
}

#[test]
fn a_load_that_ends_with_its_iterations_has_others_beside_it() {
    let server = server(20 * MS);
    let mut plan = open(server.url(), 100.0, 500 * MS, 8);
    let mut work = closed_phase("work", 2, Duration::ZERO, MS);
    let Load::Closed { iterations, .. } = &mut work.load else { unreachable!() };
    (*iterations, work.duration) = (NonZeroU32::new(5).map(Iterations::PerUser), None);
    plan.phases.insert(0, work);
    plan.phases[1].start = Some(Duration::ZERO);
    let (_, facts) = record(&plan);
    assert_eq!([0, 1].map(|phase| scheduled(&facts, phase)), [10, 50]);
    let planned: Vec<_> =
        facts.traffic.as_ref().unwrap().header.body.phases.iter().map(|p| p.planned_arrivals).collect();
    assert_eq!(planned, [Some(10), Some(50)]);
    // Five answers of 20 ms each, one after the other.
    let (from, to) = windows(&facts)[0];
    assert!(from == 0 && to >= 100, "{from} to {to}");
}

#[test]
fn recorded_arrivals_are_sent_as_they_came() {
    let server = server(Duration::ZERO);
    let mut plan = open(server.url(), 1.0, 400 * MS, 8);
    // 60 at once, then one every 10 ms, and one behind the end.
    let times: Vec<u64> = (0..60).map(|_| 0).chain((1..40).map(|n| n * 20_000_000)).chain([900_000_000]).collect();
    let recording = Recording::Times(times.into());
    plan.phases[0].load = Load::Replay(Replay { file: "access.log".to_owned(), speed: 2.0, recording });
    let (outcome, facts) = record(&plan);
    assert_eq!(outcome.answered, 99);
    assert_eq!(facts.traffic.as_ref().unwrap().header.body.phases[0].planned_arrivals, Some(99));
    assert_eq!(server.requests(), 99);
}

#[test]
fn a_plan_without_the_recorded_times_is_refused() {
    let server = server(Duration::ZERO);
    let mut plan = open(server.url(), 1.0, 400 * MS, 8);
    let replay = Replay { file: "access.log".to_owned(), speed: 1.0, recording: Recording::Count(9) };
    plan.phases[0].load = Load::Replay(replay);
    let directory = tempfile::tempdir().unwrap();
    let run = plimsoll_record::RunDir::create_or_join(directory.path(), "replay", "test 1.0").unwrap();
    let error = plimsoll_engine::Run::prepare(&plan, &run, "test 1.0").unwrap_err().to_string();
    assert!(error.contains("`steady` replays access.log") && error.contains("run the plan file"), "{error}");
}

#[test]
fn users_who_leave_one_by_one_offer_less_and_less() {
    let server = server(Duration::ZERO);
    let mut plan = open(server.url(), 1.0, MS, 20);
    let mut crowd = closed_phase("crowd", 20, 50 * MS, 1000 * MS);
    let Load::Closed { ramp_down, .. } = &mut crowd.load else { unreachable!() };
    *ramp_down = Some(1000 * MS);
    plan.phases = vec![crowd];
    plan.generator.interval = 500 * MS;
    let (outcome, facts) = record(&plan);
    // Without slowness of the machine: user i comes every 50 ms for (i + 1) * 50 ms.
    let most = (1..=20).sum::<u64>();
    assert!(outcome.answered <= most && outcome.answered >= 20, "{} of {most}", outcome.answered);
    let halves: Vec<u64> = facts.intervals(&Scope::default()).map(|row| row.ledger.scheduled()).collect();
    assert!(halves[0] > halves[1..].iter().sum(), "{halves:?}");
}
