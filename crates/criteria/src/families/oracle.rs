//! The oracle: which requests of one user a correct limiter would have allowed.

use plimsoll_plan::{Limit, WindowKind};

/// One user's counters, as a correct limiter keeps them.
#[derive(Debug)]
pub(super) struct Oracle {
    counters: Vec<Counter>,
}

#[derive(Debug)]
struct Counter {
    most: u32,
    per_ns: i64,
    /// The number of the current window.
    window: i64,
    used: u32,
}

impl Oracle {
    pub(super) fn new(kind: WindowKind, limits: &[Limit]) -> Self {
        match kind {
            WindowKind::Fixed => Self { counters: limits.iter().map(Counter::of).collect() },
        }
    }

    /// Asks for a request at `unix_ns`; times must not go backwards. Allowed when every limit has room, and only then
    /// counted: a refused request uses up nobody's allowance.
    pub(super) fn allows(&mut self, unix_ns: i64) -> bool {
        self.counters.iter_mut().for_each(|counter| counter.advance(unix_ns));
        let allowed = self.counters.iter().all(|counter| counter.used < counter.most);
        self.counters.iter_mut().filter(|_| allowed).for_each(|counter| counter.used += 1);
        allowed
    }
}

impl Counter {
    fn of(limit: &Limit) -> Self {
        Self { most: limit.count.get(), per_ns: window_ns(limit), window: i64::MIN, used: 0 }
    }

    fn advance(&mut self, unix_ns: i64) {
        let window = unix_ns.div_euclid(self.per_ns);
        if window != self.window {
            (self.window, self.used) = (window, 0);
        }
    }
}

/// A limit's window in nanoseconds, at least 1.
pub(super) fn window_ns(limit: &Limit) -> i64 {
    i64::try_from(limit.per.as_nanos()).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;

    fn limit(count: u32, seconds: u64) -> Limit {
        Limit { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(seconds) }
    }

    #[test]
    fn all_limits_apply_together_and_refused_requests_count_nowhere() {
        let mut oracle = Oracle::new(WindowKind::Fixed, &[limit(5, 1), limit(10, 60)]);
        let mut allowed = |second: i64, n: i64| (0..n).filter(|i| oracle.allows(second * 1_000_000_000 + i)).count();
        assert_eq!((allowed(0, 7), allowed(1, 3), allowed(2, 9), allowed(59, 1)), (5, 3, 2, 0));
        assert_eq!(allowed(60, 7), 5);
    }
}
