//! Plans that load stores directly: Redis, PostgreSQL, payloads.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::num::NonZeroU32;
use std::time::Duration;

use plimsoll_plan::{
    Ask, Isolation, Operand, Plan, Shape, Source, SourceText, StoreConnections, StoreKind, Surroundings, parse,
    parse_recorded,
};

const TEXT: &str = include_str!("stores.toml");

fn environment(name: &str) -> Option<String> {
    matches!(name, "REDIS_PASSWORD" | "PG_PASSWORD" | "OWNER").then(|| "hunter2".to_owned())
}

fn file(path: &str) -> std::io::Result<Vec<u8>> {
    match path {
        "lease.lua" => Ok(b"return redis.call('GET', KEYS[1])".to_vec()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    }
}

fn read(text: &str) -> Plan {
    let source = SourceText { name: "stores.toml".to_owned(), text: text.to_owned() };
    let plan = parse(&source, &[], &Surroundings { environment: &environment, file: &file });
    plan.unwrap_or_else(|problems| panic!("{}", problems.render(false)))
}

fn ask(plan: &Plan, step: &str) -> Ask {
    let requests = plan.requests();
    let request = requests.iter().find(|request| request.name == step).unwrap();
    request.store.as_ref().unwrap().ask.clone()
}

#[test]
fn stores_need_no_target_of_http() {
    let plan = read(TEXT);
    assert!(plan.target.is_none());
    let [redis, queue, checkpoints] = plan.stores.as_slice() else { panic!("{:?}", plan.stores) };
    assert_eq!(redis.url.as_str(), "redis://app@127.0.0.1:6379/2");
    assert_eq!(redis.password.as_ref().unwrap().reveal(), "hunter2");
    assert_eq!(redis.connections, StoreConnections::Pool(NonZeroU32::new(50).unwrap()));
    assert_eq!((queue.kind, queue.connections), (StoreKind::Redis { cluster: true }, StoreConnections::PerUser));
    assert_eq!(checkpoints.kind, StoreKind::Postgres);
    assert_eq!(checkpoints.connections, StoreConnections::Pool(NonZeroU32::new(20).unwrap()));
    assert_eq!(plan.generator.drain, Duration::from_secs(5), "as long as the most patient store");
    let shared = "name = \"x\"\n[targets.r]\nurl = \"redis://h\"\n[[phases]]\nname = \"p\"\nusers = 1\nduration = \"1s\"\n[[flows.f.steps]]\nname = \"s\"\nredis = [\"PING\"]";
    assert_eq!(read(shared).stores[0].connections, StoreConnections::Shared);
}

#[test]
fn a_step_asks_the_only_store_of_its_kind_or_the_one_it_names() {
    let plan = read(TEXT);
    let stores: Vec<&str> = plan.requests().iter().map(|one| one.store.as_ref().unwrap().store.as_str()).collect();
    assert_eq!(stores[..5], ["redis"; 5]);
    assert_eq!(stores[5..], ["queue", "queue", "checkpoints", "checkpoints", "checkpoints"]);
    assert!(matches!(ask(&plan, "save"), Ask::Redis(words) if words.len() == 5));
    assert!(
        matches!(ask(&plan, "lease"), Ask::Script { keys, args, script } if keys.len() == 1 && args.len() == 2 && script.content.is_some())
    );
    let Ask::SqlTransaction { statements, isolation, retries } = ask(&plan, "transfer") else { panic!() };
    assert_eq!((statements.len(), isolation, retries), (2, Some(Isolation::Serializable), 5));
    assert_eq!(statements[0].sql, "update a set n = n - $1");
}

#[test]
fn replies_are_checked_and_captured_by_value_and_rows() {
    let plan = read(TEXT);
    let load = plan.requests()[1];
    let looks_at = |operand| load.expect.checks.iter().any(|check| check.condition.operands().contains(&&operand));
    assert!(looks_at(Operand::Rows) && looks_at(Operand::Value) && looks_at(Operand::Size));
    assert_eq!(load.captures[0].from, Source::Value);
}

#[test]
fn a_plan_in_rust_says_the_same() {
    use plimsoll_plan::build::{closed, flow, redis, sql};
    let plan = Plan::builder("stores")
        .store("cache", "redis://h")
        .store("pg", "postgres://h/app")
        .with("payloads.state.size", "1kB")
        .phase(closed("p", 3).duration("1s"))
        .flow(
            flow("f")
                .step(redis("save", ["SET", "k:{user.id}", "{payload.state}"]).with("timeout", "1s"))
                .step(sql("read", "select $1::int", ["{user.n}"]).check("value == {user.n}")),
        )
        .build()
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(plan.operations(), ["save", "read"]);
    assert!(matches!(ask(&plan, "save"), Ask::Redis(words) if words.len() == 3));
    assert!(matches!(ask(&plan, "read"), Ask::Sql(statement) if statement.params.len() == 1));
}

#[test]
fn payloads_have_a_size_in_each_phase() {
    let plan = read(TEXT);
    let [state, blob] = plan.payloads.as_slice() else { panic!("{:?}", plan.payloads) };
    assert_eq!([state.bytes_in("small").get(), state.bytes_in("large").get()], [10_000, 1_000_000]);
    assert_eq!((state.shape, state.compressible, blob.shape), (Shape::Json, 0.7, Shape::Bytes));
}

#[test]
fn the_written_plan_is_read_back_and_shows_no_password() {
    let plan = read(TEXT);
    let written = plan.to_toml();
    assert!(!written.contains("hunter2"), "{written}");
    insta::assert_snapshot!("stores", written);
    let again = parse_recorded(&written).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert_eq!(again.to_toml(), written);
    assert_eq!(again.operations(), plan.operations());
    assert_eq!(plan.secrets().len(), 3);
}
