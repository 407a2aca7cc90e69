//! Sampled series: `redis.jsonl`, `postgres.jsonl`, `pool.jsonl`, `host.jsonl`, `process.jsonl`. All have the same shape.
//! `containers.jsonl` and `probes.jsonl` hold several series, and each row says of which it is.
//!
//! A sample holds only what was really read: a missing value is absent, never 0 and never carried forward. A
//! sample that could not be taken is a gap row with its reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Offset;
use crate::files::FactKind;

/// Samples of Redis.
#[derive(Debug)]
pub enum Redis {}

impl FactKind for Redis {
    const FILE: &'static str = "redis.jsonl";
    type Header = SeriesHeader;
    type Fact = SeriesFact;
}

/// Samples of the host.
#[derive(Debug)]
pub enum Host {}

impl FactKind for Host {
    const FILE: &'static str = "host.jsonl";
    type Header = SeriesHeader;
    type Fact = SeriesFact;
}

/// Samples of one watched process.
#[derive(Debug)]
pub enum Process {}

impl FactKind for Process {
    const FILE: &'static str = "process.jsonl";
    type Header = SeriesHeader;
    type Fact = SeriesFact;
}

/// Samples of PostgreSQL.
#[derive(Debug)]
pub enum Postgres {}

impl FactKind for Postgres {
    const FILE: &'static str = "postgres.jsonl";
    type Header = SeriesHeader;
    type Fact = SeriesFact;
}

/// Samples of the service's pool of database connections.
#[derive(Debug)]
pub enum Pool {}

impl FactKind for Pool {
    const FILE: &'static str = "pool.jsonl";
    type Header = SeriesHeader;
    type Fact = SeriesFact;
}

/// Samples of containers, each by its name.
#[derive(Debug)]
pub enum Containers {}

impl FactKind for Containers {
    const FILE: &'static str = "containers.jsonl";
    type Header = NamedHeader;
    type Fact = NamedFact;
}

/// What probes of endpoints and of programs that embed the sampler found, each by its name.
#[derive(Debug)]
pub enum Probes {}

impl FactKind for Probes {
    const FILE: &'static str = "probes.jsonl";
    type Header = NamedHeader;
    type Fact = NamedFact;
}

/// What is sampled, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesHeader {
    /// Where the values come from, without secrets: a URL, a pid.
    pub source: String,
    /// Facts of the source that don't change: version, maxmemory policy, core count.
    #[serde(default)]
    pub identity: BTreeMap<String, String>,
    /// The sampling interval.
    pub every_ns: u64,
}

/// What is sampled into a file of several series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedHeader {
    /// Each series by its name.
    pub series: BTreeMap<String, SeriesHeader>,
}

/// One row of a file of several series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedFact {
    /// The name of the series it belongs to.
    pub of: String,
    /// The row.
    #[serde(flatten)]
    pub fact: SeriesFact,
}

/// One row of a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesFact {
    /// Values read at one moment.
    Sample(Sample),
    /// A sample that was due and could not be taken.
    Gap(Gap),
    /// Something happened to the source itself.
    Mark(Mark),
}

/// Values read at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When the values were asked for.
    pub at_ns: Offset,
    /// How long the answer took.
    pub took_ns: u64,
    /// Values by the metric's name without the source's prefix (`used_memory`); the catalogue gives the units.
    pub values: BTreeMap<String, f64>,
}

/// A sample that was due and could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When the sample was due.
    pub at_ns: Offset,
    /// The kind of failure.
    pub reason: GapReason,
    /// The error's text, without secrets.
    pub detail: String,
}

/// Why a sample is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// No connection.
    Unreachable,
    /// No answer within the probe's own timeout.
    TimedOut,
    /// The source answered with an error (busy script, loading, no permission).
    Refused,
    /// The answer could not be understood.
    Malformed,
    /// The source is gone (process ended, container removed).
    Gone,
    /// The sampler itself was late by more than one interval (suspended, starved of CPU).
    Late,
}

impl GapReason {
    /// The reason in plain words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "no answer in time",
            Self::Refused => "answered with an error",
            Self::Malformed => "answer not understood",
            Self::Gone => "gone",
            Self::Late => "sampler was late",
        }
    }
}

/// Something happened to the source itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When it was noticed.
    pub at_ns: Offset,
    /// What happened.
    pub kind: MarkKind,
    /// Details for people.
    pub detail: String,
}

/// What can happen to a source. Segments of a series start at each of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// The server restarted: its run id changed or its uptime dropped.
    Restarted,
    /// Primary became replica, or the reverse.
    RoleChanged,
    /// A database was flushed: the key count fell to zero.
    Flushed,
    /// The server is loading its data set.
    Loading,
    /// A background save or rewrite began.
    SaveStarted,
    /// A process was killed for lack of memory.
    OomKilled,
    /// An endpoint stopped answering as it should.
    Down,
    /// An endpoint answers as it should again.
    Up,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_several_series_says_of_which_it_is_and_what_it_is() {
        let mark = Mark { at_ns: Offset(7), kind: MarkKind::OomKilled, detail: String::new() };
        let row = NamedFact { of: "cache".to_owned(), fact: SeriesFact::Mark(mark) };
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(text, r#"{"of":"cache","mark":{"at_ns":7,"kind":"oom_killed","detail":""}}"#);
        assert_eq!(serde_json::from_str::<NamedFact>(&text).unwrap(), row);
    }
}
