//! PostgreSQL sampled for real: sessions, locks, rates, the pool of an application, restarts, rights, TLS.

use std::time::Duration;

use plimsoll_plan::{PoolSource, PostgresSource, Secret};
use plimsoll_record::RunClock;
use plimsoll_record::series::{GapReason, MarkKind};
use plimsoll_sampler::pool;
use plimsoll_sampler::postgres::PostgresProbe;
use plimsoll_sampler::probe::{Failure, Probe, Reading};
use plimsoll_tests::Postgres;
use url::Url;

const PATIENCE: Duration = Duration::from_secs(5);

fn source(url: &str) -> PostgresSource {
    let mut url = Url::parse(url).expect("a URL");
    let password = url.password().map(|password| Secret::new(password.to_owned()));
    url.set_password(None).expect("it has a host");
    PostgresSource { url, password }
}

fn probe(url: &str) -> PostgresProbe {
    PostgresProbe::new(&source(url), RunClock::start(), PATIENCE)
}

/// Reads until the reading is as it should be: what other sessions do shows a little later.
async fn until(what: &str, probe: &mut dyn Probe, is_it: impl Fn(&Reading) -> bool) -> Reading {
    for _ in 0..200 {
        if let Ok(reading) = probe.read().await
            && is_it(&reading)
        {
            return reading;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("waited for nothing: {what}");
}

fn is(reading: &Reading, key: &str, value: f64) -> bool {
    reading.values.get(key) == Some(&value)
}

#[tokio::test]
async fn sessions_locks_pools_rights_and_a_restart_are_seen() {
    let mut postgres = Postgres::start();
    postgres.run("CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
    let mut server = probe(&postgres.url());
    let first = server.read().await.unwrap();
    assert!(is(&first, "connections", 0.0), "memwatch's own is not counted: {first:?}");
    assert!(is(&first, "max_connections", 40.0) && first.values["database_bytes"] > 1e6, "{first:?}");
    assert!(!first.values.contains_key("transactions_per_second"), "a rate needs two: {first:?}");

    let name = "SET application_name = 'the ''service'";
    let holder = postgres.begin(&format!("{name}; BEGIN; UPDATE t SET n = 2; SELECT pg_sleep(60)"));
    until("a session at work", &mut server, |reading| is(reading, "connections_active", 1.0)).await;
    let waiter = postgres.begin(&format!("{name}; UPDATE t SET n = 3"));
    let locked = until("a lock", &mut server, |reading| is(reading, "connections_waiting", 1.0)).await;
    assert!(locked.values["locks_waiting"] >= 1.0 && locked.values["longest_transaction_seconds"] > 0.0, "{locked:?}");
    assert!(locked.values.contains_key("transactions_per_second"), "{locked:?}");
    let application = PoolSource::Application { server: source(&postgres.url()), name: "the 'service".to_owned() };
    let used = pool::probe(&application, PATIENCE).read().await.unwrap();
    assert!(is(&used, "size", 2.0) && is(&used, "active", 2.0) && is(&used, "available", 0.0), "{used:?}");

    postgres.run("CREATE ROLE nobody LOGIN PASSWORD 'x'");
    let mut unprivileged = probe(&format!("postgresql://nobody:x@127.0.0.1:{}/postgres", postgres.port()));
    let little = unprivileged.read().await.unwrap();
    assert!(little.values["connections"] >= 2.0 && !little.values.contains_key("connections_active"), "{little:?}");
    assert!(unprivileged.identity()["rights"].contains("pg_monitor"));

    drop((holder, waiter));
    postgres.kill();
    let failure = server.read().await.unwrap_err();
    assert_eq!(failure.reason, GapReason::Unreachable, "{failure:?}");
    postgres.restart();
    let back = until("the server", &mut server, |_| true).await;
    assert_eq!(back.marks[0].0, MarkKind::Restarted, "{back:?}");
    assert!(!back.values.contains_key("transactions_per_second"), "{back:?}");
}

#[tokio::test]
async fn tls_is_checked_as_sslmode_says_and_no_password_is_shown() {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (issued.cert.pem(), issued.signing_key.serialize_pem());
    let files = [("server.crt", certificate.as_str()), ("server.key", key.as_str())];
    let postgres = Postgres::with(&[("ssl", "on")], &files);
    let dir = tempfile::tempdir().unwrap();
    let authority = dir.path().join("ca.pem");
    std::fs::write(&authority, &certificate).unwrap();

    let url = |host: &str, options: &str| postgres.url().replace("127.0.0.1", host) + options;
    let root = format!("&sslrootcert={}", authority.display());
    let read = async |url: String| -> Result<(), Failure> { probe(&url).read().await.map(drop) };
    read(url("127.0.0.1", "?sslmode=require")).await.unwrap();
    read(url("localhost", &format!("?sslmode=verify-full{root}"))).await.unwrap();
    read(url("127.0.0.1", &format!("?sslmode=verify-ca{root}"))).await.unwrap();
    let other_name = read(url("127.0.0.1", &format!("?sslmode=verify-full{root}"))).await.unwrap_err();
    assert!(other_name.detail.contains("certificate"), "{other_name:?}");
    let untrusted = read(url("localhost", "?sslmode=verify-full")).await.unwrap_err();
    assert!(untrusted.detail.contains("certificate") || untrusted.detail.contains("authorities"), "{untrusted:?}");

    let wrong = read(postgres.url().replace(postgres.password(), "hunter2")).await.unwrap_err();
    assert_eq!(wrong.reason, GapReason::Refused);
    assert!(wrong.detail.contains("password authentication failed") && !wrong.detail.contains("hunter2"), "{wrong:?}");
    assert!(!probe(&postgres.url()).source().contains(postgres.password()));
    let socket = format!("postgresql://plimsoll@localhost:{}/postgres", postgres.port());
    let socket = format!("{socket}?host={}", postgres.socket_dir().display());
    read(socket).await.unwrap();
}
