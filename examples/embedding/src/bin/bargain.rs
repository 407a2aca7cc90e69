//! Ten people who look at a price until it is low enough, or their patience ends: a flow that is an async function.
//! `cargo run -p embedding --bin bargain` runs them against a server with falling prices, and shows what was asked.

use std::sync::mpsc;
use std::time::Duration;

use plimsoll_engine::fake::{FakeServer, Reply, Script};
use plimsoll_engine::{Context, FlowError, Run, StopHandle, User};
use plimsoll_plan::build::{closed, flow, get, post, table};
use plimsoll_plan::{Plan, Problems};
use plimsoll_record::RunDir;
use plimsoll_record::summary::{Facts, Scope};

const PRICES: [Reply; 3] = [
    Reply::Body(r#"{"price": 30, "ok": true}"#),
    Reply::Body(r#"{"price": 20, "ok": true}"#),
    Reply::Body(r#"{"price": 10, "ok": true}"#),
];

/// The requests there are: what the record and the criteria know before the first of them is sent.
fn plan(url: &str) -> Result<Plan, Problems> {
    let look = get("look", "/things/1").capture("price", "$.price");
    let buy =
        post("buy", "/orders").json(table().with("by", "{user.id}").with("price", "{price}")).check("$.ok == true");
    Plan::builder("bargain")
        .target(url)
        .users(10)
        .phase(closed("people", 10).iterations_per_user(3))
        .flow(flow("bargain").step(look).step(buy))
        .require("error_rate < 1%")
        .build()
}

/// What a user does with them.
async fn bargain(user: User, mut cx: Context) -> Result<(), FlowError> {
    let limit = 10 + 5 * (user.number() % 4);
    for _ in 0..5 {
        let price = cx.request("look").await?.json()?["price"].as_u64();
        let price = price.ok_or_else(|| FlowError::own("the thing has no price"))?;
        if price <= limit {
            cx.request("buy").await?;
            return Ok(());
        }
        cx.think(Duration::from_millis(3)).await?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the counts are what the program is for")]
fn main() -> anyhow::Result<()> {
    let server = FakeServer::start(Script { replies: PRICES.to_vec(), ..Script::default() })?;
    let plan = plan(server.url().as_str())?;

    let directory = tempfile::tempdir()?;
    let record = RunDir::create_or_join(directory.path(), &plan.name, "bargain 1.0")?;
    let (events, _progress) = mpsc::sync_channel(1);
    let run = Run::prepare(&plan, &record, "bargain 1.0")?.with_flow("bargain", bargain)?;
    let outcome = run.run(&StopHandle::new(), events)?;
    println!("answered {} of {}, {} failures", outcome.answered, outcome.scheduled, outcome.failures);

    let facts = Facts::load(directory.path())?;
    for (index, name) in (0..).zip(plan.operations()) {
        let scope = Scope { operation: Some(index), ..Scope::default() };
        println!("{name}: {}", facts.totals(&scope).ledger.scheduled());
    }
    Ok(())
}
