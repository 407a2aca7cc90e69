//! One iteration of a flow that is a function: its future, and where it stands.
//!
//! While its user thinks it is put away like any other iteration, and polled again when the pause is over: by the feed,
//! which must know what comes due, or by the slot that goes on with it. Whatever a poll of the feed finds out stays as it
//! is until a slot takes it up, so that it is counted once.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use super::context::{Context, User};
use super::desk::{Desk, Granted, Wish};
use super::{Code, FlowError, Flowing};
use crate::program::Next;
use crate::visit::Visit;

/// An iteration under way.
pub(crate) struct Running {
    code: Arc<Code>,
    future: Flowing,
    pub(super) desk: Rc<Desk>,
    stand: Stand,
}

/// Where it stands.
#[derive(Debug)]
pub(super) enum Stand {
    /// It pauses; when that is over, the function goes on.
    Resting,
    /// The function is to be polled by a slot: at its beginning, behind an answer, or while it waits for something that
    /// is not the engine's.
    Open,
    /// The function waits for this.
    Asked(Wish),
    /// The function has returned.
    Over(Result<(), FlowError>),
}

impl Running {
    /// Calls the function.
    pub(super) fn begin(code: &Arc<Code>, visit: &mut Visit) -> Self {
        let desk = Rc::new(Desk::default());
        let user = User {
            number: visit.iteration.user,
            id: code.users.id(visit.iteration.user),
            iteration: visit.iteration.number,
        };
        let context = Context { desk: Rc::clone(&desk), code: Arc::clone(code) };
        desk.lend(visit);
        let called = catch_unwind(AssertUnwindSafe(|| (code.function)(user, context)));
        desk.give_back(visit);
        let (future, stand) = match called {
            Ok(future) => (future, Stand::Open),
            Err(panic) => {
                let nothing: Flowing = Box::pin(std::future::pending());
                (nothing, Stand::Over(Err(panicked(&*panic))))
            }
        };
        Self { code: Arc::clone(code), future, desk, stand }
    }

    /// What it stands before, as far as that is in the books; see [`crate::journey::Journey::next`].
    pub(crate) fn next(&mut self, visit: &mut Visit) -> Next {
        if matches!(self.stand, Stand::Resting) {
            self.desk.grant(Granted::Paused);
            self.stand = Stand::Open;
            // Whatever it waits for that is not the engine's, a slot will wait for.
            let _ = self.poll(visit, &mut TaskContext::from_waker(Waker::noop()));
        }
        match self.stand {
            Stand::Asked(Wish::Request(next)) => next,
            _ => Next::End,
        }
    }

    /// Lets the function run, unless it waits for the engine or has returned. Ready when that is so.
    pub(crate) fn poll(&mut self, visit: &mut Visit, cx: &mut TaskContext<'_>) -> Poll<()> {
        if !matches!(self.stand, Stand::Open) {
            return Poll::Ready(());
        }
        self.desk.lend(visit);
        let polled = catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx)));
        self.desk.give_back(visit);
        self.stand = match polled {
            Ok(Poll::Ready(end)) => Stand::Over(end),
            Err(panic) => Stand::Over(Err(panicked(&*panic))),
            Ok(Poll::Pending) => match self.desk.take_wish() {
                Some(wish) => Stand::Asked(wish),
                None => return Poll::Pending,
            },
        };
        Poll::Ready(())
    }

    /// Whether it waits for a request that is due.
    pub(super) fn asks_for_a_request(&self) -> bool {
        matches!(self.stand, Stand::Asked(Wish::Request(_)))
    }

    /// What it has come to; the function goes on when that is dealt with.
    pub(super) fn take_stand(&mut self) -> Stand {
        std::mem::replace(&mut self.stand, Stand::Open)
    }

    /// It waits for this until it is due.
    pub(super) fn wait_for(&mut self, next: Next) {
        self.stand = Stand::Asked(Wish::Request(next));
    }

    /// It pauses.
    pub(super) fn rest(&mut self) {
        self.stand = Stand::Resting;
    }

    /// Nothing more is sent: the function is told, and may say goodbye without waiting for anything.
    pub(crate) fn stop(mut self, visit: &mut Visit) {
        if !matches!(self.stand, Stand::Over(_)) && self.desk.refuse() {
            self.stand = Stand::Open;
            let _ = self.poll(visit, &mut TaskContext::from_waker(Waker::noop()));
        }
        if let Stand::Over(end) = &self.stand {
            self.code.note(end);
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("code", &self.code).field("stand", &self.stand).finish_non_exhaustive()
    }
}

fn panicked(panic: &(dyn Any + Send)) -> FlowError {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    FlowError::Panicked(text.unwrap_or("with something that is no text").to_owned())
}
