//! A fixed rate for two seconds, as independent customers would make it, and its totals from the record:
//! `cargo run -p embedding --bin fixed_rate [URL]`. Without a URL it is aimed at a server of its own. It has no
//! options and judges nothing; for that there are the plan file and `verdict`.

use std::sync::mpsc;
use std::time::Duration;

use plimsoll_engine::fake::{FakeServer, Script};
use plimsoll_engine::{Run, StopHandle};
use plimsoll_plan::Plan;
use plimsoll_plan::build::{flow, get, open};
use plimsoll_record::RunDir;
use plimsoll_record::summary::{Facts, Scope};

#[expect(clippy::print_stdout, reason = "the totals are what the program is for")]
fn main() -> anyhow::Result<()> {
    let server = FakeServer::start(Script { service: Duration::from_millis(5), ..Script::default() })?;
    let url = std::env::args().nth(1).unwrap_or_else(|| server.url().to_string());
    let plan = Plan::builder("fixed-rate")
        .seed(7)
        .target(url)
        .phase(open("steady", "200/s").duration("2s").poisson())
        .flow(flow("home").step(get("home", "/")))
        .build()?;

    let directory = tempfile::tempdir()?;
    let record = RunDir::create_or_join(directory.path(), &plan.name, "fixed_rate 1.0")?;
    // Nobody follows this run while it goes on: events are skipped when there is no room for them.
    let (events, _progress) = mpsc::sync_channel(1);
    Run::prepare(&plan, &record, "fixed_rate 1.0")?.run(&StopHandle::new(), events)?;

    let totals = Facts::load(directory.path())?.totals(&Scope::default());
    println!("scheduled {}", totals.ledger.scheduled());
    println!("failures  {}", totals.ledger.failures());
    for q in [0.5, 0.99] {
        if let Some(response) = totals.response(q) {
            println!("p{:<8} {:.1} ms", q * 100.0, response.nanos as f64 / 1e6);
        }
    }
    Ok(())
}
