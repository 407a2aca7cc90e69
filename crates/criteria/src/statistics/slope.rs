//! The slope of a noisy series, robust against outliers, with an interval that survives correlated noise.

use super::quantiles::{median, median_of_sorted, normal_quantile};
use super::{Range, SLOPE_CONFIDENCE, bootstrap, variance_inflation};

/// With fewer points a slope has no interval.
pub const MIN_POINTS: usize = 6;

/// A slope with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlopeEstimate {
    /// The slope, in y per x.
    pub slope: f64,
    /// Its 90 % interval.
    pub range: Range,
    /// How many points it rests on.
    pub points: usize,
    /// How many independent points they are worth: points / variance inflation.
    pub effective: f64,
    /// The spread of what the line leaves unexplained: largest - smallest residual, in y.
    pub residual_span: f64,
}

/// The Theil-Sen slope: the median of the slopes of all pairs of points (Theil 1950, Sen 1968). Up to 29 % of the
/// points may be arbitrarily wrong without moving it far. `None` when fewer than two points differ in x.
///
/// ```
/// use plimsoll_criteria::statistics::theil_sen;
/// assert_eq!(theil_sen(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 999.0), (4.0, 9.0)]), Some(2.0));
/// ```
#[must_use]
pub fn theil_sen(points: &[(f64, f64)]) -> Option<f64> {
    let mut slopes = pair_slopes(points);
    let n = slopes.len();
    if n == 0 {
        return None;
    }
    let (below, middle, _) = slopes.select_nth_unstable_by(n / 2, f64::total_cmp);
    if n % 2 == 1 {
        return Some(*middle);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    Some(f64::midpoint(lower, *middle))
}

/// Estimates the slope of `points` (ascending in x) with its interval; `None` with fewer than [`MIN_POINTS`] points.
///
/// The interval is the wider of two. First, Sen's: the slopes of rank `(N -+ z sqrt(Var S)) / 2` of the N pair slopes,
/// `Var S = n (n-1) (2n+5) / 18 * f`, with `f` the inflation of [`variance_inflation`] (Hamed and Rao 1998). Second, a
/// moving-block bootstrap of the residuals with a fixed seed (Künsch 1989).
#[must_use]
pub fn estimate_slope(points: &[(f64, f64)]) -> Option<SlopeEstimate> {
    if points.len() < MIN_POINTS {
        return None;
    }
    let mut slopes = pair_slopes(points);
    slopes.sort_by(f64::total_cmp);
    let slope = median_of_sorted(&slopes)?;
    let level = median(points.iter().map(|(x, y)| y - slope * x).collect())?;
    let fitted: Vec<(f64, f64)> = points.iter().map(|(x, _)| (*x, level + slope * x)).collect();
    let residuals: Vec<f64> = points.iter().zip(&fitted).map(|((_, y), (_, fit))| y - fit).collect();
    let inflation = variance_inflation(&residuals);
    let sen = sen_range(&slopes, points.len(), inflation);
    let range = bootstrap::slope_range(&fitted, &residuals).map_or(sen, |range| range.hull(sen));
    let largest = residuals.iter().copied().fold(f64::MIN, f64::max);
    let smallest = residuals.iter().copied().fold(f64::MAX, f64::min);
    Some(SlopeEstimate {
        slope,
        range: range.hull(Range { low: slope, high: slope }),
        points: points.len(),
        effective: points.len() as f64 / inflation,
        residual_span: largest - smallest,
    })
}

fn sen_range(sorted: &[f64], points: usize, inflation: f64) -> Range {
    let n = points as f64;
    let pairs = sorted.len() as f64;
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0 * inflation;
    let reach = normal_quantile(f64::midpoint(SLOPE_CONFIDENCE, 1.0)) * variance.sqrt();
    let low = ((pairs - reach) / 2.0).floor().max(1.0) as usize;
    let high = ((pairs + reach) / 2.0).ceil().min(pairs) as usize;
    Range { low: sorted[low - 1], high: sorted[high - 1] }
}

fn pair_slopes(points: &[(f64, f64)]) -> Vec<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    for (i, (x0, y0)) in points.iter().enumerate() {
        let later = points[i + 1..].iter().filter(|(x1, _)| x1 != x0);
        slopes.extend(later.map(|(x1, y1)| (y1 - y0) / (x1 - x0)));
    }
    slopes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_straight_line_has_its_slope_and_no_doubt() {
        let points: Vec<_> = (0..20).map(|i| (f64::from(i), 7.0 + 2.5 * f64::from(i))).collect();
        let estimate = estimate_slope(&points).unwrap();
        assert!((estimate.slope - 2.5).abs() < 1e-9 && estimate.range.half_width() < 1e-9, "{estimate:?}");
    }

    #[test]
    fn outliers_do_not_bend_it() {
        let mut points: Vec<_> = (0..20).map(|i| (f64::from(i), f64::from(i))).collect();
        points[3].1 = 1e6;
        points[11].1 = -1e6;
        let slope = estimate_slope(&points).unwrap().slope;
        assert!((slope - 1.0).abs() < 0.05, "{slope}");
    }

    #[test]
    fn too_few_points_have_no_slope() {
        assert_eq!(estimate_slope(&[(0.0, 0.0); 5]), None);
        assert_eq!(theil_sen(&[(1.0, 2.0), (1.0, 3.0)]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn shifting_and_scaling_shifts_and_scales(
            noise in prop::collection::vec(-1.0..1.0f64, 8..30), shift in -100.0..100.0f64
        ) {
            let points: Vec<_> = noise.iter().enumerate().map(|(i, y)| (i as f64, *y)).collect();
            let moved: Vec<_> = points.iter().map(|(x, y)| (*x, 4.0 * y + shift + 2.0 * x)).collect();
            let (a, b) = (estimate_slope(&points).unwrap(), estimate_slope(&moved).unwrap());
            prop_assert!((b.slope - (4.0 * a.slope + 2.0)).abs() < 1e-6);
            prop_assert!((b.range.high - (4.0 * a.range.high + 2.0)).abs() < 1e-6);
            prop_assert!(a.range.contains(a.slope));
        }

        #[test]
        fn the_same_points_give_the_same_interval_to_the_bit(noise in prop::collection::vec(-1.0..1.0f64, 6..40)) {
            let points: Vec<_> = noise.iter().enumerate().map(|(i, y)| (i as f64, *y)).collect();
            prop_assert_eq!(estimate_slope(&points), estimate_slope(&points));
        }
    }
}
