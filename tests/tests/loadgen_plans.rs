//! `loadgen check`, `new` and `import` from outside: a plan is shown before it runs, and made from what people have.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::fs;
use std::path::PathBuf;

use plimsoll_tests::{Finished, Redis, Service, Tool, plain_plan};
use serde_json::Value;
use tempfile::TempDir;

/// A directory with files in it.
struct Desk(TempDir);

impl Desk {
    fn with(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(dir.path().join(name), text).unwrap());
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn loadgen(&self, arguments: &[&str]) -> Tool {
        Tool::new("loadgen").args(arguments).current_dir(self.0.path()).env("TARGET_URL", "http://127.0.0.1:9")
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        self.loadgen(arguments).run()
    }

    fn check(&self, more: &[&str]) -> Finished {
        self.loadgen(&["check", "plan.toml"]).args(more).run()
    }
}

fn json(run: &Finished) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", run.stdout, run.stderr))
}

const SLOPE: &str = "slope(redis.used_memory) < 1 MB/min";

fn desk_for(phase: &str, criteria: &str) -> Desk {
    Desk::with(&[("plan.toml", &plain_plan(phase, criteria, "[watch]\nredis = \"redis://127.0.0.1:9\"\n"))])
}

#[test]
fn a_plan_is_shown_without_a_single_request() {
    let desk = desk_for("duration = \"3m\"\nrate = \"18/s\"", r#"require = ["p99 < 500ms", "error_rate < 1%"]"#);
    let words = ["http://127.0.0.1:9/", "18/s", "3 min 0 s", "3,240", "hello", "needs 299 requests", "Redis (redis://"];
    desk.check(&[]).expect(0, &words);
}

#[test]
fn what_check_expects_is_what_run_makes() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let phase = "duration = \"1s\"\nrate = \"20/s -> 60/s\"\narrivals = \"poisson\"";
    let desk = Desk::with(&[("plan.toml", &plain_plan(phase, "require = [\"error_rate < 50%\"]", ""))]);
    let expected = json(&desk.check(&["--format", "json"]))["operations"][0]["requests"].clone();
    assert_eq!(expected["least"], expected["most"]);
    let run = ["run", "plan.toml", "--run-dir", "run", "--format", "json", "--quiet"];
    let run = desk.loadgen(&run).env("TARGET_URL", service.url()).run();
    run.expect(0, &[]);
    assert_eq!(json(&run)["total"]["scheduled"].as_f64(), expected["expected"].as_f64());
}

#[test]
fn parts_of_the_load_add_up_to_the_whole() {
    let desk = desk_for("duration = \"10s\"\nrate = \"10/s\"", r#"require = ["p95 < 1s"]"#);
    let scheduled = |segment: &str| {
        let run = desk.check(&["--segment", segment, "--format", "json"]);
        run.expect(0, &[]);
        json(&run)["phases"][0]["iterations"]["expected"].as_f64().unwrap()
    };
    assert_eq!(scheduled("1/3") + scheduled("2/3") + scheduled("3/3"), 100.0);
}

#[test]
fn a_criterion_that_the_plan_cannot_decide_is_found_before_the_run() {
    let criteria = format!("require = [\"p99 < 500ms\", \"{SLOPE}\"]");
    let desk = desk_for("duration = \"20s\"\nrate = \"5/s\"", &criteria);
    desk.check(&[]).expect(3, &["needs 299 requests or more, gets 100 at most", "no run of this plan passes"]);
    desk.check(&["--set", "phases.steady.duration=60s"]).expect(0, &["perhaps", "yes"]);
    let shown = json(&desk.check(&["--format", "json"]));
    assert_eq!(
        (&shown["decidable"], &shown["criteria"][0]["requests_needed"]),
        (&Value::from(false), &Value::from(299))
    );
    let preferred = desk_for("duration = \"20s\"\nrate = \"5/s\"", r#"prefer = ["p99 < 500ms"]"#);
    preferred.check(&[]).expect(0, &["no", "prefer"]);
}

#[test]
fn users_who_wait_are_estimated_and_the_assumption_is_said() {
    let desk = desk_for("duration = \"100s\"\nusers = 10\nthink = \"900ms\"", r#"require = ["p95 < 1s"]"#);
    desk.check(&[]).expect(0, &["10 users, think 900ms", "about 1,000", "answers of 100 ms", "--answer"]);
    desk.check(&["--answer", "1.1s"]).expect(0, &["about 500"]);
    desk.check(&["--answer", "fast"]).expect(2, &["--answer"]);
}

#[test]
fn each_step_can_be_tried_without_showing_a_secret() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let plan = plain_plan("duration = \"9s\"\nrate = \"1/s\"", "require = [\"error_rate < 100%\"]", "");
    let plan =
        plan.replace("get = \"/\"", "get = \"/\"\nheaders = { x-key = \"${KEY}\" }\ncapture = { all = \"body\" }");
    let desk = Desk::with(&[("plan.toml", &plan)]);
    let check = |more: &[&str]| {
        let tool = desk.loadgen(&["check", "plan.toml", "--try"]).args(more);
        tool.env("TARGET_URL", service.url()).env("KEY", "s3cret").run()
    };
    let run = check(&[]);
    run.expect(0, &["hello.hello: ok", "> GET /", "> x-key: ***", "< 200", "captured all", "every step went"]);
    assert!(!run.stdout.contains("s3cret"), "{}", run.stdout);
    let tried = json(&check(&["--format", "json"]))["tried"][0].clone();
    assert_eq!((&tried["outcome"], &tried["received"]["status"]), (&Value::from("ok"), &Value::from(200)));
    check(&["--set", "flows.hello.steps.hello.expect.status=404"]).expect(1, &["unexpected_status", "1 of 1 steps"]);
    desk.loadgen(&["check", "plan.toml", "--try"]).env("KEY", "s3cret").run().expect(4, &["127.0.0.1:9"]);
}

#[test]
fn a_plan_with_problems_is_no_plan_to_show() {
    let desk = desk_for("duration = \"3m\"\nrat = \"18/s\"", r#"require = ["p99 < 500ms"]"#);
    desk.check(&[]).expect(2, &["`rat`", "rate"]);
    desk.run(&["check", "nowhere.toml"]).expect(2, &["nowhere.toml"]);
}

#[test]
fn a_new_plan_for_a_url_runs_as_it_is() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let desk = Desk::with(&[]);
    desk.run(&["new", service.url(), "-o", "plan.toml"]).expect(0, &["loadgen check plan.toml"]);
    let quick = ["run", "plan.toml", "--set", "phases.steady.duration=1s", "--run-dir", "run", "--quiet"];
    desk.loadgen(&quick).env("TARGET_URL", service.url()).run().expect(0, &["arrivals", "200: "]);
    desk.check(&[]).expect(0, &["home", "error_rate < 1%"]);
    desk.run(&["new", service.url(), "-o", "plan.toml"]).expect(2, &["exists already"]);
    desk.run(&["new", "127.0.0.1:80"]).expect(2, &["http://"]);
    desk.run(&["new"]).expect(2, &["--har", "--openapi"]);
}

const HAR: &str = r#"{ "log": { "entries": [
  { "startedDateTime": "2026-01-31T12:00:00Z", "time": 10,
    "request": { "method": "GET", "url": "http://shop.example/items?page=2",
      "headers": [{ "name": "Authorization", "value": "Bearer s3cret" }] },
    "response": { "status": 200, "content": { "mimeType": "application/json" } } },
  { "startedDateTime": "2026-01-31T12:00:02Z", "time": 10,
    "request": { "method": "GET", "url": "http://cdn.example/a.png", "headers": [] },
    "response": { "status": 200, "content": { "mimeType": "image/png" } } } ] } }"#;

#[test]
fn a_recording_becomes_a_plan_without_its_secrets() {
    let desk =
        Desk::with(&[("shop.har", HAR), ("empty.har", r#"{ "log": { "entries": [] } }"#), ("torn.har", "{\"log\":")]);
    let made = desk.run(&["new", "--har", "shop.har", "-o", "plan.toml"]);
    made.expect(0, &["left out: scripts, styles", "set AUTHORIZATION"]);
    let text = fs::read_to_string(desk.path("plan.toml")).unwrap();
    assert!(text.contains("/items?page=2") && text.contains("${AUTHORIZATION}") && !text.contains("s3cret"), "{text}");
    desk.loadgen(&["check", "plan.toml"]).env("AUTHORIZATION", "Bearer x").run().expect(0, &["get-items"]);
    desk.check(&[]).expect(2, &["AUTHORIZATION"]);
    let refused = |arguments: &[&str], words: &[&str]| {
        desk.loadgen(&["new"]).args(arguments).run().expect(2, words);
    };
    refused(&["--har", "shop.har", "--host", "shop.exmple"], &["shop.exmple", "http://shop.example (1)"]);
    refused(&["--har", "empty.har"], &["no request"]);
    refused(&["--har", "torn.har"], &["torn.har", "line 1"]);
    refused(&["--har", "missing.har"], &["missing.har"]);
    refused(&["--all", "http://127.0.0.1/"], &["--all", "cannot be used"]);
}

#[test]
fn an_openapi_document_becomes_a_plan() {
    let api = "openapi: 3.0.0\ninfo: { title: A }\nservers: [{ url: 'http://api.example' }]\npaths:\n  /a/{id}:\n    get:\n      \
               responses: { 200: { description: ok } }\n";
    let desk = Desk::with(&[("api.yaml", api), ("old.json", r#"{ "swagger": "2.0" }"#), ("torn.yaml", "a: [1\nb: 2")]);
    desk.run(&["new", "--openapi", "api.yaml", "-o", "plan.toml"]).expect(0, &["plan.toml"]);
    desk.check(&[]).expect(0, &["get-a-id", "100.0 %"]);
    desk.run(&["new", "--openapi", "api.yaml"]).expect(0, &["get = \"/a/1\"", "[flows.get-a-id]"]);
    desk.run(&["new", "--openapi", "old.json"]).expect(2, &["old.json is Swagger 2"]);
    desk.run(&["new", "--openapi", "torn.yaml"]).expect(2, &["torn.yaml", "line 2"]);
}

#[test]
fn an_artillery_script_becomes_a_plan_and_says_what_it_lost() {
    let script = "config:\n  target: http://shop.example\n  phases: [{ duration: 20, arrivalRate: 5 }]\n  payload: { path: users.csv, \
                  fields: [user], skipHeader: true }\n  plugins: { metrics: {} }\n  ensure: { p95: 300 }\nscenarios:\n  - flow:\n      \
                  - get: { url: '/hello/{{ user }}', capture: { json: $.id, as: id } }\n      - think: 1\n      - get: { url: '/{{ id }}' }\n";
    let desk = Desk::with(&[("load.yml", script), ("users.csv", "user\nann\nbob\n"), ("other.yml", "a: 1\n")]);
    desk.run(&["import", "load.yml", "-o", "plan.toml"]).expect(0, &["left out: `config.plugins`"]);
    let shown = json(&desk.check(&["--format", "json"]));
    assert_eq!(shown["phases"][0]["iterations"]["expected"], 100.0);
    assert_eq!(
        (&shown["data"][0]["rows"], &shown["criteria"][0]["expression"]),
        (&Value::from(2), &Value::from("p95 < 300ms"))
    );
    desk.run(&["import", "other.yml"]).expect(2, &["other.yml", "not an Artillery script"]);
    desk.run(&["import", "none.yml"]).expect(2, &["none.yml"]);
}
