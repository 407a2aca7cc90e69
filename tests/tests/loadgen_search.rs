//! `loadgen search` from outside: it finds the rate that a service of known capacity holds, and says when it cannot.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::path::PathBuf;

use plimsoll_tests::{Finished, Redis, Service, Tool, plain_plan};
use serde_json::Value;
use tempfile::TempDir;

const FAST: [&str; 8] = ["--hold", "1s", "--pause", "10ms", "--within", "50", "--format", "json"];

/// A service that answers after 20 ms, and a plan that gives it two connections: 100 requests per second at most.
struct Stage {
    _redis: Redis,
    service: Service,
    dir: TempDir,
}

impl Stage {
    fn new(criteria: &str) -> Self {
        let redis = Redis::start();
        let service = Service::start(&redis, &["latency=20ms"]);
        let dir = tempfile::tempdir().unwrap();
        let plan = plain_plan("duration = \"9s\"\nrate = \"1/s\"", criteria, "");
        let plan = plan.replace("[target]", "[target]\nconnections = 2\ntimeout = \"2s\"");
        std::fs::write(dir.path().join("plan.toml"), plan).unwrap();
        Self { _redis: redis, service, dir }
    }

    fn search(&self, options: &[&str]) -> Finished {
        let plan: PathBuf = self.dir.path().join("plan.toml");
        let levels = self.dir.path().join("levels");
        let tool = Tool::new("loadgen").arg("search").arg(plan).args(["--run-dir"]).arg(levels);
        tool.args(FAST).args(options).env("TARGET_URL", self.service.url()).run()
    }
}

fn json(run: &Finished) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", run.stdout, run.stderr))
}

#[test]
fn the_rate_that_a_service_holds_is_found_and_every_level_has_a_record() {
    let stage = Stage::new(r#"require = ["p95 < 250ms"]"#);
    let run = stage.search(&["--from", "20/s", "--to", "1000/s"]);
    run.expect(0, &["breaks", "level 1"]);
    let found = json(&run);
    let (below, above) = (found["below_per_s"].as_f64().unwrap(), found["above_per_s"].as_f64().unwrap());
    assert!((40.0..=100.0).contains(&below) && above > 90.0 && above <= 1.5 * below, "{below} to {above}");
    let levels = std::fs::read_dir(stage.dir.path().join("levels")).unwrap();
    let recorded = levels.filter(|level| level.as_ref().unwrap().path().join("traffic.jsonl").exists()).count();
    assert_eq!(recorded, found["levels"].as_array().unwrap().len());
}

#[test]
fn a_service_that_holds_everything_is_no_find() {
    let stage = Stage::new(r#"require = ["error_rate < 50%"]"#);
    let run = stage.search(&["--from", "10/s", "--to", "20/s"]);
    run.expect(1, &["never breaks up to 20.0/s", "--to"]);
    assert_eq!(json(&run)["above_per_s"], Value::Null);
}

#[test]
fn a_search_without_a_goal_says_how_to_state_one() {
    let stage = Stage::new(r#"require = ["log.service.lines == 0"]"#);
    let watched = stage.dir.path().join("plan.toml");
    let text = std::fs::read_to_string(&watched).unwrap();
    let logs = "[watch]\nlogs = [{ path = \"service.log\" }]\n[criteria]";
    std::fs::write(&watched, text.replace("[criteria]", logs)).unwrap();
    stage.search(&["--from", "10/s", "--to", "20/s"]).expect(2, &["--until", "limited_share"]);
    stage.search(&["--from", "30/s", "--to", "20/s"]).expect(2, &["--from"]);
    stage.search(&["--from", "10/s", "--to", "20/s", "--phase", "stedy"]).expect(2, &["stedy", "steady"]);
}
