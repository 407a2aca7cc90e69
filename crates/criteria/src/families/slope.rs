//! `slope(redis.used_memory) < 1 MB/min`: does it grow, and how fast?
//!
//! The window after a guard is cut at restarts, role changes, loading and flushes; the longest segment is put into
//! buckets, and a robust slope with a 90 % interval goes through their medians. Met and missed both need the whole
//! interval on one side of the limit: a series is not stable because growth was not significant.

use std::time::Duration;

use plimsoll_record::metric::Metric;
use plimsoll_record::series::MarkKind;
use plimsoll_record::summary::{Series, Window};

use super::coverage::{self, Coverage};
use super::series::no_samples;
use crate::goal::{Finding, Goal, Standing, interval};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::{MIN_POINTS, SLOPE_CONFIDENCE, SlopeEstimate, estimate_slope, median, theil_sen};
use crate::words;

/// What is skipped at the start of the window, where connections and caches of the new load still fill: a tenth of
/// it, within these bounds, in seconds.
const GUARD_S: (f64, f64) = (5.0, 30.0);
const GUARD_SHARE: f64 = 0.1;
/// Buckets: at least 8 of at least 5 s where the window allows it, at most 120.
const SHORTEST_BUCKET_S: f64 = 5.0;
const WANTED_BUCKETS: f64 = 8.0;
const MOST_BUCKETS: f64 = 120.0;
/// In a shorter window, growth must also stand out from the series' own wobble by this factor to be called growth:
/// half a minute of slow noise looks like a trend.
const SHORT_WINDOW_S: f64 = 240.0;
const CLEAR_OF_WOBBLE: f64 = 5.0;
/// A step counts from this size, in bytes, and this many times the usual scatter.
const SMALLEST_STEP: f64 = 1e6;
const STEP_SCATTER: f64 = 5.0;

pub(super) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal, metric: &Metric, of: Option<&str>) -> Finding {
    let Some(stretch) = Stretch::of(run, place, metric, of) else { return no_samples(metric, of) };
    if let Some(reason) = stretch.coverage.too_little() {
        return Finding { samples: stretch.samples, ..Finding::missing(reason) };
    }
    let Some(estimate) = estimate_slope(&stretch.line.buckets) else {
        return Finding { samples: stretch.samples, ..Finding::missing(stretch.line.too_short()) };
    };
    let (standing, doubt) = stretch.line.standing(goal, &estimate);
    let mut reason = reason(goal, &estimate, &stretch);
    if let Some(doubt) = doubt {
        reason += &format!("; {doubt}");
    } else if standing == Standing::Undecided {
        reason += &format!("; {}", what_would_decide(goal, &estimate, &stretch));
    }
    let finding = Finding {
        standing,
        value: Some(estimate.slope),
        interval: Some(interval(estimate.range, SLOPE_CONFIDENCE)),
        samples: stretch.samples,
        effective_samples: Some(estimate.effective),
        reason,
        ..Finding::missing("")
    };
    finding.never_met(stretch.coverage.obstacle().or_else(|| stretch.cut_short()))
}

fn reason(goal: &Goal, estimate: &SlopeEstimate, stretch: &Stretch) -> String {
    let verb = match estimate.range {
        range if range.low > 0.0 => "grows",
        range if range.high < 0.0 => "shrinks",
        _ => "is level within the noise:",
    };
    format!(
        "{verb} {} {}, limit {}; {} buckets of {:.0} s, {:.1} s to {:.1} s",
        goal.show(estimate.slope),
        goal.show_range(estimate.range),
        goal.show_limit(),
        estimate.points,
        stretch.line.bucket_s,
        stretch.segment.from.as_secs_f64(),
        stretch.segment.to.as_secs_f64()
    )
}

/// The interval of a slope shrinks with the time to the power of 3/2: `T' = T (h / |b - theta|)^(2/3)`.
fn what_would_decide(goal: &Goal, estimate: &SlopeEstimate, stretch: &Stretch) -> String {
    let below = estimate.slope < goal.limit;
    let range = estimate.range;
    let half = if below { range.high - estimate.slope } else { estimate.slope - range.low };
    let distance = (estimate.slope - goal.limit).abs();
    words::how_much_longer(stretch.segment.seconds(), (half / distance).powf(2.0 / 3.0))
}

/// The stretch of a series through which a line is laid.
#[derive(Debug)]
struct Stretch {
    /// After the guard.
    window: Window,
    /// The longest part of the window without a break.
    segment: Window,
    line: Line,
    samples: u64,
    coverage: Coverage,
}

impl Stretch {
    /// `None` without a sample.
    fn of(run: &JudgedRun<'_>, place: &Place, metric: &Metric, of: Option<&str>) -> Option<Self> {
        let series = run.facts.series_of(metric.source, of)?;
        let window = after_guard(coverage::window(series, place.window)?);
        let segment = longest_segment(series, window);
        let values = series.values(metric, Some(segment));
        let points: Vec<(f64, f64)> =
            values.iter().map(|(at, value)| (at.since(segment.from) as f64 / 1e9, *value)).collect();
        (!points.is_empty()).then(|| Self {
            window,
            segment,
            line: Line::through(&points, segment.seconds(), series.header.every_ns as f64 / 1e9),
            samples: points.len() as u64,
            coverage: Coverage::of(series, metric, window),
        })
    }

    /// A flush empties the data set: what is left of the window must still be most of it.
    fn cut_short(&self) -> Option<String> {
        (self.segment.seconds() < self.window.seconds() / 2.0).then(|| {
            format!(
                "Redis was flushed, and only {:.1} s to {:.1} s could be looked at",
                self.segment.from.as_secs_f64(),
                self.segment.to.as_secs_f64()
            )
        })
    }
}

/// The buckets a line is laid through.
#[derive(Debug)]
struct Line {
    seconds: f64,
    bucket_s: f64,
    /// (seconds since the segment began, median) per bucket.
    buckets: Vec<(f64, f64)>,
}

impl Line {
    fn through(points: &[(f64, f64)], seconds: f64, every_s: f64) -> Self {
        let bucket_s = bucket_seconds(seconds, every_s);
        Self { seconds, bucket_s, buckets: buckets(points, seconds, bucket_s) }
    }

    /// The whole and its last half must agree: what grew and settled is not growing, and what began to grow late is
    /// not stable.
    fn standing(&self, goal: &Goal, estimate: &SlopeEstimate) -> (Standing, Option<String>) {
        let standing = goal.compare_range(estimate.range);
        let late = theil_sen(&self.buckets[self.buckets.len() / 2..]).unwrap_or(estimate.slope);
        let doubt = match (standing, goal.compare(late)) {
            (Standing::Missed, Standing::Met) => {
                format!("but only {} in the last half: it may be settling, run longer", goal.show(late))
            }
            (Standing::Met, Standing::Missed) => format!("but {} in the last half: run longer", goal.show(late)),
            (Standing::Missed, _) if self.is_wobble(estimate) => {
                format!("but in less than {} that is not clear of its own wobble", words::duration(SHORT_WINDOW_S))
            }
            _ => return (standing, None),
        };
        (Standing::Undecided, Some(doubt))
    }

    fn is_wobble(&self, estimate: &SlopeEstimate) -> bool {
        let growth = estimate.slope.abs() * self.seconds;
        self.seconds < SHORT_WINDOW_S && growth < CLEAR_OF_WOBBLE * estimate.residual_span
    }

    fn too_short(&self) -> String {
        format!(
            "{} buckets of {:.0} s are too few for a slope; the phase must last {} or more without a break",
            self.buckets.len(),
            self.bucket_s,
            words::duration(shortest_phase(self.bucket_s))
        )
    }
}

/// The shortest phase with enough buckets of this length behind the guard, in seconds.
pub(crate) fn shortest_phase(bucket_s: f64) -> f64 {
    let needed = SHORTEST_BUCKET_S.max(bucket_s) * MIN_POINTS as f64;
    (needed / (1.0 - GUARD_SHARE)).max(needed + GUARD_S.0).ceil()
}

/// Whether a phase of this length is too short to tell growth from slow noise.
pub(crate) fn is_short(phase_s: f64) -> bool {
    phase_s - (phase_s * GUARD_SHARE).clamp(GUARD_S.0, GUARD_S.1) < SHORT_WINDOW_S
}

fn after_guard(window: Window) -> Window {
    let guard = (window.seconds() * GUARD_SHARE).clamp(GUARD_S.0, GUARD_S.1);
    let from = window.from.after(Duration::from_secs_f64(guard));
    Window { from: from.min(window.to), to: window.to }
}

fn longest_segment(series: &Series, window: Window) -> Window {
    let cuts = series.marks.iter().filter(|mark| mark.kind != MarkKind::SaveStarted).map(|mark| mark.at_ns);
    let mut edges: Vec<_> = cuts.filter(|at| window.contains(*at)).chain([window.from, window.to]).collect();
    edges.sort();
    let segments = edges.windows(2).map(|pair| Window { from: pair[0], to: pair[1] });
    // The first of several equally long ones, so that the choice does not depend on anything else.
    segments.fold(Window { from: window.from, to: window.from }, |longest, segment| {
        if segment.seconds() > longest.seconds() { segment } else { longest }
    })
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

fn buckets(points: &[(f64, f64)], window_s: f64, bucket_s: f64) -> Vec<(f64, f64)> {
    let count = (window_s / bucket_s).floor().max(1.0) as usize;
    let mut filled: Vec<Vec<(f64, f64)>> = vec![Vec::new(); count];
    for (x, y) in points {
        filled[((x / bucket_s) as usize).min(count - 1)].push((*x, *y));
    }
    let middle = |bucket: Vec<(f64, f64)>| {
        let x = bucket.iter().map(|(x, _)| x).sum::<f64>() / bucket.len() as f64;
        Some((x, median(bucket.into_iter().map(|(_, y)| y).collect())?))
    };
    filled.into_iter().filter_map(middle).collect()
}

/// Sudden changes that last: a bucket whose difference to the one before stands out from the usual difference by more
/// than 5 median absolute deviations and 1 MB, and whose neighbours on either side confirm it. Each as (seconds on
/// the run's clock, change in bytes).
pub(crate) fn steps(run: &JudgedRun<'_>, place: &Place, metric: &Metric, of: Option<&str>) -> Vec<(f64, f64)> {
    let Some(stretch) = Stretch::of(run, place, metric, of) else { return Vec::new() };
    let start = stretch.segment.from.as_secs_f64();
    let found = lasting_steps(&stretch.line.buckets.iter().map(|(_, y)| *y).collect::<Vec<_>>());
    found.into_iter().map(|(index, change)| (start + stretch.line.buckets[index].0, change)).collect()
}

fn lasting_steps(levels: &[f64]) -> Vec<(usize, f64)> {
    let changes: Vec<f64> = levels.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let Some(usual) = median(changes.clone()) else { return Vec::new() };
    let scatter = median(changes.iter().map(|change| (change - usual).abs()).collect()).unwrap_or(0.0);
    let threshold = SMALLEST_STEP.max(STEP_SCATTER * scatter);
    let mut found = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        let before = median(levels[index.saturating_sub(2)..=index].to_vec()).unwrap_or(0.0);
        let after = median(levels[index + 1..levels.len().min(index + 4)].to_vec()).unwrap_or(0.0);
        if (change - usual).abs() > threshold && (after - before - usual).abs() > threshold {
            found.push((index + 1, *change));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use plimsoll_plan::Comparison;
    use plimsoll_record::series::{Gap, GapReason, Mark, SeriesFact};
    use plimsoll_record::units::Unit;
    use plimsoll_record::verdict::Judgement;

    use super::*;
    use crate::testing::{Noise, Script, Second, at, expect};

    const MEMORY: &str = r#"require = ["slope(redis.used_memory) < 1 MB/min"]"#;

    /// A quiet run; only Redis matters here.
    fn run(seconds: u64, bytes: impl Fn(u64) -> f64) -> Script {
        Script::of(seconds, |_| Second::ok(1, 10)).used_memory(bytes).criteria(MEMORY)
    }

    /// How a window of 10 MB, growing by `mb_per_min`, with noise of 1 MB that remembers 30 s, stands to 1 MB/min.
    fn noisy(seed: u64, seconds: usize, mb_per_min: f64) -> Standing {
        let goal = Goal { comparison: Comparison::Less, limit: 1e6 / 60.0, unit: Unit::BytesPerSecond };
        let noise = Noise::seeded(seed).autoregressive(seconds, 30.0);
        let points = noise.iter().zip(0..).map(|(noise, i)| {
            let x = f64::from(i) + 0.5;
            (x, 10e6 + 1e6 * noise + mb_per_min * 1e6 / 60.0 * x)
        });
        let line = Line::through(&points.collect::<Vec<_>>(), seconds as f64, 1.0);
        line.standing(&goal, &estimate_slope(&line.buckets).unwrap()).0
    }

    #[test]
    fn a_leak_fails_in_megabytes_per_minute() {
        let wobble = |i: u64| 20e3 * ((i * 7919) % 13) as f64;
        let result = run(60, |i| 5e6 + 6.1e6 / 60.0 * i as f64 + wobble(i)).result();
        expect(&result, Judgement::Fail, &["grows 6.", "MB/min [", "limit 1.00 MB/min"]);
        let (value, interval) = (result.value.unwrap() * 60.0 / 1e6, result.interval.unwrap());
        assert!((value - 6.1).abs() < 0.3, "{value}");
        assert!(
            interval.low <= result.value.unwrap()
                && result.value.unwrap() <= interval.high
                && interval.confidence == 0.9
        );
    }

    #[test]
    fn quiet_memory_passes_even_in_a_short_run() {
        let result = run(60, |i| 1.2e6 + 20e3 * ((i * 7919) % 13) as f64).result();
        expect(&result, Judgement::Pass, &["level within the noise"]);
        assert!(result.margin.is_some_and(|margin| margin > 0.5));
    }

    #[test]
    fn a_run_too_short_for_a_slope_says_how_long_it_must_be() {
        let result = run(20, |_| 1e6).result();
        expect(&result, Judgement::Inconclusive, &["too few for a slope", "must last 35.0 s or more"]);
    }

    #[test]
    fn growth_that_settles_is_not_called_growing_and_growth_that_begins_late_is_not_called_stable() {
        let settles = run(300, |i| 10e6 + 200e3 * i.min(200) as f64).result();
        expect(&settles, Judgement::Inconclusive, &["in the last half: it may be settling"]);
        let late = run(600, |i| 10e6 + 60e3 * i.saturating_sub(450) as f64).result();
        expect(&late, Judgement::Inconclusive, &["MB/min in the last half"]);
    }

    #[test]
    fn redis_killed_in_the_middle_never_passes() {
        let mut script = run(60, |_| 1e6);
        for i in 30..60 {
            let gap = Gap { at_ns: at(i as f64 + 0.5), reason: GapReason::Unreachable, detail: String::new() };
            script.redis[i] = SeriesFact::Gap(gap);
        }
        expect(&script.result(), Judgement::Inconclusive, &["unreachable"]);
    }

    #[test]
    fn redis_restarted_in_the_middle_never_passes() {
        let mut script = run(300, |_| 1e6);
        script.redis.remove(100);
        let mark = Mark { at_ns: at(100.5), kind: MarkKind::Restarted, detail: String::new() };
        script.redis.push(SeriesFact::Mark(mark));
        expect(&script.result(), Judgement::Inconclusive, &["Redis was restarted at 100.5 s"]);
    }

    #[test]
    fn the_longest_stretch_without_a_flush_is_judged() {
        let flushed_at = |second: u64| {
            let mut script = run(200, |i| if i < second { 50e6 + 1e5 * i as f64 } else { 1e6 });
            let at_ns = at(second as f64);
            script.redis.push(SeriesFact::Mark(Mark { at_ns, kind: MarkKind::Flushed, detail: String::new() }));
            script.result()
        };
        expect(&flushed_at(60), Judgement::Pass, &["60.0 s to 200.0 s"]);
        expect(&flushed_at(150), Judgement::Fail, &["20.0 s to 150.0 s"]);
    }

    fn share(of: Standing, runs: u64, judged: impl Fn(u64) -> Standing) -> f64 {
        (0..runs).filter(|seed| judged(*seed) == of).count() as f64 / runs as f64
    }

    #[test]
    fn stable_noisy_memory_is_not_called_leaking() {
        for seconds in [40, 55, 120, 270, 570] {
            let leaking = share(Standing::Missed, 100, |seed| noisy(seed, seconds, 0.0));
            assert!(leaking <= 0.01, "{leaking} of stable series of {seconds} s");
        }
        assert!(share(Standing::Met, 100, |seed| noisy(seed, 570, 0.0)) >= 0.99, "ten minutes prove stability");
    }

    #[test]
    fn two_megabytes_a_minute_over_ten_minutes_are_called_leaking() {
        let leaking = share(Standing::Missed, 100, |seed| noisy(seed, 570, 2.0));
        assert!(leaking >= 0.99, "{leaking}");
    }

    #[test]
    fn two_minutes_of_noise_prove_little() {
        let passed = share(Standing::Met, 100, |seed| noisy(seed, 110, 2.0));
        assert!(passed <= 0.05, "{passed} of leaks of 2 MB/min pass after two minutes");
        assert!(share(Standing::Undecided, 100, |seed| noisy(seed, 110, 0.0)) > 0.5);
    }

    #[test]
    fn a_step_that_lasts_is_found_and_a_spike_is_not() {
        let mut levels: Vec<f64> = (0..20).map(|i| 10e6 + f64::from(i % 3) * 1e4).collect();
        levels[5] += 4e6;
        assert_eq!(lasting_steps(&levels), vec![]);
        levels.iter_mut().skip(12).for_each(|level| *level += 3e6);
        let found = lasting_steps(&levels);
        assert_eq!(found.iter().map(|(index, _)| *index).collect::<Vec<_>>(), vec![12], "{found:?}");
    }

    #[test]
    fn steady_growth_is_not_a_step() {
        let levels: Vec<f64> = (0..20).map(|i| f64::from(i) * 5e6).collect();
        assert_eq!(lasting_steps(&levels), vec![]);
    }

    #[test]
    fn buckets_fit_the_window() {
        assert_eq!(bucket_seconds(40.0, 1.0), 5.0);
        assert_eq!(bucket_seconds(300.0, 1.0), 15.0);
        assert_eq!(bucket_seconds(600.0, 1.0), 30.0);
        assert_eq!(bucket_seconds(86_400.0, 1.0), 720.0);
        assert_eq!(bucket_seconds(40.0, 10.0), 10.0);
    }
}
