//! Every way a request can end is told apart, and the books balance whatever happens.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::support::{closed, closed_phase, count, open, open_phase, record, record_segment, record_with, totals};
use plimsoll_engine::fake::{FakeServer, Reply, Script};
use plimsoll_engine::schedule::Share;
use plimsoll_engine::{HealthError, StopHandle, health_check};
use plimsoll_plan::{Expect, Flow, HealthCheck, Method, Precision, RequestLogging};
use plimsoll_record::files::EndReason;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::summary::Scope;
use plimsoll_record::traffic::SegmentFact;

fn server(replies: &[Reply]) -> FakeServer {
    FakeServer::start(Script { replies: replies.to_vec(), ..Script::default() }).unwrap()
}

/// Ten requests by one user, all answered with `reply`.
#[track_caller]
fn check_all(reply: Reply, expected: Outcome) {
    let server = server(&[reply]);
    let (outcome, facts) = record(&closed(server.url(), 1, 10));
    assert_eq!(count(&facts, expected), 10, "{:?}", totals(&facts).ledger);
    assert_eq!(outcome.reason, EndReason::Completed);
    assert_eq!(server.requests(), 10, "nothing that was written is sent again");
}

#[test]
fn a_status_outside_the_expected_ones_is_no_success() {
    check_all(Reply::Status(200), Outcome::Ok);
    check_all(Reply::Status(503), Outcome::UnexpectedStatus);
}

#[test]
fn a_connection_closed_early_is_closed() {
    check_all(Reply::CutOff, Outcome::Closed);
    check_all(Reply::HangUp, Outcome::Closed);
}

#[test]
fn an_answer_that_is_not_http_is_a_protocol_error() {
    check_all(Reply::Garbage, Outcome::Protocol);
}

#[test]
fn a_server_that_closes_after_each_answer_is_reached_anew() {
    check_all(Reply::LastOne, Outcome::Ok);
}

#[test]
fn a_head_request_has_no_body() {
    let server = server(&[]);
    let mut plan = closed(server.url(), 1, 5);
    plan.flows[0].steps[0].request_mut().unwrap().method = Method::Head;
    plan.target.as_mut().unwrap().timeout = Duration::from_secs(2);
    // The scripted server sends its two bytes of body all the same, and so breaks the next answer.
    let (_, facts) = record(&plan);
    assert!(count(&facts, Outcome::Ok) >= 1, "{:?}", totals(&facts).ledger);
    assert_eq!(totals(&facts).body_bytes, 0);
}

#[test]
fn a_server_that_never_answers_times_out_and_the_percentile_is_a_bound() {
    let server = server(&[Reply::Silence]);
    let mut plan = closed(server.url(), 2, 4);
    plan.target.as_mut().unwrap().timeout = Duration::from_millis(100);
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::TimedOut), 4);
    assert!(totals(&facts).response(0.5).unwrap().at_least);
}

#[test]
fn what_never_ended_was_waited_for_until_the_run_did() {
    let server = server(&[Reply::Silence]);
    // Four are under way when it ends, all others wait for a connection.
    let mut plan = open(server.url(), 100.0, Duration::from_millis(300), 4);
    plan.generator.drain = Duration::from_millis(50);
    let (outcome, facts) = record(&plan);
    let all = totals(&facts);
    assert_eq!((outcome.scheduled, count(&facts, Outcome::Unfinished)), (30, 30));
    assert_eq!((all.censored.response.count(), all.censored.service.count()), (30, 30));
    let median = all.response(0.5).unwrap();
    assert!(median.at_least && median.nanos >= 150_000_000, "{median:?}");
    // Of those that were sent, the run knows how long they were served; of the others, nothing.
    assert!(all.service(1.0).is_some_and(|most| most.nanos >= 300_000_000));
    assert!(all.service(0.5).is_some_and(|most| most.nanos <= 1_000_000));
}

#[test]
fn a_step_has_a_patience_of_its_own() {
    let script = Script { service: Duration::from_millis(300), ..Script::default() };
    let server = FakeServer::start(script).unwrap();
    let mut plan = closed(server.url(), 1, 2);
    plan.target.as_mut().unwrap().timeout = Duration::from_millis(50);
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::TimedOut), 2);
    plan.flows[0].steps[0].request_mut().unwrap().timeout = Some(Duration::from_secs(60));
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::Ok), 2);
}

#[test]
fn nobody_listening_is_refused() {
    let url = server(&[]).url().clone();
    let (_, facts) = record(&closed(&url, 2, 20));
    assert_eq!(count(&facts, Outcome::Refused), 20);
}

#[test]
fn an_answer_of_the_limiter_is_counted_apart() {
    let server = server(&[Reply::Status(200), Reply::Status(429), Reply::Status(429)]);
    let mut plan = closed(server.url(), 3, 30);
    let expect = Expect { status: vec![200], limited: vec![429], ..Expect::default() };
    plan.flows[0].steps[0].request_mut().unwrap().expect = expect;
    let (_, facts) = record(&plan);
    let all = totals(&facts);
    assert_eq!((count(&facts, Outcome::Ok), count(&facts, Outcome::Limited)), (10, 20));
    assert_eq!((all.served.response.count(), all.limited.response.count()), (10, 20));
    assert_eq!(all.statuses[&429], 20);
}

#[test]
fn the_request_log_has_one_row_per_arrival() {
    let server = server(&[]);
    let mut plan = open(server.url(), 200.0, Duration::from_millis(500), 4);
    plan.generator.requests = RequestLogging::All;
    plan.users.count = std::num::NonZeroU64::new(7).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let run = plimsoll_record::RunDir::create_or_join(directory.path(), "log", "test 1.0").unwrap();
    let (events, _shown) = std::sync::mpsc::sync_channel(1);
    plimsoll_engine::Run::prepare(&plan, &run, "test 1.0").unwrap().run(&StopHandle::new(), events).unwrap();
    let log = plimsoll_record::summary::Facts::load(directory.path()).unwrap().requests().unwrap().unwrap();
    assert_eq!(log.rows.len(), 100);
    for user in 1..=7 {
        let of_user = log.rows.iter().filter(|row| row.user == user).count();
        assert!((14..=15).contains(&of_user), "user {user} sent {of_user}");
    }
}

#[test]
fn the_steps_of_a_flow_follow_one_another_and_end_with_a_failure() {
    let server = server(&[Reply::Status(200), Reply::Status(200), Reply::Status(500)]);
    let mut plan = closed(server.url(), 1, 10);
    let step = plan.flows[0].steps[0].request().unwrap().clone();
    let named = |name: &str| plimsoll_plan::Request { name: name.to_owned(), ..step.clone() }.into();
    plan.flows[0] =
        Flow { name: "buy".to_owned(), steps: ["a", "b", "c", "d"].map(named).to_vec(), ..plan.flows[0].clone() };
    let (_, facts) = record(&plan);
    let of = |operation| facts.totals(&Scope { operation: Some(operation), ..Scope::default() }).ledger;
    assert_eq!([of(0).scheduled(), of(1).scheduled(), of(2).scheduled(), of(3).scheduled()], [10, 10, 10, 0]);
    assert_eq!(of(2).count(Outcome::UnexpectedStatus), 10);
}

#[test]
fn several_workers_share_the_work_exactly() {
    let server = server(&[]);
    let mut plan = closed(server.url(), 10, 1001);
    plan.generator.workers = NonZeroU32::new(3);
    plan.generator.interval = Duration::from_millis(50);
    let (outcome, facts) = record(&plan);
    assert_eq!((outcome.scheduled, outcome.answered), (1001, 1001));
    assert_eq!((totals(&facts).ledger.scheduled(), server.requests()), (1001, 1001));
}

#[test]
fn phases_follow_one_another_and_keep_their_own_counts() {
    let server = server(&[]);
    let mut plan = open(server.url(), 1.0, Duration::from_secs(1), 20);
    let short = Duration::from_millis(300);
    plan.phases = vec![
        open_phase("a", 100.0, short),
        closed_phase("b", 5, Duration::from_millis(20), short),
        open_phase("c", 200.0, short),
    ];
    plan.generator.interval = Duration::from_millis(100);
    plan.generator.workers = NonZeroU32::new(2);
    let (outcome, facts) = record(&plan);
    let of = |phase| facts.totals(&Scope { phase: Some(phase), ..Scope::default() }).ledger;
    assert_eq!((of(0).scheduled(), of(2).scheduled()), (30, 60));
    assert!((20..=75).contains(&of(1).scheduled()), "{} by five users in 15 rounds at most", of(1).scheduled());
    assert_eq!(outcome.answered, outcome.scheduled);
}

#[test]
fn a_graceful_stop_completes_the_record() {
    let server = FakeServer::start(Script { service: Duration::from_millis(50), ..Script::default() }).unwrap();
    let plan = open(server.url(), 100.0, Duration::from_secs(60), 2);
    let stop = StopHandle::new();
    let (outcome, facts) = std::thread::scope(|scope| {
        let run = scope.spawn(|| record_with(&plan, &stop));
        std::thread::sleep(Duration::from_millis(500));
        stop.request();
        run.join().unwrap()
    });
    assert_eq!(outcome.reason, EndReason::Interrupted);
    let ledger = totals(&facts).ledger;
    // Two connections serve 40 of 100 per second: the rest waits, and is cut off.
    assert!(ledger.count(Outcome::Unfinished) > 0 && ledger.answered() > 0, "{ledger:?}");
    assert!(ledger.scheduled() < 200, "{ledger:?}");
    assert_eq!(facts.traffic.unwrap().end.unwrap().reason, EndReason::Interrupted);
}

#[test]
fn a_stop_at_once_does_not_wait_for_answers() {
    let server = server(&[Reply::Silence]);
    let plan = closed(server.url(), 3, 100);
    let stop = StopHandle::new();
    let (outcome, facts) = std::thread::scope(|scope| {
        let run = scope.spawn(|| record_with(&plan, &stop));
        std::thread::sleep(Duration::from_millis(200));
        stop.at_once();
        run.join().unwrap()
    });
    assert_eq!(outcome.reason, EndReason::Interrupted);
    assert_eq!(count(&facts, Outcome::Unfinished), 3);
}

#[test]
fn arrivals_still_open_after_the_drain_are_unfinished() {
    let server = server(&[Reply::Silence]);
    let mut plan = open(server.url(), 50.0, Duration::from_millis(200), 5);
    plan.generator.drain = Duration::from_millis(200);
    let (outcome, facts) = record(&plan);
    assert_eq!(outcome.reason, EndReason::Completed);
    assert_eq!(count(&facts, Outcome::Unfinished), 10);
}

#[test]
fn a_run_that_ends_with_its_iterations_says_when_its_phase_ended() {
    let server = FakeServer::start(Script { service: Duration::from_millis(20), ..Script::default() }).unwrap();
    let (_, facts) = record(&closed(server.url(), 2, 10));
    let window = facts.phase_windows()[0];
    assert!((0.1..5.0).contains(&window.seconds()), "{window:?}");
    let whole = facts.run_window().unwrap();
    assert!(window.to <= whole.to, "{window:?} in {whole:?}");
}

#[test]
fn a_phase_behind_one_without_an_end_needs_a_start() {
    let server = server(&[]);
    let mut plan = closed(server.url(), 1, 1);
    plan.phases.push(open_phase("after", 1.0, Duration::from_secs(1)));
    let directory = tempfile::tempdir().unwrap();
    let run = plimsoll_record::RunDir::create_or_join(directory.path(), "endless", "test 1.0").unwrap();
    let error = plimsoll_engine::Run::prepare(&plan, &run, "test 1.0").unwrap_err();
    assert!(error.to_string().contains("phase `load` ends with its iterations"), "{error}");
}

#[test]
fn the_health_check_names_address_and_cause() {
    let unhealthy = server(&[Reply::Status(503)]);
    let mut plan = closed(unhealthy.url(), 1, 1);
    plan.target.as_mut().unwrap().health = Some(HealthCheck { method: Method::Get, path: "/health".to_owned() });
    let error = health_check(&plan, Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, HealthError::Unhealthy { status: 503, .. }), "{error}");
    assert!(error.to_string().contains("GET /health at 127.0.0.1:"), "{error}");

    let gone = server(&[]).url().clone();
    let error = health_check(&closed(&gone, 1, 1), Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, HealthError::Connect { .. }) && error.to_string().contains("127.0.0.1:"), "{error}");
}

#[test]
fn a_coarse_generator_sends_at_its_ticks_and_says_so() {
    let server = server(&[]);
    let mut plan = open(server.url(), 1_700.0, Duration::from_millis(500), 16);
    let (_, fine) = record(&plan);
    assert_eq!(fine.traffic.unwrap().header.body.tick_ns, None);
    plan.generator.precision = Some(Precision::Coarse);
    let (outcome, facts) = record(&plan);
    assert_eq!(outcome.answered, 850);
    assert_eq!(facts.traffic.as_ref().unwrap().header.body.tick_ns, Some(250_000));
    // Arrivals lie anywhere between two ticks, and none is sent before the second.
    assert!(facts.generator().all(|row| row.sent < 100 || row.send_lag_p99_ns > 200_000));
}

#[test]
fn two_segments_make_the_whole_load_and_say_which_they_are() {
    let server = server(&[]);
    let mut plan = open(server.url(), 301.0, Duration::from_secs(1), 5);
    plan.phases.push(closed(server.url(), 3, 50).phases.remove(0));
    let mut parts = Vec::new();
    for index in 0..2 {
        let (_, facts) = record_segment(&plan, Share::of(index, 2).unwrap());
        let header = &facts.traffic.as_ref().unwrap().header.body;
        assert_eq!(header.segment, Some(SegmentFact { number: u64::from(index) + 1, of: 2 }));
        let planned: Vec<_> = header.phases.iter().map(|phase| phase.planned_arrivals.unwrap()).collect();
        assert_eq!(totals(&facts).ledger.scheduled(), planned.iter().sum::<u64>());
        parts.push(planned);
    }
    assert_eq!(parts, [[151, 25], [150, 25]]);
    assert_eq!(server.requests(), 351);
}
