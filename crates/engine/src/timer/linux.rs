//! timerfd, driven by the runtime's own epoll loop.

use std::io;
use std::os::fd::OwnedFd;

use plimsoll_record::{Offset, RunClock};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A timer of one worker.
pub(crate) struct Timer {
    fd: AsyncFd<OwnedFd>,
}

impl Timer {
    /// Must be called inside a runtime.
    #[expect(
        deprecated,
        reason = "its replacement is unsafe, for types that may give back another descriptor; OwnedFd does not"
    )]
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { fd: AsyncFd::with_interest(fd, Interest::READABLE)? })
    }

    /// Returns at `at` or as soon after it as possible; at once when it is over. Spurious returns are possible.
    pub(crate) async fn sleep_until(&self, clock: &RunClock, at: Offset) {
        if clock.now() >= at {
            return;
        }
        let monotonic_ns = clock.anchor().monotonic_ns.saturating_add(at.as_nanos()).max(1);
        let it_value = Timespec { tv_sec: monotonic_ns / 1_000_000_000, tv_nsec: monotonic_ns % 1_000_000_000 };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::ABSTIME, &once)
            .expect("the descriptor is a timer and the time is positive");
        // The runtime listens edge-triggered, and every expiry is a new edge: the tick count need not be read.
        let mut ready = self.fd.readable().await.expect("the runtime lives as long as its workers");
        ready.clear_ready();
    }
}
