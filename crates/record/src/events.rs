//! `events.jsonl`: alerts, stops and marks on the run's time axis. One writer: `memwatch`.

use serde::{Deserialize, Serialize};

use crate::clock::Offset;
use crate::files::FactKind;

/// What kind of file this is, for the reader and the writer.
#[derive(Debug)]
pub enum Events {}

impl FactKind for Events {
    const FILE: &'static str = "events.jsonl";
    type Header = EventsHeader;
    type Fact = Event;
}

/// Nothing beyond the common header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsHeader {}

/// How serious an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Worth a look; the run goes on.
    Warn,
    /// The limit that must not be crossed.
    Critical,
}

/// One thing that happened during the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A watched value crossed an alert's limit.
    Alert {
        /// When it was noticed.
        at_ns: Offset,
        /// How serious it is.
        level: Level,
        /// The metric, in the words of the catalogue, e.g. `redis.used_memory`.
        metric: String,
        /// What was seen, e.g. bytes per second for growth.
        value: f64,
        /// The limit it crossed, in the same unit.
        limit: f64,
        /// The sentence shown to people.
        message: String,
    },
    /// The wrapped command was told to stop because of an alert.
    Stop {
        /// When the first signal was sent.
        at_ns: Offset,
        /// Why.
        reason: String,
        /// The signals sent, in order, e.g. `["TERM"]`; a command that does not heed it gets a row of its own for `KILL`.
        signals: Vec<String>,
    },
    /// The wrapped command ended.
    CommandEnded {
        /// When it ended.
        at_ns: Offset,
        /// Its exit code; `None` when a signal ended it.
        exit_code: Option<i32>,
        /// How long it ran, in nanoseconds.
        ran_ns: u64,
        /// What tells this command line from others: the program's name and a hash of all words. Arguments may hold
        /// secrets, so they are not here. Absent in records of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
    },
    /// A point worth a line on the charts.
    Mark {
        /// When it happened.
        at_ns: Offset,
        /// What it was.
        label: String,
    },
}

impl Event {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Offset {
        match self {
            Self::Alert { at_ns, .. }
            | Self::Stop { at_ns, .. }
            | Self::CommandEnded { at_ns, .. }
            | Self::Mark { at_ns, .. } => *at_ns,
        }
    }

    /// The same at another time.
    #[must_use]
    pub fn moved_to(mut self, at: Offset) -> Self {
        match &mut self {
            Self::Alert { at_ns, .. }
            | Self::Stop { at_ns, .. }
            | Self::CommandEnded { at_ns, .. }
            | Self::Mark { at_ns, .. } => *at_ns = at,
        }
        self
    }
}
