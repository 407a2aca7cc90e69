//! Stores loaded directly: Redis and PostgreSQL, by the same books and clocks as HTTP.
//!
//! A step that asks a store is an operation like any other. Service time runs from when it is handed to its
//! connection; waiting for one counts in response time, and is recorded as such. What the store replies becomes an
//! [`Answer`], so that checks, captures and polls are the same.
//!
//! | file | what |
//! |---|---|
//! | `call` | what a step asks, compiled and filled in |
//! | `pool` | whose connections operations use |
//! | `client` | a connection, whichever the store |
//! | `redis`, `redis_reply` | Redis: asking, and its replies and errors |
//! | `postgres`, `postgres_value`, `postgres_fault` | PostgreSQL: the same |
//! | `reply` | what was replied |
//!
//! A new store is a file of its own, and an arm in `client` and `call`.

mod call;
mod client;
mod pool;
mod postgres;
mod postgres_fault;
mod postgres_value;
mod redis;
mod redis_reply;
mod reply;

use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use plimsoll_plan::{Store, StoreConnections};
use plimsoll_record::ledger::Outcome;

use crate::answer::{Answer, Kept};
use crate::exchange::{Errand, Exchange, Line, failed, owner};
use crate::heart::{Delay, Heart};
use crate::journey::Journey;
use crate::recorder::Parts;
use crate::workload::nanos;
pub(crate) use call::Call;
use client::Client;
pub(crate) use pool::Pool;
use pool::{Lease, Wait};
pub(crate) use reply::{Content, Fault, Reply};

/// The stores of a plan, as one worker connects to them.
pub(crate) struct Stores(Vec<Pool>);

impl Stores {
    /// The part of worker `worker` (from 0) of so many.
    pub(crate) fn new(stores: &[Store], worker: u32, workers: u32) -> Self {
        let part = |store: &Store| match store.connections {
            StoreConnections::Pool(count) => {
                let (all, workers) = (count.get(), workers.max(1));
                (all / workers + u32::from(worker < all % workers)) as usize
            }
            StoreConnections::Shared | StoreConnections::PerUser => 1,
        };
        Self(stores.iter().map(|store| Pool::new(store, part(store))).collect())
    }

    /// A user is gone, and what was its own with it.
    pub(crate) fn forget(&self, owner: pool::Owner) {
        self.0.iter().filter(|pool| pool.is_personal()).for_each(|pool| pool.forget(owner));
    }
}

/// Asks a store what a step asks.
pub(crate) async fn exchange(
    line: &mut Line,
    heart: &Heart,
    journey: &Journey,
    errand: Errand,
    call: &Call,
) -> Exchange {
    let Ok(asked) = call.fill(&journey.visit, &mut line.scratch) else {
        // Nothing was waited for: others must have their turn before the next one fails.
        tokio::task::yield_now().await;
        return failed(heart, Outcome::NotBuilt);
    };
    let (pool, owner) = (&heart.stores.0[call.store], owner(heart, &journey.arrival));
    let (lease, delay) = match pool.at_once(owner, call.subscribes) {
        Some(lease) => (lease, errand.delay),
        None => {
            let began = heart.now();
            // On the heap: most operations find a connection, and would make room for opening one.
            let lease = Box::pin(pool.lease(owner, call.subscribes));
            let opened = line.within(heart, errand.deadline, lease).await;
            match opened {
                Some((Ok(lease), wait)) => (lease, delayed(errand.delay, began, heart.now(), wait)),
                Some((Err(fault), _)) => return failed(heart, fault.outcome),
                None => return failed(heart, Outcome::TimedOut),
            }
        }
    };
    let sent = heart.now();
    heart.sent(delay, sent);
    let patience = call.timeout.unwrap_or_else(|| nanos(pool.store().timeout));
    let deadline = sent.saturating_add(patience).min(errand.deadline);
    let wanted = !heart.work.examinations[usize::from(errand.operation)].wants().is_nothing();
    let replied = {
        // Pinned here, so that it is not copied once more on its way.
        let asking = pin!(lease.client().ask(asked, wanted));
        line.within(heart, deadline, asking).await
    };
    let done = heart.now();
    settle(lease, replied.as_ref(), sent, done);
    let result = match replied {
        None => Err(Outcome::TimedOut),
        Some(Ok(reply)) => Ok(answer(&reply, wanted)),
        Some(Err(fault)) if fault.outcome.is_answered() => Ok(complaint(fault)),
        Some(Err(fault)) => Err(fault.outcome),
    };
    Exchange { sent, done, parts: Parts { waited: delay.waited(), ..Parts::NONE }, result, guard: None }
}

/// Gives the connection back, or lets it go.
fn settle(lease: Lease<'_>, replied: Option<&Result<Reply, Fault>>, sent: i64, done: i64) {
    let complete = match replied {
        None => false,
        Some(Ok(_)) => true,
        Some(Err(fault)) => fault.outcome.is_answered(),
    };
    if complete && !lease.client().is_closed() {
        lease.give_back(done);
    } else {
        lease.discard(sent);
    }
}

/// Whose fault it is that the operation starts late, when it had to wait for a connection from `began` to `now`.
fn delayed(delay: Delay, began: i64, now: i64, wait: Wait) -> Delay {
    let waited = now - began;
    match (delay, wait) {
        (Delay::Own { since }, Wait::Opening) => Delay::Opening { own: began - since },
        (Delay::Own { since }, Wait::ForOthers) => Delay::Waited { own: Some(began - since), wait: waited },
        (Delay::Opening { own }, Wait::ForOthers) => Delay::Waited { own: Some(own), wait: waited },
        (Delay::Waited { own, wait }, Wait::ForOthers) => Delay::Waited { own, wait: wait.saturating_add(waited) },
        (delay, Wait::Opening) => delay,
    }
}

/// A reply as an answer.
pub(crate) fn answer(reply: &Reply, wanted: bool) -> Answer {
    let body_bytes = reply.bytes;
    let kept = wanted.then(|| Box::new(Kept::of_reply(reply)));
    Answer { status: 0, body_bytes, latency_ns: 0, kept, fault: None, retries: reply.retries }
}

/// An error that a store replied, as an answer that has failed already. Its text is kept for the log of failures.
pub(crate) fn complaint(fault: Fault) -> Answer {
    let content = Content::Text(fault.text.into_bytes().into());
    let reply = Reply { content, rows: 0, bytes: 0, retries: fault.retries };
    Answer { fault: Some(fault.outcome), ..answer(&reply, true) }
}

/// Asks once on a connection of its own: for trials.
pub(crate) async fn ask_once(
    store: &Store,
    call: &Call,
    visit: &crate::visit::Visit,
) -> Result<Answer, (Outcome, String)> {
    let mut scratch = BytesMut::new();
    let asked = call.fill(visit, &mut scratch).map_err(|unfilled| (Outcome::NotBuilt, unfilled.to_string()))?;
    let opened = if call.subscribes { Client::open_subscriber(store).await } else { Client::open(store).await };
    let client = opened.map_err(|fault| (fault.outcome, fault.text))?;
    let patience = call.timeout.map_or(store.timeout, |timeout| Duration::from_nanos(timeout.unsigned_abs()));
    match tokio::time::timeout(patience, client.ask(asked, true)).await {
        Ok(Ok(reply)) => Ok(answer(&reply, true)),
        Ok(Err(fault)) => Err((fault.outcome, fault.text)),
        Err(_) => Err((Outcome::TimedOut, String::new())),
    }
}

/// Whether a store accepts a connection and answers on it.
pub(crate) async fn is_there(store: &Store) -> Result<(), Fault> {
    Client::open(store).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<'a, F>(_: fn(&'a mut Line, &'a Heart, &'a Journey, Errand, &'a Call) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_operation_takes_little_room_so_that_beginning_one_copies_little() {
        let bytes = size(exchange);
        assert!(bytes <= 2048, "{bytes} B");
    }
}
