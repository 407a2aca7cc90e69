//! What a function is given, who its user is and a context to act with, and what it gets back.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use hyper::header::HeaderName;
use plimsoll_plan::ThinkTime;
use plimsoll_record::ledger::Outcome;
use serde_json::Value;

use super::desk::{Desk, Granted, Wish};
use super::{Code, FlowError};
use crate::answer::{Answer, BodyFault};

/// Who goes through a flow, and which time it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub(super) number: u64,
    pub(super) id: String,
    pub(super) iteration: u64,
}

impl User {
    /// The user's number, from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The identity that the plan's pattern gives it, as in `{user.id}`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Which of its iterations this is, from 1.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.iteration
    }
}

/// What a flow acts with: requests, pauses, values and random numbers of one iteration.
///
/// It is used through `&mut`: a user does one thing at a time. What several do at once is for `parallel` steps of a plan.
#[derive(Debug)]
pub struct Context {
    pub(super) desk: Rc<Desk>,
    pub(super) code: Arc<Code>,
}

impl Context {
    /// Sends the request of a step of the plan's flow, or all tries of its poll, and waits for the answer.
    ///
    /// It is judged and counted as in a flow of steps: intended when the one before it ended, or when a pause did; the
    /// first one when its arrival was scheduled. Its holes are filled from what was captured and [set](Self::set).
    /// Answers of a rate limiter are answers.
    ///
    /// # Errors
    /// [`FlowError::Failed`] when there is no answer, or one that the plan does not expect; with `?` the iteration ends, as
    /// it does in a flow of steps. [`FlowError::Stopped`] once the run was stopped. [`FlowError::UnknownStep`] when the
    /// plan's flow has no such step.
    pub async fn request(&mut self, step: &str) -> Result<Reply, FlowError> {
        let next = self.code.step(step)?;
        match self.desk.ask(Wish::Request(next)).await {
            Granted::Reply(reply) => Ok(reply),
            Granted::Refused(error) => Err(error),
            Granted::Paused => unreachable!("the engine answers what it was asked"),
        }
    }

    /// Pauses as long as a user who thinks: a [`Duration`](std::time::Duration), or a [`ThinkTime`] that is drawn from.
    ///
    /// The iteration is put away meanwhile and keeps no connection from others, so a million users may think at once.
    /// What comes next is intended when the pause ends. A pause before the first request is a mistake, because
    /// that is due when the iteration is.
    ///
    /// # Errors
    /// [`FlowError::Stopped`] when the run is stopped, or the user's phase ends, before the pause does.
    pub async fn think(&mut self, pause: impl Into<ThinkTime>) -> Result<(), FlowError> {
        let pause = pause.into();
        let drawn = self.desk.with_visit(|visit| visit.draw().think_ns(pause, 0));
        match self.desk.ask(Wish::Pause(drawn.unwrap_or(0))).await {
            Granted::Paused => Ok(()),
            Granted::Refused(error) => Err(error),
            Granted::Reply(_) => unreachable!("the engine answers what it was asked"),
        }
    }

    /// The value of a name that a step captures or sets, or that `[setup]` does; `None` when it has none yet.
    ///
    /// # Errors
    /// [`FlowError::UnknownName`] when no step of the plan gives it one.
    pub fn get(&self, name: &str) -> Result<Option<Value>, FlowError> {
        let slot = self.code.slot(name)?;
        Ok(self.desk.with_visit(|visit| visit.variable(slot).cloned()).flatten())
    }

    /// Gives a name a value, which requests may then use as `{name}`.
    ///
    /// # Errors
    /// [`FlowError::UnknownName`] when no step of the plan captures or sets it, so that no request can use it.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> Result<(), FlowError> {
        let slot = self.code.slot(name)?;
        let value = value.into();
        self.desk.with_visit(|visit| visit.set(slot, value));
        Ok(())
    }

    /// A random number, evenly from [0, 1): another one each time, and the same ones in every run of the same seed.
    pub fn random(&mut self) -> f64 {
        self.desk.with_visit(|visit| visit.draw().unit(0)).unwrap_or(0.0)
    }
}

/// The answer to a request.
#[derive(Debug)]
pub struct Reply {
    pub(super) answer: Answer,
    pub(super) outcome: Outcome,
}

impl Reply {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.status
    }

    /// True when it is the rate limiter's.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.outcome == Outcome::Limited
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        self.answer.kept.as_ref()?.header(&name)
    }

    /// The body, decompressed.
    ///
    /// # Errors
    /// [`FlowError::Body`] when it is larger than 10 MB, damaged, or in an encoding that is not known.
    pub fn body(&self) -> Result<&[u8], FlowError> {
        let Some(kept) = &self.answer.kept else { return Ok(&[]) };
        kept.body().map(|body| &**body).map_err(unreadable)
    }

    /// The body as text, with U+FFFD in place of what is no UTF-8.
    ///
    /// # Errors
    /// As of [`Self::body`].
    pub fn text(&self) -> Result<&str, FlowError> {
        let Some(kept) = &self.answer.kept else { return Ok("") };
        kept.text().map_err(unreadable)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// As of [`Self::body`], and [`FlowError::NotJson`] when it is none.
    pub fn json(&self) -> Result<&Value, FlowError> {
        let Some(kept) = &self.answer.kept else { return Err(FlowError::NotJson) };
        kept.json().map_err(unreadable)?.ok_or(FlowError::NotJson)
    }
}

fn unreadable(fault: BodyFault) -> FlowError {
    FlowError::Body { outcome: fault.into() }
}
