//! Where resident memory goes: pages that are only partly used, pages the allocator keeps, the process itself.

use plimsoll_record::summary::{Series, Window};
use plimsoll_record::verdict::Fragmentation;

use super::ledger::values;
use crate::statistics::median;

/// Medians over the window, and how many samples they rest on; `None` when used or resident memory was never read.
pub(crate) fn of(series: &Series, window: Window) -> Option<(Fragmentation, u64)> {
    let level = |key: &str| median(values(series, window, key).into_iter().map(|(_, value)| value).collect());
    let between = |upper: &str, lower: &str| Some(level(upper)? - level(lower)?);
    let used = level("used_memory").filter(|used| *used > 0.0)?;
    let resident = level("used_memory_rss")?;
    let counted = used - level("mem_not_counted_for_evict").unwrap_or(0.0);
    let lost = Fragmentation {
        used,
        resident,
        ratio: resident / used,
        external: between("allocator_active", "allocator_allocated"),
        retained: between("allocator_resident", "allocator_active"),
        process: between("used_memory_rss", "allocator_resident"),
        peak_ratio: level("used_memory_peak").map(|peak| peak / used),
        share_of_maxmemory: level("maxmemory").filter(|limit| *limit > 0.0).map(|limit| counted / limit),
    };
    Some((lost, values(series, window, "used_memory_rss").len() as u64))
}
