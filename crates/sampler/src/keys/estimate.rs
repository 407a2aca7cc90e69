//! From keys drawn at random to all keys: counts and sums with the interval that holds the true one with 95 %
//! confidence.
//!
//! Counts by Wilson's score interval (1927), sums by the mean and its normal interval. Draws are independent and
//! repeat: every key is as likely as any other each time.

use plimsoll_record::keys::Estimate;

/// Normal quantile of a two-sided interval of 95 %.
const Z: f64 = 1.959_964;

/// Draws from a population.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draws {
    /// How many were drawn.
    pub(super) drawn: u64,
    /// How many there are.
    pub(super) population: u64,
    /// True when every one was read, once.
    pub(super) exact: bool,
}

impl Draws {
    /// How many of all are like the `hits` that were drawn.
    pub(super) fn count(self, hits: u64) -> Estimate {
        if self.exact {
            return Estimate::exact(hits as f64);
        }
        let (lower, upper) = wilson(hits as f64, self.drawn as f64);
        let all = self.population as f64;
        let share = hits as f64 / (self.drawn as f64).max(1.0);
        Estimate { value: share, lower, upper }.times(all)
    }

    /// What those that were drawn add up to in the whole population; `hits` are the values of those that count, all others
    /// are 0. The wider of the interval of the mean and that of the count.
    pub(super) fn sum(self, hits: &[f64]) -> Estimate {
        let total: f64 = hits.iter().sum();
        if self.exact || hits.is_empty() {
            return if self.exact { Estimate::exact(total) } else { self.count(0) };
        }
        let (n, all) = ((self.drawn as f64).max(1.0), self.population as f64);
        let mean = total / n;
        let squares: f64 = hits.iter().map(|value| value * value).sum();
        let variance = (squares - n * mean * mean).max(0.0) / (n - 1.0).max(1.0);
        let half = Z * (variance / n).sqrt();
        let by_count = self.count(hits.len() as u64).times(total / hits.len() as f64);
        Estimate {
            value: mean * all,
            lower: ((mean - half) * all).min(by_count.lower).max(0.0),
            upper: ((mean + half) * all).max(by_count.upper),
        }
    }
}

/// Wilson's interval of a share: `hits` of `n`.
fn wilson(hits: f64, n: f64) -> (f64, f64) {
    if n < 1.0 {
        return (0.0, 1.0);
    }
    let share = hits / n;
    let z2 = Z * Z;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    // At none and at all of n the bounds are 0 and 1; rounding may miss that by a hair.
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same pseudo-random numbers in [0, 1) each time (a linear congruential generator by Knuth).
    fn uniform(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    #[test]
    fn what_was_read_whole_is_known() {
        let draws = Draws { drawn: 10, population: 10, exact: true };
        assert_eq!(draws.count(4), Estimate::exact(4.0));
        assert_eq!(draws.sum(&[10.0, 20.0]), Estimate::exact(30.0));
    }

    #[test]
    fn wilsons_interval_is_that_of_the_literature() {
        // Newcombe (1998), table I: 81 of 263 is 0.2553 to 0.3662; 0 of 20 is 0 to 0.1611.
        let (lower, upper) = wilson(81.0, 263.0);
        assert!((lower - 0.2553).abs() < 5e-5 && (upper - 0.3662).abs() < 5e-5, "{lower} {upper}");
        let (lower, upper) = wilson(0.0, 20.0);
        assert!(lower == 0.0 && (upper - 0.1611).abs() < 5e-5, "{lower} {upper}");
    }

    #[test]
    fn the_interval_of_a_sum_holds_the_truth_as_often_as_it_says() {
        // 100,000 keys; 10 % of them of 100 to 1,100 bytes (uniform) count.
        let (mut held, runs) = (0, 1000);
        let mut random = uniform(7);
        for _ in 0..runs {
            let mut hits = Vec::new();
            for _ in 0..1000 {
                if random() < 0.1 {
                    hits.push(100.0 + 1000.0 * random());
                }
            }
            let sum = Draws { drawn: 1000, population: 100_000, exact: false }.sum(&hits);
            let truth = 100_000.0 * 0.1 * 600.0;
            held += u32::from(sum.lower <= truth && truth <= sum.upper);
        }
        assert!((925..=985).contains(&held), "{held} of {runs}");
    }

    #[test]
    fn draws_that_are_all_alike_still_leave_room() {
        let draws = Draws { drawn: 100, population: 1_000_000, exact: false };
        let sum = draws.sum(&[50.0; 100]);
        assert_eq!(sum.value, 50e6);
        assert!(sum.lower < 49e6 && sum.upper <= 50e6 + 1.0, "{sum:?}");
    }
}
