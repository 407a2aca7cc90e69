//! The one time axis of a report: where a moment of the run lies, and which ticks it gets.
//!
//! Zero is the first planned arrival, so memory before the load shows at negative times. Without traffic, zero is
//! the first sample.

use plimsoll_record::Offset;
use plimsoll_record::summary::{Facts, Window};

const STEPS_S: [f64; 17] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 43_200.0,
    86_400.0,
];
const MOST_TICKS: f64 = 11.0;
const SHORTEST_S: f64 = 1.0;

/// Where time lies on every chart of a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TimeAxis {
    window: Window,
    zero: Offset,
}

impl TimeAxis {
    /// The axis that shows the whole load and what was sampled around it: up to a quarter of the load's length, or
    /// half a minute, before and after, so that a sampler left running for hours does not squeeze the load.
    pub(crate) fn of(facts: &Facts) -> Option<Self> {
        let sampled = sampled(facts);
        let Some(load) = facts.run_window() else {
            return sampled.map(|window| Self { window, zero: window.from });
        };
        let around = ((load.to.since(load.from) / 4).max(30_000_000_000)).cast_signed();
        let sampled = sampled.unwrap_or(load);
        let window = Window {
            from: sampled.from.clamp(Offset(load.from.0.saturating_sub(around)), load.from),
            to: sampled.to.clamp(load.to, Offset(load.to.0.saturating_add(around))),
        };
        Some(Self { window, zero: load.from })
    }

    /// Where `at` lies: 0 at the left end, 1 at the right end, beyond them outside.
    pub(crate) fn place(&self, at: Offset) -> f64 {
        (at.0 - self.window.from.0) as f64 / 1e9 / self.seconds()
    }

    /// True when `at` is on the axis.
    pub(crate) fn shows(&self, at: Offset) -> bool {
        self.window.from <= at && at <= self.window.to
    }

    /// The part of `window` that is on the axis, as places; `None` when none is.
    pub(crate) fn span(&self, window: Window) -> Option<(f64, f64)> {
        let (from, to) = (self.place(window.from).max(0.0), self.place(window.to).min(1.0));
        (from < to).then_some((from, to))
    }

    /// The moment in words: `1:23`, `-0:05`, `1:02:03`.
    pub(crate) fn show(&self, at: Offset) -> String {
        clock((at.0 - self.zero.0) as f64 / 1e9)
    }

    /// The ends of the axis in seconds from zero, for the cursor.
    pub(crate) fn ends(&self) -> (f64, f64) {
        let from = (self.window.from.0 - self.zero.0) as f64 / 1e9;
        (from, from + self.seconds())
    }

    /// Tick marks: (place, label).
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let (from, to) = self.ends();
        let step = STEPS_S.into_iter().find(|step| (to - from) / step <= MOST_TICKS - 1.0);
        let step = step.unwrap_or_else(|| ((to - from) / MOST_TICKS / 86_400.0).ceil() * 86_400.0);
        let first = (from / step).ceil();
        let ticks = (0..).map(|i| (first + f64::from(i)) * step).take_while(|second| *second <= to + 1e-9);
        ticks.map(|second| ((second - from) / (to - from), clock(second))).collect()
    }

    fn seconds(&self) -> f64 {
        self.window.seconds().max(SHORTEST_S)
    }
}

fn sampled(facts: &Facts) -> Option<Window> {
    let all = facts.all_series();
    let series = || all.iter().map(|(_, _, series)| series);
    let samples = || series().flat_map(|series| series.samples.iter().map(|sample| sample.at_ns));
    let gaps = || series().flat_map(|series| series.gaps.iter().map(|gap| gap.at_ns));
    Some(Window { from: samples().chain(gaps()).min()?, to: samples().chain(gaps()).max()? })
}

/// Seconds as people read a clock: `0:05`, `12:30`, `1:02:03`, with a minus sign before zero.
fn clock(seconds: f64) -> String {
    let whole = seconds.abs().round();
    let sign = if seconds < 0.0 && whole > 0.0 { "-" } else { "" };
    let (hours, minutes, rest) = (whole / 3600.0, whole / 60.0 % 60.0, whole % 60.0);
    if whole >= 3600.0 {
        format!("{sign}{:.0}:{:02.0}:{rest:02.0}", hours.floor(), minutes.floor())
    } else {
        format!("{sign}{:.0}:{rest:02.0}", minutes.floor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(from_s: i64, to_s: i64) -> TimeAxis {
        let at = |second: i64| Offset(second * 1_000_000_000);
        TimeAxis { window: Window { from: at(from_s), to: at(to_s) }, zero: at(0) }
    }

    fn labels(axis: TimeAxis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_never_crowd() {
        assert_eq!(labels(axis(0, 60)), ["0:00", "0:10", "0:20", "0:30", "0:40", "0:50", "1:00"]);
        assert_eq!(labels(axis(-5, 22)), ["-0:05", "0:00", "0:05", "0:10", "0:15", "0:20"]);
        assert_eq!(labels(axis(0, 3600)).last().map(String::as_str), Some("1:00:00"));
        for seconds in [1, 3, 7, 59, 61, 240, 601, 3599, 3601, 86_400, 400_000] {
            let n = axis(0, seconds).ticks().len();
            assert!((2..=11).contains(&n), "{n} ticks for {seconds} s");
        }
    }

    #[test]
    fn places_run_from_zero_to_one_and_windows_are_clipped() {
        let axis = axis(-10, 30);
        assert_eq!(axis.place(Offset(0)), 0.25);
        let window = Window { from: Offset(-60_000_000_000), to: Offset(0) };
        assert_eq!(axis.span(window), Some((0.0, 0.25)));
        assert_eq!(axis.span(Window { from: Offset(60_000_000_000), to: Offset(70_000_000_000) }), None);
    }

    #[test]
    fn a_clock_reads_like_a_clock() {
        assert_eq!((clock(0.0), clock(-4.6), clock(3723.0)), ("0:00".into(), "-0:05".into(), "1:02:03".into()));
    }
}
