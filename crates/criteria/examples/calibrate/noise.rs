//! Seeded noise: the same seed gives the same series on every machine.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers.
#[derive(Debug)]
pub(crate) struct Noise(ChaCha8Rng);

impl Noise {
    /// The stream of one series: `base` is what a whole calibration is repeated with.
    pub(crate) fn of(base: u64, family: u64, length: u64, number: u64) -> Self {
        let mut seed = [0; 32];
        for (part, value) in seed.chunks_mut(8).zip([base, family, length, number]) {
            part.copy_from_slice(&value.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// Uniform in 0..1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// Uniform between two numbers.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Standard normal, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// `n` values of an autoregressive series of unit variance, whose correlation falls to 37 % in `tau` steps.
    pub(crate) fn autoregressive(&mut self, n: usize, tau: f64) -> Vec<f64> {
        let rho = (-1.0 / tau).exp();
        let mut level = self.normal();
        let mut next = || {
            level = rho * level + (1.0 - rho * rho).sqrt() * self.normal();
            level
        };
        (0..n).map(|_| next()).collect()
    }

    /// `n` values of a random walk with steps of unit variance, from 0.
    pub(crate) fn walk(&mut self, n: usize) -> Vec<f64> {
        let mut level = 0.0;
        let mut next = || {
            level += self.normal();
            level
        };
        (0..n).map(|_| next()).collect()
    }
}
