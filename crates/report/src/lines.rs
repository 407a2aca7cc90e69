//! Lines over time: values with their moments, broken where data is missing.
//!
//! A line is a list of unbroken runs. Nothing is interpolated: where a sample, an interval or a value is missing,
//! one run ends and the next begins.

use plimsoll_record::Offset;
use plimsoll_record::metric::Metric;
use plimsoll_record::series::MarkKind;
use plimsoll_record::summary::{Series, Window};

/// A value at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dot {
    /// When.
    pub(crate) at: Offset,
    /// What, in the chart's unit.
    pub(crate) value: f64,
    /// True when the real value is at least this.
    pub(crate) at_least: bool,
}

/// A span without data, with the reason in words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hole {
    /// From the last value before to the first value after it.
    pub(crate) window: Window,
    /// Why.
    pub(crate) reason: &'static str,
}

/// Joins items that may lack a value into unbroken runs; `joined` tells whether two neighbours belong together.
pub(crate) fn runs<T>(
    items: impl IntoIterator<Item = T>,
    joined: impl Fn(&T, &T) -> bool,
    dot: impl Fn(&T) -> Option<Dot>,
) -> Vec<Vec<Dot>> {
    let mut runs: Vec<Vec<Dot>> = Vec::new();
    let mut before: Option<T> = None;
    for item in items {
        if let Some(dot) = dot(&item) {
            let goes_on = before.as_ref().is_some_and(|before| joined(before, &item));
            match runs.last_mut() {
                Some(run) if goes_on => run.push(dot),
                _ => runs.push(vec![dot]),
            }
            before = Some(item);
        } else {
            before = None;
        }
    }
    runs
}

/// The line of one metric of a series, broken at gaps, restarts and missing values.
pub(crate) fn of_series(series: &Series, metric: &Metric) -> Vec<Vec<Dot>> {
    runs(
        &series.samples,
        |before, after| continuous(series, before.at_ns, after.at_ns),
        |sample| {
            let value = *sample.values.get(metric.key)?;
            Some(Dot { at: sample.at_ns, value, at_least: false })
        },
    )
}

/// The spans in which a series has no samples.
pub(crate) fn holes(series: &Series) -> Vec<Hole> {
    let mut holes: Vec<Hole> = series
        .samples
        .windows(2)
        .map(|pair| Window { from: pair[0].at_ns, to: pair[1].at_ns })
        .filter(|window| missing_between(series, window.from, window.to))
        .map(|window| Hole { window, reason: reason(series, window) })
        .collect();
    holes.extend(open_ends(series));
    holes
}

/// Gaps before the first sample and after the last one: the source was not there at the start or went for good.
fn open_ends(series: &Series) -> Vec<Hole> {
    let first_gap = series.gaps.first().map(|gap| gap.at_ns);
    let last_gap = series.gaps.last().map(|gap| gap.at_ns);
    let (Some(first_gap), Some(last_gap)) = (first_gap, last_gap) else { return Vec::new() };
    let spans = match (series.samples.first(), series.samples.last()) {
        (Some(first), Some(last)) => vec![(first_gap, first.at_ns), (last.at_ns, last_gap)],
        _ => vec![(first_gap, last_gap)],
    };
    let windows = spans.into_iter().filter(|(from, to)| from < to).map(|(from, to)| Window { from, to });
    windows.map(|window| Hole { window, reason: reason(series, window) }).collect()
}

fn reason(series: &Series, window: Window) -> &'static str {
    let inside = series.gaps.iter().find(|gap| window.from <= gap.at_ns && gap.at_ns <= window.to);
    inside.map_or("not sampled", |gap| gap.reason.words())
}

fn continuous(series: &Series, before: Offset, after: Offset) -> bool {
    let restarted = |at: Offset| before < at && at <= after;
    let marks = series.marks.iter().filter(|mark| mark.kind == MarkKind::Restarted);
    !missing_between(series, before, after) && !marks.map(|mark| mark.at_ns).any(restarted)
}

/// True when a sample was due between two moments and was not taken.
fn missing_between(series: &Series, before: Offset, after: Offset) -> bool {
    let late = after.since(before) > series.header.every_ns.saturating_mul(5) / 2;
    let first = series.gaps.partition_point(|gap| gap.at_ns <= before);
    late || series.gaps.get(first).is_some_and(|gap| gap.at_ns < after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_record::metric::METRICS;
    use plimsoll_record::series::{Gap, GapReason, Mark, Sample, SeriesHeader};

    fn at(second: i64) -> Offset {
        Offset(second * 1_000_000_000)
    }

    fn series(sampled: &[i64], missed: &[i64]) -> Series {
        let sample = |second: &i64| Sample {
            at_ns: at(*second),
            took_ns: 1,
            values: [(METRICS[0].key.to_owned(), *second as f64)].into(),
        };
        let gap = |second: &i64| Gap { at_ns: at(*second), reason: GapReason::Unreachable, detail: String::new() };
        Series {
            header: SeriesHeader { source: String::new(), identity: [].into(), every_ns: 1_000_000_000 },
            samples: sampled.iter().map(sample).collect(),
            gaps: missed.iter().map(gap).collect(),
            marks: Vec::new(),
            details: Vec::new(),
            nodes: [].into(),
            partial: false,
        }
    }

    fn lengths(series: &Series) -> Vec<usize> {
        of_series(series, &METRICS[0]).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_gap_row_breaks_the_line_and_leaves_a_hole_with_its_reason() {
        let series = series(&[0, 1, 2, 4, 5], &[3]);
        assert_eq!(lengths(&series), [3, 2]);
        let hole = Hole { window: Window { from: at(2), to: at(4) }, reason: "unreachable" };
        assert_eq!(holes(&series), [hole]);
    }

    #[test]
    fn silence_without_a_gap_row_breaks_the_line_too() {
        let series = series(&[0, 1, 9, 10], &[]);
        assert_eq!(lengths(&series), [2, 2]);
        assert_eq!(holes(&series)[0].reason, "not sampled");
    }

    #[test]
    fn a_missing_value_and_a_restart_break_the_line() {
        let mut series = series(&[0, 1, 2, 3, 4, 5], &[]);
        series.samples[1].values.clear();
        series.marks.push(Mark { at_ns: at(4), kind: MarkKind::Restarted, detail: String::new() });
        assert_eq!(lengths(&series), [1, 2, 2]);
    }

    #[test]
    fn a_source_that_went_for_good_leaves_a_hole_to_the_last_attempt() {
        let series = series(&[0, 1], &[2, 3, 4]);
        assert_eq!(holes(&series), [Hole { window: Window { from: at(1), to: at(4) }, reason: "unreachable" }]);
        assert!(of_series(&self::series(&[], &[1, 2]), &METRICS[0]).is_empty());
    }
}
