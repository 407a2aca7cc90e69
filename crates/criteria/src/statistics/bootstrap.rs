//! A moving-block bootstrap of the slope: what the slope might have been, had the noise come in another order.
//!
//! Blocks keep neighbours together, so that noise stays as correlated as it was (Künsch 1989). The seed is fixed:
//! the same points give the same interval, always.

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::Range;
use super::slope::theil_sen;

const SEED: u64 = 0x706c_696d_736f_6c6c;
const REPLICATES: usize = 200;

/// The 90 % percentile interval of the Theil-Sen slope over resampled residuals. `fitted` are the points on the
/// line, `residuals` what the data added to them. Block length: the cube root of n, at least 2.
pub(super) fn slope_range(fitted: &[(f64, f64)], residuals: &[f64]) -> Option<Range> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let block = ((residuals.len() as f64).cbrt().ceil() as usize).max(2);
    let starts = residuals.len().checked_sub(block)? + 1;
    let mut slopes: Vec<f64> = Vec::with_capacity(REPLICATES);
    for _ in 0..REPLICATES {
        let mut noise = Vec::with_capacity(residuals.len() + block);
        while noise.len() < residuals.len() {
            let start = rng.random_range(0..starts);
            noise.extend_from_slice(&residuals[start..start + block]);
        }
        let points: Vec<_> = fitted.iter().zip(noise).map(|((x, y), noise)| (*x, y + noise)).collect();
        slopes.push(theil_sen(&points)?);
    }
    slopes.sort_by(f64::total_cmp);
    Some(Range { low: slopes[REPLICATES / 20], high: slopes[REPLICATES - 1 - REPLICATES / 20] })
}
