//! Watches Redis, PostgreSQL, the host, processes, containers, endpoints and log files while a load runs.
//!
//! A [`Watcher`] drives [probes](probe::Probe) on one drift-free [grid](grid::Grid), writes what they read into the
//! run directory, raises [alarms], and tells its owner what happened as [`Update`]s. What could not be read is
//! a gap with its reason; nothing is ever invented or carried forward. This crate makes no load, judges no run, and
//! renders nothing; it never prints, reads the environment or installs signal handlers.
//!
//! A new source is one file with a [`Probe`](probe::Probe) and one line in [`watcher`].

pub mod grid;
pub mod probe;

pub mod info;
pub mod redis;

pub mod flush;
pub mod keys;

pub mod postgres;

pub mod pool;

pub mod machine;

pub mod container;

pub mod health;

pub mod logs;

pub mod alarms;
pub mod growth;
pub mod webhook;

mod http;
mod tls;

mod checkpoints;
mod phases;
mod recorder;
mod wall;
pub mod watcher;

pub use growth::Growth;
pub use watcher::{StartError, Update, Watcher};
