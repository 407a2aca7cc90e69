//! What a plan says about watching: Redis, host, process, logs, alerts.

use std::path::PathBuf;
use std::time::Duration;

use plimsoll_record::events::Level;

use crate::redis::RedisSource;

/// What to watch during the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// The sampling interval, 100 ms or more. Default 1 s.
    pub every: Duration,
    /// The Redis to watch.
    pub redis: Option<RedisSource>,
    /// Whether to sample the host. Default true.
    pub host: bool,
    /// The process to watch.
    pub process: Option<ProcessWatch>,
    /// Log files to follow.
    pub logs: Vec<LogWatch>,
    /// When to raise an alarm.
    pub alerts: Vec<Alert>,
}

/// The process to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessWatch {
    /// By pid.
    Pid(u32),
    /// By the name of its executable, the oldest such process.
    Name(String),
}

/// A log file to follow. Lines about memory, refused connections and the like are always counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogWatch {
    /// The name criteria use. Default: the file's stem.
    pub name: String,
    /// The file. It may appear later.
    pub path: PathBuf,
    /// Count JSON lines whose `event` field has this value.
    pub event: Option<String>,
    /// Split that count by this field.
    pub count_by: Option<String>,
}

/// When to raise an alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Growth of used_memory that must not be exceeded, in bytes per second.
    pub growth: f64,
    /// How serious it is.
    pub level: Level,
    /// Whether `memwatch exec` stops its command.
    pub stop: bool,
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
