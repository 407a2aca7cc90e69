//! Commands that look at more than a verdict: several runs, parts of a run, one criterion, other formats.

use super::*;

/// Runs in directories of one folder: name, and how many milliseconds an answer takes.
fn folder(runs: &[(&str, u64)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, ms) in runs {
        record(&dir.path().join(name), PASSING, *ms, None);
        // Runs of one test begin in the same second: a day between them makes a series.
        let day: i64 = name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0);
        let path = dir.path().join(name).join("run.json");
        let mut info: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        info["anchor"]["unix_ns"] = ((1_800_000_000 + 86_400 * day) * SECOND).into();
        fs::write(&path, info.to_string()).unwrap();
    }
    dir
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn a_criterion_is_explained_with_its_formula_and_data() {
    let dir = recorded(PASSING);
    let known = verdict(&["explain"], dir.path());
    expect(&known, 0, &["p95 < 500ms", "error_rate < 5%", "pass"]);
    let one = verdict(&["explain", "p95 < 500ms", "--rows", "3"], dir.path());
    expect(&one, 0, &["PASS", "formula", "docs/statistics.md#percentiles", "scheduled", "40.0 s  60.0 s"]);
    assert!(String::from_utf8_lossy(&one.stdout).matches("10.0 ms").count() >= 4, "{one:?}");
    expect(&verdict(&["explain", "p42"], dir.path()), 2, &["no criterion `p42`", "error_rate < 5%"]);
}

#[test]
fn segments_become_a_run_that_is_judged_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    for number in 1..3 {
        let segment = Some(SegmentFact { number, of: 2 });
        record(&dir.path().join(format!("part{number}")), "require = [\"count >= 1200\"]", 10, segment);
    }
    expect(&verdict_in(dir.path(), &["check", "part1"]), 3, &["segment 1 of 2"]);
    expect(&verdict_in(dir.path(), &["merge", "part1", "--out", "whole"]), 2, &["these are missing: 2"]);
    expect(&verdict_in(dir.path(), &["merge", "part2", "part1", "--out", "all"]), 0, &["all"]);
    expect(&verdict_in(dir.path(), &["check", "all"]), 0, &["PASS", "count >= 1200"]);
    expect(&verdict_in(dir.path(), &["merge", "part2", "part1", "--out", "all"]), 2, &["holds a run already"]);
}

#[test]
fn past_runs_are_judged_by_other_criteria_and_nothing_is_written() {
    let dir = folder(&[("1", 10), ("2", 700)]);
    fs::write(dir.path().join("new.toml"), "[criteria]\nrequire = [\"p95 < 100ms\"]\n").unwrap();
    let output = verdict_in(dir.path(), &["replay", ".", "--criteria", "new.toml"]);
    expect(&output, 1, &["1 pass, 1 fail", "p95 is"]);
    assert!(!dir.path().join("1/verdict.json").exists());
    let list = json(&verdict_in(dir.path(), &["replay", "1", "2", "--format", "json"]));
    assert_eq!(list["verdicts"].as_array().map(Vec::len), Some(2));
    expect(&verdict_in(dir.path(), &["replay", "1", "--criteria", "none.toml"]), 2, &["cannot read none.toml"]);
    fs::create_dir(dir.path().join("empty")).unwrap();
    expect(&verdict_in(dir.path(), &["replay", "empty"]), 2, &["no run directory and holds none"]);
}

#[test]
fn what_got_slower_is_named_and_fails() {
    let dir = folder(&[("1", 100), ("2", 101), ("3", 130)]);
    expect(&verdict_in(dir.path(), &["compare", "1", "2"]), 0, &["nothing is worse", "home", "+1.0 %", "same"]);
    let slower = verdict_in(dir.path(), &["compare", "1", "3"]);
    expect(&slower, 1, &["worse: ", "+30.", "much worse", "3 base runs or more"]);
    let found = json(&verdict_in(dir.path(), &["compare", "1", "3", "--format", "json"]));
    assert_eq!(found["changes"][1]["metric"], "p95");
    assert_eq!(found["changes"][1]["finding"], "much worse");
    expect(&verdict_in(dir.path(), &["compare", "1", "3", "--phase", "spike"]), 2, &["no phase `spike`", "steady"]);
    expect(&verdict_in(dir.path(), &["compare", "1"]), 2, &["BASE... CANDIDATE"]);
}

#[test]
fn a_change_of_the_plan_is_named_and_takes_the_blame() {
    let dir = folder(&[("1", 100), ("2", 130)]);
    change(&dir.path().join("2/plan.toml"), "count = 1", "count = 7");
    expect(&verdict_in(dir.path(), &["compare", "1", "2"]), 0, &["but the environment differs too", "count = 7"]);
}

#[test]
fn several_base_runs_say_what_is_usual() {
    let dir = folder(&[("1", 100), ("2", 130), ("3", 90), ("4", 110), ("5", 135), ("6", 400)]);
    expect(&verdict_in(dir.path(), &["compare", "1", "2", "3", "4", "5"]), 0, &["prediction interval of 4 runs"]);
    expect(&verdict_in(dir.path(), &["compare", "1", "2", "3", "4", "6"]), 1, &["worse: ", "much worse"]);
}

#[test]
fn a_trend_shows_each_run_and_where_the_level_changed_even_without_their_facts() {
    let runs: Vec<(String, u64)> =
        (1..=12).map(|day| (day.to_string(), if day < 7 { 100 + day } else { 200 + day })).collect();
    let runs: Vec<(&str, u64)> = runs.iter().map(|(name, ms)| (name.as_str(), *ms)).collect();
    let dir = folder(&runs);
    let words = ["2027-01-22", "p95 changed from 10", "with the run of 2027-01-22"];
    expect(&verdict_in(dir.path(), &["trend", "."]), 0, &words);
    // Only the small files stay.
    for (name, _) in &runs {
        for file in ["traffic.jsonl", "plan.toml", "run.json"] {
            fs::remove_file(dir.path().join(name).join(file)).unwrap();
        }
    }
    expect(&verdict_in(dir.path(), &["trend", "."]), 0, &words);
    expect(&verdict_in(dir.path(), &["trend", ".", "--format", "markdown"]), 0, &["| when (UTC) | verdict |"]);
    let trend = json(&verdict_in(dir.path(), &["trend", ".", "--metric", "p95[home]", "--format", "json"]));
    assert_eq!((trend["runs"].as_array().map(Vec::len), &trend["series"][0]["endpoint"]), (Some(12), &"home".into()));
    expect(
        &verdict_in(dir.path(), &["trend", ".", "--metric", "p42"]),
        2,
        &["no run has the metric `p42`", "p95[home]"],
    );
    expect(
        &verdict_in(dir.path(), &["suggest", "."]),
        0,
        &["[criteria]", "phase = \"steady\"", "\"p95 < ", "false alarms"],
    );
}

#[test]
fn limits_from_past_runs_can_be_pasted_into_a_plan_and_hold() {
    let dir = folder(&[("1", 100), ("2", 104), ("3", 98), ("4", 101)]);
    let output = verdict_in(dir.path(), &["suggest", ".", "--endpoints"]);
    expect(&output, 0, &["4 of 4 runs that passed", "[criteria.home-p95]", "endpoint = \"home\""]);
    fs::write(dir.path().join("new.toml"), &output.stdout).unwrap();
    let judged = verdict_in(dir.path(), &["check", "4", "--criteria", "new.toml"]);
    assert!(matches!(judged.status.code(), Some(0 | 3)), "{judged:?}");
    expect(&verdict_in(dir.path(), &["suggest", "1", "2"]), 2, &["2 of 2 runs passed", "take 3 or more"]);
}

#[test]
fn a_run_is_written_in_the_formats_of_other_tools() {
    let dir = recorded(PASSING);
    expect(&verdict(&["export", "--as", "csv"], dir.path()), 0, &["traffic.csv"]);
    expect(&verdict(&["export", "--as", "hlog"], dir.path()), 0, &["#[Histogram log format version", "Tag=home,"]);
    expect(&verdict(&["export", "--as", "openmetrics"], dir.path()), 0, &["# EOF", "plimsoll_arrivals_total"]);
    expect(&verdict(&["export", "--as", "jtl"], dir.path()), 2, &["no request log", "requests = \"all\""]);
    expect(&verdict(&["export", "--as", "xlsx"], dir.path()), 2, &["openmetrics"]);
}

#[test]
fn a_verdict_is_printed_for_people_and_machines() {
    let dir = recorded(&format!("require = [\"{MISSED}\"]"));
    expect(&verdict(&["check", "--format", "markdown"], dir.path()), 1, &["# ❌ FAIL: minute"]);
    expect(&verdict(&["check", "--format", "github"], dir.path()), 1, &["::error title=plimsoll%3A fail::"]);
    expect(&verdict(&["check", "--format", "junit"], dir.path()), 1, &["<testsuite name=\"minute\"", "<failure "]);
    expect(&verdict(&["check", "--format", "csv"], dir.path()), 1, &["run,plan,verdict,id", ",fail,"]);
    expect(&verdict(&["report", "--junit", "--csv"], dir.path()), 0, &["junit.xml", "criteria.csv"]);
    assert!(!dir.path().join("report.html").exists(), "only what was asked for");
    let schema = json(&verdict_in(dir.path(), &["schema"]));
    assert_eq!(schema["title"], "plimsoll verdict");
}

#[test]
fn a_plan_that_cannot_decide_its_criteria_says_so_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let write = |criteria: &str| fs::write(dir.path().join("plan.toml"), plan(criteria)).unwrap();
    write("require = [\"p99.9 < 1s\", \"p50 < 1s\"]");
    let words = ["no  ", "yes", "p99.9 < 1s", "needs 2,995 requests or more, gets 600 at most"];
    expect(&verdict_in(dir.path(), &["lint", "plan.toml"]), 3, &words);
    expect(&verdict_in(dir.path(), &["lint", "plan.toml", "--set", "phases.steady.duration=10m"]), 0, &["yes"]);
    let list = json(&verdict_in(dir.path(), &["lint", "plan.toml", "--format", "json"]));
    assert_eq!((&list["criteria"][0]["decidable"], &list["criteria"][1]["decidable"]), (&"no".into(), &"yes".into()));
    write("require = [\"p99.9 < 5 parsecs\"]");
    expect(&verdict_in(dir.path(), &["lint", "plan.toml"]), 2, &["parsecs", "plan.toml"]);
    expect(&verdict_in(dir.path(), &["lint", "none.toml"]), 2, &["cannot read none.toml"]);
    write("");
    expect(&verdict_in(dir.path(), &["lint", "plan.toml"]), 3, &["no criteria"]);
}
