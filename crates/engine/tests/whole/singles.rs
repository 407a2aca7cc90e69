//! Single requests of whole runs: which of them are logged, and which are told as slow.

use std::num::NonZeroU32;
use std::sync::mpsc;
use std::time::Duration;

use crate::support::{closed, open, record, totals};
use plimsoll_engine::fake::{FakeServer, Reply, Script};
use plimsoll_engine::{Event, Run, StopHandle};
use plimsoll_plan::{Part, Plan, RequestLogging, Secret, Template};
use plimsoll_record::RunDir;
use plimsoll_record::failures::{FailureFact, Failures};
use plimsoll_record::files::FactFile;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::requests::{self, Kept, RequestLog};
use plimsoll_record::summary::Facts;
use plimsoll_record::traffic::SlowInterval;

fn server(replies: &[Reply]) -> FakeServer {
    FakeServer::start(Script { replies: replies.to_vec(), ..Script::default() }).unwrap()
}

/// Runs `plan`: what was told meanwhile, the record, and the request log.
fn run(plan: &Plan) -> (Vec<Event>, Facts, Option<RequestLog>) {
    let directory = tempfile::tempdir().unwrap();
    let run = RunDir::create_or_join(directory.path(), &plan.name, "test 1.0").unwrap();
    let (events, shown) = mpsc::sync_channel(1_000);
    Run::prepare(plan, &run, "test 1.0").unwrap().run(&StopHandle::new(), events).unwrap();
    let log = requests::read(directory.path()).unwrap();
    (shown.try_iter().collect(), Facts::load(directory.path()).unwrap(), log)
}

#[test]
fn a_log_of_bad_requests_holds_all_of_them_and_no_others() {
    let server = server(&[Reply::Status(200), Reply::Status(503), Reply::Status(429), Reply::HangUp]);
    let mut plan = closed(server.url(), 1, 40);
    plan.flows[0].steps[0].request_mut().unwrap().expect.limited = vec![429];
    plan.generator.requests = RequestLogging::Bad;
    let (_, facts, log) = run(&plan);
    let log = log.unwrap();
    assert_eq!((log.kept, log.partial), (Kept::Bad, false));
    let statuses: Vec<u16> = log.rows.iter().map(|row| row.status).collect();
    assert_eq!(statuses, [503, 0].repeat(10));
    assert!(log.rows.iter().all(|row| row.body_bytes == if row.status == 503 { 2 } else { 0 }), "{:?}", log.rows);
    assert_eq!(totals(&facts).ledger.failures(), 20);
}

#[test]
fn a_share_of_the_same_arrivals_is_the_same_again() {
    let server = server(&[]);
    let mut plan = open(server.url(), 1_000.0, Duration::from_millis(400), 4);
    plan.generator.requests = RequestLogging::Share(0.25);
    let arrivals = || {
        let (_, facts, log) = run(&plan);
        let start = facts.traffic.unwrap().header.body.start_ns.0;
        let mut arrivals: Vec<i64> = log.unwrap().rows.iter().map(|row| row.intended.0 - start).collect();
        arrivals.sort_unstable();
        arrivals
    };
    let first = arrivals();
    assert!((50..150).contains(&first.len()), "{} of 400", first.len());
    assert_eq!(arrivals(), first);
}

#[test]
fn bodies_of_failed_answers_are_kept_within_bounds_and_without_secrets() {
    let server = server(&[Reply::Status(200), Reply::Status(500)]);
    let mut plan = closed(server.url(), 1, 100);
    plan.generator.failed_bodies = NonZeroU32::new(100);
    // The server answers `ok`: here that is what nobody may see.
    let secret = Part::Environment { name: "KEY".to_owned(), value: Secret::new("ok".to_owned()) };
    plan.target.as_mut().unwrap().headers = vec![("x-key".to_owned(), Template { parts: vec![secret] })];
    let directory = tempfile::tempdir().unwrap();
    let run = RunDir::create_or_join(directory.path(), &plan.name, "test 1.0").unwrap();
    let (events, _shown) = mpsc::sync_channel(1);
    Run::prepare(&plan, &run, "test 1.0").unwrap().run(&StopHandle::new(), events).unwrap();
    let file = FactFile::<Failures>::read(directory.path()).unwrap().unwrap();
    assert_eq!(file.facts.last(), Some(&FailureFact::LeftOut { operation: 0, count: 30 }));
    let kept = file.facts.iter().filter_map(|fact| match fact {
        FailureFact::Failed(answer) => {
            Some((answer.status, answer.body.as_deref(), answer.body_bytes, answer.iteration))
        }
        FailureFact::LeftOut { .. } => None,
    });
    let kept: Vec<_> = kept.collect();
    let as_expected = |(status, body, bytes, iteration): &(u16, Option<&str>, u64, u32)| {
        (*status, *body, *bytes, iteration % 2) == (500, Some("***"), 2, 0)
    };
    // Usually the first twenty; on a busy machine the queue may have been full for a while.
    assert!(kept.len() == 20 && kept.iter().all(as_expected), "{kept:?}");
    assert!(kept.is_sorted_by_key(|(.., iteration)| *iteration), "{kept:?}");
}

#[test]
fn a_plan_without_a_log_leaves_none() {
    let server = server(&[]);
    let (_, _, log) = run(&closed(server.url(), 1, 5));
    assert!(log.is_none());
}

#[test]
fn slow_requests_are_told_as_they_happen_and_recorded_within_bounds() {
    let server = server(&[Reply::Silence]);
    let mut plan = closed(server.url(), 25, 50);
    plan.target.as_mut().unwrap().timeout = Duration::from_millis(150);
    plan.generator.slow = Some(Duration::from_millis(100));
    let (events, facts, _) = run(&plan);
    let slow: Vec<&SlowInterval> = facts.slow_intervals().collect();
    assert_eq!(facts.slow_requests(), 50);
    assert!(slow.iter().all(|interval| !interval.slowest.is_empty() && interval.slowest.len() <= SlowInterval::MOST));
    let told = events.iter().filter(|event| matches!(event, Event::Slow { .. })).count() as u64;
    let more = events.iter().map(|event| if let Event::MoreSlow { count, .. } = event { *count } else { 0 });
    assert!(told > 0 && told + more.sum::<u64>() == 50, "{told} told");
    let slowest = facts.slowest(5);
    assert!(slowest.len() == 5 && slowest.iter().all(|one| one.outcome == Some(Outcome::TimedOut) && one.at_least()));
    assert!(slowest.is_sorted_by(|a, b| a.response_ns >= b.response_ns), "{slowest:?}");
}

#[test]
fn where_nothing_was_slow_the_slowest_answers_are_known_all_the_same() {
    let server = server(&[]);
    let mut plan = closed(server.url(), 2, 20);
    plan.generator.slow = Some(Duration::from_secs(20));
    let (_, facts) = record(&plan);
    assert_eq!((facts.slow_requests(), facts.slowest(5).len()), (0, 1), "one interval, one operation");
}
