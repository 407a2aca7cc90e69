//! The facts of a load-test run: what `loadgen` and `memwatch` write, what `verdict` reads.
//!
//! A run is a directory of append-only files, one writer each. This crate alone knows their names, their JSON and
//! their format versions; it also holds the one [`summary`] from which everything that is judged or shown is taken.
//! It makes no traffic, takes no samples, judges nothing and renders nothing.

pub mod clock;
pub mod units;

pub mod files;
pub mod run;

pub mod calibration;

pub mod checks;
pub mod failures;
pub mod integrity;
pub mod latency;
pub mod ledger;
pub mod requests;
pub mod timings;
pub mod traffic;

pub mod events;
pub mod keys;
pub mod logs;
pub mod metric;
pub mod series;

pub mod summary;
pub mod verdict;

pub mod digest;
pub mod export;
pub mod merge;

pub use clock::{Offset, RunClock};
pub use run::{RunDir, RunError};
