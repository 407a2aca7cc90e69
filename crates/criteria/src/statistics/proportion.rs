//! Shares of a whole and how well they are known.

use super::batches::{Counts, MIN_BATCHES, design_effect};
use super::quantiles::{normal_quantile, student_quantile};
use super::{CONFIDENCE, Range};

/// The Wilson score interval of a share `p` seen in `n` observations, with the quantile `z`.
///
/// `(p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)` (Wilson 1927). Unlike the textbook interval it stays
/// inside 0..1 and keeps its confidence for rare events. `n` may be a fraction: an effective number.
#[must_use]
pub fn wilson(p: f64, n: f64, z: f64) -> Range {
    let z2n = z * z / n;
    let middle = p + z2n / 2.0;
    let half = z * (p * (1.0 - p) / n + z2n / (4.0 * n)).sqrt();
    Range { low: ((middle - half) / (1.0 + z2n)).max(0.0), high: ((middle + half) / (1.0 + z2n)).min(1.0) }
}

/// How many observations without a single hit show that the share is below `share` (0 < share < 1), with 95 %
/// confidence: the smallest n with `(1 - share)^n <= 0.05`.
///
/// ```
/// use plimsoll_criteria::statistics::samples_to_certify;
/// assert_eq!((samples_to_certify(0.05), samples_to_certify(0.01), samples_to_certify(0.001)), (59, 299, 2995));
/// ```
#[must_use]
pub fn samples_to_certify(share: f64) -> u64 {
    ((1.0 - CONFIDENCE).ln() / (1.0 - share).ln()).ceil() as u64
}

/// A share with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShareEstimate {
    /// Hits / total.
    pub share: f64,
    /// Its 95 % interval.
    pub range: Range,
    /// Hits.
    pub hits: u64,
    /// Total.
    pub total: u64,
    /// How many independent observations the total is worth; `None` when there were too few batches to tell.
    pub effective: Option<f64>,
    /// The quantile that the interval was made with.
    pub z: f64,
}

/// Estimates a share from batches in order of time; `None` when nothing was observed.
///
/// With six batches or more: Wilson on `n / DEFF` with the t quantile of B - 1 degrees of freedom, on the
/// common side wider still (see `cautious`). With fewer, Wilson
/// on n with the normal quantile, which is too narrow when neighbours resemble one another. Without a hit the upper
/// end is the exact `1 - 0.05^(1/n)` (Clopper and Pearson 1934, one-sided, as the lower end is 0); likewise the lower
/// end when there are only hits.
#[must_use]
pub fn estimate_share(batches: &[Counts]) -> Option<ShareEstimate> {
    let hits = batches.iter().map(|batch| batch.hits).sum::<u64>();
    let total = batches.iter().map(|batch| batch.total).sum::<u64>();
    if total == 0 {
        return None;
    }
    let used = batches.iter().filter(|batch| batch.total > 0).count();
    let (n, share) = (total as f64, hits as f64 / total as f64);
    let effective = (used >= MIN_BATCHES).then(|| n / design_effect(batches));
    let p = f64::midpoint(CONFIDENCE, 1.0);
    let z = if effective.is_some() { student_quantile(p, used - 1) } else { normal_quantile(p) };
    let range = if hits == 0 {
        Range { low: 0.0, high: 1.0 - (1.0 - CONFIDENCE).powf(1.0 / n) }
    } else if hits == total {
        Range { low: (1.0 - CONFIDENCE).powf(1.0 / n), high: 1.0 }
    } else {
        let range = wilson(share, effective.unwrap_or(n), z);
        effective.map_or(range, |effective| range.hull(cautious(share, n, n / effective, z)))
    };
    Some(ShareEstimate { share, range, hits, total, effective, z })
}

/// With how many hits at most the share would have been shown to be below `limit`, everything else being as it was:
/// as many observations, resembling one another as much. `None` when not even none would do.
///
/// ```
/// use plimsoll_criteria::statistics::{Counts, estimate_share, most_hits};
/// let seen = estimate_share(&[Counts { hits: 12, total: 1_440 }]).unwrap();
/// assert_eq!(most_hits(&seen, 0.01), Some(6));
/// ```
#[must_use]
pub fn most_hits(estimate: &ShareEstimate, limit: f64) -> Option<u64> {
    let n = estimate.total as f64;
    if 1.0 - (1.0 - CONFIDENCE).powf(1.0 / n) >= limit {
        return None;
    }
    let fits = |hits: u64| wilson(hits as f64 / n, estimate.effective.unwrap_or(n), estimate.z).high < limit;
    let (mut fitting, mut beyond) = (0, (limit * n).ceil().max(1.0) as u64);
    while beyond - fitting > 1 {
        let middle = u64::midpoint(fitting, beyond);
        if fits(middle) { fitting = middle } else { beyond = middle }
    }
    Some(fitting)
}

/// How far a rare share may lie on the common side. A mood reaches from one batch into the next, so what batches show
/// beyond independent requests (`effect` - 1) counts twice; and a few bad moods make most of the rare events, so a sample
/// that happens to hold none looks better than the truth by a factor rather than by a difference: the logarithmic scale
/// counts where it reaches further. Calibrated with moods that remember 10 s. The other side needs no such caution.
fn cautious(share: f64, n: f64, effect: f64, z: f64) -> Range {
    let n = n / (1.0 + 2.0 * (effect - 1.0));
    let rare = share.min(1.0 - share);
    let factor = (z * ((1.0 - rare) / (rare * n)).sqrt()).exp();
    let reach = wilson(rare, n, z).high.max(rare * factor).min(1.0);
    if share <= 0.5 { Range { low: share, high: reach } } else { Range { low: 1.0 - reach, high: share } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Noise;

    #[test]
    fn wilson_matches_a_worked_example() {
        // 10 of 100 at 95 %: 0.0552 to 0.1744 (Newcombe 1998, method 3).
        let range = wilson(0.1, 100.0, 1.96);
        assert!((range.low - 0.0552).abs() < 1e-4 && (range.high - 0.1744).abs() < 1e-4, "{range:?}");
    }

    #[test]
    fn fifty_nine_clean_requests_certify_p95_and_one_less_does_not() {
        let certified = |n| estimate_share(&[Counts { hits: 0, total: n }]).unwrap().range.high < 0.05;
        assert!(certified(59) && !certified(58));
    }

    #[test]
    fn batches_that_differ_widen_the_interval() {
        let even = estimate_share(&[Counts { hits: 5, total: 100 }; 6]).unwrap();
        let lumpy: Vec<_> = [30, 0, 0, 0, 0, 0].map(|hits| Counts { hits, total: 100 }).into();
        let lumpy = estimate_share(&lumpy).unwrap();
        assert_eq!(even.share, lumpy.share);
        assert!(lumpy.range.half_width() > 3.0 * even.range.half_width(), "{lumpy:?} {even:?}");
        assert!(lumpy.effective.unwrap() < 30.0 && even.effective == Some(600.0));
    }

    #[test]
    fn nothing_observed_is_no_estimate() {
        assert_eq!(estimate_share(&[Counts::default(); 6]), None);
    }

    /// Batches of 20 seconds of 30 requests each, whose chance of a hit follows a mood with a memory of 10 seconds.
    fn moody_batches(seed: u64, batches: usize, share: f64) -> Vec<Counts> {
        let mut noise = Noise::seeded(seed);
        let mood = noise.autoregressive(batches * 20, 10.0);
        let second = |mood: &f64| {
            let chance = share * (1.0 + 0.5 * mood.clamp(-2.0, 2.0));
            (0..30).filter(|_| noise.uniform() < chance).count() as u64
        };
        let hits: Vec<u64> = mood.iter().map(second).collect();
        hits.chunks(20).map(|chunk| Counts { hits: chunk.iter().sum(), total: 600 }).collect()
    }

    #[test]
    fn the_interval_covers_the_truth_under_a_moody_server_where_the_naive_one_does_not() {
        const RUNS: u64 = 300;
        let covered = |pooled: bool| {
            let covers = |seed: &u64| {
                let batches = moody_batches(*seed, 12, 0.05);
                let counts = if pooled { vec![pool(&batches)] } else { batches };
                estimate_share(&counts).unwrap().range.contains(0.05)
            };
            (0..RUNS).filter(covers).count() as f64 / RUNS as f64
        };
        assert!(covered(false) >= 0.90, "{} at a nominal 0.95", covered(false));
        assert!(covered(true) < 0.80, "without correction {}", covered(true));
    }

    fn pool(batches: &[Counts]) -> Counts {
        let sum = |part: fn(&Counts) -> u64| batches.iter().map(part).sum();
        Counts { hits: sum(|batch| batch.hits), total: sum(|batch| batch.total) }
    }

    proptest! {
        #[test]
        fn the_share_lies_in_its_interval(batches in prop::collection::vec((0u64..50, 0u64..50), 1..12)) {
            let batches: Vec<_> = batches.into_iter().map(|(hits, rest)| Counts { hits, total: hits + rest }).collect();
            if let Some(estimate) = estimate_share(&batches) {
                prop_assert!(estimate.range.contains(estimate.share), "{estimate:?}");
                prop_assert!(estimate.range.low >= 0.0 && estimate.range.high <= 1.0);
                prop_assert!(estimate.effective.is_none_or(|n| n > 0.0 && n <= estimate.total as f64));
            }
        }
    }
}
