//! The clock of a run: nanoseconds of `CLOCK_MONOTONIC` since the run's anchor.
//!
//! All processes of one boot share `CLOCK_MONOTONIC`, so rows of different producers line up exactly. Wall time is
//! paired with it once, at the anchor, and never read again: a stepped wall clock cannot bend a run.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Nanoseconds since the run's anchor; negative before it. Range: about 292 years either way.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Offset(pub i64);

impl Offset {
    /// The anchor itself.
    pub const ZERO: Self = Self(0);

    /// The whole nanoseconds since the anchor.
    #[must_use]
    pub fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds since the anchor, for display and statistics.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Nanoseconds from `earlier` to `self`; 0 if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// This point, `duration` later. Saturates at the end of the range.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// The pairing of the monotonic clock with wall time, fixed when the run directory is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// `CLOCK_MONOTONIC` at the anchor, in nanoseconds since an arbitrary point of this boot.
    pub monotonic_ns: i64,
    /// Unix time at the anchor, in nanoseconds since 1970-01-01T00:00:00Z.
    pub unix_ns: i64,
}

/// Reads `CLOCK_MONOTONIC` as offsets from a run's anchor. Copy it freely; every thread may hold one.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    anchor: Anchor,
}

impl RunClock {
    /// A clock whose anchor is now.
    #[must_use]
    pub fn start() -> Self {
        Self { anchor: Anchor { monotonic_ns: read_ns(ClockId::Monotonic), unix_ns: read_ns(ClockId::Realtime) } }
    }

    /// A clock of an existing run. Meaningful only in the boot in which the anchor was taken.
    #[must_use]
    pub fn from_anchor(anchor: Anchor) -> Self {
        Self { anchor }
    }

    /// The anchor this clock counts from.
    #[must_use]
    pub fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// Now, as an offset from the anchor. Costs one vDSO call.
    #[must_use]
    pub fn now(&self) -> Offset {
        Offset(read_ns(ClockId::Monotonic) - self.anchor.monotonic_ns)
    }

    /// By how much the wall clock is ahead of where the anchor and the time passed since put it, in nanoseconds. It
    /// jumps when the clock is set, or when the machine slept: `CLOCK_MONOTONIC` stands still meanwhile.
    #[must_use]
    pub fn wall_ahead_ns(&self) -> i64 {
        read_ns(ClockId::Realtime).saturating_sub(self.unix_ns(self.now()))
    }

    /// The wall time of an offset, in Unix nanoseconds, as the anchor pairs them.
    #[must_use]
    pub fn unix_ns(&self, at: Offset) -> i64 {
        self.anchor.unix_ns.saturating_add(at.0)
    }
}

/// Now in nanoseconds of `CLOCK_MONOTONIC`: what [`Anchor::monotonic_ns`] is on, the same for all programs of a boot.
#[must_use]
pub fn monotonic_ns() -> i64 {
    read_ns(ClockId::Monotonic)
}

fn read_ns(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clocks_of_one_anchor_agree() {
        let first = RunClock::start();
        let second = RunClock::from_anchor(first.anchor());
        let (a, b) = (first.now(), second.now());
        assert!(a >= Offset::ZERO && b >= a, "{a:?} then {b:?}");
    }

    #[test]
    fn the_bare_clock_is_the_one_anchors_are_on() {
        let clock = RunClock::start();
        assert!(monotonic_ns() - clock.anchor().monotonic_ns >= 0);
    }

    #[test]
    fn since_never_goes_negative() {
        assert_eq!(Offset(5).since(Offset(7)), 0);
        assert_eq!(Offset(7).since(Offset(-5)), 12);
    }
}
