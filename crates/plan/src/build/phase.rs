//! Phases, open and closed.

use super::{Stated, table};

/// A phase in the making; see [`open`] and [`closed`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a phase does nothing until a plan has it"]
pub struct PhaseBuilder(pub(super) Stated);

/// An open phase: arrivals come at this rate, whatever the service does. `"18/s"`, `"5/s -> 50/s"`, or a table for
/// the other shapes: `table().with("steps", ["5/s", "10/s"])`. It needs a [`duration`](PhaseBuilder::duration).
pub fn open(name: &str, rate: impl Into<Stated>) -> PhaseBuilder {
    PhaseBuilder(table().with("name", name).with("rate", rate))
}

/// A closed phase: so many users, each of whom waits for its answer. It needs a
/// [`duration`](PhaseBuilder::duration), [`iterations`](PhaseBuilder::iterations) or both.
pub fn closed(name: &str, users: u32) -> PhaseBuilder {
    PhaseBuilder(table().with("name", name).with("users", users))
}

impl PhaseBuilder {
    /// How long it is: `"3m"`.
    pub fn duration(self, duration: impl Into<Stated>) -> Self {
        self.with("duration", duration)
    }

    /// When it begins, from the start of the traffic. Default: when the phase before it ends.
    pub fn start(self, start: impl Into<Stated>) -> Self {
        self.with("start", start)
    }

    /// Open: arrivals come as those of independent users do. Default: evenly spaced.
    pub fn poisson(self) -> Self {
        self.with("arrivals", "poisson")
    }

    /// Closed: the pause between an answer and the next request, `"5s..15s"`. Default: none.
    pub fn think(self, think: impl Into<Stated>) -> Self {
        self.with("think", think)
    }

    /// Closed: iterations of a user start this far apart.
    pub fn pacing(self, pacing: impl Into<Stated>) -> Self {
        self.with("pacing", pacing)
    }

    /// Closed: users started per second, `"10/s"`. Default: all at once.
    pub fn spawn_rate(self, rate: &str) -> Self {
        self.with("spawn_rate", rate)
    }

    /// Closed: users leave one after another over so long before the end.
    pub fn ramp_down(self, length: impl Into<Stated>) -> Self {
        self.with("ramp_down", length)
    }

    /// Closed: ends after so many iterations, shared by the users.
    pub fn iterations(self, count: u64) -> Self {
        self.with("iterations", count)
    }

    /// Closed: each user ends after so many iterations.
    pub fn iterations_per_user(self, count: u32) -> Self {
        self.with("iterations", table().with("per_user", count))
    }

    /// Any key that phases have.
    pub fn with(self, key: &str, value: impl Into<Stated>) -> Self {
        Self(self.0.with(key, value))
    }
}
