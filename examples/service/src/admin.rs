//! `GET` and `POST /admin/faults`: the present faults, and changes to them while the service runs.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::{
    faults::Change,
    link::CallError,
    memory,
    replies::{self, Reply},
    state::Worker,
};

pub(crate) fn show(worker: &Worker) -> Reply {
    let shown = BTreeMap::from(worker.shared.faults().shown());
    replies::json(StatusCode::OK, &shown)
}

/// Applies all changes of the body, or none: every problem is reported in one reply.
pub(crate) async fn change(worker: &Worker, body: &[u8]) -> Result<Reply, CallError> {
    let changes = match changes(body) {
        Ok(changes) => changes,
        Err(problem) => return Ok(replies::error(StatusCode::BAD_REQUEST, &problem)),
    };
    for change in &changes {
        if let Change::MaxMemory(size) = change {
            let session = worker.link.session()?;
            let done = match size {
                Some(size) => memory::limit(&session.client, &worker.shared, *size).await,
                None => memory::restore(&session.client, &worker.shared).await,
            };
            done.map_err(|error| worker.link.failed(error))?;
        }
    }
    worker.shared.apply(&changes);
    Ok(show(worker))
}

fn changes(body: &[u8]) -> Result<Vec<Change>, String> {
    let wanted: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| format!("the body must be JSON like {{\"latency\": \"20ms\"}}: {error}"))?;
    let mut changes = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in &wanted {
        // A bare number has no unit: its digits are reported back as a value of the wrong shape.
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match Change::of(name, &value) {
            Ok(change) => changes.push(change),
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    if problems.is_empty() { Ok(changes) } else { Err(problems.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::LimiterMode;

    #[test]
    fn all_problems_of_a_change_are_reported_at_once() {
        let problem = changes(br#"{"latency": 20, "speed": "off", "limiter": "off"}"#).unwrap_err();
        assert!(problem.contains("`20` is no value for the fault `latency`"), "{problem}");
        assert!(problem.contains("unknown fault `speed`"), "{problem}");
    }

    #[test]
    fn off_clears_a_fault() {
        let changes = changes(br#"{"latency": "off", "limiter": "on"}"#).unwrap();
        assert_eq!(changes, [Change::Latency(None), Change::Limiter(LimiterMode::On)]);
    }
}
