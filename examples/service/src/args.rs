//! The command line as typed, and its defaults.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser;

use crate::{
    auth::Gate,
    faults::Change,
    limiter::Limits,
    state::Settings,
    units::{self, Share},
};

const LIMITER: &str = "Limiter (/api/check)";
const ASSISTANT: &str = "Assistant (/api/v1)";
const HARNESS: &str = "Task harness (/api/tasks and others)";

/// An HTTP service on Redis to load-test: rate limiter, assistant, task harness, with faults on demand.
// Not Debug: it holds secrets.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Args {
    /// Address to serve on; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// Redis that holds the service's state
    // Not checked by clap: its message would repeat the URL, which may hold a password.
    #[arg(
        long,
        value_name = "URL",
        env = "REDIS_URL",
        hide_env_values = true,
        default_value = "redis://127.0.0.1:6379"
    )]
    pub(crate) redis: String,

    /// Directory of rate_limiter.jsonl, performance.log and errors.log, which are emptied at the start
    #[arg(long, value_name = "DIR", env = "LOG_DIR", default_value = "logs")]
    pub(crate) log_dir: PathBuf,

    /// Requests allowed per user and Unix second
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = LIMITER, value_parser = clap::value_parser!(u32).range(1..))]
    per_second: u32,

    /// Requests allowed per user and Unix minute
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = LIMITER, value_parser = clap::value_parser!(u32).range(1..))]
    per_minute: u32,

    /// Requests slower than this get a line in performance.log
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = duration)]
    pub(crate) slow: Duration,

    /// Threads that serve requests [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Fault to start with, may be repeated: latency=20ms, freeze=1s/10s, errors=5%, leak=100x1000,
    /// limiter=off|strict|on, maxmemory=3mb, close=5%, stall=1%
    #[arg(long = "fault", value_name = "NAME=VALUE")]
    pub(crate) faults: Vec<Change>,

    /// Certificate chain to serve TLS with, PEM; HTTP/2 is offered then
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Seed of the service times
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Requests of the assistant and the harness that may be under way at once; others wait
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) pool_size: NonZeroUsize,

    /// How long tasks, projects and points are kept after their last change
    #[arg(long, value_name = "DURATION", default_value = "60m", value_parser = duration)]
    state_ttl: Duration,

    /// Key that /api/v1 asks for in X-API-Key [default: none is asked for]
    // The values of secrets are not checked by clap: its messages would repeat them.
    #[arg(long, value_name = "KEY", env = "API_KEY", hide_env_values = true, help_heading = ASSISTANT)]
    api_key: Option<String>,

    /// How long answers stay in the cache
    #[arg(long, value_name = "DURATION", default_value = "10m", help_heading = ASSISTANT, value_parser = duration)]
    cache_ttl: Duration,

    /// Median time of a chat that is not cached; other answers take a tenth or less
    #[arg(long, value_name = "DURATION", default_value = "800ms", help_heading = ASSISTANT, value_parser = duration)]
    model_time: Duration,

    /// Secret that tokens are signed with (HS256)
    #[arg(
        long,
        value_name = "SECRET",
        env = "JWT_SECRET",
        hide_env_values = true,
        default_value = "for-tests-only",
        help_heading = HARNESS
    )]
    jwt_secret: String,

    /// How long a token is valid
    #[arg(long, value_name = "DURATION", default_value = "60m", help_heading = HARNESS, value_parser = duration)]
    jwt_lifetime: Duration,

    /// Password of every user at POST /api/auth/login
    #[arg(long, value_name = "PASSWORD", default_value = "for-tests-only", help_heading = HARNESS)]
    password: String,

    /// Median time of a task
    #[arg(long, value_name = "DURATION", default_value = "300ms", help_heading = HARNESS, value_parser = duration)]
    task_time: Duration,

    /// Share of tasks that fail, such as 10% [default: none]
    #[arg(long, value_name = "SHARE", help_heading = HARNESS, value_parser = share)]
    task_failures: Option<Share>,

    /// Tasks that run at once, in all services on this Redis; beyond that 429
    #[arg(long, value_name = "N", default_value_t = 16, help_heading = HARNESS, value_parser = clap::value_parser!(u32).range(1..))]
    max_running: u32,
}

impl Args {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            limits: Limits { per_second: self.per_second, per_minute: self.per_minute },
            slow: self.slow,
            cache_ttl: self.cache_ttl,
            state_ttl: self.state_ttl,
            model_time: self.model_time,
            task_time: self.task_time,
            task_failures: self.task_failures,
            max_running: self.max_running,
        }
    }

    pub(crate) fn gate(&self) -> Gate {
        // An empty variable is how shells and compose files say "unset".
        let api_key = self.api_key.as_deref().filter(|key| !key.is_empty());
        Gate::new(&self.jwt_secret, api_key, &self.password, self.jwt_lifetime)
    }

    pub(crate) fn tls_files(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    units::duration(text).ok_or_else(|| "a duration has a unit, such as 100ms or 1.5s, and is at most 60m".to_owned())
}

fn share(text: &str) -> Result<Share, String> {
    Share::parse(text).ok_or_else(|| "a share is a percentage above 0% and up to 100%, such as 10%".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }
}
