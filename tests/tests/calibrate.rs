//! `loadgen calibrate` from outside: real processes, a real freeze, a complete table. What it measures is this
//! machine's business; that nothing is lost on the way is not.

use std::path::Path;

use plimsoll_tests::{Finished, Redis, Service, Tool};
use serde_json::Value;

const NUMBERS: [&str; 6] = ["p50", "p90", "p95", "p99", "p99.9", "mean"];

fn calibrate(data: &Path) -> Tool {
    Tool::new("loadgen").args(["calibrate", "--quick"]).env("XDG_DATA_HOME", data)
}

/// Within tolerance, out of it, or on a machine that is too busy to say.
#[track_caller]
fn came_to_an_end(run: &Finished) {
    assert!(matches!(run.code, Some(0 | 1 | 3)), "{:?}\n{}\n{}", run.code, run.stdout, run.stderr);
}

#[test]
fn a_freeze_is_compared_number_by_number_and_no_arrival_is_lost() {
    let data = tempfile::tempdir().unwrap();
    let run = calibrate(data.path()).args(["--only", "freeze-10", "--format", "json"]).run();
    came_to_an_end(&run);
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    let trial = &found["trials"][0];
    assert_eq!(trial["name"], "freeze-10");
    let values = trial["values"].as_array().unwrap();
    let names: Vec<&str> = values.iter().map(|value| value["what"].as_str().unwrap()).collect();
    assert_eq!(names, NUMBERS);
    for value in values {
        assert!(value["truth_s"].as_f64().unwrap() > 0.0 && value["measured_s"].as_f64().unwrap() > 0.0, "{value}");
    }
    assert!(trial["distance"].as_f64().unwrap() >= 0.0);
    let counts = &trial["counts"];
    for count in ["planned", "scheduled", "answered", "seen_by_server"] {
        assert_eq!(counts[count], 2_000, "{count} of {counts}");
    }
    assert_eq!(counts["unfinished"], 0);
    assert!(run.stderr.contains("calibrating: a server that freezes"), "{}", run.stderr);
    assert!(!data.path().join("plimsoll").exists(), "a part is not stored unasked");
}

#[test]
fn what_a_freeze_over_the_end_leaves_open_is_unfinished_and_not_lost() {
    let data = tempfile::tempdir().unwrap();
    let run = calibrate(data.path()).args(["--only", "end"]).run();
    came_to_an_end(&run);
    for line in ["truth", "measured", "error", "1,500 planned, 1,500 scheduled", ">= "] {
        assert!(run.stdout.contains(line), "`{line}` is not in\n{}", run.stdout);
    }
    assert!(!run.stdout.contains("lost or counted twice"), "{}", run.stdout);
}

#[test]
fn a_stopped_generator_is_compared_with_its_own_pause() {
    let data = tempfile::tempdir().unwrap();
    let run = calibrate(data.path()).args(["--only", "stop", "--format", "json"]).run();
    came_to_an_end(&run);
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    let reason = found["trials"][0]["reason"].as_str().unwrap();
    assert!(!reason.contains("is not called contaminated") && !reason.contains("not in the seconds"), "{reason}");
    assert!(found["trials"][0]["counts"]["answered"] == 2_500, "{found}");
}

#[test]
fn what_is_stored_goes_with_the_runs_of_this_machine_and_is_quoted() {
    let data = tempfile::tempdir().unwrap();
    let store = data.path().join("plimsoll/calibration.json");
    let run = calibrate(data.path()).args(["--only", "freeze-10", "--store"]).arg(&store).run();
    came_to_an_end(&run);
    assert!(run.stderr.contains("stored in"), "{}", run.stderr);
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let record = |dir: &Path| {
        let quick = Tool::new("loadgen").args(["quick", service.url(), "-n", "100"]).env("XDG_DATA_HOME", data.path());
        let run = quick.arg("--run-dir").arg(dir).run();
        run.expect(0, &[]);
        let verdict = Tool::new("verdict").args(["check", "--format", "json"]).arg(dir).run();
        let verdict: Value = serde_json::from_str(&verdict.stdout).unwrap();
        (run.stderr, verdict["generator"]["calibration"].as_str().unwrap().to_owned())
    };
    let (_, quoted) = record(&data.path().join("calibrated"));
    assert!(
        quoted.starts_with("calibrated on this machine on 20") && quoted.contains("freeze test within"),
        "{quoted}"
    );
    std::fs::write(&store, "{").unwrap();
    let (said, quoted) = record(&data.path().join("damaged"));
    assert!(said.contains("warning: ") && said.contains("loadgen calibrate"), "{said}");
    assert_eq!(quoted, "not calibrated: run `loadgen calibrate`");
}

#[test]
fn contradictions_and_unknown_trials_are_refused_with_the_valid_words() {
    let loadgen = |words: &[&str]| Tool::new("loadgen").arg("calibrate").args(words).run();
    loadgen(&["--quick", "--full"]).expect(2, &["--quick", "--full"]);
    loadgen(&["--only", "speed"]).expect(2, &["freeze-1000", "overload"]);
    let homeless = Tool::new("loadgen").arg("calibrate").env("HOME", "").env("XDG_DATA_HOME", "").run();
    homeless.expect(2, &["--store"]);
}
