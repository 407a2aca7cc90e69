//! The three tools chained by hand, as an engineer does it in a shell.

use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Finished, Tool};
use crate::servers::{Redis, Service};

/// A plan of one test, written as TOML.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Length of the judged phase in seconds.
    pub seconds: u32,
    /// Arrivals per second.
    pub rate: u32,
    /// The lines of the `[criteria]` part.
    pub criteria: String,
}

impl Plan {
    /// The users' own shape in short: 20 tenants, 18 requests per second, well above the limits.
    #[must_use]
    pub fn limiter(seconds: u32, criteria: &str) -> Self {
        Self { seconds, rate: 18, criteria: criteria.to_owned() }
    }

    /// The plan as text.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { seconds, rate, criteria } = self;
        format!(
            r#"schema = 1
name = "test"

[target]
url = "${{TARGET_URL}}"
health = "GET /health"

[users]
count = 20
id = "tenant-{{n}}"

[[phases]]
name = "warm-up"
duration = "2s"
rate = "{rate}/s"
[[phases]]
name = "steady"
duration = "{seconds}s"
rate = "{rate}/s"

[flows.check]
[[flows.check.steps]]
name = "check"
post = "/api/check"
json = {{ user_id = "{{user.id}}" }}
expect = {{ status = [200], limited = 429 }}

[limiter]
key = "user.id"
limits = ["5/s", "10/min"]
window = "fixed"

[watch]
every = "500ms"
redis = "${{REDIS_URL}}"
logs = [{{ path = "${{LOG_DIR}}/rate_limiter.jsonl", event = "RATE_LIMITED", count_by = "limit_type" }}]
alerts = [{{ growth = "10MB/min", level = "warn" }}]

[criteria]
phase = "steady"
{criteria}
"#
        )
    }
}

/// A service, its Redis, a plan and a run directory.
#[derive(Debug)]
pub struct Chain {
    /// The Redis of the service.
    pub redis: Redis,
    /// The service under load.
    pub service: Service,
    dir: TempDir,
}

impl Chain {
    /// Starts Redis and the service with these faults, and writes the plan.
    ///
    /// # Panics
    /// When the servers don't come up.
    #[must_use]
    pub fn new(plan: &Plan, faults: &[&str]) -> Self {
        let redis = Redis::start();
        let service = Service::start(&redis, faults);
        let dir = tempfile::tempdir().expect("the temporary directory is writable");
        std::fs::write(dir.path().join("plan.toml"), plan.text()).expect("the temporary directory is writable");
        Self { redis, service, dir }
    }

    /// The plan's path.
    #[must_use]
    pub fn plan(&self) -> PathBuf {
        self.dir.path().join("plan.toml")
    }

    /// The run directory.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// A tool with the environment the plan asks for.
    #[must_use]
    pub fn tool(&self, name: &str) -> Tool {
        Tool::new(name)
            .env("TARGET_URL", self.service.url())
            .env("REDIS_URL", self.redis.url())
            .env("LOG_DIR", self.service.log_dir())
            .current_dir(self.dir.path())
    }

    /// Starts `memwatch exec -- loadgen run`.
    #[must_use]
    pub fn start(&self) -> Child {
        let loadgen = crate::command::binary("loadgen");
        self.tool("memwatch")
            .args(["exec", "plan.toml", "--run-dir", "run", "--"])
            .arg(loadgen)
            .args(["run", "plan.toml", "--run-dir", "run"])
            .start()
    }

    /// Runs `memwatch exec -- loadgen run`, then `verdict check`, and gives the latter.
    #[must_use]
    pub fn run(&self) -> Finished {
        let load = Finished::wait(self.start());
        assert_eq!(load.code, Some(0), "--- stdout\n{}\n--- stderr\n{}", load.stdout, load.stderr);
        self.check()
    }

    /// Runs `verdict check`.
    #[must_use]
    pub fn check(&self) -> Finished {
        self.tool("verdict").args(["check", "run"]).run()
    }

    /// What `verdict.json` says.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn verdict(&self) -> Value {
        read_json(&self.run_dir().join("verdict.json"))
    }

    /// One criterion of `verdict.json`.
    ///
    /// # Panics
    /// When there is no such criterion.
    #[must_use]
    pub fn criterion(&self, id: &str) -> Value {
        let verdict = self.verdict();
        let all = verdict["criteria"].as_array().expect("a verdict has criteria");
        let found = all.iter().find(|criterion| criterion["id"] == id);
        found.unwrap_or_else(|| panic!("no criterion `{id}` in {verdict}")).clone()
    }

    /// The rows of one fact file.
    ///
    /// # Panics
    /// When it is missing or damaged.
    #[must_use]
    pub fn rows(&self, file: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.run_dir().join(file)).expect("the fact file is there");
        text.lines().map(|line| serde_json::from_str(line).expect("rows are JSON")).collect()
    }
}

fn read_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("derived files are JSON")
}
