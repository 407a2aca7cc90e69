//! What a container engine says: the part of Docker's HTTP interface that podman speaks as well, through a unix socket.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plimsoll_record::series::GapReason;
use serde_json::Value;

use super::Usage;
use crate::http;
use crate::probe::Failure;

/// Where engines listen: Docker, podman, the older place of Docker.
const SOCKETS: [&str; 3] = ["/var/run/docker.sock", "/run/podman/podman.sock", "/run/docker.sock"];

/// An engine.
#[derive(Debug)]
pub(super) struct Engine {
    socket: Option<PathBuf>,
}

/// What the engine knows of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) id: String,
    /// Its first process, as this machine counts them.
    pub(super) pid: Option<i32>,
    pub(super) is_running: bool,
    pub(super) is_oom_killed: bool,
    pub(super) exit_code: i64,
    /// When it was started, as the engine writes it.
    pub(super) started: String,
    /// Restarts by the engine's own policy.
    pub(super) restarts: u64,
    pub(super) image: String,
}

impl Engine {
    /// The engine at this socket, else the first at a usual place.
    pub(super) fn new(socket: Option<PathBuf>) -> Self {
        let usual = || SOCKETS.iter().map(PathBuf::from).find(|path| path.exists());
        Self { socket: socket.or_else(usual) }
    }

    pub(super) fn name(&self) -> String {
        self.socket.as_deref().map_or_else(String::new, |socket| socket.display().to_string())
    }

    /// Asks for a container by its name or id.
    pub(super) async fn state(&self, name: &str) -> Result<State, Failure> {
        let answer = http::get_through(self.socket()?, &format!("/containers/{}/json", escaped(name))).await?;
        if answer.status == 404 {
            return Err(Failure::new(GapReason::Gone, format!("the engine knows no container {name}")));
        }
        let json = json(&answer.success()?)?;
        State::of(&json).ok_or_else(|| Failure::new(GapReason::Malformed, "the engine's answer tells of no container"))
    }

    /// Asks for the engine's own statistics: one look, without the second one that a share would need.
    pub(super) async fn usage(&self, id: &str) -> Result<Usage, Failure> {
        let path = format!("/containers/{}/stats?stream=false&one-shot=true", escaped(id));
        let answer = http::get_through(self.socket()?, &path).await?;
        Ok(usage(&json(&answer.success()?)?))
    }

    fn socket(&self) -> Result<&Path, Failure> {
        let none = || {
            Failure::new(
                GapReason::Unreachable,
                "no container engine listens here; name its socket with `container_engine`",
            )
        };
        self.socket.as_deref().ok_or_else(none)
    }
}

/// Names of containers are plain; whatever else is asked for must not become another path.
fn escaped(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect()
}

fn json(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::new(GapReason::Malformed, format!("the engine's answer is not JSON: {error}")))
}

impl State {
    fn of(json: &Value) -> Option<Self> {
        let state = json.get("State")?;
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let flag = |key: &str| state.get(key).and_then(Value::as_bool).unwrap_or(false);
        let pid = state.get("Pid").and_then(Value::as_i64).and_then(|pid| i32::try_from(pid).ok());
        Some(Self {
            id: text(json, "Id"),
            pid: pid.filter(|pid| *pid > 0),
            is_running: flag("Running") && !flag("Restarting"),
            is_oom_killed: flag("OOMKilled"),
            exit_code: state.get("ExitCode").and_then(Value::as_i64).unwrap_or(0),
            started: text(state, "StartedAt"),
            restarts: json.get("RestartCount").and_then(Value::as_u64).unwrap_or(0),
            image: json.get("Config").map(|config| text(config, "Image")).unwrap_or_default(),
        })
    }

    pub(super) fn identity(&self, engine: String) -> BTreeMap<String, String> {
        let facts = [("id", self.id.chars().take(12).collect()), ("image", self.image.clone()), ("engine", engine)];
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Docker's statistics, whose words differ with the version of control groups.
fn usage(json: &Value) -> Usage {
    let number = |pointer: &str| json.pointer(pointer).and_then(Value::as_f64);
    let detail = |one: &str, other: &str| {
        number(&format!("/memory_stats/stats/{one}")).or_else(|| number(&format!("/memory_stats/stats/{other}")))
    };
    let interfaces = json.get("networks").and_then(Value::as_object);
    let network = interfaces.map(|all| {
        let sum = |key: &str| all.values().filter_map(|one| one.get(key)?.as_f64()).sum::<f64>();
        (sum("rx_bytes"), sum("tx_bytes"))
    });
    Usage {
        memory_usage: number("/memory_stats/usage"),
        inactive_file: detail("total_inactive_file", "inactive_file"),
        anonymous: detail("total_rss", "anon"),
        // Without a limit of its own, the machine's memory is given.
        memory_limit: None,
        cpu_seconds: number("/cpu_stats/cpu_usage/total_usage").map(|ns| ns / 1e9),
        throttled_seconds: number("/cpu_stats/throttling_data/throttled_time").map(|ns| ns / 1e9),
        pids: number("/pids_stats/current"),
        network,
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_container_is_read() {
        let json = serde_json::json!({
            "Id": "0123456789abcdef", "RestartCount": 2, "Config": {"Image": "redis:7"},
            "State": {"Running": true, "Restarting": false, "OOMKilled": false, "Pid": 4711, "ExitCode": 0, "StartedAt": "t"},
        });
        let state = State::of(&json).unwrap();
        assert_eq!((state.pid, state.is_running, state.restarts), (Some(4711), true, 2));
        assert_eq!(state.identity("e".to_owned())["id"], "0123456789ab");
        assert_eq!(State::of(&serde_json::json!({"message": "no such container"})), None);
    }

    #[test]
    fn statistics_are_read_in_the_words_of_both_versions_of_control_groups() {
        let of = |stats: Value| {
            usage(&serde_json::json!({
                "memory_stats": {"usage": 100, "stats": stats},
                "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000_u64}},
                "networks": {"eth0": {"rx_bytes": 5, "tx_bytes": 7}, "eth1": {"rx_bytes": 1, "tx_bytes": 1}},
            }))
        };
        let first = of(serde_json::json!({"total_inactive_file": 30, "inactive_file": 1}));
        assert_eq!((first.inactive_file, first.cpu_seconds, first.network), (Some(30.0), Some(2.5), Some((6.0, 8.0))));
        assert_eq!(of(serde_json::json!({"inactive_file": 20, "anon": 3})).inactive_file, Some(20.0));
        assert_eq!(usage(&Value::Null), Usage::default());
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        assert_eq!(escaped("../images/json?x=1"), "..imagesjsonx1");
    }
}
