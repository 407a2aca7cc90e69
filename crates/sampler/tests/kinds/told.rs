//! What servers tell beside their memory, and what they do to the record when they are in trouble.

use std::fmt::Write as _;
use std::time::Duration;

use plimsoll_plan::Watch;
use plimsoll_record::series::{Found, GapReason, MarkKind, TableKind};
use plimsoll_record::summary::Facts;

use super::super::{Session, run_in, sample};
use crate::support::{RedisServer, watch};

#[tokio::test]
async fn commands_slow_ones_and_stalls_are_in_the_record() {
    let server = RedisServer::start(&["--latency-monitor-threshold", "1", "--enable-debug-command", "local"]);
    server.fill(50, 10);
    let dir = tempfile::tempdir().unwrap();
    let mut session = Session::start(&watch(server.source("", None)), Some(&run_in(dir.path()))).await.unwrap();
    session.sample().await;
    assert_eq!(server.command("DEBUG SLEEP 0.03"), "+OK");
    session.sample().await;
    session.finish().await;

    let details = Facts::load(dir.path()).unwrap().redis.unwrap().details;
    let tables = details.iter().filter_map(|detail| match &detail.found {
        Found::Table { kind: TableKind::Commands, rows } => Some(rows),
        _ => None,
    });
    let calls: Vec<f64> = tables.filter_map(|rows| rows.get("info")?.get("calls").copied()).collect();
    assert!(calls.len() == 2 && calls[1] > calls[0], "at the start and at the end: {calls:?}");
    let slow = details.iter().filter_map(|detail| match &detail.found {
        Found::SlowCommand { command, took_us, .. } => Some((command.as_str(), *took_us)),
        _ => None,
    });
    assert!(slow.clone().any(|(command, took)| command == "DEBUG" && took >= 30_000), "{:?}", slow.collect::<Vec<_>>());
    assert!(details.iter().any(|detail| matches!(&detail.found, Found::Stall { event, .. } if event == "command")));
    assert!(details.iter().any(|detail| matches!(&detail.found, Found::Table { kind: TableKind::Databases, .. })));
}

#[tokio::test]
async fn saves_rewrites_and_reset_counters_are_marked() {
    let server = RedisServer::start(&[]);
    server.fill(100, 10);
    let mut session = Session::start(&watch(server.source("", None)), None).await.unwrap();
    for (command, expected) in [
        ("BGSAVE", vec![MarkKind::SaveStarted, MarkKind::SaveEnded]),
        ("BGREWRITEAOF", vec![MarkKind::RewriteStarted, MarkKind::RewriteEnded]),
        ("CONFIG RESETSTAT", vec![MarkKind::StatsReset]),
    ] {
        session.sample().await;
        assert!(server.command(command).starts_with('+'), "{command}");
        for mark in expected {
            assert_eq!(session.mark().await, mark, "{command}");
        }
    }
    session.finish().await;
}

#[tokio::test]
async fn a_script_that_blocks_is_gaps_with_the_servers_own_words() {
    let server = RedisServer::start(&["--busy-reply-threshold", "20"]);
    let mut session = Session::start(&watch(server.source("", None)), None).await.unwrap();
    session.sample().await;
    let endless = server.begin("EVAL \"while true do end\" 0");
    assert_eq!(session.gap().await, GapReason::Refused);
    let refused = Session::start(&watch(server.source("", None)), None).await.err().unwrap().to_string();
    assert!(refused.contains("BUSY") && refused.contains("SCRIPT KILL"), "{refused}");
    assert_eq!(server.command("SCRIPT KILL"), "+OK");
    drop(endless);
    session.until("a sample", sample).await;
    session.finish().await;
}

#[tokio::test]
async fn a_server_without_config_is_sampled_and_keeps_its_limit() {
    let server = RedisServer::start(&["--rename-command", "CONFIG", "", "--maxmemory", "32mb"]);
    assert!(server.command("CONFIG GET maxmemory").starts_with("-ERR"));
    let dir = tempfile::tempdir().unwrap();
    let session = Session::start(&watch(server.source("", None)), Some(&run_in(dir.path()))).await.unwrap();
    session.finish().await;
    let redis = Facts::load(dir.path()).unwrap().redis.unwrap();
    assert_eq!(redis.samples[0].values["maxmemory"], 32.0 * 1024.0 * 1024.0);
    assert_eq!(redis.header.identity["maxmemory"], "33554432");
}

#[tokio::test]
async fn rights_that_are_lacking_are_noted_and_the_rest_is_sampled() {
    let server = RedisServer::start(&[]);
    assert_eq!(server.command("ACL SETUSER watcher on >secret +ping +info +client|id"), "+OK");
    let dir = tempfile::tempdir().unwrap();
    let source = server.source("watcher@", Some("secret"));
    let mut session = Session::start(&watch(source), Some(&run_in(dir.path()))).await.unwrap();
    session.sample().await;
    session.finish().await;
    let redis = Facts::load(dir.path()).unwrap().redis.unwrap();
    assert!(redis.gaps.is_empty(), "{:?}", redis.gaps);
    assert!(redis.header.identity["slow_log"].contains("NOPERM"), "{:?}", redis.header.identity);
}

#[tokio::test]
async fn ten_thousand_databases_are_counted_and_listed_within_bounds() {
    let server = RedisServer::start(&["--databases", "10000"]);
    let mut commands = String::new();
    for number in 0..10_000 {
        write!(commands, "SELECT {number}\r\nSET key value\r\n").unwrap();
    }
    server.pipeline(&commands, 20_000);
    let dir = tempfile::tempdir().unwrap();
    // Longer patience than at ten samples per second: an unoptimised program takes its time over half a megabyte.
    let watch = Watch { every: Duration::from_secs(4), ..watch(server.source("", None)) };
    let session = Session::start(&watch, Some(&run_in(dir.path()))).await.unwrap();
    session.finish().await;
    let redis = Facts::load(dir.path()).unwrap().redis.unwrap();
    assert!(redis.gaps.is_empty(), "{:?}", redis.gaps);
    let values = &redis.samples[0].values;
    assert_eq!((values["keys"], values["databases"]), (10_000.0, 10_000.0));
    let listed = redis.details.iter().find_map(|detail| match &detail.found {
        Found::Table { kind: TableKind::Databases, rows } => Some(rows.len()),
        _ => None,
    });
    assert_eq!(listed, Some(1_000));
}
