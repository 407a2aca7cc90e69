//! One HTTP/1.1 connection: one slot's own, for one request at a time.
//!
//! hyper's connection and its request are polled in one task. Their wake-ups to each other would only schedule that
//! task once more, so they are muted while it runs, and the loop here goes round instead. It keeps no books and
//! knows no schedule.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use plimsoll_record::ledger::Outcome;

use super::dial::Stream;
use super::outcome::outcome_of;
use super::socket::Socket;
use super::{Answer, Broken, HeadWatch};
use crate::answer::{Keeper, Wants};
use crate::request::RequestBody;

/// Rounds of one poll before the other connections of the worker get their turn.
const ROUNDS: usize = 16;

/// An open connection.
pub(crate) struct Connection {
    driver: http1::Connection<Socket, RequestBody>,
    sender: http1::SendRequest<RequestBody>,
    waker: Arc<MutedWaker>,
    /// [`Self::waker`] in the form a context takes.
    muted: Waker,
    /// The emptied header map of the last answer: hyper hands the request's map back in the answer, so that with
    /// this one in the next request no map is ever allocated again.
    spare: HeaderMap,
    /// How it ended, when it has.
    closed: Option<Outcome>,
}

impl Connection {
    /// Speaks HTTP/1.1 over `stream`. The task that calls this is the one that must use the connection, until another
    /// adopts it.
    pub(crate) async fn over(stream: Stream) -> hyper::Result<Self> {
        let task = std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let waker = Arc::new(MutedWaker {
            task: Mutex::new(task),
            running: AtomicBool::new(false),
            again: AtomicBool::new(false),
        });
        let muted = Waker::from(Arc::clone(&waker));
        let socket = Socket::new(stream, muted.clone());
        // Heads are small, and one write of one buffer is cheaper than a vectored one.
        let (sender, driver) = http1::Builder::new().writev(false).handshake(socket).await?;
        Ok(Self { driver, sender, waker, muted, spare: HeaderMap::new(), closed: None })
    }

    /// From now on the task of `waker` uses the connection.
    pub(crate) fn adopt(&self, waker: &Waker) {
        let mut task = self.waker.task();
        if !task.will_wake(waker) {
            *task = waker.clone();
        }
    }

    /// True when no further request can be sent on it.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_some() || self.sender.is_closed()
    }

    /// Lets an idle connection notice that the server closed it. Ready when it did.
    pub(crate) fn poll_idle(&mut self) -> Poll<()> {
        let mut connection = pin!(self);
        connection.poll_rounds(|connection, _| if connection.is_closed() { Poll::Ready(()) } else { Poll::Pending })
    }

    /// An empty header map for the next request.
    pub(crate) fn take_headers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.spare)
    }

    /// Sends `request` and waits for the whole answer. What is not wanted of it is read and counted, not kept.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<RequestBody>,
        wants: Wants,
        head: &HeadWatch,
    ) -> Result<Answer, Broken> {
        // Handing the request over wakes the connection, which is polled right after.
        self.waker.running.store(true, Ordering::Relaxed);
        let mut response = pin!(self.sender.send_request(request));
        let mut reading: Option<Reading> = None;
        std::future::poll_fn(|_| {
            self.poll_rounds(|connection, cx| {
                if reading.is_none() {
                    match response.as_mut().poll(cx) {
                        Poll::Ready(Ok(answer)) => reading = Some(connection.begin_reading(answer, wants)),
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(broken(&error, connection.closed))),
                        Poll::Pending => match connection.closed {
                            Some(outcome) => return Poll::Ready(Err(Broken::Sent(outcome))),
                            None => return Poll::Pending,
                        },
                    }
                }
                let Some(reading) = &mut reading else { return Poll::Pending };
                let answer = reading.poll(cx, connection.closed);
                if answer.is_pending() {
                    head.arrived();
                }
                answer
            })
        })
        .await
    }

    fn begin_reading(&mut self, answer: Response<Incoming>, wants: Wants) -> Reading {
        let (head, body) = answer.into_parts();
        let (keeper, headers) = Keeper::begin(wants, head.status.as_u16(), head.headers);
        if let Some(mut headers) = headers {
            headers.clear();
            self.spare = headers;
        }
        Reading { keeper: Some(keeper), body }
    }

    /// Polls the connection, then `step`, as long as one moves the other. `step` gets a context that wakes nobody:
    /// what it waits for comes from the connection.
    fn poll_rounds<T>(&mut self, mut step: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.waker.running.store(true, Ordering::Relaxed);
        let mut result = Poll::Pending;
        for round in 0.. {
            self.waker.again.store(false, Ordering::Relaxed);
            if self.closed.is_none()
                && let Poll::Ready(end) = Pin::new(&mut self.driver).poll(&mut Context::from_waker(&self.muted))
            {
                self.closed = Some(end.err().map_or(Outcome::Closed, |error| outcome_of(&error)));
            }
            result = step(self, &mut Context::from_waker(Waker::noop()));
            if result.is_ready() || !self.waker.again.load(Ordering::Relaxed) {
                break;
            }
            if round == ROUNDS {
                self.waker.task().wake_by_ref();
                break;
            }
        }
        self.waker.running.store(false, Ordering::Relaxed);
        result
    }
}

/// An answer whose head has arrived.
struct Reading {
    /// `None` when the answer is complete.
    keeper: Option<Keeper>,
    body: Incoming,
}

impl Reading {
    fn poll(&mut self, cx: &mut Context<'_>, closed: Option<Outcome>) -> Poll<Result<Answer, Broken>> {
        loop {
            // With a length in the head the last byte is the end; it need not be asked for.
            if self.body.is_end_stream() {
                return Poll::Ready(Ok(self.finish()));
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let (Some(keeper), Ok(piece)) = (&mut self.keeper, frame.into_data()) {
                        keeper.push(piece);
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Broken::Sent(outcome_of(&error)))),
                Poll::Ready(None) => return Poll::Ready(Ok(self.finish())),
                Poll::Pending => match closed {
                    Some(outcome) => return Poll::Ready(Err(Broken::Sent(outcome))),
                    None => return Poll::Pending,
                },
            }
        }
    }
}

impl Reading {
    fn finish(&mut self) -> Answer {
        self.keeper.take().expect("an answer is complete once").finish()
    }
}

/// Wakes the task unless it is running: then it takes note, and the task goes round once more.
struct MutedWaker {
    /// Nobody else ever holds the lock: see below.
    task: Mutex<Waker>,
    running: AtomicBool,
    again: AtomicBool,
}

impl MutedWaker {
    fn task(&self) -> MutexGuard<'_, Waker> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for MutedWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    // Everything that wakes a connection runs on its own thread, so plain ordering is enough.
    fn wake_by_ref(self: &Arc<Self>) {
        if self.running.load(Ordering::Relaxed) {
            self.again.store(true, Ordering::Relaxed);
        } else {
            self.task().wake_by_ref();
        }
    }
}

fn broken(error: &hyper::Error, closed: Option<Outcome>) -> Broken {
    // hyper cancels a request only as long as it waits in the queue, before any of it is written.
    match (outcome_of(error), closed) {
        (Outcome::Closed, Some(outcome)) | (outcome, _) if error.is_canceled() => Broken::NotSent(outcome),
        (outcome, _) => Broken::Sent(outcome),
    }
}
