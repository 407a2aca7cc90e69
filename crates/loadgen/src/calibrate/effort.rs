//! How thoroughly to calibrate: how long each trial lasts.

use std::time::Duration;

/// How much time there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Half a minute.
    Quick,
    /// Two minutes.
    Usual,
    /// Ten minutes.
    Full,
}

impl Effort {
    /// The word in the record.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Usual => "usual",
            Self::Full => "full",
        }
    }

    fn choose(self, quick_ms: u64, usual_ms: u64, full_ms: u64) -> Duration {
        Duration::from_millis(match self {
            Self::Quick => quick_ms,
            Self::Usual => usual_ms,
            Self::Full => full_ms,
        })
    }

    /// Runs that only find out how fast this machine is.
    pub(super) fn lead_in(self) -> Duration {
        self.choose(500, 1_000, 2_000)
    }

    /// How long a freeze lasts, and from one to the next.
    pub(super) fn freeze(self) -> (Duration, Duration) {
        (self.choose(200, 500, 1_000), self.choose(1_000, 4_000, 10_000))
    }

    /// How many freezes there are.
    pub(super) fn freezes(self) -> u32 {
        match self {
            Self::Quick => 2,
            Self::Usual => 4,
            Self::Full => 10,
        }
    }

    /// A run that ends in a freeze: its length, how much of it is frozen, how long it waits afterwards.
    pub(super) fn end(self) -> (Duration, Duration, Duration) {
        (self.choose(1_500, 4_000, 10_000), self.choose(300, 500, 1_000), self.choose(200, 500, 1_000))
    }

    /// A run in which loadgen is stopped: its length, and how long it is stopped.
    pub(super) fn stop(self) -> (Duration, Duration) {
        (self.choose(2_500, 5_000, 10_000), self.choose(700, 1_000, 1_000))
    }

    pub(super) fn overload(self) -> Duration {
        self.choose(1_500, 6_000, 20_000)
    }

    pub(super) fn queue(self) -> Duration {
        self.choose(2_500, 20_000, 60_000)
    }

    /// The rates tried, per second.
    pub(super) fn rates(self) -> &'static [f64] {
        match self {
            Self::Quick => &[1e3, 5e3, 1e4, 2e4, 4e4, 8e4, 1.6e5],
            Self::Usual | Self::Full => {
                &[1e3, 2e3, 5e3, 1e4, 1.5e4, 2e4, 3e4, 4e4, 5e4, 6e4, 8e4, 1e5, 1.25e5, 1.6e5, 2e5]
            }
        }
    }

    /// How long each of them is kept.
    pub(super) fn step(self) -> Duration {
        self.choose(500, 2_000, 5_000)
    }
}
