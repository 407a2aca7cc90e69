//! `verdict` from outside: the same record gives the same bytes anywhere, criteria may come from elsewhere, and what was
//! recorded can't do anything in a report.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use plimsoll_tests::{Finished, Redis, Service, Tool, binary, eventually, plain_plan};
use rustix::process::geteuid;
use serde_json::Value;
use tempfile::TempDir;

const PASSING: &str = r#"require = ["error_rate < 5%", "p50 < 5s"]"#;
const MEMORY: &str =
    "require = [\"error_rate < 5%\"]\n[criteria.redis-memory]\nrequire = \"max(redis.used_memory) < 1 GB\"";
const MISSED_WISH: &str = "require = [\"error_rate < 5%\"]\n[criteria.fast]\nprefer = \"p50 < 1ms\"\nhint = \"Slow?\"";

#[test]
fn the_json_on_screen_is_the_json_in_the_file() {
    let run = Recorded::new(PASSING, &[]);
    let check = run.verdict(&["check", "run", "--format", "json"]);
    check.expect(0, &[]);
    assert_eq!(check.stdout, run.text("run/verdict.json"));
    let verdict: Value = serde_json::from_str(&check.stdout).unwrap();
    assert_eq!(verdict["judgement"], "pass");
    assert_eq!(ids(&verdict), ["error_rate < 5%", "p50 < 5s"]);
    assert_eq!(verdict["criteria"][0]["samples"], 150, "every request of the phase counts");
}

#[test]
fn a_record_gives_the_same_bytes_again_and_in_another_place() {
    let run = Recorded::new(MEMORY, &[]);
    let derive = |dir: &str| {
        run.verdict(&["check", dir]).expect(0, &["PASS"]);
        run.verdict(&["report", dir]).expect(0, &["report.html", "report.md"]);
        ["verdict.json", "report.html", "report.md"].map(|file| run.text(&format!("{dir}/{file}")))
    };
    let first = derive("run");
    assert!(first.iter().all(|text| text.len() > 200), "there is something to compare");
    assert_eq!(derive("run"), first);
    copy_facts(&run.path("run"), &run.path("copies/elsewhere"));
    assert_eq!(derive("copies/elsewhere"), first);
}

#[test]
fn a_missed_preference_warns_and_fails_only_when_strict() {
    let run = Recorded::new(MISSED_WISH, &["latency=20ms"]);
    run.verdict(&["check", "run"]).expect(0, &["WARN", "fast", "Slow?"]);
    run.verdict(&["check", "run", "--strict"]).expect(1, &["WARN", "fast"]);
}

#[test]
fn a_file_of_criteria_replaces_those_of_the_plan() {
    let run = Recorded::new(PASSING, &[]);
    run.write("strict.toml", "[criteria]\nphase = \"steady\"\nrequire = [\"throughput > 100000/s\"]\n");
    let check = run.verdict(&["check", "run", "--criteria", "strict.toml", "--format", "json"]);
    check.expect(1, &[]);
    let verdict: Value = serde_json::from_str(&check.stdout).unwrap();
    assert_eq!(ids(&verdict), ["throughput > 100000/s"]);
    run.verdict(&["report", "run", "--criteria", "strict.toml", "--md", "strict.md"]).expect(0, &["strict.md"]);
    assert!(run.text("strict.md").contains("100000/s") && !run.text("strict.md").contains("error_rate"));
    run.verdict(&["check", "run"]).expect(0, &["PASS", "error_rate"]);
}

#[test]
fn a_mistake_in_a_file_of_criteria_is_named_with_file_and_line() {
    let run = Recorded::new(PASSING, &[]);
    let check = |text: &str, words: &[&str]| {
        run.write("mine.toml", text);
        run.verdict(&["check", "run", "--criteria", "mine.toml"]).expect(2, words);
        assert!(!run.path("run/verdict.json").exists(), "what was not judged has no verdict");
    };
    check("[criteria]\n\nrequire = [\"eror_rate < 1%\"]\n", &["mine.toml:3", "eror_rate", "error_rate"]);
    check("[criteria]\nrequire = [\"p99 < 5 MB\"]\n", &["mine.toml:2", "MB"]);
    check("[criteria]\nphase = \"stedy\"\nrequire = [\"p99 < 5s\"]\n", &["mine.toml:2", "stedy", "steady"]);
    check("[criteria\n", &["mine.toml:1"]);
    run.verdict(&["check", "run", "--criteria", "nowhere.toml"]).expect(2, &["nowhere.toml"]);
}

#[test]
fn reports_are_written_where_they_were_asked_for() {
    let run = Recorded::new(PASSING, &[]);
    run.verdict(&["report", "run", "--md", "only.md"]).expect(0, &["only.md"]);
    assert!(!run.path("run/report.html").exists() && !run.path("run/report.md").exists());
    let both = run.verdict(&["report", "run", "--html", "page.html", "--md", "summary.md"]);
    both.expect(0, &[]);
    assert_eq!(both.stdout, "page.html\nsummary.md\n");
    assert!(!run.path("run/report.html").exists() && !run.path("run/report.md").exists());
    assert!(run.text("page.html").starts_with("<!DOCTYPE html>") && run.text("page.html").contains("p50 &lt; 5s"));
    assert_eq!(run.text("summary.md"), run.text("only.md"));
    run.verdict(&["report", "run", "--html"]).expect(0, &["run/report.html"]);
    assert_eq!(run.text("run/report.html"), run.text("page.html"));
    assert!(!run.path("run/report.md").exists());
    run.verdict(&["report", "run", "--html", "/nowhere/page.html"]).expect(4, &["/nowhere/page.html", "No such file"]);
}

#[test]
fn a_record_on_a_read_only_disk_is_judged_all_the_same() {
    let run = Recorded::new(PASSING, &[]);
    // A read-only view of the run directory in a mount namespace of its own, gone with the process.
    let script = "mount --bind run run && mount -o remount,bind,ro run && exec \"$0\" check run";
    let namespace = if geteuid().is_root() { "--mount" } else { "--map-root-user" };
    let check = Tool::of("unshare")
        .args([namespace, "--mount", "sh", "-c", script])
        .arg(binary("verdict"))
        .current_dir(run.dir.path())
        .run();
    check.expect(0, &["PASS", "warning", "verdict.json", "Read-only"]);
    assert!(!run.path("run/verdict.json").exists());
}

#[test]
fn memory_that_nobody_watched_is_inconclusive() {
    let run = Recorded::unwatched(MEMORY);
    assert!(!run.path("run/redis.jsonl").exists());
    let check = run.verdict(&["check", "run", "--format", "json"]);
    check.expect(3, &[]);
    let verdict: Value = serde_json::from_str(&check.stdout).unwrap();
    let judgement = |id: &str| {
        let criteria = verdict["criteria"].as_array().unwrap();
        criteria.iter().find(|criterion| criterion["id"] == id).unwrap()["judgement"].clone()
    };
    assert_eq!(judgement("redis-memory"), "inconclusive");
    assert_eq!(judgement("error_rate < 5%"), "pass", "what was measured is judged");
    run.verdict(&["check", "run"]).expect(3, &["INCONCLUSIVE", "redis-memory", "memwatch"]);
    run.verdict(&["report", "run"]).expect(0, &["report.html"]);
}

#[test]
fn markup_and_orders_in_a_followed_log_are_inert_on_page_and_screen() {
    let hostile = concat!(
        r#"{"event":"<script>alert('event')</script>\u001b]0;title\u0007","what":"</script><img src=x onerror=alert(1)>"}"#,
        "\nconnection refused <script>alert('line')</script> \u{1b}[31m | [x](javascript:alert(1))\n",
    );
    let run = Recorded::with_log(PASSING, hostile);
    run.verdict(&["check", "run"]).expect(0, &["PASS"]);
    let colored = run.tool("verdict").args(["check", "run"]).env("NO_COLOR", "").env("CLICOLOR_FORCE", "1").run();
    assert!(colored.stdout.contains("\u{1b}["), "this is what a terminal gets: {:?}", colored.stdout);
    assert!(colored.stdout.contains("title"), "the event's name is shown: {:?}", colored.stdout);
    assert!(!colored.stdout.contains("\u{1b}]"), "the terminal takes no orders from a log: {:?}", colored.stdout);
    run.verdict(&["report", "run"]).expect(0, &["report.html"]);
    let facts = run.text("run/logs.jsonl");
    assert!(facts.contains("<script>alert('line')"), "the lines were followed: {facts}");
    let (page, summary) = (run.text("run/report.html"), run.text("run/report.md"));
    assert!(page.contains("&lt;script&gt;alert"), "the page shows the lines, as text");
    for text in [&page, &summary] {
        assert!(!text.contains("<script>alert") && !text.contains("<img src=x"), "live markup:\n{text}");
    }
    assert!(![page, summary].concat().contains('\u{1b}'), "no control characters");
}

/// A run that was recorded once, with what its tools need.
struct Recorded {
    dir: TempDir,
}

impl Recorded {
    /// One and a half seconds of load under the eyes of `memwatch`.
    fn new(criteria: &str, faults: &[&str]) -> Self {
        Self::record(criteria, faults, true, "")
    }

    /// The same without `memwatch`.
    fn unwatched(criteria: &str) -> Self {
        Self::record(criteria, &[], false, "")
    }

    /// With these lines in the followed log.
    fn with_log(criteria: &str, lines: &str) -> Self {
        Self::record(criteria, &[], true, lines)
    }

    fn record(criteria: &str, faults: &[&str], watched: bool, lines: &str) -> Self {
        let (redis, dir) = (Redis::start(), tempfile::tempdir().unwrap());
        let service = Service::start(&redis, faults);
        let watch = "[watch]\nevery = \"200ms\"\nredis = \"${REDIS_URL}\"\nlogs = [{ path = \"app.log\" }]";
        let recorded = Self { dir };
        recorded.write("plan.toml", &plain_plan("duration = \"1500ms\"\nrate = \"100/s\"", criteria, watch));
        recorded.write("app.log", "");
        let command = match watched {
            true => {
                recorded.tool("memwatch").args(["exec", "plan.toml", "--run-dir", "run", "--"]).arg(binary("loadgen"))
            }
            false => recorded.tool("loadgen"),
        };
        let command = command.args(["run", "plan.toml", "--run-dir", "run", "--quiet"]);
        let mut child = command.env("TARGET_URL", service.url()).env("REDIS_URL", redis.url()).start();
        eventually("the load begins, or is refused", || {
            let began = recorded.path("run/traffic.jsonl").exists() || child.try_wait().unwrap().is_some();
            began.then_some(())
        });
        recorded.write("app.log", lines);
        Finished::wait(child).expect(0, &[]);
        recorded
    }

    fn tool(&self, name: &str) -> Tool {
        Tool::new(name).current_dir(self.dir.path())
    }

    fn verdict(&self, args: &[&str]) -> Finished {
        self.tool("verdict").args(args).run()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }
}

fn ids(verdict: &Value) -> Vec<&str> {
    verdict["criteria"].as_array().unwrap().iter().filter_map(|criterion| criterion["id"].as_str()).collect()
}

/// Copies the facts of a run and leaves behind what was derived from them.
fn copy_facts(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        let derived = ["verdict.json", "report.html", "report.md"].iter().any(|file| name == *file);
        if !derived {
            fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}
