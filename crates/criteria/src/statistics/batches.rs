//! Batches: consecutive stretches of a run, compared with one another to see how much requests resemble their
//! neighbours.
//!
//! Requests of one second share the server's mood, so 10,000 requests are not 10,000 independent observations. How
//! far apart the batches lie says how many they are worth.

use super::Range;
use super::quantiles::student_quantile;

/// The shortest batch in seconds: long against the moods of a server (garbage collection, saves, neighbours).
pub const BATCH_SECONDS: f64 = 20.0;
/// With fewer batches their spread says too little, and requests are taken as independent.
pub const MIN_BATCHES: usize = 6;
/// More batches add little and make each one shorter.
pub const MAX_BATCHES: usize = 12;

/// How many batches a window of `seconds` is cut into: 6 to 12 of 20 s or more, else one.
///
/// ```
/// use plimsoll_criteria::statistics::batch_count;
/// assert_eq!((batch_count(60.0), batch_count(180.0), batch_count(3600.0)), (1, 9, 12));
/// ```
#[must_use]
pub fn batch_count(seconds: f64) -> usize {
    let fitting = (seconds / BATCH_SECONDS).floor() as usize;
    if fitting < MIN_BATCHES { 1 } else { fitting.min(MAX_BATCHES) }
}

/// How often something happened in one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often it happened.
    pub hits: u64,
    /// How often it could have happened.
    pub total: u64,
}

/// The design effect: how many times larger the variance of the share is than that of independent observations; 1
/// or more.
///
/// `DEFF = max(1, V / (p (1-p) / n))`, where `V = B/(B-1) * sum (x_b - p n_b)^2 / n^2` is the variance of a ratio
/// estimated from B clusters (Kish 1965, Survey Sampling; Cochran 1977, section 9A). With batches of equal size V is
/// the variance of the batch shares over B. It is 1 when nothing or everything happened: there is no spread to see.
#[must_use]
pub fn design_effect(batches: &[Counts]) -> f64 {
    let used: Vec<Counts> = batches.iter().copied().filter(|batch| batch.total > 0).collect();
    let n = used.iter().map(|batch| batch.total).sum::<u64>() as f64;
    let hits = used.iter().map(|batch| batch.hits).sum::<u64>() as f64;
    if used.len() < MIN_BATCHES || hits == 0.0 || hits == n {
        return 1.0;
    }
    let p = hits / n;
    let b = used.len() as f64;
    let spread: f64 = used.iter().map(|batch| (batch.hits as f64 - p * batch.total as f64).powi(2)).sum();
    let clustered = b / (b - 1.0) * spread / (n * n);
    (clustered / (p * (1.0 - p) / n)).max(1.0)
}

/// The sum of a quantity over the observations of one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// The sum.
    pub sum: f64,
    /// How many observations.
    pub count: u64,
}

impl Sums {
    /// The 95 % interval of the mean over all observations, from the spread of the batches: `m +- t(B-1) sqrt(V)`
    /// with V as in [`design_effect`]. `None` with fewer than six batches that hold observations.
    #[must_use]
    pub fn mean_range(batches: &[Self]) -> Option<Range> {
        let used: Vec<Self> = batches.iter().copied().filter(|batch| batch.count > 0).collect();
        if used.len() < MIN_BATCHES {
            return None;
        }
        let n = used.iter().map(|batch| batch.count).sum::<u64>() as f64;
        let mean = used.iter().map(|batch| batch.sum).sum::<f64>() / n;
        let b = used.len() as f64;
        let spread: f64 = used.iter().map(|batch| (batch.sum - mean * batch.count as f64).powi(2)).sum();
        let half = student_quantile(0.975, used.len() - 1) * (b / (b - 1.0) * spread).sqrt() / n;
        Some(Range { low: mean - half, high: mean + half })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(hits: &[u64], total: u64) -> Vec<Counts> {
        hits.iter().map(|&hits| Counts { hits, total }).collect()
    }

    #[test]
    fn batches_that_agree_have_no_design_effect() {
        assert_eq!(design_effect(&counts(&[10, 10, 10, 10, 10, 10], 100)), 1.0);
    }

    #[test]
    fn one_bad_batch_costs_most_of_the_sample() {
        // By hand: p = 0.1, n = 600; spread = 5 * 10^2 + 50^2 = 3000; V = 6/5 * 3000 / 600^2 = 0.01;
        // p (1-p) / n = 0.00015; DEFF = 66.7.
        let effect = design_effect(&counts(&[0, 0, 60, 0, 0, 0], 100));
        assert!((effect - 66.67).abs() < 0.01, "{effect}");
    }

    #[test]
    fn nothing_and_everything_show_no_spread() {
        assert_eq!(design_effect(&counts(&[0; 6], 100)), 1.0);
        assert_eq!(design_effect(&counts(&[100; 6], 100)), 1.0);
    }

    #[test]
    fn the_mean_of_batches_lies_in_its_interval() {
        let batches: Vec<Sums> = (1..=6).map(|i| Sums { sum: f64::from(i) * 10.0, count: 10 }).collect();
        // Batch means 1..6: mean 3.5, standard deviation 1.871, t(5) = 2.571: half width 2.571 * 1.871 / sqrt(6).
        let range = Sums::mean_range(&batches).unwrap();
        assert!((range.low - (3.5 - 1.963)).abs() < 0.005 && (range.high - (3.5 + 1.963)).abs() < 0.005, "{range:?}");
        assert_eq!(Sums::mean_range(&batches[..5]), None);
    }
}
