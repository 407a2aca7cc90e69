//! What became of memory: a row per component, what moved it, and what was left of it.

use serde::{Deserialize, Serialize};

use super::Interval;
use crate::clock::Offset;

/// What became of memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemoryFacts {
    /// Each component that was sampled: Redis's used memory, data set, overhead, resident memory; host; process.
    pub components: Vec<MemoryGrowth>,
    /// What was left when the load was over; absent when nobody watched before or after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<MemoryDrain>,
    /// Where resident memory goes, as medians over the judged window; absent where Redis does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragmentation: Option<Fragmentation>,
}

/// How one component developed over the judged window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemoryGrowth {
    /// The metric's full name: `redis.used_memory`.
    pub metric: String,
    /// Where it was judged, in words; empty for the whole run.
    pub scope: String,
    /// The judged window: behind the guard and the time to live of keys, without what a break or settling cut off.
    pub from_ns: Offset,
    /// Its end.
    pub to_ns: Offset,
    /// What it does.
    pub state: GrowthState,
    /// Why that is said, in one sentence.
    pub reason: String,
    /// The growth that is too much, in bytes per second.
    pub limit: f64,
    /// The slope in bytes per second, explained steps left out; absent when there is too little data.
    pub slope: Option<f64>,
    /// Its 90 % interval.
    pub interval: Option<Interval>,
    /// The slope of the tenth percentiles: what grows under a sawtooth.
    pub floor_slope: Option<f64>,
    /// The slope of the last half alone.
    pub late_slope: Option<f64>,
    /// How many independent buckets they are worth.
    pub effective_samples: Option<f64>,
    /// The length of a bucket, in seconds.
    pub bucket_s: f64,
    /// The buckets the line goes through: (seconds since `from_ns`, median in bytes), explained steps left out.
    pub buckets: Vec<(f64, f64)>,
    /// What moved it in steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<MemoryStep>,
    /// When a background save or rewrite began in the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub saves_ns: Vec<Offset>,
    /// What grows; absent when nothing does, or nothing tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<GrowthCause>,
    /// Growth that slows down; absent when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settling: Option<Settling>,
    /// The level a filling cache will reach, in bytes; absent when none fills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plateau: Option<f64>,
    /// Growth per finished request, in bytes; absent without traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_request: Option<Estimate>,
    /// Seconds from the window's end until maxmemory is reached; absent without a limit or without growth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_in_s: Option<TimeLeft>,
    /// About how many seconds a window would have to be for a decision; absent when it is decided, or hopeless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_s: Option<f64>,
}

/// What a component does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrowthState {
    /// Certainly below the limit.
    Stable,
    /// Certainly above the limit, and nothing says that it will end: five minutes or more, to the end of the window.
    Leaking,
    /// Certainly above the limit so far, but for less than five minutes.
    Growing,
    /// Above the limit because keys with a time to live have not all lived it out yet, or may not have.
    Filling,
    /// Above the limit, and slowing down.
    Settling,
    /// The record cannot tell.
    Inconclusive,
}

impl GrowthState {
    /// The word on screens.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Leaking => "leaking",
            Self::Growing => "growing",
            Self::Filling => "filling",
            Self::Settling => "settling",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A sudden change of a component.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemoryStep {
    /// When.
    pub at_ns: Offset,
    /// By how much, in bytes; negative when it fell.
    pub bytes: f64,
    /// What it was. All but unexplained ones are left out of the slope.
    pub kind: StepKind,
}

/// What a step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// The table of keys doubled.
    HashTable,
    /// The table of times to live doubled.
    ExpiryTable,
    /// A doubled table's predecessor was freed.
    Rehashed,
    /// Clients came or went.
    Clients,
    /// Buffers of the append-only file, of replicas or of the replication backlog.
    Buffers,
    /// Nothing that is known of.
    Unexplained,
}

impl StepKind {
    /// What it was, in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::HashTable => "the table of keys doubled",
            Self::ExpiryTable => "the table of times to live doubled",
            Self::Rehashed => "the old half of a doubled table was freed",
            Self::Clients => "clients came or went",
            Self::Buffers => "buffers of persistence or replication",
            Self::Unexplained => "unexplained",
        }
    }
}

/// What grows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GrowthCause {
    /// What it is.
    pub kind: CauseKind,
    /// The same with its numbers, in one sentence.
    pub sentence: String,
}

/// What can grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// New keys that nothing will ever remove.
    KeysWithoutTtl,
    /// Keys with a time to live that have not lived it out.
    FillingCache,
    /// Keys with a time to live that stay longer than it.
    ExpiryLag,
    /// The same keys hold more.
    Values,
    /// What Redis needs for itself; the sentence names the field.
    Overhead,
    /// Pages of the allocator that are only partly used.
    Fragmentation,
    /// Pages that the allocator has not given back.
    Retained,
    /// Memory of the process that the allocator knows nothing of.
    Process,
}

/// Growth that slows down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Settling {
    /// The slope of the first half, in bytes per second.
    pub first_slope: f64,
    /// The slope of the last half.
    pub last_slope: f64,
    /// The time in which the slope falls to 37 %, in seconds.
    pub tau_s: f64,
    /// Seconds from the window's end until the slope is below the limit.
    pub until_limit_s: f64,
}

/// A value with its 90 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// How much time is left, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TimeLeft {
    /// At the slope.
    pub value: f64,
    /// At the upper end of the slope's interval.
    pub soonest: f64,
    /// At its lower end; absent when that is no growth.
    pub latest: Option<f64>,
}

/// What was left of memory when the load was over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemoryDrain {
    /// Median before the load, in bytes.
    pub before: f64,
    /// Median after the load and the time to live of keys, in bytes.
    pub after: f64,
    /// The difference, less steps that are explained.
    pub remained: f64,
    /// What that means, in one sentence.
    pub sentence: String,
}

/// Where Redis's resident memory goes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Fragmentation {
    /// What Redis uses.
    pub used: f64,
    /// What the operating system gave it.
    pub resident: f64,
    /// resident / used.
    pub ratio: f64,
    /// Pages in use that are not full: active - allocated.
    pub external: Option<f64>,
    /// Pages the allocator keeps: its resident - active.
    pub retained: Option<f64>,
    /// The process itself: resident memory - what the allocator holds.
    pub process: Option<f64>,
    /// The highest used memory since the server started, as a multiple of what is used.
    pub peak_ratio: Option<f64>,
    /// used / maxmemory, without what does not count towards it; absent when there is no limit.
    pub share_of_maxmemory: Option<f64>,
}
