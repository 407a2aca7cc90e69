//! The oracle: which requests of one user a correct limiter would have allowed, and which limit refused the others.

use std::collections::VecDeque;

use plimsoll_plan::{Limit, WindowKind};

/// One user's counters, as a correct limiter keeps them.
#[derive(Debug)]
pub(super) struct Oracle {
    counters: Vec<Counter>,
}

/// What a correct limiter does with a request. Limits are numbers in the plan's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It lets it through; the limit that was nearest to being used up would be the next to refuse.
    Allowed { nearest: usize },
    /// It refuses it, because of this limit; of several, because of the one over the longest time.
    Refused { by: usize },
}

#[derive(Debug)]
struct Counter {
    most: u32,
    per_ns: i64,
    state: State,
}

/// How much of a limit is used.
#[derive(Debug)]
enum State {
    /// The number of the current window, and how many were allowed in it.
    Fixed { window: i64, used: u32 },
    /// When each of the last allowed requests was made; those of the last `per` count.
    Sliding { allowed: VecDeque<i64> },
    /// The generic cell rate algorithm: the time at which the bucket would be full again if nothing came, in
    /// `most`ths of a nanosecond, so that no rate is rounded.
    Bucket { full_at: i128 },
}

impl Decision {
    pub(super) fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

impl Oracle {
    pub(super) fn new(kind: WindowKind, limits: &[Limit]) -> Self {
        Self { counters: limits.iter().map(|limit| Counter::of(kind, limit)).collect() }
    }

    /// Asks for a request at `unix_ns`; times must not go backwards. Allowed when every limit has room, and only then
    /// counted: a refused request uses up nobody's allowance.
    pub(super) fn decide(&mut self, unix_ns: i64) -> Decision {
        self.counters.iter_mut().for_each(|counter| counter.advance(unix_ns));
        let full = self.counters.iter().enumerate().filter(|(_, counter)| !counter.has_room(unix_ns));
        if let Some((by, _)) = full.max_by_key(|(_, counter)| counter.per_ns) {
            return Decision::Refused { by };
        }
        self.counters.iter_mut().for_each(|counter| counter.take(unix_ns));
        let uses = self.counters.iter().enumerate().map(|(index, counter)| (index, counter.use_share(unix_ns)));
        let nearest = uses.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(index, _)| index);
        Decision::Allowed { nearest }
    }
}

impl Counter {
    fn of(kind: WindowKind, limit: &Limit) -> Self {
        let state = match kind {
            WindowKind::Fixed => State::Fixed { window: i64::MIN, used: 0 },
            WindowKind::Sliding => State::Sliding { allowed: VecDeque::new() },
            WindowKind::TokenBucket => State::Bucket { full_at: i128::MIN },
        };
        Self { most: limit.count.get(), per_ns: window_ns(limit), state }
    }

    fn advance(&mut self, unix_ns: i64) {
        match &mut self.state {
            State::Fixed { window, used } => {
                let current = unix_ns.div_euclid(self.per_ns);
                if current != *window {
                    (*window, *used) = (current, 0);
                }
            }
            State::Sliding { allowed } => {
                while allowed.front().is_some_and(|at| unix_ns.saturating_sub(*at) >= self.per_ns) {
                    allowed.pop_front();
                }
            }
            State::Bucket { full_at } => *full_at = (*full_at).max(scaled(unix_ns, self.most)),
        }
    }

    fn has_room(&self, unix_ns: i64) -> bool {
        match &self.state {
            State::Fixed { used, .. } => *used < self.most,
            State::Sliding { allowed } => (allowed.len() as u64) < u64::from(self.most),
            // One request takes per/most of time, which is `per_ns` in these units.
            State::Bucket { full_at } => {
                full_at - scaled(unix_ns, self.most) <= i128::from(self.per_ns) * i128::from(self.most - 1)
            }
        }
    }

    fn take(&mut self, unix_ns: i64) {
        match &mut self.state {
            State::Fixed { used, .. } => *used += 1,
            State::Sliding { allowed } => allowed.push_back(unix_ns),
            State::Bucket { full_at } => *full_at += i128::from(self.per_ns),
        }
    }

    /// How much of the allowance is used: 0 to 1.
    fn use_share(&self, unix_ns: i64) -> f64 {
        let used = match &self.state {
            State::Fixed { used, .. } => f64::from(*used),
            State::Sliding { allowed } => allowed.len() as f64,
            State::Bucket { full_at } => (full_at - scaled(unix_ns, self.most)) as f64 / self.per_ns as f64,
        };
        used / f64::from(self.most)
    }
}

fn scaled(unix_ns: i64, most: u32) -> i128 {
    i128::from(unix_ns) * i128::from(most)
}

/// A limit's window in nanoseconds, at least 1.
pub(super) fn window_ns(limit: &Limit) -> i64 {
    i64::try_from(limit.per.as_nanos()).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const MS: i64 = 1_000_000;

    fn limit(count: u32, seconds: u64) -> Limit {
        Limit { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(seconds) }
    }

    /// Which of the requests, at these milliseconds, are allowed.
    fn allowed(kind: WindowKind, limits: &[Limit], at_ms: &[i64]) -> Vec<bool> {
        let mut oracle = Oracle::new(kind, limits);
        at_ms.iter().map(|at| oracle.decide(at * MS).is_allowed()).collect()
    }

    #[test]
    fn all_limits_apply_together_and_refused_requests_count_nowhere() {
        let mut oracle = Oracle::new(WindowKind::Fixed, &[limit(5, 1), limit(10, 60)]);
        let mut allowed =
            |second: i64, n: i64| (0..n).filter(|i| oracle.decide(second * 1000 * MS + i).is_allowed()).count();
        assert_eq!((allowed(0, 7), allowed(1, 3), allowed(2, 9), allowed(59, 1)), (5, 3, 2, 0));
        assert_eq!(allowed(60, 7), 5);
    }

    #[test]
    fn a_fixed_window_lets_twice_the_limit_through_around_its_edge_and_a_sliding_one_does_not() {
        let at_ms = [900, 950, 1_010, 1_050, 1_899, 1_900, 1_950];
        let fixed = [true, true, true, true, false, false, false];
        assert_eq!(allowed(WindowKind::Fixed, &[limit(2, 1)], &at_ms), fixed);
        let sliding = [true, true, false, false, false, true, true];
        assert_eq!(allowed(WindowKind::Sliding, &[limit(2, 1)], &at_ms), sliding);
    }

    #[test]
    fn a_bucket_takes_a_burst_and_refills_evenly() {
        // 2/s: full with two, a new one every 500 ms.
        let at_ms = [0, 0, 10, 499, 500, 510, 1_000, 9_000, 9_001, 9_002];
        let expected = [true, true, false, false, true, false, true, true, true, false];
        assert_eq!(allowed(WindowKind::TokenBucket, &[limit(2, 1)], &at_ms), expected);
    }

    #[test]
    fn the_limit_that_refuses_longest_is_named_and_the_nearest_one_for_what_is_allowed() {
        let mut oracle = Oracle::new(WindowKind::Fixed, &[limit(2, 1), limit(3, 60)]);
        let decisions: Vec<_> = [0, 1, 2, 1_000, 1_001].iter().map(|at| oracle.decide(at * MS)).collect();
        assert_eq!(decisions[1], Decision::Allowed { nearest: 0 });
        assert_eq!(decisions[2], Decision::Refused { by: 0 });
        assert_eq!(decisions[3], Decision::Allowed { nearest: 1 });
        assert_eq!(decisions[4], Decision::Refused { by: 1 });
    }

    proptest! {
        #[test]
        fn no_kind_of_limit_lets_more_through_than_it_may(
            gaps in prop::collection::vec(0i64..900, 1..120), most in 1u32..6
        ) {
            let times: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let in_a_second = |kind| {
                let allowed = allowed(kind, &[limit(most, 1)], &times);
                let let_through: Vec<i64> = times.iter().zip(allowed).filter(|(_, ok)| *ok).map(|(at, _)| *at).collect();
                let busiest = let_through.iter().map(|from| {
                    let_through.iter().filter(|at| (*from..from + 1_000).contains(at)).count()
                });
                busiest.max().unwrap_or(0)
            };
            prop_assert!(in_a_second(WindowKind::Sliding) <= most as usize);
            // A full bucket, and what it refills with within the second.
            prop_assert!(in_a_second(WindowKind::TokenBucket) < 2 * most as usize + 1);
            prop_assert!(in_a_second(WindowKind::Fixed) <= 2 * most as usize);
        }
    }
}
