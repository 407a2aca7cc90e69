//! Iterations that pause: put away until the next request of theirs is due.
//!
//! They cost their own size and an entry in a heap, no task and no connection. What comes due is counted as scheduled
//! exactly once, like everything else that waits for a connection. No clock: callers say what time it is.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use crate::journey::Journey;

/// The paused iterations of one worker.
#[derive(Debug, Default)]
pub(crate) struct Paused {
    sleeping: BinaryHeap<Sleeper>,
    /// Those that came due, are counted as scheduled, and were not handed out.
    due: VecDeque<Sleeper>,
    /// How many were put away so far: of those due at the same time, the first to come is the first to go.
    number: u64,
}

#[derive(Debug)]
struct Sleeper {
    at: i64,
    number: u64,
    journey: Box<Journey>,
}

/// An iteration whose pause is over.
#[derive(Debug)]
pub(crate) struct Woken {
    /// When it was.
    pub(crate) at: i64,
    /// Whether its request is counted as scheduled.
    pub(crate) counted: bool,
    pub(crate) journey: Box<Journey>,
}

impl Paused {
    /// Puts an iteration away until `at`.
    pub(crate) fn put(&mut self, at: i64, journey: Box<Journey>) {
        self.number += 1;
        self.sleeping.push(Sleeper { at, number: self.number, journey });
    }

    /// When the first one is due.
    pub(crate) fn next_due(&self) -> Option<i64> {
        let (due, sleeping) = (self.due.front().map(Sleeper::key), self.sleeping.peek().map(Sleeper::key));
        due.into_iter().chain(sleeping).min().map(|(at, _)| at)
    }

    /// Takes the first one, due or not.
    pub(crate) fn take(&mut self) -> Option<Woken> {
        let sleeping = self.sleeping.peek().map(Sleeper::key);
        let counted = self.due.front().is_some_and(|due| sleeping.is_none_or(|sleeping| due.key() < sleeping));
        let Sleeper { at, journey, .. } = if counted { self.due.pop_front() } else { self.sleeping.pop() }?;
        Some(Woken { at, counted, journey })
    }

    /// Hands those whose time lies before `before` to `each`, once, and keeps them for later.
    pub(crate) fn count(&mut self, before: i64, mut each: impl FnMut(&mut Journey)) {
        while self.sleeping.peek().is_some_and(|first| first.at < before) {
            let Some(mut first) = self.sleeping.pop() else { return };
            each(&mut first.journey);
            self.due.push_back(first);
        }
    }

    /// Hands all of them over, each with the time since which it is counted as scheduled, if it is.
    pub(crate) fn drop_all(&mut self, mut each: impl FnMut(Box<Journey>, Option<i64>)) {
        self.due.drain(..).for_each(|sleeper| each(sleeper.journey, Some(sleeper.at)));
        self.sleeping.drain().for_each(|sleeper| each(sleeper.journey, None));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sleeping.is_empty() && self.due.is_empty()
    }
}

impl Sleeper {
    fn key(&self) -> (i64, u64) {
        (self.at, self.number)
    }
}

/// The heap's greatest is the first to wake.
impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Sleeper {}
