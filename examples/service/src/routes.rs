//! The endpoints: which request gets which reply. How replies look and fail is in `replies`, how
//! connections are served is in `server`, and changing faults is in `admin`.

use std::{collections::BTreeMap, convert::Infallible};

use bytes::Bytes;
use fred::{interfaces::ClientLike as _, types::InfoKind};
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    header::{ALLOW, HeaderValue, RETRY_AFTER},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    admin,
    clock::Tick,
    faults::Faults,
    limiter::{self, Decision, Outcome, Refusal},
    link::CallError,
    replies::{self, Reply},
    state::Worker,
};

const MAX_BODY_BYTES: usize = 16 * 1024;
const MAX_USER_ID_BYTES: usize = 128;
const ENDPOINTS: &str = "GET /, GET /health, GET /redis-info, POST /api/check, GET and POST /admin/faults";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Root,
    Check,
    Health,
    RedisInfo,
    ShowFaults,
    ChangeFaults,
    WrongMethod { allowed: &'static str },
    Unknown,
}

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

#[derive(Serialize)]
struct HealthBody {
    status: &'static str,
    redis: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Answers one request, faults included, and notes it when it was slow.
pub(crate) async fn serve(worker: Worker, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let started = Tick::now();
    let (head, body) = request.into_parts();
    let (method, path) = (head.method, head.uri.path());
    let route = Route::of(&method, path);
    let faults = worker.shared.faults();
    let reply = answer(&worker, route, path, body, &faults).await;
    if !route.is_admin() {
        replies::hold(&faults).await;
    }
    let took = started.elapsed();
    if took > worker.shared.slow {
        let status = reply.status().as_u16();
        worker.shared.logs.slow(method.as_str(), path, status, took);
    }
    Ok(reply)
}

async fn answer(worker: &Worker, route: Route, path: &str, body: Incoming, faults: &Faults) -> Reply {
    if route.is_traffic()
        && let Some(reply) = replies::injected_error(&worker.shared, faults, path)
    {
        return reply;
    }
    let answered = match route {
        Route::Root => Ok(replies::text("hello\n")),
        Route::Health => Ok(health(worker).await),
        Route::RedisInfo => redis_info(worker).await,
        Route::ShowFaults => Ok(admin::show(worker)),
        Route::Check => match read(body).await {
            Ok(bytes) => check(worker, &bytes, faults).await,
            Err(refused) => Ok(refused),
        },
        Route::ChangeFaults => match read(body).await {
            Ok(bytes) => admin::change(worker, &bytes).await,
            Err(refused) => Ok(refused),
        },
        Route::WrongMethod { allowed } => Ok(wrong_method(allowed)),
        Route::Unknown => {
            Ok(replies::error(StatusCode::NOT_FOUND, &format!("no such endpoint; there are {ENDPOINTS}")))
        }
    };
    answered.unwrap_or_else(|cause| replies::unavailable(&worker.shared, path, &cause))
}

impl Route {
    fn of(method: &Method, path: &str) -> Self {
        let (get, post) = (method == Method::GET, method == Method::POST);
        match path {
            "/" if get => Self::Root,
            "/api/check" if post => Self::Check,
            "/health" if get => Self::Health,
            "/redis-info" if get => Self::RedisInfo,
            "/admin/faults" if get => Self::ShowFaults,
            "/admin/faults" if post => Self::ChangeFaults,
            "/" | "/health" | "/redis-info" => Self::WrongMethod { allowed: "GET" },
            "/api/check" => Self::WrongMethod { allowed: "POST" },
            "/admin/faults" => Self::WrongMethod { allowed: "GET, POST" },
            _ => Self::Unknown,
        }
    }

    /// What users call: the `errors` fault strikes here, and leaves health and observation readable.
    fn is_traffic(self) -> bool {
        matches!(self, Self::Root | Self::Check)
    }

    /// Exempt from every fault, so that a fault can be switched off again at once.
    fn is_admin(self) -> bool {
        matches!(self, Self::ShowFaults | Self::ChangeFaults)
    }
}

async fn check(worker: &Worker, body: &[u8], faults: &Faults) -> Result<Reply, CallError> {
    let user = match user_id(body) {
        Ok(user) => user,
        Err(problem) => return Ok(replies::error(StatusCode::BAD_REQUEST, &problem)),
    };
    let session = worker.link.session()?;
    let limits = worker.shared.limits.under(faults.limiter);
    let decided = limiter::decide(&session, limits, &user).await;
    let decision = decided.map_err(|error| worker.link.failed(error))?;
    Ok(match decision.outcome {
        Outcome::Allowed { left_this_second, left_this_minute } => replies::json(
            StatusCode::OK,
            &AllowedBody {
                allowed: true,
                user_id: &user,
                left_this_second,
                left_this_minute,
                decided_at_ms: decision.at.0,
            },
        ),
        Outcome::Refused(refusal) => refused(worker, &user, &decision, &refusal),
    })
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

fn user_id(body: &[u8]) -> Result<String, String> {
    let request: CheckRequest = serde_json::from_slice(body)
        .map_err(|error| format!("the body must be JSON like {{\"user_id\": \"ada\"}}: {error}"))?;
    let length = request.user_id.len();
    if !(1..=MAX_USER_ID_BYTES).contains(&length) {
        return Err(format!("user_id must have 1 to {MAX_USER_ID_BYTES} bytes, not {length}"));
    }
    Ok(request.user_id)
}

async fn health(worker: &Worker) -> Reply {
    match worker.link.ping().await {
        Ok(()) => replies::json(StatusCode::OK, &HealthBody { status: "healthy", redis: "up", reason: None }),
        Err(cause) => replies::json(
            StatusCode::SERVICE_UNAVAILABLE,
            &HealthBody { status: "unhealthy", redis: "down", reason: Some(cause.to_string()) },
        ),
    }
}

async fn redis_info(worker: &Worker) -> Result<Reply, CallError> {
    let session = worker.link.session()?;
    let info = session.client.info::<String>(Some(InfoKind::Memory)).await;
    let info = info.map_err(|error| worker.link.failed(error))?;
    Ok(replies::json(StatusCode::OK, &info_fields(&info)))
}

/// The `name:value` lines of INFO, numbers as numbers.
fn info_fields(info: &str) -> BTreeMap<&str, Value> {
    let pairs = info.lines().filter_map(|line| line.trim_end().split_once(':'));
    pairs.map(|(name, value)| (name, info_value(value))).collect()
}

fn info_value(text: &str) -> Value {
    let whole = text.parse::<i64>().map(Value::from);
    let decimal = || text.parse::<f64>().map(Value::from);
    whole.or_else(|_not_whole| decimal()).unwrap_or_else(|_not_a_number| Value::from(text))
}

async fn read(body: Incoming) -> Result<Bytes, Reply> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(problem) => Err(replies::error(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body must be whole and at most {MAX_BODY_BYTES} bytes: {problem}"),
        )),
    }
}

fn wrong_method(allowed: &'static str) -> Reply {
    let message = format!("this endpoint takes {allowed}");
    let mut reply = replies::error(StatusCode::METHOD_NOT_ALLOWED, &message);
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_fields_keep_their_kind() {
        let fields =
            info_fields("# Memory\r\nused_memory:1024\r\nmem_fragmentation_ratio:1.25\r\nused_memory_human:1.00K\r\n");
        assert_eq!(fields["used_memory"], 1024);
        assert_eq!(fields["mem_fragmentation_ratio"], 1.25);
        assert_eq!(fields["used_memory_human"], "1.00K");
        assert_eq!(fields.len(), 3);
    }

    #[test]
    fn a_user_id_must_be_there_and_of_sensible_length() {
        assert_eq!(user_id(br#"{"user_id":"ada"}"#).unwrap(), "ada");
        assert!(user_id(br#"{"user":"ada"}"#).unwrap_err().contains("user_id"));
        assert!(user_id(br#"{"user_id":""}"#).unwrap_err().contains("1 to 128"));
        let long = format!(r#"{{"user_id":"{}"}}"#, "x".repeat(129));
        assert!(user_id(long.as_bytes()).unwrap_err().contains("not 129"));
    }

    #[test]
    fn a_known_path_with_the_wrong_method_is_not_an_unknown_path() {
        let allowed = "GET, POST";
        assert_eq!(Route::of(&Method::PUT, "/admin/faults"), Route::WrongMethod { allowed });
        assert_eq!(Route::of(&Method::GET, "/api"), Route::Unknown);
    }
}
