//! The statistics behind the judgements: pure functions of numbers, each with its formula and its source.
//!
//! Nothing here knows a run, a plan or a criterion, reads a clock or draws an unseeded random number: the same
//! numbers give the same answer, to the last bit.

mod quantiles;

mod batches;
mod proportion;

mod autocorrelation;
mod bootstrap;
mod curvature;
mod slope;

mod comparison;
mod kneedle;

pub use autocorrelation::variance_inflation;
pub use batches::{BATCH_SECONDS, Counts, MAX_BATCHES, MIN_BATCHES, Sums, batch_count, design_effect};
pub(crate) use comparison::paired_range;
pub use comparison::{difference, prediction_range};
pub use curvature::{Curvature, curvature};
pub use kneedle::kneedle;
pub use proportion::{ShareEstimate, estimate_share, most_hits, samples_to_certify, wilson};
pub use quantiles::{median, normal_quantile, quantile_of_sorted, student_quantile};
pub use slope::{MIN_POINTS, SlopeEstimate, estimate_slope, theil_sen};

/// The confidence of intervals on shares, percentiles and means.
pub const CONFIDENCE: f64 = 0.95;
/// The confidence of intervals on slopes: 90 %, which makes the comparison with a limit a pair of one-sided tests
/// at 5 % (Schuirmann 1987, two one-sided tests).
pub const SLOPE_CONFIDENCE: f64 = 0.90;

/// The two ends of an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Range {
    /// The smallest range that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// Half its length.
    #[must_use]
    pub fn half_width(self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// True when `value` lies inside or on an end.
    #[must_use]
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}
