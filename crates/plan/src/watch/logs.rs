//! What a plan says about the logs to follow.

use std::path::PathBuf;

use crate::patterns::Pattern;

/// A log file to follow. Lines about memory, refused connections and the like are always counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogWatch {
    /// The name criteria use. Default: the file's stem.
    pub name: String,
    /// The file. It may appear later.
    pub path: PathBuf,
    /// Count JSON lines whose `event` field has this value.
    pub event: Option<String>,
    /// Split that count by this field, and counts of patterns by the group of this name.
    pub count_by: Option<String>,
    /// Count lines, of whatever format, that match; each under its name.
    pub patterns: Vec<(String, Pattern)>,
    /// Count JSON lines that tell of something slow.
    pub slow: Option<SlowLines>,
}

/// JSON lines that tell of something slow; they are counted as `slow`.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowLines {
    /// The field that holds how long it took.
    pub field: String,
    /// Slow is more than this, in the unit of the field.
    pub above: f64,
}

/// The word under which slow lines are counted.
pub(crate) const SLOW: &str = "slow";

impl LogWatch {
    /// Every word that criteria may use about this log: `lines`, what the plan counts, and what is always counted.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        let own = self.event.as_deref().into_iter().chain(self.patterns.iter().map(|(word, _)| word.as_str()));
        let slow = self.slow.is_some().then_some(SLOW);
        ["lines"].into_iter().chain(own).chain(slow).chain(LOG_EVENTS.iter().map(|known| known.word))
    }
}

/// Something every followed log is searched for, whatever the plan says. The sampler holds the patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// The word criteria use: `oom` in `log.errors.oom`.
    pub word: &'static str,
    /// What it finds, in one line.
    pub help: &'static str,
}

const fn event(word: &'static str, help: &'static str) -> LogEvent {
    LogEvent { word, help }
}

/// Everything that every followed log is searched for.
pub const LOG_EVENTS: &[LogEvent] = &[
    event("oom", "out of memory: writes refused by Redis, processes killed"),
    event("connection_refused", "connections refused"),
    event("timeout", "something took too long"),
    event("misconf", "Redis refuses writes because it cannot save"),
    event("readonly", "a write reached a read-only replica"),
    event("noauth", "wrong or missing credentials"),
    event("max_clients", "too many connections"),
    event("pool_exhausted", "a connection pool ran dry"),
    event("memory", "errors about memory"),
    event("redis", "errors about Redis"),
];
