//! HTTP/2: connections are shared, limits obeyed, and what a server did not process is sent again elsewhere.

use std::time::Duration;

use h2::Reason;
use plimsoll_engine::health_check;
use plimsoll_plan::{Body, HealthCheck, HttpVersion, Method, Plan, Template};
use plimsoll_record::ledger::Outcome;
use plimsoll_record::summary::Facts;

use crate::server::{Manner, Quirk, Server};
use crate::support::{closed, count, open, record, totals};

fn server(manner: Manner) -> Server {
    Server::start(Manner { two: true, ..manner })
}

/// `requests` by `users` who share connections of eight streams each, on one worker.
fn shared(server: &Server, users: u32, requests: u64) -> Plan {
    let mut plan = closed(&server.url(), users, requests);
    plan.generator.workers = std::num::NonZeroU32::new(1);
    let target = plan.target.as_mut().unwrap();
    target.http = HttpVersion::Two;
    target.streams = 8.try_into().unwrap();
    plan
}

fn most_connections(facts: &Facts) -> u64 {
    facts.generator().map(|row| row.connections).max().unwrap()
}

#[test]
fn users_share_connections_and_each_is_filled_before_the_next() {
    let server = server(Manner { service: Duration::from_millis(2), ..Manner::default() });
    let mut plan = shared(&server, 16, 2_000);
    plan.target.as_mut().unwrap().connections = 10.try_into().unwrap();
    plan.generator.interval = Duration::from_millis(100);
    let (outcome, facts) = record(&plan);
    let seen = server.seen();
    assert_eq!((outcome.answered, seen.requests_of_two), (2_000, 2_000));
    assert_eq!((count(&facts, Outcome::Ok), totals(&facts).body_bytes), (2_000, 4_000));
    assert_eq!((seen.connections, most_connections(&facts)), (2, 2));
    assert_eq!(seen.peak, 8);
    let authority = server.url().authority().to_owned();
    assert!(seen.authorities.iter().eq([&authority]), "{:?}", seen.authorities);
}

#[test]
fn arrivals_beyond_connections_and_streams_wait() {
    let server = server(Manner { service: Duration::from_millis(5), ..Manner::default() });
    let mut plan = open(&server.url(), 1_000.0, Duration::from_millis(500), 1);
    let target = plan.target.as_mut().unwrap();
    (target.http, target.streams) = (HttpVersion::Two, 3.try_into().unwrap());
    let (outcome, facts) = record(&plan);
    assert_eq!((outcome.answered, server.seen().connections), (500, 1));
    assert!(server.seen().peak <= 3, "{} at once", server.seen().peak);
    assert!(facts.generator().map(|row| row.waited_for_connection).sum::<u64>() > 0);
}

#[test]
fn a_server_that_allows_fewer_streams_gets_fewer() {
    let server = server(Manner { streams: Some(3), service: Duration::from_millis(2), ..Manner::default() });
    let mut plan = shared(&server, 16, 500);
    plan.target.as_mut().unwrap().connections = 2.try_into().unwrap();
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::Ok), 500, "{:?}", totals(&facts).ledger);
    assert_eq!((server.seen().peak, server.seen().connections), (3, 2));
}

#[test]
fn a_body_arrives_whole() {
    let server = server(Manner::default());
    let mut plan = shared(&server, 4, 100);
    let step = plan.flows[0].steps[0].request_mut().unwrap();
    (step.method, step.body) = (Method::Post, Some(Body::Text(Template::literal(&"x".repeat(100_000)))));
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::Ok), 100);
    assert_eq!(server.seen().body_bytes, 10_000_000);
}

#[test]
fn a_server_that_goes_away_costs_no_request() {
    let server = server(Manner { quirk: Quirk::GoAwayAfter(50), ..Manner::default() });
    let (_, facts) = record(&shared(&server, 8, 1_000));
    assert_eq!(count(&facts, Outcome::Ok), 1_000, "{:?}", totals(&facts).ledger);
    assert!(server.seen().connections >= 10, "{} connections", server.seen().connections);
}

#[test]
fn a_connection_that_breaks_off_costs_what_was_under_way_and_nothing_is_processed_twice() {
    let manner = Manner { service: Duration::from_millis(2), quirk: Quirk::BreakOffAfter(50), ..Manner::default() };
    let server = server(manner);
    let (_, facts) = record(&shared(&server, 8, 500));
    let (ok, lost) = (count(&facts, Outcome::Ok), count(&facts, Outcome::Closed) + count(&facts, Outcome::Reset));
    assert_eq!(ok + lost, 500, "{:?}", totals(&facts).ledger);
    assert!(ok > 100 && lost > 0, "{ok} answered, {lost} lost");
    assert!(server.seen().requests <= 500, "{} processed", server.seen().requests);
}

#[test]
fn a_refused_stream_is_tried_once_more_and_a_reset_one_is_not() {
    let refusing = server(Manner { quirk: Quirk::ResetThird(Reason::REFUSED_STREAM), ..Manner::default() });
    let (_, facts) = record(&shared(&refusing, 1, 100));
    assert_eq!(count(&facts, Outcome::Ok), 100, "{:?}", totals(&facts).ledger);
    assert_eq!((refusing.seen().requests, refusing.seen().connections), (149, 1));

    let failing = server(Manner { quirk: Quirk::ResetThird(Reason::INTERNAL_ERROR), ..Manner::default() });
    let (_, facts) = record(&shared(&failing, 1, 99));
    assert_eq!((count(&facts, Outcome::Ok), count(&facts, Outcome::Reset)), (66, 33));
    assert_eq!((failing.seen().requests, failing.seen().connections), (99, 1));
}

#[test]
fn a_connection_that_has_gone_silent_is_replaced() {
    let server = server(Manner { quirk: Quirk::Silence, ..Manner::default() });
    let mut plan = shared(&server, 2, 6);
    plan.target.as_mut().unwrap().timeout = Duration::from_millis(50);
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::TimedOut), 6);
    assert!(server.seen().connections >= 3, "{} connections", server.seen().connections);
}

#[test]
fn a_server_that_does_not_speak_it_is_a_protocol_error() {
    let server = Server::start(Manner::default());
    let (_, facts) = record(&shared(&server, 2, 10));
    // A server that closes with requests unread resets the connection.
    let told = [Outcome::Protocol, Outcome::Closed, Outcome::Reset].map(|outcome| count(&facts, outcome));
    assert_eq!(told.iter().sum::<u64>(), 10, "{:?}", totals(&facts).ledger);
}

#[test]
fn the_health_check_speaks_it_too() {
    let server = server(Manner::default());
    let mut plan = shared(&server, 1, 1);
    plan.target.as_mut().unwrap().health = Some(HealthCheck { method: Method::Get, path: "/health".to_owned() });
    health_check(&plan, Duration::from_secs(5)).unwrap();
    assert_eq!(server.seen().requests_of_two, 1);
}
