//! What watchers read: `GET /health` and `GET /redis-info`. The service's own figures are in `metrics`.

use std::collections::BTreeMap;

use fred::{interfaces::ClientLike as _, types::InfoKind};
use hyper::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::{
    replies::{self, Answer, Reply},
    state::Worker,
};

#[derive(Serialize)]
struct HealthBody {
    status: &'static str,
    redis: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(crate) async fn health(worker: &Worker) -> Reply {
    match worker.link.ping().await {
        Ok(()) => replies::json(StatusCode::OK, &HealthBody { status: "healthy", redis: "up", reason: None }),
        Err(cause) => replies::json(
            StatusCode::SERVICE_UNAVAILABLE,
            &HealthBody { status: "unhealthy", redis: "down", reason: Some(cause.to_string()) },
        ),
    }
}

pub(crate) async fn redis_info(worker: &Worker) -> Answer {
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
}
