//! `keys.jsonl`: what the keys of Redis are made of, at a few moments of a run. One writer: `memwatch`.
//!
//! A checkpoint groups keys by the pattern of their names (`session:{uuid}`) and says how many there are, how much memory
//! they hold and whether they ever expire. Small databases are read whole, of large ones a random sample is
//! read; every number then carries an interval. How two checkpoints differ is worked out in [`crate::summary`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Offset;
use crate::files::FactKind;
use crate::series::GapReason;

/// What kind of file this is, for the reader and the writer.
#[derive(Debug)]
pub enum Keys {}

impl FactKind for Keys {
    const FILE: &'static str = "keys.jsonl";
    type Header = KeysHeader;
    type Fact = KeysFact;
}

/// What is read, and what it may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysHeader {
    /// The server, without secrets.
    pub source: String,
    /// Random keys read of a database that is too large to be read whole.
    pub samples: u64,
    /// The most time that Redis may spend on one checkpoint, in nanoseconds.
    pub budget_ns: u64,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeysFact {
    /// The keys at one moment.
    Checkpoint(Checkpoint),
    /// A checkpoint that was due and could not be taken.
    Gap {
        /// When it was due.
        at_ns: Offset,
        /// The kind of failure.
        reason: GapReason,
        /// The error's text, without secrets.
        detail: String,
    },
}

/// When in a run a checkpoint was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// Before the load.
    Start,
    /// While it ran.
    During,
    /// After it.
    End,
}

/// The keys at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// When reading began.
    pub at_ns: Offset,
    /// When in the run.
    pub occasion: Occasion,
    /// How long reading took, pauses included.
    pub took_ns: u64,
    /// What it cost Redis.
    pub cost: KeysCost,
    /// The databases that hold keys, by number.
    pub databases: Vec<DatabaseKeys>,
}

/// What a checkpoint cost Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysCost {
    /// Commands sent.
    pub commands: u64,
    /// Time spent waiting for answers: more than Redis can have worked.
    pub waited_ns: u64,
    /// Time that Redis spent in these commands by its own statistics; absent where it does not say.
    #[serde(default)]
    pub executed_ns: Option<u64>,
}

/// One database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabaseKeys {
    /// Its number.
    pub number: u32,
    /// Its keys, as Redis counts them.
    pub keys: u64,
    /// Those of them that expire, as Redis counts them; absent where it does not say.
    #[serde(default)]
    pub expires: Option<u64>,
    /// True when every key was read: the numbers are then no estimates.
    pub exact: bool,
    /// Keys read; of a sample, draws with repetition.
    pub read: u64,
    /// Memory of all keys with their values.
    pub bytes: Estimate,
    /// Keys by pattern, most memory first.
    pub patterns: Vec<KeyPattern>,
    /// Patterns with less memory than those listed.
    #[serde(default)]
    pub left_out: u64,
    /// The largest keys among those read, largest first.
    pub largest: Vec<LargeKey>,
}

/// Keys whose names follow one pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyPattern {
    /// The pattern: `{n}`, `{uuid}`, `{hex}`, `{id}` and the like stand for what differs.
    pub pattern: String,
    /// How many keys.
    pub keys: Estimate,
    /// Their memory.
    pub bytes: Estimate,
    /// Those of them that never expire.
    pub lasting: Estimate,
    /// Of those read, how many had which type.
    pub types: BTreeMap<String, u64>,
    /// Of those read that expire, 95 % had at most this long to live, in nanoseconds.
    #[serde(default)]
    pub ttl_p95_ns: Option<u64>,
}

/// A key worth naming.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeKey {
    /// Its name, shortened when it is very long.
    pub key: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its memory; of a large collection, projected from some of its elements.
    pub bytes: u64,
    /// Time to live in nanoseconds; `None` when it never expires.
    #[serde(default)]
    pub ttl_ns: Option<u64>,
}

/// A number with the interval that holds the true one with 95 % confidence; of no width when it is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The best estimate.
    pub value: f64,
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
}

impl Estimate {
    /// A number that is known.
    #[must_use]
    pub fn exact(value: f64) -> Self {
        Self { value, lower: value, upper: value }
    }

    /// Everything times `factor`, which is not negative.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, lower: self.lower * factor, upper: self.upper * factor }
    }

    /// How far this is above `before`. The two intervals are independent; their distances from the value add up
    /// as squares (Zou and Donner 2008).
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        let value = self.value - before.value;
        let below = (self.value - self.lower).hypot(before.upper - before.value);
        let above = (self.upper - self.value).hypot(before.value - before.lower);
        Self { value, lower: value - below, upper: value + above }
    }

    /// Two separate amounts put together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let value = self.value + other.value;
        let below = (self.value - self.lower).hypot(other.value - other.lower);
        let above = (self.upper - self.value).hypot(other.upper - other.value);
        Self { value, lower: value - below, upper: value + above }
    }
}

impl KeyPattern {
    /// Memory per key; `None` when there is none.
    #[must_use]
    pub fn bytes_per_key(&self) -> Option<f64> {
        (self.keys.value > 0.0).then(|| self.bytes.value / self.keys.value)
    }

    /// The share of keys that never expire.
    #[must_use]
    pub fn lasting_share(&self) -> Option<f64> {
        (self.keys.value > 0.0).then(|| (self.lasting.value / self.keys.value).min(1.0))
    }
}
