//! Which part of a run to look at: spans of time, phases, operations.

use crate::clock::Offset;
use crate::traffic::Interval;

/// A span on the run's clock: from inclusive, to exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Its beginning.
    pub from: Offset,
    /// Its end.
    pub to: Offset,
}

impl Window {
    /// Its length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.to.since(self.from) as f64 / 1e9
    }

    /// What both cover; empty, at its later beginning, when that is nothing.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        let from = self.from.max(other.from);
        Self { from, to: self.to.min(other.to).max(from) }
    }

    /// The shortest window that covers both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to) }
    }

    /// True when `at` lies inside.
    #[must_use]
    pub fn contains(&self, at: Offset) -> bool {
        self.from <= at && at < self.to
    }
}

/// Which traffic rows to look at; `None` means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The phase's index.
    pub phase: Option<u32>,
    /// With `phase`: this one and all up to that one.
    pub through: Option<u32>,
    /// The operation's index.
    pub operation: Option<u32>,
    /// Only rows whose interval begins inside.
    pub window: Option<Window>,
}

impl Scope {
    /// True when rows of the phase of this index are looked at.
    #[must_use]
    pub fn has_phase(&self, index: u32) -> bool {
        self.phase.is_none_or(|first| (first..=self.through.unwrap_or(first)).contains(&index))
    }

    /// True when a row is looked at.
    #[must_use]
    pub fn includes(&self, interval: &Interval) -> bool {
        self.has_phase(interval.phase)
            && self.operation.is_none_or(|operation| operation == interval.operation)
            && self.window.is_none_or(|window| window.contains(interval.at_ns))
    }
}
