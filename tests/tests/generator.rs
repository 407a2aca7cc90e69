//! The generator doubts itself: starved of CPU, out of descriptors or ports, stopped or killed, its run is never a
//! pass, and the verdict says what was missing. The same plan undisturbed passes.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::Duration;

use plimsoll_tests::{Finished, Redis, Service, Tool, binary, eventually, plain_plan, rows_of, signal};
use rustix::process::Signal;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;
use tempfile::TempDir;

/// At 400 requests per second, forty connections are in use at once.
const SLOW: &str = "latency=100ms";

#[test]
fn an_undisturbed_run_passes_and_tells_what_the_generator_used() {
    // Whatever else keeps this machine busy may starve one run, and then the verdict is right to say so.
    let run =
        (0..3).map(|_| undisturbed()).find(|run| run.verdict().code == Some(0)).expect("one of three runs passes");
    let whole = |row: &Value| row["len_ns"].as_u64() >= Some(1_000_000_000);
    for row in run.rows("generator").into_iter().filter(whole) {
        let (held, limit) = (row["open_files"].as_u64().unwrap(), row["open_files_limit"].as_u64().unwrap());
        assert!((5..limit).contains(&held), "{row}");
        assert!(row["free_ports"].as_u64().unwrap() > 0, "{row}");
        assert!(row["workers"][0]["cpu_s"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["workers"][0]["waited_s"].as_f64().is_some(), "{row}");
        assert!(row["loop_delay_max_ns"].as_u64() > Some(0), "{row}");
    }
}

fn undisturbed() -> Run {
    let run = Run::new("duration = \"2s\"\nrate = \"200/s\"");
    run.load().run().expect(0, &[]);
    assert!(run.rows("generator").len() >= 2, "two seconds have an interval each");
    run
}

#[test]
fn a_generator_whose_core_others_have_is_starved_of_cpu() {
    let run = Run::new("duration = \"3s\"\nrate = \"500/s\"");
    let load = on_one_core(|| {
        let rivals: Vec<Rival> = (0..3).map(|_| Rival::start()).collect();
        // The niceness lets the rivals win however many cores the machine has.
        let load = run.tool("nice").args(["-n", "5"]).arg(binary("loadgen")).args(RUN).run();
        drop(rivals);
        load
    });
    load.expect(0, &[]);
    run.doubts(&["starved of CPU", "for a core", "contaminated"]);
    assert!(!run.contaminated().is_empty());
}

#[test]
fn a_generator_without_descriptors_says_so_before_the_run_and_in_the_verdict() {
    let enough = Run::of_many_connections();
    enough.load_with_files(200).expect(0, &[]);
    enough.lacks_nothing();
    let short = Run::of_many_connections();
    short.load_with_files(40).expect(0, &["100 connections need 164 open files and the limit is 40", "ulimit -n 164"]);
    short.doubts(&["ran out of file descriptors", "the limit is 40", "ulimit -n"]);
    assert!(short.ended("out_of_descriptors") > 0);
    assert!(!short.contaminated().is_empty());
    short.load_with_files(7).expect(4, &["the limit on open files is 7", "ulimit -n 164"]);
}

#[test]
fn a_generator_without_local_ports_says_so_before_the_run_and_in_the_verdict() {
    let Some(unshare) = new_network() else {
        eprintln!("skipped: this user may not make a network of their own");
        return;
    };
    let enough = Run::of_many_connections();
    enough.load_with_ports(unshare, "40000 40999").expect(0, &[]);
    enough.lacks_nothing();
    let short = Run::of_many_connections();
    let words = ["100 connections to one target", "gives 20 per local address"];
    short.load_with_ports(unshare, "40000 40019").expect(0, &words);
    short.doubts(&["ran out of local ports", "local_addresses", "net.ipv4.ip_local_port_range"]);
    assert!(short.ended("out_of_ports") > 0);
    let rows = short.rows("generator");
    assert!(rows.iter().any(|row| row["free_ports"] == 0), "{rows:?}");
}

#[test]
fn a_generator_that_was_stopped_for_a_while_is_told_from_a_starved_one() {
    let run = Run::new("duration = \"4s\"\nrate = \"200/s\"");
    let load = run.load().start();
    run.wait_for_rows(1);
    signal(load.id(), Signal::STOP);
    sleep(Duration::from_millis(1_500));
    signal(load.id(), Signal::CONT);
    Finished::wait(load).expect(0, &[]);
    run.doubts(&["loadgen was stopped for 1.", "SIGSTOP"]);
    let spans = run.contaminated();
    let longest = spans.iter().map(|(from, to)| to - from).fold(0.0, f64::max);
    assert!((1.5..=4.1).contains(&longest), "the stop and the seconds it fell into: {spans:?}");
}

#[test]
fn a_generator_that_was_killed_leaves_a_readable_record_that_says_it_is_partial() {
    let run = Run::new("duration = \"30s\"\nrate = \"200/s\"");
    let mut load = run.load().start();
    run.wait_for_rows(2);
    load.kill().unwrap();
    load.wait().unwrap();
    run.doubts(&["partial", "loadgen died", "of 30."]);
    let scheduled: u64 = run.rows("interval").iter().map(|row| row["ledger"]["scheduled"].as_u64().unwrap()).sum();
    assert!((390..=1_000).contains(&scheduled), "two seconds or a little more of 200/s: {scheduled}");
}

const RUN: [&str; 4] = ["run", "plan.toml", "--run-dir", "run"];
/// What it takes to have a network of one's own: as root, or as a user who may make a namespace of users.
const NEW_NETWORK: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
/// In it: a range of local ports, and the service on a port that nobody else can have.
const IN_NEW_NETWORK: &str = r#"
ip link set lo up && echo "$PORTS" > /proc/sys/net/ipv4/ip_local_port_range || exit 99
[ -n "$SERVICE" ] || exit 0
"$SERVICE" --listen 127.0.0.1:9000 --redis redis://127.0.0.1:1 --log-dir logs --fault "$FAULT" > /dev/null &
trap "kill $!" EXIT
"$LOADGEN" run plan.toml --run-dir run
"#;

/// A plan, the service it is aimed at, and the run directory.
struct Run {
    dir: TempDir,
    service: Service,
    _redis: Redis,
}

impl Run {
    fn new(phase: &str) -> Self {
        Self::against(&[], phase)
    }

    /// A hundred connections to a service of which each request takes a tenth of a second.
    fn of_many_connections() -> Self {
        Self::against(&[SLOW], "duration = \"2s\"\nrate = \"400/s\"")
    }

    fn against(faults: &[&str], phase: &str) -> Self {
        let redis = Redis::start();
        let service = Service::start(&redis, faults);
        let dir = tempfile::tempdir().unwrap();
        let plan = plain_plan(phase, r#"require = ["error_rate < 1%"]"#, "");
        let plan = plan.replace("\n[[phases]]", "connections = 100\n\n[[phases]]");
        fs::write(dir.path().join("plan.toml"), plan).unwrap();
        Self { dir, service, _redis: redis }
    }

    fn tool(&self, program: impl AsRef<std::ffi::OsStr>) -> Tool {
        Tool::of(program).current_dir(self.dir.path()).env("TARGET_URL", self.service.url())
    }

    fn load(&self) -> Tool {
        self.tool(binary("loadgen")).args(RUN)
    }

    /// Runs it with this many file descriptors at most.
    fn load_with_files(&self, most: u32) -> Finished {
        let script = format!("ulimit -n {most}; exec \"$0\" \"$@\"");
        self.tool("sh").args(["-c", &script]).arg(binary("loadgen")).args(RUN).run()
    }

    /// Runs it against a service in a network with this range of local ports.
    fn load_with_ports(&self, unshare: &[&str], ports: &str) -> Finished {
        let tool = self.tool("unshare").args(unshare).args(["sh", "-c", IN_NEW_NETWORK]).env("PORTS", ports);
        let tool = tool.env("SERVICE", binary("example-service")).env("LOADGEN", binary("loadgen")).env("FAULT", SLOW);
        tool.env("TARGET_URL", "http://127.0.0.1:9000").run()
    }

    fn verdict(&self) -> Finished {
        self.tool(binary("verdict")).args(["check", "run"]).run()
    }

    /// Asserts that every request was answered and the verdict misses no resource but perhaps a core.
    fn lacks_nothing(&self) {
        let scheduled: u64 = self.rows("interval").iter().filter_map(|row| row["ledger"]["scheduled"].as_u64()).sum();
        assert_eq!((self.ended("ok"), scheduled), (800, 800));
        let _ = self.verdict();
        assert!(!self.reason().contains("ran out"), "{}", self.reason());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("run").join(name)
    }

    fn rows(&self, kind: &str) -> Vec<Value> {
        let rows = rows_of(&self.path("traffic.jsonl"));
        rows.into_iter().filter_map(|mut row| row.get_mut(kind).map(Value::take)).collect()
    }

    fn wait_for_rows(&self, n: usize) {
        eventually("intervals in the record", || (self.rows("generator").len() >= n).then_some(()));
    }

    /// Arrivals that ended in this outcome.
    fn ended(&self, outcome: &str) -> u64 {
        self.rows("interval").iter().filter_map(|row| row["ledger"]["finished"][outcome].as_u64()).sum()
    }

    /// Asserts that the verdict does not trust the run, and says so with these words.
    #[track_caller]
    fn doubts(&self, words: &[&str]) {
        self.verdict().expect(3, &["INCONCLUSIVE"]);
        let reason = self.reason();
        for word in words {
            assert!(reason.contains(word), "`{word}` is not in `{reason}`");
        }
    }

    /// What the verdict says of the generator, as it stands in `verdict.json`.
    fn generator(&self) -> Value {
        let text = fs::read_to_string(self.path("verdict.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["generator"].take()
    }

    fn reason(&self) -> String {
        self.generator()["reason"].as_str().unwrap().to_owned()
    }

    /// Spans of contaminated seconds.
    fn contaminated(&self) -> Vec<(f64, f64)> {
        let spans = self.generator()["contaminated"].as_array().unwrap().clone();
        spans.iter().map(|span| (span[0].as_f64().unwrap() / 1e9, span[1].as_f64().unwrap() / 1e9)).collect()
    }
}

/// How to get a network of one's own here; `None` when this user may not.
fn new_network() -> Option<&'static [&'static str]> {
    let works = |unshare: &&[&str]| {
        let tool = Tool::of("unshare").args(*unshare).args(["sh", "-c", IN_NEW_NETWORK]);
        tool.env("PORTS", "40000 40019").run().code == Some(0)
    };
    NEW_NETWORK.into_iter().find(works)
}

/// Runs `what` with everything it starts on one core of this machine.
fn on_one_core<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    let pinned = || {
        let all = sched_getaffinity(None).unwrap();
        let last = (0..CpuSet::MAX_CPU).rev().find(|core| all.is_set(*core)).unwrap();
        let mut one = CpuSet::new();
        one.set(last);
        sched_setaffinity(None, &one).unwrap();
        what()
    };
    // Affinity is a thread's own, and what a thread starts inherits it.
    thread::scope(|scope| scope.spawn(pinned).join().unwrap())
}

/// A process that never sleeps.
struct Rival(Child);

impl Rival {
    fn start() -> Self {
        Self(Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
