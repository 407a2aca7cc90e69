//! `logs.jsonl`: what the followed log files said, counted per interval, with a few examples.

use serde::{Deserialize, Serialize};

use crate::clock::Offset;
use crate::files::FactKind;

/// What kind of file this is, for the reader and the writer.
#[derive(Debug)]
pub enum Logs {}

impl FactKind for Logs {
    const FILE: &'static str = "logs.jsonl";
    type Header = LogsHeader;
    type Fact = LogFact;
}

/// Which log files are followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsHeader {
    /// One entry per followed file, in the plan's order.
    pub logs: Vec<FollowedLog>,
}

/// A followed log file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowedLog {
    /// The name criteria use: the file's stem unless the plan names it.
    pub name: String,
    /// The path as resolved.
    pub path: String,
}

/// One fact about a followed log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFact {
    /// Lines counted in one interval; written only when there were any.
    Counts(LogCounts),
    /// An example line of an event, at most a few per event and run; cut at 500 characters.
    Example {
        /// When it was read.
        at_ns: Offset,
        /// The log's name.
        log: String,
        /// The event it was counted as.
        event: String,
        /// The line.
        line: String,
    },
    /// The file could not be followed for a while: missing, unreadable, truncated.
    Gap {
        /// When it was noticed.
        at_ns: Offset,
        /// The log's name.
        log: String,
        /// What happened.
        reason: String,
    },
}

/// What one log said in one interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCounts {
    /// The end of the interval.
    pub at_ns: Offset,
    /// The log's name.
    pub log: String,
    /// All lines read in the interval.
    pub lines: u64,
    /// Counts of lines that matched something the plan or the built-in patterns look for.
    pub events: Vec<EventCount>,
}

/// Lines of one event, by the value of the counted field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCount {
    /// The event's word (`RATE_LIMITED`) or the built-in pattern's name (`oom`, `connection_refused`, ...).
    pub event: String,
    /// The value of the plan's `count_by` field, e.g. `per_minute`; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How many lines.
    pub count: u64,
}
