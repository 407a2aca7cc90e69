//! When arrivals are due: pure, seeded sequences of intended send times of an open phase.
//!
//! No clock, no I/O: the same phase and seed give the same times on every machine. A schedule splits over n workers
//! by arrival index modulo n, so the union of the parts is exactly the whole. What tells one schedule from another is
//! its pace: a file of its own below, and an arm of `Pace`.

mod curve;
mod poisson;
mod replay;
mod share;
mod uniform;

use std::time::Duration;

use plimsoll_plan::{Arrivals, RateShape, Replay};

use curve::Curve;
use poisson::Poisson;
use replay::Recorded;
pub use share::Share;
use uniform::Uniform;

/// One arrival of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its index in the whole schedule, from 0.
    pub index: u64,
    /// Its intended send time in nanoseconds from the start of the phase; below the phase's length.
    pub at_ns: u64,
}

/// The arrivals of one open phase.
#[derive(Clone, Debug)]
pub struct Schedule {
    pace: Pace,
}

/// How arrivals follow one another. Asked for one index after another, never for an earlier one.
#[derive(Clone, Debug)]
enum Pace {
    Uniform(Uniform),
    Poisson(Box<Poisson>),
    Recorded(Recorded),
}

impl Schedule {
    /// The arrivals of a phase of `length` at `rate`.
    #[must_use]
    pub fn new(rate: &RateShape, arrivals: Arrivals, length: Duration, seed: u64) -> Self {
        let curve = Curve::new(rate, length);
        let pace = match arrivals {
            Arrivals::Uniform => Pace::Uniform(Uniform::new(curve)),
            Arrivals::Poisson => Pace::Poisson(Box::new(Poisson::new(curve, seed))),
        };
        Self { pace }
    }

    /// Recorded arrivals, those beyond `length` left out; `None` when only their number is known.
    #[must_use]
    pub fn replay(replay: &Replay, length: Duration) -> Option<Self> {
        Recorded::new(replay, length).map(|recorded| Self { pace: Pace::Recorded(recorded) })
    }

    /// The highest rate at any time, per second; of recorded arrivals the most in any one second.
    #[must_use]
    pub fn peak(&self) -> f64 {
        match &self.pace {
            Pace::Uniform(uniform) => uniform.peak(),
            Pace::Poisson(poisson) => poisson.peak(),
            Pace::Recorded(recorded) => recorded.peak(),
        }
    }

    /// The arrivals of one share, in order.
    #[must_use]
    pub fn cursor(&self, share: Share) -> Cursor {
        let mut cursor = Cursor { pace: self.pace.clone(), share, next: None, taken: 0 };
        cursor.next = cursor.find_next();
        cursor
    }

    /// How many arrivals there are in all. Uniform arrivals: the rate's integral, rounded. Poisson arrivals are
    /// counted one by one, at about ten million per second.
    #[must_use]
    pub fn count(&self) -> u64 {
        match &self.pace {
            Pace::Uniform(uniform) => uniform.count(),
            Pace::Poisson(_) => self.cursor(Share::WHOLE).count() as u64,
            Pace::Recorded(recorded) => recorded.count(),
        }
    }
}

/// Walks through one share of a schedule. Cheap to clone: a clone continues from the same place.
#[derive(Clone, Debug)]
pub struct Cursor {
    pace: Pace,
    share: Share,
    next: Option<Planned>,
    taken: u64,
}

impl Cursor {
    /// The next arrival, which stays next.
    #[must_use]
    pub fn peek(&self) -> Option<Planned> {
        self.next
    }

    /// How many arrivals were taken so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    fn find_next(&mut self) -> Option<Planned> {
        let index = self.share.global(self.taken);
        let at_ns = match &mut self.pace {
            Pace::Uniform(uniform) => uniform.at(index),
            Pace::Poisson(poisson) => poisson.at(index),
            Pace::Recorded(recorded) => recorded.at(index),
        };
        at_ns.map(|at_ns| Planned { index, at_ns })
    }
}

impl Iterator for Cursor {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        let planned = self.next?;
        self.taken += 1;
        self.next = self.find_next();
        Some(planned)
    }
}

#[cfg(test)]
mod tests;
