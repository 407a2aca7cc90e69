//! `loadgen` from outside: it sends what it was told, counts all of it, and says clearly what it cannot do.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::Duration;

use plimsoll_tests::{Finished, Redis, Service, Tool, binary, free_port, plain_plan, rows_of};
use serde_json::Value;
use tempfile::TempDir;

const ANYTHING: &str = r#"require = ["error_rate < 100%"]"#;

#[test]
fn quick_sends_exactly_as_many_requests_as_asked_for() {
    let server = Recorder::start();
    for (connections, requests) in [("4", "97"), ("8", "3")] {
        let before = server.requests().len();
        let run = quick(server.url()).args(["-c", connections, "-n", requests, "--format", "json"]).run();
        run.expect(0, &[]);
        let total = json(&run)["total"].clone();
        let asked: u64 = requests.parse().unwrap();
        assert_eq!(server.requests().len() - before, asked as usize, "what the server saw");
        assert_eq!(total["scheduled"], asked);
        assert_eq!(total["ended"], serde_json::json!({ "ok": asked }));
        assert_eq!(total["statuses"], serde_json::json!({ "200": asked }));
        assert_eq!(total["unfinished"], 0);
        assert_eq!(total["body_bytes"], 2 * asked, "the recorder answers two bytes");
    }
}

#[test]
fn quick_at_a_rate_makes_rate_times_duration_arrivals_and_tells_its_progress_in_plain_lines() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let run = quick(service.url()).args(["--rate", "100", "--duration", "2s", "--format", "json"]).run();
    run.expect(0, &["offered", "achieved", "p99"]);
    let total = json(&run)["total"].clone();
    assert_eq!(total["scheduled"], 200);
    assert_eq!(sum(&total["ended"]), 200);
    let offered = total["offered_per_s"].as_f64().unwrap();
    assert!((95.0..105.0).contains(&offered), "{offered}");
    assert!(run.stderr.lines().any(|line| line.starts_with("load") && line.contains("offered")), "{}", run.stderr);
    assert!(!run.stderr.contains(['\u{1b}', '\r']), "no terminal, no control characters: {:?}", run.stderr);
}

#[test]
fn a_load_whose_criterion_is_lost_ends_and_the_run_fails_by_it() {
    let server = Recorder::start();
    let work = Work::new("");
    let lost = "[criteria.works]\nabort = true\nrequire = \"error_rate < 1%\"";
    let plan = plain_plan("duration = \"60s\"\nrate = \"50/s\"", lost, "").replace("status = 200", "status = 204");
    fs::write(work.path("plan.toml"), plan).unwrap();
    let run = work.tool("loadgen").args(["run", "plan.toml", "--run-dir", "run"]).env("TARGET_URL", &server.url).run();
    run.expect(1, &["stopping: criterion works: error_rate < 1% cannot be met any more"]);
    let last = rows_of(&work.path("run/traffic.jsonl")).pop().unwrap();
    assert_eq!(last["end"]["reason"], "stopped", "the record is complete, and says why it ends");
    work.tool("verdict").args(["check", "run"]).run().expect(1, &["works", "given up"]);
}

#[test]
fn quiet_means_nothing_but_the_result() {
    let server = Recorder::start();
    let run = quick(server.url()).args(["-n", "10", "--quiet"]).run();
    run.expect(0, &["10 arrivals", "200: 10"]);
    assert_eq!(run.stderr, "");
}

#[test]
fn a_port_where_nobody_listens_is_named_with_the_cause() {
    let address = format!("127.0.0.1:{}", free_port());
    let run = quick(&format!("http://{address}/")).args(["-n", "10"]).run();
    run.expect(4, &[&address, "refused"]);
}

#[test]
fn a_url_that_cannot_be_loaded_is_refused_with_a_right_one() {
    let check = |url: &str, words: &[&str]| quick(url).args(["-n", "1"]).run().expect(2, words);
    check("127.0.0.1:8080/", &["127.0.0.1:8080/", "http://"]);
    check("localhost:8080", &["localhost:8080", "http://"]);
    check("ftp://127.0.0.1/", &["ftp://127.0.0.1/", "http://"]);
    check("http://", &["http://127.0.0.1"]);
}

#[test]
fn options_that_contradict_each_other_are_named() {
    let check = |options: &[&str], words: &[&str]| quick("http://127.0.0.1:9/").args(options).run().expect(2, words);
    check(&["-n", "1", "--rate", "5", "--duration", "1s"], &["--requests", "--rate"]);
    check(&["--rate", "5"], &["--duration"]);
    check(&[], &["--requests", "--duration"]);
    check(&["-c", "0", "-n", "1"], &["--connections"]);
    check(&["--rate", "5MB", "--duration", "1s"], &["--rate 5MB", "500/s"]);
    check(&["--duration", "3"], &["--duration 3", "30s"]);
    check(&["-n", "1", "-H", "no header"], &["a name and a colon", "name: value"]);
}

#[test]
fn values_of_the_plan_are_replaced_from_the_command_line() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let work = Work::new(&plain_plan("duration = \"60s\"\nrate = \"1/s\"", ANYTHING, ""));
    let set = ["--set", "phases.steady.duration=1s", "--set", "phases.steady.rate=30/s"];
    work.run_tool("run", service.url()).args(set).run().expect(0, &["30 arrivals"]);
    let stored = fs::read_to_string(work.path("run/plan.toml")).unwrap();
    assert!(stored.contains("30/s") && !stored.contains("60s"), "the plan as it was run is stored:\n{stored}");
    let refused = |set: &str, words: &[&str]| {
        work.run_tool("other", service.url()).args(["--set", set]).run().expect(2, words);
    };
    refused("phases.steady.rat=30/s", &["rat"]);
    refused("phases.stedy.rate=30/s", &["stedy"]);
    refused("nonsense", &["nonsense", "="]);
}

#[test]
fn the_same_plan_and_seed_make_the_same_arrivals_to_the_nanosecond() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let phase = "duration = \"1s\"\nrate = \"80/s\"\narrivals = \"poisson\"";
    let work = Work::new(&plain_plan(phase, ANYTHING, "[users]\ncount = 7\n[generator]\nrequests = \"all\""));
    let arrivals = |dir: &str, seed: &str| {
        work.run_tool(dir, service.url()).args(["--set", &format!("seed={seed}")]).run().expect(0, &[]);
        work.arrivals(dir)
    };
    let first = arrivals("first", "5");
    assert!((40..130).contains(&first.len()), "about 80 arrivals, not {}", first.len());
    assert_eq!(first, arrivals("second", "5"));
    assert_ne!(first, arrivals("third", "6"));
}

#[test]
fn closed_users_start_one_after_another_and_think_between_requests() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let phase = "duration = \"3s\"\nusers = 4\nspawn_rate = \"4/s\"\nthink = \"500ms\"";
    let work = Work::new(&plain_plan(phase, ANYTHING, "[users]\ncount = 4\n[generator]\nrequests = \"all\""));
    work.run_tool("run", service.url()).run().expect(0, &[]);
    let arrivals = work.arrivals("run");
    assert!((16..=24).contains(&arrivals.len()), "four users, six requests in 3 s at most: {}", arrivals.len());
    let mut by_user: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (at, user) in arrivals {
        by_user.entry(user).or_default().push(at as f64 / 1e9);
    }
    let mut starts: Vec<f64> = by_user.values().map(|times| times[0]).collect();
    starts.sort_by(f64::total_cmp);
    assert_eq!(starts.len(), 4);
    for (n, start) in starts.iter().enumerate() {
        assert!((start - n as f64 * 0.25).abs() < 0.15, "user {n} of four per second starts at {start} s");
    }
    for pair in by_user.values().flat_map(|times| times.windows(2)) {
        assert!((0.499..0.8).contains(&(pair[1] - pair[0])), "a pause of 500 ms: {pair:?}");
    }
}

/// Recorded arrivals, and another load that begins while they go on. The log lies beside the plan, not where loadgen runs.
#[test]
fn recorded_arrivals_and_a_load_beside_them_are_counted_and_judged_apart() {
    let server = Recorder::start();
    let beside = "[[phases]]\nname = \"beside\"\nstart = \"500ms\"\nduration = \"1s\"\nrate = \"40/s\"\n\
                  [generator]\nrequests = \"all\"";
    let judged = "require = [\"count == 12\"]\n[criteria.beside]\nphase = \"beside\"\nrequire = [\"count == 40\"]";
    let work = Work::new("");
    fs::create_dir(work.path("plans")).unwrap();
    let phase = "arrivals = { file = \"access.log\", speed = 2 }";
    fs::write(work.path("plans/plan.toml"), plain_plan(phase, judged, beside)).unwrap();
    let line = |second: u32| format!("::1 - - [10/Oct/2000:13:55:{second:02} -0700] \"GET / HTTP/1.1\" 200 2\n");
    let log: String = [0, 0, 0, 0, 1, 1, 3, 3, 3, 3, 3, 3].map(line).concat();
    fs::write(work.path("plans/access.log"), log).unwrap();
    let run = work.tool("loadgen").args(["run", "plans/plan.toml", "--run-dir", "run"]);
    run.env("TARGET_URL", &server.url).run().expect(0, &["steady", "beside"]);
    let late = work.arrivals("run").iter().filter(|(at, _)| *at >= 1_500_000_000).count();
    assert_eq!(late, 6, "the last second of the log is the last half second of the load");
    work.tool("verdict").args(["check", "run"]).run().expect(0, &["count == 12", "count == 40"]);

    fs::write(work.path("plans/access.log"), "0.5\nnonsense\n").unwrap();
    let refused = work.tool("loadgen").args(["run", "plans/plan.toml", "--run-dir", "again"]);
    refused.env("TARGET_URL", &server.url).run().expect(2, &["access.log", "line 2", "RFC 3339", "plan.toml:9"]);
    assert!(!work.path("again").exists());
}

#[test]
fn errors_of_the_service_are_counted_by_status_and_fail_the_verdict() {
    let redis = Redis::start();
    let service = Service::start(&redis, &["errors=20%"]);
    let criteria = r#"require = ["error_rate < 5%"]"#;
    let work = Work::new(&plain_plan("duration = \"4s\"\nrate = \"150/s\"", criteria, ""));
    let run = work.run_tool("run", service.url()).args(["--format", "json"]).run();
    run.expect(0, &[]);
    let total = json(&run)["total"].clone();
    assert_eq!(total["scheduled"], 600);
    let failed = total["ended"]["unexpected_status"].as_u64().unwrap();
    assert!((70..170).contains(&failed), "a fifth of 600: {failed}");
    assert_eq!(total["statuses"], serde_json::json!({ "200": 600 - failed, "500": failed }));
    work.tool("verdict").args(["check", "run"]).run().expect(1, &["FAIL", "error_rate < 5%"]);
}

#[test]
fn a_server_that_dies_in_the_middle_is_counted_and_the_run_goes_on_to_its_end() {
    let redis = Redis::start();
    let mut service = Service::start(&redis, &["latency=30ms"]);
    let work = Work::new(&plain_plan("duration = \"4s\"\nrate = \"100/s\"", ANYTHING, ""));
    let run = work.run_tool("run", service.url()).args(["--format", "json"]).start();
    sleep(Duration::from_secs(2));
    service.kill();
    let run = Finished::wait(run);
    run.expect(0, &[]);
    let total = json(&run)["total"].clone();
    assert_eq!((sum(&total["ended"]), &total["scheduled"]), (400, &400.into()), "{total}");
    let ended = |outcome: &str| total["ended"][outcome].as_u64().unwrap_or(0);
    assert!(ended("ok") > 100, "{total}");
    assert!(ended("refused") > 100, "{total}");
    assert!(ended("closed") + ended("reset") >= 1, "about three requests were on their way: {total}");
    assert_eq!(ended("ok") + ended("refused") + ended("closed") + ended("reset"), 400, "{total}");
    assert_eq!(work.rows("run").last().unwrap()["end"]["reason"], "completed");
}

#[test]
fn headers_from_the_environment_and_each_users_identity_reach_the_wire() {
    let server = Recorder::start();
    let plan = plain_plan("duration = \"1s\"\nrate = \"30/s\"", ANYTHING, "[users]\ncount = 3\nid = \"tenant-{n}\"")
        .replace("[[phases]]", "headers = { \"X-API-Key\" = \"${API_KEY}\" }\n\n[[phases]]")
        .replace("get = \"/\"", "post = \"/of/{user.id}\"\njson = { user_id = \"{user.id}\" }");
    let work = Work::new(&plan);
    work.run_tool("run", server.url()).env("API_KEY", "from-the-environment").run().expect(0, &[]);
    let requests = server.requests();
    assert_eq!(requests.len(), 30);
    let mut seen = BTreeSet::new();
    for request in &requests {
        assert_eq!(request.header("x-api-key"), Some("from-the-environment"), "{request:?}");
        assert_eq!(request.header("content-type"), Some("application/json"), "{request:?}");
        let user = request.line.strip_prefix("POST /of/").and_then(|rest| rest.strip_suffix(" HTTP/1.1")).unwrap();
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body, serde_json::json!({ "user_id": user }), "path and body are of one user");
        seen.insert(user);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["tenant-1", "tenant-2", "tenant-3"]);
    let missing = work.run_tool("other", server.url()).run();
    missing.expect(2, &["API_KEY", "plan.toml"]);
}

#[test]
fn a_request_log_becomes_text_with_names_and_wall_time() {
    let server = Recorder::start();
    let generator = "[users]\ncount = 3\nid = \"tenant-{n}\"\n[generator]\nrequests = \"all\"";
    let work = Work::new(&plain_plan("duration = \"1s\"\nrate = \"30/s\"", ANYTHING, generator));
    work.run_tool("run", server.url()).run().expect(0, &["30 arrivals"]);
    let log = work.tool("loadgen").args(["log", "run", "--as", "jsonl"]).run();
    log.expect(0, &[]);
    let rows: Vec<Value> = log.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 30);
    let anchor: Value = serde_json::from_str(&fs::read_to_string(work.path("run/run.json")).unwrap()).unwrap();
    for row in &rows {
        assert_eq!((&row["phase"], &row["outcome"], &row["body_bytes"]), (&"steady".into(), &"ok".into(), &2.into()));
        assert_eq!(row["user_id"], format!("tenant-{}", row["user"]));
        let nanos = anchor["anchor"]["unix_ns"].as_i64().unwrap() + row["intended_ns"].as_i64().unwrap();
        let within_second = format!(".{:09}Z", nanos % 1_000_000_000);
        assert!(row["time"].as_str().unwrap().ends_with(&within_second), "{row}");
    }
    let to_file = || work.tool("loadgen").args(["log", "run", "--out", "log.csv"]).run();
    to_file().expect(0, &[]);
    assert_eq!(fs::read_to_string(work.path("log.csv")).unwrap().lines().count(), 31);
    to_file().expect(2, &["log.csv", "--out"]);
}

#[test]
fn a_run_without_a_request_log_says_how_to_get_one() {
    let server = Recorder::start();
    let work = Work::new(&plain_plan("duration = \"1s\"\nrate = \"5/s\"", ANYTHING, ""));
    work.run_tool("run", server.url()).run().expect(0, &[]);
    work.tool("loadgen").args(["log", "run"]).run().expect(2, &["holds no request log", "requests = \"all\""]);
    work.tool("loadgen").args(["log", "elsewhere"]).run().expect(2, &["elsewhere is not a run directory"]);
}

#[test]
fn slow_requests_are_said_as_they_happen() {
    let server = Recorder::start();
    let generator = "[users]\nid = \"loadtest_user_{n}\"\n[generator]\nslow = \"1us\"";
    let work = Work::new(&plain_plan("duration = \"1s\"\nrate = \"25/s\"", ANYTHING, generator));
    let run = work.run_tool("run", server.url()).run();
    run.expect(0, &["slow: ", " user loadtest_user_1 at 0:01", " more until 0:0"]);
    let lines = run.stderr.lines().filter(|line| line.starts_with("slow: ")).count();
    assert!(lines <= 2 * 11, "ten and a sum for each of two intervals at most:\n{}", run.stderr);
}

/// A directory with a plan.
struct Work {
    dir: TempDir,
}

impl Work {
    fn new(plan: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("plan.toml"), plan).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn tool(&self, name: &str) -> Tool {
        Tool::new(name).current_dir(self.dir.path())
    }

    fn run_tool(&self, run_dir: &str, target: &str) -> Tool {
        self.tool("loadgen").args(["run", "plan.toml", "--run-dir", run_dir]).env("TARGET_URL", target)
    }

    fn rows(&self, run_dir: &str) -> Vec<Value> {
        rows_of(&self.path(run_dir).join("traffic.jsonl"))
    }

    /// Intended times since the run's own start, with the users, in order.
    fn arrivals(&self, run_dir: &str) -> Vec<(i64, u64)> {
        let start = self.rows(run_dir)[0]["header"]["body"]["start_ns"].as_i64().unwrap();
        let log = self.tool("loadgen").args(["log", run_dir]).run();
        log.expect(0, &[]);
        let mut lines = log.stdout.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let names = lines.next().unwrap();
        let column = |name: &str| names.iter().position(|other| *other == name).unwrap();
        let (intended, user) = (column("intended_ns"), column("user"));
        let row = |row: Vec<&str>| (row[intended].parse::<i64>().unwrap() - start, row[user].parse().unwrap());
        let mut arrivals: Vec<(i64, u64)> = lines.map(row).collect();
        arrivals.sort_unstable();
        arrivals
    }
}

/// A server that answers everything with 200 and remembers what it was asked.
struct Recorder {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A request as it came over the wire.
#[derive(Clone, Debug)]
struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Recorder {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&requests);
        // Threads end with their connections; the listener's ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, requests) = (stream.unwrap(), Arc::clone(&all));
                thread::spawn(move || serve(stream, &requests));
            }
        });
        Self { url, requests }
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Request {
    fn read(from: &mut BufReader<TcpStream>) -> Option<Self> {
        let line = read_line(from)?;
        let mut headers = BTreeMap::new();
        while let Some((name, value)) = read_line(from)?.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        from.read_exact(&mut body).ok()?;
        Some(Self { line, headers, body: String::from_utf8(body).unwrap() })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

fn serve(mut stream: TcpStream, requests: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = Request::read(&mut reader) {
        requests.lock().unwrap().push(request);
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

fn read_line(from: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    (from.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
}

fn quick(url: &str) -> Tool {
    Tool::new("loadgen").args(["quick", url])
}

fn json(run: &Finished) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stdout))
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().unwrap().values().filter_map(Value::as_u64).sum()
}

#[test]
fn a_summary_nobody_reads_is_no_failure_and_one_that_cannot_be_written_is() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let shell = |script: &str| Tool::of("sh").args(["-c", script]).arg(binary("loadgen")).arg(service.url()).run();
    shell("\"$0\" quick \"$1\" -n 10 --quiet | true").expect(0, &[]);
    let full = shell("\"$0\" quick \"$1\" -n 10 --quiet > /dev/full");
    full.expect(4, &["cannot write to standard output"]);
    assert!(!full.stderr.contains("panicked"), "{}", full.stderr);
}

#[test]
fn secrets_of_the_command_line_reach_no_file_and_no_message() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let dir = tempfile::tempdir().unwrap();
    let quick = |url: &str| Tool::new("loadgen").args(["quick", url, "-n", "10", "--run-dir", "run"]);
    let run = quick(service.url()).args(["-H", "authorization: Bearer s3cret"]).current_dir(dir.path()).run();
    run.expect(0, &[]);
    let plan = std::fs::read_to_string(dir.path().join("run/plan.toml")).unwrap();
    assert!(plan.contains("${AUTHORIZATION}") && !plan.contains("s3cret"), "{plan}");
    let refused = quick("http://user:s3cret@127.0.0.1:1/").current_dir(dir.path()).run();
    refused.expect(2, &["user and password"]);
    assert!(!refused.stderr.contains("s3cret"), "{}", refused.stderr);
}
