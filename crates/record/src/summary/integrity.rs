//! What became of acknowledged writes, over all sets of keys: the numbers behind `lost_writes` and its kin.

use crate::integrity::{BadValue, IntegrityCounts, IntegrityFact, ReadBack};

use super::Facts;

/// Over all sets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IntegritySummary {
    /// Writes and reads during the load.
    pub counts: IntegrityCounts,
    /// What reading back showed.
    pub back: ReadBack,
    /// Every set was read back.
    pub is_whole: bool,
    /// Values that were not as they should be, and their sets by name: the first few of each kind.
    pub examples: Vec<(String, BadValue)>,
}

impl IntegritySummary {
    /// Reads that were compared during the load.
    #[must_use]
    pub fn reads(&self) -> u64 {
        let IntegrityCounts { sound_reads, missing_reads, stale_reads, corrupted_reads, duplicated_reads, .. } =
            self.counts;
        sound_reads + missing_reads + stale_reads + corrupted_reads + duplicated_reads
    }

    /// Values that were not as they were written, or there more than once, in the load or when read back.
    #[must_use]
    pub fn corrupted(&self) -> u64 {
        self.counts.corrupted_reads + self.counts.duplicated_reads + self.back.corrupted + self.back.duplicated
    }

    /// Reads during the load that showed less than had been acknowledged before they began.
    #[must_use]
    pub fn stale(&self) -> u64 {
        self.counts.stale_reads + self.counts.missing_reads
    }
}

impl Facts {
    /// What became of acknowledged writes; `None` when the plan has no set of keys.
    #[must_use]
    pub fn integrity_summary(&self) -> Option<IntegritySummary> {
        let file = self.integrity.as_ref()?;
        let sets = &file.header.body.sets;
        let (mut all, mut read_back) = (IntegritySummary::default(), 0);
        for fact in &file.facts {
            match fact {
                IntegrityFact::Counts(counts) => add_counts(&mut all.counts, counts),
                IntegrityFact::ReadBack(back) => {
                    read_back += 1;
                    add_back(&mut all.back, back);
                }
                IntegrityFact::Bad(bad) => {
                    let name = sets.get(bad.set as usize).map(|set| set.name.clone()).unwrap_or_default();
                    all.examples.push((name, *bad));
                }
                IntegrityFact::Acknowledged(_) | IntegrityFact::Ambiguous(_) => {}
            }
        }
        all.is_whole = read_back == sets.len();
        Some(all)
    }
}

fn add_counts(all: &mut IntegrityCounts, one: &IntegrityCounts) {
    all.acknowledged += one.acknowledged;
    all.rejected += one.rejected;
    all.ambiguous += one.ambiguous;
    all.left_out += one.left_out;
    all.sound_reads += one.sound_reads;
    all.missing_reads += one.missing_reads;
    all.stale_reads += one.stale_reads;
    all.corrupted_reads += one.corrupted_reads;
    all.duplicated_reads += one.duplicated_reads;
}

fn add_back(all: &mut ReadBack, one: &ReadBack) {
    all.took_ns += one.took_ns;
    all.keys += one.keys;
    all.intact += one.intact;
    all.missing += one.missing;
    all.stale += one.stale;
    all.corrupted += one.corrupted;
    all.duplicated += one.duplicated;
    all.unreadable += one.unreadable;
}
