//! When to raise an alarm, and what to do then.

use plimsoll_record::events::Level;
use url::Url;

/// When to raise an alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// What must not be exceeded.
    pub trigger: Trigger,
    /// How serious it is.
    pub level: Level,
    /// Whether `memwatch exec` stops its command.
    pub stop: bool,
    /// What else is done.
    pub actions: Actions,
}

/// What must not be exceeded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trigger {
    /// Growth of used_memory, in bytes per second.
    Growth(f64),
    /// used_memory, in bytes.
    Size(f64),
    /// Memory that counts towards maxmemory, as a share of it.
    OfMaxmemory(f64),
    /// Keys evicted per second.
    Evictions(f64),
    /// Commands refused with OOM between two samples.
    OomErrors(f64),
    /// Clients that wait in a blocking command.
    BlockedClients(f64),
    /// Connections turned away between two samples.
    RejectedClients(f64),
}

/// What is done when an alarm is raised, beside telling and recording it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    /// A program and its arguments, started as they are: there is no shell between. Empty for none.
    pub run: Vec<String>,
    /// An address on this machine that the alarm is posted to, as JSON.
    pub webhook: Option<Url>,
}

impl Alert {
    /// An alert without actions.
    #[must_use]
    pub fn new(trigger: Trigger, level: Level, stop: bool) -> Self {
        Self { trigger, level, stop, actions: Actions::default() }
    }
}

impl Trigger {
    /// The word it is stated with in a plan.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Growth(_) => "growth",
            Self::Size(_) => "size",
            Self::OfMaxmemory(_) => "of_maxmemory",
            Self::Evictions(_) => "evictions",
            Self::OomErrors(_) => "oom_errors",
            Self::BlockedClients(_) => "blocked_clients",
            Self::RejectedClients(_) => "rejected_clients",
        }
    }

    /// The limit, in the base of its unit.
    #[must_use]
    pub fn limit(self) -> f64 {
        match self {
            Self::Growth(limit)
            | Self::Size(limit)
            | Self::OfMaxmemory(limit)
            | Self::Evictions(limit)
            | Self::OomErrors(limit)
            | Self::BlockedClients(limit)
            | Self::RejectedClients(limit) => limit,
        }
    }
}
