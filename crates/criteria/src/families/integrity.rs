//! `lost_writes == 0`: what reading back showed of what was written.

use plimsoll_plan::Integrity;

use crate::goal::Finding;

/// Nothing records it yet, so nothing is known: never a pass.
pub(super) fn examine(integrity: Integrity) -> Finding {
    Finding::missing(format!(
        "the record holds no written values that were read back, so `{}` is not known",
        integrity.word()
    ))
}
