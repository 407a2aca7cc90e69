//! Makes honest HTTP traffic from a plan and records every arrival.
//!
//! [`Run::prepare`] compiles a plan, [`Run::run`] makes its traffic: one thread per core with a runtime of its own,
//! connections owned by that thread, nothing shared between threads on the request path. Response time runs from
//! the intended send time of an arrival, service time from the actual one; both are recorded for every request, and
//! every arrival ends in exactly one outcome. What is recorded, and where, is `plimsoll-record`'s business; this
//! crate judges nothing, renders nothing, prints nothing, and reads no environment.
//!
//! # A load test in Rust
//!
//! State a plan with [`Plan::builder`](plimsoll_plan::Plan::builder) (the words and the rules of the plan file), join
//! a run directory, prepare, run, and read the totals from the record, as `verdict` does:
//!
//! ```
//! use std::sync::mpsc;
//! use std::time::Duration;
//!
//! use plimsoll_engine::fake::{FakeServer, Reply, Script};
//! use plimsoll_engine::{Run, StopHandle, health_check};
//! use plimsoll_plan::Plan;
//! use plimsoll_plan::build::{closed, flow, get, post, table};
//! use plimsoll_record::RunDir;
//! use plimsoll_record::summary::{Facts, Scope};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = FakeServer::start(Script { replies: vec![Reply::Body(r#"{"id": 7}"#)], ..Script::default() })?;
//! let order = post("order", "/orders").json(table().with("by", "{user.id}")).capture("id", "$.id");
//! let plan = Plan::builder("shop")
//!     .target(server.url())
//!     .users(8)
//!     .phase(closed("people", 8).iterations_per_user(5).think("1ms..5ms"))
//!     .flow(flow("buy").step(order).step(get("look", "/orders/{id}").check("$.id == {id}")))
//!     .build()?;
//! health_check(&plan, Duration::from_secs(5))?;
//!
//! let directory = tempfile::tempdir()?;
//! let record = RunDir::create_or_join(directory.path(), &plan.name, "example 1.0")?;
//! let (events, _progress) = mpsc::sync_channel(64);
//! let outcome = Run::prepare(&plan, &record, "example 1.0")?.run(&StopHandle::new(), events)?;
//! assert_eq!(outcome.answered, 80);
//!
//! let facts = Facts::load(directory.path())?;
//! let totals = facts.totals(&Scope::default());
//! assert_eq!(totals.ledger.failures(), 0);
//! assert!(totals.response(0.99).is_some());
//! assert_eq!(facts.checks(&Scope::default())[0].count.passed, 40);
//! # Ok(())
//! # }
//! ```
//!
//! [`Run::run`] blocks its thread until the last request has ended. Meanwhile [`Event`]s tell whoever has the other end
//! of the channel how it goes, and a clone of the [`StopHandle`] ends the run: gracefully when asked once, at once when
//! asked twice. The plan of a file is run the same way: [`plimsoll_plan::parse`] makes it.
//!
//! # Flows that are async functions
//!
//! What steps cannot say, code can: [`Run::with_flow`] puts an async function in the place of a flow's steps. The plan
//! still says which requests there are, so that the record and the criteria know them before the first one; the function
//! asks for them by name, in any order, as often as it likes. Everything else stays the engine's: when iterations
//! begin, clocks, ledger, histograms, checks and captures, connections, and every draw of the seed. A function that does
//! what the steps say leaves the record that they would.
//!
//! ```
//! # use std::sync::mpsc;
//! use std::time::Duration;
//!
//! # use plimsoll_engine::fake::{FakeServer, Reply, Script};
//! use plimsoll_engine::{Context, FlowError, Run, StopHandle, User};
//! use plimsoll_plan::Plan;
//! use plimsoll_plan::build::{closed, flow, get, post};
//! # use plimsoll_record::RunDir;
//!
//! async fn buy(user: User, mut cx: Context) -> Result<(), FlowError> {
//!     let look = cx.request("look").await?; // a request that fails ends the iteration, as a step does
//!     if look.json()?["price"].as_u64() < Some(20) || user.iteration() == 3 {
//!         cx.think(Duration::from_millis(2)).await?; // keeps no connection from others
//!         cx.request("order").await?;
//!     }
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = FakeServer::start(Script { replies: vec![Reply::Body(r#"{"price": 30}"#)], ..Script::default() })?;
//! # let directory = tempfile::tempdir()?;
//! let plan = Plan::builder("shop")
//!     .target(server.url())
//!     .phase(closed("people", 8).iterations_per_user(3))
//!     .flow(flow("buy").step(get("look", "/things/1").capture("price", "$.price")).step(post("order", "/orders").body("{price}")))
//!     .build()?;
//! # let record = RunDir::create_or_join(directory.path(), &plan.name, "example 1.0")?;
//! # let (events, _progress) = mpsc::sync_channel(64);
//! let run = Run::prepare(&plan, &record, "example 1.0")?.with_flow("buy", buy)?;
//! let outcome = run.run(&StopHandle::new(), events)?;
//! assert_eq!((outcome.answered, outcome.failures), (8 * 3 + 8, 0));
//! # Ok(())
//! # }
//! ```
//!
//! - The first request must be the first step of the plan's flow: its arrival is scheduled before the function is called.
//!   Later ones are intended when the one before them ended, or when a pause did, as in flows of steps; so is the phase's
//!   own think time between two requests without a pause.
//! - [`Context::think`] puts the iteration away until it is due. Whatever else a function awaits, it may, but it keeps its
//!   connection meanwhile; it runs on the thread of a worker, so it must not block it.
//! - When the run is stopped, or a closed user's phase is over, the next request or pause is [`FlowError::Stopped`]. A
//!   function that was thinking is told at once, and can say goodbye as long as it waits for nothing. What is still
//!   under way when the drain is over is dropped.
//! - A function that panics, or asks for what the plan does not have, costs its iteration: the record counts them with
//!   the first reason, and the run ends as failed.
//! - It costs an allocation per iteration, and answers are kept to be looked at.
//!
//! # So many requests to one URL
//!
//! For those there is [`quick_plan`]:
//!
//! ```
//! # use std::sync::mpsc;
//! # use plimsoll_engine::fake::{FakeServer, Script};
//! # use plimsoll_engine::{Run, StopHandle, quick_plan};
//! # use plimsoll_record::RunDir;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = FakeServer::start(Script::default())?;
//! # let directory = tempfile::tempdir()?;
//! # let record = RunDir::create_or_join(directory.path(), "quick", "example 1.0")?;
//! # let (events, _progress) = mpsc::sync_channel(64);
//! let plan = quick_plan(server.url(), 8, 200);
//! let outcome = Run::prepare(&plan, &record, "example 1.0")?.run(&StopHandle::new(), events)?;
//! assert_eq!(outcome.answered, 200);
//! # Ok(())
//! # }
//! ```

mod audit;
pub mod event;
mod health;
mod run;
mod stop;

pub mod schedule;
mod timeline;
mod trial;

mod cookies;
mod data;
mod draw;
mod holes;
mod names;
mod payload;
mod random;
mod visit;

mod feed;
mod journey;
mod paused;
mod program;
mod redirects;
mod request;
mod text;
mod workload;

mod answer;
mod coded;
mod connection;
mod exchange;
mod heart;
mod integrity;
mod iterate;
mod slot;
mod slots;
mod stage;
mod store;
mod tick;
mod timer;
mod worker;

mod collector;
mod journal;
mod own;
mod recorder;
mod redaction;

#[doc(hidden)]
pub mod bench;
pub mod fake;
mod quick;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod simulated;

pub use answer::ExamineError;
pub use audit::{AuditError, Audited, audit};
pub use coded::{Context, FlowError, Reply, User, WithFlowError};
pub use connection::{Handshakes, RouteError, TlsError, TlsFailure};
pub use event::Event;
pub use health::{HealthError, health_check};
pub use holes::of_flow as holes_of_flow;
pub use own::local_ports;
pub use quick::quick_plan;
pub use request::CompileError;
pub use run::{PrepareError, Run, RunError, RunOutcome};
pub use stop::{Stop, StopHandle};
pub use timeline::{PlannedPhase, timeline};
pub use trial::{Received, Sent, TrialError, TriedStep, try_steps};
pub use workload::WorkloadError;
