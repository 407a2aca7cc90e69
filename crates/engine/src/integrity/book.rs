//! The keys of one set, shared by all workers: eight bytes per key, counters, and what is kept of what went wrong.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use plimsoll_plan::KeySet;
use plimsoll_record::Offset;
use plimsoll_record::integrity::{AmbiguousWrite, BadValue, Defect, IntegrityCounts};

use super::Certainty;
use super::key::Key;
use super::stamp::{self, Stamp};
use crate::names::Names;
use crate::payload::Contents;
use crate::visit::Visit;

/// Ambiguous writes that are remembered; beyond them no older value is called wrong.
const MOST_AMBIGUOUS: usize = 100_000;
/// Examples of each defect.
const MOST_EXAMPLES: usize = 10;

/// A set of keys.
#[derive(Debug)]
pub(crate) struct Book {
    run: AtomicU32,
    payload: Option<Arc<Contents>>,
    keys: Box<[Key]>,
    /// One bit per key: a write was acknowledged since the record was told.
    fresh: Box<[AtomicU64]>,
    tallies: Tallies,
    ambiguous: Mutex<Ambiguous>,
    examples: Mutex<Vec<BadValue>>,
}

#[derive(Debug, Default)]
struct Tallies {
    acknowledged: AtomicU64,
    rejected: AtomicU64,
    ambiguous: AtomicU64,
    left_out: AtomicU64,
    sound: AtomicU64,
    missing: AtomicU64,
    stale: AtomicU64,
    corrupted: AtomicU64,
    duplicated: AtomicU64,
}

/// Touched only where something failed.
#[derive(Debug, Default)]
struct Ambiguous {
    writes: HashMap<u64, HashSet<u32>>,
    count: usize,
    /// Those that the record does not have yet.
    fresh: Vec<(u64, u32)>,
}

/// A key that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) key: u64,
    /// What had been acknowledged before.
    pub(crate) floor: u32,
    /// When it was read.
    pub(crate) at: i64,
}

impl Book {
    pub(crate) fn new(set: &KeySet, names: &Names) -> Self {
        let keys = usize::try_from(set.keys.get()).expect("a plan's keys fit into memory");
        Self {
            run: AtomicU32::new(0),
            payload: set.payload.as_ref().and_then(|name| names.payload(name)).cloned(),
            keys: (0..keys).map(|_| Key::default()).collect(),
            fresh: (0..keys.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            tallies: Tallies::default(),
            ambiguous: Mutex::default(),
            examples: Mutex::default(),
        }
    }

    /// Its values are those of this run.
    pub(crate) fn belongs_to(&self, run: u32) {
        self.run.store(run, Ordering::Release);
    }

    fn run(&self) -> u32 {
        self.run.load(Ordering::Acquire)
    }

    /// The key of a user, from 1.
    pub(crate) fn key_of(&self, user: u64) -> u64 {
        (user.max(1) - 1) % self.keys.len() as u64 + 1
    }

    fn key(&self, key: u64) -> &Key {
        &self.keys[usize::try_from(key - 1).expect("keys fit into memory")]
    }

    /// The number of the write of `key` that begins now.
    pub(super) fn begin(&self, key: u64) -> Option<u32> {
        let sequence = self.key(key).begin();
        if sequence.is_none() {
            count(&self.tallies.left_out);
        }
        sequence
    }

    pub(super) fn end(&self, key: u64, sequence: u32, certainty: Certainty) {
        match certainty {
            Certainty::Acknowledged => count(&self.tallies.acknowledged),
            Certainty::Rejected => count(&self.tallies.rejected),
            Certainty::Ambiguous => {
                count(&self.tallies.ambiguous);
                self.ambiguous().add(key, sequence);
            }
        }
        self.key(key).end(certainty.into());
        if certainty == Certainty::Acknowledged {
            let (word, bit) = ((key - 1) / 64, (key - 1) % 64);
            self.fresh[word as usize].fetch_or(1 << bit, Ordering::AcqRel);
        }
    }

    /// The oldest write that `key` may show; 0 while none was acknowledged.
    pub(crate) fn floor(&self, key: u64) -> u32 {
        self.key(key).state().floor
    }

    /// The value of a write.
    pub(super) fn value(&self, stamp: Stamp, visit: &Visit) -> String {
        let mut out = BytesMut::new();
        let payload = self.payload.as_ref().map(|payload| payload.content(visit)).unwrap_or_default();
        stamp::write(&mut out, self.run(), stamp, &payload);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Compares what was read during the load; what is wrong with it.
    pub(super) fn read(&self, reading: Reading, body: &[u8]) -> Option<Defect> {
        let (defect, found) = self.judge(reading.key, reading.floor, body);
        let tally = match defect {
            None => &self.tallies.sound,
            Some(Defect::Missing) => &self.tallies.missing,
            Some(Defect::Stale) => &self.tallies.stale,
            Some(Defect::Corrupted) => &self.tallies.corrupted,
            Some(Defect::Duplicated) => &self.tallies.duplicated,
        };
        count(tally);
        if let Some(defect) = defect {
            self.keep(reading, defect, found, false);
        }
        defect
    }

    /// What is wrong with the value of a key that must show write `floor` at least, and which write it shows.
    pub(crate) fn judge(&self, key: u64, floor: u32, body: &[u8]) -> (Option<Defect>, Option<u32>) {
        let found = stamp::find(body, self.run());
        let newest = found.sound.iter().filter(|stamp| stamp.key == key).map(|stamp| stamp.sequence).max();
        let foreign = found.sound.iter().any(|stamp| stamp.key != key);
        let defect = match newest {
            _ if found.damaged > 0 => Some(Defect::Corrupted),
            None if foreign => Some(Defect::Corrupted),
            Some(write) if write > self.key(key).state().begun => Some(Defect::Corrupted),
            None if floor > 0 => Some(Defect::Missing),
            Some(write) if write < floor && !self.ambiguous().may_be(key, write) => Some(Defect::Stale),
            Some(write) if found.sound.iter().filter(|stamp| stamp.sequence == write).count() > 1 => {
                Some(Defect::Duplicated)
            }
            _ => None,
        };
        (defect, newest)
    }

    /// Keeps an example.
    pub(crate) fn keep(&self, reading: Reading, defect: Defect, found: Option<u32>, at_the_end: bool) {
        let mut examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
        let known = examples.iter().filter(|one| (one.defect, one.at_the_end) == (defect, at_the_end)).count();
        if known < MOST_EXAMPLES {
            let Reading { key, floor, at } = reading;
            examples.push(BadValue { at_ns: Offset(at), set: 0, key, defect, at_least: floor, found, at_the_end });
        }
    }

    /// The first key from `from` on for which a write was acknowledged, and the oldest write it may show.
    pub(crate) fn next_acknowledged(&self, from: u64) -> Option<(u64, u32)> {
        let keys = from..=self.keys.len() as u64;
        keys.map(|key| (key, self.floor(key))).find(|(_, floor)| *floor > 0)
    }

    /// The same for keys that had a write acknowledged since the last time.
    pub(crate) fn take_acknowledged(&self) -> Vec<(u64, u32)> {
        let mut floors = Vec::new();
        for (word, bits) in (0..).zip(&self.fresh) {
            let mut bits = if bits.load(Ordering::Acquire) == 0 { 0 } else { bits.swap(0, Ordering::AcqRel) };
            while bits != 0 {
                let key = word * 64 + u64::from(bits.trailing_zeros()) + 1;
                floors.push((key, self.floor(key)));
                bits &= bits - 1;
            }
        }
        floors
    }

    /// What an earlier process recorded.
    pub(crate) fn resume(&self, floors: &[(u64, u32)], ambiguous: &[(u64, u32)]) {
        let known = |key: &u64| *key >= 1 && *key <= self.keys.len() as u64;
        for (key, floor) in floors.iter().filter(|(key, _)| known(key)) {
            self.key(*key).resume(*floor);
        }
        let mut late = self.ambiguous();
        ambiguous.iter().filter(|(key, _)| known(key)).for_each(|(key, write)| late.add(*key, *write));
    }

    /// Ambiguous writes since the last time.
    pub(crate) fn take_ambiguous(&self, set: u32) -> Vec<AmbiguousWrite> {
        let fresh = std::mem::take(&mut self.ambiguous().fresh);
        fresh.into_iter().map(|(key, write)| AmbiguousWrite { set, key, write }).collect()
    }

    /// What was kept of what went wrong; set and times are the caller's to complete.
    pub(crate) fn examples(&self) -> Vec<BadValue> {
        self.examples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn counts(&self, set: u32) -> IntegrityCounts {
        let of = |tally: &AtomicU64| tally.load(Ordering::Acquire);
        let Tallies { acknowledged, rejected, ambiguous, left_out, sound, missing, stale, corrupted, duplicated } =
            &self.tallies;
        IntegrityCounts {
            set,
            acknowledged: of(acknowledged),
            rejected: of(rejected),
            ambiguous: of(ambiguous),
            left_out: of(left_out),
            sound_reads: of(sound),
            missing_reads: of(missing),
            stale_reads: of(stale),
            corrupted_reads: of(corrupted),
            duplicated_reads: of(duplicated),
        }
    }

    fn ambiguous(&self) -> MutexGuard<'_, Ambiguous> {
        self.ambiguous.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ambiguous {
    fn add(&mut self, key: u64, write: u32) {
        if self.count < MOST_AMBIGUOUS {
            self.writes.entry(key).or_default().insert(write);
            self.fresh.push((key, write));
        }
        self.count += 1;
    }

    /// Whether an old value may be there because its write was done late.
    fn may_be(&self, key: u64, write: u32) -> bool {
        self.count > MOST_AMBIGUOUS || self.writes.get(&key).is_some_and(|writes| writes.contains(&write))
    }
}

fn count(tally: &AtomicU64) {
    tally.fetch_add(1, Ordering::Relaxed);
}
