//! One request and its answer, on a connection that is opened when there is none.
//!
//! A [`Line`] belongs to a slot, or to one branch of steps that are done at once. It knows deadlines and redirects,
//! and nothing of flows.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use hyper::Request;
use plimsoll_plan::ConnectionUse;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::timings::Opening;

use crate::answer::{Answer, Wants};
use crate::connection::{Broken, Connection, HeadWatch, connect, connect_failed};
use crate::feed::Arrival;
use crate::heart::{Delay, Heart};
use crate::integrity::Guard;
use crate::journey::{Journey, Polling};
use crate::recorder::Parts;
use crate::redirects;
use crate::request::{Operation, RequestBody};
use crate::slot::{Slot, UnderWay};
use crate::store;
use crate::workload::PhaseLoad;

/// What sends requests one after the other, and keeps a connection and some memory from one to the next.
pub(crate) struct Line {
    /// The slot, whose deadlines the worker watches; a branch watches its own.
    slot: Option<Rc<Slot>>,
    pub(crate) connection: Option<Connection>,
    /// How the connection was opened that the present request is to be sent on, if it was opened for it.
    opening: Option<Opening>,
    pub(crate) scratch: BytesMut,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errand {
    pub(crate) operation: u16,
    pub(crate) intended: i64,
    pub(crate) delay: Delay,
    /// From when on the whole is of no more use.
    pub(crate) deadline: i64,
}

/// What redirects of a request are followed with.
struct Trail<'a> {
    journey: &'a Journey,
    operation: &'a Operation,
    /// The most redirects.
    most: u8,
    wants: Wants,
    deadline: i64,
}

/// One request that came to its end.
pub(crate) struct Exchange {
    pub(crate) sent: i64,
    pub(crate) done: i64,
    pub(crate) parts: Parts,
    pub(crate) result: Result<Answer, Outcome>,
    /// The write or read of a key that it was.
    pub(crate) guard: Option<Box<Guard>>,
}

/// One request and its answer on an open connection.
struct Trip {
    /// When the head of the answer had arrived, if it came before its end.
    head: Option<i64>,
    done: i64,
    result: Result<Answer, Broken>,
}

impl Line {
    pub(crate) fn of_slot(slot: Rc<Slot>) -> Self {
        Self { slot: Some(slot), connection: None, opening: None, scratch: BytesMut::new() }
    }

    pub(crate) fn of_branch() -> Self {
        Self { slot: None, connection: None, opening: None, scratch: BytesMut::new() }
    }

    /// Takes a connection that another task used before.
    pub(crate) async fn adopt(&mut self, connection: Option<Connection>) {
        let Some(mut connection) = connection else { return };
        poll_fn(|cx| {
            connection.adopt(cx.waker());
            Poll::Ready(())
        })
        .await;
        // It may have been closed while nobody looked.
        if connection.poll_idle().is_pending() {
            self.connection = Some(connection);
        }
    }

    /// Fetches the connection that the iteration's user left behind, if users have their own.
    pub(crate) async fn fetch_own(&mut self, heart: &Heart, arrival: &Arrival) {
        if heart.connections == ConnectionUse::PerUser {
            let left = heart.idle().fetch(owner(heart, arrival));
            self.adopt(left).await;
        }
    }

    /// Leaves the connection to the iteration's user, if users have their own; closes it when the user is gone.
    pub(crate) fn leave_own(&mut self, heart: &Heart, arrival: &Arrival, returns: bool) {
        if heart.connections != ConnectionUse::PerUser {
            return;
        }
        match self.connection.take() {
            Some(connection) if returns => heart.idle().leave(owner(heart, arrival), connection),
            Some(connection) => connection.close(),
            None => {}
        }
    }

    /// Whether it can wait for work: it has a connection, or needs none.
    pub(crate) fn can_wait(&self, heart: &Heart) -> bool {
        self.connection.is_some() || heart.work.only_stores
    }

    /// One request on the kept connection or, when there is none, on a new one. A connection that turns out to be
    /// closed before anything was written is replaced, once.
    pub(crate) async fn exchange(&mut self, heart: &Rc<Heart>, journey: &Journey, errand: Errand) -> Exchange {
        let guard = heart.work.integrity.begin(errand.operation, &journey.visit);
        self.note(heart, journey, errand);
        if let Some(call) = &heart.work.calls[usize::from(errand.operation)] {
            // On the heap: every slot would keep room for it.
            let mut exchange = Box::pin(store::exchange(self, heart, journey, errand, call)).await;
            exchange.guard = guard;
            self.note_end();
            return exchange;
        }
        let mut exchange = self.try_twice(heart, journey, errand).await;
        exchange.guard = guard;
        self.note_end();
        exchange.parts.waited = errand.delay.waited();
        exchange.parts.opening = self.opening.take();
        if heart.connections == ConnectionUse::New
            && let Some(connection) = self.connection.take()
        {
            connection.close();
        }
        exchange
    }

    /// Notes the request, in case that the run ends before it does.
    fn note(&self, heart: &Heart, journey: &Journey, errand: Errand) {
        let Some(slot) = &self.slot else { return };
        let Errand { operation, intended, .. } = errand;
        let polled = heart.work.steps[usize::from(operation)].poll.is_some();
        let poll = polled.then(|| journey.polling.unwrap_or(Polling { intended, sent: intended }));
        slot.begin(UnderWay { phase: journey.arrival.phase, operation, intended, sent: None, poll });
    }

    fn note_end(&self) {
        if let Some(slot) = &self.slot {
            slot.end();
        }
    }

    async fn try_twice(&mut self, heart: &Rc<Heart>, journey: &Journey, errand: Errand) -> Exchange {
        let mut unsent = Outcome::Closed;
        for _ in 0..2 {
            if self.connection.as_ref().is_none_or(Connection::is_closed) {
                self.connection = None;
                match self.open(heart, errand.deadline).await {
                    Ok(connection) => self.connection = Some(connection),
                    Err(outcome) => return failed(heart, outcome),
                }
            }
            match self.send(heart, journey, errand).await {
                Ok(exchange) => return exchange,
                Err(outcome) => unsent = outcome,
            }
        }
        failed(heart, unsent)
    }

    async fn open(&mut self, heart: &Rc<Heart>, deadline: i64) -> Result<Connection, Outcome> {
        let deadline = deadline.min(heart.now().saturating_add(heart.connect_timeout));
        let opened = self.within(heart, deadline, Box::pin(connect(heart))).await;
        let opened = opened.unwrap_or(Err(Outcome::ConnectTimedOut));
        match opened {
            Ok((connection, opening)) => {
                self.opening = opening;
                Ok(connection)
            }
            Err(outcome) => {
                connect_failed(heart);
                Err(outcome)
            }
        }
    }

    /// Sends the request; the outcome it would have when nothing of it was written, or processed.
    async fn send(&mut self, heart: &Rc<Heart>, journey: &Journey, errand: Errand) -> Result<Exchange, Outcome> {
        let connection = self.connection.as_mut().ok_or(Outcome::Closed)?;
        let operation = &heart.work.operations[usize::from(errand.operation)];
        let Ok(request) = connection.request(operation, &journey.visit, &mut self.scratch) else {
            // Nothing was waited for: others must have their turn before the next one fails.
            tokio::task::yield_now().await;
            return Ok(failed(heart, Outcome::NotBuilt));
        };
        let facts = heart.work.steps[usize::from(errand.operation)];
        let wants = heart.work.examinations[usize::from(errand.operation)].wants();
        let sent = heart.now();
        heart.sent(errand.delay, sent);
        if let Some(slot) = &self.slot {
            slot.sent(sent);
        }
        let deadline = sent.saturating_add(operation.timeout.unwrap_or(heart.timeout)).min(errand.deadline);
        let copy = (facts.redirects > 0 || journey.visit.has_cookies()).then(|| request.clone());
        let mut trip = self.round_trip(heart, request, wants, (sent, deadline)).await;
        if let Err(Broken::NotSent(outcome)) = trip.result {
            heart.not_sent();
            return Err(outcome);
        }
        if let Some(copy) = copy {
            let trail = Trail { journey, operation, most: facts.redirects, wants, deadline };
            // On the heap: few requests need it, and every slot would keep room for it.
            trip = Box::pin(self.follow(heart, copy, trail, trip)).await;
        }
        let Trip { head, done, result } = trip;
        let result = result.map_err(|(Broken::Sent(outcome) | Broken::NotSent(outcome))| outcome);
        let parts = Parts { first_byte: Some(head.unwrap_or(done)), ..Parts::NONE };
        Ok(Exchange { sent, done, parts, result, guard: None })
    }

    /// Keeps the cookies of the answer to `sent`, and follows the redirects that begin with it.
    async fn follow(
        &mut self,
        heart: &Rc<Heart>,
        mut sent: Request<RequestBody>,
        trail: Trail<'_>,
        mut last: Trip,
    ) -> Trip {
        let Trail { journey, operation, most, wants, deadline } = trail;
        for turn in 0..=most {
            let Ok(Answer { status, kept: Some(kept), .. }) = &last.result else { break };
            journey.visit.receive_cookies(&kept.headers, &operation.url(sent.uri()));
            let to = (turn < most).then(|| redirects::follow(&sent, *status, &kept.headers, &heart.work.url));
            let Some(to) = to.flatten() else { break };
            if self.connection.as_ref().is_none_or(Connection::is_closed) {
                match self.open(heart, deadline).await {
                    Ok(connection) => self.connection = Some(connection),
                    Err(outcome) => return Trip::without_answer(heart, Broken::Sent(outcome)),
                }
            }
            sent = to;
            if journey.visit.has_cookies() {
                let url = operation.url(sent.uri());
                redirects::send_cookies(&mut sent, &journey.visit, &url);
            }
            last = self.round_trip(heart, sent.clone(), wants, (heart.now(), deadline)).await;
        }
        last
    }

    /// One request on the present connection, sent at `sent`.
    async fn round_trip(
        &mut self,
        heart: &Heart,
        request: Request<RequestBody>,
        wants: Wants,
        (sent, deadline): (i64, i64),
    ) -> Trip {
        let Some(mut connection) = self.connection.take() else {
            return Trip::without_answer(heart, Broken::NotSent(Outcome::Closed));
        };
        let head = HeadWatch::new(heart.clock);
        let first_byte = sent.saturating_add(heart.first_byte_timeout);
        let answer = {
            // Pinned here, so that the request is not copied once more on its way.
            let mut exchange = pin!(connection.exchange(request, wants, &head));
            match self.within(heart, deadline.min(first_byte), exchange.as_mut()).await {
                None if first_byte < deadline && head.at().is_some() => self.within(heart, deadline, exchange).await,
                answer => answer,
            }
        };
        let done = heart.now();
        if connection.survives(answer.as_ref(), sent, done) {
            self.connection = Some(connection);
        }
        let head = head.at().map(|at| at.as_nanos() - heart.start.as_nanos());
        let given_up = match head {
            None if first_byte < deadline => Outcome::FirstByteTimedOut,
            _ => Outcome::TimedOut,
        };
        Trip { head, done, result: answer.unwrap_or(Err(Broken::Sent(given_up))) }
    }

    /// Waits for `future` until `deadline` is over.
    pub(crate) async fn within<T>(&self, heart: &Heart, deadline: i64, future: impl Future<Output = T>) -> Option<T> {
        match &self.slot {
            Some(slot) => {
                heart.expect_deadline(deadline);
                slot.within(deadline, future).await
            }
            None => {
                let patience = deadline.saturating_sub(heart.now()).max(0).cast_unsigned();
                tokio::time::timeout(Duration::from_nanos(patience), future).await.ok()
            }
        }
    }
}

impl Exchange {
    /// A request that could not be made.
    pub(crate) fn without_request(now: i64, outcome: Outcome) -> Self {
        Self { sent: now, done: now, parts: Parts::NONE, result: Err(outcome), guard: None }
    }
}

impl Trip {
    fn without_answer(heart: &Heart, broken: Broken) -> Self {
        Self { head: None, done: heart.now(), result: Err(broken) }
    }
}

/// Who a connection belongs to: a closed user as long as it lives, in an open phase the visit.
pub(crate) fn owner(heart: &Heart, arrival: &Arrival) -> (u16, u64) {
    let closed = matches!(heart.work.phases[usize::from(arrival.phase)].load, PhaseLoad::Closed(_));
    (arrival.phase, if closed { u64::from(arrival.session) } else { arrival.ordinal })
}

pub(crate) fn failed(heart: &Heart, outcome: Outcome) -> Exchange {
    Exchange::without_request(heart.now(), outcome)
}
