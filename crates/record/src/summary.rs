//! The one place where facts become numbers: loading a run, totals of a scope, the timeline, series statistics.
//!
//! Judges and renderers take every number from here, so that a number has one definition. Percentiles are never
//! averaged: histograms merge, then the quantile is read.

mod checks;
mod columns;
mod generator;
mod integrity;
mod keys;
mod scope;
mod series;
mod slow;
mod totals;

use std::collections::BTreeMap;
use std::path::Path;

use crate::clock::Offset;
use crate::events::Events;
use crate::files::{FactFile, ReadError};
use crate::integrity::IntegrityLog;
use crate::keys::Keys;
use crate::logs::{LogFact, Logs};
use crate::metric::Source;
use crate::requests::{self, RequestLog};
use crate::run::{RunDir, RunError};
use crate::series::{Containers, Host, Pool, Postgres, Probes, Process, Redis};
use crate::traffic::{self, GeneratorInterval, Interval, Traffic, TrafficFact};

pub use checks::CheckTotal;
pub use generator::GeneratorPeaks;
pub use integrity::IntegritySummary;
pub use keys::{KeyGrowth, PatternGrowth};
pub use scope::{Scope, Window};
pub use series::{Series, SeriesStats};
pub use totals::{Percentile, Point, Totals};

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
    /// Samples of PostgreSQL.
    pub postgres: Option<Series>,
    /// Samples of the service's connection pool.
    pub pool: Option<Series>,
    /// Samples of the host.
    pub host: Option<Series>,
    /// Samples of the watched process.
    pub process: Option<Series>,
    /// What was written, acknowledged and read back.
    pub integrity: Option<FactFile<IntegrityLog>>,
    /// What the keys of Redis were made of.
    pub keys: Option<FactFile<Keys>>,
    /// Samples of containers, by name.
    pub containers: BTreeMap<String, Series>,
    /// What probes found, by name.
    pub probes: BTreeMap<String, Series>,
    /// What the logs said.
    pub logs: Option<FactFile<Logs>>,
    /// Alerts and stops.
    pub events: Option<FactFile<Events>>,
    /// The end of the last interval of traffic; asked for all the time, and found by a walk over all rows.
    last_interval_end: Offset,
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
        let traffic = traffic::read(dir)?;
        Ok(Self {
            plan: run.plan()?,
            last_interval_end: traffic.as_ref().map_or(Offset::ZERO, last_interval_end),
            traffic,
            redis: FactFile::<Redis>::read(dir)?.map(Series::from_file),
            postgres: FactFile::<Postgres>::read(dir)?.map(Series::from_file),
            pool: FactFile::<Pool>::read(dir)?.map(Series::from_file),
            host: FactFile::<Host>::read(dir)?.map(Series::from_file),
            process: FactFile::<Process>::read(dir)?.map(Series::from_file),
            integrity: FactFile::read(dir)?,
            keys: FactFile::read(dir)?,
            containers: FactFile::<Containers>::read(dir)?.map(Series::from_named).unwrap_or_default(),
            probes: FactFile::<Probes>::read(dir)?.map(Series::from_named).unwrap_or_default(),
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

    /// The series of a source; of those with several by name, the only one.
    #[must_use]
    pub fn series(&self, source: Source) -> Option<&Series> {
        self.series_of(source, None)
    }

    /// The series of a source by its name. Without a name, the only one there is.
    #[must_use]
    pub fn series_of(&self, source: Source, of: Option<&str>) -> Option<&Series> {
        match source {
            Source::Redis => self.redis.as_ref(),
            Source::Postgres => self.postgres.as_ref(),
            Source::Pool => self.pool.as_ref(),
            Source::Host => self.host.as_ref(),
            Source::Process => self.process.as_ref(),
            Source::Container => pick(&self.containers, of),
            Source::Probe => pick(&self.probes, of),
        }
    }

    /// Every series that was recorded, with its source and, of those with several, its name.
    #[must_use]
    pub fn all_series(&self) -> Vec<(Source, Option<&str>, &Series)> {
        let single = Source::ALL.into_iter().filter(|source| !source.is_named());
        let single = single.filter_map(|source| Some((source, None, self.series(source)?)));
        let named = [(Source::Container, &self.containers), (Source::Probe, &self.probes)].into_iter();
        let named =
            named.flat_map(|(source, all)| all.iter().map(move |(of, series)| (source, Some(of.as_str()), series)));
        single.chain(named).collect()
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
        let last = self.last_interval_end;
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
        Some(Window { from, to: self.last_interval_end.max(from) })
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

    /// The time that a scope covers: its phases or the whole run, as far as they lie in its window.
    #[must_use]
    pub fn scope_window(&self, scope: &Scope) -> Option<Window> {
        let whole = match scope.phase {
            Some(first) => {
                let windows = self.phase_windows();
                let last = scope.through.unwrap_or(first) as usize;
                windows.get(first as usize..=last)?.iter().copied().reduce(Window::hull)
            }
            None => self.run_window(),
        };
        let whole = whole?;
        Some(scope.window.map_or(whole, |window| whole.intersection(window)))
    }

    /// Totals of everything that matches `scope`. The time is what the scope covers.
    #[must_use]
    pub fn totals(&self, scope: &Scope) -> Totals {
        let window = self.scope_window(scope);
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
}

/// A series by its name; without a name, the only one.
fn pick<'a>(all: &'a BTreeMap<String, Series>, of: Option<&str>) -> Option<&'a Series> {
    match of {
        Some(of) => all.get(of),
        None => all.values().next().filter(|_| all.len() == 1),
    }
}

fn last_interval_end(traffic: &FactFile<Traffic>) -> Offset {
    let ends = traffic.facts.iter().filter_map(|fact| match fact {
        TrafficFact::Interval(interval) => Some(Offset(interval.at_ns.0.saturating_add_unsigned(interval.len_ns))),
        _ => None,
    });
    ends.max().unwrap_or_default()
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
