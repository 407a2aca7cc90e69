//! What a run leaves in Redis: its first and its last checkpoint of keys, compared.

use plimsoll_record::keys::Checkpoint;
use plimsoll_record::summary::KeyGrowth;

use crate::keys::left_behind;

/// The first and the last checkpoint so far.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    first: Option<Checkpoint>,
    last: Option<Checkpoint>,
}

impl Remains {
    /// Takes a checkpoint.
    pub(crate) fn take(&mut self, checkpoint: Checkpoint) {
        match self.first {
            None => self.first = Some(checkpoint),
            Some(_) => self.last = Some(checkpoint),
        }
    }

    /// The patterns that grew, as a sentence; nothing without two checkpoints.
    pub(crate) fn left_behind(&self) -> Option<String> {
        left_behind(&KeyGrowth::between(self.first.as_ref()?, self.last.as_ref()?))
    }
}
