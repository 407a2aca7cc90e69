//! Twenty people who log in once, order, wait until the order was sent and look at it from three places at once:
//! captures, checks, a poll and steps in parallel. `cargo run -p embedding --bin people` runs them against a server
//! that answers everything alike; it shows how often each check held.

use std::sync::mpsc;
use std::time::Duration;

use plimsoll_engine::fake::{FakeServer, Reply, Script};
use plimsoll_engine::{Run, StopHandle};
use plimsoll_plan::build::{FlowBuilder, closed, flow, get, parallel, post, table};
use plimsoll_plan::{Plan, Problems};
use plimsoll_record::RunDir;
use plimsoll_record::summary::{Facts, Scope};

/// Good for every step: the server of this example does not look at what it is asked.
const ANSWER: &str = r#"{"token": "t-1", "id": 42, "state": "sent", "ok": true}"#;

fn buying() -> FlowBuilder {
    let log_in = post("log-in", "/login")
        .when("not {token} exists")
        .json(table().with("user", "{user.id}"))
        .capture("token", "$.token");
    let order = post("order", "/orders")
        .bearer("{token}")
        .json(table().with("by", "{user.id}").with("gift", true))
        .check("$.ok == true")
        .soft_check("latency < 250ms")
        .capture("id", "$.id");
    let wait = get("wait", "/orders/{id}").bearer("{token}").poll("$.state == 'sent'").poll_timeout("10s");
    let look = get("look", "/orders/{id}").query("from", "{turn}").check("$.id == {id}");
    flow("buying").step(log_in).think("5ms..20ms").step(order).step(wait).step(parallel(3, [look]))
}

fn plan(url: &str) -> Result<Plan, Problems> {
    Plan::builder("people")
        .target(url)
        .users(20)
        .user_id("customer-{n}")
        .phase(closed("people", 20).iterations_per_user(2).spawn_rate("100/s").think("5ms..20ms"))
        .flow(buying())
        .require("error_rate < 1%")
        .build()
}

#[expect(clippy::print_stdout, reason = "the checks are what the program is for")]
fn main() -> anyhow::Result<()> {
    let script = Script { service: Duration::from_millis(2), replies: vec![Reply::Body(ANSWER)], ..Script::default() };
    let server = FakeServer::start(script)?;
    let plan = plan(server.url().as_str())?;

    let directory = tempfile::tempdir()?;
    let record = RunDir::create_or_join(directory.path(), &plan.name, "people 1.0")?;
    let (events, _progress) = mpsc::sync_channel(1);
    let outcome = Run::prepare(&plan, &record, "people 1.0")?.run(&StopHandle::new(), events)?;
    println!("answered {} of {}", outcome.answered, outcome.scheduled);

    let facts = Facts::load(directory.path())?;
    for (index, name) in (0..).zip(plan.operations()) {
        let scope = Scope { operation: Some(index), ..Scope::default() };
        println!("{name}: {}", facts.totals(&scope).ledger.scheduled());
    }
    for check in facts.checks(&Scope::default()) {
        println!(
            "{}: `{}` held {} times, failed {}",
            check.operation, check.name, check.count.passed, check.count.failed
        );
    }
    Ok(())
}
