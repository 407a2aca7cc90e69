//! Where a function and the engine meet: the function leaves a wish and waits, the engine fulfils it and wakes nobody,
//! because it polls the function itself.
//!
//! Both sides run on one thread, and never at the same time.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::Poll;

use super::FlowError;
use super::context::Reply;
use crate::program::Next;
use crate::visit::Visit;

/// What a function waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// A request to be sent and answered.
    Request(Next),
    /// A pause of so many nanoseconds.
    Pause(i64),
}

/// What it gets.
#[derive(Debug)]
pub(super) enum Granted {
    Reply(Reply),
    Paused,
    Refused(FlowError),
}

/// The meeting place of one iteration.
#[derive(Debug, Default)]
pub(super) struct Desk {
    wish: Cell<Option<Wish>>,
    granted: RefCell<Option<Granted>>,
    /// The user's, while the function runs.
    visit: RefCell<Option<Visit>>,
    stopped: Cell<bool>,
    /// The function knows that it is.
    told: Cell<bool>,
}

/// Takes a wish back when the function no longer waits for it.
struct Waiting<'a>(&'a Desk);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.wish.set(None);
    }
}

impl Desk {
    /// The function's side: waits until the wish is fulfilled.
    pub(super) async fn ask(&self, wish: Wish) -> Granted {
        // Once: a function that does not listen waits until it is dropped.
        if self.stopped.get() && !self.told.replace(true) {
            return Granted::Refused(FlowError::Stopped);
        }
        // What nobody fetched is no answer to this.
        self.granted.replace(None);
        self.wish.set(Some(wish));
        let _waiting = Waiting(self);
        poll_fn(|_| self.granted.borrow_mut().take().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// The function's side: looks at its user.
    pub(super) fn with_visit<T>(&self, look: impl FnOnce(&mut Visit) -> T) -> Option<T> {
        self.visit.borrow_mut().as_mut().map(look)
    }

    /// The engine's side: what the function waits for.
    pub(super) fn take_wish(&self) -> Option<Wish> {
        self.wish.take()
    }

    /// The engine's side: the wish is fulfilled.
    pub(super) fn grant(&self, granted: Granted) {
        self.granted.replace(Some(granted));
    }

    /// The engine's side: no further wish is fulfilled.
    pub(super) fn close(&self) {
        self.stopped.set(true);
    }

    /// The engine's side: nor is the present one. False when the function knew, and asked all the same.
    pub(super) fn refuse(&self) -> bool {
        self.close();
        let tells = !self.told.replace(true);
        if tells {
            self.grant(Granted::Refused(FlowError::Stopped));
        }
        tells
    }

    /// The engine's side: the function is about to run, for this user.
    pub(super) fn lend(&self, visit: &mut Visit) {
        let lent = visit.lend();
        *self.visit.borrow_mut() = Some(lent);
    }

    /// The engine's side: it has run.
    pub(super) fn give_back(&self, visit: &mut Visit) {
        if let Some(lent) = self.visit.borrow_mut().take() {
            *visit = lent;
        }
    }
}
