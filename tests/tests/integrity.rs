//! Nothing that a store acknowledged is lost: stores that forget, go back or change what they hold are caught, to the key.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use plimsoll_tests::{Finished, Redis, Tool, eventually, rows_of};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A plan, and the run of it.
struct World {
    directory: TempDir,
}

impl World {
    fn new(redis: &Redis, load: &str, steps: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plan = format!(
            "name = \"integrity\"\n[targets.redis]\nurl = \"{}\"\ntimeout = \"500ms\"\nconnections = 8\n\
             [payloads.state]\nsize = \"200B\"\n\
             [integrity.state]\npayload = \"state\"\nread_back = \"load\"\npatience = \"5s\"\n\
             [generator]\ninterval = \"100ms\"\nrequests = \"all\"\n\
             {load}\n[flows.f]\nsteps = [{steps}]\n\
             [criteria.lost]\nrequire = \"lost_writes == 0\"\n[criteria.stale]\nrequire = \"stale_reads == 0\"\n\
             [criteria.corrupted]\nrequire = \"corrupted_reads == 0\"\n",
            redis.url()
        );
        std::fs::write(directory.path().join("plan.toml"), plan).unwrap();
        Self { directory }
    }

    fn plan(&self) -> PathBuf {
        self.directory.path().join("plan.toml")
    }

    fn run_dir(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    fn loadgen(&self) -> Tool {
        Tool::new("loadgen").arg("run").arg(self.plan()).arg("--run-dir").arg(self.run_dir()).arg("--quiet")
    }

    fn audit(&self) -> Finished {
        Tool::new("loadgen").arg("audit").arg(self.plan()).arg("--run-dir").arg(self.run_dir()).run()
    }

    /// The judgement and the reason of a criterion.
    fn judged(&self, id: &str) -> (String, String) {
        let _ = Tool::new("verdict").arg("check").arg(self.run_dir()).run();
        let verdict: Value =
            serde_json::from_str(&std::fs::read_to_string(self.run_dir().join("verdict.json")).unwrap()).unwrap();
        let criteria = verdict["criteria"].as_array().unwrap();
        let criterion = criteria.iter().find(|criterion| criterion["id"] == id).unwrap();
        let word = |key: &str| criterion[key].as_str().unwrap().to_owned();
        (word("judgement"), word("reason"))
    }

    fn read_back(&self) -> Value {
        let rows = rows_of(&self.run_dir().join("integrity.jsonl"));
        rows.iter().find_map(|row| row.get("read_back")).unwrap().clone()
    }

    /// Users whose write was acknowledged, by the request log: not by the books that are tested.
    fn acknowledged(&self) -> BTreeSet<u64> {
        let log = Tool::new("loadgen").arg("log").arg(self.run_dir()).args(["--as", "jsonl"]).run();
        let rows = log.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let saved = rows.filter(|row| row["operation"] == "save" && row["outcome"] == "ok");
        saved.map(|row| row["user"].as_u64().unwrap()).collect()
    }
}

const SAVE: &str = r#"{ name = "save", redis = ["SET", "k{integrity.key}", "{integrity.value}"], writes = "state", expect = { value = "OK" } }"#;
const LOAD: &str = r#"{ name = "load", redis = ["GET", "k{integrity.key}"], reads = "state" }"#;

fn has_acknowledged(run: &Path) -> Option<()> {
    let path = run.join("integrity.jsonl");
    let rows = if path.is_file() { rows_of(&path) } else { Vec::new() };
    (rows.iter().filter(|row| row.get("acknowledged").is_some()).count() >= 3).then_some(())
}

#[test]
fn a_store_that_forgets_loses_exactly_what_it_does_not_have_any_more() {
    let mut redis = Redis::start();
    let load = "[users]\ncount = 100000\n[[phases]]\nname = \"load\"\nduration = \"2s\"\nrate = \"300/s\"\n";
    let world = World::new(&redis, load, &format!("{SAVE}, {LOAD}"));
    let child = world.loadgen().start();
    eventually("writes were acknowledged", || has_acknowledged(&world.run_dir()));
    // Without persistence: what was there is gone.
    redis.kill();
    redis.restart();
    Finished::wait(child).expect(0, &[]);

    let acknowledged = world.acknowledged();
    let keys: Vec<String> = acknowledged.iter().map(|key| format!("k{key}")).collect();
    let there: u64 = redis.ask(&format!("EXISTS {}", keys.join(" "))).trim_start_matches(':').trim().parse().unwrap();
    let lost = acknowledged.len() as u64 - there;
    assert!(lost > 0 && there > 0, "{lost} of {}", acknowledged.len());
    let back = world.read_back();
    assert_eq!((back["keys"].as_u64(), back["missing"].as_u64()), (Some(acknowledged.len() as u64), Some(lost)));
    let (judgement, reason) = world.judged("lost");
    assert_eq!(judgement, "fail", "{reason}");
    assert!(reason.contains(&lost.to_string()) && reason.contains("missing"), "{reason}");
}

#[test]
fn a_store_that_goes_back_to_an_older_value_is_caught_in_the_load_and_at_its_end() {
    let redis = Redis::start();
    let again = SAVE.replace("save", "save-again");
    let back = r#"{ name = "keep", redis = ["COPY", "k{user.n}", "old{user.n}"] }"#;
    let forth = r#"{ name = "undo", redis = ["RENAME", "old{user.n}", "k{user.n}"] }"#;
    let load = "[users]\ncount = 5\n[[phases]]\nname = \"load\"\nusers = 5\niterations = 5\n";
    let world = World::new(&redis, load, &format!("{SAVE}, {back}, {again}, {forth}, {LOAD}"));
    world.loadgen().run().expect(0, &[]);
    for id in ["lost", "stale"] {
        let (judgement, reason) = world.judged(id);
        assert_eq!(judgement, "fail", "{reason}");
        assert!(reason.contains("write 1 instead of write 2"), "{reason}");
    }
    assert_eq!(world.judged("corrupted").0, "pass");
}

#[test]
fn a_changed_byte_is_caught() {
    let redis = Redis::start();
    let change = r##"{ name = "change", redis = ["SETRANGE", "k{user.n}", 100, "#"] }"##;
    let load = "[users]\ncount = 3\n[[phases]]\nname = \"load\"\nusers = 3\niterations = 3\n";
    let world = World::new(&redis, load, &format!("{SAVE}, {change}, {LOAD}"));
    world.loadgen().run().expect(0, &[]);
    assert_eq!(world.judged("corrupted").0, "fail");
    assert_eq!(world.read_back()["corrupted"], 3);
}

#[test]
fn a_run_that_was_killed_is_audited_afterwards() {
    let redis = Redis::start();
    let load = "[users]\ncount = 50\n[[phases]]\nname = \"load\"\nusers = 5\nduration = \"60s\"\nthink = \"2ms\"\n";
    let world = World::new(&redis, load, &format!("{SAVE}, {LOAD}"));
    let mut child = world.loadgen().start();
    eventually("writes were acknowledged", || has_acknowledged(&world.run_dir()));
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    world.audit().expect(0, &["5 keys with acknowledged writes, 5 intact, 0 lost"]);
    assert_eq!(redis.ask("DEL k3"), ":1");
    world.audit().expect(1, &["4 intact, 1 lost", "key 3 is missing: nothing instead of write"]);
}
