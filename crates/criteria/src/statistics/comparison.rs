//! Comparing what was measured twice: the interval of a difference, and where another run of the same kind would lie.

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::quantiles::student_quantile;
use super::{CONFIDENCE, Range};

const SEED: u64 = 0x7061_6972_6564_2121;
const REPLICATES: usize = 400;

/// The interval of `x - factor * y`, each given with its own interval (Zou and Donner 2008, "MOVER"): with l and u the
/// ends of x and of `factor * y`,
/// `L = x - y - sqrt((x - lx)^2 + (uy - y)^2)`, `U = x - y + sqrt((ux - x)^2 + (y - ly)^2)`.
///
/// It needs no assumption on the shape of either interval, only that x and y do not fall together; where they rise and
/// fall together, as two endpoints of one service do, it is too wide rather than too narrow.
///
/// ```
/// use plimsoll_criteria::statistics::{Range, difference};
/// let x = (120.0, Range { low: 116.0, high: 124.0 });
/// let y = (100.0, Range { low: 97.0, high: 103.0 });
/// assert_eq!(difference(x, y, 1.0), Range { low: 15.0, high: 25.0 });
/// ```
#[must_use]
pub fn difference(x: (f64, Range), y: (f64, Range), factor: f64) -> Range {
    let scaled = [y.1.low * factor, y.1.high * factor];
    let (low, high) = (scaled[0].min(scaled[1]), scaled[0].max(scaled[1]));
    let apart = x.0 - y.0 * factor;
    let down = (x.0 - x.1.low).hypot(high - y.0 * factor);
    let up = (x.1.high - x.0).hypot(y.0 * factor - low);
    Range { low: apart - down, high: apart + up }
}

/// The level of some runs of the same kind, and the interval in which another would lie with 95 % confidence; `None`
/// with one.
///
/// On the logarithm where all values are above zero: `m +- t(K-1) s sqrt(1 + 1/K)`, the prediction interval of one
/// more observation (for example Hahn and Meeker 1991, chapter 4). The level is `exp(m)`, the geometric mean.
///
/// ```
/// use plimsoll_criteria::statistics::prediction_range;
/// let (level, range) = prediction_range(&[100.0, 104.0, 96.0, 101.0, 99.0]);
/// let range = range.unwrap();
/// assert!((level - 99.97).abs() < 0.01 && (range.low - 91.5).abs() < 0.1 && (range.high - 109.2).abs() < 0.1, "{range:?}");
/// ```
#[must_use]
pub fn prediction_range(values: &[f64]) -> (f64, Option<Range>) {
    let logarithmic = values.iter().all(|value| *value > 0.0);
    let to = |value: f64| if logarithmic { value.ln() } else { value };
    let from = |value: f64| if logarithmic { value.exp() } else { value };
    let k = values.len() as f64;
    let mean = values.iter().map(|value| to(*value)).sum::<f64>() / k;
    if values.len() < 2 {
        return (from(mean), None);
    }
    let squares: f64 = values.iter().map(|value| (to(*value) - mean).powi(2)).sum();
    let reach = student_quantile(f64::midpoint(CONFIDENCE, 1.0), values.len() - 1)
        * (squares / (k - 1.0)).sqrt()
        * (1.0 + 1.0 / k).sqrt();
    (from(mean), Some(Range { low: from(mean - reach), high: from(mean + reach) }))
}

/// The 95 % percentile interval of a statistic of `count` parts, over drawn blocks of neighbouring parts (Künsch 1989,
/// block length: the cube root of the count). The seed is fixed. `None` when the statistic has no value for some draw.
pub(crate) fn paired_range(count: usize, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<Range> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let block = ((count as f64).cbrt().ceil() as usize).clamp(1, count);
    let mut values = Vec::with_capacity(REPLICATES);
    for _ in 0..REPLICATES {
        let mut drawn = Vec::with_capacity(count + block);
        while drawn.len() < count {
            let start = rng.random_range(0..=count - block);
            drawn.extend(start..start + block);
        }
        drawn.truncate(count);
        values.push(statistic(&drawn)?);
    }
    values.sort_by(f64::total_cmp);
    let tail = ((1.0 - CONFIDENCE) / 2.0 * REPLICATES as f64) as usize;
    Some(Range { low: values[tail], high: values[REPLICATES - 1 - tail] })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Noise;

    #[test]
    fn the_difference_of_two_normal_means_is_the_textbooks() {
        // 50 +- 3 and 40 +- 4: 10 +- 5.
        let range = difference((50.0, Range { low: 47.0, high: 53.0 }), (40.0, Range { low: 36.0, high: 44.0 }), 1.0);
        assert_eq!(range, Range { low: 5.0, high: 15.0 });
    }

    #[test]
    fn what_has_no_upper_end_leaves_the_difference_open() {
        let open = Range { low: 30.0, high: f64::INFINITY };
        let range = difference((30.0, open), (10.0, Range { low: 9.0, high: 11.0 }), 1.5);
        assert!(range.high.is_infinite() && (range.low - (15.0 - 1.5)).abs() < 1e-9, "{range:?}");
    }

    #[test]
    fn one_run_predicts_nothing_and_equal_runs_predict_themselves() {
        assert_eq!(prediction_range(&[5.0]), (5.0_f64.ln().exp(), None));
        let (level, range) = prediction_range(&[2.0, 2.0, 2.0]);
        let range = range.unwrap();
        assert!((level - 2.0).abs() < 1e-12 && (range.high - range.low).abs() < 1e-9);
        assert_eq!(prediction_range(&[0.0, 0.0]), (0.0, Some(Range { low: 0.0, high: 0.0 })));
    }

    #[test]
    fn another_run_of_the_same_code_lies_above_the_range_in_few_cases() {
        let mut noise = Noise::seeded(11);
        let mut run = || 100.0 * (0.03 * noise.normal()).exp();
        let above = (0..2_000).filter(|_| {
            let earlier: Vec<f64> = (0..5).map(|_| run()).collect();
            run() > prediction_range(&earlier).1.unwrap().high
        });
        let share = above.count() as f64 / 2_000.0;
        assert!((0.012..0.04).contains(&share), "{share}, nominal 0.025");
    }

    #[test]
    fn a_paired_range_cancels_what_both_runs_share() {
        let mut noise = Noise::seeded(5);
        let mood = noise.autoregressive(60, 5.0);
        let later: Vec<f64> = mood.iter().map(|mood| 100.0 + 20.0 * mood + noise.normal()).collect();
        let mean = |values: &[f64], drawn: &[usize]| drawn.iter().map(|i| values[*i]).sum::<f64>() / drawn.len() as f64;
        let earlier: Vec<f64> = mood.iter().map(|mood| 95.0 + 20.0 * mood).collect();
        let range = paired_range(60, |drawn| Some(mean(&later, drawn) - mean(&earlier, drawn))).unwrap();
        assert!(range.low > 4.0 && range.high < 6.0, "{range:?}");
        assert_eq!(paired_range(60, |_| None), None);
    }

    proptest! {
        #[test]
        fn the_difference_lies_in_its_range(
            x in -1e3..1e3f64, y in -1e3..1e3f64, arms in prop::array::uniform4(0.0..1e2f64), factor in -3.0..3.0f64
        ) {
            let range = difference(
                (x, Range { low: x - arms[0], high: x + arms[1] }),
                (y, Range { low: y - arms[2], high: y + arms[3] }),
                factor,
            );
            prop_assert!(range.contains(x - factor * y), "{range:?}");
        }
    }
}
