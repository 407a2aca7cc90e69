//! A slot: the task that owns a connection, or a seat on one, and runs one iteration after the other on it.
//!
//! A slot lives as long as it has work or an open connection. It decides nothing: what to send next comes from its
//! worker's [`Heart`], and how an iteration goes on from its flow.

use std::cell::{Cell, OnceCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::exchange::Line;
use crate::heart::{Heart, Job};
use crate::iterate::iterate;
use crate::journey::Polling;

/// No deadline.
const NONE: i64 = i64::MAX;

/// What the worker and the slot's task tell each other.
pub(crate) struct Slot {
    pub(crate) id: usize,
    task: OnceCell<Waker>,
    assigned: Cell<Option<Job>>,
    deadline: Cell<i64>,
    expired: Cell<bool>,
    under_way: Cell<Option<UnderWay>>,
    sent: Cell<Option<i64>>,
}

/// A request under way, for the books of a run that ends before it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnderWay {
    pub(crate) phase: u16,
    pub(crate) operation: u16,
    pub(crate) intended: i64,
    /// When it was written, if it was.
    pub(crate) sent: Option<i64>,
    /// The poll that it is a try of.
    pub(crate) poll: Option<Polling>,
}

impl Slot {
    pub(crate) fn new(id: usize) -> Self {
        let (assigned, deadline, expired) = (Cell::new(None), Cell::new(NONE), Cell::new(false));
        let (under_way, sent) = (Cell::new(None), Cell::new(None));
        Self { id, task: OnceCell::new(), assigned, deadline, expired, under_way, sent }
    }

    /// A request begins.
    pub(crate) fn begin(&self, request: UnderWay) {
        self.under_way.set(Some(request));
        self.sent.set(None);
    }

    /// It is written.
    pub(crate) fn sent(&self, at: i64) {
        self.sent.set(Some(at));
    }

    /// It has ended.
    pub(crate) fn end(&self) {
        self.under_way.set(None);
    }

    /// The request that has not ended.
    pub(crate) fn under_way(&self) -> Option<UnderWay> {
        let sent = self.sent.get();
        self.under_way.get().map(|request| UnderWay { sent, ..request })
    }

    /// Gives work to an idle slot.
    pub(crate) fn assign(&self, job: Job) {
        self.assigned.set(Some(job));
        self.wake();
    }

    /// Ends the slot's present wait if its deadline is over; the deadline that remains.
    pub(crate) fn sweep(&self, now: i64) -> i64 {
        if self.deadline.get() <= now {
            self.deadline.set(NONE);
            self.expired.set(true);
            self.wake();
        }
        self.deadline.get()
    }

    fn wake(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// Waits for `future` until the sweep finds that `deadline` is over.
    pub(crate) async fn within<T>(&self, deadline: i64, future: impl Future<Output = T>) -> Option<T> {
        self.deadline.set(deadline);
        self.expired.set(false);
        let mut future = pin!(future);
        let result = poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if self.expired.get() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let result = result.await;
        self.deadline.set(NONE);
        result
    }
}

/// The slot's task: works on `job` and whatever follows, until there is neither work nor connection.
pub(crate) async fn run(heart: Rc<Heart>, slot: Rc<Slot>, mut job: Job) {
    poll_fn(|cx| {
        slot.task.get_or_init(|| cx.waker().clone());
        Poll::Ready(())
    })
    .await;
    let mut line = Line::of_slot(Rc::clone(&slot));
    loop {
        let now = iterate(&heart, &mut line, job).await;
        job = match heart.next_job(now) {
            Some(next) => next,
            None => match idle(&heart, &slot, &mut line).await {
                Some(next) => next,
                None => break,
            },
        };
    }
    heart.retire(&slot);
}

/// Waits for work; `None` when there is no connection left to work on.
async fn idle(heart: &Heart, slot: &Slot, line: &mut Line) -> Option<Job> {
    if !line.can_wait(heart) {
        return None;
    }
    heart.rest(slot.id);
    let job = poll_fn(|_| {
        if let Some(job) = slot.assigned.take() {
            return Poll::Ready(Some(job));
        }
        line.connection.as_mut().map_or(Poll::Pending, |connection| connection.poll_idle().map(|()| None))
    })
    .await;
    if job.is_none() {
        heart.leave(slot.id);
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F>(_: fn(Rc<Heart>, Rc<Slot>, Job) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_slots_task_is_small_beside_the_buffers_of_its_connection() {
        let bytes = size(run);
        assert!(bytes <= 4096, "{bytes} B");
    }
}
