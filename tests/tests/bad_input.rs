//! Bad input gets a clear answer: the message, the exit code, and nothing lost.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use plimsoll_tests::{Finished, Plan, Redis, Service, Tool, free_port};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

fn plan_dir(text: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("plan.toml"), text).unwrap();
    dir
}

fn short_plan() -> String {
    Plan::limiter(2, r#"require = ["error_rate < 50%"]"#).text()
}

fn loadgen(dir: &TempDir, target: &str) -> Tool {
    Tool::new("loadgen")
        .args(["run", "plan.toml", "--run-dir", "run"])
        .env("TARGET_URL", target)
        .env("REDIS_URL", "redis://127.0.0.1:6379")
        .env("LOG_DIR", "logs")
        .current_dir(dir.path())
}

/// Edits the short plan and expects a usage error that says all of `words`.
#[track_caller]
fn check(find: &str, replace: &str, words: &[&str]) {
    let text = short_plan();
    assert!(text.contains(find), "the plan has no `{find}`");
    let dir = plan_dir(&text.replace(find, replace));
    loadgen(&dir, "http://127.0.0.1:9").run().expect(2, words);
    assert!(!dir.path().join("run").exists(), "a refused plan leaves no run directory");
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_valid_ones() {
    check("count = 20", "cuont = 20", &["plan.toml:9:1", "cuont", "count"]);
}

#[test]
fn an_unknown_metric_is_named_with_the_valid_ones() {
    check("error_rate", "eror_rate", &["plan.toml", "eror_rate", "error_rate", "p99"]);
}

#[test]
fn an_unknown_phase_is_named_with_the_valid_ones() {
    check("phase = \"steady\"", "phase = \"stedy\"", &["stedy", "steady", "warm-up"]);
}

#[test]
fn a_wrong_unit_is_named_with_a_right_one() {
    check("rate = \"18/s\"", "rate = \"18s\"", &["18s", "/s"]);
    check("duration = \"2s\"", "duration = \"2 parsecs\"", &["parsecs", "ms"]);
}

#[test]
fn a_weight_of_zero_and_a_negative_rate_are_refused() {
    check("[flows.check]", "[flows.check]\nweight = 0", &["weight", "0"]);
    check("rate = \"18/s\"", "rate = \"-18/s\"", &["-18/s"]);
}

#[test]
fn an_unset_variable_is_named() {
    check("${TARGET_URL}", "${PLIMSOLL_NOWHERE_SET}", &["PLIMSOLL_NOWHERE_SET", "plan.toml:5"]);
}

#[test]
fn all_problems_are_reported_at_once() {
    let text =
        short_plan().replace("count = 20", "cuont = 20").replace("18/s", "18s").replace("error_rate", "eror_rate");
    let dir = plan_dir(&text);
    loadgen(&dir, "http://127.0.0.1:9").run().expect(2, &["cuont", "18s", "eror_rate"]);
}

#[test]
fn a_plan_that_is_not_there_is_named() {
    Tool::new("loadgen").args(["run", "nowhere.toml"]).run().expect(2, &["nowhere.toml"]);
}

#[test]
fn an_unreachable_target_is_named_with_the_cause_before_any_load() {
    let dir = plan_dir(&short_plan());
    let target = format!("http://127.0.0.1:{}", free_port());
    loadgen(&dir, &target).run().expect(4, &[&target["http://".len()..], "refused"]);
}

#[test]
fn redis_that_is_down_at_the_start_is_named_before_the_command_runs() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("redis://127.0.0.1:{}", free_port());
    let started = dir.path().join("started");
    let memwatch = Tool::new("memwatch").args(["exec", "--redis", &url, "--", "touch"]).arg(&started);
    memwatch.run().expect(4, &[&url["redis://".len()..], "refused"]);
    assert!(!started.exists(), "the command must not run unwatched");
}

#[test]
fn a_wrong_or_missing_password_is_named_and_never_shown() {
    let redis = Redis::with(&["--requirepass", "right-one"]);
    let missing = Tool::new("memwatch").args(["snapshot", "--redis", &redis.url()]).run();
    missing.expect(4, &["password"]);
    let url = redis.url().replace("redis://", "redis://:wrong-one@");
    let wrong = Tool::new("memwatch").args(["snapshot", "--redis", &url]).run();
    wrong.expect(4, &["password"]);
    assert!(!wrong.stderr.contains("wrong-one") && !wrong.stdout.contains("wrong-one"), "{wrong:?}");
    let url = redis.url().replace("redis://", "redis://:right-one@");
    let right = Tool::new("memwatch").args(["snapshot", "--redis", &url]).run();
    right.expect(0, &["used"]);
    assert!(!right.stderr.contains("right-one") && !right.stdout.contains("right-one"), "{right:?}");
}

#[test]
fn secrets_of_the_plan_reach_no_file_and_no_screen() {
    let redis = Redis::with(&["--requirepass", "s3cret-redis"]);
    let open_redis = Redis::start();
    let service = Service::start(&open_redis, &[]);
    let text = short_plan().replace("[users]", "headers = { \"X-API-Key\" = \"${API_KEY}\" }\n[users]");
    let dir = plan_dir(&text);
    let run = Tool::new("memwatch")
        .args(["exec", "plan.toml", "--run-dir", "run", "--"])
        .arg(plimsoll_tests::binary("loadgen"))
        .args(["run", "plan.toml", "--run-dir", "run"])
        .env("TARGET_URL", service.url())
        .env("REDIS_URL", redis.url().replace("redis://", "redis://:s3cret-redis@"))
        .env("LOG_DIR", service.log_dir())
        .env("API_KEY", "s3cret-key")
        .current_dir(dir.path())
        .run();
    run.expect(0, &[]);
    let report = Tool::new("verdict").args(["report", "run"]).current_dir(dir.path()).run();
    report.expect(0, &[]);
    for text in [&run.stdout, &run.stderr, &report.stdout, &report.stderr] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    let mut seen = 0;
    for entry in fs::read_dir(dir.path().join("run")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains("s3cret"), "{} holds a secret", path.display());
        seen += 1;
    }
    assert!(seen >= 6, "only {seen} files were recorded");
}

#[test]
fn a_second_run_into_the_same_directory_is_refused() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let dir = plan_dir(&short_plan());
    loadgen(&dir, service.url()).run().expect(0, &[]);
    loadgen(&dir, service.url()).run().expect(2, &["already", "--run-dir"]);
}

#[test]
fn an_unwritable_run_directory_is_named_before_any_load() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let dir = plan_dir(&short_plan());
    fs::write(dir.path().join("run"), "a file, not a directory").unwrap();
    loadgen(&dir, service.url()).run().expect(4, &["run", "--run-dir"]);
}

#[test]
fn a_full_disk_ends_the_run_with_its_name() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let dir = plan_dir(&short_plan().replace("duration = \"2s\"", "duration = \"60s\""));
    fs::create_dir(dir.path().join("disk")).unwrap();
    // A file system of 16 KiB in a mount namespace of its own: full within seconds, gone with the process.
    let script = "mount -t tmpfs -o size=16k tmpfs disk && exec \"$0\" run plan.toml --run-dir disk/run";
    let namespace = if rustix::process::geteuid().is_root() { "--mount" } else { "--map-root-user" };
    let run = Tool::of("unshare")
        .args([namespace, "--mount", "sh", "-c", script])
        .arg(plimsoll_tests::binary("loadgen"))
        .env("TARGET_URL", service.url())
        .env("REDIS_URL", redis.url())
        .env("LOG_DIR", "logs")
        .current_dir(dir.path())
        .run();
    run.expect(4, &["cannot write", "space"]);
}

#[test]
fn a_generator_killed_in_the_middle_leaves_a_record_that_says_it_is_partial() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let dir = plan_dir(&short_plan().replace("duration = \"2s\"", "duration = \"60s\""));
    let mut child = loadgen(&dir, service.url()).start();
    sleep(Duration::from_secs(4));
    child.kill().unwrap();
    let _ = Finished::wait(child);
    let traffic = dir.path().join("run/traffic.jsonl");
    let mut text = fs::read_to_string(&traffic).unwrap();
    text.push_str("{\"interval\":{\"at_ns\":12");
    fs::write(&traffic, text).unwrap();
    let verdict = Tool::new("verdict").args(["check", "run"]).current_dir(dir.path()).run();
    verdict.expect(3, &["INCONCLUSIVE", "partial"]);
}

#[test]
fn a_record_changed_afterwards_is_refused_with_file_and_line() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let dir = plan_dir(&short_plan());
    loadgen(&dir, service.url()).run().expect(0, &[]);
    let traffic = dir.path().join("run/traffic.jsonl");
    let text = fs::read_to_string(&traffic).unwrap();
    fs::write(&traffic, text.replacen("{\"interval\"", "{\"intervall\"", 1)).unwrap();
    let verdict = Tool::new("verdict").args(["check", "run"]).current_dir(dir.path()).run();
    verdict.expect(4, &["traffic.jsonl:", "damaged"]);
}

#[test]
fn what_is_no_run_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Tool::new("verdict").arg("check").arg(dir.path()).run().expect(2, &["not a run directory"]);
}

#[test]
fn twice_interrupted_ends_at_once_and_still_leaves_a_record() {
    let redis = Redis::start();
    let service = Service::start(&redis, &["freeze=60s/61s"]);
    let text =
        short_plan().replace("duration = \"2s\"", "duration = \"60s\"").replace("health = \"GET /health\"\n", "");
    let dir = plan_dir(&text);
    let child = loadgen(&dir, service.url()).start();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    sleep(Duration::from_secs(3));
    kill_process(pid, Signal::INT).unwrap();
    sleep(Duration::from_millis(300));
    kill_process(pid, Signal::INT).unwrap();
    Finished::wait(child).expect(130, &[]);
    let rows = fs::read_to_string(dir.path().join("run/traffic.jsonl")).unwrap();
    assert!(rows.lines().last().is_some_and(|row| row.contains("interrupted")), "{rows}");
}
