//! Random choices as pure functions of who chooses: flows by weight, think times.
//!
//! A draw hashes (seed, stream, number) instead of advancing a generator, so it needs no state per user, and any
//! worker may make any draw in any order with the same result. The hash is the finaliser of SplitMix64 (Steele, Lea
//! and Flood, "Fast splittable pseudorandom number generators", 2014). When arrivals come is not drawn here.

use std::time::Duration;

use plimsoll_plan::ThinkTime;

/// The 0.95 quantile of the standard normal distribution.
const NORMAL_P95: f64 = 1.644_853_626_951_472_7;

/// A stream of draws: number n of a stream is always the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws {
    key: u64,
}

impl Draws {
    /// The stream named by `seed` and `stream`.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self { key: mix(mix(seed).wrapping_add(stream)) }
    }

    /// A stream of this stream's own, e.g. one per user.
    pub(crate) fn of(self, owner: u64) -> Self {
        Self::new(self.key, owner)
    }

    /// Draw `number`: 64 random bits.
    pub(crate) fn bits(self, number: u64) -> u64 {
        mix(self.key.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// Draw `number`, evenly from [0, 1).
    pub(crate) fn unit(self, number: u64) -> f64 {
        (self.bits(number) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Draw `number` of a think time, in nanoseconds.
    pub(crate) fn think_ns(self, think: ThinkTime, number: u64) -> i64 {
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        match think {
            ThinkTime::None => 0,
            ThinkTime::Constant(pause) => nanos(pause),
            ThinkTime::Uniform { min, max } => {
                nanos(min) + (self.unit(number) * nanos(max.saturating_sub(min)) as f64) as i64
            }
            ThinkTime::Normal { mean, deviation } => {
                (nanos(mean) as f64 + nanos(deviation) as f64 * self.of(number).normal()).max(0.0) as i64
            }
            ThinkTime::LogNormal { median, p95 } => {
                let sigma = (nanos(p95) as f64 / nanos(median).max(1) as f64).ln() / NORMAL_P95;
                (nanos(median) as f64 * (sigma * self.of(number).normal()).exp()) as i64
            }
            ThinkTime::Exponential { mean } => (nanos(mean) as f64 * -(1.0 - self.unit(number)).ln()) as i64,
        }
    }

    /// A value of the standard normal distribution (Box and Muller, "A note on the generation of random normal
    /// deviates", 1958).
    fn normal(self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit(0)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit(1)).cos()
    }
}

fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Chooses among weights.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    /// Running sums, the last one normalised to 1.
    upto: Vec<f64>,
}

impl Weights {
    /// Weights are positive and finite, as a plan guarantees.
    pub(crate) fn new(weights: impl Iterator<Item = f64> + Clone) -> Self {
        let total: f64 = weights.clone().sum();
        let upto = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum / total)
        });
        Self { upto: upto.collect() }
    }

    /// The index chosen by draw `number`.
    pub(crate) fn choose(&self, draws: Draws, number: u64) -> u16 {
        if self.upto.len() <= 1 { 0 } else { self.at(draws.unit(number)) }
    }

    /// The index chosen by a random number, evenly from [0, 1).
    pub(crate) fn at(&self, point: f64) -> u16 {
        let index = self.upto.partition_point(|upto| *upto <= point).min(self.upto.len() - 1);
        u16::try_from(index).expect("a plan has fewer than 65,536 flows")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_follow_the_weights() {
        let weights = Weights::new([1.0, 3.0, 6.0].into_iter());
        let draws = Draws::new(1, 2);
        let mut counts = [0.0_f64; 3];
        for number in 0..100_000 {
            counts[usize::from(weights.choose(draws, number))] += 1.0;
        }
        for (count, expected) in counts.into_iter().zip([0.1, 0.3, 0.6]) {
            assert!((count / 100_000.0 - expected).abs() < 0.006, "{count} for {expected}");
        }
    }

    #[test]
    fn a_draw_is_always_the_same_and_streams_differ() {
        assert_eq!(Draws::new(1, 2).bits(3), Draws::new(1, 2).bits(3));
        assert_ne!(Draws::new(1, 2).bits(3), Draws::new(1, 3).bits(3));
        assert_ne!(Draws::new(1, 2).of(5).bits(3), Draws::new(1, 2).of(6).bits(3));
    }

    #[test]
    fn think_times_fill_their_range_evenly() {
        let think = ThinkTime::Uniform { min: Duration::from_secs(5), max: Duration::from_secs(15) };
        let draws = Draws::new(9, 0);
        let times: Vec<f64> = (0..10_000).map(|n| draws.think_ns(think, n) as f64 / 1e9).collect();
        assert!(times.iter().all(|time| (5.0..15.0).contains(time)));
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        assert!((mean - 10.0).abs() < 0.15, "{mean}");
    }

    /// Think times in seconds, in ascending order.
    fn sorted(think: ThinkTime) -> Vec<f64> {
        let draws = Draws::new(3, 1);
        let mut times: Vec<f64> = (0..40_000).map(|n| draws.think_ns(think, n) as f64 / 1e9).collect();
        times.sort_by(f64::total_cmp);
        times
    }

    /// Quantiles within four standard errors of a sample of 40,000.
    #[track_caller]
    fn check_quantiles(think: ThinkTime, expected: [f64; 3], tolerance: f64) {
        let times = sorted(think);
        for (quantile, expected) in [0.25, 0.5, 0.95].into_iter().zip(expected) {
            let found = times[(quantile * times.len() as f64) as usize];
            assert!((found - expected).abs() < tolerance * expected, "{quantile}: {found} for {expected}");
        }
    }

    #[test]
    fn think_times_have_the_quantiles_of_their_distribution() {
        let seconds = Duration::from_secs;
        let normal = ThinkTime::Normal { mean: seconds(10), deviation: seconds(2) };
        check_quantiles(normal, [8.651, 10.0, 13.290], 0.01);
        check_quantiles(ThinkTime::LogNormal { median: seconds(8), p95: seconds(20) }, [5.494, 8.0, 20.0], 0.035);
        check_quantiles(ThinkTime::Exponential { mean: seconds(10) }, [2.877, 6.931, 29.957], 0.05);
    }

    #[test]
    fn a_think_time_is_never_negative_and_a_log_normal_one_may_be_constant() {
        let seconds = Duration::from_secs;
        let times = sorted(ThinkTime::Normal { mean: seconds(1), deviation: seconds(2) });
        // Phi(-1/2) of them would be below zero.
        let cut = times.iter().filter(|time| **time == 0.0).count() as f64 / times.len() as f64;
        assert!(times[0] == 0.0 && (cut - 0.3085).abs() < 0.01, "{cut}");
        let times = sorted(ThinkTime::LogNormal { median: seconds(8), p95: seconds(8) });
        assert!((times[0] - 8.0).abs() < 1e-6 && (times[times.len() - 1] - 8.0).abs() < 1e-6);
    }
}
