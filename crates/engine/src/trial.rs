//! Every step of a plan once, in order, as its first user would do it: to be looked at before there is any load.
//!
//! No schedule, no books: what is not asked for by this user (a `when` that does not hold) is left out, loops are gone
//! through once, all choices and branches one after another, pauses not at all; a poll goes on until what it waits for
//! holds, for half a minute at most. A step that fails keeps only those from being tried that need what it should have
//! captured. Values from the environment are never handed out.

mod mask;
mod walk;

use std::time::Duration;

use plimsoll_plan::Plan;
use plimsoll_record::ledger::Outcome;
use serde_json::Value;

use crate::answer::ExamineError;
use crate::connection::RouteError;
use crate::request::CompileError;
use crate::workload::WorkloadError;

/// Why nothing could be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The plan cannot be run.
    #[error(transparent)]
    Plan(#[from] WorkloadError),
    /// There is no way to the target.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The runtime could not be made.
    #[error("cannot start a runtime; are there file descriptors left?")]
    Runtime(#[source] std::io::Error),
}

impl From<CompileError> for TrialError {
    fn from(error: CompileError) -> Self {
        Self::Plan(error.into())
    }
}

impl From<ExamineError> for TrialError {
    fn from(error: ExamineError) -> Self {
        Self::Plan(error.into())
    }
}

/// A step that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct TriedStep {
    /// `setup`, `teardown` or the name of its flow.
    pub place: String,
    /// Its name.
    pub name: String,
    /// What was sent, without secrets; `None` when it could not be built, or was left out.
    pub sent: Option<Sent>,
    /// What came back; `None` without a complete answer.
    pub received: Option<Received>,
    /// How it ended; `None` when it was left out.
    pub outcome: Option<Outcome>,
    /// Why it ended so, or why it was left out; `None` where the rest says it, or its `when` did not hold.
    pub reason: Option<String>,
    /// How often it was sent, or could not be: more than once only when it is polled.
    pub tries: u32,
    /// Its checks by name, soft ones last, and whether each held. Empty when none was made.
    pub checks: Vec<(String, bool)>,
    /// What its captures are now; empty when none was made.
    pub captures: Vec<(String, Option<Value>)>,
}

/// A request as it was sent, every value of the environment as `***`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers in order; values that are no text are mended.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The status code.
    pub status: u16,
    /// The headers in order; values that are no text are mended.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, decompressed where that is possible.
    pub body: Vec<u8>,
    /// The size of the whole body on the wire.
    pub body_bytes: u64,
    /// From the send to the last byte, connecting included.
    pub took: Duration,
    /// How many redirects were followed before it.
    pub redirects: u8,
}

/// Tries every step of `plan` once, setup first and teardown last, and hands each out as it is done.
///
/// # Errors
/// When there is nothing that could be sent, or no way to send it. That a step fails is no error.
pub fn try_steps(plan: &Plan, each: &mut dyn FnMut(TriedStep)) -> Result<(), TrialError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TrialError::Runtime)?;
    runtime.block_on(walk::all(plan, &mask::masked(plan), each))
}

#[cfg(test)]
mod tests;
