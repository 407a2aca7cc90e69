//! Replies: their bodies, and the faults that strike any reply whatever it says (errors, latency, freeze).

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde::Serialize;
use tokio::time;

use crate::{faults::Faults, link::CallError, logs::ErrorEvent, state::Shared};

pub(crate) type Reply = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
}

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(body).expect("the bodies are plain structs and maps with string keys");
    with_body(status, JSON, Bytes::from(body))
}

pub(crate) fn text(body: &'static str) -> Reply {
    with_body(StatusCode::OK, TEXT, Bytes::from_static(body.as_bytes()))
}

pub(crate) fn error(status: StatusCode, message: &str) -> Reply {
    json(status, &ErrorBody { error: message })
}

/// Redis did not do its part: 503, and the reason in the error log.
pub(crate) fn unavailable(shared: &Shared, path: &str, cause: &CallError) -> Reply {
    let message = cause.to_string();
    shared.logs.error(ErrorEvent::RedisError, Some(path), &message);
    error(StatusCode::SERVICE_UNAVAILABLE, &message)
}

/// The reply of the `errors` fault, if this request is one of its share.
pub(crate) fn injected_error(shared: &Shared, faults: &Faults, path: &str) -> Option<Reply> {
    let share = faults.errors?;
    if !shared.takes_next(share) {
        return None;
    }
    let message = "an error injected by the `errors` fault";
    shared.logs.error(ErrorEvent::InjectedError, Some(path), message);
    Some(error(StatusCode::INTERNAL_SERVER_ERROR, message))
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

fn with_body(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply
}
