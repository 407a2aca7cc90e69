//! The runtime's timer, where there is no timerfd: to the millisecond.

use std::io;

use plimsoll_record::{Offset, RunClock};

/// A timer of one worker.
pub(crate) struct Timer {}

impl Timer {
    /// Must be called inside a runtime.
    #[expect(clippy::unnecessary_wraps, reason = "the twin module can fail here")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Returns at `at` or as soon after it as possible; at once when it is over. Spurious returns are possible.
    #[expect(clippy::unused_self, reason = "the twin module needs its timer")]
    pub(crate) async fn sleep_until(&self, clock: &RunClock, at: Offset) {
        let wait = at.since(clock.now());
        if wait > 0 {
            tokio::time::sleep(std::time::Duration::from_nanos(wait)).await;
        }
    }
}
