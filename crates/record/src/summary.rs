//! The one place where facts become numbers: loading a run, totals of a scope, the timeline, series statistics.
//!
//! Judges and renderers take every number from here, so that a number has one definition. Percentiles are never
//! averaged: histograms merge, then the quantile is read.

mod columns;

use std::collections::BTreeMap;
use std::path::Path;

use crate::clock::Offset;
use crate::events::Events;
use crate::files::{FactFile, ReadError};
use crate::latency::{Histogram, Latency};
use crate::ledger::{Class, Ledger};
use crate::logs::{LogFact, Logs};
use crate::metric::{Metric, Source};
use crate::requests::{self, RequestLog};
use crate::run::{RunDir, RunError};
use crate::series::{Gap, Host, Mark, Process, Redis, Sample, SeriesFact, SeriesHeader};
use crate::traffic::{self, GeneratorInterval, Interval, Traffic, TrafficFact};

/// Everything a run directory holds, as facts.
#[derive(Debug)]
pub struct Facts {
    /// The directory and its `run.json`.
    pub run: RunDir,
    /// The resolved plan's text.
    pub plan: Option<String>,
    /// What the generator did.
    pub traffic: Option<FactFile<Traffic>>,
    /// Samples of Redis.
    pub redis: Option<Series>,
    /// Samples of the host.
    pub host: Option<Series>,
    /// Samples of the watched process.
    pub process: Option<Series>,
    /// What the logs said.
    pub logs: Option<FactFile<Logs>>,
    /// Alerts and stops.
    pub events: Option<FactFile<Events>>,
}

/// Why a run could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The directory is not a readable run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// One of its files is not readable.
    #[error(transparent)]
    File(#[from] ReadError),
}

impl Facts {
    /// Loads the run in `dir`. A file that is absent is `None`; whoever needs it says what is missing.
    ///
    /// # Errors
    /// [`LoadError`] when there is no run, or a file is damaged or of a later version.
    pub fn load(dir: &Path) -> Result<Self, LoadError> {
        let run = RunDir::open(dir)?;
        Ok(Self {
            plan: run.plan()?,
            traffic: traffic::read(dir)?,
            redis: FactFile::<Redis>::read(dir)?.map(Series::from_file),
            host: FactFile::<Host>::read(dir)?.map(Series::from_file),
            process: FactFile::<Process>::read(dir)?.map(Series::from_file),
            logs: FactFile::read(dir)?,
            events: FactFile::read(dir)?,
            run,
        })
    }

    /// The request log, read on demand because it is the one large file.
    ///
    /// # Errors
    /// [`ReadError`] when it is damaged.
    pub fn requests(&self) -> Result<Option<RequestLog>, ReadError> {
        requests::read(self.run.path())
    }

    /// The series of a source.
    #[must_use]
    pub fn series(&self, source: Source) -> Option<&Series> {
        match source {
            Source::Redis => self.redis.as_ref(),
            Source::Host => self.host.as_ref(),
            Source::Process => self.process.as_ref(),
        }
    }

    /// The window of a phase by name, from its planned start to its real end; `None` for an unknown phase.
    #[must_use]
    pub fn phase_window(&self, name: &str) -> Option<Window> {
        let traffic = self.traffic.as_ref()?;
        let index = traffic.header.body.phases.iter().position(|phase| phase.name == name)?;
        Some(self.phase_windows()[index])
    }

    /// The windows of all phases, in order.
    #[must_use]
    pub fn phase_windows(&self) -> Vec<Window> {
        let Some(traffic) = &self.traffic else { return Vec::new() };
        let last = self.last_interval_end();
        let mut windows: Vec<Window> = traffic
            .header
            .body
            .phases
            .iter()
            .map(|phase| Window { from: phase.start_ns, to: phase.end_ns.unwrap_or(last) })
            .collect();
        for fact in &traffic.facts {
            if let TrafficFact::PhaseEnded { phase, at_ns } = fact
                && let Some(window) = windows.get_mut(*phase as usize)
            {
                window.to = *at_ns;
            }
        }
        for window in &mut windows {
            window.to = window.to.max(window.from);
            if traffic.is_partial() {
                window.to = window.to.min(last).max(window.from);
            }
        }
        windows
    }

    /// The window from the first planned arrival to the end of the last interval.
    #[must_use]
    pub fn run_window(&self) -> Option<Window> {
        let traffic = self.traffic.as_ref()?;
        let from = traffic.header.body.start_ns;
        Some(Window { from, to: self.last_interval_end().max(from) })
    }

    /// All traffic rows that match `scope`.
    pub fn intervals<'a>(&'a self, scope: &Scope) -> impl Iterator<Item = &'a Interval> + use<'a> {
        let scope = scope.clone();
        let facts = self.traffic.as_ref().map_or(&[][..], |traffic| traffic.facts.as_slice());
        facts.iter().filter_map(move |fact| match fact {
            TrafficFact::Interval(interval) if scope.includes(interval) => Some(&**interval),
            _ => None,
        })
    }

    /// The generator's own rows.
    pub fn generator(&self) -> impl Iterator<Item = &GeneratorInterval> {
        let facts = self.traffic.as_ref().map_or(&[][..], |traffic| traffic.facts.as_slice());
        facts.iter().filter_map(|fact| match fact {
            TrafficFact::Generator(interval) => Some(interval),
            _ => None,
        })
    }

    /// Totals of everything that matches `scope`. The time is the scope's phase window, or the whole run.
    #[must_use]
    pub fn totals(&self, scope: &Scope) -> Totals {
        let window = match scope.phase {
            Some(phase) => self.phase_windows().get(phase as usize).copied(),
            None => self.run_window(),
        };
        let mut totals = Totals { seconds: window.map_or(0.0, |window| window.seconds()), ..Totals::default() };
        for interval in self.intervals(scope) {
            totals.add(interval);
        }
        totals
    }

    /// One point per interval, all phases and operations merged, in order of time.
    #[must_use]
    pub fn timeline(&self) -> Vec<Point> {
        let mut points: BTreeMap<Offset, Totals> = BTreeMap::new();
        for interval in self.intervals(&Scope::default()) {
            let totals = points.entry(interval.at_ns).or_default();
            totals.seconds = interval.len_ns as f64 / 1e9;
            totals.add(interval);
        }
        points.into_iter().map(|(at, totals)| Point { at, totals }).collect()
    }

    /// Lines counted per (log, event, value) over the whole run.
    #[must_use]
    pub fn log_counts(&self) -> BTreeMap<LogKey, u64> {
        let mut counts = BTreeMap::new();
        for fact in self.logs.iter().flat_map(|logs| &logs.facts) {
            let LogFact::Counts(row) = fact else { continue };
            for event in &row.events {
                let key = LogKey { log: row.log.clone(), event: event.event.clone(), value: event.value.clone() };
                *counts.entry(key).or_insert(0) += event.count;
            }
        }
        counts
    }

    fn last_interval_end(&self) -> Offset {
        let ends = self
            .intervals(&Scope::default())
            .map(|interval| Offset(interval.at_ns.0.saturating_add_unsigned(interval.len_ns)));
        ends.max().unwrap_or_default()
    }
}

/// A span on the run's clock: from inclusive, to exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Its beginning.
    pub from: Offset,
    /// Its end.
    pub to: Offset,
}

impl Window {
    /// Its length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.to.since(self.from) as f64 / 1e9
    }

    /// True when `at` lies inside.
    #[must_use]
    pub fn contains(&self, at: Offset) -> bool {
        self.from <= at && at < self.to
    }
}

/// Which traffic rows to look at; `None` means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The phase's index.
    pub phase: Option<u32>,
    /// The operation's index.
    pub operation: Option<u32>,
    /// Only rows whose interval begins inside.
    pub window: Option<Window>,
}

impl Scope {
    fn includes(&self, interval: &Interval) -> bool {
        self.phase.is_none_or(|phase| phase == interval.phase)
            && self.operation.is_none_or(|operation| operation == interval.operation)
            && self.window.is_none_or(|window| window.contains(interval.at_ns))
    }
}

/// Sums over traffic rows.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// The ledger.
    pub ledger: Ledger,
    /// Latency of answers that were not rate-limited.
    pub served: Latency,
    /// Latency of rate-limited answers.
    pub limited: Latency,
    /// Answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Body bytes received.
    pub body_bytes: u64,
    /// The time the sums cover, in seconds.
    pub seconds: f64,
}

/// A percentile, which is only a lower bound when its rank falls among requests that timed out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentile {
    /// Nanoseconds.
    pub nanos: u64,
    /// True when the real value is at least this.
    pub at_least: bool,
}

impl Totals {
    fn add(&mut self, interval: &Interval) {
        self.ledger.merge(&interval.ledger);
        self.served.merge(&interval.served);
        self.limited.merge(&interval.limited);
        self.body_bytes += interval.body_bytes;
        for (status, n) in &interval.statuses {
            *self.statuses.entry(*status).or_insert(0) += n;
        }
    }

    /// Response-time quantile of served requests; requests that timed out or never finished count as slower than
    /// every answer. `None` when there is neither.
    #[must_use]
    pub fn response(&self, q: f64) -> Option<Percentile> {
        self.quantile(&self.served.response, q)
    }

    /// Service-time quantile of served requests, with the same treatment of timeouts.
    #[must_use]
    pub fn service(&self, q: f64) -> Option<Percentile> {
        self.quantile(&self.served.service, q)
    }

    /// Failures / finished arrivals: everything but ok and limited counts as a failure. `None` when nothing finished.
    #[must_use]
    pub fn error_rate(&self) -> Option<f64> {
        share(self.ledger.failures(), self.ledger.finished())
    }

    /// Rate-limited answers / finished arrivals. `None` when nothing finished.
    #[must_use]
    pub fn limited_share(&self) -> Option<f64> {
        share(self.ledger.class(Class::Limited), self.ledger.finished())
    }

    /// Complete answers per second. `None` when no time passed.
    #[must_use]
    pub fn throughput(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.ledger.answered() as f64 / self.seconds)
    }

    /// Scheduled arrivals per second. `None` when no time passed.
    #[must_use]
    pub fn offered(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.ledger.scheduled() as f64 / self.seconds)
    }

    fn quantile(&self, histogram: &Histogram, q: f64) -> Option<Percentile> {
        let censored = self.ledger.censored();
        let total = histogram.count() + censored;
        if total == 0 {
            return None;
        }
        let rank = (q * total as f64).ceil().max(1.0);
        if rank > histogram.count() as f64 {
            return Some(Percentile { nanos: histogram.max().unwrap_or(0), at_least: true });
        }
        let within = (rank / histogram.count() as f64).min(1.0);
        histogram.quantile(within).map(|nanos| Percentile { nanos, at_least: false })
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// One interval of the run.
#[derive(Clone, Debug)]
pub struct Point {
    /// When it began.
    pub at: Offset,
    /// What happened in it.
    pub totals: Totals,
}

/// What a counted log line is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey {
    /// The log's name.
    pub log: String,
    /// The event.
    pub event: String,
    /// The value of the counted field.
    pub value: Option<String>,
}

/// A sampled series.
#[derive(Clone, Debug)]
pub struct Series {
    /// What is sampled.
    pub header: SeriesHeader,
    /// The samples, in order.
    pub samples: Vec<Sample>,
    /// The samples that are missing.
    pub gaps: Vec<Gap>,
    /// What happened to the source.
    pub marks: Vec<Mark>,
    /// True when the sampler died.
    pub partial: bool,
}

impl Series {
    fn from_file<K>(file: FactFile<K>) -> Self
    where
        K: crate::files::FactKind<Header = SeriesHeader, Fact = SeriesFact>,
    {
        let partial = file.is_partial();
        let mut series =
            Self { header: file.header.body, samples: Vec::new(), gaps: Vec::new(), marks: Vec::new(), partial };
        for fact in file.facts {
            match fact {
                SeriesFact::Sample(sample) => series.samples.push(sample),
                SeriesFact::Gap(gap) => series.gaps.push(gap),
                SeriesFact::Mark(mark) => series.marks.push(mark),
            }
        }
        series
    }

    /// The values of one metric, where they were read, inside `window` (all when `None`).
    #[must_use]
    pub fn values(&self, metric: &Metric, window: Option<Window>) -> Vec<(Offset, f64)> {
        let inside = |at| window.is_none_or(|window| window.contains(at));
        let read = self.samples.iter().filter(|sample| inside(sample.at_ns));
        read.filter_map(|sample| Some((sample.at_ns, *sample.values.get(metric.key)?))).collect()
    }

    /// First, last, smallest, largest, mean and median of one metric inside `window`; `None` without a value.
    #[must_use]
    pub fn stats(&self, metric: &Metric, window: Option<Window>) -> Option<SeriesStats> {
        SeriesStats::of(&self.values(metric, window))
    }
}

/// A series in six numbers, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesStats {
    /// How many values.
    pub count: usize,
    /// The first value.
    pub first: f64,
    /// The last value.
    pub last: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The median.
    pub median: f64,
}

impl SeriesStats {
    fn of(values: &[(Offset, f64)]) -> Option<Self> {
        let (first, last) = (values.first()?.1, values.last()?.1);
        let mut sorted: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Self {
            count: sorted.len(),
            first,
            last,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            mean: sorted.iter().sum::<f64>() / sorted.len() as f64,
            median,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Outcome;
    use crate::metric::METRICS;

    fn totals(answers_ms: &[u64], timeouts: u64) -> Totals {
        let mut totals = Totals::default();
        for ms in answers_ms {
            totals.served.record(ms * 1_000_000, ms * 1_000_000);
            totals.ledger.finish(Outcome::Ok);
        }
        totals.ledger.finish_many(Outcome::TimedOut, timeouts);
        totals
    }

    #[test]
    fn a_percentile_among_timeouts_is_only_a_lower_bound() {
        let nine_answers_and_a_timeout = totals(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 1);
        let p50 = nine_answers_and_a_timeout.response(0.5).unwrap();
        assert!(!p50.at_least && (p50.nanos as f64 / 5e6 - 1.0).abs() < 0.01, "{p50:?}");
        let p99 = nine_answers_and_a_timeout.response(0.99).unwrap();
        assert!(p99.at_least && p99.nanos >= 9_000_000, "{p99:?}");
    }

    #[test]
    fn nothing_measured_is_nothing_not_zero() {
        let nothing = Totals::default();
        assert_eq!(nothing.response(0.5), None);
        assert_eq!((nothing.error_rate(), nothing.throughput(), nothing.limited_share()), (None, None, None));
    }

    #[test]
    fn limited_answers_are_no_errors_but_count_as_finished() {
        let mut totals = totals(&[1], 1);
        totals.ledger.finish_many(Outcome::Limited, 2);
        assert_eq!((totals.error_rate(), totals.limited_share()), (Some(0.25), Some(0.5)));
    }

    #[test]
    fn a_series_in_six_numbers_skips_samples_without_the_value() {
        let sample = |second: i64, value: Option<f64>| Sample {
            at_ns: Offset(second * 1_000_000_000),
            took_ns: 1,
            values: value.map(|value| (METRICS[0].key.to_owned(), value)).into_iter().collect(),
        };
        let series = Series {
            header: SeriesHeader { source: String::new(), identity: BTreeMap::new(), every_ns: 1 },
            samples: vec![sample(0, Some(4.0)), sample(1, None), sample(2, Some(1.0)), sample(3, Some(10.0))],
            gaps: Vec::new(),
            marks: Vec::new(),
            partial: false,
        };
        let stats = series.stats(&METRICS[0], None).unwrap();
        assert_eq!((stats.count, stats.first, stats.last, stats.min, stats.max), (3, 4.0, 10.0, 1.0, 10.0));
        assert_eq!((stats.mean, stats.median), (5.0, 4.0));
        let late = Window { from: Offset(3_000_000_000), to: Offset(9_000_000_000) };
        assert_eq!(series.stats(&METRICS[0], Some(late)).map(|stats| stats.count), Some(1));
    }
}
