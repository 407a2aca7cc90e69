//! Each fault of the service, of Redis and of the generator itself is caught by the right criterion, in the right words.

use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use plimsoll_tests::{Chain, Finished, Plan};
use rustix::process::{Pid, Signal, kill_process};

const MEMORY: &str = r#"
[criteria.redis-memory]
require = "slope(redis.used_memory) < 1 MB/min"
hint = "Keys without TTL?"
"#;

#[test]
fn a_healthy_service_passes_and_its_refusals_are_no_errors() {
    let criteria = format!(
        "require = [\"error_rate < 1%\", \"limiter.effectiveness > 80%\", \"log.rate_limiter.RATE_LIMITED > 0\"]\n{MEMORY}"
    );
    let chain = Chain::new(&Plan::limiter(45, &criteria), &[]);
    chain.run().expect(0, &["PASS"]);
    let errors = chain.criterion("error_rate < 1%");
    assert_eq!(errors["value"], 0.0, "{errors}");
    let counted = chain.criterion("log.rate_limiter.RATE_LIMITED > 0");
    assert!(counted["value"].as_f64().is_some_and(|lines| lines > 100.0), "{counted}");
}

#[test]
fn a_leak_fails_on_memory_in_megabytes_per_minute() {
    let chain = Chain::new(&Plan::limiter(40, MEMORY), &["leak=100x1000"]);
    chain.run().expect(1, &["FAIL", "redis-memory", "MB/min", "Keys without TTL?"]);
    let grown = chain.criterion("redis-memory")["value"].as_f64().expect("growth was measured") * 60.0 / 1e6;
    assert!((6.0..12.0).contains(&grown), "100 keys of 1,000 bytes per second and their overhead: {grown} MB/min");
}

#[test]
fn a_service_without_its_limiter_fails_on_effectiveness() {
    let chain = Chain::new(&Plan::limiter(25, r#"require = ["limiter.effectiveness > 80%"]"#), &["limiter=off"]);
    chain.run().expect(1, &["FAIL", "limiter.effectiveness"]);
    let effectiveness = &chain.criterion("limiter.effectiveness > 80%")["value"];
    assert!(effectiveness.as_f64().is_some_and(|share| share < 0.05), "{effectiveness}");
}

#[test]
fn a_freeze_shows_in_the_response_time_p99_and_not_in_the_service_time_p50() {
    let criteria = r#"require = ["p99 < 500ms", "service.p50 < 100ms"]"#;
    let chain = Chain::new(&Plan::limiter(40, criteria), &["freeze=1s/5s", "limiter=off"]);
    chain.run().expect(1, &["FAIL", "p99 < 500ms"]);
    let p99 = chain.criterion("p99 < 500ms");
    assert!(p99["value"].as_f64().is_some_and(|seconds| seconds > 0.7), "{p99}");
    assert_eq!(chain.criterion("service.p50 < 100ms")["judgement"], "pass");
}

#[test]
fn redis_killed_in_the_middle_leaves_gaps_and_never_passes() {
    let mut chain = Chain::new(&Plan::limiter(15, MEMORY), &[]);
    let load = chain.start();
    sleep(Duration::from_secs(8));
    chain.redis.kill();
    let load = Finished::wait(load);
    assert_eq!(load.code, Some(0), "{}", load.stderr);
    let gaps = chain.rows("redis.jsonl").iter().filter(|row| row.get("gap").is_some()).count();
    assert!(gaps >= 5, "about 9 s without Redis at two samples per second, {gaps} gap rows");
    let verdict = chain.check();
    assert!(matches!(verdict.code, Some(1 | 3)), "{verdict:?}");
    assert_ne!(chain.criterion("redis-memory")["judgement"], "pass");
}

#[test]
fn a_generator_that_stood_still_is_inconclusive_and_names_the_seconds() {
    let chain = Chain::new(&Plan::limiter(15, r#"require = ["error_rate < 50%"]"#), &[]);
    let load = chain.start();
    sleep(Duration::from_secs(7));
    let generator = only_child(&load);
    kill_process(generator, Signal::STOP).expect("the generator runs");
    sleep(Duration::from_secs(2));
    kill_process(generator, Signal::CONT).expect("the generator is stopped");
    let load = Finished::wait(load);
    assert_eq!(load.code, Some(0), "{}", load.stderr);
    chain.check().expect(3, &["INCONCLUSIVE", "contaminated"]);
    let spans = chain.verdict()["generator"]["contaminated"].clone();
    let longest = spans.as_array().into_iter().flatten().map(|span| {
        let end = |i: usize| span[i].as_i64().expect("spans are nanoseconds");
        end(1) - end(0)
    });
    assert!(longest.max().is_some_and(|nanos| nanos > 1_500_000_000), "{spans}");
}

#[test]
fn no_arrivals_at_all_prove_nothing() {
    let plan = Plan { rate: 0, ..Plan::limiter(2, r#"require = ["error_rate < 1%"]"#) };
    let chain = Chain::new(&plan, &[]);
    let _ = Finished::wait(chain.start());
    chain.check().expect(3, &["INCONCLUSIVE"]);
}

#[test]
fn an_interrupted_run_keeps_a_complete_record_and_is_inconclusive() {
    let chain = Chain::new(&Plan::limiter(60, r#"require = ["error_rate < 50%"]"#), &[]);
    let load = chain.start();
    sleep(Duration::from_secs(5));
    kill_process(pid(&load), Signal::INT).expect("memwatch runs");
    let load = Finished::wait(load);
    assert_eq!(load.code, Some(130), "--- stdout\n{}\n--- stderr\n{}", load.stdout, load.stderr);
    let rows = chain.rows("traffic.jsonl");
    assert_eq!(rows.last().map(|row| row["end"]["reason"].clone()), Some("interrupted".into()));
    chain.check().expect(3, &["interrupted"]);
}

#[test]
fn memory_that_turns_critical_stops_the_load_at_once() {
    let plan = Plan::limiter(120, MEMORY);
    let chain = Chain::new(&plan, &["leak=2000x5000"]);
    let text = plan.text().replace(r#"level = "warn""#, r#"level = "critical", stop = true"#);
    std::fs::write(chain.plan(), text).expect("the test's own directory is writable");
    let load = Finished::wait(chain.start());
    load.expect(1, &["MB/min"]);
    let stops = chain.rows("events.jsonl").into_iter().filter(|row| row.get("stop").is_some()).collect::<Vec<_>>();
    assert_eq!(stops.len(), 1, "{stops:?}");
    assert_eq!(stops[0]["stop"]["signals"][0], "TERM");
    let traffic = chain.rows("traffic.jsonl");
    assert!(traffic.last().is_some_and(|row| row.get("end").is_some()), "the generator ended in good order");
    chain.check().expect(1, &["FAIL"]);
}

fn pid(child: &Child) -> Pid {
    let raw = i32::try_from(child.id()).expect("process ids fit");
    Pid::from_raw(raw).expect("a running process has an id")
}

fn only_child(parent: &Child) -> Pid {
    let path = format!("/proc/{0}/task/{0}/children", parent.id());
    let children = std::fs::read_to_string(path).expect("the parent runs");
    let raw = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("the parent has a child");
    Pid::from_raw(raw).expect("a running process has an id")
}
