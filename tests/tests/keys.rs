//! `memwatch keys` and `memwatch flush` from outside: what they find, what they refuse, what they leave alone.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use plimsoll_tests::{Finished, Redis, Tool};
use serde_json::Value;

#[test]
fn keys_are_told_by_pattern_and_those_in_the_wrong_database_are_pointed_out() {
    let redis = filled();
    let text = keys(&redis, &["--expect-db", "2"]);
    text.expect(0, &["leak:{n}", "300", "none expires", "every key read", "session:{n}", "of Redis's time"]);
    text.expect(0, &["keys where none were expected: db0 (expected in db2 only)"]);
    let json = keys(&redis, &["--format", "json", "--expect-db", "2"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["unexpected_databases"], serde_json::json!([0]));
    let leak = &json["keys"]["databases"][0]["patterns"][0];
    assert_eq!((&leak["pattern"], leak["keys"]["value"].as_f64()), (&Value::from("leak:{n}"), Some(300.0)));
    let one = keys(&redis, &["--db", "2"]);
    one.expect(0, &["session:{n}", "all expire"]);
    assert!(!one.stdout.contains("leak"), "{}", one.stdout);
    keys(&redis, &["--db", "two"]).expect(2, &["two", "all"]);
}

#[test]
fn keys_need_a_redis_to_read() {
    let keys = |url: &str| Tool::new("memwatch").args(["keys", "--redis", url]).run();
    keys("redis://127.0.0.1:1").expect(4, &["127.0.0.1:1", "is it running there?"]);
    keys("http://127.0.0.1:1/redis-info").expect(4, &["tells nothing about keys"]);
}

#[test]
fn nothing_is_deleted_unless_it_was_told_to() {
    let redis = filled();
    let flush = |options: &[&str]| Tool::new("memwatch").args(["flush", "--redis", &redis.url()]).args(options).run();
    flush(&[]).expect(2, &["--db", "--all"]);
    flush(&["--db", "2"]).expect(2, &["100 keys", "session:{n}", "add --yes"]);
    flush(&["--db", "2", "--all", "--yes"]).expect(2, &["cannot be used with"]);
    flush(&["--all", "--yes", "--host", "cache.example.org"]).expect(2, &["cache.example.org", "127.0.0.1"]);
    let elsewhere = ["flush", "--redis", "redis://10.255.255.1", "--all", "--yes"];
    Tool::new("memwatch").args(elsewhere).run().expect(2, &["not this machine", "--host 10.255.255.1"]);
    assert_eq!(sizes(&redis), (300, 100), "all of these were refused");
    flush(&["--db", "2", "--yes"]).expect(0, &["deleted 100 keys"]);
    assert_eq!(sizes(&redis), (300, 0), "the other database is left alone");
    flush(&["--db", "2"]).expect(0, &["holds no keys"]);
    flush(&["--all", "--yes"]).expect(0, &["deleted 300 keys"]);
    assert_eq!(sizes(&redis), (0, 0));
}

/// 300 lasting keys in database 0, 100 that expire in database 2.
fn filled() -> Redis {
    let redis = Redis::start();
    script(&redis, "for i=1,300 do redis.call('SET', 'leak:'..i, string.rep('x', 1000)) end");
    script(&redis, "redis.call('SELECT', 2) for i=1,100 do redis.call('SET', 'session:'..i, 'x', 'EX', 900) end");
    redis
}

fn script(redis: &Redis, lua: &str) {
    assert_eq!(redis.ask(&format!("EVAL \"{lua}\" 0")), "$-1");
}

/// Keys in databases 0 and 2.
fn sizes(redis: &Redis) -> (u32, u32) {
    let size = |database: u32| {
        let answer = redis.ask(&format!("EVAL \"redis.call('SELECT', {database}) return redis.call('DBSIZE')\" 0"));
        answer.trim_start_matches(':').parse().unwrap()
    };
    (size(0), size(2))
}

fn keys(redis: &Redis, options: &[&str]) -> Finished {
    Tool::new("memwatch").args(["keys", "--redis", &redis.url(), "--budget", "10s"]).args(options).run()
}
