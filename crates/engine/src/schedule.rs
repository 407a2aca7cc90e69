//! When arrivals are due: pure, seeded sequences of intended send times of an open phase.
//!
//! No clock, no I/O: the same phase and seed give the same times on every machine. A schedule splits over n workers
//! by arrival index modulo n, so the union of the parts is exactly the whole. Both spacings take the rate curve's
//! exact inverse: with `expected(t)` the arrivals due by `t`, uniform arrival i (from 0) comes where `expected` is
//! i + 1/2, and a Poisson process comes where it is the i-th sum of unit exponentials (time change; Lewis and
//! Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", 1979, section 1).

use std::time::Duration;

use plimsoll_plan::{Arrivals, RateShape};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

use crate::curve::Curve;

/// One arrival of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its index in the whole schedule, from 0.
    pub index: u64,
    /// Its intended send time in nanoseconds from the start of the phase; below the phase's length.
    pub at_ns: u64,
}

/// Part `index` of `count`: which arrivals of a schedule, and which users, are a segment's or a worker's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    index: u64,
    count: u64,
}

impl Share {
    /// The whole, undivided.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Part `index` (from 0) of `count`; `None` unless `index < count`.
    #[must_use]
    pub fn of(index: u32, count: u32) -> Option<Self> {
        (index < count).then_some(Self { index: u64::from(index), count: u64::from(count) })
    }

    /// Its place among the parts, from 0.
    #[must_use]
    pub fn index(self) -> u64 {
        self.index
    }

    /// How many parts there are.
    #[must_use]
    pub fn count(self) -> u64 {
        self.count
    }

    /// A share of this share. All shares of all parts together are the whole.
    #[must_use]
    pub fn part(self, inner: Self) -> Self {
        Self { index: self.index + self.count * inner.index, count: self.count * inner.count }
    }

    /// How many of `total` things numbered from 0 belong to this part.
    #[must_use]
    pub fn part_of(self, total: u64) -> u64 {
        total.saturating_sub(self.index).div_ceil(self.count)
    }

    /// How many of `total` iterations belong to this part of `users` users: the parts that have users share them.
    #[must_use]
    pub fn iterations_of(self, total: u64, users: u64) -> u64 {
        let sharing = Self { count: self.count.min(users), ..self };
        if sharing.index < sharing.count { sharing.part_of(total) } else { 0 }
    }

    /// The number in the whole of this part's thing `local`.
    #[must_use]
    pub fn global(self, local: u64) -> u64 {
        local * self.count + self.index
    }
}

/// The arrivals of one open phase.
#[derive(Clone, Debug)]
pub struct Schedule {
    curve: Curve,
    arrivals: Arrivals,
    seed: u64,
}

impl Schedule {
    /// The arrivals of a phase of `length` at `rate`.
    #[must_use]
    pub fn new(rate: &RateShape, arrivals: Arrivals, length: Duration, seed: u64) -> Self {
        Self { curve: Curve::new(rate, length), arrivals, seed }
    }

    /// The highest rate at any time, per second.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.curve.peak()
    }

    /// The arrivals of one share, in order.
    #[must_use]
    pub fn cursor(&self, share: Share) -> Cursor {
        Cursor::new(self, share)
    }

    /// How many arrivals there are in all. Uniform arrivals: the rate's integral, rounded. Poisson arrivals are
    /// counted one by one, at about ten million per second.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self.arrivals {
            Arrivals::Uniform => uniform_count(&self.curve),
            Arrivals::Poisson => self.cursor(Share::WHOLE).count() as u64,
        }
    }
}

/// Walks through one share of a schedule. Cheap to clone: a clone continues from the same place.
#[derive(Clone, Debug)]
pub struct Cursor {
    curve: Curve,
    share: Share,
    spacing: Spacing,
    next: Option<Planned>,
    taken: u64,
}

#[derive(Clone, Debug)]
enum Spacing {
    Uniform { count: u64 },
    Poisson { random: Box<ChaCha8Rng>, expected: f64, index: u64 },
}

impl Cursor {
    fn new(schedule: &Schedule, share: Share) -> Self {
        let spacing = match schedule.arrivals {
            Arrivals::Uniform => Spacing::Uniform { count: uniform_count(&schedule.curve) },
            Arrivals::Poisson => {
                Spacing::Poisson { random: Box::new(ChaCha8Rng::seed_from_u64(schedule.seed)), expected: 0.0, index: 0 }
            }
        };
        let mut cursor = Self { curve: schedule.curve.clone(), share, spacing, next: None, taken: 0 };
        cursor.next = cursor.find_next();
        cursor
    }

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
        match &mut self.spacing {
            Spacing::Uniform { count } => {
                let index = self.share.global(self.taken);
                (index < *count).then(|| Planned { index, at_ns: self.curve.when(index as f64 + 0.5) })
            }
            Spacing::Poisson { random, expected, index } => {
                let wanted = self.share.global(self.taken);
                let total = self.curve.expected_in_all();
                while *index <= wanted {
                    let gap: f64 = Exp1.sample(random);
                    *expected += gap;
                    *index += 1;
                    if *expected > total {
                        return None;
                    }
                }
                Some(Planned { index: wanted, at_ns: self.curve.when(*expected) })
            }
        }
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

fn uniform_count(curve: &Curve) -> u64 {
    curve.expected_in_all().round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_plan::Rate;
    use proptest::prelude::*;

    fn rate(per_second: f64) -> Rate {
        Rate::per_second(per_second).unwrap()
    }

    fn ramp(from: f64, to: f64) -> RateShape {
        RateShape::Ramp { from: rate(from), to: rate(to) }
    }

    fn constant(per_second: f64) -> RateShape {
        RateShape::Constant(rate(per_second))
    }

    fn arrivals() -> impl Strategy<Value = Arrivals> {
        prop_oneof![Just(Arrivals::Uniform), Just(Arrivals::Poisson)]
    }

    fn rates() -> impl Strategy<Value = Rate> {
        prop_oneof![4 => (0.0..500.0).prop_map(rate), 1 => Just(rate(0.0))]
    }

    fn shapes() -> impl Strategy<Value = RateShape> {
        let times =
            (0u64..20_000, 1u64..20_000).prop_map(|(a, b)| (Duration::from_millis(a), Duration::from_millis(b)));
        prop_oneof![
            rates().prop_map(RateShape::Constant),
            (rates(), rates()).prop_map(|(from, to)| RateShape::Ramp { from, to }),
            proptest::collection::vec(rates(), 1..9).prop_map(RateShape::Steps),
            (rates(), rates(), times).prop_map(|(base, spike, (at, length))| RateShape::Spike {
                base,
                spike,
                at,
                length
            }),
            (rates(), 0.0..=1.0, 1u64..40_000).prop_map(|(mean, depth, ms)| RateShape::Wave {
                mean,
                amplitude: rate(mean.as_per_second() * depth),
                period: Duration::from_millis(ms),
            }),
        ]
    }

    prop_compose! {
        fn phases()(shape in shapes(), arrivals in arrivals(), ms in 1u64..20_000) -> (RateShape, Arrivals, Duration) {
            (shape, arrivals, Duration::from_millis(ms))
        }
    }

    /// Arrivals due by `t` seconds of `length`: the textbook integral of each shape.
    fn due(shape: &RateShape, t: f64, length: f64) -> f64 {
        match shape {
            RateShape::Constant(rate) => rate.as_per_second() * t,
            RateShape::Ramp { from, to } => {
                let (from, to) = (from.as_per_second(), to.as_per_second());
                from * t + (to - from) * t * t / (2.0 * length)
            }
            RateShape::Steps(steps) => {
                let share = length / steps.len() as f64;
                let part = |(n, rate): (usize, &Rate)| rate.as_per_second() * (t - n as f64 * share).clamp(0.0, share);
                steps.iter().enumerate().map(part).sum()
            }
            RateShape::Spike { base, spike, at, length } => {
                let during = (t - at.as_secs_f64()).clamp(0.0, length.as_secs_f64());
                base.as_per_second() * (t - during) + spike.as_per_second() * during
            }
            RateShape::Wave { mean, amplitude, period } => {
                let turn = std::f64::consts::TAU / period.as_secs_f64();
                mean.as_per_second() * t - amplitude.as_per_second() / turn * (turn * t).sin()
            }
        }
    }

    proptest! {
        #[test]
        fn times_never_go_back_and_stay_inside_the_phase((shape, arrivals, length) in phases(), seed: u64) {
            let schedule = Schedule::new(&shape, arrivals, length, seed);
            let times: Vec<_> = schedule.cursor(Share::WHOLE).collect();
            prop_assert!(times.is_sorted_by_key(|planned| planned.at_ns));
            prop_assert!(times.iter().all(|planned| u128::from(planned.at_ns) < length.as_nanos()));
            prop_assert_eq!(times.len() as u64, schedule.count());
        }

        #[test]
        fn the_shares_together_are_exactly_the_whole((shape, arrivals, length) in phases(), seed: u64, workers in 1u32..7) {
            let schedule = Schedule::new(&shape, arrivals, length, seed);
            let mut parts: Vec<_> = (0..workers)
                .flat_map(|index| schedule.cursor(Share::of(index, workers).unwrap()))
                .collect();
            parts.sort_by_key(|planned| planned.index);
            prop_assert_eq!(parts, schedule.cursor(Share::WHOLE).collect::<Vec<_>>());
        }

        #[test]
        fn uniform_arrivals_are_never_more_than_half_an_arrival_off_the_curve((shape, _, length) in phases()) {
            let schedule = Schedule::new(&shape, Arrivals::Uniform, length, 1);
            let seconds = length.as_secs_f64();
            prop_assert!((due(&shape, seconds, seconds) - schedule.count() as f64).abs() < 0.5 + 1e-6);
            for planned in schedule.cursor(Share::WHOLE) {
                let due = due(&shape, planned.at_ns as f64 / 1e9, seconds);
                prop_assert!((due - planned.index as f64 - 0.5).abs() < 1e-3, "{planned:?} where {due} are due");
            }
        }

        /// In each quarter of the phase the count of a Poisson process is its expectation, give or take six
        /// standard deviations and a few for small numbers.
        #[test]
        fn poisson_arrivals_come_where_the_rate_is((shape, _, length) in phases(), seed: u64) {
            let schedule = Schedule::new(&shape, Arrivals::Poisson, length, seed);
            let seconds = length.as_secs_f64();
            let times: Vec<f64> = schedule.cursor(Share::WHOLE).map(|planned| planned.at_ns as f64 / 1e9).collect();
            for quarter in 0..4 {
                let (from, to) = (seconds * f64::from(quarter) / 4.0, seconds * f64::from(quarter + 1) / 4.0);
                let expected = due(&shape, to, seconds) - due(&shape, from, seconds);
                let seen = times.iter().filter(|time| (from..to).contains(time)).count() as f64;
                prop_assert!((seen - expected).abs() < 6.0 * expected.max(0.0).sqrt() + 12.0, "{seen} for {expected}");
            }
        }

        #[test]
        fn a_share_counts_what_it_holds(total in 0u64..1000, workers in 1u32..9) {
            let parts: u64 = (0..workers).map(|index| Share::of(index, workers).unwrap().part_of(total)).sum();
            prop_assert_eq!(parts, total);
        }

        #[test]
        fn a_share_of_a_share_holds_what_both_hold(total in 0u64..1000, outer in (0u32..9, 1u32..9), inner in (0u32..9, 1u32..9)) {
            let share = |(index, count): (u32, u32)| Share::of(index % count, count).unwrap();
            let (outer, inner) = (share(outer), share(inner));
            let both = outer.part(inner);
            let local = inner.part_of(outer.part_of(total));
            prop_assert_eq!(both.part_of(total), local);
            for n in 0..local {
                prop_assert_eq!(both.global(n), outer.global(inner.global(n)));
            }
        }

        #[test]
        fn all_iterations_go_to_parts_that_have_users(total in 0u64..1000, users in 1u64..9, parts in 1u32..9) {
            let shares = (0..parts).map(|index| Share::of(index, parts).unwrap());
            let of = |share: Share| (share.iterations_of(total, users), share.part_of(users));
            prop_assert!(shares.clone().map(of).all(|(iterations, users)| iterations == 0 || users > 0));
            prop_assert_eq!(shares.map(|share| of(share).0).sum::<u64>(), total);
        }
    }

    #[test]
    fn a_constant_rate_gives_its_product_with_the_time() {
        let schedule = Schedule::new(&constant(18.0), Arrivals::Uniform, Duration::from_secs(30), 1);
        assert_eq!(schedule.count(), 540);
        let first = schedule.cursor(Share::WHOLE).next().unwrap();
        assert_eq!(first.at_ns, 27_777_777);
    }

    #[test]
    fn a_ramp_down_to_nothing_gives_half_the_arrivals() {
        let schedule = Schedule::new(&ramp(18.0, 0.0), Arrivals::Uniform, Duration::from_secs(30), 1);
        assert_eq!(schedule.count(), 270);
    }

    #[test]
    fn no_rate_gives_no_arrivals() {
        for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
            let schedule = Schedule::new(&constant(0.0), arrivals, Duration::from_secs(30), 1);
            assert_eq!(schedule.cursor(Share::WHOLE).peek(), None);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_poisson_times_and_another_seed_gives_others() {
        let times = |seed| {
            let schedule = Schedule::new(&constant(100.0), Arrivals::Poisson, Duration::from_secs(10), seed);
            schedule.cursor(Share::WHOLE).collect::<Vec<_>>()
        };
        assert_eq!(times(7), times(7));
        assert_ne!(times(7), times(8));
    }

    /// 100,000 expected arrivals have a standard deviation of 316; gaps of a Poisson process have a coefficient of
    /// variation of 1.
    #[test]
    fn poisson_arrivals_come_at_the_rate_with_exponential_gaps() {
        let schedule = Schedule::new(&constant(1000.0), Arrivals::Poisson, Duration::from_secs(100), 3);
        let times: Vec<f64> = schedule.cursor(Share::WHOLE).map(|planned| planned.at_ns as f64 / 1e9).collect();
        assert!((times.len() as f64 - 100_000.0).abs() < 1_300.0, "{}", times.len());
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.02, "cv {}", variance.sqrt() / mean);
    }

    #[test]
    fn a_poisson_ramp_has_its_arrivals_where_the_rate_is() {
        let schedule = Schedule::new(&ramp(0.0, 2000.0), Arrivals::Poisson, Duration::from_secs(100), 3);
        let half = schedule.cursor(Share::WHOLE).filter(|planned| planned.at_ns < 50_000_000_000).count() as f64;
        assert!((half / schedule.count() as f64 - 0.25).abs() < 0.01, "{half} of {}", schedule.count());
    }
}
