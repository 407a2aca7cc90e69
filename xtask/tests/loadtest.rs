//! `cargo xtask loadtest` from outside, with tools that only write down how they were called: which addresses they
//! get, which exit code comes out, and that nothing stays behind. What real tools do is tested elsewhere.

#![expect(clippy::unwrap_used, reason = "a test program: what fails here fails the test")]

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PAUSE: Duration = Duration::from_millis(20);
const PAUSES_MAX: usize = 1500;
/// Longer than any test, so that what ends earlier was ended.
const SERVER_LIFE: Duration = Duration::from_secs(60);

/// Makes the run directory and notes the addresses, as the first thing a producer does.
const MEMWATCH: &str = r#"mkdir -p "$4" && echo '{}' > "$4/run.json"
echo "$TARGET_URL $REDIS_URL" > "$4/addresses.tmp" && mv "$4/addresses.tmp" "$4/addresses""#;

/// The world of one test: stand-ins for the tools and for redis-server, a plan, a run directory.
struct World {
    dir: TempDir,
}

impl World {
    fn new() -> World {
        let world = World { dir: tempfile::tempdir().unwrap() };
        fs::write(world.path("plan.toml"), "url = \"${TARGET_URL}\"").unwrap();
        world.tool("loadgen", "");
        world.tool("memwatch", MEMWATCH);
        world.tool("verdict", "");
        world.server("example-service", "0");
        world.server("redis-server", "$4");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run_dir(&self) -> PathBuf {
        self.path("run")
    }

    fn tool(&self, name: &str, script: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A server is this test program again, running `stands_in_for_a_server` below.
    fn server(&self, name: &str, port: &str) {
        let program = env::current_exe().unwrap();
        let words = "--exact stands_in_for_a_server --ignored --nocapture";
        self.tool(name, &format!("STAND_IN_PORT={port} exec '{}' {words}", program.display()));
    }

    fn xtask(&self, words: &[&str]) -> Command {
        self.xtask_on(self.path("plan.toml").as_os_str(), words)
    }

    fn xtask_on(&self, plan: &OsStr, words: &[&str]) -> Command {
        let path = env::join_paths([self.dir.path(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("loadtest").arg(plan).args(["--stack", "native"]);
        command.arg("--bin-dir").arg(self.dir.path()).arg("--run-dir").arg(self.run_dir()).args(words);
        command.env("PATH", path).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.xtask(words).output().unwrap()
    }

    /// Service and Redis, as memwatch was told.
    fn addresses(&self) -> [SocketAddr; 2] {
        let note = self.run_dir().join("addresses");
        wait_until("the tools run", || note.is_file());
        let text = fs::read_to_string(note).unwrap();
        let mut urls = text.split_whitespace().map(|url| url.split("//").nth(1).unwrap().parse().unwrap());
        [urls.next().unwrap(), urls.next().unwrap()]
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..PAUSES_MAX {
        if is_so() {
            return;
        }
        sleep(PAUSE);
    }
    panic!("waited for too long until {what}");
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

fn send(signal: Signal, child: &Child) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("no exit code: {output:?}"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "no test of its own: other tests start it as their server"]
fn stands_in_for_a_server() {
    let port: u16 = env::var_os("STAND_IN_PORT").unwrap().to_str().unwrap().parse().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    println!("\nlistening on http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 512];
            let read = stream.read(&mut request).unwrap_or(0);
            let is_http = request[..read].starts_with(b"GET");
            let answer: &[u8] = if is_http { b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" } else { b"+PONG\r\n" };
            let _ = stream.write_all(answer);
        }
    });
    sleep(SERVER_LIFE);
}

#[test]
fn a_plan_that_names_no_service_gets_none() {
    let world = World::new();
    fs::write(world.path("plan.toml"), "url = \"${REDIS_URL}\"").unwrap();
    fs::remove_file(world.path("example-service")).unwrap();
    let output = world.xtask(&[]).env_remove("TARGET_URL").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let addresses = fs::read_to_string(world.run_dir().join("addresses")).unwrap();
    assert!(addresses.starts_with(" redis://"), "{addresses}");
}

#[test]
fn the_verdict_is_the_exit_code_and_the_stack_is_gone_afterwards() {
    let world = World::new();
    world.tool("verdict", "test \"$1\" = report || exit 1");
    let output = world.run(&[]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    for address in world.addresses() {
        assert!(!listens(address), "{address} still listens");
    }
    assert!(world.run_dir().join("logs/example-service.out").is_file());
}

#[test]
fn a_report_that_was_written_is_named() {
    let world = World::new();
    world.tool("verdict", "test \"$1\" = check || echo '<html>' > \"$2/report.html\"");
    let output = world.run(&[]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let report = world.run_dir().join("report.html").display().to_string();
    assert!(String::from_utf8_lossy(&output.stdout).contains(&report), "{output:?}");
}

#[test]
fn a_group_runs_one_after_the_other_and_ends_with_a_table_and_the_gravest_code() {
    let world = World::new();
    world.tool("memwatch", &format!("{MEMWATCH}\necho \"$@\" > \"$4/words\"\necho \"$API_KEY\" >> \"$4/words\""));
    let verdict = r#"{"judgement": "warn", "sentence": "a preference is missed",
        "traffic": {"finished": 1234, "error_rate": 0.005, "p95_ns": 1500000, "p95_at_least": false}}"#;
    let script =
        format!("case $2 in */stress) exit 1;; esac\ntest \"$1\" = report || echo '{verdict}' > \"$2/verdict.json\"");
    world.tool("verdict", &script);
    let output =
        world.xtask_on(OsStr::new("harness"), &["--quick", "--set", "seed=7"]).env_remove("API_KEY").output().unwrap();
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    for row in ["harness/mixed", "warn", "1234", "0.50 %", "1.5 ms", "a preference is missed", "harness/stress"] {
        assert!(table.contains(row), "no {row}: {table}");
    }
    assert!(!table.contains('\u{1b}'), "colour although this is no terminal: {table}");
    let words = fs::read_to_string(world.run_dir().join("harness/smoke/words")).unwrap();
    assert_eq!(words.matches("--quick --set seed=7").count(), 2, "both producers read the same plan: {words}");
    assert!(words.ends_with("for-tests-only\n"), "{words}");
}

#[test]
fn a_refused_plan_is_the_exit_code_even_if_a_verdict_could_be_had() {
    let world = World::new();
    world.tool("memwatch", &format!("{MEMWATCH}\nexit 2"));
    assert_eq!(code(&world.run(&[])), 2);
}

#[test]
fn without_a_record_there_is_no_pass() {
    let world = World::new();
    world.tool("memwatch", "");
    assert_eq!(code(&world.run(&[])), 3);
}

#[test]
fn a_service_that_refuses_its_fault_is_quoted_and_redis_is_stopped() {
    let world = World::new();
    world.tool("example-service", "echo 'error: there is no fault `x`' >&2; exit 2");
    let output = world.run(&["--fault", "x=1"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("there is no fault `x`"), "{}", stderr(&output));
}

/// The same for every way of being asked to stop.
fn assert_clean_after(signal: Signal) {
    let world = World::new();
    world.tool("memwatch", &format!("trap 'exit 130' INT\n{MEMWATCH}\nwhile :; do sleep 0.05; done"));
    let child = world.xtask(&[]).spawn().unwrap();
    let addresses = world.addresses();
    assert!(addresses.iter().all(|address| listens(*address)));
    send(signal, &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 130, "{}", stderr(&output));
    assert!(!addresses.iter().any(|address| listens(*address)));
    assert!(stderr(&output).contains("verdict check"), "no verdict on what was recorded: {}", stderr(&output));
}

#[test]
fn ctrl_c_lets_the_tools_finish_and_takes_the_stack_down() {
    assert_clean_after(Signal::INT);
}

#[test]
fn sigterm_lets_the_tools_finish_and_takes_the_stack_down() {
    assert_clean_after(Signal::TERM);
}

#[test]
fn a_tool_that_will_not_end_is_killed_at_the_third_request() {
    let world = World::new();
    world.tool("memwatch", &format!("trap '' INT TERM\n{MEMWATCH}\nwhile :; do sleep 0.05; done"));
    let child = world.xtask(&[]).spawn().unwrap();
    let addresses = world.addresses();
    for _ in 0..3 {
        send(Signal::INT, &child);
        // Signals of one kind that arrive together count once.
        sleep(Duration::from_millis(150));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 130, "{}", stderr(&output));
    assert!(!addresses.iter().any(|address| listens(*address)));
}

#[test]
fn nothing_stays_behind_when_xtask_itself_is_killed() {
    let world = World::new();
    world.tool("memwatch", &format!("{MEMWATCH}\necho $$ > \"$4/pid\"\nwhile :; do sleep 0.05; done"));
    let child = world.xtask(&[]).spawn().unwrap();
    let addresses = world.addresses();
    let pid = world.run_dir().join("pid");
    wait_until("the tool has said its number", || fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')));
    let tool: i32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    let tool = Pid::from_raw(tool).unwrap();
    assert!(addresses.iter().all(|address| listens(*address)));
    send(Signal::KILL, &child);
    // Its end of the output is the end of everybody who shared it.
    let output = child.wait_with_output().unwrap();
    assert!(stderr(&output).contains("taking down what it left"), "{}", stderr(&output));
    assert!(!addresses.iter().any(|address| listens(*address)));
    assert!(rustix::process::test_kill_process(tool).is_err(), "the tool still runs");
}

#[test]
fn a_kept_stack_stays_until_the_line_it_names_is_typed() {
    let world = World::new();
    let output = world.run(&["--keep"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let addresses = world.addresses();
    assert!(addresses.iter().all(|address| listens(*address)));
    let words = stderr(&output);
    let line = words.lines().find_map(|line| line.split("to stop it: ").nth(1)).unwrap();
    assert!(Command::new("sh").args(["-c", line]).status().unwrap().success(), "{line}");
    wait_until("the stack is gone", || !addresses.iter().any(|address| listens(*address)));
}

#[test]
fn a_used_run_directory_is_refused_before_anything_starts() {
    let world = World::new();
    fs::create_dir(world.run_dir()).unwrap();
    fs::write(world.run_dir().join("run.json"), "{}").unwrap();
    let output = world.run(&[]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("already holds a run"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("Redis is"), "{}", stderr(&output));
}

#[test]
fn a_missing_program_is_named() {
    let world = World::new();
    fs::remove_file(world.path("verdict")).unwrap();
    let output = world.run(&[]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("no program `verdict`"), "{}", stderr(&output));
}
