//! One HTTP/2 connection, shared by several slots of a worker: each has a seat, and one stream at a time on it.
//!
//! It is spoken by the `h2` crate, the one inside hyper's client. hyper adds a queue, a task and three channels per
//! request to it; here the slot that waits for the answer polls its stream itself. A task of its own moves the frames.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use h2::{Reason, RecvStream};
use hyper::{Request, Response};
use plimsoll_record::ledger::Outcome;
use plimsoll_record::timings::Opening;

use super::dial::Stream;
use super::outcome::io_outcome;
use super::{Answer, Broken, HeadWatch};
use crate::answer::{Keeper, Wants};
use crate::request::RequestBody;

/// What the server may send unasked: a quarter of what the protocol allows (RFC 9113, section 6.9.1). Answers are read
/// and dropped, so that a window costs no memory, and the larger it is, the fewer updates go back.
const WINDOW: u32 = 1 << 29;

/// The task's side: moves frames until the connection ends.
pub(super) type Driver = client::Connection<Stream, Bytes>;

/// A connection that slots share.
pub(super) struct Shared {
    state: RefCell<State>,
    seats: Cell<usize>,
    /// How it was opened, until a seat has taken that down.
    opening: Cell<Option<Opening>>,
    /// When the last answer came, in nanoseconds from the start of the traffic.
    heard: Cell<i64>,
    /// Those who wait for it to open, or to end.
    listeners: RefCell<Vec<Waker>>,
}

enum State {
    Opening,
    Open {
        sender: SendRequest<Bytes>,
        secured: bool,
    },
    /// No further request is sent on it. Those under way may still be answered.
    Over(Outcome),
}

impl Shared {
    pub(super) fn opening() -> Rc<Self> {
        let (seats, heard) = (Cell::new(0), Cell::new(i64::MIN));
        let (state, opening) = (RefCell::new(State::Opening), Cell::new(None));
        Rc::new(Self { state, seats, opening, heard, listeners: RefCell::default() })
    }

    /// This is how it was opened.
    pub(super) fn note_opening(&self, opening: Opening) {
        self.opening.set(Some(opening));
    }

    /// Requests can be sent.
    pub(super) fn opened(&self, sender: SendRequest<Bytes>, secured: bool) {
        *self.state.borrow_mut() = State::Open { sender, secured };
        self.tell();
    }

    /// No further request can be sent.
    pub(super) fn end(&self, outcome: Outcome) {
        if self.is_over() {
            return;
        }
        *self.state.borrow_mut() = State::Over(outcome);
        self.tell();
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(*self.state.borrow(), State::Over(_))
    }

    /// How many slots use it.
    pub(super) fn seats(&self) -> usize {
        self.seats.get()
    }

    fn tell(&self) {
        self.listeners.borrow().iter().for_each(Waker::wake_by_ref);
    }
}

/// Begins HTTP/2 over `stream`, and waits until the server has said how many streams it allows: they are the third
/// part of the result.
pub(super) async fn begin(stream: Stream) -> Result<(SendRequest<Bytes>, Driver, usize), Outcome> {
    let secured = stream.is_secured();
    let mut builder = client::Builder::new();
    builder
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .enable_push(false)
        // None before the server has spoken, so that its first word can be told from silence.
        .initial_max_send_streams(0);
    let begun = builder.handshake(stream).await;
    let (sender, mut driver) = begun.map_err(|error| outcome_of(&error, secured))?;
    let streams = poll_fn(|cx| match Pin::new(&mut driver).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(Outcome::Closed)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(outcome_of(&error, secured))),
        Poll::Pending => match sender.current_max_send_streams() {
            0 => Poll::Pending,
            streams => Poll::Ready(Ok(streams)),
        },
    });
    let streams = streams.await?;
    Ok((sender, driver, streams))
}

/// Moves the frames of an open connection until it ends.
pub(super) async fn drive(driver: Driver, secured: bool) -> Outcome {
    match driver.await {
        Ok(()) => Outcome::Closed,
        Err(error) => outcome_of(&error, secured),
    }
}

/// Sends the only request of a connection.
pub(super) async fn ask(stream: Stream, request: Request<RequestBody>, wants: Wants) -> Result<Answer, Broken> {
    let secured = stream.is_secured();
    let (mut sender, driver, _) = begin(stream).await.map_err(Broken::NotSent)?;
    let head = HeadWatch::idle();
    tokio::select! {
        answer = send(&mut sender, request, wants, &head) => answer.map_err(|error| broken(&error, secured)),
        outcome = drive(driver, secured) => Err(Broken::Sent(outcome)),
    }
}

/// One slot's place on a shared connection.
pub(crate) struct Seat {
    shared: Rc<Shared>,
    sender: Option<(SendRequest<Bytes>, bool)>,
    listens: bool,
}

impl Seat {
    pub(super) fn on(shared: &Rc<Shared>) -> Self {
        shared.seats.set(shared.seats.get() + 1);
        Self { shared: Rc::clone(shared), sender: None, listens: false }
    }

    /// Waits until requests can be sent. The task that waits is the one that must use the seat.
    pub(super) async fn ready(mut self) -> Result<Self, Outcome> {
        poll_fn(|cx| self.poll_open(cx)).await?;
        Ok(self)
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Outcome>> {
        if !self.listens {
            self.listens = true;
            self.shared.listeners.borrow_mut().push(cx.waker().clone());
        }
        match &*self.shared.state.borrow() {
            State::Opening => Poll::Pending,
            State::Open { sender, secured } => {
                self.sender = Some((sender.clone(), *secured));
                Poll::Ready(Ok(()))
            }
            State::Over(outcome) => Poll::Ready(Err(*outcome)),
        }
    }

    /// How the connection was opened, for the first seat that asks.
    pub(super) fn take_opening(&self) -> Option<Opening> {
        self.shared.opening.take()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.shared.is_over()
    }

    /// No further request is sent on the connection: it ends with the last stream.
    pub(crate) fn close(self) {
        self.shared.end(Outcome::Closed);
    }

    /// Ready when the connection takes no more requests; the slot is woken then.
    pub(crate) fn poll_idle(&self) -> Poll<()> {
        if self.is_closed() { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(crate) async fn exchange(
        &mut self,
        request: Request<RequestBody>,
        wants: Wants,
        head: &HeadWatch,
    ) -> Result<Answer, Broken> {
        let Some((sender, secured)) = &mut self.sender else { return Err(Broken::NotSent(Outcome::Closed)) };
        let secured = *secured;
        match send(sender, request, wants, head).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let broken = broken(&error, secured);
                if error.failure.is_go_away() || error.unsent {
                    self.shared.end(Outcome::Closed);
                }
                Err(broken)
            }
        }
    }

    /// See [`super::Connection::survives`]. A stream that failed leaves the others alone. One that got no answer in
    /// time leaves it in doubt whether anybody is there: unless something was heard since, a new connection is made.
    pub(crate) fn survives(&self, answer: Option<&Result<Answer, Broken>>, sent: i64, done: i64) -> bool {
        match answer {
            Some(Ok(_)) => self.shared.heard.set(done),
            Some(Err(_)) => {}
            None if self.shared.heard.get() < sent => self.shared.end(Outcome::TimedOut),
            None => {}
        }
        !self.is_closed()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.seats.set(self.shared.seats.get() - 1);
    }
}

/// A request that failed.
struct Failed {
    failure: h2::Error,
    /// It did not get as far as the connection.
    unsent: bool,
}

impl From<h2::Error> for Failed {
    fn from(failure: h2::Error) -> Self {
        Self { failure, unsent: false }
    }
}

async fn send(
    sender: &mut SendRequest<Bytes>,
    request: Request<RequestBody>,
    wants: Wants,
    head: &HeadWatch,
) -> Result<Answer, Failed> {
    let unsent = |failure| Failed { failure, unsent: true };
    poll_fn(|cx| sender.poll_ready(cx)).await.map_err(unsent)?;
    let (parts, RequestBody(body)) = request.into_parts();
    let sent = sender.send_request(Request::from_parts(parts, ()), body.is_none());
    let (response, mut stream) = sent.map_err(unsent)?;
    if let Some(body) = body {
        stream.send_data(body, true)?;
    }
    let response = response.await?;
    head.arrived();
    read(response, wants).await
}

/// Reads the whole body, to its trailers if it has some.
async fn read(response: Response<RecvStream>, wants: Wants) -> Result<Answer, Failed> {
    let (head, mut body) = response.into_parts();
    let (mut keeper, _) = Keeper::begin(wants, head.status.as_u16(), head.headers);
    while let Some(data) = body.data().await {
        let piece = data?;
        let length = piece.len();
        keeper.push(piece);
        body.flow_control().release_capacity(length)?;
    }
    if !body.is_end_stream() {
        body.trailers().await?;
    }
    Ok(keeper.finish())
}

/// What became of a request that failed. A server that refuses a stream, or goes away before it has come to it, has
/// not processed it (RFC 9113, sections 6.8 and 8.7).
fn broken(failed: &Failed, secured: bool) -> Broken {
    let error = &failed.failure;
    let refused = error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
    let outcome = outcome_of(error, secured);
    if refused || failed.unsent { Broken::NotSent(outcome) } else { Broken::Sent(outcome) }
}

fn outcome_of(error: &h2::Error, secured: bool) -> Outcome {
    if let Some(error) = error.get_io() {
        return match error.kind() {
            // h2's word for a connection that was closed in good order.
            io::ErrorKind::BrokenPipe => Outcome::Closed,
            // h2 keeps only the kind of an error, and this one is that of TLS.
            io::ErrorKind::InvalidData if secured => Outcome::Tls,
            _ => io_outcome(error),
        };
    }
    match (error.is_remote(), error.is_reset()) {
        (true, true) => Outcome::Reset,
        (true, false) => Outcome::Closed,
        (false, _) => Outcome::Protocol,
    }
}
