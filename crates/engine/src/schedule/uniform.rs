//! Evenly spaced along the rate: arrival i (from 0) comes where i + 1/2 arrivals are due.

use super::curve::Curve;

#[derive(Clone, Debug)]
pub(super) struct Uniform {
    curve: Curve,
    count: u64,
}

impl Uniform {
    pub(super) fn new(curve: Curve) -> Self {
        let count = curve.expected_in_all().round() as u64;
        Self { curve, count }
    }

    pub(super) fn peak(&self) -> f64 {
        self.curve.peak()
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn at(&self, index: u64) -> Option<u64> {
        (index < self.count).then(|| self.curve.when(index as f64 + 0.5))
    }
}
