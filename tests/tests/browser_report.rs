//! The HTML report in a real browser: it opens without a console error and asks for nothing from anywhere.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use plimsoll_tests::{Chain, Plan};
use serde_json::Value;

const CRITERIA: &str = r#"
require = ["error_rate < 1%", "p99 < 2s"]
[criteria.redis-memory]
require = "slope(redis.used_memory) < 1 MB/min"
"#;

#[test]
fn the_report_opens_without_console_errors_and_requests() {
    let chain = Chain::new(&Plan::limiter(20, CRITERIA), &["leak=50x500"]);
    let _ = chain.run();
    chain.tool("verdict").args(["report", "run"]).run().expect(0, &["report.html"]);
    let seen = Visit::of(&chain.run_dir().join("report.html"));
    assert!(seen.dom.contains("redis-memory") && seen.dom.contains("<svg"), "not rendered: {:.300}", seen.dom);
    assert!(seen.console.is_empty(), "{:#?}", seen.console);
    assert!(seen.requests.is_empty(), "the page asked for {:?}", seen.requests);
}

#[test]
fn a_page_that_does_either_is_noticed() {
    let dir = tempfile::tempdir().expect("the temporary directory is writable");
    let page = dir.path().join("page.html");
    let bad = r#"<script>console.error("trouble")</script><img src="http://127.0.0.1:9/pixel.png">"#;
    std::fs::write(&page, bad).expect("the temporary directory is writable");
    let seen = Visit::of(&page);
    assert!(seen.console.iter().any(|line| line.contains("trouble")), "{seen:?}");
    assert!(seen.requests.iter().any(|url| url == "http://127.0.0.1:9/pixel.png"), "{seen:?}");
}

/// What one page did in the browser.
#[derive(Debug)]
struct Visit {
    dom: String,
    console: Vec<String>,
    requests: Vec<String>,
}

impl Visit {
    fn of(page: &Path) -> Self {
        let profile = tempfile::tempdir().expect("the temporary directory is writable");
        let net_log = profile.path().join("net.json");
        let chromium = std::env::var_os("PLIMSOLL_CHROMIUM").unwrap_or_else(|| OsString::from("chromium"));
        let output = Command::new(&chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr"])
            .args(["--virtual-time-budget=3000", "--dump-dom"])
            .arg(with_path("--user-data-dir=", profile.path()))
            .arg(with_path("--log-net-log=", &net_log))
            .arg(with_path("file://", page))
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}; use `cargo xtask test`", chromium.display()));
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");
        Self {
            dom: String::from_utf8_lossy(&output.stdout).into_owned(),
            console: log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect(),
            requests: requests(&net_log),
        }
    }
}

fn with_path(option: &str, path: &Path) -> OsString {
    let mut arg = OsString::from(option);
    arg.push(path);
    arg
}

/// Every URL the page asked the network for, out of the browser's own log. What the browser asks for on its own
/// account has no origin there.
fn requests(net_log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(net_log).expect("the browser writes its network log");
    let log: Value = serde_json::from_str(&text).expect("a browser that ended well completes its network log");
    let events = log["events"].as_array().expect("a network log has events").iter().map(|event| &event["params"]);
    let of_a_page =
        events.filter(|params| params["initiator"].as_str().is_some_and(|origin| origin != "not an origin"));
    of_a_page.filter_map(|params| params["url"].as_str()).map(str::to_owned).collect()
}
