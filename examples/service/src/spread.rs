//! Seeded service times: how long the model thinks and a task runs. The nth draw is the same in every
//! run with the same seed; which request gets it depends on the order of arrival.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, LogNormal};

/// The spread of the logarithm: a twentieth of all draws is above twice the median.
const SIGMA: f64 = 0.42;
/// No draw is longer than so many medians: a rare outlier must not outlast a test.
const LONGEST: f64 = 5.0;

/// Log-normal durations, as service times mostly are: never below zero, with a tail to the right.
#[derive(Debug)]
pub(crate) struct Spread {
    seed: u64,
    drawn: AtomicU64,
    factors: LogNormal<f64>,
}

impl Spread {
    pub(crate) fn new(seed: u64) -> Self {
        let factors = LogNormal::new(0.0, SIGMA).expect("the spread is a constant above zero");
        Self { seed, drawn: AtomicU64::new(0), factors }
    }

    /// The next duration around this median.
    pub(crate) fn around(&self, median: Duration) -> Duration {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(self.drawn.fetch_add(1, Ordering::Relaxed));
        median.mul_f64(self.factors.sample(&mut random).min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_durations_around_their_median() {
        let draw = |seed| {
            let spread = Spread::new(seed);
            (0..1001).map(|_| spread.around(Duration::from_millis(100))).collect::<Vec<_>>()
        };
        let mut drawn = draw(7);
        assert_eq!(drawn, draw(7));
        assert_ne!(drawn, draw(8));
        drawn.sort_unstable();
        assert!((90..110).contains(&drawn[500].as_millis()), "{:?}", drawn[500]);
        assert!((170..230).contains(&drawn[950].as_millis()), "{:?}", drawn[950]);
        assert!(drawn[1000] <= Duration::from_millis(500));
    }
}
