//! The command line of `verdict` on recorded runs: what it prints, what it writes, which exit code it leaves.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod several;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use plimsoll_record::Offset;
use plimsoll_record::files::EndReason;
use plimsoll_record::latency::Latency;
use plimsoll_record::ledger::{Ledger, Outcome};
use plimsoll_record::run::RunDir;
use plimsoll_record::traffic::{Interval, PhaseFact, SegmentFact, TrafficFact, TrafficHeader, TrafficWriter};
use tempfile::TempDir;

const SECOND: i64 = 1_000_000_000;
const PASSING: &str = "require = [\"p95 < 500ms\", \"error_rate < 5%\"]";
const MISSED: &str = "p95 < 5ms";

/// A run of a minute, 10 requests of 10 ms per second, with these criteria in its plan.
fn recorded(criteria: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), criteria, 10, None);
    dir
}

/// The same in `dir`, with answers that take `ms`, or only a part of it.
fn record(dir: &Path, criteria: &str, ms: u64, segment: Option<SegmentFact>) {
    let run = RunDir::create_or_join(dir, "minute", "test 1").unwrap();
    let source = plimsoll_plan::SourceText { name: "plan.toml".to_owned(), text: plan(criteria) };
    let plan = plimsoll_plan::parse(&source, &[], &plimsoll_plan::Surroundings::NONE).unwrap();
    run.store_plan(&plan.to_toml()).unwrap();
    let phase = PhaseFact {
        name: "steady".to_owned(),
        start_ns: Offset::ZERO,
        end_ns: Some(Offset(60 * SECOND)),
        planned_arrivals: Some(600),
    };
    let header = TrafficHeader {
        start_ns: Offset::ZERO,
        every_ns: SECOND.unsigned_abs(),
        phases: vec![phase],
        operations: vec!["home".to_owned()],
        checks: Vec::new(),
        workers: 1,
        segment,
        tick_ns: None,
        max_send_lag_ns: 10_000_000,
        lookup_ns: None,
    };
    let mut traffic = TrafficWriter::create(dir, "loadgen test", Offset::ZERO, header).unwrap();
    for second in 0..60 {
        traffic.write(&TrafficFact::Interval(Box::new(ten_requests(second, ms)))).unwrap();
    }
    traffic.finish(Offset(60 * SECOND), EndReason::Completed).unwrap();
}

fn plan(criteria: &str) -> String {
    format!(
        r#"
schema = 1
name = "minute"
[target]
url = "http://127.0.0.1:1"
[[phases]]
name = "steady"
duration = "60s"
rate = "10/s"
[flows.home]
[[flows.home.steps]]
name = "home"
get = "/"
[criteria]
{criteria}
"#
    )
}

fn ten_requests(second: i64, ms: u64) -> Interval {
    let mut ledger = Ledger::default();
    ledger.schedule(10);
    ledger.finish_many(Outcome::Ok, 10);
    let mut served = Latency::default();
    (0..10).for_each(|_| served.record(ms * 1_000_000, ms * 1_000_000));
    Interval {
        at_ns: Offset(second * SECOND),
        len_ns: SECOND.unsigned_abs(),
        phase: 0,
        operation: 0,
        ledger,
        pending: 0,
        served,
        limited: Latency::default(),
        censored: Latency::default(),
        timings: plimsoll_record::timings::Timings::default(),
        statuses: BTreeMap::from([(200, 10)]),
        checks: BTreeMap::new(),
        body_bytes: 0,
        retries: 0,
        worst: None,
    }
}

fn verdict(args: &[&str], run: &Path) -> Output {
    let (action, options) = args.split_first().unwrap();
    Command::new(env!("CARGO_BIN_EXE_verdict")).arg(action).arg(run).args(options).output().unwrap()
}

/// The tool with these words, in a directory.
fn verdict_in(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_verdict")).current_dir(dir).args(args).output().unwrap()
}

#[track_caller]
fn expect(output: &Output, code: i32, words: &[&str]) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in\n{text}");
    }
}

#[test]
fn a_passing_run_prints_its_verdict_and_exits_with_0() {
    let dir = recorded(PASSING);
    expect(&verdict(&["check"], dir.path()), 0, &["PASS", "all 2 criteria are met", "p95 < 500ms"]);
}

#[test]
fn a_missed_requirement_exits_with_1_and_a_missed_preference_only_when_strict() {
    let dir = recorded(&format!("require = [\"{MISSED}\"]"));
    expect(&verdict(&["check"], dir.path()), 1, &["FAIL", "p95 is 10.0 ms, limit 5.00 ms"]);
    let dir = recorded(&format!("prefer = [\"{MISSED}\"]"));
    expect(&verdict(&["check"], dir.path()), 0, &["WARN"]);
    expect(&verdict(&["check", "--strict"], dir.path()), 1, &["WARN"]);
}

#[test]
fn a_plan_without_criteria_is_inconclusive_until_a_file_brings_some() {
    let dir = recorded("");
    expect(&verdict(&["check"], dir.path()), 3, &["INCONCLUSIVE", "pass --criteria FILE"]);
    let file = dir.path().join("criteria.toml");
    fs::write(&file, format!("[criteria]\n{PASSING}\n")).unwrap();
    expect(&verdict(&["check", "--criteria", file.to_str().unwrap()], dir.path()), 0, &["PASS"]);
    fs::write(&file, "[criteria]\nrequire = [\"p95 < 5 parsecs\"]\n").unwrap();
    expect(&verdict(&["check", "--criteria", file.to_str().unwrap()], dir.path()), 2, &["parsecs", "criteria.toml"]);
    expect(&verdict(&["check", "--criteria", "no-such-file"], dir.path()), 2, &["cannot read no-such-file"]);
}

#[test]
fn json_on_stdout_is_the_verdict_file_and_the_same_bytes_every_time() {
    let dir = recorded(PASSING);
    let first = verdict(&["check", "--format", "json"], dir.path());
    expect(&first, 0, &["\"judgement\": \"pass\""]);
    assert_eq!(fs::read(dir.path().join("verdict.json")).unwrap(), first.stdout);
    assert_eq!(verdict(&["check", "--format", "json"], dir.path()).stdout, first.stdout);
}

#[test]
fn a_run_directory_that_cannot_be_written_is_judged_all_the_same() {
    let dir = recorded(PASSING);
    fs::create_dir(dir.path().join("verdict.json")).unwrap();
    expect(&verdict(&["check"], dir.path()), 0, &["PASS", "warning: cannot write"]);
}

#[test]
fn reports_go_where_they_are_told() {
    let dir = recorded(PASSING);
    expect(&verdict(&["report"], dir.path()), 0, &["report.html", "report.md"]);
    assert!(dir.path().join("report.html").is_file() && dir.path().join("report.md").is_file());
    let elsewhere = tempfile::tempdir().unwrap();
    let page: PathBuf = elsewhere.path().join("page.html");
    fs::remove_file(dir.path().join("report.md")).unwrap();
    expect(&verdict(&["report", "--html", page.to_str().unwrap()], dir.path()), 0, &["page.html"]);
    assert!(fs::read_to_string(&page).unwrap().starts_with("<!DOCTYPE html>"));
    assert!(!dir.path().join("report.md").exists(), "only the page was asked for");
    let nowhere = elsewhere.path().join("missing/page.html");
    expect(&verdict(&["report", "--html", nowhere.to_str().unwrap()], dir.path()), 4, &["cannot write"]);
}

#[test]
fn what_is_no_run_of_this_version_is_refused_as_such() {
    let empty = tempfile::tempdir().unwrap();
    expect(&verdict(&["check"], empty.path()), 2, &["is not a run directory"]);
    let dir = recorded(PASSING);
    change(&dir.path().join("run.json"), "\"format\": 1", "\"format\": 99");
    expect(&verdict(&["check"], dir.path()), 2, &["format 99", "use a newer plimsoll"]);
    let dir = recorded(PASSING);
    fs::remove_file(dir.path().join("plan.toml")).unwrap();
    expect(&verdict(&["check"], dir.path()), 2, &["no plan.toml"]);
}

#[test]
fn a_damaged_record_is_named_with_its_line() {
    let dir = recorded(PASSING);
    change(&dir.path().join("traffic.jsonl"), "{\"interval\":", "{\"intervall\":");
    expect(&verdict(&["check"], dir.path()), 4, &["traffic.jsonl:2", "damaged"]);
}

#[test]
fn unknown_words_are_usage_errors() {
    let dir = recorded(PASSING);
    expect(&verdict(&["check", "--lenient"], dir.path()), 2, &["--lenient"]);
    expect(&verdict(&["check", "--format", "xml"], dir.path()), 2, &["text", "json"]);
}

#[track_caller]
fn change(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}
