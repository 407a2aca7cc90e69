//! The command line as typed, and its defaults.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::Parser;

use crate::{faults::Change, limiter::Limits, units};

/// A rate-limited HTTP service on Redis, with faults on demand.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Args {
    /// Address to serve on; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// Redis that holds the limiter's counters
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
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    per_second: u32,

    /// Requests allowed per user and Unix minute
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    per_minute: u32,

    /// Requests slower than this get a line in performance.log
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = duration)]
    pub(crate) slow: Duration,

    /// Threads that serve requests [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Fault to start with, may be repeated: latency=20ms, freeze=1s/10s, errors=5%, leak=100x1000,
    /// limiter=off|strict|on, maxmemory=3mb
    #[arg(long = "fault", value_name = "NAME=VALUE")]
    pub(crate) faults: Vec<Change>,
}

impl Args {
    pub(crate) fn limits(&self) -> Limits {
        Limits { per_second: self.per_second, per_minute: self.per_minute }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    units::duration(text).ok_or_else(|| "a duration has a unit, such as 100ms or 1.5s, and is at most 60m".to_owned())
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
