//! Stores loaded directly, against real servers: what is sent arrives, and every failure has its class.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use plimsoll_tests::{Finished, Redis, Tool};
use serde_json::Value;
use tempfile::TempDir;

/// A plan of one closed phase that ends with its iterations.
fn plan(targets: &str, users: u32, iterations: u32, steps: &str) -> String {
    format!(
        "name = \"stores\"\n{targets}\n[users]\ncount = {users}\n[[phases]]\nname = \"load\"\nusers = {users}\n\
         iterations = {iterations}\n[flows.f]\nsteps = [{steps}]\n[generator]\nbodies = \"failed\"\n\
         [criteria]\nrequire = [\"error_rate < 100%\"]\n"
    )
}

fn redis_at(redis: &Redis, more: &str) -> String {
    format!("[targets.redis]\nurl = \"{}\"\n{more}", redis.url())
}

/// A run of a plan, and its directory.
struct Run {
    finished: Finished,
    directory: TempDir,
}

fn run(plan: &str) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.toml");
    std::fs::write(&path, plan).unwrap();
    let run = directory.path().join("run");
    let finished =
        Tool::new("loadgen").arg("run").arg(&path).arg("--run-dir").arg(&run).args(["--format", "json"]).run();
    Run { finished, directory }
}

impl Run {
    fn summary(&self) -> Value {
        serde_json::from_str(&self.finished.stdout).unwrap_or_else(|_| panic!("{:?}", self.finished))
    }

    fn ended(&self) -> Value {
        self.summary()["total"]["ended"].clone()
    }

    fn failures(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("run/failures.jsonl")).unwrap()
    }
}

/// One command in Redis's own protocol, whatever is in it.
fn ask(redis: &Redis, words: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend(format!("${}\r\n", word.len()).bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    stream.write_all(&out).unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    reader.read_line(&mut head).unwrap();
    let Some(length) = head.trim_end().strip_prefix('$').and_then(|length| length.parse().ok()) else {
        return head.trim_end().to_owned();
    };
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

#[test]
fn commands_pipelines_transactions_and_scripts_arrive_and_their_replies_are_looked_at() {
    let redis = Redis::start();
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), "return redis.call('INCRBY', KEYS[1], ARGV[1])").unwrap();
    let steps = format!(
        r#"
        {{ name = "save", redis = ["SET", "state:{{user.id}}", "{{payload.state}}"], expect = {{ value = "OK" }} }},
        {{ name = "load", redis = ["GET", "state:{{user.id}}"], expect = {{ size = "2kB..2kB", rows = 1, that = ["$.step exists"] }}, capture = {{ step = "$.step" }} }},
        {{ name = "none", redis = ["GET", "nothing"], expect = {{ rows = 0, that = ["not value exists"] }} }},
        {{ name = "several", redis_pipeline = [["RPUSH", "steps", "{{step}}"], ["LRANGE", "steps", 0, 0]], expect = {{ that = ["$[0] > 0", "count($[1][*]) == 1"] }} }},
        {{ name = "at-once", redis_transaction = [["SET", "mine:{{user.id}}", "{{iteration}}"], ["GET", "mine:{{user.id}}"]], expect = {{ that = ["$[1] == {{iteration}}"] }} }},
        {{ name = "script", script = "{}", keys = ["total"], args = [3], expect = {{ that = ["value >= 3"] }} }}"#,
        script.path().display()
    );
    let targets = redis_at(&redis, "[payloads.state]\nsize = \"2kB\"\nshape = \"json\"\ncompressible = 0.5\n");
    let run = run(&plan(&targets, 8, 100, &steps));
    run.finished.expect(0, &[]);
    assert_eq!(run.ended(), serde_json::json!({ "ok": 600 }), "{}", run.failures());
    assert_eq!(ask(&redis, &[b"GET", b"total"]), "300", "once for each iteration, however it was sent");
    assert_eq!(ask(&redis, &[b"LLEN", b"steps"]), ":100");
    assert_eq!(ask(&redis, &[b"STRLEN", b"state:user-3"]), ":2000");
}

#[test]
fn more_clients_than_a_store_allows_are_a_class_of_their_own_and_hold_up_nobody() {
    let redis = Redis::with(&["--maxclients", "20"]);
    let steps = r#"{ name = "save", redis = ["SET", "k{user.id}", "x"] }, { think = "20ms" }"#;
    let each = run(&plan(&redis_at(&redis, "connections = \"per_user\""), 60, 600, steps));
    each.finished.expect(0, &[]);
    let ended = each.ended();
    let counts = ["ok", "too_many_clients"].map(|class| ended[class].as_u64().unwrap_or(0));
    assert!(counts.iter().all(|count| *count > 0) && counts.iter().sum::<u64>() == 600, "{ended}");
    let pool = run(&plan(&redis_at(&redis, "connections = 10"), 60, 600, steps));
    assert_eq!(pool.ended(), serde_json::json!({ "ok": 600 }), "who may wait is served");
    let waited = pool.summary()["generator"]["waited_for_connection"].as_u64();
    assert!(waited.unwrap_or(0) > 0, "{}", pool.summary()["generator"]);
}

#[test]
fn a_pool_that_is_in_use_for_too_long_is_not_the_stores_failure() {
    let redis = Redis::start();
    let steps = r#"{ name = "wait", redis = ["BLPOP", "nothing", "0.3"] }"#;
    let run = run(&plan(&redis_at(&redis, "connections = 1\npool_timeout = \"100ms\""), 4, 4, steps));
    assert_eq!(run.ended(), serde_json::json!({ "ok": 1, "pool_timed_out": 3 }));
}

#[test]
fn what_redis_refuses_has_a_class_for_each_reason_and_its_words_are_kept() {
    let redis = Redis::with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let run_one = |steps: &str| {
        let run = run(&plan(&redis_at(&redis, ""), 1, 1, steps));
        (run.ended(), run.failures())
    };
    let (ended, said) = run_one(r#"{ name = "fill", redis = ["SET", "a", "b"] }"#);
    assert_eq!(ended, serde_json::json!({ "store_full": 1 }));
    assert!(said.contains("OOM command not allowed"), "{said}");
    assert_eq!(ask(&redis, &[b"CONFIG", b"SET", b"maxmemory", b"0"]), "+OK");
    assert_eq!(
        run_one(r#"{ name = "list", redis_pipeline = [["SET", "a", "b"], ["LPUSH", "a", "c"]] }"#).0["store_error"],
        1
    );
    assert_eq!(ask(&redis, &[b"REPLICAOF", b"127.0.0.1", b"1"]), "+OK");
    assert_eq!(run_one(r#"{ name = "write", redis = ["SET", "a", "b"] }"#).0["read_only"], 1);
    assert_eq!(ask(&redis, &[b"REPLICAOF", b"NO", b"ONE"]), "+OK");
    let late = r#"{ name = "late", redis = ["BLPOP", "nothing", "1"], timeout = "100ms" }"#;
    assert_eq!(run(&plan(&redis_at(&redis, "connections = 1"), 1, 1, late)).ended()["timed_out"], 1);
}

#[test]
fn a_store_that_is_not_there_is_told_before_the_load() {
    let mut redis = Redis::start();
    redis.kill();
    let run = run(&plan(&redis_at(&redis, ""), 1, 1, r#"{ name = "ping", redis = ["PING"] }"#));
    run.finished.expect(4, &["[targets.redis]", "refused"]);
}

#[test]
fn a_lost_connection_is_opened_anew_and_only_what_was_under_way_fails() {
    for connections in ["\"shared\"", "4", "\"per_user\""] {
        let redis = Redis::start();
        let steps = r#"
            { name = "save", redis = ["SET", "k{user.id}", "x"] },
            { name = "cut", when = "{user.n} == 1 and {iteration} == 20", redis = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"] }"#;
        let run = run(&plan(&redis_at(&redis, &format!("connections = {connections}")), 4, 400, steps));
        let ended = run.ended();
        let counts = |class: &str| ended[class].as_u64().unwrap_or(0);
        let lost = counts("closed") + counts("reset");
        // Those that were idle when they were cut off lose nothing.
        assert!(counts("ok") > 380, "{connections}: {ended}");
        assert_eq!(
            counts("ok") + lost,
            run.summary()["total"]["scheduled"].as_u64().unwrap(),
            "{connections}: {ended}"
        );
    }
}

#[test]
fn a_message_is_timed_from_its_producer_to_its_consumer() {
    let redis = Redis::start();
    let targets = redis_at(&redis, "connections = \"per_user\"");
    let plan = format!(
        r#"name = "queue"
{targets}
[users]
count = 2
[[phases]]
name = "produce"
start = "300ms"
rate = "50/s"
duration = "1s"
[flows.both]
steps = [
    {{ name = "send", redis = ["RPUSH", "jobs", "{{now}}"] }},
    {{ name = "take", redis = ["BLPOP", "jobs", "1"], since = "$[1]", expect = {{ rows = 2 }} }},
    {{ name = "publish", redis_pipeline = [["XADD", "log", "*", "at", "{{now}}"], ["XLEN", "log"]] }},
    {{ name = "read", redis = ["XREAD", "COUNT", 1, "BLOCK", 1000, "STREAMS", "log", "0-0"], since = {{ regex = "\"at\",\"([0-9]+)\"" }} }},
]
[criteria]
require = ["error_rate < 100%"]
"#
    );
    let run = run(&plan);
    run.finished.expect(0, &[]);
    assert_eq!(run.ended(), serde_json::json!({ "ok": 200 }), "{:?}", run.finished);
}

#[test]
fn a_subscriber_hears_what_is_said_to_it_and_how_long_it_took() {
    let redis = Redis::start();
    let steps = r#"
        { parallel = [
            [{ name = "hear", subscribe = ["news:{user.id}"], since = "$.at", timeout = "3s", expect = { that = ["$.n == {iteration}"] } }],
            [{ name = "say", redis = ["PUBLISH", "news:{user.id}", '{"at": {now}, "n": {iteration}}'], poll = { until = "value == 1", every = "20ms" } }],
        ] }"#
        .replace('\n', " ");
    let run = run(&plan(&redis_at(&redis, ""), 3, 9, &steps));
    let (ended, checks) = (run.ended(), run.summary()["checks"].clone());
    assert_eq!((ended.as_object().unwrap().len(), &checks[0]["passed"]), (1, &Value::from(9)), "{ended} {checks}");
}

#[test]
fn a_cluster_is_followed_where_the_plan_says_that_it_is_one() {
    let redis = Redis::with(&["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"]);
    let slots: Vec<String> = (0..16_384).map(|slot: u32| slot.to_string()).collect();
    let words = [b"CLUSTER".as_slice(), b"ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_bytes));
    assert_eq!(ask(&redis, &words.collect::<Vec<_>>()), "+OK");
    plimsoll_tests::eventually("the cluster is complete", || {
        ask(&redis, &[b"CLUSTER", b"INFO"]).contains("cluster_state:ok").then_some(())
    });
    let steps = r#"
        { name = "save", redis = ["SET", "k{random.int(1, 1000)}", "{user.id}"], expect = { value = "OK" } },
        { name = "both", redis = ["MSET", "a", "1", "b", "2"] }"#;
    let run = run(&plan(&redis_at(&redis, "cluster = true"), 4, 40, steps));
    assert_eq!(run.ended(), serde_json::json!({ "ok": 40, "redirected": 40 }), "{}", run.failures());
}
