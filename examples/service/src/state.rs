//! What all threads of the service share: settings, logs, and the faults that are on.
//! The connections to Redis are not shared: each thread has its own `link`.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    faults::{Change, Faults},
    limiter::Limits,
    link::{Link, RedisAddress},
    logs::Logs,
    memory::Original,
    units::Share,
};

/// Shared by all threads. The locks are held for a copy or an assignment, never across a wait.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) redis: RedisAddress,
    pub(crate) limits: Limits,
    /// Requests that take longer than this are written to the performance log.
    pub(crate) slow: Duration,
    pub(crate) logs: Logs,
    faults: RwLock<Faults>,
    /// Requests the `errors` fault has looked at.
    looked_at: AtomicU64,
    original_memory: Mutex<Option<Original>>,
}

/// What one thread works with.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) link: Arc<Link>,
}

impl Shared {
    pub(crate) fn new(redis: RedisAddress, limits: Limits, slow: Duration, logs: Logs, at_start: &[Change]) -> Self {
        let mut faults = Faults::default();
        at_start.iter().for_each(|change| faults.apply(*change));
        Self {
            redis,
            limits,
            slow,
            logs,
            faults: RwLock::new(faults),
            looked_at: AtomicU64::new(0),
            original_memory: Mutex::new(None),
        }
    }

    pub(crate) fn faults(&self) -> Faults {
        *self.faults.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies all changes at once: no request sees half of them.
    pub(crate) fn apply(&self, changes: &[Change]) {
        let mut faults = self.faults.write().unwrap_or_else(PoisonError::into_inner);
        changes.iter().for_each(|change| faults.apply(*change));
    }

    /// Whether the next request is one of those the `errors` fault takes.
    pub(crate) fn takes_next(&self, share: Share) -> bool {
        share.takes(self.looked_at.fetch_add(1, Ordering::Relaxed))
    }

    /// Keeps the first finding; later ones would find the fault itself.
    pub(crate) fn keep_original_memory(&self, found: Original) {
        self.memory_slot().get_or_insert(found);
    }

    pub(crate) fn original_memory(&self) -> Option<Original> {
        self.memory_slot().clone()
    }

    pub(crate) fn forget_original_memory(&self) {
        *self.memory_slot() = None;
    }

    fn memory_slot(&self) -> MutexGuard<'_, Option<Original>> {
        self.original_memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
