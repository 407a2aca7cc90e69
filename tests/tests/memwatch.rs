//! `memwatch` from outside: what it says of a Redis, what it writes down, and how it treats the command it watches.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use plimsoll_tests::{Finished, Redis, Service, Tool, ends_soon, eventually, rows_of, signal};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn an_empty_redis_is_described_in_plain_words_and_not_alarmed_about() {
    let redis = Redis::start();
    let text = snapshot(&redis, "text");
    text.expect(0, &["used memory", "healthy", "every database is empty", "fragmentation", "says nothing below"]);
    assert!(!text.stdout.contains(" act "), "nothing is wrong with an empty Redis:\n{}", text.stdout);
    let status = json(&snapshot(&redis, "json"));
    assert_eq!(status["databases"], Value::Array(Vec::new()));
    assert_eq!(status["values"]["keys"], 0.0);
    let ratio = status["values"]["mem_fragmentation_ratio"].as_f64().unwrap();
    assert!(ratio > 1.5, "the judgement below is about a ratio that looks bad, not {ratio}");
    assert_eq!(finding(&status, "fragmentation")["grade"], "ok");
    assert_eq!(finding(&status, "limit")["grade"], "watch", "nothing limits this Redis");
}

#[test]
fn a_filled_redis_is_described_by_its_keys_their_lifetimes_and_its_limit() {
    let redis = Redis::with(&["--maxmemory", "100mb"]);
    fill(&redis, 900, 100);
    assert_eq!(redis.ask(r#"EVAL "for i=1,100 do redis.call('SET', 'e'..i, i, 'EX', 1000) end" 0"#), "$-1");
    // Redis's `100mb` are 104,857,600 bytes.
    snapshot(&redis, "text").expect(0, &["keys in db0", "1,000", "900 never expire", "of 105 MB"]);
    let status = json(&snapshot(&redis, "json"));
    assert_eq!(status["databases"][0]["keys"], 1000.0);
    assert_eq!(status["databases"][0]["expires"], 100.0);
    assert_eq!(finding(&status, "limit")["grade"], "ok");
    close(status["values"]["used_memory"].as_f64().unwrap(), used_memory(&redis), 0.2);
}

#[test]
fn a_redis_at_its_limit_calls_for_action() {
    let redis = Redis::with(&["--maxmemory", "3mb"]);
    fill_until_refused(&redis);
    let status = json(&snapshot(&redis, "json"));
    assert_eq!(finding(&status, "limit")["grade"], "act");
    assert_eq!(finding(&status, "OOM errors")["grade"], "act");
    snapshot(&redis, "text").expect(0, &["refused"]);
}

#[test]
fn a_csv_holds_every_tick_of_the_grid_and_nothing_that_was_not_read() {
    let redis = Redis::start();
    // Enough that the buffers of those who look do not matter.
    fill(&redis, 50, 100_000);
    let dir = tempfile::tempdir().unwrap();
    let csv = dir.path().join("watch.csv");
    let used = used_memory(&redis);
    let options = ["--duration", "3s", "--interval", "500ms", "--csv"];
    let watch = Tool::new("memwatch").args(["watch", "--redis", &redis.url()]).args(options).arg(&csv).run();
    watch.expect(0, &["used", "frag", "initial", "0 gaps"]);
    let table = Csv::read(&csv);
    assert!((6..=8).contains(&table.rows.len()), "at 0, 0.5, ... 3 s: {} rows", table.rows.len());
    let offsets = table.numbers("offset_seconds");
    let ticks = &offsets[..offsets.len() - 1];
    for (tick, offset) in ticks.iter().enumerate() {
        let late = offset - ticks[0] - 0.5 * tick as f64;
        assert!((-0.05..0.3).contains(&late), "row {tick} at {offset} s is {late} s off the grid");
    }
    assert!(table.numbers("redis.keys").iter().all(|keys| *keys == 50.0));
    for value in table.numbers("redis.used_memory") {
        close(value, used, 0.2);
    }
    assert!(table.numbers("host.memory_share").iter().all(|share| (0.001..1.0).contains(share)));
    for missing in ["redis.maxmemory", "process.rss", "process.cpu_share"] {
        assert!(table.column(missing).iter().all(|cell| cell.is_empty()), "{missing} was never read");
    }
}

#[test]
fn redis_behind_an_http_endpoint_gives_what_the_endpoint_tells_and_no_more() {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    let watched = Watched::new("", "");
    let url = format!("{}/redis-info", service.url());
    let options = ["--duration", "1s", "--interval", "250ms", "--run-dir", "run"];
    let watch = watched.memwatch().args(["watch", "--redis", &url]).args(options).run();
    watch.expect(0, &["redis.used_memory", "0 gaps"]);
    let rows = watched.rows("redis.jsonl");
    assert_eq!(rows[0]["header"]["body"]["source"], url.as_str());
    let samples: Vec<&Value> = rows.iter().filter_map(|row| row.get("sample")).collect();
    assert!((4..=6).contains(&samples.len()), "at 0, 0.25, ... 1 s: {}", samples.len());
    for sample in samples {
        close(sample["values"]["used_memory"].as_f64().unwrap(), used_memory(&redis), 0.3);
        assert_eq!(sample["values"].get("keys"), None, "the endpoint tells nothing of keys: {sample}");
    }
}

#[test]
fn a_csv_that_cannot_be_written_is_an_error_of_the_environment() {
    let redis = Redis::start();
    let watch = |file: &str| {
        let options = ["--interval", "200ms", "--duration", "10s", "--csv", file];
        Tool::new("memwatch").args(["watch", "--redis", &redis.url()]).args(options).run()
    };
    watch("/nowhere/at/all.csv").expect(4, &["/nowhere/at/all.csv", "No such file"]);
    watch("/dev/full").expect(4, &["/dev/full", "space"]);
}

#[test]
fn options_that_make_no_sense_are_refused_in_words() {
    let check = |args: &[&str], words: &[&str]| Tool::new("memwatch").args(args).run().expect(2, words);
    check(&["watch", "--interval", "10"], &["10", "30s"]);
    check(&["watch", "--interval", "1ms"], &["1ms", "100ms"]);
    check(&["exec", "--redis", "redis://127.0.0.1:1"], &["COMMAND"]);
    check(&["watch", "nowhere.toml"], &["nowhere.toml"]);
}

#[test]
fn the_exit_code_of_the_command_is_passed_on() {
    let redis = Redis::start();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)] {
        exec(&redis, script).run().expect(code, &["Redis memory before", "peak", "after"]);
    }
    let missing = Tool::new("memwatch").args(["exec", "--redis", &redis.url(), "--", "no-such-command"]).run();
    missing.expect(2, &["cannot start the command", "no-such-command"]);
}

#[test]
fn what_the_command_prints_is_passed_through_untouched() {
    let redis = Redis::start();
    let script = r"printf 'tab\there\033[1m no newline'; printf 'its own trouble\n' >&2";
    let run = exec(&redis, script).run();
    run.expect(0, &[]);
    assert_eq!(run.stdout, "tab\there\u{1b}[1m no newline");
    assert!(run.stderr.contains("its own trouble\n"), "{}", run.stderr);
}

#[test]
fn memory_is_told_before_at_its_peak_and_after_the_command() {
    let redis = Redis::start();
    let watched = Watched::new(&redis.url(), "");
    let command = watched.exec("touch ready; while [ ! -e go ]; do sleep 0.05; done").start();
    eventually("the command runs", || watched.path("ready").exists().then_some(()));
    fill(&redis, 10_000, 1000);
    watched
        .eventually("redis.jsonl", "a sample of the filled Redis", |row| row["sample"]["values"]["keys"] == 10_000.0);
    assert_eq!(redis.ask("FLUSHALL"), "+OK");
    fs::write(watched.path("go"), "").unwrap();
    let run = Finished::wait(command);
    run.expect(0, &["Redis memory before", "keys 0 -> 0"]);
    let peak = megabytes_after(&run.stderr, "peak ");
    assert!((10.0..25.0).contains(&peak), "10,000 values of 1,000 bytes: {}", run.stderr);
    assert!(megabytes_after(&run.stderr, "before ") < 3.0, "{}", run.stderr);
    assert!(megabytes_after(&run.stderr, "after ") < 5.0, "{}", run.stderr);
}

#[test]
fn interrupts_and_requests_to_end_reach_the_command() {
    let redis = Redis::start();
    for (sent, name) in [(Signal::INT, "INT"), (Signal::TERM, "TERM")] {
        let watched = Watched::new(&redis.url(), "");
        let script = format!("trap 'echo got {name}; exit 9' {name}; touch ready; while :; do sleep 0.1; done");
        let mut child = watched.exec(&script).start();
        eventually("the command runs", || watched.path("ready").exists().then_some(()));
        signal(child.id(), sent);
        assert!(ends_soon(&mut child), "the command ends on {name}");
        let run = Finished::wait(child);
        run.expect(9, &[&format!("got {name}")]);
        assert_eq!(run.stdout, format!("got {name}\n"), "the signal came once");
        assert_eq!(watched.rows("redis.jsonl").last().unwrap()["end"]["reason"], "interrupted");
    }
}

#[test]
fn a_command_that_heeds_no_signal_is_killed_by_the_third() {
    let redis = Redis::start();
    let watched = Watched::new(&redis.url(), "");
    let mut child = watched.exec("trap '' INT TERM; touch ready; while :; do sleep 0.2; done").start();
    eventually("the command runs", || watched.path("ready").exists().then_some(()));
    for _ in 0..2 {
        signal(child.id(), Signal::TERM);
        sleep(Duration::from_millis(300));
        assert!(child.try_wait().unwrap().is_none(), "the command may take its time");
    }
    signal(child.id(), Signal::TERM);
    assert!(ends_soon(&mut child), "the third signal ends it");
    Finished::wait(child).expect(137, &[]);
}

#[test]
fn a_command_that_ignores_the_request_to_end_is_killed_after_the_grace() {
    let redis = Redis::with(&["--maxmemory", "4mb"]);
    let watched = Watched::new(&redis.url(), "");
    let script = "trap '' TERM; echo $$ > pid; touch ready; while :; do sleep 0.2; done";
    let child = watched.exec(script).start();
    eventually("the command runs", || watched.path("ready").exists().then_some(()));
    fill_until_refused(&redis);
    let run = Finished::wait(child);
    run.expect(1, &["did not end within 10 s: killing it", "the command was stopped"]);
    let events = watched.rows("events.jsonl");
    let stops: Vec<&Value> = events.iter().filter_map(|row| row.get("stop")).collect();
    let [stop, kill] = stops[..] else { panic!("both signals are on record, in order of time: {events:#?}") };
    assert_eq!((&stop["signals"], &kill["signals"]), (&serde_json::json!(["TERM"]), &serde_json::json!(["KILL"])));
    let ended = events.iter().find_map(|row| row.get("command_ended")).expect("the command's end is on record");
    let at = |event: &Value| event["at_ns"].as_f64().unwrap() / 1e9;
    let grace = at(ended) - at(stop);
    assert!((9.9..15.0).contains(&grace), "the grace is 10 s, not {grace} s");
    let pid = fs::read_to_string(watched.path("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "the command is gone");
}

#[test]
fn a_command_that_fills_redis_until_it_refuses_is_stopped_within_two_intervals() {
    let redis = Redis::with(&["--maxmemory", "6mb"]);
    let watched = Watched::new(&redis.url(), "");
    // It fills the server half a megabyte at a time, says when it is refused, and goes on for as long as it is let.
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{}; for i in $(seq 1000); do printf 'SETRANGE filler:%s 500000 x\\r\\n' $i >&3; \
         read -r answer <&3; case $answer in -OOM*) echo \"write $i: $answer\"; sleep 0.05;; esac; done",
        redis.port()
    );
    let command = ["exec", "plan.toml", "--run-dir", "run", "--", "bash", "-c", &script];
    let run = watched.memwatch().args(command).run();
    run.expect(1, &["out of memory: ", "the command printed", "OOM command not allowed", "the command was stopped"]);
    run.expect(1, &["left behind: db0 filler:{n} (+", "never expiring"]);
    let events = watched.rows("events.jsonl");
    let at = |row: &Value| {
        let body = row.as_object().unwrap().values().next().unwrap();
        body["at_ns"].as_f64().unwrap() / 1e9
    };
    let times: Vec<f64> = events[1..].iter().map(at).collect();
    assert!(times.is_sorted(), "events stand in the order of time: {events:#?}");
    let refused = |row: &&Value| row["alert"]["message"].as_str().is_some_and(|text| text.contains("refused"));
    let noticed = at(events.iter().find(refused).unwrap_or_else(|| panic!("{events:#?}")));
    let stopped = at(events.iter().find(|row| row.get("stop").is_some()).expect("the stop is on record"));
    let full = watched.rows("redis.jsonl").iter().filter_map(|row| row.get("sample")).find_map(|sample| {
        let refused = sample["values"]["oom_errors"].as_f64()? > 0.0;
        refused.then(|| sample["at_ns"].as_f64().unwrap() / 1e9)
    });
    let first = full.map_or(noticed, |full| full.min(noticed));
    assert!(stopped - first <= 0.4, "refused at {first} s, stopped at {stopped} s, every 0.2 s");
    let ended = watched.rows("keys.jsonl").iter().filter(|row| row["checkpoint"]["occasion"] == "end").count();
    assert_eq!(ended, 1, "what remains is on record");
    let diff = watched.memwatch().args(["keys", "--diff", "run"]).run();
    diff.expect(0, &["db0 filler:{n}", "per minute"]);
}

#[test]
fn earlier_runs_of_the_same_command_are_compared_with() {
    let redis = Redis::start();
    let dir = tempfile::tempdir().unwrap();
    let exec = |run: &str, command: &str| {
        let options = ["exec", "--redis", &redis.url(), "--run-dir", run, "--", "sh", "-c", command];
        Tool::new("memwatch").current_dir(dir.path()).args(options).run()
    };
    let first = exec("1", "sleep 0.2");
    assert!(!first.stderr.contains("earlier run"), "{}", first.stderr);
    exec("2", "sleep 0.1").expect(0, &[]);
    exec("3", "sleep 0.2").expect(0, &["1 earlier run of this command: median "]);
}

#[test]
fn a_high_baseline_and_keys_in_the_wrong_database_are_said_before_the_command_starts() {
    let redis = Redis::with(&["--maxmemory", "10mb"]);
    fill(&redis, 850, 10_000);
    let script = "echo the command speaks >&2";
    let options = ["exec", "--redis", &redis.url(), "--expect-db", "2", "--", "sh", "-c", script];
    let run = Tool::new("memwatch").args(options).run();
    run.expect(0, &["high baseline", "keys where none were expected: 850 in db0"]);
    let place = |words: &str| run.stderr.find(words).unwrap_or_else(|| panic!("no `{words}` in {}", run.stderr));
    assert!(place("high baseline") < place("the command speaks"), "{}", run.stderr);
    assert!(place("none were expected") < place("the command speaks"), "{}", run.stderr);
}

#[test]
fn an_alarm_sets_off_the_program_of_the_plan() {
    let redis = Redis::start();
    fill(&redis, 100, 20_000);
    let dir = tempfile::tempdir().unwrap();
    let program = r#"["sh", "-c", "echo \"$MEMWATCH_LEVEL: $MEMWATCH_MESSAGE\" > alarm.txt"]"#;
    let plan = format!(
        "schema = 1\nname = \"alarmed\"\n[watch]\nevery = \"200ms\"\nredis = \"{}\"\n\
         alerts = [{{ size = \"1MB\", level = \"warn\", run = {program} }}]\n",
        redis.url()
    );
    fs::write(dir.path().join("plan.toml"), plan).unwrap();
    let watch = Tool::new("memwatch").current_dir(dir.path()).args(["watch", "plan.toml", "--duration", "1s"]).run();
    watch.expect(0, &["used memory is", "above 1.00 MB"]);
    let said = fs::read_to_string(dir.path().join("alarm.txt")).unwrap();
    assert!(said.starts_with("warning: used memory is"), "{said}");
}

#[test]
fn a_redis_that_comes_back_empty_is_a_gap_and_a_mark_and_no_value_is_carried_over() {
    let mut redis = Redis::start();
    fill(&redis, 100, 10);
    let watched = Watched::new(&redis.url(), "");
    let child = watched.watch(&["--csv", "watch.csv"]);
    watched.eventually("redis.jsonl", "a sample", |row| row["sample"]["values"]["keys"] == 100.0);
    redis.kill();
    watched.eventually("redis.jsonl", "a gap", |row| row["gap"]["reason"] == "unreachable");
    redis.restart();
    watched.eventually("redis.jsonl", "a restart mark", |row| row["mark"]["kind"] == "restarted");
    watched.eventually("redis.jsonl", "a sample after it", |row| row["sample"]["values"]["keys"] == 0.0);
    watched.end(child).expect(0, &["restarted"]);

    let rows = watched.rows("redis.jsonl");
    let first = |what: &str| rows.iter().position(|row| row.get(what).is_some()).unwrap();
    let (gap, mark) = (first("gap"), first("mark"));
    assert!(rows[gap..mark].iter().all(|row| row.get("sample").is_none()), "{rows:#?}");
    let keys =
        |rows: &[Value]| rows.iter().filter_map(|row| row["sample"]["values"]["keys"].as_f64()).collect::<Vec<_>>();
    assert!(
        keys(&rows[..gap]).iter().all(|keys| *keys == 100.0) && keys(&rows[mark..]).iter().all(|keys| *keys == 0.0)
    );
    let table = Csv::read(&watched.path("watch.csv"));
    let column = table.column("redis.used_memory");
    let gaps = rows.iter().filter(|row| row.get("gap").is_some()).count();
    assert_eq!(column.iter().filter(|cell| cell.is_empty()).count(), gaps, "a gap is an empty cell: {column:?}");
}

#[test]
fn a_redis_that_hangs_is_timed_out_gaps_and_hangs_nothing() {
    let redis = Redis::start();
    let watched = Watched::new(&redis.url(), "");
    let mut child = watched.watch(&[]);
    watched.eventually("redis.jsonl", "a sample", |row| row.get("sample").is_some());
    signal(redis.pid(), Signal::STOP);
    sleep(Duration::from_secs(3));
    signal(redis.pid(), Signal::CONT);
    eventually("a sample after the gaps", || {
        let rows = watched.rows("redis.jsonl");
        let gap = rows.iter().position(|row| row.get("gap").is_some())?;
        rows[gap..].iter().find(|row| row.get("sample").is_some()).map(drop)
    });
    let gaps: Vec<Value> = watched.rows("redis.jsonl").iter().filter_map(|row| row.get("gap").cloned()).collect();
    assert!((8..=17).contains(&gaps.len()), "3 s at five samples per second: {gaps:#?}");
    assert!(gaps.iter().all(|gap| gap["reason"] == "timed_out"), "{gaps:#?}");

    let host = |rows: Vec<Value>| rows.iter().filter(|row| row.get("sample").is_some()).count();
    let hosts = host(watched.rows("host.jsonl"));
    assert!(hosts >= 14, "the host is sampled meanwhile: {hosts}");

    signal(redis.pid(), Signal::STOP);
    signal(child.id(), Signal::INT);
    assert!(ends_soon(&mut child), "it ends although Redis hangs");
    Finished::wait(child).expect(0, &["gaps"]);
    assert_eq!(watched.rows("redis.jsonl").last().unwrap()["end"]["reason"], "completed");
}

#[test]
fn ctrl_c_is_the_normal_end_of_an_endless_watch_and_an_early_end_of_one_with_a_duration() {
    let redis = Redis::start();
    for (options, code, reason) in [(&[][..], 0, "completed"), (&["--duration", "60s"], 130, "interrupted")] {
        let watched = Watched::new(&redis.url(), "");
        let child = watched.watch(options);
        watched.eventually("redis.jsonl", "a sample", |row| row.get("sample").is_some());
        watched.end(child).expect(code, &["initial", "redis.used_memory"]);
        assert_eq!(watched.rows("redis.jsonl").last().unwrap()["end"]["reason"], reason);
    }
}

#[test]
fn each_line_of_a_log_counts_once_whatever_happens_to_the_file() {
    let redis = Redis::start();
    let watched = Watched::new(&redis.url(), r#"{ path = "app.log", event = "SEEN", count_by = "part" }"#);
    let log = watched.path("app.log");
    let child = watched.watch(&[]);
    watched.eventually("logs.jsonl", "the missing file", |row| row["gap"]["reason"] == "the file does not exist");
    let mut total = 0;
    let mut counted = |lines: u64| {
        total += lines;
        eventually("the new lines are counted", || (watched.log_lines() >= total).then_some(()));
        assert_eq!(watched.log_lines(), total);
    };
    fs::write(&log, lines("appeared", 3)).unwrap();
    counted(3);
    fs::write(&log, lines("shrunk", 2)).unwrap();
    counted(2);
    fs::write(&log, lines("overwritten", 40)).unwrap();
    counted(40);
    let mut old = fs::OpenOptions::new().append(true).open(&log).unwrap();
    fs::rename(&log, watched.path("app.log.1")).unwrap();
    old.write_all(lines("late", 1).as_bytes()).unwrap();
    fs::write(&log, lines("rotated", 4)).unwrap();
    counted(5);
    watched.end(child).expect(0, &["truncated"]);

    let events = watched.rows("logs.jsonl");
    for (part, expected) in [("appeared", 3), ("shrunk", 2), ("overwritten", 40), ("late", 1), ("rotated", 4)] {
        assert_eq!(count_of(&events, part), expected, "{part}");
    }
    let reasons: Vec<&str> = events.iter().filter_map(|row| row["gap"]["reason"].as_str()).collect();
    let told = |words: &str| reasons.iter().filter(|reason| reason.contains(words)).count();
    assert_eq!((told("appeared"), told("truncated"), told("another file")), (1, 2, 1), "{reasons:?}");
}

/// A directory with a plan that watches, and the tool in it.
struct Watched {
    dir: TempDir,
}

impl Watched {
    fn new(redis: &str, log: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let redis = if redis.is_empty() { "redis://127.0.0.1:1" } else { redis };
        let plan = format!(
            "schema = 1\nname = \"watched\"\n[watch]\nevery = \"200ms\"\nredis = \"{redis}\"\nlogs = [{log}]\n\
             alerts = [{{ growth = \"1000MB/min\", level = \"critical\", stop = true }}]\n"
        );
        fs::write(dir.path().join("plan.toml"), plan).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn memwatch(&self) -> Tool {
        Tool::new("memwatch").current_dir(self.dir.path())
    }

    fn watch(&self, options: &[&str]) -> Child {
        self.memwatch().args(["watch", "plan.toml", "--run-dir", "run"]).args(options).start()
    }

    fn exec(&self, script: &str) -> Tool {
        self.memwatch().args(["exec", "plan.toml", "--run-dir", "run", "--", "sh", "-c", script])
    }

    fn rows(&self, file: &str) -> Vec<Value> {
        rows_of(&self.path("run").join(file))
    }

    #[track_caller]
    fn eventually(&self, file: &str, what: &str, is: impl Fn(&Value) -> bool) {
        eventually(what, || self.rows(file).iter().any(&is).then_some(()));
    }

    /// Ends a watch as Ctrl-C does.
    fn end(&self, mut child: Child) -> Finished {
        signal(child.id(), Signal::INT);
        assert!(ends_soon(&mut child), "the watch ends");
        Finished::wait(child)
    }

    fn log_lines(&self) -> u64 {
        self.rows("logs.jsonl").iter().filter_map(|row| row["counts"]["lines"].as_u64()).sum()
    }
}

/// A CSV file whose cells hold no commas.
struct Csv {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Csv {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let names = lines.next().unwrap();
        assert_eq!(names[..3], ["timestamp", "offset_seconds", "redis.used_memory"]);
        let rows: Vec<Vec<String>> = lines.collect();
        assert!(rows.iter().all(|row| row.len() == names.len()), "every row has every column");
        Self { names, rows }
    }

    fn column(&self, name: &str) -> Vec<&str> {
        let at = self.names.iter().position(|other| other == name).unwrap_or_else(|| panic!("no column {name}"));
        self.rows.iter().map(|row| row[at].as_str()).collect()
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        let number = |cell: &&str| cell.parse().unwrap_or_else(|_| panic!("{name} holds `{cell}`"));
        self.column(name).iter().map(number).collect()
    }
}

fn snapshot(redis: &Redis, format: &str) -> Finished {
    Tool::new("memwatch").args(["snapshot", "--redis", &redis.url(), "--format", format]).run()
}

fn json(finished: &Finished) -> Value {
    finished.expect(0, &[]);
    serde_json::from_str(&finished.stdout).unwrap()
}

fn finding(status: &Value, name: &str) -> Value {
    let all = status["findings"].as_array().unwrap();
    all.iter().find(|finding| finding["name"] == name).unwrap_or_else(|| panic!("no {name} in {status}")).clone()
}

fn exec(redis: &Redis, script: &str) -> Tool {
    Tool::new("memwatch").args(["exec", "--redis", &redis.url(), "--", "sh", "-c", script])
}

/// Sets `keys` keys to values of `bytes` bytes.
fn fill(redis: &Redis, keys: u32, bytes: u32) {
    let script = format!("for i=1,{keys} do redis.call('SET', 'k'..i, string.rep('x',{bytes})) end");
    assert_eq!(redis.ask(&format!("EVAL \"{script}\" 0")), "$-1");
}

/// Writes until Redis has no memory left.
fn fill_until_refused(redis: &Redis) {
    for key in 0..1000 {
        let write = format!("EVAL \"return redis.call('SET', KEYS[1], string.rep('x',20000))\" 1 k{key}");
        if redis.ask(&write).starts_with("-OOM") {
            return;
        }
    }
    panic!("Redis has no limit");
}

/// What Redis itself says it uses.
fn used_memory(redis: &Redis) -> f64 {
    let script = "return tonumber(string.match(redis.call('INFO','memory'),'used_memory:(%d+)'))";
    let answer = redis.ask(&format!("EVAL \"{script}\" 0"));
    answer.strip_prefix(':').unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

#[track_caller]
fn close(value: f64, expected: f64, share: f64) {
    assert!((value - expected).abs() <= share * expected, "{value} is not within {share} of {expected}");
}

/// The megabytes that stand after `word`: `peak 12.3 MB`.
fn megabytes_after(text: &str, word: &str) -> f64 {
    let (_, rest) = text.split_once(word).unwrap_or_else(|| panic!("no `{word}` in {text}"));
    let mut words = rest.split_whitespace();
    let value: f64 = words.next().unwrap().parse().unwrap();
    match words.next().map(|unit| unit.trim_end_matches([',', ';'])) {
        Some("kB") => value / 1e3,
        Some("MB") => value,
        unit => panic!("{value} {unit:?} in {text}"),
    }
}

fn lines(part: &str, count: usize) -> String {
    (0..count).map(|n| format!("{{\"event\":\"SEEN\",\"part\":\"{part}\",\"n\":{n}}}\n")).collect()
}

fn count_of(rows: &[Value], part: &str) -> u64 {
    let events = rows.iter().filter_map(|row| row["counts"]["events"].as_array()).flatten();
    events.filter(|event| event["value"] == part).filter_map(|event| event["count"].as_u64()).sum()
}
