//! One run against others: what got slower, beyond what chance and habit explain, and what else differs between them.
//!
//! The unit of comparison is the run, not the request: with a hundred thousand requests a side, two runs of identical
//! code differ "significantly" almost always. Three or more base runs say by their own spread what is usual; with one,
//! blocks of time are resampled, and only a change beyond the tolerance counts. Nothing is rendered here.

mod change_points;
mod environment;
mod history;
mod pair;
mod suggestion;

use plimsoll_record::units::Unit;

use crate::statistics::Range;

pub use change_points::{ChangePoint, change_points};
pub use environment::differences;
pub use history::{FEWEST_BASES, against_history};
pub use pair::{CompareError, against_one};
pub use suggestion::{FEWEST_RUNS, Suggestion, suggest};

/// What two runs, or a run and its history, say about a metric at an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The endpoint; empty for all.
    pub endpoint: String,
    /// The metric, in the words of criteria.
    pub metric: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// The value of the base; the geometric mean of several.
    pub base: f64,
    /// The value of the candidate.
    pub candidate: f64,
    /// The change: relative to the base, or for shares the difference itself.
    pub change: f64,
    /// Where the true change lies, with the confidence of a comparison.
    pub range: Range,
    /// What it means.
    pub finding: Finding,
}

/// What a change means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Better, surely and by more than the tolerance.
    Better,
    /// Within the tolerance, surely.
    Same,
    /// The data cannot tell.
    Unclear,
    /// Worse, surely, and by more than the tolerance.
    Worse,
    /// Worse, surely, and by more than twice the tolerance.
    MuchWorse,
}

impl Finding {
    /// The word in files and on screens.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "same",
            Self::Unclear => "unclear",
            Self::Worse => "worse",
            Self::MuchWorse => "much worse",
        }
    }
}

/// How much may change without being called a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Relative, e.g. 0.05.
    pub relative: f64,
    /// Of times, in seconds: below it no relative change matters.
    pub seconds: f64,
}

impl Default for Tolerance {
    /// 5 % and 1 ms.
    fn default() -> Self {
        Self { relative: 0.05, seconds: 0.001 }
    }
}

/// A metric that is compared.
#[derive(Clone, Copy, Debug)]
struct Compared {
    metric: &'static str,
    unit: Unit,
    more_is_worse: bool,
}

const fn compared(metric: &'static str, unit: Unit, more_is_worse: bool) -> Compared {
    Compared { metric, unit, more_is_worse }
}

/// What is compared, in the order in which it is shown.
const METRICS: [Compared; 6] = [
    compared("p50", Unit::Seconds, true),
    compared("p95", Unit::Seconds, true),
    compared("p99", Unit::Seconds, true),
    compared("mean", Unit::Seconds, true),
    compared("error_rate", Unit::Share, true),
    compared("throughput", Unit::PerSecond, false),
];

/// Of a share the tolerance is absolute: a tenth of the relative one, so half a percentage point for 5 %.
const SHARE_TOLERANCE: f64 = 0.1;

impl Compared {
    /// The scale on which values are compared: shares as they are, all else by its logarithm.
    fn scaled(self, value: f64) -> Option<f64> {
        match self.unit {
            Unit::Share => Some(value),
            _ => (value > 0.0).then(|| value.ln()),
        }
    }

    /// A difference on that scale as a change.
    fn unscaled(self, difference: f64) -> f64 {
        if self.unit == Unit::Share { difference } else { difference.exp_m1() }
    }

    /// What a change means whose true size lies in `range`.
    fn finding(self, base: f64, candidate: f64, change: f64, range: Range, tolerance: Tolerance) -> Finding {
        let (change, range) =
            if self.more_is_worse { (change, range) } else { (-change, Range { low: -range.high, high: -range.low }) };
        let limit = if self.unit == Unit::Share { tolerance.relative * SHARE_TOLERANCE } else { tolerance.relative };
        let small = self.unit == Unit::Seconds && (candidate - base).abs() < tolerance.seconds;
        if small || -limit < range.low && range.high < limit {
            Finding::Same
        } else if range.low > 0.0 && change > 2.0 * limit {
            Finding::MuchWorse
        } else if range.low > 0.0 && change > limit {
            Finding::Worse
        } else if range.high < 0.0 && change < -limit {
            Finding::Better
        } else {
            Finding::Unclear
        }
    }

    fn change(self, endpoint: &str, base: f64, candidate: f64, half: f64, tolerance: Tolerance) -> Option<Change> {
        let difference = self.scaled(candidate)? - self.scaled(base)?;
        let range = Range { low: self.unscaled(difference - half), high: self.unscaled(difference + half) };
        let change = self.unscaled(difference);
        let finding = self.finding(base, candidate, change, range, tolerance);
        let endpoint = endpoint.to_owned();
        Some(Change { endpoint, metric: self.metric, unit: self.unit, base, candidate, change, range, finding })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(metric: &str, base: f64, candidate: f64, half: f64, finding: Finding) {
        let metric = METRICS.into_iter().find(|one| one.metric == metric).unwrap();
        let change = metric.change("", base, candidate, half, Tolerance::default()).unwrap();
        assert_eq!(change.finding, finding, "{change:?}");
    }

    #[test]
    fn a_change_must_be_sure_and_matter() {
        check("p95", 0.100, 0.125, 0.05, Finding::MuchWorse);
        check("p95", 0.100, 0.108, 0.03, Finding::Worse);
        check("p95", 0.100, 0.108, 0.12, Finding::Unclear);
        check("p95", 0.100, 0.102, 0.01, Finding::Same);
        check("p95", 0.100, 0.080, 0.05, Finding::Better);
        // Half of a millisecond is nothing, however sure.
        check("p95", 0.0005, 0.0009, 0.01, Finding::Same);
    }

    #[test]
    fn less_throughput_is_worse_and_shares_are_compared_by_their_difference() {
        check("throughput", 100.0, 80.0, 0.05, Finding::MuchWorse);
        check("throughput", 80.0, 100.0, 0.05, Finding::Better);
        check("error_rate", 0.0, 0.03, 0.01, Finding::MuchWorse);
        check("error_rate", 0.0, 0.001, 0.0005, Finding::Same);
    }
}
