//! The service as a black box on a real Redis: what it promises when all is well, what each fault
//! does, and what happens when Redis goes away. Parsing and arithmetic are tested beside their code; assistant,
//! harness, tools and protocols are in `cases`.

#![expect(clippy::unwrap_used, reason = "clippy takes only #[test] functions for tests, not their fixture")]

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use fred::interfaces::{ClientLike as _, KeysInterface as _, LuaInterface as _};
use hyper::Method;
use rustix::process::Signal;
use serde_json::Value;
use tokio::task::JoinSet;

use fixture::{Answer, Http, Redis, Service, eventually, refused};

mod cases;
mod fixture;

/// What a fixed-window limiter must say, worked out from the moments the service says it decided at.
struct Oracle {
    per_second: u64,
    per_minute: u64,
    seconds: HashMap<u64, u64>,
    minutes: HashMap<u64, u64>,
}

impl Oracle {
    fn new(per_second: u64, per_minute: u64) -> Self {
        Self { per_second, per_minute, seconds: HashMap::new(), minutes: HashMap::new() }
    }

    /// The limit that refuses a request decided at `ms`, and the milliseconds until it no longer does.
    fn expect(&mut self, ms: u64) -> Option<(&'static str, u64)> {
        let second = self.seconds.entry(ms / 1000).or_default();
        let minute = self.minutes.entry(ms / 60_000).or_default();
        if *minute >= self.per_minute {
            return Some(("per_minute", 60_000 - ms % 60_000));
        }
        if *second >= self.per_second {
            return Some(("per_second", 1000 - ms % 1000));
        }
        *second += 1;
        *minute += 1;
        None
    }
}

/// Checks one reply against the oracle; returns the limit that refused it.
fn verify(oracle: &mut Oracle, answer: &Answer) -> Option<&'static str> {
    let body = answer.json();
    let expected = oracle.expect(body["decided_at_ms"].as_u64().unwrap());
    match expected {
        None => {
            assert_eq!((answer.status, &body["allowed"]), (200, &Value::Bool(true)), "{body}");
            assert!(!answer.headers.contains_key("retry-after"));
        }
        Some((limit_type, wait_ms)) => {
            assert_eq!((answer.status, &body["allowed"]), (429, &Value::Bool(false)), "{body}");
            assert_eq!(body["limit_type"], limit_type);
            assert_eq!(body["retry_after_ms"], wait_ms);
            let seconds = wait_ms.div_ceil(1000).to_string();
            assert_eq!(answer.headers["retry-after"], seconds.as_str());
        }
    }
    expected.map(|(limit_type, _wait_ms)| limit_type)
}

fn count(lines: &[Value], field: &str, value: &str) -> usize {
    lines.iter().filter(|line| line[field] == value).count()
}

#[tokio::test]
async fn each_limit_is_honoured_and_every_refusal_logged_with_its_type() {
    let redis = Redis::start().await;
    // Thirty quick requests touch at most two windows, so where only one limit can bind, it must.
    let cases = [("5", "10", None), ("5", "1000", Some("per_second")), ("1000", "10", Some("per_minute"))];
    for (per_second, per_minute, binding) in cases {
        let flags = ["--per-second", per_second, "--per-minute", per_minute];
        let service = Service::start(&redis, &flags);
        let mut http = service.http().await;
        let user = format!("user of {per_second}/{per_minute}");
        let mut oracle = Oracle::new(per_second.parse().unwrap(), per_minute.parse().unwrap());
        let mut refusals = Vec::new();
        for _ in 0..30 {
            refusals.extend(verify(&mut oracle, &http.check(&user).await));
        }
        assert!(refusals.len() >= 10, "{refusals:?}");
        if let Some(binding) = binding {
            assert!(refusals.iter().all(|limit_type| *limit_type == binding), "{refusals:?}");
        }
        let log = service.log("rate_limiter.jsonl");
        assert_eq!(count(&log, "event", "RATE_LIMITED"), refusals.len());
        assert_eq!(count(&log, "user_id", &user), refusals.len());
        for limit_type in ["per_second", "per_minute"] {
            let refused = refusals.iter().filter(|word| **word == limit_type).count();
            assert_eq!(count(&log, "limit_type", limit_type), refused);
        }
    }
    let counters: Vec<String> = redis_keys(&redis, "rl:*").await;
    assert!(!counters.is_empty());
    let client = redis.client().await;
    for key in counters {
        let ttl: i64 = client.ttl(&key).await.unwrap();
        // -2: it has just expired, which is as good.
        assert!((0..=61).contains(&ttl) || ttl == -2, "{key} lives {ttl} s");
    }
}

#[tokio::test]
async fn users_do_not_share_a_limit_and_concurrent_requests_do_not_slip_through() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--per-minute", "1000"]);
    let mut requests = JoinSet::new();
    for number in 0..40 {
        let mut http = service.http().await;
        requests.spawn(async move { (number % 2, http.check(&format!("user-{}", number % 2)).await) });
    }
    let mut windows: HashMap<(u32, u64), Vec<u16>> = HashMap::new();
    for (user, answer) in requests.join_all().await {
        let second = answer.json()["decided_at_ms"].as_u64().unwrap() / 1000;
        windows.entry((user, second)).or_default().push(answer.status);
    }
    for (window, statuses) in windows {
        let allowed = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(allowed, statuses.len().min(5), "{window:?}: {statuses:?}");
    }
}

#[tokio::test]
async fn a_limiter_that_is_off_refuses_nobody_and_a_strict_one_refuses_early() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--fault", "limiter=off"]);
    let mut http = service.http().await;
    for _ in 0..20 {
        assert_eq!(http.check("ada").await.status, 200);
    }
    http.set_fault("limiter", "strict").await;
    let mut strict = Oracle::new(1, 2);
    let mut refusals = 0;
    for _ in 0..10 {
        refusals += usize::from(verify(&mut strict, &http.check("eve").await).is_some());
    }
    assert!(refusals >= 6, "{refusals}");
}

#[tokio::test]
async fn the_limiter_goes_on_when_redis_forgets_its_script() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &[]);
    let mut http = service.http().await;
    assert_eq!(http.check("ada").await.status, 200);
    redis.client().await.script_flush(false).await.unwrap();
    assert_eq!(http.check("bob").await.status, 200);
    assert!(service.log("errors.log").is_empty());
}

#[tokio::test]
async fn a_leak_writes_keys_without_expiry_at_its_rate_until_it_is_switched_off() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--fault", "leak=200x100"]);
    let mut http = service.http().await;
    let started = now();
    let keys = eventually("a hundred leaked keys", async || {
        let keys = redis_keys(&redis, "session:*").await;
        (keys.len() >= 100).then_some(keys)
    })
    .await;
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(350), "200 keys/s, yet 100 keys after {took:?}");
    let client = redis.client().await;
    for key in keys.iter().take(10) {
        assert_eq!(client.ttl::<i64, _>(key).await.unwrap(), -1);
        assert_eq!(client.strlen::<u64, _>(key).await.unwrap(), 100);
    }
    http.set_fault("leak", "off").await;
    // One write may have been under way; at 200 keys/s no two looks would find the same number.
    eventually("the leak to stop", async || {
        let seen = redis_keys(&redis, "session:*").await.len();
        tokio::time::sleep(Duration::from_millis(150)).await;
        (redis_keys(&redis, "session:*").await.len() == seen).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_freeze_holds_all_replies_together_and_lets_go_of_them_together() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &[]);
    let mut http = service.http().await;
    assert!(fastest(&mut http, "/").await < Duration::from_millis(100));
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(service.http().await);
    }
    let before = now();
    http.set_fault("freeze", "600ms/1m").await;
    let mut held = JoinSet::new();
    for mut other in others {
        held.spawn(async move {
            other.get("/").await;
            before.elapsed()
        });
    }
    for released in held.join_all().await {
        assert!(released >= Duration::from_millis(600), "released after {released:?}");
    }
    // Twenty replies that waited for one another would have taken twelve seconds.
    assert!(before.elapsed() < Duration::from_secs(3), "{:?}", before.elapsed());
    assert!(fastest(&mut http, "/").await < Duration::from_millis(100));
    let slow = service.log("performance.log");
    assert_eq!(slow.len(), 20, "{slow:?}");
    assert!(slow.iter().all(|line| line["duration_ms"].as_f64().unwrap() > 100.0));
}

#[tokio::test]
async fn latency_is_added_to_every_reply_but_the_switch_itself() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--fault", "latency=60ms", "--slow", "50ms"]);
    let mut http = service.http().await;
    assert!(timed(&mut http, "/").await >= Duration::from_millis(60));
    assert!(timed(&mut http, "/health").await >= Duration::from_millis(60));
    let line = &service.log("performance.log")[0];
    assert_eq!((&line["method"], &line["path"], &line["status"]), (&"GET".into(), &"/".into(), &200.into()));
    assert!(fastest(&mut http, "/admin/faults").await < Duration::from_millis(60));
}

#[tokio::test]
async fn the_error_fault_strikes_its_share_of_traffic_and_spares_the_health_check() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--fault", "errors=20%"]);
    let mut http = service.http().await;
    let mut failed = 0;
    for _ in 0..100 {
        failed += usize::from(http.get("/").await.status == 500);
        assert_eq!(http.get("/health").await.status, 200);
    }
    assert_eq!(failed, 20);
    assert_eq!(count(&service.log("errors.log"), "event", "INJECTED_ERROR"), 20);
}

#[tokio::test]
async fn a_redis_out_of_memory_is_a_503_with_its_own_words_in_the_log() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &[]);
    let mut http = service.http().await;
    http.set_fault("maxmemory", "100kb").await;
    let answer = http.check("ada").await;
    assert_eq!(answer.status, 503);
    let log = service.log("errors.log");
    assert_eq!(log[0]["event"], "REDIS_ERROR");
    assert!(log[0]["message"].as_str().unwrap().contains("OOM"), "{log:?}");
    assert_eq!(http.get("/health").await.status, 200);
    http.set_fault("maxmemory", "off").await;
    assert_eq!(http.check("ada").await.status, 200);
}

#[tokio::test]
async fn the_memory_limit_of_a_fault_does_not_outlive_the_service() {
    let redis = Redis::start().await;
    let mut service = Service::start(&redis, &["--fault", "maxmemory=100kb"]);
    assert_eq!(service.http().await.check("ada").await.status, 503);
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    let service = Service::start(&redis, &[]);
    assert_eq!(service.http().await.check("ada").await.status, 200);
}

#[tokio::test]
async fn a_killed_redis_is_a_503_at_once_and_its_return_is_noticed() {
    let mut redis = Redis::start().await;
    let service = Service::start(&redis, &[]);
    // Two connections: one for each thread, and so for each connection to Redis.
    let mut clients = [service.http().await, service.http().await];
    redis.kill();
    for http in &mut clients {
        let answer = http.check("ada").await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert_eq!(http.get("/redis-info").await.status, 503);
        let health = http.get("/health").await;
        assert_eq!((health.status, &health.json()["redis"]), (503, &"down".into()));
        assert!(fastest(http, "/").await < Duration::from_millis(100));
    }
    let log = service.log("errors.log");
    assert!(count(&log, "event", "REDIS_ERROR") >= 2, "{log:?}");
    assert!(count(&log, "event", "REDIS_DOWN") >= 1, "{log:?}");
    redis.start_again().await;
    for http in &mut clients {
        back_up(http).await;
        assert_eq!(http.get("/health").await.text, r#"{"status":"healthy","redis":"up"}"#);
    }
}

#[tokio::test]
async fn a_redis_that_stops_answering_is_given_up_within_seconds_and_taken_back() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &[]);
    let mut http = service.http().await;
    redis.signal(Signal::STOP);
    let started = now();
    assert_eq!(http.check("ada").await.status, 503);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    redis.signal(Signal::CONT);
    back_up(&mut http).await;
}

#[tokio::test]
async fn a_service_started_before_its_redis_finds_it_later() {
    let redis = Redis::reserved();
    let service = Service::start(&redis, &[]);
    let mut http = service.http().await;
    assert_eq!(http.get("/health").await.status, 503);
    assert_eq!(count(&service.log("errors.log"), "event", "REDIS_DOWN"), 2);
    let _redis = redis.started().await;
    back_up(&mut http).await;
}

#[tokio::test]
async fn redis_memory_is_readable_over_http() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &[]);
    let info = service.http().await.get("/redis-info").await.json();
    for field in ["used_memory", "used_memory_rss", "used_memory_peak", "mem_fragmentation_ratio"] {
        assert!(info[field].as_f64().unwrap() > 0.0, "{field}: {info}");
    }
}

#[tokio::test]
async fn a_wrong_request_is_told_what_would_be_right() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &[]);
    let mut http = service.http().await;
    let cases = [
        (Method::GET, "/nowhere", "", 404, "POST /api/check"),
        (Method::GET, "/api/check", "", 405, "takes POST"),
        (Method::POST, "/api/check", "{}", 400, "missing field `user_id`"),
        (Method::POST, "/admin/faults", r#"{"speed":"1"}"#, 400, "the faults are latency"),
    ];
    for (method, path, body, status, words) in cases {
        let answer = http.send(method, path, body.to_owned()).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text.contains(words), "{}", answer.text);
    }
    let long = "x".repeat(20_000);
    assert_eq!(service.http().await.check(&long).await.status, 413);
    assert_eq!(service.http().await.get("/").await.text, "hello\n");
}

#[tokio::test]
async fn a_signal_lets_the_request_under_way_finish() {
    let redis = Redis::start().await;
    for signal in [Signal::TERM, Signal::INT] {
        let mut service = Service::start(&redis, &["--fault", "latency=500ms"]);
        let mut http = service.http().await;
        let user = format!("{signal:?}");
        let counter = format!("rl:{{{user}}}:*");
        let under_way = tokio::spawn(async move { http.check(&user).await.status });
        // Counted already, and its reply held back by the latency.
        eventually("the request to be counted", async || {
            (!redis_keys(&redis, &counter).await.is_empty()).then_some(())
        })
        .await;
        service.signal(signal);
        assert_eq!(service.ended().await.code(), Some(0));
        assert_eq!(under_way.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn a_wrong_command_line_is_refused_with_the_fix() {
    let redis = Redis::reserved();
    let dir = tempfile::tempdir().unwrap();
    let (code, message) = refused(&redis.url(), dir.path(), &["--fault", "slowness=1s"]);
    assert_eq!(code, 2, "{message}");
    assert!(
        message.contains("the faults are latency, freeze, errors, leak, limiter, maxmemory, close, stall"),
        "{message}"
    );
    let (code, message) = refused("http://:hunter2@localhost", dir.path(), &[]);
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("write redis://") && !message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn a_port_or_directory_that_cannot_be_had_is_named_with_the_flag_to_change() {
    let redis = Redis::reserved();
    let first = Service::start(&redis, &[]);
    let dir = tempfile::tempdir().unwrap();
    let taken = first.address().to_string();
    let (code, message) = refused(&redis.url(), dir.path(), &["--listen", &taken]);
    assert_eq!(code, 4, "{message}");
    assert!(message.contains(&taken) && message.contains("--listen"), "{message}");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (code, message) = refused(&redis.url(), &file.join("logs"), &[]);
    assert_eq!(code, 4, "{message}");
    assert!(message.contains("file/logs") && message.contains("--log-dir"), "{message}");
}

pub(crate) async fn redis_keys(redis: &Redis, pattern: &str) -> Vec<String> {
    let client = redis.client().await;
    let command = fred::types::CustomCommand::new_static("KEYS", None::<u16>, false);
    client.custom(command, vec![pattern]).await.unwrap()
}

/// A busy machine delays single requests; a fault would delay them all.
async fn fastest(http: &mut Http, path: &str) -> Duration {
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        fastest = fastest.min(timed(http, path).await);
    }
    fastest
}

#[expect(clippy::disallowed_methods, reason = "a test of one process measures its own durations")]
fn now() -> Instant {
    Instant::now()
}

async fn timed(http: &mut Http, path: &str) -> Duration {
    let started = now();
    http.get(path).await;
    started.elapsed()
}

async fn back_up(http: &mut Http) {
    eventually("the service to find Redis again", async || (http.check("bob").await.status == 200).then_some(())).await;
}
