//! The whole chain by one command around containers: a fresh stack, the verdict's exit code, nothing left behind.

use std::collections::BTreeSet;
use std::process::Command;

use plimsoll_tests::{Plan, Tool, binary};

const CRITERIA: &str = r#"
require = ["error_rate < 1%", "limiter.effectiveness > 80%"]
[criteria.redis-memory]
require = "slope(redis.used_memory) < 2 MB/min"
"#;

#[test]
fn a_load_test_around_containers_passes_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("the temporary directory is writable");
    let plan = dir.path().join("plan.toml");
    std::fs::write(&plan, Plan::limiter(40, CRITERIA).text()).expect("the temporary directory is writable");
    let run = dir.path().join("run");
    let bin_dir = binary("loadgen").parent().expect("a binary stands in a directory").to_path_buf();
    let before = leftovers();
    let finished = Tool::new("xtask")
        .args(["loadtest", "--stack", "compose", "--run-dir"])
        .args([&run, &plan])
        .arg("--bin-dir")
        .arg(bin_dir)
        .run();
    finished.expect(0, &["PASS", "report.html"]);
    assert!(run.join("report.html").is_file());
    assert!(run.join("logs/rate_limiter.jsonl").is_file(), "the service's logs are kept with the run");
    assert_eq!(leftovers(), before, "containers, networks and volumes are gone");
}

fn leftovers() -> BTreeSet<String> {
    let list = |what: &[&str]| {
        let output = Command::new("docker").args(what).output().expect("the docker client is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let containers = list(&["ps", "--all", "--quiet"]);
    let networks = list(&["network", "ls", "--quiet"]);
    let volumes = list(&["volume", "ls", "--quiet"]);
    containers.into_iter().chain(networks).chain(volumes).collect()
}
