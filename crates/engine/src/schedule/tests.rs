//! What all schedules have in common, over all shapes and both spacings and replays: in order, true to their rate,
//! reproducible, and exactly the sum of their shares.

use super::*;
use plimsoll_plan::{Rate, Recording};
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
    let times = (0u64..20_000, 1u64..20_000).prop_map(|(a, b)| (Duration::from_millis(a), Duration::from_millis(b)));
    prop_oneof![
        rates().prop_map(RateShape::Constant),
        (rates(), rates()).prop_map(|(from, to)| RateShape::Ramp { from, to }),
        proptest::collection::vec(rates(), 1..9).prop_map(RateShape::Steps),
        (rates(), rates(), times).prop_map(|(base, spike, (at, length))| RateShape::Spike { base, spike, at, length }),
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

fn replay(times: &[u64], speed: f64) -> Replay {
    Replay { file: "access.log".to_owned(), speed, recording: Recording::Times(times.into()) }
}

prop_compose! {
    fn replays()(mut times in proptest::collection::vec(0u64..30_000_000_000, 0..300), speed in 0.1..10.0) -> Replay {
        times.sort_unstable();
        replay(&times, speed)
    }
}

fn recorded_times(replay: &Replay) -> &[u64] {
    let Recording::Times(times) = &replay.recording else { unreachable!() };
    times
}

prop_compose! {
    /// A schedule of any kind, with its length.
    fn schedules()(
        (shape, arrivals, length) in phases(), replay in replays(), seed: u64, replayed in proptest::bool::weighted(0.3)
    ) -> (Schedule, Duration) {
        let planned = || Schedule::new(&shape, arrivals, length, seed);
        (if replayed { Schedule::replay(&replay, length).unwrap() } else { planned() }, length)
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
    fn times_never_go_back_and_stay_inside_the_phase((schedule, length) in schedules()) {
        let times: Vec<_> = schedule.cursor(Share::WHOLE).collect();
        prop_assert!(times.is_sorted_by_key(|planned| planned.at_ns));
        prop_assert!(times.iter().all(|planned| u128::from(planned.at_ns) < length.as_nanos()));
        prop_assert_eq!(times.len() as u64, schedule.count());
    }

    #[test]
    fn the_shares_together_are_exactly_the_whole((schedule, _) in schedules(), workers in 1u32..7) {
        let mut parts: Vec<_> = (0..workers)
            .flat_map(|index| schedule.cursor(Share::of(index, workers).unwrap()))
            .collect();
        parts.sort_by_key(|planned| planned.index);
        prop_assert_eq!(parts, schedule.cursor(Share::WHOLE).collect::<Vec<_>>());
    }

    /// A clone, a second cursor, and a schedule made again from the same plan and seed.
    #[test]
    fn the_same_plan_and_seed_give_the_same_times((shape, arrivals, length) in phases(), replay in replays(), seed: u64) {
        let all = |schedule: Schedule| schedule.cursor(Share::WHOLE).collect::<Vec<_>>();
        let planned = || Schedule::new(&shape, arrivals, length, seed);
        prop_assert_eq!(all(planned()), all(planned()));
        let mut cursor = planned().cursor(Share::WHOLE);
        cursor.nth(3);
        prop_assert_eq!(cursor.clone().collect::<Vec<_>>(), cursor.collect::<Vec<_>>());
        let replayed = || Schedule::replay(&replay, length).unwrap();
        prop_assert_eq!(all(replayed()), all(replayed()));
    }

    #[test]
    fn recorded_arrivals_keep_their_distances_at_any_speed(replay in replays()) {
        let year = Duration::from_secs(365 * 24 * 3600);
        let schedule = Schedule::replay(&replay, year).unwrap();
        prop_assert_eq!(schedule.count(), replay.recording.count());
        for (planned, recorded) in schedule.cursor(Share::WHOLE).zip(recorded_times(&replay)) {
            prop_assert!((planned.at_ns as f64 * replay.speed - *recorded as f64).abs() <= replay.speed + 1e-3);
        }
    }

    #[test]
    fn the_peak_of_recorded_arrivals_is_the_most_of_any_second(replay in replays(), from in 0u64..30_000_000_000) {
        let schedule = Schedule::replay(&replay, Duration::MAX).unwrap();
        let within = |planned: &Planned| (from..from + 1_000_000_000).contains(&planned.at_ns);
        prop_assert!(schedule.cursor(Share::WHOLE).filter(within).count() as f64 <= schedule.peak());
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
fn recorded_arrivals_beyond_the_end_are_left_out() {
    let replay = replay(&[0, 500, 1_000_000_000, 2_000_000_000], 2.0);
    let schedule = Schedule::replay(&replay, Duration::from_secs(1)).unwrap();
    let times: Vec<_> = schedule.cursor(Share::WHOLE).map(|planned| planned.at_ns).collect();
    assert_eq!((times, schedule.count(), schedule.peak()), (vec![0, 250, 500_000_000], 3, 3.0));
    let unknown = Replay { recording: Recording::Count(3), ..replay };
    assert!(Schedule::replay(&unknown, Duration::from_secs(1)).is_none());
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
