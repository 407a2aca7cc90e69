//! Local addresses: connections are bound to them in turn.

use std::net::IpAddr;
use std::num::NonZeroU32;

use plimsoll_engine::{PrepareError, RouteError, Run};
use plimsoll_plan::{AddressRange, HttpVersion, Plan};
use plimsoll_record::RunDir;
use plimsoll_record::ledger::Outcome;

use crate::server::{Manner, Server};
use crate::support::{closed, count, record};

fn from(plan: &mut Plan, ranges: &[(&str, &str)]) {
    let range =
        |(first, last): &(&str, &str)| AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap();
    plan.target.as_mut().unwrap().local_addresses = ranges.iter().map(range).collect();
}

/// How many connections came from each of the addresses that were used.
fn peers(server: &Server) -> Vec<(String, usize)> {
    let mut peers: Vec<IpAddr> = server.seen().peers;
    peers.sort();
    peers.chunk_by(|a, b| a == b).map(|same| (same[0].to_string(), same.len())).collect()
}

// Only there is all of 127.0.0.0/8 the machine's own without further ado.
#[cfg(target_os = "linux")]
#[test]
fn connections_come_from_each_address_in_turn() {
    let each = |n| ["127.0.0.2", "127.0.0.3", "127.0.0.4"].map(|address| (address.to_owned(), n));
    for workers in [1, 2, 3] {
        let server = Server::start(Manner::default());
        let mut plan = closed(&server.url(), 18, 180);
        plan.generator.workers = NonZeroU32::new(workers);
        from(&mut plan, &[("127.0.0.2", "127.0.0.4")]);
        let (_, facts) = record(&plan);
        assert_eq!(count(&facts, Outcome::Ok), 180);
        assert_eq!(peers(&server), each(6), "{workers} workers");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn shared_connections_come_from_them_as_well() {
    let server = Server::start(Manner { two: true, ..Manner::default() });
    let mut plan = closed(&server.url(), 4, 400);
    plan.generator.workers = NonZeroU32::new(1);
    let target = plan.target.as_mut().unwrap();
    (target.http, target.streams) = (HttpVersion::Two, NonZeroU32::new(2).unwrap());
    from(&mut plan, &[("127.0.0.2", "127.0.0.3")]);
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::Ok), 400);
    assert_eq!(peers(&server), [("127.0.0.2".to_owned(), 1), ("127.0.0.3".to_owned(), 1)]);
}

#[test]
fn addresses_that_cannot_be_used_are_named_before_the_run() {
    let prepare = |ranges: &[(&str, &str)]| {
        let mut plan = closed(&"http://127.0.0.1:1/".parse().unwrap(), 1, 1);
        from(&mut plan, ranges);
        let directory = tempfile::tempdir().unwrap();
        let run = RunDir::create_or_join(directory.path(), "local", "test 1.0").unwrap();
        Run::prepare(&plan, &run, "test 1.0").unwrap_err()
    };
    // An address for documentation (RFC 5737): nobody has it.
    let foreign = prepare(&[("192.0.2.1", "192.0.2.1")]);
    assert!(matches!(foreign, PrepareError::Route(RouteError::LocalAddress { .. })), "{foreign}");
    assert!(foreign.to_string().contains("192.0.2.1"), "{foreign}");
    let family = prepare(&[("::1", "::1")]);
    assert!(matches!(family, PrepareError::Route(RouteError::Family { .. })), "{family}");
}
