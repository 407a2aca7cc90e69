//! Quantiles: of the normal and Student's t distribution, and the median of numbers at hand.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The quantile of the standard normal distribution at `p`, 0 < p < 1.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// The quantile of Student's t distribution with `freedom` degrees of freedom (1 or more) at `p`, 0 < p < 1.
///
/// ```
/// let t = plimsoll_criteria::statistics::student_quantile(0.975, 5);
/// assert!((t - 2.571).abs() < 0.001);
/// ```
#[must_use]
pub fn student_quantile(p: f64, freedom: usize) -> f64 {
    let freedom = freedom.max(1) as f64;
    StudentsT::new(0.0, 1.0, freedom).expect("one or more degrees of freedom and scale 1 are valid").inverse_cdf(p)
}

/// The median: the middle value, or the mean of the two middle ones. `None` without values.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    median_of_sorted(&values)
}

/// The quantile at `p` (0 to 1) of values in ascending order, between two of them in proportion. `None` without values.
#[must_use]
pub fn quantile_of_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    let place = p.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let below = sorted[place.floor() as usize];
    Some(below + (sorted[place.ceil() as usize] - below) * place.fract())
}

/// The median of values in ascending order.
pub(super) fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_match_the_tables() {
        assert!((normal_quantile(0.975) - 1.959_964).abs() < 1e-5);
        assert!((normal_quantile(0.95) - 1.644_854).abs() < 1e-5);
        assert!((student_quantile(0.975, 11) - 2.200_985).abs() < 1e-4);
        assert!((student_quantile(0.95, 1) - 6.313_752).abs() < 1e-3);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
