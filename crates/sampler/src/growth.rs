//! How fast a value grows right now: a robust slope over a sliding window, with its confidence interval.
//!
//! The slope is Theil and Sen's median of all pairwise slopes: a single step or spike does not move it. Its interval
//! comes from the ranks of those slopes (Sen 1968), widened for autocorrelation of the residuals (Hamed and Rao
//! 1998): memory that wanders is not memory that grows. This is the live estimate; judging a whole run is not done here.

use std::collections::VecDeque;
use std::time::Duration;

use plimsoll_record::Offset;

/// How far back the window reaches, unless the interval is so long that ten samples need more.
const WINDOW: Duration = Duration::from_secs(60);
/// Fewer points say nothing yet. With one per second a first estimate is there after ten.
const MIN_POINTS: usize = 10;
/// Quantile of the normal distribution for a two-sided interval of 90 %.
const Z_90: f64 = 1.645;

/// Growth over the window, per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// The slope.
    pub per_second: f64,
    /// Its lower confidence bound: 90 %, two-sided. Negative infinity when the window cannot bound it.
    pub lower: f64,
    /// Its upper confidence bound.
    pub upper: f64,
    /// What the slope makes over the window.
    pub rise: f64,
}

/// A sliding window of one value.
#[derive(Clone, Debug)]
pub struct GrowthWindow {
    span_ns: u64,
    group: usize,
    gathering: Vec<Point>,
    points: VecDeque<Point>,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    seconds: f64,
    at: Offset,
    value: f64,
}

impl GrowthWindow {
    /// An empty window for a value that is sampled at this interval. Samples taken faster than once per second are
    /// first reduced to the median of each second, which bounds the work.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        let span = WINDOW.max(every.saturating_mul(MIN_POINTS as u32));
        let group = (1.0 / every.as_secs_f64().max(1e-3)).round().max(1.0) as usize;
        let span_ns = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self { span_ns, group, gathering: Vec::new(), points: VecDeque::new() }
    }

    /// Forgets everything: the value before is not comparable with what comes (a restart, a flush).
    pub fn clear(&mut self) {
        self.gathering.clear();
        self.points.clear();
    }

    /// Adds a value. Gives a new estimate when it completes a point and there are enough of them.
    pub fn push(&mut self, at: Offset, value: f64) -> Option<Growth> {
        self.gathering.push(Point { seconds: at.as_secs_f64(), at, value });
        if self.gathering.len() < self.group {
            return None;
        }
        let point = middle(&mut self.gathering);
        self.points.push_back(point);
        while self.points.front().is_some_and(|oldest| at.since(oldest.at) > self.span_ns) {
            self.points.pop_front();
        }
        (self.points.len() >= MIN_POINTS).then(|| estimate(self.points.make_contiguous()))
    }
}

/// The point with the median value of a group, which is emptied.
fn middle(group: &mut Vec<Point>) -> Point {
    group.sort_by(|a, b| a.value.total_cmp(&b.value));
    let point = group[group.len() / 2];
    group.clear();
    point
}

fn estimate(points: &[Point]) -> Growth {
    let mut slopes = pairwise_slopes(points);
    slopes.sort_by(f64::total_cmp);
    let per_second = median(&slopes);
    let n = points.len() as f64;
    let inflation = autocorrelation_factor(&residuals(points, per_second));
    let half_width = Z_90 * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0 * inflation).sqrt();
    let rank = (slopes.len() as f64 - half_width) / 2.0;
    let (lower, upper) = match rank.floor() {
        rank if rank >= 1.0 => {
            let below = rank as usize - 1;
            (slopes[below], slopes[slopes.len() - 1 - below])
        }
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    };
    let span = points[points.len() - 1].seconds - points[0].seconds;
    Growth { per_second, lower, upper, rise: per_second * span }
}

fn pairwise_slopes(points: &[Point]) -> Vec<f64> {
    let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    for (i, later) in points.iter().enumerate() {
        let earlier = points[..i].iter().filter(|earlier| later.seconds > earlier.seconds);
        slopes.extend(earlier.map(|earlier| (later.value - earlier.value) / (later.seconds - earlier.seconds)));
    }
    slopes
}

fn residuals(points: &[Point], slope: f64) -> Vec<f64> {
    let start = points[0].seconds;
    let detrended: Vec<f64> = points.iter().map(|point| point.value - slope * (point.seconds - start)).collect();
    let mut sorted = detrended.clone();
    sorted.sort_by(f64::total_cmp);
    let centre = median(&sorted);
    detrended.into_iter().map(|value| value - centre).collect()
}

/// `1 + 2 sum (1 - k/n) rho_k` up to the first autocorrelation that is not positive; at least 1.
fn autocorrelation_factor(residuals: &[f64]) -> f64 {
    let n = residuals.len();
    let variance: f64 = residuals.iter().map(|r| r * r).sum();
    // Rounding leaves residuals of a perfectly straight line that are correlated by nature and mean nothing.
    if variance < 1e-9 * n as f64 {
        return 1.0;
    }
    let rho = |lag: usize| residuals.iter().zip(&residuals[lag..]).map(|(a, b)| a * b).sum::<f64>() / variance;
    let correlated = (1..n).map(|lag| (lag, rho(lag))).take_while(|(_, rho)| *rho > 0.0);
    1.0 + 2.0 * correlated.map(|(lag, rho)| (1.0 - lag as f64 / n as f64) * rho).sum::<f64>()
}

/// The median of sorted values; 0 of none.
fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(s: u32) -> Offset {
        Offset::ZERO.after(Duration::from_secs(u64::from(s)))
    }

    /// The estimate after feeding `value(second)` once per second for `seconds`.
    fn after(seconds: u32, value: impl Fn(u32) -> f64) -> Option<Growth> {
        let mut window = GrowthWindow::new(Duration::from_secs(1));
        (0..seconds).map(|s| window.push(second(s), value(s))).last().flatten()
    }

    /// Noise between -1 and 1 without a generator: the fractional part of multiples of the golden ratio.
    fn noise(i: u32) -> f64 {
        (f64::from(i) * 0.618_033_988_749_895).fract() * 2.0 - 1.0
    }

    #[test]
    fn a_straight_leak_is_measured_exactly() {
        let growth = after(60, |s| 3e6 + 1e6 * f64::from(s)).unwrap();
        assert!((growth.per_second - 1e6).abs() < 1.0 && (growth.lower - 1e6).abs() < 1.0, "{growth:?}");
        assert!((growth.rise - 59e6).abs() < 100.0, "{growth:?}");
    }

    #[test]
    fn a_first_estimate_comes_with_the_tenth_second() {
        assert_eq!(after(9, f64::from), None);
        assert!(after(10, f64::from).is_some());
    }

    #[test]
    fn noise_alone_is_not_growth() {
        let growth = after(60, |s| 1e8 + 5e6 * noise(s)).unwrap();
        assert!(growth.lower < 0.0 && growth.upper > 0.0, "{growth:?}");
    }

    #[test]
    fn a_leak_shows_through_noise() {
        let growth = after(60, |s| 1e8 + 1e6 * f64::from(s) + 5e6 * noise(s)).unwrap();
        assert!(growth.lower > 5e5 && growth.upper < 1.5e6, "{growth:?}");
    }

    #[test]
    fn a_single_step_is_not_growth() {
        for step in [5, 20, 30, 40, 55] {
            let growth = after(60, |s| if s < step { 1e7 } else { 3e7 }).unwrap();
            assert!(growth.lower <= 0.0, "step at {step}: {growth:?}");
        }
    }

    #[test]
    fn a_slow_wave_has_a_wide_interval() {
        let growth = after(60, |s| 1e8 + 1e7 * (f64::from(s) / 12.0).sin()).unwrap();
        assert!(growth.lower < 0.0, "{growth:?}");
    }

    #[test]
    fn fast_sampling_is_reduced_to_seconds() {
        let mut window = GrowthWindow::new(Duration::from_millis(100));
        let at = |i: u32| Offset::ZERO.after(Duration::from_millis(100 * u64::from(i)));
        let estimates = (0..600).filter_map(|i| window.push(at(i), 1e5 * f64::from(i))).collect::<Vec<_>>();
        assert_eq!(estimates.len(), 51, "one per second from the tenth on");
        assert!((estimates[50].per_second - 1e6).abs() < 1.0, "{:?}", estimates[50]);
    }

    #[test]
    fn what_left_the_window_is_forgotten() {
        let growth = after(200, |s| if s < 100 { 1e6 * f64::from(s) } else { 1e8 }).unwrap();
        assert_eq!(growth.per_second, 0.0);
    }
}
