//! Replies: their bodies, and the faults that strike any reply whatever it
//! says (errors, latency, freeze, close, stall). How a body breaks off is in `body`.

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};
use serde::Serialize;
use tokio::time;

use crate::{body::Body, faults::Faults, link::CallError, logs::ErrorEvent, state::Shared};

pub(crate) type Reply = Response<Body>;
/// What a handler returns: its reply, or what kept it from one.
pub(crate) type Answer = Result<Reply, Failure>;

/// What keeps a handler from its reply, and becomes another reply.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request is refused, with this.
    Refused(Box<Reply>),
    Redis(CallError),
}

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
}

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(body).expect("the bodies are plain structs and maps with string keys");
    with_body(status, JSON, Body::whole(Bytes::from(body)))
}

pub(crate) fn text(body: &'static str) -> Reply {
    with_body(StatusCode::OK, TEXT, Body::whole(Bytes::from_static(body.as_bytes())))
}

pub(crate) fn error(status: StatusCode, message: &str) -> Reply {
    json(status, &ErrorBody { error: message })
}

impl Failure {
    pub(crate) fn bad_request(problem: &str) -> Self {
        error(StatusCode::BAD_REQUEST, problem).into()
    }

    pub(crate) fn into_reply(self, shared: &Shared, path: &str) -> Reply {
        match self {
            Self::Refused(reply) => *reply,
            Self::Redis(cause) => unavailable(shared, path, &cause),
        }
    }
}

impl From<Reply> for Failure {
    fn from(reply: Reply) -> Self {
        Self::Refused(Box::new(reply))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Redis(error)
    }
}

/// Redis did not do its part: 503, and the reason in the error log.
fn unavailable(shared: &Shared, path: &str, cause: &CallError) -> Reply {
    let message = cause.to_string();
    shared.logs.error(ErrorEvent::RedisError, Some(path), &message);
    error(StatusCode::SERVICE_UNAVAILABLE, &message)
}

/// The reply of the `errors` fault, if this request is one of its share.
pub(crate) fn injected_error(shared: &Shared, faults: &Faults, path: &str) -> Option<Reply> {
    let share = faults.errors?;
    if !shared.turns.error.takes_next(share) {
        return None;
    }
    let message = "an error injected by the `errors` fault";
    shared.logs.error(ErrorEvent::InjectedError, Some(path), message);
    Some(error(StatusCode::INTERNAL_SERVER_ERROR, message))
}

/// The reply as it was, or broken off in the middle if it is one of the share of `close` or `stall`.
pub(crate) fn broken(reply: Reply, shared: &Shared, faults: &Faults) -> Reply {
    let length = reply.body().length().filter(|length| *length > 0);
    let Some(length) = length else {
        return reply;
    };
    if faults.close.is_some_and(|share| shared.turns.close.takes_next(share)) {
        let mut reply = reply.map(Body::closed_midway);
        // The whole length is announced, so that a client can tell the first half from a whole reply.
        reply.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        return reply;
    }
    if faults.stall.is_some_and(|share| shared.turns.stall.takes_next(share)) {
        return reply.map(Body::stalled_midway);
    }
    reply
}

/// Holds a finished reply back for as long as the `latency` and `freeze` faults say.
///
/// Only this reply waits: nothing is locked meanwhile, so the capacity stays what it was.
pub(crate) async fn hold(faults: &Faults) {
    if let Some(latency) = faults.latency {
        time::sleep(latency).await;
    }
    if let Some((freeze, set)) = faults.freeze {
        let remaining = freeze.remaining(set.elapsed());
        if !remaining.is_zero() {
            time::sleep(remaining).await;
        }
    }
}

pub(crate) fn with_body(status: StatusCode, content_type: HeaderValue, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply
}
