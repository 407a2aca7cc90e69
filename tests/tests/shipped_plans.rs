//! The shipped plans by one command, shortened: what they ask of the example service is what it answers.

use plimsoll_tests::{Finished, Tool, binary, rows_of};
use serde_json::Value;
use tempfile::TempDir;

/// A shipped plan in its quick form, on a stack of its own.
struct Run {
    dir: TempDir,
    finished: Finished,
}

impl Run {
    fn of(plan: &str, changes: &[&str], variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("the temporary directory is writable");
        let bin_dir = binary("loadgen").parent().expect("a binary stands in a directory").to_path_buf();
        let tool =
            Tool::new("xtask").args(["loadtest", plan, "--quick", "--stack", "native", "--bin-dir"]).arg(bin_dir);
        let tool = tool.arg("--run-dir").arg(dir.path().join("run"));
        let tool = tool.args(changes.iter().flat_map(|change| ["--set", change]));
        let tool = variables.iter().fold(tool, |tool, (name, value)| tool.env(name, value));
        Self { finished: tool.run(), dir }
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join("run").join(name)).expect("the run is recorded")
    }

    fn verdict(&self) -> Value {
        serde_json::from_str(&self.text("verdict.json")).expect("a verdict is JSON")
    }
}

#[test]
fn people_of_the_assistant_do_all_that_they_do_and_show_their_key() {
    let changes = [
        "phases.spike.users=40",
        "phases.spike.duration=5s",
        "phases.spike.think=200ms..400ms",
        // How long it takes depends on the machine.
        "criteria.require=[\"error_rate < 5%\"]",
    ];
    let run = Run::of("assistant/spike", &changes, &[("API_KEY", "hunter2-of-the-test")]);
    run.finished.expect(0, &["report.html"]);
    let traffic = &run.verdict()["traffic"];
    assert_eq!(traffic["error_rate"], 0.0, "{traffic}");
    let rows = rows_of(&run.dir.path().join("run/traffic.jsonl"));
    let intervals: Vec<&Value> = rows.iter().filter_map(|row| row.get("interval")).collect();
    for (operation, name) in ["chat", "food", "reminders", "xp"].into_iter().enumerate() {
        let seen = intervals.iter().any(|row| row["operation"] == operation && row["served"].is_object());
        assert!(seen, "nobody asked for {name}");
    }
    assert!(!run.text("plan.toml").contains("hunter2"), "the key is in the record");
    assert!(!run.text("report.html").contains("hunter2"), "the key is in the report");
}

#[test]
fn nine_of_ten_tasks_are_a_warning_and_seven_a_failure() {
    let changes = ["criteria.created-quickly.require=mean < 20s"];
    let tasks = |count| Run::of("harness/concurrent-tasks", &changes, &[("CONCURRENT_TASKS", count)]);
    let nine = tasks("9");
    nine.finished.expect(0, &["WARN", "count >= 10"]);
    assert_eq!(nine.verdict()["judgement"], "warn");
    tasks("7").finished.expect(1, &["FAIL", "count >= 8"]);
}
