//! Where a series of runs changed its level: binary segmentation, each cut proven by a permutation test.
//!
//! The best cut is the one with the largest distance between the means of both sides, in standard errors of a sample
//! without a cut (the likelihood ratio of one change of a normal mean; Hawkins 1977). It counts when fewer than 1 % of
//! the same values in random order have one as large. Then both sides are searched. The order of values is all that is
//! used, so no distribution is assumed.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

const SEED: u64 = 0x706c_696d_6375_7473;
const PERMUTATIONS: usize = 999;
const SIGNIFICANCE: f64 = 0.01;
/// Runs on either side of a cut.
const FEWEST: usize = 3;

/// A change of level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// The first value of the new level.
    pub index: usize,
    /// The mean before it, back to the change before.
    pub before: f64,
    /// The mean from it on, up to the next change.
    pub after: f64,
    /// The share of random orders with a cut as large.
    pub p: f64,
}

/// The changes of level in a series, in order. Fewer than six values have none that could be proven.
#[must_use]
pub fn change_points(values: &[f64]) -> Vec<ChangePoint> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut cuts = Vec::new();
    search(values, 0, &mut rng, &mut cuts);
    cuts.sort_by_key(|(index, _)| *index);
    let ends: Vec<usize> = cuts.iter().map(|(index, _)| *index).chain([values.len()]).collect();
    let mut from = 0;
    let mut points = Vec::new();
    for (place, (index, p)) in cuts.into_iter().enumerate() {
        let (before, after) = (mean(&values[from..index]), mean(&values[index..ends[place + 1]]));
        points.push(ChangePoint { index, before, after, p });
        from = index;
    }
    points
}

fn search(values: &[f64], offset: usize, rng: &mut ChaCha8Rng, cuts: &mut Vec<(usize, f64)>) {
    let Some((index, distance)) = best_cut(values) else { return };
    let mut shuffled = values.to_vec();
    let mut as_large = 0;
    for _ in 0..PERMUTATIONS {
        shuffled.shuffle(rng);
        as_large += usize::from(best_cut(&shuffled).is_some_and(|(_, other)| other >= distance));
    }
    let p = (as_large + 1) as f64 / (PERMUTATIONS + 1) as f64;
    if p <= SIGNIFICANCE {
        cuts.push((offset + index, p));
        search(&values[..index], offset, rng, cuts);
        search(&values[index..], offset + index, rng, cuts);
    }
}

/// The cut with the largest distance between both sides, as their difference times `sqrt(n m / (n + m))`.
fn best_cut(values: &[f64]) -> Option<(usize, f64)> {
    let whole: f64 = values.iter().sum();
    let mut left: f64 = values.iter().take(FEWEST - 1).sum();
    let mut best = None;
    for index in FEWEST..=values.len().checked_sub(FEWEST)? {
        left += values[index - 1];
        let (n, m) = (index as f64, (values.len() - index) as f64);
        let distance = (left / n - (whole - left) / m).abs() * (n * m / (n + m)).sqrt();
        if best.is_none_or(|(_, most)| distance > most) {
            best = Some((index, distance));
        }
    }
    best
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Noise;

    fn levels(levels: &[(usize, f64)]) -> Vec<f64> {
        let mut noise = Noise::seeded(5);
        levels
            .iter()
            .flat_map(|(n, level)| (0..*n).map(|_| level + 0.05 * noise.normal()).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn each_change_of_level_is_found_where_it_is() {
        let points = change_points(&levels(&[(8, 1.0), (7, 1.5), (9, 1.2)]));
        assert_eq!(points.iter().map(|point| point.index).collect::<Vec<_>>(), [8, 15]);
        assert!((points[0].before - 1.0).abs() < 0.05 && (points[0].after - 1.5).abs() < 0.05, "{points:?}");
    }

    #[test]
    fn noise_and_a_single_odd_run_are_no_change() {
        assert_eq!(change_points(&levels(&[(30, 1.0)])), []);
        let mut odd = levels(&[(20, 1.0)]);
        odd[10] = 3.0;
        assert_eq!(change_points(&odd), []);
        assert_eq!((change_points(&[]), change_points(&[1.0, 2.0, 3.0, 4.0, 5.0])), (vec![], vec![]));
    }
}
