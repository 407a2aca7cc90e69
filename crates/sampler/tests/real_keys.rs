//! Reading keys of a real Redis: what is found, how exact it is, what it costs; and emptying it.

#![expect(clippy::unwrap_used, reason = "what a test sets up is there, or the test fails")]

#[expect(dead_code, reason = "these tests need a server and no watcher")]
mod support;

use std::time::Duration;

use plimsoll_plan::RedisSource;
use plimsoll_record::keys::{Checkpoint, DatabaseKeys, KeyPattern, Occasion};
use plimsoll_record::summary::KeyGrowth;
use plimsoll_record::{Offset, RunClock};
use plimsoll_sampler::flush::{Extent, flush};
use plimsoll_sampler::keys::{Options, read};
use support::RedisServer;

async fn keys(server: &RedisServer, options: &Options) -> Checkpoint {
    read(&server.source("", None), options, Occasion::Start, RunClock::start()).await.unwrap()
}

/// Reads without minding the time: the machine of a test may be busy.
fn unhurried() -> Options {
    Options { budget: Duration::from_secs(20), patience: Duration::from_secs(10), ..Options::default() }
}

fn pattern<'a>(database: &'a DatabaseKeys, name: &str) -> &'a KeyPattern {
    let found = database.patterns.iter().find(|pattern| pattern.pattern == name);
    found.unwrap_or_else(|| panic!("no {name} in {:#?}", database.patterns))
}

/// Runs a Lua script that needs no answer.
fn script(server: &RedisServer, lua: &str) {
    assert_eq!(server.command(&format!("EVAL \"{lua}\" 0")), "$-1", "{lua}");
}

#[tokio::test]
async fn a_small_database_is_read_whole_and_exactly() {
    let server = RedisServer::start(&[]);
    script(&server, "redis.call('SELECT', 2) for i=1,700 do redis.call('SET', 'session:'..i, 'x', 'EX', 900) end");
    script(&server, "for i=1,300 do redis.call('SET', 'leak:'..i, string.rep('x', 1000)) end");
    script(&server, "for i=1,2000 do redis.call('RPUSH', 'queue', string.rep('x', 500)) end");
    let checkpoint = keys(&server, &unhurried()).await;
    assert_eq!(checkpoint.databases.iter().map(|database| database.number).collect::<Vec<_>>(), [0, 2]);
    let [first, second] = &checkpoint.databases[..] else { panic!("{checkpoint:#?}") };
    assert!(first.exact && second.exact);
    let leak = pattern(first, "leak:{n}");
    assert_eq!((leak.keys.value, leak.lasting.value), (300.0, 300.0));
    assert!((1000.0..1200.0).contains(&leak.bytes_per_key().unwrap()), "{leak:?}");
    let sessions = pattern(second, "session:{n}");
    assert_eq!((sessions.keys.value, sessions.lasting.value), (700.0, 0.0));
    assert!((890_000_000_000..=900_000_000_000).contains(&sessions.ttl_p95_ns.unwrap()), "{sessions:?}");
    assert_eq!((first.largest[0].key.as_str(), first.largest[0].kind.as_str()), ("queue", "list"));
    assert!((1_000_000..1_300_000).contains(&first.largest[0].bytes), "{:?}", first.largest[0]);
    assert!(checkpoint.cost.executed_ns.is_some_and(|spent| spent > 0) && checkpoint.cost.commands > 3_000);
}

#[tokio::test]
async fn of_a_large_database_a_sample_tells_the_shares_with_their_intervals() {
    let server = RedisServer::start(&[]);
    script(&server, "for i=1,40000 do redis.call('SET', 'user:'..i, string.rep('x', 100), 'EX', 900) end");
    script(&server, "for i=1,10000 do redis.call('SET', 'leak:'..i, string.rep('x', 1000)) end");
    let checkpoint = keys(&server, &Options { samples: 2_000, ..unhurried() }).await;
    let [database] = &checkpoint.databases[..] else { panic!("{checkpoint:#?}") };
    assert!(!database.exact && database.read == 2_000, "{} read", database.read);
    assert_eq!((database.keys, database.expires), (50_000, Some(40_000)));
    let leak = pattern(database, "leak:{n}");
    // Four standard errors: once in 16,000 runs outside.
    assert!((leak.keys.value - 10_000.0).abs() < 4.0 * 448.0, "{:?}", leak.keys);
    assert!(leak.keys.upper - leak.keys.lower < 2_000.0 && leak.keys.lower > 0.0, "{:?}", leak.keys);
    assert_eq!(leak.lasting, leak.keys);
    assert_eq!(pattern(database, "user:{n}").lasting.value, 0.0);
}

#[tokio::test]
async fn a_budget_that_is_used_up_ends_the_reading_and_the_rest_is_estimated() {
    let server = RedisServer::start(&[]);
    server.fill(5_000, 10);
    let checkpoint = keys(&server, &Options { budget: Duration::from_nanos(1), ..unhurried() }).await;
    let [database] = &checkpoint.databases[..] else { panic!("{checkpoint:#?}") };
    assert!(!database.exact && database.read < 1_000, "one batch of 5,000: {}", database.read);
    assert_eq!(database.keys, 5_000);
    assert!(pattern(database, "key:{n}").keys.lower > 4_000.0);
}

#[tokio::test]
async fn a_leak_of_2_mb_per_minute_among_other_keys_is_named_with_its_rate() {
    let server = RedisServer::start(&[]);
    script(&server, "for i=1,30000 do redis.call('SET', 'cache:'..i, string.rep('x', 60), 'EX', 900) end");
    let options = Options { samples: 4_000, ..unhurried() };
    let before = keys(&server, &options).await;
    // A key of 200 bytes takes 264 of Redis: name, value and table entry. These are two minutes of 2 MB each.
    let used = |server: &RedisServer| {
        let script = "return tonumber(string.match(redis.call('INFO','memory'),'used_memory_dataset:(%d+)'))";
        server.command(&format!("EVAL \"{script}\" 0")).trim_start_matches(':').parse::<f64>().unwrap()
    };
    let dataset = used(&server);
    script(&server, "for i=1,15152 do redis.call('SET', 'audit:'..i..':entry', string.rep('x', 200)) end");
    let grown = used(&server) - dataset;
    let mut after = keys(&server, &options).await;
    after.at_ns = Offset(before.at_ns.0 + 120_000_000_000);
    let growth = KeyGrowth::between(&before, &after);
    let leak = growth.grown().next().expect("something grew");
    assert_eq!((leak.pattern.as_str(), leak.database), ("audit:{n}:entry", 0));
    let per_minute = leak.bytes_per_second.value * 60.0;
    assert!((per_minute - 2e6).abs() < 0.2 * 2e6, "{per_minute} bytes per minute: {leak:?}");
    assert!((leak.bytes.value - grown).abs() < 0.25 * grown, "Redis's own data set grew by {grown}: {leak:?}");
    assert_eq!(leak.lasting_share, Some(1.0));
}

#[tokio::test]
async fn a_user_who_may_not_read_keys_is_told_which_rights_that_takes() {
    let server = RedisServer::start(&[]);
    server.fill(10, 10);
    assert_eq!(server.command("ACL SETUSER blind on >pw ~* +ping +info +client|id +select +dbsize"), "+OK");
    let source = server.source("blind@", Some("pw"));
    let failure = read(&source, &Options::default(), Occasion::Start, RunClock::start()).await.unwrap_err();
    assert!(failure.detail.contains("+memory|usage") && failure.detail.contains("NOPERM"), "{failure:?}");
    let rights = plimsoll_sampler::keys::RIGHTS;
    assert_eq!(server.command(&format!("ACL SETUSER blind {rights}")), "+OK");
    read(&source, &Options::default(), Occasion::Start, RunClock::start()).await.unwrap();
}

#[tokio::test]
async fn one_database_is_emptied_and_the_others_are_left_alone() {
    let server = RedisServer::start(&[]);
    server.fill(10, 10);
    script(&server, "redis.call('SELECT', 2) for i=1,100 do redis.call('SET', 'k'..i, i) end");
    let patience = Duration::from_secs(5);
    let source: RedisSource = server.source("", None);
    let flushed = flush(&source, Extent::Database(2), RunClock::start(), patience).await.unwrap();
    assert_eq!((flushed.keys_left, flushed.still_freeing), (0, false));
    let left = keys(&server, &unhurried()).await;
    assert_eq!(left.databases.iter().map(|database| (database.number, database.keys)).collect::<Vec<_>>(), [(0, 10)]);
    flush(&source, Extent::All, RunClock::start(), patience).await.unwrap();
    assert_eq!(keys(&server, &unhurried()).await.databases, []);
}
