//! A worker: one thread, one runtime, one driver that hands out arrivals when they are due.
//!
//! The driver looks at the schedule at the next intended time, every few milliseconds for deadlines and stop
//! requests, and at the end of each interval. It owns no connection.

use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use plimsoll_record::Offset;
use tokio::runtime::{LocalOptions, LocalRuntime};

use crate::feed::Feed;
use crate::heart::{Heart, HeartSetup};
use crate::recorder::{Recorder, RecorderSetup};
use crate::schedule::Share;
use crate::slot;
use crate::stop::{Stop, StopHandle};
use crate::timer::Timer;

/// How often deadlines and the stop handle are looked at: the resolution of timeouts.
const SWEEP: i64 = 10_000_000;
/// How long requests may take that were under way when the run was asked to stop.
const GRACE: i64 = 5_000_000_000;
/// Tasks the runtime polls before it asks the kernel for news: a batch of answers is one round.
const BATCH: u32 = 256;

/// One worker before it starts.
pub(crate) struct Worker {
    pub(crate) heart: HeartSetup,
    pub(crate) recorder: RecorderSetup,
    pub(crate) share: Share,
    pub(crate) drain: i64,
    pub(crate) stop: StopHandle,
}

impl Worker {
    /// Runs on this thread until all arrivals have ended, or the run is stopped. Fails when the machine has no
    /// descriptors left for a runtime and a timer.
    pub(crate) fn run(self) -> std::io::Result<()> {
        let runtime = runtime()?;
        let feed = Feed::new(&self.heart.work, self.share);
        let heart = Rc::new(Heart::new(self.heart, feed, Recorder::new(self.recorder)));
        let driver = Driver { heart: Rc::clone(&heart), drain: self.drain, stop: self.stop };
        let ended = runtime.block_on(driver.run())?;
        // Dropping the runtime drops the slots' tasks, and with them the last other owners of the heart.
        drop(runtime);
        let heart = Rc::into_inner(heart).expect("driver and slots are gone");
        let (mut feed, recorder, under_way) = heart.into_books();
        recorder.close(ended, &mut feed, &under_way);
        Ok(())
    }
}

pub(crate) fn runtime() -> std::io::Result<LocalRuntime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(BATCH)
        .build_local(LocalOptions::default())
}

struct Driver {
    heart: Rc<Heart>,
    drain: i64,
    stop: StopHandle,
}

impl Driver {
    /// Returns when it ended, in nanoseconds from the start of the traffic.
    async fn run(self) -> std::io::Result<i64> {
        let heart = &self.heart;
        let timer = Timer::new()?;
        let mut deadline = heart.work.end().saturating_add(self.drain);
        let mut sweep_at = 0;
        loop {
            let now = heart.now();
            heart.note_hold_up(now);
            heart.turn_if_due(now);
            if now >= sweep_at {
                deadline = self.heed_stop(now, deadline);
                heart.sweep(now);
                sweep_at = now + SWEEP;
            }
            heart.dispatch(now, |slot, job| {
                let task = slot::run(Rc::clone(heart), slot, job);
                tokio::task::spawn_local(tokio::task::unconstrained(task));
            });
            if now >= deadline || heart.is_done(now) || heart.collector_is_gone() {
                return Ok(now);
            }
            let due = heart.next_due().unwrap_or(i64::MAX);
            self.sleep(&timer, due.min(sweep_at).min(heart.boundary())).await;
        }
    }

    /// Ends arrivals when the run was asked to stop; the time at which it ends at the latest.
    fn heed_stop(&self, now: i64, deadline: i64) -> i64 {
        match self.stop.wish() {
            Stop::No => deadline,
            Stop::Gracefully if self.heart.is_stopping() => deadline,
            Stop::Gracefully => {
                self.heart.stop_arrivals(now);
                deadline.min(now.saturating_add(self.drain.min(GRACE)))
            }
            Stop::Now => {
                self.heart.stop_arrivals(now);
                now
            }
        }
    }

    /// Sleeps until `at`, or until a slot has reason to look earlier.
    async fn sleep(&self, timer: &Timer, at: i64) {
        let heart = &self.heart;
        let wake_at = Offset(heart.start.as_nanos().saturating_add(at));
        let mut sleep = pin!(timer.sleep_until(&heart.clock, wake_at));
        heart.set_looks_at(at);
        std::future::poll_fn(|cx| {
            if heart.looks_at() < at {
                return Poll::Ready(());
            }
            heart.register_driver(cx.waker());
            sleep.as_mut().poll(cx)
        })
        .await;
    }
}
