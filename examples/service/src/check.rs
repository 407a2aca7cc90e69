//! `POST /api/check`: the limiter's answer as a reply. How it is decided is in `limiter`.

use hyper::{
    StatusCode,
    header::{HeaderValue, RETRY_AFTER},
};
use serde::{Deserialize, Serialize};

use crate::{
    limiter::{self, Decision, Outcome, Refusal},
    replies::{self, Answer, Failure, Reply},
    routes::Call,
    state::Worker,
};

const MAX_USER_ID_BYTES: usize = 128;

#[derive(Deserialize)]
struct CheckRequest {
    user_id: String,
}

#[derive(Serialize)]
struct AllowedBody<'a> {
    allowed: bool,
    user_id: &'a str,
    left_this_second: u32,
    left_this_minute: u32,
    decided_at_ms: u64,
}

#[derive(Serialize)]
struct RefusedBody<'a> {
    allowed: bool,
    user_id: &'a str,
    limit_type: &'static str,
    limit: u32,
    retry_after_ms: u64,
    decided_at_ms: u64,
}

/// Whether the user may pass now.
pub(crate) async fn check(call: &Call<'_>) -> Answer {
    let asked: CheckRequest = call.body_like(r#"{"user_id": "ada"}"#)?;
    let (worker, user) = (call.worker, checked_user(&asked.user_id)?);
    let session = worker.link.session()?;
    let limits = worker.shared.settings.limits.under(call.faults.limiter);
    let decided = limiter::decide(&session, limits, user).await;
    let decision = decided.map_err(|error| worker.link.failed(error))?;
    Ok(match decision.outcome {
        Outcome::Allowed { left_this_second, left_this_minute } => replies::json(
            StatusCode::OK,
            &AllowedBody {
                allowed: true,
                user_id: user,
                left_this_second,
                left_this_minute,
                decided_at_ms: decision.at.0,
            },
        ),
        Outcome::Refused(refusal) => refused(worker, user, &decision, &refusal),
    })
}

/// A user id becomes part of keys in Redis, so it has a sensible length.
pub(crate) fn checked_user(user: &str) -> Result<&str, Failure> {
    if (1..=MAX_USER_ID_BYTES).contains(&user.len()) {
        return Ok(user);
    }
    let message = format!("user_id must have 1 to {MAX_USER_ID_BYTES} bytes, not {}", user.len());
    Err(Failure::bad_request(&message))
}

fn refused(worker: &Worker, user: &str, decision: &Decision, refusal: &Refusal) -> Reply {
    worker.shared.logs.rate_limited(decision.at, user, refusal);
    let body = RefusedBody {
        allowed: false,
        user_id: user,
        limit_type: refusal.window.limit_type(),
        limit: refusal.limit,
        retry_after_ms: refusal.retry_after_ms,
        decided_at_ms: decision.at.0,
    };
    let mut reply = replies::json(StatusCode::TOO_MANY_REQUESTS, &body);
    let seconds = HeaderValue::from(refusal.retry_after_seconds());
    reply.headers_mut().insert(RETRY_AFTER, seconds);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_must_be_of_sensible_length() {
        assert!(checked_user("ada").is_ok() && checked_user(&"x".repeat(128)).is_ok());
        assert!(checked_user("").is_err() && checked_user(&"x".repeat(129)).is_err());
    }
}
