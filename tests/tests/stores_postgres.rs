//! PostgreSQL loaded directly, alone and beside Redis and HTTP, against a real server.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use plimsoll_tests::{Finished, Postgres, Redis, Service, Tool};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A run of a plan, and its directory.
struct Run {
    finished: Finished,
    directory: TempDir,
}

fn run(plan: &str) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.toml");
    std::fs::write(&path, plan).unwrap();
    let run = directory.path().join("run");
    let finished =
        Tool::new("loadgen").arg("run").arg(&path).arg("--run-dir").arg(&run).args(["--format", "json"]).run();
    Run { finished, directory }
}

impl Run {
    fn summary(&self) -> Value {
        serde_json::from_str(&self.finished.stdout).unwrap_or_else(|_| panic!("{:?}", self.finished))
    }

    fn ended(&self) -> Value {
        self.summary()["total"]["ended"].clone()
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.directory.path().join("run").join(file)).unwrap()
    }
}

fn plan(targets: &str, users: u32, iterations: u32, steps: &str) -> String {
    format!(
        "name = \"stores\"\n{targets}\n[users]\ncount = {users}\n[[phases]]\nname = \"load\"\nusers = {users}\n\
         iterations = {iterations}\n[flows.f]\nsteps = [{steps}]\n[generator]\nbodies = \"failed\"\n\
         [criteria]\nrequire = [\"error_rate < 100%\"]\n"
    )
}

fn target(postgres: &Postgres, more: &str) -> String {
    format!("[targets.pg]\nurl = \"{}\"\n{more}\n", postgres.url())
}

/// One server for all: it takes a second to start.
#[test]
fn statements_transactions_and_copies_do_what_they_say_and_every_failure_has_its_class() {
    let postgres = Postgres::start();
    statements_take_parameters_of_any_type(&postgres);
    transactions_are_begun_anew_and_each_time_is_counted(&postgres);
    copies_send_all_their_rows(&postgres);
    errors_have_their_classes(&postgres);
    more_connections_than_it_allows_are_refused_and_a_pool_waits(&postgres);
    one_user_talks_to_everything(&postgres);
}

fn statements_take_parameters_of_any_type(postgres: &Postgres) {
    postgres
        .run("create table states (id text primary key, n int, body bytea, doc jsonb, at timestamptz default now())");
    let steps = r#"
        { name = "upsert", sql = "insert into states (id, n, body, doc) values ($1, $2, $3, $4) on conflict (id) do update set n = states.n + excluded.n", params = ["{user.id}", 1, "{payload.blob}", "{payload.doc}"], expect = { rows = 1 } },
        { name = "read", sql = "select n, length(body) as size, doc, at::text from states where id = $1", params = ["{user.id}"], expect = { rows = 1, that = ["value >= 1", "$[0].size == 100000", "$[0].doc.step exists", "$[0].at exists"] }, capture = { n = "value" } },
        { name = "none", sql = "select 1 from states where n = $1", params = ["-1"], expect = { rows = 0, that = ["not value exists"] } },
        { name = "count", sql = "update states set n = n where id = $1", params = ["{user.id}"], expect = { rows = 1 } }"#;
    let payloads =
        "[payloads.blob]\nsize = \"100kB\"\nshape = \"bytes\"\n[payloads.doc]\nsize = \"1kB\"\nshape = \"json\"\n";
    let run = run(&plan(&format!("{}{payloads}", target(postgres, "connections = 4")), 8, 200, steps));
    run.finished.expect(0, &[]);
    assert_eq!(run.ended(), json!({ "ok": 800 }), "{}", run.read("failures.jsonl"));
    assert_eq!(postgres.ask("select sum(n), count(*) from states"), "200|8");
    assert!(!run.read("plan.toml").contains(postgres.password()));
}

fn transactions_are_begun_anew_and_each_time_is_counted(postgres: &Postgres) {
    postgres.run("create table accounts (id int primary key, n int); insert into accounts values (1, 0), (2, 0)");
    let transfer = |retries: u32| {
        format!(
            r#"{{ name = "transfer", sql_transaction = [
                {{ sql = "update accounts set n = n - 1 where id = 1" }},
                {{ sql = "update accounts set n = n + 1 where id = 2" }},
                {{ sql = "select sum(n)::int from accounts" }},
            ], isolation = "serializable", retries = {retries}, expect = {{ that = ["value == 0"] }} }}"#
        )
        .replace('\n', " ")
    };
    let patient = run(&plan(&target(postgres, "connections = 8"), 8, 300, &transfer(1_000)));
    assert_eq!(patient.ended(), json!({ "ok": 300 }), "{}", patient.read("failures.jsonl"));
    assert!(patient.summary()["total"]["retries"].as_u64().unwrap() > 0, "eight at once are in each other's way");
    assert_eq!(postgres.ask("select string_agg(n::text, ' ' order by id) from accounts"), "-300 300");
    let hasty = run(&plan(&target(postgres, "connections = 8"), 8, 300, &transfer(0))).ended();
    let [ok, failed] = ["ok", "serialization_failure"].map(|class| hasty[class].as_u64().unwrap_or(0));
    assert!(failed > 0 && ok + failed == 300, "{hasty}");
    assert_eq!(postgres.ask("select n from accounts where id = 2"), (300 + ok).to_string(), "nothing is half done");
}

fn copies_send_all_their_rows(postgres: &Postgres) {
    postgres.run("create table events (who text, n int, what text)");
    let steps = r#"{ name = "copy", copy = "copy events (who, n, what) from stdin", rows = 500, row = "{user.id}\t{turn}\t{random.uuid}", expect = { rows = 500 } }"#;
    let run = run(&plan(&target(postgres, ""), 2, 20, steps));
    assert_eq!(run.ended(), json!({ "ok": 20 }), "{}", run.read("failures.jsonl"));
    assert_eq!(postgres.ask("select count(*), count(distinct what), max(n) from events"), "10000|10000|500");
}

fn errors_have_their_classes(postgres: &Postgres) {
    postgres.run("create table once (id int primary key); insert into once values (1)");
    let check = |sql: &str, more: &str, class: &str| {
        let steps = format!("{{ name = \"s\", sql = \"{sql}\"{more} }}");
        let run = run(&plan(&target(postgres, "connections = 1"), 1, 1, &steps));
        assert_eq!(run.ended(), json!({ class: 1 }), "{sql}");
        run
    };
    check("insert into once values (1)", "", "constraint_violation");
    let said = check("select * from nowhere", "", "store_error").read("failures.jsonl");
    assert!(said.contains("42P01"), "{said}");
    check("select pg_sleep(5)", ", timeout = \"100ms\"", "timed_out");
    check("select pg_terminate_backend(pg_backend_pid())", "", "closed");
    check("select $1::int", "", "not_built");
    let wrong = format!("[targets.pg]\nurl = \"postgres://plimsoll:wrong@127.0.0.1:{}/postgres\"\n", postgres.port());
    run(&plan(&wrong, 1, 1, "{ name = \"s\", sql = \"select 1\" }")).finished.expect(4, &["denied", "28P01"]);
}

fn more_connections_than_it_allows_are_refused_and_a_pool_waits(postgres: &Postgres) {
    let steps = r#"{ name = "s", sql = "select 1", expect = { that = ["value == 1"] } }, { think = "50ms" }"#;
    let each = run(&plan(&target(postgres, "connections = \"per_user\""), 80, 400, steps)).ended();
    let [ok, refused] = ["ok", "too_many_clients"].map(|class| each[class].as_u64().unwrap_or(0));
    assert!(ok > 0 && refused > 0 && ok + refused == 400, "{each}");
    let pool = run(&plan(&target(postgres, "connections = 10"), 80, 400, steps));
    assert_eq!(pool.ended(), json!({ "ok": 400 }), "who may wait is served");
}

fn one_user_talks_to_everything(postgres: &Postgres) {
    let redis = Redis::start();
    let service = Service::start(&redis, &[]);
    postgres.run("create table checkpoints (id text primary key, n int)");
    let targets = format!(
        "[target]\nurl = \"{}\"\n{}[targets.redis]\nurl = \"{}\"\n",
        service.url(),
        target(postgres, ""),
        redis.url()
    );
    let steps = r#"
        { name = "ask", post = "/api/check", json = { user_id = "{user.id}" }, expect = { status = [200, 429] } },
        { name = "save", redis = ["SET", "seen:{user.id}", "{iteration}"], expect = { value = "OK" } },
        { name = "load", redis = ["GET", "seen:{user.id}"], capture = { n = "value" } },
        { name = "checkpoint", sql = "insert into checkpoints values ($1, $2) on conflict (id) do update set n = excluded.n", params = ["{user.id}", "{n}"], expect = { rows = 1 } }"#;
    let run = run(&plan(&targets, 4, 40, steps));
    run.finished.expect(0, &[]);
    assert_eq!(run.ended(), json!({ "ok": 160 }), "{}", run.read("failures.jsonl"));
    assert_eq!(postgres.ask("select sum(n) from checkpoints"), postgres.ask("select count(*) * 10 from checkpoints"));
}
