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
    /// What the source told beside its values.
    Detail(Detail),
    /// A row of one node, where the source is several; rows without a node are of all of them together.
    Node(NodeFact),
}

/// A row of one node of several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeFact {
    /// What the node is called: its address, unless the plan gave it a name.
    pub node: String,
    /// Its row.
    pub fact: Box<SeriesFact>,
}

/// What a source told beside its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// When it was asked.
    pub at_ns: Offset,
    /// What it told.
    pub found: Found,
}

/// What a source can tell beside its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Statistics that are too long for every sample: read at the start, at the end, when a phase begins and when
    /// something happened to the source.
    Table {
        /// What its rows are.
        kind: TableKind,
        /// Values by row and column, in the source's own words and units.
        rows: BTreeMap<String, BTreeMap<String, f64>>,
    },
    /// A command that the source remembers as slow.
    SlowCommand {
        /// When it ran, by the source's own clock.
        unix_seconds: u64,
        /// How long it took, without waiting for clients.
        took_us: u64,
        /// The command's name.
        command: String,
        /// The first argument, which is a key for most commands; cut when it is long.
        key: Option<String>,
        /// How many arguments there were.
        arguments: u64,
        /// What the client calls itself.
        client: Option<String>,
    },
    /// A stall that the source noticed in itself, e.g. of a fork or the disk.
    Stall {
        /// The source's word for it.
        event: String,
        /// When it was, by the source's own clock.
        unix_seconds: u64,
        /// How long it was.
        latest_ms: u64,
        /// How long the longest of its kind was.
        max_ms: u64,
    },
}

/// What the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// Calls, time and failures by command (INFO commandstats).
    Commands,
    /// Percentiles of the time commands take, in microseconds (INFO latencystats).
    Latencies,
    /// Errors answered, by their first word (INFO errorstats).
    Errors,
    /// Keys by database (INFO keyspace).
    Databases,
    /// How many keys are how large, by type (INFO keysizes).
    KeySizes,
    /// Every number the source gives of itself, in one row.
    Fields,
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

/// What can happen to a source. Segments of a series start where one [cuts](Self::cuts).
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
    /// A background save began.
    SaveStarted,
    /// A process was killed for lack of memory.
    OomKilled,
    /// An endpoint stopped answering as it should.
    Down,
    /// An endpoint answers as it should again.
    Up,
    /// A background save ended, or failed.
    SaveEnded,
    /// A rewrite of the append-only file began.
    RewriteStarted,
    /// A rewrite of the append-only file ended, or failed.
    RewriteEnded,
    /// Counters since the start began anew; nothing else changed.
    StatsReset,
}

impl MarkKind {
    /// True for a child process that writes the data set out: pages that change meanwhile are there twice.
    #[must_use]
    pub fn is_fork(self) -> bool {
        matches!(self, Self::SaveStarted | Self::RewriteStarted)
    }

    /// True when values before and after are not of one kind: a slope over it says nothing.
    #[must_use]
    pub fn cuts(self) -> bool {
        match self {
            Self::Restarted
            | Self::RoleChanged
            | Self::Flushed
            | Self::Loading
            | Self::OomKilled
            | Self::Down
            | Self::Up => true,
            Self::SaveStarted | Self::SaveEnded | Self::RewriteStarted | Self::RewriteEnded | Self::StatsReset => false,
        }
    }
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
