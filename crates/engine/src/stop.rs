//! Stopping a run from outside: gracefully first, at once if asked again.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

/// How far a run was told to stop. Ordered: a run never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Go on.
    No,
    /// No new arrivals; requests on their way may finish within a short time.
    Gracefully,
    /// At once; what is open counts as unfinished.
    Now,
}

/// Tells a run to stop. Clones share the same run; a signal handler may hold one.
///
/// Workers look at it every few milliseconds, so that nothing on the request path has to.
#[derive(Clone, Debug, Default)]
pub struct StopHandle {
    wish: Arc<AtomicU8>,
    reason: Arc<OnceLock<String>>,
}

impl StopHandle {
    /// A handle that has not been used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to stop: the first time gracefully, from the second time on at once.
    pub fn request(&self) {
        let next = |wish: u8| Some((wish + 1).min(2));
        // The closure always answers, so the update cannot fail; the previous wish is of no interest.
        let _ = self.wish.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// Asks the run to stop gracefully, because what it is made for is decided. The record says why.
    pub fn give_up(&self, reason: &str) {
        if self.wish() == Stop::No && self.reason.set(reason.to_owned()).is_ok() {
            self.request();
        }
    }

    /// Why the run was given up; `None` when it was not.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// Ends the run at once, however often it was asked before.
    pub fn at_once(&self) {
        self.wish.store(2, Ordering::Relaxed);
    }

    /// What was asked so far.
    #[must_use]
    pub fn wish(&self) -> Stop {
        match self.wish.load(Ordering::Relaxed) {
            0 => Stop::No,
            1 => Stop::Gracefully,
            _ => Stop::Now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_is_graceful_and_the_second_is_not() {
        let stop = StopHandle::new();
        let other = stop.clone();
        assert_eq!(other.wish(), Stop::No);
        stop.request();
        assert_eq!(other.wish(), Stop::Gracefully);
        stop.request();
        stop.request();
        assert_eq!(other.wish(), Stop::Now);
    }

    #[test]
    fn a_run_is_given_up_for_the_first_reason_and_only_while_it_goes_on() {
        let stop = StopHandle::new();
        stop.give_up("error_rate");
        stop.give_up("p95");
        assert_eq!((stop.wish(), stop.reason()), (Stop::Gracefully, Some("error_rate")));
        let interrupted = StopHandle::new();
        interrupted.request();
        interrupted.give_up("too late");
        assert_eq!((interrupted.wish(), interrupted.reason()), (Stop::Gracefully, None));
    }
}
