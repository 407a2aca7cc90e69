//! The measurement against a truth known beforehand: a server of unlimited capacity that holds every reply for S
//! seconds every T. Evenly spaced arrivals then see P(L > x) = (S - x) / T, whatever the number of connections, and a
//! generator that waits for answers before it goes on would not notice.

use std::time::Duration;

use crate::support::{open, record, totals};
use plimsoll_engine::fake::{FakeServer, Freeze, Script};
use plimsoll_record::summary::{Facts, Percentile};

const HOLD: Duration = Duration::from_millis(200);
const EVERY: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 4;

/// A run against the freezing server. A machine whose other work held the generator up is asked again: the record
/// says so itself.
fn frozen_run(connections: u32) -> Facts {
    let script = Script { freeze: Some(Freeze { hold: HOLD, every: EVERY }), ..Script::default() };
    let server = FakeServer::start(script).unwrap();
    let plan = open(server.url(), 500.0, 4 * EVERY, connections);
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let (_, facts) = record(&plan);
        let disturbed = facts.generator().any(|row| row.send_lag_p99_ns > 5_000_000);
        last = Some(facts);
        if !disturbed {
            break;
        }
    }
    last.unwrap()
}

#[track_caller]
fn close(what: &str, measured: Option<Percentile>, true_ms: f64, tolerance_ms: f64) {
    let measured = measured.unwrap();
    let ms = measured.nanos as f64 / 1e6;
    assert!(!measured.at_least && (ms - true_ms).abs() <= tolerance_ms, "{what}: {ms} ms, in truth {true_ms} ms");
}

#[track_caller]
fn check_freeze(connections: u32) {
    let facts = frozen_run(connections);
    let all = totals(&facts);
    assert_eq!(all.ledger.scheduled(), 2000);
    assert_eq!(all.ledger.answered(), 2000);
    close("p50", all.response(0.5), 0.0, 15.0);
    close("p95", all.response(0.95), 150.0, 15.0);
    close("p99", all.response(0.99), 190.0, 15.0);
    let mean_ms = all.served.response.mean().unwrap() / 1e6;
    assert!((mean_ms - 20.0).abs() < 6.0, "mean {mean_ms} ms, in truth 20 ms");
}

#[test]
fn a_freeze_shows_in_the_response_time_with_few_connections() {
    check_freeze(10);
}

#[test]
fn a_freeze_shows_in_the_response_time_with_many_connections() {
    check_freeze(100);
}

#[test]
fn a_freeze_hides_from_the_service_time_of_few_connections() {
    let facts = frozen_run(10);
    let all = totals(&facts);
    // Ten requests of each freeze carry it all; the four hundred that waited for them look fast.
    close("service p50", all.service(0.5), 0.0, 15.0);
    close("service p95", all.service(0.95), 0.0, 15.0);
    assert!(all.served.service.max().unwrap() > 150_000_000);
    let waited: u64 = facts.generator().map(|row| row.waited_for_connection).sum();
    assert!(waited > 200, "{waited} waited");
}

#[test]
fn a_backlog_that_outlives_the_schedule_is_still_sent_at_its_own_times() {
    // 100 arrivals in half a second at one that takes 10 ms: one second of work for a single connection.
    let server = FakeServer::start(Script { service: Duration::from_millis(9), ..Script::default() }).unwrap();
    let (_, facts) = record(&open(server.url(), 200.0, Duration::from_millis(500), 1));
    let all = totals(&facts);
    assert_eq!((all.ledger.scheduled(), all.ledger.answered()), (100, 100));
    assert_eq!(server.requests(), 100);
    let (response, service) = (all.response(0.99).unwrap().nanos, all.service(0.5).unwrap().nanos);
    assert!(response > 300_000_000 && service < 60_000_000, "response {response} ns, service {service} ns");
}
