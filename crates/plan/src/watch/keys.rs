//! What is read of the keys of Redis during a run.

use std::time::Duration;

/// Checkpoints of keys: at the start and at the end of a run, and in between if that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysWatch {
    /// Further checkpoints this often.
    pub every: Option<Duration>,
    /// Random keys read of a database with more than twice as many; smaller ones are read whole.
    pub samples: u64,
    /// The most time that Redis may spend on one checkpoint. Of a checkpoint every few minutes it is at most 1 % of the time
    /// between two.
    pub budget: Duration,
}

impl Default for KeysWatch {
    fn default() -> Self {
        Self { every: None, samples: 5_000, budget: Duration::from_millis(250) }
    }
}

impl KeysWatch {
    /// What a checkpoint may cost: the budget, and no more than 1 % of the time between two.
    #[must_use]
    pub fn affordable(self) -> Duration {
        self.every.map_or(self.budget, |every| self.budget.min(every / 100))
    }
}
