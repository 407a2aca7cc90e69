//! `integrity.jsonl`: what was written, what the store acknowledged, and what was found when it was read. One writer:
//! `loadgen`.
//!
//! Values carry the number of their key and of the write. While the load runs, each interval says which write the keys
//! must show at least from now on, so that an audit is possible also after the generator was killed. At the end come
//! the counts, and what reading back every acknowledged key showed.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::clock::Offset;
use crate::files::FactKind;

const COMPRESSION_LEVEL: i32 = 1;
/// The most keys that one row holds: what reading it may take is bounded.
pub const MOST_PER_ROW: usize = 1_000_000;

/// What kind of file this is, for the reader and the writer.
#[derive(Debug)]
pub enum IntegrityLog {}

impl FactKind for IntegrityLog {
    const FILE: &'static str = "integrity.jsonl";
    type Header = IntegrityHeader;
    type Fact = IntegrityFact;
}

/// Whose values they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrityHeader {
    /// What all values of this run carry, so that those of earlier runs are told from them.
    pub run: u32,
    /// The sets of keys, by the index that rows name.
    pub sets: Vec<KeySet>,
}

/// A set of keys: `[integrity.NAME]` of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySet {
    /// Its name.
    pub name: String,
    /// Its keys are numbered from 1 to this.
    pub keys: u64,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntegrityFact {
    /// Writes that were acknowledged in an interval.
    Acknowledged(Acknowledged),
    /// A write that may have been done or not: it timed out, or its connection was lost.
    Ambiguous(AmbiguousWrite),
    /// A value that was not as it should be. The first few of each kind are kept.
    Bad(BadValue),
    /// What became of all writes and reads of a set during the load.
    Counts(IntegrityCounts),
    /// What reading back showed.
    ReadBack(ReadBack),
}

/// Keys of a set and the oldest write that each may show from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When the interval ended.
    pub at_ns: Offset,
    /// The set.
    pub set: u32,
    /// Pairs of key and write, ascending by key: differences of keys and writes as LEB128, compressed, in base64.
    floors: String,
}

/// A write that may have been done or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmbiguousWrite {
    /// The set.
    pub set: u32,
    /// The key.
    pub key: u64,
    /// Which write of the key, from 1.
    pub write: u32,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// Nothing was there although a write was acknowledged.
    Missing,
    /// It was older than a write that had been acknowledged before the read began.
    Stale,
    /// It was not as it was written: its checksum does not hold, or it is another key's.
    Corrupted,
    /// The same write was there more than once.
    Duplicated,
}

impl Defect {
    /// The word in files and on screens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Corrupted => "corrupted",
            Self::Duplicated => "duplicated",
        }
    }
}

/// An example of a value that was not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadValue {
    /// When it was read.
    pub at_ns: Offset,
    /// The set.
    pub set: u32,
    /// The key.
    pub key: u64,
    /// What is wrong.
    pub defect: Defect,
    /// The oldest write it should have shown.
    pub at_least: u32,
    /// The write it showed, if it showed one.
    pub found: Option<u32>,
    /// It was found when everything was read back after the load.
    pub at_the_end: bool,
}

/// What became of the writes and reads of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrityCounts {
    /// The set.
    pub set: u32,
    /// Writes that the store said are done.
    pub acknowledged: u64,
    /// Writes that were not done, by the store's own word or because they were never sent.
    pub rejected: u64,
    /// Writes that may have been done or not.
    pub ambiguous: u64,
    /// Writes that were not begun because their key had had as many as can be told apart.
    #[serde(default)]
    pub left_out: u64,
    /// Reads during the load that were as they should be.
    pub sound_reads: u64,
    /// Reads that found nothing although a write had been acknowledged before.
    pub missing_reads: u64,
    /// Reads that found less than had been acknowledged before.
    pub stale_reads: u64,
    /// Reads that found something else than was written.
    pub corrupted_reads: u64,
    /// Reads that found the same write more than once.
    #[serde(default)]
    pub duplicated_reads: u64,
}

/// What reading back every key showed for which a write was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadBack {
    /// The set.
    pub set: u32,
    /// How long it took.
    pub took_ns: u64,
    /// Keys for which a write was acknowledged.
    pub keys: u64,
    /// Keys that show it, or a later one.
    pub intact: u64,
    /// Keys with nothing.
    pub missing: u64,
    /// Keys with an older write.
    pub stale: u64,
    /// Keys with something else.
    pub corrupted: u64,
    /// Keys that show one write more than once; they count among the intact as well.
    pub duplicated: u64,
    /// Keys that could not be read.
    pub unreadable: u64,
}

impl ReadBack {
    /// Keys whose acknowledged write is lost: it is absent, or an older one is there.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.missing + self.stale
    }
}

/// Why the floors of a row cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the acknowledged writes of a row are damaged")]
pub struct DamagedFloors;

impl Acknowledged {
    /// A row for these keys and writes.
    ///
    /// # Panics
    /// With more than [`MOST_PER_ROW`] pairs.
    #[must_use]
    pub fn new(at_ns: Offset, set: u32, mut floors: Vec<(u64, u32)>) -> Self {
        assert!(floors.len() <= MOST_PER_ROW, "a row holds at most {MOST_PER_ROW} keys");
        floors.sort_unstable();
        let (mut bytes, mut last) = (Vec::with_capacity(floors.len() * 3), 0);
        for (key, write) in floors {
            put_leb128(&mut bytes, key - last);
            put_leb128(&mut bytes, write.into());
            last = key;
        }
        let mut packed = zstd::Encoder::new(Vec::new(), COMPRESSION_LEVEL).expect("memory is all it needs");
        packed.write_all(&bytes).expect("memory takes everything");
        let packed = packed.finish().expect("memory takes everything");
        Self { at_ns, set, floors: STANDARD.encode(packed) }
    }

    /// Its keys and writes, ascending by key.
    ///
    /// # Errors
    /// [`DamagedFloors`] when they are no such pairs.
    pub fn floors(&self) -> Result<Vec<(u64, u32)>, DamagedFloors> {
        // Two numbers of at most ten bytes each.
        let most = MOST_PER_ROW * 20;
        let packed = STANDARD.decode(&self.floors).map_err(|_| DamagedFloors)?;
        let bytes = zstd::bulk::decompress(&packed, most).map_err(|_| DamagedFloors)?;
        let (mut rest, mut key, mut floors) = (bytes.as_slice(), 0_u64, Vec::new());
        while !rest.is_empty() {
            let difference = take_leb128(&mut rest).ok_or(DamagedFloors)?;
            key = key.checked_add(difference).ok_or(DamagedFloors)?;
            let write = take_leb128(&mut rest).ok_or(DamagedFloors)?;
            floors.push((key, u32::try_from(write).map_err(|_| DamagedFloors)?));
        }
        Ok(floors)
    }
}

fn put_leb128(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn take_leb128(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn floors_are_read_back(floors in prop::collection::btree_map(any::<u64>(), any::<u32>(), 0..200)) {
            let floors: Vec<(u64, u32)> = floors.into_iter().collect();
            let mut shuffled = floors.clone();
            shuffled.reverse();
            let row = Acknowledged::new(Offset(5), 0, shuffled);
            let text = serde_json::to_string(&IntegrityFact::Acknowledged(row)).unwrap();
            let IntegrityFact::Acknowledged(row) = serde_json::from_str(&text).unwrap() else { unreachable!() };
            prop_assert_eq!(row.floors().unwrap(), floors);
        }

        #[test]
        fn damage_is_an_error_and_no_panic(floors in "[A-Za-z0-9+/]{0,80}") {
            let _ = Acknowledged { at_ns: Offset(0), set: 0, floors }.floors();
        }
    }

    #[test]
    fn ten_thousand_keys_that_follow_one_another_take_little() {
        let row = Acknowledged::new(Offset(0), 0, (1..=10_000).map(|key| (key, 3)).collect());
        assert!(row.floors.len() < 1_000, "{}", row.floors.len());
    }
}
