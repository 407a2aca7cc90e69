//! Sets of keys whose writes are numbered: `[integrity.NAME]`. What a store acknowledged must still be there.
//!
//! Each user writes and reads one key of a set, so that who read and who wrote is known. Plain data, as
//! [`crate::flow`].

use std::num::NonZeroU64;
use std::time::Duration;

/// The most keys of a set: the generator keeps eight bytes for each.
pub const MOST_KEYS: u64 = 100_000_000;

/// A set of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// Its name, unique in the plan.
    pub name: String,
    /// How many keys it has. Users take them in turn: user 1 has key 1, and with ten keys user 11 has key 1 as well.
    /// Default: as many as the plan has users.
    pub keys: NonZeroU64,
    /// The payload that follows the number in every value, by name. The checksum covers it.
    pub payload: Option<String>,
    /// The step that reads a key: with it every acknowledged key is read back when the load is over.
    pub read_back: String,
    /// How long reading back may take, retries included. Default 2 min.
    pub patience: Duration,
}

/// What a step does to a key of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// `writes = "NAME"`: it writes `{integrity.value}`. An ok is the store's word that it is done.
    Writes,
    /// `reads = "NAME"`: its answer holds the value.
    Reads,
}
