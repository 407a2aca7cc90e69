//! A Poisson process: arrival i comes where the sum of i + 1 unit exponentials is due.
//!
//! That is the time change of a process of rate one (Lewis and Shedler, "Simulation of nonhomogeneous Poisson
//! processes by thinning", 1979, section 1), exact for every shape of the rate.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

use super::curve::Curve;

#[derive(Clone, Debug)]
pub(super) struct Poisson {
    curve: Curve,
    random: ChaCha8Rng,
    /// The sum of the exponentials drawn so far.
    expected: f64,
    /// How many were drawn.
    drawn: u64,
}

impl Poisson {
    pub(super) fn new(curve: Curve, seed: u64) -> Self {
        Self { curve, random: ChaCha8Rng::seed_from_u64(seed), expected: 0.0, drawn: 0 }
    }

    pub(super) fn peak(&self) -> f64 {
        self.curve.peak()
    }

    /// Draws up to arrival `index`: every share draws all of them, and so sees the same process.
    pub(super) fn at(&mut self, index: u64) -> Option<u64> {
        while self.drawn <= index {
            let gap: f64 = Exp1.sample(&mut self.random);
            self.expected += gap;
            self.drawn += 1;
            if self.expected > self.curve.expected_in_all() {
                return None;
            }
        }
        Some(self.curve.when(self.expected))
    }
}
