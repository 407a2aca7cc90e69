//! The buckets a line is laid through: medians over stretches of time, and their floor.

use crate::statistics::{MIN_POINTS, median, quantile_of_sorted};

/// What is skipped at the start of the window: a tenth of it, within these bounds, in seconds.
const GUARD_S: (f64, f64) = (5.0, 30.0);
const GUARD_SHARE: f64 = 0.1;
/// Buckets: at least 8 of at least 5 s where the window allows it, at most 120.
const SHORTEST_BUCKET_S: f64 = 5.0;
const WANTED_BUCKETS: f64 = 8.0;
const MOST_BUCKETS: f64 = 120.0;
/// The share of a bucket's values that lie below its floor.
const FLOOR: f64 = 0.1;
/// Values that come back this well after a time have that period.
const PERIODIC: f64 = 0.6;
/// A period is looked for in at most so many stretches of the window.
const MOST_LAGS: usize = 600;

/// The buckets of a stretch of a series.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// How long the stretch is.
    pub(crate) seconds: f64,
    /// How long a bucket is.
    pub(crate) bucket_s: f64,
    /// (seconds since the stretch began, median) per bucket that holds a value.
    pub(crate) buckets: Vec<(f64, f64)>,
    /// The same with the tenth percentile: what is left when a sawtooth has dropped.
    pub(crate) floor: Vec<(f64, f64)>,
}

impl Line {
    /// Puts `points`, as (seconds since the stretch began, value), into buckets.
    pub(super) fn through(points: &[(f64, f64)], seconds: f64, every_s: f64) -> Self {
        let usual = bucket_seconds(seconds, every_s);
        let fits = |period: &f64| *period > usual && seconds / period >= MIN_POINTS as f64;
        let bucket_s = period(points, seconds, every_s).filter(fits).unwrap_or(usual);
        let filled = fill(points, seconds, bucket_s);
        let of = |value: fn(Vec<f64>) -> Option<f64>| {
            let point = |bucket: &Vec<(f64, f64)>| {
                let x = bucket.iter().map(|(x, _)| x).sum::<f64>() / bucket.len() as f64;
                Some((x, value(bucket.iter().map(|(_, y)| *y).collect())?))
            };
            filled.iter().filter_map(point).collect()
        };
        Self { seconds, bucket_s, buckets: of(median), floor: of(tenth) }
    }

    /// The buckets of the last half.
    pub(super) fn last_half(&self) -> &[(f64, f64)] {
        &self.buckets[self.buckets.len() / 2..]
    }
}

/// What is skipped at the start of a window, in seconds.
pub(crate) fn usual_guard(window_s: f64) -> f64 {
    (window_s * GUARD_SHARE).clamp(GUARD_S.0, GUARD_S.1)
}

/// The shortest window with enough buckets of `bucket_s` behind the guard, in seconds.
pub(crate) fn shortest_window(bucket_s: f64) -> f64 {
    let needed = SHORTEST_BUCKET_S.max(bucket_s) * MIN_POINTS as f64;
    (needed / (1.0 - GUARD_SHARE)).max(needed + GUARD_S.0).ceil()
}

/// 15, 30 or 60 s for windows up to 5, up to 15 and over 15 minutes; shorter in short windows, never shorter than
/// the sampling interval.
fn bucket_seconds(window_s: f64, every_s: f64) -> f64 {
    let usual = match window_s {
        short if short <= 300.0 => 15.0,
        medium if medium <= 900.0 => 30.0,
        _ => 60.0,
    };
    f64::min(usual, window_s / WANTED_BUCKETS).max(SHORTEST_BUCKET_S).max(window_s / MOST_BUCKETS).max(every_s)
}

fn fill(points: &[(f64, f64)], window_s: f64, bucket_s: f64) -> Vec<Vec<(f64, f64)>> {
    let count = (window_s / bucket_s).floor().max(1.0) as usize;
    let mut filled: Vec<Vec<(f64, f64)>> = vec![Vec::new(); count];
    for (x, y) in points {
        filled[((x / bucket_s) as usize).min(count - 1)].push((*x, *y));
    }
    filled.retain(|bucket| !bucket.is_empty());
    filled
}

fn tenth(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    quantile_of_sorted(&values, FLOOR)
}

/// The time after which the series repeats itself, as one does whose keys expire in batches: the first
/// peak of its autocorrelation behind the lag where there is none. A bucket must hold whole periods, or a tooth looks like
/// growth.
fn period(points: &[(f64, f64)], seconds: f64, every_s: f64) -> Option<f64> {
    let step = every_s.max(seconds / MOST_LAGS as f64);
    let levels: Vec<f64> = fill(points, seconds, step)
        .into_iter()
        .map(|bin| bin.iter().map(|(_, y)| y).sum::<f64>() / bin.len() as f64)
        .collect();
    let rest = without_line(&levels);
    let power: f64 = rest.iter().map(|value| value * value).sum();
    if levels.len() < 12 || power <= 0.0 {
        return None;
    }
    let correlation = |lag: usize| {
        let product: f64 = rest.iter().zip(&rest[lag..]).map(|(a, b)| a * b).sum();
        product / power * rest.len() as f64 / (rest.len() - lag) as f64
    };
    let most = levels.len() / 2;
    let first = (1..most).find(|lag| correlation(*lag) < 0.0)?;
    let mut best = (first..most).find(|lag| correlation(*lag) > PERIODIC)?;
    while best + 1 < most && correlation(best + 1) > correlation(best) {
        best += 1;
    }
    Some(best as f64 * step)
}

/// What is left of equidistant values without their least-squares line.
fn without_line(levels: &[f64]) -> Vec<f64> {
    let n = levels.len() as f64;
    let (mean_x, mean_y) = ((n - 1.0) / 2.0, levels.iter().sum::<f64>() / n);
    let (mut xy, mut xx) = (0.0, 0.0);
    for (i, y) in levels.iter().enumerate() {
        let x = i as f64 - mean_x;
        xy += x * (y - mean_y);
        xx += x * x;
    }
    let slope = if xx > 0.0 { xy / xx } else { 0.0 };
    levels.iter().enumerate().map(|(i, y)| y - mean_y - slope * (i as f64 - mean_x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Noise;

    #[test]
    fn buckets_fit_the_window() {
        assert_eq!(bucket_seconds(40.0, 1.0), 5.0);
        assert_eq!(bucket_seconds(300.0, 1.0), 15.0);
        assert_eq!(bucket_seconds(600.0, 1.0), 30.0);
        assert_eq!(bucket_seconds(86_400.0, 1.0), 720.0);
        assert_eq!(bucket_seconds(40.0, 10.0), 10.0);
    }

    #[test]
    fn a_bucket_holds_a_whole_tooth_of_a_sawtooth() {
        let points: Vec<_> = (0..570).map(|i| (f64::from(i) + 0.5, f64::from(i % 80) * 1e5)).collect();
        let line = Line::through(&points, 570.0, 1.0);
        assert!((line.bucket_s - 80.0).abs() < 2.0, "{}", line.bucket_s);
        let floor = line.floor.iter().map(|(_, y)| *y).fold(f64::MIN, f64::max);
        assert!(floor < 1.2e6, "the floor of teeth of 8 MB is {floor}");
    }

    #[test]
    fn noise_has_no_period() {
        let found = (0..50).filter(|seed| {
            let noise = Noise::seeded(*seed).autoregressive(570, 10.0);
            let points: Vec<_> = noise.iter().zip(0..).map(|(y, i)| (f64::from(i), *y)).collect();
            period(&points, 570.0, 1.0).is_some()
        });
        assert!(found.count() <= 2);
    }
}
