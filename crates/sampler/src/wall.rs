//! The wall clock, watched for jumps. Rows are on the monotonic clock and stay in order whatever happens to the wall clock;
//! but logs of the service bear its time, so that a jump must be known. It is said as a mark, nothing is corrected.

use plimsoll_record::RunClock;
use plimsoll_record::events::Event;

/// Clocks that are kept in step drift by less in an interval.
const JUMP_NS: u64 = 500_000_000;

/// Compares the wall clock with the run's.
#[derive(Debug)]
pub(crate) struct WallClock {
    clock: RunClock,
    ahead_ns: i64,
}

impl WallClock {
    pub(crate) fn new(clock: RunClock) -> Self {
        Self { clock, ahead_ns: clock.wall_ahead_ns() }
    }

    /// A mark when the wall clock has jumped since the last look.
    pub(crate) fn look(&mut self) -> Option<Event> {
        let before = std::mem::replace(&mut self.ahead_ns, self.clock.wall_ahead_ns());
        let label = jump(before, self.ahead_ns)?;
        Some(Event::Mark { at_ns: self.clock.now(), label })
    }
}

fn jump(before_ns: i64, now_ns: i64) -> Option<String> {
    let by = now_ns.saturating_sub(before_ns);
    let seconds = by.unsigned_abs() as f64 / 1e9;
    let what = match by {
        _ if by.unsigned_abs() < JUMP_NS => return None,
        0.. => format!("the wall clock went {seconds:.1} s ahead: it was set, or this machine slept"),
        _ => format!("the wall clock was set back by {seconds:.1} s"),
    };
    Some(format!("{what}; the record's own times are not affected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_told_by_its_way_and_length_and_drift_is_not() {
        let second = 1_000_000_000;
        assert_eq!(jump(7 * second, 7 * second + 400_000_000), None);
        assert!(jump(0, 3600 * second).unwrap().starts_with("the wall clock went 3600.0 s ahead"));
        assert!(jump(5 * second, -5 * second).unwrap().contains("set back by 10.0 s"));
        assert!(jump(i64::MIN, i64::MAX).is_some(), "no clock is too wrong");
    }

    #[test]
    fn a_clock_that_nobody_touches_gives_no_mark() {
        assert_eq!(WallClock::new(RunClock::start()).look(), None);
    }
}
