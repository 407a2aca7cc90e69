//! When samples are due: multiples of the interval from a fixed origin, so that lateness never adds up.
//!
//! Pure arithmetic on offsets; it neither sleeps nor reads a clock.

use std::time::Duration;

use plimsoll_record::Offset;

/// A grid of due times. Tick 0 is the origin itself.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    origin: Offset,
    every_ns: i64,
    next: u64,
}

/// A due time and its place in the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Its number, from 0 at the origin.
    pub number: u64,
    /// When it is due.
    pub due: Offset,
}

impl Grid {
    /// A grid whose tick 0 is at `origin` and already done.
    #[must_use]
    pub fn new(origin: Offset, every: Duration) -> Self {
        let every_ns = i64::try_from(every.as_nanos()).unwrap_or(i64::MAX).max(1);
        Self { origin, every_ns, next: 1 }
    }

    /// The tick that comes next.
    #[must_use]
    pub fn upcoming(&self) -> Tick {
        self.tick(self.next)
    }

    /// Takes the newest tick that is due at `now` (the upcoming one if none is), and says which ones before it were
    /// missed because `now` is more than one interval late.
    pub fn take(&mut self, now: Offset) -> (std::ops::Range<u64>, Tick) {
        let passed = u64::try_from(now.0.saturating_sub(self.origin.0) / self.every_ns).unwrap_or(0);
        let first = self.next;
        let taken = passed.max(first);
        self.next = taken + 1;
        (first..taken, self.tick(taken))
    }

    /// The tick of this number.
    #[must_use]
    pub fn tick(&self, number: u64) -> Tick {
        let steps = i64::try_from(number).unwrap_or(i64::MAX);
        Tick { number, due: Offset(self.origin.0.saturating_add(self.every_ns.saturating_mul(steps))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        Grid::new(Offset(50), Duration::from_nanos(100))
    }

    #[test]
    fn a_late_reader_does_not_shift_the_ticks_after_it() {
        let mut grid = grid();
        assert_eq!(grid.upcoming().due, Offset(150));
        assert_eq!(grid.take(Offset(199)), (1..1, Tick { number: 1, due: Offset(150) }));
        assert_eq!(grid.upcoming().due, Offset(250), "49 late, yet the next is on the grid");
    }

    #[test]
    fn ticks_slept_through_are_named() {
        let mut grid = grid();
        let (missed, tick) = grid.take(Offset(555));
        assert_eq!((missed, tick.number), (1..5, 5));
        assert_eq!(grid.upcoming().number, 6);
    }

    #[test]
    fn an_early_call_takes_the_upcoming_tick() {
        let mut grid = grid();
        assert_eq!(grid.take(Offset(10)), (1..1, Tick { number: 1, due: Offset(150) }));
        assert_eq!(grid.upcoming().number, 2);
    }
}
