//! Connections to the target: opening them, and exchanging one request for one answer.
//!
//! HTTP/1.1 gives each slot a connection of its own; HTTP/2 gives several slots a stream each of one they share. Which
//! it is, and how many there may be, is the worker's [`Pool`]'s business. Nothing here keeps books or knows a schedule.

mod dial;
mod http1;
mod http2;
mod idle;
mod outcome;
mod pool;
mod socket;
mod tls;

use std::cell::Cell;
use std::task::{Poll, Waker};

use bytes::BytesMut;
use hyper::Request;
use hyper::header::HeaderMap;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::{Offset, RunClock};

use self::dial::Stream;
use crate::answer::{Answer, Wants};
use crate::request::{Operation, RequestBody};
use crate::text::Unfilled;
use crate::visit::Visit;

pub use dial::RouteError;
pub(crate) use dial::{DialError, Route, address_of};
pub(crate) use idle::Idle;
pub(crate) use outcome::{connect_outcome, io_outcome};
pub(crate) use pool::{Pool, PoolSetup, Protocol, connect, connect_failed};
pub use tls::{Handshakes, TlsError, TlsFailure};
pub(crate) use tls::{Tls, system_tls};

/// What a slot sends its requests on.
pub(crate) enum Connection {
    /// A connection of its own.
    Own(Box<http1::Connection>),
    /// A stream at a time of one that others use as well.
    Shared(http2::Seat),
}

/// When the head of an answer has arrived.
///
/// The clock is read only when something is still to come behind the head: most answers are complete at once, and then
/// the head came when they did.
pub(crate) struct HeadWatch {
    clock: Option<RunClock>,
    at: Cell<Option<Offset>>,
}

impl HeadWatch {
    pub(crate) fn new(clock: RunClock) -> Self {
        Self { clock: Some(clock), at: Cell::new(None) }
    }

    /// For a request that is not timed.
    fn idle() -> Self {
        Self { clock: None, at: Cell::new(None) }
    }

    fn arrived(&self) {
        if self.at.get().is_none() {
            self.at.set(self.clock.map(|clock| clock.now()));
        }
    }

    /// When that was; `None` when it has not, or came with the rest of the answer.
    pub(crate) fn at(&self) -> Option<Offset> {
        self.at.get()
    }
}

/// Why there is no complete answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Not a byte of the request was written, or the server says that it did nothing with it (RFC 9113, section 8.7):
    /// it may be sent on another connection. The outcome is what it is if that does not help.
    NotSent(Outcome),
    /// The request was written, at least in part.
    Sent(Outcome),
}

/// Sends the only request of a connection, made of an operation. Nothing of its answer is kept.
pub(crate) async fn ask(
    stream: Stream,
    protocol: Protocol,
    operation: &Operation,
    visit: &Visit,
) -> Result<Answer, Broken> {
    let request = build(protocol, operation, visit).map_err(|_| Broken::NotSent(Outcome::NotBuilt))?;
    send_only(stream, protocol, request, Wants::NOTHING).await
}

/// The request of an operation, in the form of a protocol.
pub(crate) fn build(
    protocol: Protocol,
    operation: &Operation,
    visit: &Visit,
) -> Result<Request<RequestBody>, Unfilled> {
    let mut scratch = BytesMut::new();
    match protocol {
        Protocol::One => operation.request(visit, HeaderMap::new(), &mut scratch),
        Protocol::Two => operation.request_with_authority(visit, &mut scratch),
    }
}

/// Sends the only request of a connection.
pub(crate) async fn send_only(
    stream: Stream,
    protocol: Protocol,
    request: Request<RequestBody>,
    wants: Wants,
) -> Result<Answer, Broken> {
    match protocol {
        Protocol::One => {
            let connection = http1::Connection::over(stream).await;
            let mut connection = connection.map_err(|error| Broken::NotSent(outcome::outcome_of(&error)))?;
            connection.exchange(request, wants, &HeadWatch::idle()).await
        }
        Protocol::Two => http2::ask(stream, request, wants).await,
    }
}

impl Connection {
    /// From now on the task of `waker` uses the connection.
    pub(crate) fn adopt(&self, waker: &Waker) {
        match self {
            Self::Own(connection) => connection.adopt(waker),
            // A stream wakes whoever polls it.
            Self::Shared(_) => {}
        }
    }

    /// Ends it, also when it could be shared with others.
    pub(crate) fn close(self) {
        if let Self::Shared(seat) = self {
            seat.close();
        }
    }

    /// True when no further request can be sent on it.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Own(connection) => connection.is_closed(),
            Self::Shared(seat) => seat.is_closed(),
        }
    }

    /// Lets an idle connection notice that the server closed it. Ready when it did.
    pub(crate) fn poll_idle(&mut self) -> Poll<()> {
        match self {
            Self::Own(connection) => connection.poll_idle(),
            Self::Shared(seat) => seat.poll_idle(),
        }
    }

    /// The request of `operation` for a visit, in the form this connection takes.
    pub(crate) fn request(
        &mut self,
        operation: &Operation,
        visit: &Visit,
        scratch: &mut BytesMut,
    ) -> Result<Request<RequestBody>, Unfilled> {
        match self {
            Self::Own(connection) => operation.request(visit, connection.take_headers(), scratch),
            Self::Shared(_) => operation.request_with_authority(visit, scratch),
        }
    }

    /// Sends `request` and waits for the whole answer. What is not wanted of it is read and counted, not kept.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<RequestBody>,
        wants: Wants,
        head: &HeadWatch,
    ) -> Result<Answer, Broken> {
        match self {
            Self::Own(connection) => connection.exchange(request, wants, head).await,
            Self::Shared(seat) => seat.exchange(request, wants, head).await,
        }
    }

    /// Whether another request may follow one that was sent at `sent` and ended with `answer` (`None`: given up) at
    /// `done`.
    pub(crate) fn survives(&self, answer: Option<&Result<Answer, Broken>>, sent: i64, done: i64) -> bool {
        match self {
            Self::Own(connection) => matches!(answer, Some(Ok(_))) && !connection.is_closed(),
            Self::Shared(seat) => seat.survives(answer, sent, done),
        }
    }
}
