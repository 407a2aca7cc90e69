//! The parts of requests' time, and what becomes of those that take too long over one of them.

use std::time::Duration;

use plimsoll_engine::fake::{FakeServer, Reply, Script};
use plimsoll_plan::HttpVersion;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::timings::Timings;

use crate::server::{Manner, Quirk, Server};
use crate::support::{closed, count, open, record, totals};

const LATE: Duration = Duration::from_millis(40);
const NEVER: Duration = Duration::from_secs(3_600);

fn replying(reply: Reply) -> FakeServer {
    FakeServer::start(Script { replies: vec![reply], ..Script::default() }).unwrap()
}

fn counts(timings: &Timings) -> [u64; 4] {
    timings.parts().map(|(_, histogram)| histogram.count())
}

#[test]
fn a_head_that_does_not_come_ends_in_a_class_of_its_own() {
    let server = replying(Reply::Silence);
    let mut plan = closed(server.url(), 2, 4);
    plan.target.as_mut().unwrap().first_byte_timeout = Some(LATE);
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::FirstByteTimedOut), 4, "{:?}", totals(&facts).ledger);
    let waited = totals(&facts).censored.response;
    assert!(waited.count() == 4 && waited.min().is_some_and(|least| least >= LATE.as_nanos() as u64), "{waited:?}");
}

#[test]
fn a_head_in_time_leaves_the_body_the_whole_timeout() {
    let mut plan = closed(replying(Reply::Status(200)).url(), 1, 3);
    let target = plan.target.as_mut().unwrap();
    (target.first_byte_timeout, target.timeout) = (Some(LATE), 5 * LATE);
    let stalled = replying(Reply::LateBody(NEVER));
    plan.target.as_mut().unwrap().url = stalled.url().clone();
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::TimedOut), 3, "{:?}", totals(&facts).ledger);
    let late = replying(Reply::LateBody(2 * LATE));
    let target = plan.target.as_mut().unwrap();
    (target.url, target.timeout) = (late.url().clone(), Duration::from_secs(30));
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::Ok), 3, "{:?}", totals(&facts).ledger);
}

#[test]
fn over_http2_it_is_the_same() {
    let server = Server::start(Manner { two: true, quirk: Quirk::Silence, ..Manner::default() });
    let mut plan = closed(&server.url(), 2, 4);
    let target = plan.target.as_mut().unwrap();
    (target.http, target.first_byte_timeout) = (HttpVersion::Two, Some(LATE));
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::FirstByteTimedOut), 4, "{:?}", totals(&facts).ledger);
}

#[test]
fn the_first_byte_comes_before_the_last() {
    let server = replying(Reply::LateBody(LATE));
    let (_, facts) = record(&closed(server.url(), 4, 40));
    let all = totals(&facts);
    let (first, last) = (all.timings.first_byte.min().unwrap(), all.served.service.min().unwrap());
    let late = LATE.as_nanos() as u64;
    assert!(first < late && late <= last, "{first} {last}");
    assert_eq!(counts(&all.timings), [0, 4, 0, 40]);
}

#[test]
fn requests_that_found_no_connection_free_tell_how_long_they_waited() {
    let server = FakeServer::start(Script { service: Duration::from_millis(10), ..Script::default() }).unwrap();
    let (outcome, facts) = record(&open(server.url(), 200.0, Duration::from_millis(400), 1));
    let all = totals(&facts);
    let waited = facts.generator().map(|row| row.waited_for_connection).sum::<u64>();
    assert!(waited > 0 && outcome.answered == 80, "{waited} of {}", outcome.answered);
    assert_eq!(counts(&all.timings), [waited, 1, 0, 80]);
    assert!(all.timings.wait.max() <= all.served.response.max());
    assert_eq!(facts.traffic.unwrap().header.body.lookup_ns, None);
}

#[test]
fn a_connection_that_is_shared_is_opened_once() {
    let server = Server::start(Manner { two: true, ..Manner::default() });
    let mut plan = closed(&server.url(), 8, 400);
    plan.generator.workers = std::num::NonZeroU32::new(1);
    plan.target.as_mut().unwrap().http = HttpVersion::Two;
    let (_, facts) = record(&plan);
    assert_eq!(counts(&totals(&facts).timings), [0, server.seen().connections, 0, 400]);
}

#[test]
fn a_target_with_a_name_tells_how_long_that_was_looked_up() {
    let server = replying(Reply::Status(200));
    let mut plan = closed(server.url(), 1, 1);
    plan.target.as_mut().unwrap().url.set_host(Some("localhost")).unwrap();
    let (_, facts) = record(&plan);
    assert!(facts.traffic.unwrap().header.body.lookup_ns.is_some());
}
