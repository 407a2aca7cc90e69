//! `/api/tasks`: tasks that are created, executed and polled until they are done. Their state is in
//! Redis, so that several services share it, and so is the limit on how many run at once.
//!
//! Nothing works on a task. When one is started, its end and its outcome are decided, and from then on
//! its state is read off the clock: a service that restarts leaves no task running for ever.

use std::collections::HashMap;

use fred::{
    clients::Pipeline,
    interfaces::{HashesInterface as _, KeysInterface as _, SortedSetsInterface as _},
    types::Value,
};
use hyper::{
    StatusCode,
    header::{HeaderValue, RETRY_AFTER},
};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::{
    clock::UnixMillis,
    replies::{self, Answer, Failure},
    routes::Call,
    scripts::{self, Script},
};

/// Starts a task unless it is unknown, was started before, or too many run.
///
/// `KEYS`: the task, the set of running tasks by their end. `ARGV`: now, end, 1 if it will fail, the
/// limit, the id, the lifetime in seconds. Returns the outcome and how many run.
pub(crate) const START: &str = "
local task = redis.call('HMGET', KEYS[1], 'created_at_ms', 'ends_at_ms')
if not task[1] then return {1, 0} end
if task[2] then return {2, 0} end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])
local running = redis.call('ZCARD', KEYS[2])
if running >= tonumber(ARGV[4]) then return {3, running} end
redis.call('HSET', KEYS[1], 'started_at_ms', ARGV[1], 'ends_at_ms', ARGV[2], 'fails', ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', KEYS[2], ARGV[6])
return {0, running + 1}
";

/// Notes an approval, but never on a task that expired: that would leave a key without a lifetime.
pub(crate) const APPROVE: &str = "
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'approved', ARGV[1])
return 1
";

const RECENT: &str = "tasks:recent";
const RUNNING: &str = "tasks:running";
/// How many tasks the list remembers, and how many it shows.
const REMEMBERED: i64 = 1000;
const SHOWN: i64 = 50;
const MAX_TITLE_BYTES: usize = 200;
const MAX_ID_BYTES: usize = 64;

#[derive(Deserialize)]
struct CreateRequest {
    title: String,
}

#[derive(Deserialize)]
struct ApprovalRequest {
    approved: bool,
}

#[derive(Serialize)]
struct StatusBody<'a> {
    id: &'a str,
    status: Status,
}

#[derive(Serialize)]
struct FullBody {
    error: String,
    running: u32,
    max_running: u32,
}

#[derive(Serialize)]
struct ApprovalBody<'a> {
    id: &'a str,
    approved: bool,
}

#[derive(Serialize)]
struct ListBody {
    tasks: Vec<Task>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Task {
    id: String,
    title: String,
    owner: String,
    status: Status,
    created_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Created,
    Running,
    Done,
    Failed,
}

/// `POST /api/tasks`
pub(crate) async fn create(call: &Call<'_>) -> Answer {
    let asked: CreateRequest = call.body_like(r#"{"title": "Summarise the report"}"#)?;
    if !(1..=MAX_TITLE_BYTES).contains(&asked.title.len()) {
        return Err(Failure::bad_request(&format!("title must have 1 to {MAX_TITLE_BYTES} bytes")));
    }
    let id = new_id();
    let session = call.worker.link.session()?;
    let pipeline = session.client.pipeline();
    let lifetime = call.worker.shared.settings.state_seconds();
    let stored = store(&pipeline, &id, &asked.title, &call.caller, lifetime).await;
    stored.map_err(|error| call.worker.link.failed(error))?;
    Ok(replies::json(StatusCode::CREATED, &StatusBody { id: &id, status: Status::Created }))
}

/// `GET /api/tasks/{id}`
pub(crate) async fn show(call: &Call<'_>) -> Answer {
    let key = key(call.param)?;
    let client = call.worker.link.session()?.client;
    let fields: HashMap<String, String> = client.hgetall(key).await.map_err(|error| call.worker.link.failed(error))?;
    let task = Task::read(call.param, &fields, UnixMillis::now()).ok_or_else(|| unknown(call.param))?;
    Ok(replies::json(StatusCode::OK, &task))
}

/// `GET /api/tasks`: the newest first.
pub(crate) async fn list(call: &Call<'_>) -> Answer {
    let client = call.worker.link.session()?.client;
    let failed = |error| call.worker.link.failed(error);
    let ids: Vec<String> = client.zrevrange(RECENT, 0, SHOWN - 1, false).await.map_err(failed)?;
    let pipeline = client.pipeline();
    for id in &ids {
        let () = pipeline.hgetall(format!("task:{id}")).await.map_err(failed)?;
    }
    let stored: Vec<HashMap<String, String>> =
        if ids.is_empty() { Vec::new() } else { pipeline.all().await.map_err(failed)? };
    let now = UnixMillis::now();
    let tasks = ids.iter().zip(&stored).filter_map(|(id, fields)| Task::read(id, fields, now)).collect();
    Ok(replies::json(StatusCode::OK, &ListBody { tasks }))
}

/// `POST /api/tasks/{id}/execute`: 202 and the task runs; 429 when too many do.
pub(crate) async fn execute(call: &Call<'_>) -> Answer {
    let shared = &call.worker.shared;
    let (limit, took) = (shared.settings.max_running, shared.spread.around(shared.settings.task_time));
    let now = UnixMillis::now();
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let fails = shared.settings.task_failures.is_some_and(|share| shared.turns.task_failure.takes_next(share));
    let args = vec![
        Value::from(now.0.cast_signed()),
        Value::from(now.0.saturating_add(took_ms).cast_signed()),
        Value::from(i64::from(fails)),
        Value::from(i64::from(limit)),
        Value::from(call.param),
        // The task must outlive its run.
        Value::from(shared.settings.state_seconds().saturating_add(took.as_secs().cast_signed())),
    ];
    let keys = vec![key(call.param)?, RUNNING.to_owned()];
    let session = call.worker.link.session()?;
    let outcome: Result<(u32, u32), _> = scripts::run(&session, Script::StartTask, keys, args).await;
    match outcome.map_err(|error| call.worker.link.failed(error))? {
        (0, _running) => {
            Ok(replies::json(StatusCode::ACCEPTED, &StatusBody { id: call.param, status: Status::Running }))
        }
        (1, _) => Err(unknown(call.param)),
        (2, _) => {
            let message = format!("the task {} was started before; it runs once", call.param);
            Err(replies::error(StatusCode::CONFLICT, &message).into())
        }
        (_full, running) => Err(full(running, limit)),
    }
}

/// `POST /api/tasks/{id}/approval`
pub(crate) async fn approve(call: &Call<'_>) -> Answer {
    let asked: ApprovalRequest = call.body_like(r#"{"approved": true}"#)?;
    let keys = vec![key(call.param)?];
    let session = call.worker.link.session()?;
    let noted = scripts::run(&session, Script::ApproveTask, keys, vec![Value::from(i64::from(asked.approved))]).await;
    if noted.map_err(|error| call.worker.link.failed(error))? {
        Ok(replies::json(StatusCode::OK, &ApprovalBody { id: call.param, approved: asked.approved }))
    } else {
        Err(unknown(call.param))
    }
}

async fn store(
    pipeline: &Pipeline<fred::clients::Client>,
    id: &str,
    title: &str,
    owner: &str,
    lifetime: i64,
) -> Result<(), fred::error::Error> {
    let now = UnixMillis::now().0;
    let at = now.to_string();
    let key = format!("task:{id}");
    let fields = vec![("title", title), ("owner", owner), ("created_at_ms", &at)];
    let () = pipeline.hset(&key, fields).await?;
    let () = pipeline.expire(&key, lifetime, None).await?;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact in a double for 285,000 years")]
    let () = pipeline.zadd(RECENT, None, None, false, false, (now as f64, id)).await?;
    let () = pipeline.zremrangebyrank(RECENT, 0, -REMEMBERED - 1).await?;
    let () = pipeline.expire(RECENT, lifetime, None).await?;
    pipeline.all::<Vec<Value>>().await.map(drop)
}

impl Task {
    fn read(id: &str, fields: &HashMap<String, String>, now: UnixMillis) -> Option<Self> {
        let time = |name| fields.get(name).and_then(|text| text.parse::<u64>().ok());
        let text = |name| fields.get(name).cloned().unwrap_or_default();
        let ends_at = time("ends_at_ms");
        let ended = ends_at.filter(|end| *end <= now.0);
        let status = match (ends_at, ended) {
            (None, _) => Status::Created,
            (Some(_), None) => Status::Running,
            (Some(_), Some(_)) if text("fails") == "1" => Status::Failed,
            (Some(_), Some(_)) => Status::Done,
        };
        Some(Self {
            id: id.to_owned(),
            title: text("title"),
            owner: text("owner"),
            status,
            created_at_ms: time("created_at_ms")?,
            started_at_ms: time("started_at_ms"),
            ended_at_ms: ended,
            approved: fields.get("approved").map(|text| text == "1"),
        })
    }
}

/// Random, so that services sharing a Redis need not agree on a counter.
fn new_id() -> String {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).expect("the kernel gives random bytes");
    format!("{:016x}", u64::from_be_bytes(bytes))
}

fn key(id: &str) -> Result<String, Failure> {
    let plausible = id.len() <= MAX_ID_BYTES && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plausible { Ok(format!("task:{id}")) } else { Err(unknown(id)) }
}

fn unknown(id: &str) -> Failure {
    replies::error(StatusCode::NOT_FOUND, &format!("there is no task {id}; it may have expired")).into()
}

fn full(running: u32, max_running: u32) -> Failure {
    let error = "as many tasks run as --max-running allows; try again later".to_owned();
    let mut reply = replies::json(StatusCode::TOO_MANY_REQUESTS, &FullBody { error, running, max_running });
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    reply.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_state_of_a_task_is_read_off_the_clock() {
        let mut stored = fields(&[("title", "t"), ("owner", "ada"), ("created_at_ms", "1000")]);
        let status_at = |stored: &_, ms| Task::read("1", stored, UnixMillis(ms)).unwrap().status;
        assert_eq!(status_at(&stored, 5000), Status::Created);
        stored.extend(fields(&[("started_at_ms", "2000"), ("ends_at_ms", "3000"), ("fails", "0")]));
        assert_eq!(status_at(&stored, 2999), Status::Running);
        assert_eq!(status_at(&stored, 3000), Status::Done);
        stored.extend(fields(&[("fails", "1")]));
        assert_eq!(status_at(&stored, 2999), Status::Running);
        assert_eq!(status_at(&stored, 3000), Status::Failed);
    }

    #[test]
    fn an_expired_task_is_no_task() {
        assert_eq!(Task::read("1", &HashMap::new(), UnixMillis(0)), None);
    }

    #[test]
    fn ids_differ_and_are_accepted_back() {
        let (one, two) = (new_id(), new_id());
        assert_ne!(one, two);
        assert_eq!(key(&one).unwrap_or_default(), format!("task:{one}"));
        assert!(key("a:b").is_err());
    }
}
