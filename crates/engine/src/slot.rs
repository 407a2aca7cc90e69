//! A slot: the task that owns a connection, or a seat on one, and sends one iteration after the other on it.
//!
//! A slot lives as long as it has work or an open connection. It decides nothing: what to send next comes from its
//! worker's [`Heart`].

use std::cell::{Cell, OnceCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use bytes::BytesMut;
use plimsoll_record::ledger::Outcome;

use crate::connection::{Answer, Broken, Connection, connect, connect_failed};
use crate::heart::{Heart, Job};
use crate::recorder::ended;

/// No deadline.
const NONE: i64 = i64::MAX;

/// What the worker and the slot's task tell each other.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) id: usize,
    task: OnceCell<Waker>,
    assigned: Cell<Option<Job>>,
    deadline: Cell<i64>,
    expired: Cell<bool>,
}

impl Slot {
    pub(crate) fn new(id: usize) -> Self {
        let (assigned, deadline, expired) = (Cell::new(None), Cell::new(NONE), Cell::new(false));
        Self { id, task: OnceCell::new(), assigned, deadline, expired }
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
    async fn within<T>(&self, deadline: i64, future: impl Future<Output = T>) -> Option<T> {
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

/// What a slot keeps from request to request.
#[derive(Default)]
struct Kept {
    connection: Option<Connection>,
    scratch: BytesMut,
}

/// One request that came to its end.
struct Exchange {
    sent: i64,
    done: i64,
    result: Result<Answer, Outcome>,
}

/// The slot's task: works on `job` and whatever follows, until there is neither work nor connection.
pub(crate) async fn run(heart: Rc<Heart>, slot: Rc<Slot>, mut job: Job) {
    poll_fn(|cx| {
        slot.task.get_or_init(|| cx.waker().clone());
        Poll::Ready(())
    })
    .await;
    let mut kept = Kept::default();
    loop {
        let now = iterate(&heart, &slot, &mut kept, job).await;
        job = match heart.next_job(now) {
            Some(next) => next,
            None => match idle(&heart, &slot, &mut kept).await {
                Some(next) => next,
                None => break,
            },
        };
    }
    heart.retire(&slot);
}

/// Waits for work; `None` when there is no connection left to work on.
async fn idle(heart: &Heart, slot: &Slot, kept: &mut Kept) -> Option<Job> {
    let connection = kept.connection.as_mut()?;
    heart.rest(slot.id);
    let job = poll_fn(|_| {
        if let Some(job) = slot.assigned.take() {
            return Poll::Ready(Some(job));
        }
        connection.poll_idle().map(|()| None)
    })
    .await;
    if job.is_none() {
        heart.leave(slot.id);
    }
    job
}

/// One iteration of a flow: its steps one after the other. Each following step is intended when the one before it is
/// complete; a step that got no answer, or an unexpected one, is the iteration's last. Returns when it was over.
async fn iterate(heart: &Rc<Heart>, slot: &Slot, kept: &mut Kept, mut job: Job) -> i64 {
    let flow = heart.work.flows[usize::from(job.arrival.flow)];
    let mut operation = flow.first;
    let mut intended = job.arrival.intended;
    loop {
        let exchange = exchange(heart, slot, kept, &job, operation).await;
        let mut end = ended(&job.arrival, operation, intended, exchange.sent, exchange.done);
        match exchange.result {
            Ok(answer) => {
                end.status = answer.status;
                end.body_bytes = answer.body_bytes;
                end.outcome = heart.work.operations[usize::from(operation)].judge(answer.status);
            }
            Err(outcome) => end.outcome = outcome,
        }
        heart.end(&end);
        operation += 1;
        let goes_on = operation < flow.first + flow.steps && !end.outcome.is_failure() && !heart.is_stopping();
        if !goes_on {
            heart.give_back(&job.arrival, exchange.done);
            return exchange.done;
        }
        intended = exchange.done;
        job = job.following(intended);
        heart.begin_step(job.arrival.phase, operation);
    }
}

/// One request on the kept connection or, when there is none, on a new one. A connection that turns out to be closed
/// before anything was written is replaced, once.
async fn exchange(heart: &Rc<Heart>, slot: &Slot, kept: &mut Kept, job: &Job, operation: u16) -> Exchange {
    let mut unsent = Outcome::Closed;
    for _ in 0..2 {
        if kept.connection.as_ref().is_none_or(Connection::is_closed) {
            kept.connection = None;
            match open(heart, slot).await {
                Ok(connection) => kept.connection = Some(connection),
                Err(outcome) => return failed(heart, outcome),
            }
        }
        match send(heart, slot, kept, job, operation).await {
            Ok(exchange) => return exchange,
            Err(outcome) => unsent = outcome,
        }
    }
    failed(heart, unsent)
}

async fn open(heart: &Rc<Heart>, slot: &Slot) -> Result<Connection, Outcome> {
    let opened = slot.within(heart.now() + heart.connect_timeout, connect(heart)).await;
    let opened = opened.unwrap_or(Err(Outcome::ConnectTimedOut));
    if opened.is_err() {
        connect_failed(heart);
    }
    opened
}

/// Sends the request; the outcome it would have when nothing of it was written, or processed.
async fn send(heart: &Heart, slot: &Slot, kept: &mut Kept, job: &Job, operation: u16) -> Result<Exchange, Outcome> {
    let connection = kept.connection.as_mut().ok_or(Outcome::Closed)?;
    let operation = &heart.work.operations[usize::from(operation)];
    let visit = heart.work.visit(&job.arrival);
    let Ok(request) = connection.request(operation, &visit, &mut kept.scratch) else {
        // Nothing was waited for: others must have their turn before the next one fails.
        tokio::task::yield_now().await;
        return Ok(failed(heart, Outcome::NotBuilt));
    };
    let sent = heart.now();
    heart.sent(job, sent);
    let answer = {
        // Pinned here, so that the request is not copied once more on its way.
        let exchange = pin!(connection.exchange(request));
        slot.within(sent.saturating_add(operation.timeout.unwrap_or(heart.timeout)), exchange).await
    };
    let done = heart.now();
    if !connection.survives(answer.as_ref(), sent, done) {
        kept.connection = None;
    }
    let result = match answer {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(Broken::NotSent(outcome))) => {
            heart.not_sent();
            return Err(outcome);
        }
        Some(Err(Broken::Sent(outcome))) => Err(outcome),
        None => Err(Outcome::TimedOut),
    };
    Ok(Exchange { sent, done, result })
}

fn failed(heart: &Heart, outcome: Outcome) -> Exchange {
    let now = heart.now();
    Exchange { sent: now, done: now, result: Err(outcome) }
}
