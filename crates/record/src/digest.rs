//! `digest.json`: a run in a few numbers, small enough to keep for years, for trends over runs and limits from them.
//!
//! Derived: it can be computed again as long as the facts are there, and stands for them once they were deleted. The
//! numbers are those of the longest phase, because warm-ups and ramps differ for reasons of their own.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::FORMAT;
use crate::metric::METRICS;
use crate::run::{Machine, RunDir, RunError};
use crate::summary::{Facts, Scope, Totals, Window};
use crate::units::Unit;
use crate::verdict::{Judgement, Verdict};

/// The file's name in a run directory.
pub const DIGEST_FILE: &str = "digest.json";

/// A run in a few numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// The format version: [`FORMAT`].
    pub format: u32,
    /// The run's id.
    pub run: String,
    /// The plan's name.
    pub plan: String,
    /// When the load began, in Unix nanoseconds.
    pub unix_ns: i64,
    /// Where it was made.
    pub machine: Machine,
    /// What the run was judged.
    pub judgement: Judgement,
    /// The phase the numbers are of; empty for a run without traffic.
    pub phase: String,
    /// The numbers.
    pub values: Vec<DigestValue>,
}

/// One number of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigestValue {
    /// What it is, as a criterion would say it: `p95`, `error_rate`, `max(redis.used_memory)`.
    pub metric: String,
    /// The endpoint; empty for all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub endpoint: String,
    /// The value, in the unit's base.
    pub value: f64,
    /// Its unit.
    pub unit: Unit,
}

/// Why a digest could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// The file system said no.
    #[error("cannot read {path}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It is not what the format says.
    #[error("{path} is damaged; delete it, and it is computed again", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A later version wrote it.
    #[error("{path}: format {found}, this version reads up to {FORMAT}; use a newer plimsoll", path = path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
}

impl Digest {
    /// Sums a run up.
    #[must_use]
    pub fn of(facts: &Facts, verdict: &Verdict) -> Self {
        let header = facts.traffic.as_ref().map(|traffic| &traffic.header.body);
        let phase = facts.longest_phase();
        let start = header.map(|header| header.start_ns.0).unwrap_or_default();
        let mut values = Vec::new();
        if let (Some(header), Some(phase)) = (header, phase) {
            let scope = Scope { phase: Some(phase), ..Scope::default() };
            values.extend(of_traffic("", &facts.totals(&scope)));
            for (index, operation) in (0..).zip(&header.operations) {
                let totals = facts.totals(&Scope { operation: Some(index), ..scope.clone() });
                values.extend(of_traffic(operation, &totals));
            }
        }
        let window = phase.and_then(|phase| facts.phase_windows().get(phase as usize).copied());
        values.extend(of_series(facts, window));
        let name = |phase| header.and_then(|header| header.phases.get(phase as usize)).map(|phase| phase.name.clone());
        Self {
            format: FORMAT,
            run: verdict.run.clone(),
            plan: verdict.plan.clone(),
            unix_ns: facts.run.info().anchor.unix_ns.saturating_add(start),
            machine: facts.run.info().machine.clone(),
            judgement: verdict.judgement,
            phase: phase.and_then(name).unwrap_or_default(),
            values,
        }
    }

    /// The digest in `dir`; `None` when there is none.
    ///
    /// # Errors
    /// [`DigestError`] when it cannot be read.
    pub fn read(dir: &Path) -> Result<Option<Self>, DigestError> {
        let path = dir.join(DIGEST_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(DigestError::Unreadable { path, source }),
        };
        let digest: Self =
            serde_json::from_str(&text).map_err(|source| DigestError::Damaged { path: path.clone(), source })?;
        if digest.format > FORMAT {
            return Err(DigestError::TooNew { path, found: digest.format });
        }
        Ok(Some(digest))
    }

    /// Stores it in its run's directory.
    ///
    /// # Errors
    /// [`RunError::Unwritable`] when it cannot be written.
    pub fn store(&self, run: &RunDir) -> Result<PathBuf, RunError> {
        let mut text = serde_json::to_string_pretty(self).expect("a digest has string keys and finite numbers only");
        text.push('\n');
        run.write_derived(DIGEST_FILE, &text)
    }

    /// A number by its name and endpoint (empty: all).
    #[must_use]
    pub fn value(&self, metric: &str, endpoint: &str) -> Option<&DigestValue> {
        self.values.iter().find(|value| value.metric == metric && value.endpoint == endpoint)
    }
}

impl Facts {
    /// The phase that lasted longest, the first of equals; `None` without traffic.
    #[must_use]
    pub fn longest_phase(&self) -> Option<u32> {
        let windows = self.phase_windows();
        let lasts = |window: &Window| window.to.since(window.from);
        let longest = windows.iter().map(lasts).max()?;
        windows.iter().position(|window| lasts(window) == longest).and_then(|index| index.try_into().ok())
    }
}

fn of_traffic(endpoint: &str, totals: &Totals) -> Vec<DigestValue> {
    let seconds = |q: f64| totals.response(q).filter(|known| !known.at_least).map(|known| known.nanos as f64 / 1e9);
    let numbers = [
        ("count", Some(totals.ledger.finished() as f64), Unit::Count),
        ("throughput", totals.throughput(), Unit::PerSecond),
        ("error_rate", totals.error_rate(), Unit::Share),
        ("limited_share", totals.limited_share(), Unit::Share),
        ("mean", totals.served.response.mean().map(|nanos| nanos / 1e9), Unit::Seconds),
        ("p50", seconds(0.5), Unit::Seconds),
        ("p95", seconds(0.95), Unit::Seconds),
        ("p99", seconds(0.99), Unit::Seconds),
    ];
    let known = numbers.into_iter().filter_map(|(metric, value, unit)| Some((metric, value?, unit)));
    known.map(|(metric, value, unit)| number(metric, endpoint, value, unit)).collect()
}

/// Largest and mean values; of counters that only rise, a mean says nothing.
fn of_series(facts: &Facts, window: Option<Window>) -> Vec<DigestValue> {
    let mut values = Vec::new();
    for metric in METRICS.iter().filter(|metric| matches!(metric.unit, Unit::Bytes | Unit::Share | Unit::Ratio)) {
        let Some(stats) = facts.series(metric.source).and_then(|series| series.stats(metric, window)) else { continue };
        if metric.key.ends_with("_bytes") {
            continue;
        }
        values.push(number(&format!("max({})", metric.name()), "", stats.max, metric.unit));
        values.push(number(&format!("mean({})", metric.name()), "", stats.mean, metric.unit));
    }
    values
}

/// Nine digits are more than any of them has, and the same on every machine.
fn number(metric: &str, endpoint: &str, value: f64, unit: Unit) -> DigestValue {
    let value = format!("{value:.8e}").parse().unwrap_or(value);
    DigestValue { metric: metric.to_owned(), endpoint: endpoint.to_owned(), value, unit }
}
