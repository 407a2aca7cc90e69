//! Containers: what their control group says, found through the engine that runs them or by path.
//!
//! The engine (Docker or podman, through its unix socket) knows names, restarts and what became of a container; the
//! control group has the numbers, finer and cheaper. Where the group cannot be read from here (an engine in a virtual
//! machine), the engine's own statistics stand in. Memory is usage less page cache that can go.

mod cgroup;
mod engine;

use std::collections::BTreeMap;
use std::path::PathBuf;

use plimsoll_plan::{ContainerPlace, ContainerWatch};
use plimsoll_record::series::{GapReason, MarkKind};
use plimsoll_record::{Offset, RunClock};

use self::cgroup::Hierarchy;
use self::engine::{Engine, State};
use crate::probe::{Failure, Probe, Reading, ReadingFuture};

/// What one look at a container gave, from whichever source.
#[derive(Clone, Debug, Default, PartialEq)]
struct Usage {
    memory_usage: Option<f64>,
    inactive_file: Option<f64>,
    anonymous: Option<f64>,
    memory_limit: Option<f64>,
    cpu_seconds: Option<f64>,
    cpu_limit: Option<f64>,
    throttled_seconds: Option<f64>,
    oom_kills: Option<f64>,
    pids: Option<f64>,
    disk: Option<(f64, f64)>,
    /// Received, sent.
    network: Option<(f64, f64)>,
}

/// Samples a container.
pub struct ContainerProbe {
    place: ContainerPlace,
    engine: Engine,
    hierarchy: Hierarchy,
    clock: RunClock,
    /// What the engine said last of a container that ran.
    known: Option<State>,
    seen: Option<Seen>,
    starts: u64,
    identity: BTreeMap<String, String>,
}

/// What a reading is compared with.
#[derive(Clone, Debug, Default)]
struct Seen {
    at: Offset,
    started: String,
    cpu_seconds: Option<f64>,
    oom_kills: Option<f64>,
    is_oom_killed: bool,
    is_running: bool,
}

impl ContainerProbe {
    /// A probe of the container that `watch` names. `engine` is the engine's socket, if it is not at a usual place.
    #[must_use]
    pub fn new(watch: &ContainerWatch, engine: Option<&PathBuf>, clock: RunClock) -> Self {
        Self {
            place: watch.place.clone(),
            engine: Engine::new(engine.cloned()),
            hierarchy: Hierarchy::of_this_machine(),
            clock,
            known: None,
            seen: None,
            starts: 0,
            identity: BTreeMap::new(),
        }
    }

    async fn sample(&mut self) -> Result<Reading, Failure> {
        match self.place.clone() {
            ContainerPlace::Cgroup(path) => {
                let usage = self.hierarchy.group(&path).and_then(|group| group.usage());
                let usage = usage.ok_or_else(|| {
                    Failure::new(GapReason::Gone, format!("there is no control group {}", path.display()))
                })?;
                Ok(self.reading(&State { is_running: true, ..State::default() }, &usage))
            }
            ContainerPlace::Engine(name) => self.sample_of_engine(&name).await,
        }
    }

    async fn sample_of_engine(&mut self, name: &str) -> Result<Reading, Failure> {
        // While its first process is in its group, the container has neither ended nor been started anew, and the engine,
        // which may be busy with it, need not be asked.
        let known = self.known.take().filter(|state| state.pid.is_some_and(|pid| self.hierarchy.holds(pid, &state.id)));
        let state = match known {
            Some(state) => state,
            None => self.engine.state(name).await?,
        };
        if !state.is_running {
            return Err(self.stopped(name, &state));
        }
        let usage = state.pid.and_then(|pid| self.hierarchy.usage_of_process(pid));
        let usage = match usage {
            Some(usage) => usage,
            None => self.engine.usage(&state.id).await?,
        };
        if self.identity.is_empty() {
            self.identity = state.identity(self.engine.name());
        }
        let reading = self.reading(&state, &usage);
        self.known = Some(state);
        Ok(reading)
    }

    /// A container that has ended leaves a gap that says how.
    fn stopped(&mut self, name: &str, state: &State) -> Failure {
        if let Some(seen) = &mut self.seen {
            seen.is_running = false;
        }
        let how = if state.is_oom_killed { "was killed for lack of memory" } else { "is not running" };
        Failure::new(GapReason::Gone, format!("{name} {how} (exit code {})", state.exit_code))
    }

    fn reading(&mut self, state: &State, usage: &Usage) -> Reading {
        let now = Seen {
            at: self.clock.now(),
            started: state.started.clone(),
            cpu_seconds: usage.cpu_seconds,
            oom_kills: usage.oom_kills,
            is_oom_killed: state.is_oom_killed,
            is_running: true,
        };
        let mut reading = values(usage);
        if let Some(before) = self.seen.replace(now.clone()) {
            let restarted = before.started != now.started;
            self.starts += u64::from(restarted);
            now.compare(&before, restarted, &mut reading);
        }
        // The engine counts the restarts of its own policy; others are starts that were seen from here.
        reading.set("restarts", Some((state.restarts as f64).max(self.starts as f64)));
        reading
    }
}

fn values(usage: &Usage) -> Reading {
    let mut reading = Reading::default();
    let memory = usage.memory_usage.zip(usage.inactive_file).map(|(all, inactive)| (all - inactive).max(0.0));
    reading.set("memory", memory);
    reading.set("memory_usage", usage.memory_usage);
    reading.set("memory_anonymous", usage.anonymous);
    reading.set("memory_limit", usage.memory_limit);
    reading.set("memory_share", memory.zip(usage.memory_limit).map(|(memory, limit)| memory / limit));
    reading.set("cpu_seconds", usage.cpu_seconds);
    reading.set("cpu_limit", usage.cpu_limit);
    reading.set("throttled_seconds", usage.throttled_seconds);
    reading.set("oom_kills", usage.oom_kills);
    reading.set("pids", usage.pids);
    reading.set("disk_read_bytes", usage.disk.map(|(read, _)| read));
    reading.set("disk_write_bytes", usage.disk.map(|(_, written)| written));
    reading.set("network_received_bytes", usage.network.map(|(received, _)| received));
    reading.set("network_sent_bytes", usage.network.map(|(_, sent)| sent));
    reading
}

impl Seen {
    fn compare(&self, before: &Self, restarted: bool, reading: &mut Reading) {
        let killed = matches!((before.oom_kills, self.oom_kills), (Some(then), Some(now)) if !restarted && now > then);
        if killed || (self.is_oom_killed && !before.is_oom_killed) {
            reading.marks.push((MarkKind::OomKilled, "a process in it was killed for lack of memory".to_owned()));
        }
        if restarted {
            let detail = format!("it was started again at {}", self.started);
            reading.marks.push((MarkKind::Restarted, detail));
        } else if !before.is_running {
            reading.marks.push((MarkKind::Restarted, "it runs again".to_owned()));
        } else if let (Some(then), Some(now)) = (before.cpu_seconds, self.cpu_seconds) {
            let seconds = self.at.since(before.at) as f64 / 1e9;
            reading.set("cpu_share", (seconds > 0.0 && now >= then).then(|| (now - then) / seconds));
        }
    }
}

impl Probe for ContainerProbe {
    fn source(&self) -> String {
        match &self.place {
            ContainerPlace::Engine(name) => format!("container {name}"),
            ContainerPlace::Cgroup(path) => format!("control group {}", path.display()),
        }
    }

    fn identity(&self) -> BTreeMap<String, String> {
        self.identity.clone()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(self.sample())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe() -> ContainerProbe {
        let watch = ContainerWatch { name: "x".to_owned(), place: ContainerPlace::Engine("x".to_owned()) };
        ContainerProbe::new(&watch, None, RunClock::start())
    }

    fn state(started: &str) -> State {
        State { started: started.to_owned(), is_running: true, ..State::default() }
    }

    #[test]
    fn memory_is_usage_without_what_the_cache_can_give_back() {
        let usage = Usage {
            memory_usage: Some(100.0),
            inactive_file: Some(40.0),
            memory_limit: Some(120.0),
            ..Usage::default()
        };
        let values = probe().reading(&state("a"), &usage).values;
        assert_eq!((values["memory"], values["memory_usage"], values["memory_share"]), (60.0, 100.0, 0.5));
        assert_eq!(values.get("cpu_seconds"), None, "what was not read is absent");
    }

    #[test]
    fn a_restart_is_marked_counted_and_gives_no_share() {
        let mut probe = probe();
        let usage = |seconds| Usage { cpu_seconds: Some(seconds), oom_kills: Some(0.0), ..Usage::default() };
        assert_eq!(probe.reading(&state("a"), &usage(5.0)).values["restarts"], 0.0);
        let again = probe.reading(&state("b"), &usage(0.5));
        assert_eq!((again.marks[0].0, again.values["restarts"]), (MarkKind::Restarted, 1.0));
        assert_eq!(again.values.get("cpu_share"), None);
        assert!(probe.reading(&state("b"), &usage(0.6)).values.contains_key("cpu_share"));
    }

    #[test]
    fn a_kill_for_lack_of_memory_is_marked_once() {
        let mut probe = probe();
        let usage = |kills| Usage { oom_kills: Some(kills), ..Usage::default() };
        assert!(probe.reading(&state("a"), &usage(1.0)).marks.is_empty(), "it was before the watch");
        assert_eq!(probe.reading(&state("a"), &usage(2.0)).marks[0].0, MarkKind::OomKilled);
        assert!(probe.reading(&state("a"), &usage(2.0)).marks.is_empty());
    }

    #[test]
    fn how_a_container_ended_is_said() {
        let ended = State { is_oom_killed: true, exit_code: 137, ..State::default() };
        let failure = probe().stopped("redis", &ended);
        assert_eq!(failure.reason, GapReason::Gone);
        assert_eq!(failure.detail, "redis was killed for lack of memory (exit code 137)");
    }
}
