//! Makes honest HTTP traffic from a plan and records every arrival.
//!
//! [`Run::prepare`] compiles a plan, [`Run::run`] makes its traffic: one thread per core with a runtime of its own,
//! connections owned by that thread, nothing shared between threads on the request path. Response time runs from
//! the intended send time of an arrival, service time from the actual one; both are recorded for every request, and
//! every arrival ends in exactly one outcome. What is recorded, and where, is `plimsoll-record`'s business; this
//! crate judges nothing, renders nothing, prints nothing, and reads no environment.
//!
//! ```
//! use std::sync::mpsc;
//! use std::time::Duration;
//!
//! use plimsoll_engine::fake::{FakeServer, Script};
//! use plimsoll_engine::{Run, StopHandle, health_check, quick_plan};
//! use plimsoll_record::RunDir;
//! use plimsoll_record::summary::{Facts, Scope};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = FakeServer::start(Script::default())?;
//! let plan = quick_plan(server.url(), 8, 200);
//! health_check(&plan, Duration::from_secs(5))?;
//!
//! let directory = tempfile::tempdir()?;
//! let record = RunDir::create_or_join(directory.path(), &plan.name, "example 1.0")?;
//! let (events, _progress) = mpsc::sync_channel(64);
//! let outcome = Run::prepare(&plan, &record, "example 1.0")?.run(&StopHandle::new(), events)?;
//! assert_eq!(outcome.answered, 200);
//!
//! let totals = Facts::load(directory.path())?.totals(&Scope::default());
//! assert_eq!(totals.ledger.scheduled(), 200);
//! assert!(totals.response(0.99).is_some());
//! # Ok(())
//! # }
//! ```

pub mod event;
mod health;
mod run;
mod stop;

pub mod schedule;

mod cookies;
mod data;
mod draw;
mod holes;
mod names;
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
pub use own::local_ports;
pub use quick::quick_plan;
pub use request::CompileError;
pub use run::{PrepareError, Run, RunError, RunOutcome};
pub use stop::{Stop, StopHandle};
pub use workload::WorkloadError;
