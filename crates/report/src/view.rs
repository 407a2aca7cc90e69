//! What the sections of a page share: the facts, the verdict, one time axis, the timeline read once.

use std::num::NonZeroUsize;

use plimsoll_record::Offset;
use plimsoll_record::metric::Metric;
use plimsoll_record::summary::{Facts, Percentile, Scope, Series, Totals, Window};
use plimsoll_record::verdict::Verdict;

use crate::chart::{Band, Curve, DataTable, Flag, Frame, Limit, Point, Span, Stroke, Tick};
use crate::criterion;
use crate::lines::{self, Dot};
use crate::text;
use crate::time::TimeAxis;

pub(crate) mod happenings;
use happenings::Happening;

/// Columns of the timeline: enough for a wide screen, few enough for a small page.
const COLUMNS: NonZeroUsize = NonZeroUsize::new(240).expect("240 is not zero");
/// Most moments flagged on a chart; the list of events has them all.
const MOST_FLAGS: usize = 24;

/// Everything a section may show.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) verdict: &'a Verdict,
    /// `None` when neither traffic nor samples were recorded.
    pub(crate) axis: Option<TimeAxis>,
    /// What stands behind every chart over time.
    pub(crate) frame: Frame,
    /// Sums over the whole run.
    pub(crate) totals: Totals,
    pub(crate) columns: Vec<Column>,
    pub(crate) happenings: Vec<Happening>,
}

/// One stretch of the timeline, as charts need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) window: Window,
    pub(crate) offered: Option<f64>,
    pub(crate) achieved: Option<f64>,
    pub(crate) limited: Option<f64>,
    pub(crate) failures: Option<f64>,
    pub(crate) p50: Option<Percentile>,
    pub(crate) p95: Option<Percentile>,
    pub(crate) p99: Option<Percentile>,
    pub(crate) service_p50: Option<Percentile>,
    /// Of rate-limited answers, in nanoseconds.
    pub(crate) limited_p99_ns: Option<u64>,
}

impl Column {
    fn read(window: Window, totals: &Totals) -> Self {
        Self {
            window,
            offered: totals.offered(),
            achieved: totals.throughput(),
            limited: totals.limited_per_second(),
            failures: totals.failures_per_second(),
            p50: totals.response(0.50),
            p95: totals.response(0.95),
            p99: totals.response(0.99),
            service_p50: totals.service(0.50),
            limited_p99_ns: totals.limited.response.quantile(0.99),
        }
    }

    fn middle(&self) -> Offset {
        Offset(i64::midpoint(self.window.from.0, self.window.to.0))
    }
}

/// A line over time, not yet placed on the axis.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) stroke: Stroke,
    pub(crate) runs: Vec<Vec<Dot>>,
}

impl Line {
    pub(crate) fn new(name: impl Into<String>, stroke: Stroke, runs: Vec<Vec<Dot>>) -> Self {
        Self { name: name.into(), stroke, runs }
    }

    /// One metric of a series; without points when the series was not recorded.
    pub(crate) fn of_series(name: impl Into<String>, stroke: Stroke, series: Option<&Series>, metric: &str) -> Self {
        let metric = Metric::find(metric).expect("sections name metrics of the catalogue");
        Self::new(name, stroke, series.map(|series| lines::of_series(series, metric)).unwrap_or_default())
    }
}

impl<'a> View<'a> {
    pub(crate) fn new(facts: &'a Facts, verdict: &'a Verdict) -> Self {
        let axis = TimeAxis::of(facts);
        let happenings = happenings::list(facts);
        let frame = axis.map(|axis| frame(axis, facts, verdict, &happenings)).unwrap_or_default();
        Self {
            facts,
            verdict,
            axis,
            frame,
            totals: facts.totals(&Scope::default()),
            columns: facts.timeline_columns(COLUMNS, Column::read),
            happenings,
        }
    }

    /// A number of each column as a line, broken where the record has a hole or the number is missing.
    pub(crate) fn column_line(
        &self,
        name: &'static str,
        stroke: Stroke,
        read: impl Fn(&Column) -> Option<(f64, bool)>,
    ) -> Line {
        let dot = |column: &&Column| {
            let (value, at_least) = read(column)?;
            Some(Dot { at: column.middle(), value, at_least })
        };
        Line::new(name, stroke, lines::runs(&self.columns, |before, after| adjacent(before, after), dot))
    }

    /// A line as a curve on the shared axis; what lies outside the axis is left out.
    pub(crate) fn curve(&self, line: &Line) -> Curve {
        let Some(axis) = self.axis else {
            return Curve { name: line.name.clone(), stroke: line.stroke, runs: Vec::new() };
        };
        let point = |dot: &Dot| Point { place: axis.place(dot.at), value: dot.value, at_least: dot.at_least };
        let runs = line.runs.iter().map(|run| run.iter().filter(|dot| axis.shows(dot.at)).map(point).collect());
        let runs = runs.filter(|run: &Vec<Point>| !run.is_empty()).collect();
        Curve { name: line.name.clone(), stroke: line.stroke, runs }
    }

    /// The spans in which a series has no samples.
    pub(crate) fn holes(&self, series: Option<&Series>) -> Vec<Span> {
        let holes = series.map(lines::holes).unwrap_or_default();
        let placed = holes.into_iter().filter_map(|hole| {
            let (from, to) = self.axis?.span(hole.window)?;
            Some(Span { from, to, reason: hole.reason.to_owned() })
        });
        placed.collect()
    }

    /// The spans in which the generator wrote nothing.
    pub(crate) fn traffic_holes(&self) -> Vec<Span> {
        let holes = self.columns.windows(2).filter(|pair| !adjacent(&pair[0], &pair[1]));
        let placed = holes.filter_map(|pair| {
            let (from, to) = self.axis?.span(Window { from: pair[0].window.to, to: pair[1].window.from })?;
            Some(Span { from, to, reason: "the generator wrote nothing".to_owned() })
        });
        placed.collect()
    }

    /// The spans in which requests were turned away and none was served, so that there is no latency to show.
    pub(crate) fn unserved(&self) -> Vec<Span> {
        let limited_only = |column: &Column| column.p50.is_none() && column.limited_p99_ns.is_some();
        let stretches = self.columns.chunk_by(|a, b| limited_only(a) == limited_only(b) && adjacent(a, b));
        let unserved = stretches.filter(|stretch| stretch.first().is_some_and(limited_only));
        let placed = unserved.filter_map(|stretch| {
            let window = Window { from: stretch.first()?.window.from, to: stretch.last()?.window.to };
            let (from, to) = self.axis?.span(window)?;
            Some(Span { from, to, reason: "every answer was rate-limited, none was served".to_owned() })
        });
        placed.collect()
    }

    /// The limits of criteria whose measured side is one of `subjects`.
    pub(crate) fn limits(&self, subjects: &[&str]) -> Vec<Limit> {
        let Some(axis) = self.axis else { return Vec::new() };
        let limit = |result: &plimsoll_record::verdict::CriterionResult| {
            let (subject, _) = criterion::parts(&result.expression)?;
            let window = criterion::window(result, self.facts)?;
            let span = window.map_or(Some((0.0, 1.0)), |window| axis.span(window))?;
            let label = format!("{} {}", text::plain(subject), criterion::limit(result));
            subjects.contains(&subject).then_some(Limit { label, value: result.limit, span })
        };
        self.verdict.criteria.iter().filter_map(limit).collect()
    }

    /// The table behind a chart of lines: one row per moment, one column per line.
    pub(crate) fn table(&self, unit: plimsoll_record::units::Unit, lines: &[Line]) -> DataTable {
        let Some(axis) = self.axis else { return DataTable::default() };
        let mut rows: std::collections::BTreeMap<Offset, Vec<String>> = std::collections::BTreeMap::new();
        for (i, line) in lines.iter().enumerate() {
            for dot in line.runs.iter().flatten().filter(|dot| axis.shows(dot.at)) {
                let row = rows.entry(dot.at).or_insert_with(|| vec!["no data".to_owned(); lines.len()]);
                row[i] = text::bound(unit, dot.value, dot.at_least);
            }
        }
        let names = lines.iter().map(|line| line.name.as_str());
        let columns = ["time"].into_iter().chain(names).map(str::to_owned).collect();
        DataTable { columns, rows: rows.into_iter().map(|(at, cells)| (axis.show(at), cells)).collect() }
    }
}

/// True when no interval is missing between two columns.
fn adjacent(before: &Column, after: &Column) -> bool {
    after.window.from.since(before.window.to) <= before.window.to.since(before.window.from) / 2
}

fn frame(axis: TimeAxis, facts: &Facts, verdict: &Verdict, happenings: &[Happening]) -> Frame {
    let names = facts.traffic.iter().flat_map(|traffic| &traffic.header.body.phases).map(|phase| &phase.name);
    let bands = names.zip(facts.phase_windows()).filter_map(|(name, window)| {
        let (from, to) = axis.span(window)?;
        Some((from, to, text::plain(name)))
    });
    let suspect = verdict.generator.contaminated.iter().filter_map(|(from, to)| {
        let (from, to) = axis.span(Window { from: Offset(*from), to: Offset(*to) })?;
        Some(Span { from, to, reason: "Contaminated: the generator itself was late".to_owned() })
    });
    let numbered = happenings.iter().enumerate().filter(|(_, happening)| happening.flagged && axis.shows(happening.at));
    let flags = numbered.take(MOST_FLAGS).map(|(i, happening)| Flag {
        place: axis.place(happening.at),
        number: i + 1,
        text: format!("{}: {}", axis.show(happening.at), happening.text),
    });
    Frame {
        axis: "time since the load began (min:s)",
        ticks: axis.ticks().into_iter().map(|(place, label)| Tick { place, label }).collect(),
        bands: Band::in_rows(bands),
        suspect: suspect.collect(),
        flags: flags.collect(),
        seconds: Some(axis.ends()),
    }
}
