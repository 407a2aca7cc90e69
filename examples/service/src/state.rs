//! What all threads of the service share: settings, logs, and the faults that are on.
//! The connections to Redis are not shared: each thread has its own `link`.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio_rustls::rustls::ServerConfig;

use crate::{
    auth::Gate,
    faults::{Change, Faults},
    limiter::Limits,
    link::{Link, RedisAddress},
    logs::Logs,
    memory::Original,
    metrics::Meter,
    pool::Pool,
    spread::Spread,
    units::Share,
};

/// Shared by all threads. The locks are held for a copy or an assignment, never across a wait.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) redis: RedisAddress,
    pub(crate) settings: Settings,
    pub(crate) logs: Logs,
    pub(crate) gate: Gate,
    pub(crate) pool: Pool,
    pub(crate) spread: Spread,
    pub(crate) turns: Turns,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    faults: RwLock<Faults>,
    meters: Mutex<Vec<Arc<Meter>>>,
    original_memory: Mutex<Option<Original>>,
}

/// What the command line says about how requests are answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    /// Requests that take longer than this are written to the performance log.
    pub(crate) slow: Duration,
    pub(crate) cache_ttl: Duration,
    /// How long tasks, projects and points are kept after their last change.
    pub(crate) state_ttl: Duration,
    /// The median of a chat that is not cached.
    pub(crate) model_time: Duration,
    /// The median of a task.
    pub(crate) task_time: Duration,
    pub(crate) task_failures: Option<Share>,
    pub(crate) max_running: u32,
}

/// Parts of [`Shared`] that are made from the command line.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) redis: RedisAddress,
    pub(crate) settings: Settings,
    pub(crate) logs: Logs,
    pub(crate) gate: Gate,
    pub(crate) pool: Pool,
    pub(crate) spread: Spread,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// How many requests each share has looked at.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    pub(crate) error: Turn,
    pub(crate) close: Turn,
    pub(crate) stall: Turn,
    pub(crate) task_failure: Turn,
}

#[derive(Debug, Default)]
pub(crate) struct Turn(AtomicU64);

/// What one thread works with.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) link: Arc<Link>,
    pub(crate) meter: Arc<Meter>,
}

impl Worker {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let meter = Arc::new(Meter::default());
        shared.meters().push(Arc::clone(&meter));
        Self { shared: Arc::clone(shared), link: Arc::new(Link::new()), meter }
    }
}

impl Settings {
    /// Redis takes the lifetime of counted things in whole seconds, and zero would delete them at once.
    pub(crate) fn state_seconds(&self) -> i64 {
        self.state_ttl.as_secs().max(1).cast_signed()
    }
}

impl Turn {
    /// Whether the next request is one of the share.
    pub(crate) fn takes_next(&self, share: Share) -> bool {
        share.takes(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Shared {
    pub(crate) fn new(parts: Parts, faults_at_start: &[Change]) -> Self {
        let Parts { redis, settings, logs, gate, pool, spread, tls } = parts;
        let mut faults = Faults::default();
        faults_at_start.iter().for_each(|change| faults.apply(*change));
        Self {
            redis,
            settings,
            logs,
            gate,
            pool,
            spread,
            turns: Turns::default(),
            tls,
            faults: RwLock::new(faults),
            meters: Mutex::default(),
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

    /// Shows the meters of all threads.
    pub(crate) fn with_meters(&self, look: impl FnOnce(&[Arc<Meter>])) {
        look(&self.meters());
    }

    fn meters(&self) -> MutexGuard<'_, Vec<Arc<Meter>>> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory_slot(&self) -> MutexGuard<'_, Option<Original>> {
        self.original_memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
