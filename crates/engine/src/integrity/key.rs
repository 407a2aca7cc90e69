//! What is known of one key, in eight bytes: how many writes began, how many are under way, and which is the oldest
//! value that it may still have.
//!
//! A value is obsolete once a write is acknowledged that began when the other had ended. Writes of one key may
//! overlap: then any of those that do can be the last one, and the oldest value allowed is that of the first of them.
//! This is never wrong towards an alarm: while writes overlap without a pause, less is demanded than could be.

use std::sync::atomic::{AtomicU64, Ordering};

/// Writes that one key may have: 24 bits.
pub(super) const MOST_WRITES: u32 = (1 << 24) - 1;
const MOST_FLYING: u64 = u8::MAX as u64;

/// All that is known of a key, changed without a lock.
#[derive(Debug, Default)]
pub(super) struct Key(AtomicU64);

/// The same, unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Writes that began: 24 bits.
    pub(super) begun: u32,
    /// The oldest write whose value it may have; 0 while none was acknowledged: 24 bits.
    pub(super) floor: u32,
    /// Writes under way: 8 bits, and no more are begun.
    flying: u8,
    /// Writes that began since none was under way: 8 bits, at most 255.
    together: u8,
}

/// How a write ended, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The store said that it is done.
    Acknowledged,
    /// It was not done, or nobody can tell.
    Otherwise,
}

impl Key {
    /// The number of the write that begins now; `None` when it can have no more of them.
    pub(super) fn begin(&self) -> Option<u32> {
        let begin = |bits| {
            let state = State::unpack(bits);
            (state.begun < MOST_WRITES && u64::from(state.flying) < MOST_FLYING).then(|| state.begin().pack())
        };
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, begin).ok()?;
        Some(State::unpack(before).begun + 1)
    }

    /// A write ended.
    pub(super) fn end(&self, end: End) {
        let end = |bits| Some(State::unpack(bits).end(end).pack());
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, end).expect("it always has a state after this one");
    }

    /// What an earlier process knew: this write was acknowledged, and any number may have begun since.
    pub(super) fn resume(&self, floor: u32) {
        let state = State { begun: MOST_WRITES, floor: floor.min(MOST_WRITES), ..State::default() };
        self.0.store(state.pack(), Ordering::Release);
    }

    pub(super) fn state(&self) -> State {
        State::unpack(self.0.load(Ordering::Acquire))
    }
}

impl State {
    fn unpack(bits: u64) -> Self {
        let [a, b, c, d, e, f, flying, together] = bits.to_le_bytes();
        let three = |a, b, c| u32::from_le_bytes([a, b, c, 0]);
        Self { begun: three(a, b, c), floor: three(d, e, f), flying, together }
    }

    fn pack(self) -> u64 {
        let ([a, b, c, _], [d, e, f, _]) = (self.begun.to_le_bytes(), self.floor.to_le_bytes());
        u64::from_le_bytes([a, b, c, d, e, f, self.flying, self.together])
    }

    fn begin(self) -> Self {
        let together = if self.flying == 0 { 1 } else { self.together.saturating_add(1) };
        Self { begun: self.begun + 1, flying: self.flying + 1, together, ..self }
    }

    fn end(self, end: End) -> Self {
        let flying = self.flying.saturating_sub(1);
        // So many overlapping writes that they were not counted to the end: nothing is demanded until they are over.
        let counted = self.together < u8::MAX;
        let first = (self.begun + 1).saturating_sub(u32::from(self.together));
        let floor = if end == End::Acknowledged && counted { self.floor.max(first) } else { self.floor };
        Self { flying, floor, ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_write_after_the_other_demands_the_last_acknowledged_one() {
        let key = Key::default();
        assert_eq!((key.begin(), key.state().floor), (Some(1), 0));
        key.end(End::Acknowledged);
        assert_eq!(key.state().floor, 1);
        assert_eq!(key.begin(), Some(2));
        key.end(End::Otherwise);
        assert_eq!(key.state().floor, 1, "a write that was not acknowledged demands nothing");
        assert_eq!(key.begin(), Some(3));
        key.end(End::Acknowledged);
        assert_eq!(key.state().floor, 3);
    }

    #[test]
    fn of_writes_that_overlap_any_may_be_the_last() {
        let key = Key::default();
        assert_eq!((key.begin(), key.begin()), (Some(1), Some(2)));
        key.end(End::Acknowledged);
        assert_eq!(key.state().floor, 1);
        key.end(End::Acknowledged);
        assert_eq!(key.state().floor, 1);
        key.begin();
        key.end(End::Acknowledged);
        assert_eq!(key.state().floor, 3);
    }

    #[test]
    fn a_key_without_numbers_left_is_not_written() {
        let full = State { begun: MOST_WRITES, ..State::default() };
        assert_eq!(Key(AtomicU64::new(full.pack())).begin(), None);
    }

    proptest! {
        #[test]
        fn a_state_survives_its_eight_bytes(
            begun in 0..=MOST_WRITES, floor in 0..=MOST_WRITES, flying: u8, together: u8,
        ) {
            let state = State { begun, floor, flying, together };
            prop_assert_eq!(State::unpack(state.pack()), state);
        }

        /// A store that does writes in any order within their overlap never has a value below the floor.
        #[test]
        fn no_store_that_keeps_its_word_is_below_the_floor(steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..60)) {
            let (key, mut flying, mut value) = (Key::default(), Vec::new(), 0);
            for (begins, which) in steps {
                if begins || flying.is_empty() {
                    flying.push(key.begin().unwrap());
                } else {
                    // It is done at some moment before its end: here, right before it.
                    value = flying.swap_remove(which.index(flying.len()));
                    key.end(End::Acknowledged);
                }
                prop_assert!(value >= key.state().floor, "{value} {:?}", key.state());
            }
        }
    }
}
