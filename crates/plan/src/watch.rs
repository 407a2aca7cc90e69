//! What a plan says about watching: Redis, PostgreSQL, host, process, containers, endpoints, logs, alerts.

mod alerts;
mod around;
mod keys;
mod logs;

use std::path::PathBuf;
use std::time::Duration;

use plimsoll_record::metric::Source;

use crate::redis::RedisSource;

pub use alerts::{Actions, Alert, Trigger};
pub use around::{
    ContainerPlace, ContainerWatch, MetricPath, PoolEndpoint, PoolSource, PostgresSource, ProbeWatch, ProcessWatch,
};
pub use keys::KeysWatch;
pub use logs::{LOG_EVENTS, LogEvent, LogWatch, SlowLines};

/// What to watch during the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// The sampling interval, 100 ms or more. Default 1 s.
    pub every: Duration,
    /// The Redis to watch.
    pub redis: Option<RedisSource>,
    /// The PostgreSQL to watch.
    pub postgres: Option<PostgresSource>,
    /// Where the use of the service's pool of database connections is seen.
    pub pool: Option<PoolSource>,
    /// Whether to sample the host. Default true.
    pub host: bool,
    /// The process to watch.
    pub process: Option<ProcessWatch>,
    /// Containers to watch.
    pub containers: Vec<ContainerWatch>,
    /// The unix socket of the container engine. Without it the usual places of Docker and podman are tried.
    pub engine: Option<PathBuf>,
    /// Endpoints to ask.
    pub probes: Vec<ProbeWatch>,
    /// Log files to follow.
    pub logs: Vec<LogWatch>,
    /// When to raise an alarm.
    pub alerts: Vec<Alert>,
    /// What is read of the keys of Redis; `None` for nothing.
    pub keys: Option<KeysWatch>,
    /// The databases of Redis that are meant to hold keys; empty when any may.
    pub databases: Vec<u32>,
}

/// Every second, the host alone.
impl Default for Watch {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            redis: None,
            postgres: None,
            pool: None,
            host: true,
            process: None,
            containers: Vec::new(),
            engine: None,
            probes: Vec::new(),
            logs: Vec::new(),
            alerts: Vec::new(),
            keys: None,
            databases: Vec::new(),
        }
    }
}

impl Watch {
    /// Whether anything is sampled from this source.
    #[must_use]
    pub fn samples(&self, source: Source) -> bool {
        match source {
            Source::Redis => self.redis.is_some(),
            Source::Postgres => self.postgres.is_some(),
            Source::Pool => self.pool.is_some(),
            Source::Host => self.host,
            Source::Process => self.process.is_some(),
            Source::Container => !self.containers.is_empty(),
            Source::Probe => !self.probes.is_empty(),
        }
    }

    /// The names of the series of a source that may have several.
    #[must_use]
    pub fn names(&self, source: Source) -> Vec<&str> {
        match source {
            Source::Container => self.containers.iter().map(|container| container.name.as_str()).collect(),
            Source::Probe => self.probes.iter().map(|probe| probe.name.as_str()).collect(),
            Source::Redis | Source::Postgres | Source::Pool | Source::Host | Source::Process => Vec::new(),
        }
    }
}
