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
//! For so many requests to one URL there is [`quick_plan`]:
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
mod connection;
mod exchange;
mod heart;
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
