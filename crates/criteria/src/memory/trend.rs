//! How fast a line rises, whether that is too fast, and whether it lasts.

use super::line::Line;
use crate::statistics::{SlopeEstimate, curvature, estimate_slope, theil_sen};

/// In a shorter window, growth must also stand out from the series' own wobble to be called growth, and stability
/// from it to be called stability: half a minute of slow noise looks like a trend.
pub(crate) const SHORT_WINDOW_S: f64 = 240.0;
/// By these factors.
const CLEAR_OF_WOBBLE: f64 = 5.0;
const BELOW_WOBBLE: f64 = 1.5;
/// Growth must go on for this long to be called a leak, and as much must be left when a first half is dropped.
pub(super) const LONG_ENOUGH_S: f64 = 300.0;
/// Growth slows down when the intervals of the halves' slopes would not meet if they were this much wider (two
/// intervals of few buckets miss one another too often by chance), and the last half is no faster than this share of the
/// first.
const CERTAINLY_APART: f64 = 2.0;
const CLEARLY_SLOWER: f64 = 0.6;
/// In a window too short for a leak the halves have too few buckets for that. There it slows down when the parabola through all of
/// it bends down by so many standard errors, and the last half is no faster than this share of the first.
const CERTAINLY_BENT: f64 = 3.0;
const PERHAPS_SLOWER: f64 = 0.85;

/// The trend of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trend {
    pub(crate) estimate: SlopeEstimate,
    /// The slope of the last half alone.
    pub(crate) late: f64,
    /// The slope of the floor; `None` when it has none.
    pub(crate) floor: Option<f64>,
    pub(crate) call: Call,
}

/// What a trend says about a limit on growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Certainly below the limit, at the end as well.
    Stable,
    /// Certainly above it, at the end as well.
    Candidate,
    /// The interval holds the limit.
    Between,
    /// Above it on the whole, but not in the last half.
    OnlyEarly,
    /// Below it on the whole, but not in the last half.
    OnlyLate,
    /// On one side, but in a short window not clear of the series' own wobble.
    Wobble,
}

/// Growth that slows down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settling {
    /// The slope of the first half, per second.
    pub(crate) first: f64,
    /// The slope of the last half, per second.
    pub(crate) last: f64,
    /// The time in which the slope falls to 37 %, in seconds.
    pub(crate) tau_s: f64,
    /// The time from the end of the window until the slope is below the limit, in seconds; 0 when it is.
    pub(crate) until_limit_s: f64,
}

impl Trend {
    /// `None` with too few buckets.
    pub(super) fn of(line: &Line, limit: f64) -> Option<Self> {
        let estimate = estimate_slope(&line.buckets)?;
        let late = theil_sen(line.last_half()).unwrap_or(estimate.slope);
        let floor = theil_sen(&line.floor);
        Some(Self { estimate, late, floor, call: call(line, &estimate, late, limit) })
    }
}

fn call(line: &Line, estimate: &SlopeEstimate, late: f64, limit: f64) -> Call {
    let wobble = if line.seconds < SHORT_WINDOW_S { estimate.residual_span / line.seconds } else { 0.0 };
    if estimate.range.high < limit {
        below(estimate.slope + BELOW_WOBBLE * wobble, late, limit)
    } else if estimate.range.low > limit {
        above(estimate.slope, CLEAR_OF_WOBBLE * wobble, late, limit)
    } else {
        Call::Between
    }
}

fn below(worst: f64, late: f64, limit: f64) -> Call {
    if late >= limit {
        Call::OnlyLate
    } else if worst >= limit {
        Call::Wobble
    } else {
        Call::Stable
    }
}

fn above(slope: f64, wobble: f64, late: f64, limit: f64) -> Call {
    if late <= limit {
        Call::OnlyEarly
    } else if slope < wobble {
        Call::Wobble
    } else {
        Call::Candidate
    }
}

impl Settling {
    /// Growth whose last half is certainly and clearly slower than its first; `None` when it is not, or there are too
    /// few points to tell. `points` are (seconds since the window began, value), taken every `every_s` seconds.
    pub(super) fn of(points: &[(f64, f64)], seconds: f64, every_s: f64, limit: f64) -> Option<Self> {
        let middle = points.partition_point(|(x, _)| *x < seconds / 2.0);
        let late: Vec<(f64, f64)> = points[middle..].iter().map(|(x, y)| (x - seconds / 2.0, *y)).collect();
        let slope = |points: &[(f64, f64)]| estimate_slope(&Line::through(points, seconds / 2.0, every_s).buckets);
        let (first, last) = (slope(&points[..middle])?, slope(&late)?);
        let reach = (first.slope - first.range.low) + (last.range.high - last.slope);
        let apart = first.slope - last.slope > CERTAINLY_APART * reach && last.slope < CLEARLY_SLOWER * first.slope;
        let bends = || {
            let all = Line::through(points, seconds, every_s);
            last.slope < PERHAPS_SLOWER * first.slope
                && curvature(&all.buckets).is_some_and(|curvature| curvature.t < -CERTAINLY_BENT)
        };
        (first.slope > 0.0 && (apart || seconds < LONG_ENOUGH_S && bends()))
            .then(|| Self::between(first.slope, last.slope, seconds, limit))
    }

    /// From `b(t) = b0 exp(-t / tau)`: the slopes of two halves, half a window apart, give tau.
    fn between(first: f64, last: f64, seconds: f64, limit: f64) -> Self {
        let tau_s = if last > 0.0 { seconds / 2.0 / (first / last).ln() } else { 0.0 };
        let until_limit_s = if last > limit && limit > 0.0 { tau_s * (last / limit).ln() } else { 0.0 };
        Self { first, last, tau_s, until_limit_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_that_halves_every_five_minutes_is_below_the_limit_after_as_many_halvings() {
        // By hand: 8 and 4 MB/min half of ten minutes apart: tau = 300 / ln 2 = 432.8 s; from 4 to 1 MB/min takes
        // tau ln 4 = 600 s.
        let settling = Settling::between(8e6 / 60.0, 4e6 / 60.0, 600.0, 1e6 / 60.0);
        assert!((settling.tau_s - 432.8).abs() < 0.1 && (settling.until_limit_s - 600.0).abs() < 0.1, "{settling:?}");
    }

    #[test]
    fn a_curve_that_flattens_is_settling_and_a_line_is_not() {
        let settling = |value: fn(f64) -> f64| {
            let points: Vec<_> = (0..570).map(|i| (f64::from(i), value(f64::from(i)))).collect();
            Settling::of(&points, 570.0, 1.0, 1e6 / 60.0)
        };
        let flattens = settling(|t| 20e6 * (1.0 - (-t / 120.0).exp())).unwrap();
        assert!((60.0..200.0).contains(&flattens.tau_s), "{flattens:?}");
        assert_eq!(settling(|t| 1e5 * t), None);
    }
}
