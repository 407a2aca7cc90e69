//! How much neighbours of a series resemble one another, and what that does to the variance of a trend.

/// Below this many points sample autocorrelations are too small by an amount that matters.
const FEW_POINTS: usize = 16;
/// A series cannot be told from a random walk beyond this; it also keeps the inflation finite.
const LARGEST_CORRELATION: f64 = 0.95;

/// How many times larger the variance of a rank trend test is because the residuals resemble their neighbours; 1
/// or more.
///
/// `f = 1 + 2 sum_k (1 - k/n) rho_k` over the residuals' autocorrelations up to the first that is not positive
/// (Hamed and Rao 1998). With fewer than 16 points the sample autocorrelation of detrended residuals is too small by
/// about `(2 + 4 rho) / n` (Marriott and Pope 1954, with a trend removed as well as a mean); then the larger of `f`
/// and of the same sum for an autoregressive series with the corrected `rho_1 = (n r_1 + 2) / (n - 4)`, at most 0.95,
/// counts.
#[must_use]
pub fn variance_inflation(residuals: &[f64]) -> f64 {
    let n = residuals.len();
    if n < 4 || residuals.windows(2).all(|pair| pair[0] == pair[1]) {
        return 1.0;
    }
    let seen = (1..n - 1).map(|lag| correlation(residuals, lag)).take_while(|rho| *rho > 0.0);
    let inflation = inflate(n, seen);
    if n >= FEW_POINTS || n <= 4 {
        return inflation;
    }
    let first = (n as f64 * correlation(residuals, 1) + 2.0) / (n as f64 - 4.0);
    let first = first.clamp(0.0, LARGEST_CORRELATION);
    inflation.max(inflate(n, std::iter::successors(Some(first), |rho| Some(rho * first)).take(n - 1)))
}

fn inflate(n: usize, correlations: impl Iterator<Item = f64>) -> f64 {
    let weighted = correlations.zip(1..n).map(|(rho, lag)| (1.0 - lag as f64 / n as f64) * rho);
    1.0 + 2.0 * weighted.sum::<f64>()
}

fn correlation(values: &[f64], lag: usize) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if variance == 0.0 {
        return 0.0;
    }
    let product = |(a, b): (&f64, &f64)| (a - mean) * (b - mean);
    values.iter().zip(&values[lag..]).map(product).sum::<f64>() / variance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternating_residuals_inflate_nothing() {
        let residuals: Vec<f64> = (0..40).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        assert_eq!(variance_inflation(&residuals), 1.0);
    }

    #[test]
    fn slow_waves_inflate_a_lot() {
        let residuals: Vec<f64> = (0..40).map(|i| (f64::from(i) / 6.0).sin()).collect();
        assert!(variance_inflation(&residuals) > 5.0);
    }

    #[test]
    fn few_points_get_no_benefit_of_the_doubt() {
        // Eight points whose sample autocorrelation happens to be about zero may well be correlated.
        let residuals = [1.0, -0.5, 0.2, -0.9, 0.8, 0.6, -0.7, 0.1];
        assert!(variance_inflation(&residuals) >= 1.0);
        let smooth = [1.0, 0.8, 0.3, -0.4, -0.9, -0.6, 0.1, 0.5];
        assert!(variance_inflation(&smooth) > 4.0, "{}", variance_inflation(&smooth));
    }

    #[test]
    fn a_constant_series_has_nothing_to_inflate() {
        assert_eq!(variance_inflation(&[2.0; 30]), 1.0);
    }
}
