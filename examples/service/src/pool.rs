//! The pool of places for requests that work on stored data: a request holds one from start to end, the
//! model's time included, as services do that keep a database session per request. It is where a
//! service of this kind runs out first, so it can be watched. The sockets to Redis are `link`'s business.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use hyper::{
    StatusCode,
    header::{HeaderValue, RETRY_AFTER},
};
use serde::Serialize;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time,
};

use crate::replies::{self, Reply};

/// A fixed number of places, given out in the order of asking.
#[derive(Debug)]
pub(crate) struct Pool {
    size: usize,
    places: Semaphore,
    /// How long a request waits for a place before it is turned away.
    patience: Duration,
    waiting: AtomicUsize,
}

/// How full the pool is, under the names a watcher of a database pool expects.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Level {
    pub(crate) db_pool_size: usize,
    pub(crate) db_pool_available: usize,
    pub(crate) db_pool_active: usize,
    pub(crate) db_pool_waiting: usize,
}

/// Counts a waiting request for as long as it lives, also when the request is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl Pool {
    pub(crate) fn new(size: usize, patience: Duration) -> Self {
        let size = size.min(Semaphore::MAX_PERMITS);
        Self { size, places: Semaphore::new(size), patience, waiting: AtomicUsize::new(0) }
    }

    /// A place, or the 503 for a request that found none in time.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>, Reply> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let _waiting = Waiting::among(&self.waiting);
        let place = time::timeout(self.patience, self.places.acquire()).await;
        place.map_err(|_late| self.exhausted())?.map_err(|_closed| self.exhausted())
    }

    pub(crate) fn level(&self) -> Level {
        let available = self.places.available_permits();
        Level {
            db_pool_size: self.size,
            db_pool_available: available,
            db_pool_active: self.size - available,
            db_pool_waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    fn exhausted(&self) -> Reply {
        let message = format!("all {} places of the pool were taken for {:?}", self.size, self.patience);
        let mut reply = replies::error(StatusCode::SERVICE_UNAVAILABLE, &message);
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        reply
    }
}

impl<'a> Waiting<'a> {
    fn among(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_pool_makes_requests_wait_and_then_turns_them_away_with_the_reason() {
        let pool = Pool::new(1, Duration::from_millis(10));
        let place = pool.enter().await.unwrap();
        let late = pool.enter().await.unwrap_err();
        assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((pool.level().db_pool_active, pool.level().db_pool_waiting), (1, 0));
        drop(place);
        assert!(pool.enter().await.is_ok());
        assert_eq!(pool.level().db_pool_available, 1);
    }
}
