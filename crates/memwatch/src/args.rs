//! The command line as typed. What it means is worked out in `setup`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use plimsoll_plan::Override;
use plimsoll_record::units::{Quantity, Unit};

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 an alarm stopped the command; 2 wrong plan, option or command; 4 Redis cannot be reached or a \
file cannot be written; 130 interrupted. exec passes the exit code of its command on.";

/// Watches what a load does to Redis, the host, a process and logs
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a live table until Ctrl-C or --duration, then a summary
    Watch(WatchArgs),
    /// Watch while a command runs; stop it on a critical alarm
    Exec(ExecArgs),
    /// Show how Redis is doing right now
    Snapshot(SnapshotArgs),
}

/// What to watch, and where to record it.
#[derive(Debug, Args)]
pub(crate) struct Sources {
    /// The plan that says what to watch
    pub(crate) plan: Option<PathBuf>,
    /// Redis: redis://, rediss:// (TLS), or http:// for an endpoint that answers with fields of INFO as JSON
    /// [default: the plan's, else $REDIS_URL, else redis://127.0.0.1:6379]
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,
    /// The sampling interval, 100 ms or more [default: the plan's, else 1s]
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub(crate) interval: Option<Duration>,
    /// Also sample this process
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Record into this run directory; it is created, or joined when another tool created it
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// The plan's quick form: what its table `[quick]` says is laid over it
    #[arg(long, requires = "plan")]
    pub(crate) quick: bool,
    /// Replace a value of the plan
    #[arg(long, value_name = "KEY=VALUE", requires = "plan", value_parser = Override::parse)]
    pub(crate) set: Vec<Override>,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// End after this long; Ctrl-C before that exits with 130. Without it, Ctrl-C is the normal end
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) duration: Option<Duration>,
    /// Also write every sampled value to this CSV file
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// Redis: redis://, rediss:// (TLS), or http:// for an endpoint that answers with fields of INFO as JSON
    /// [default: $REDIS_URL, else redis://127.0.0.1:6379]
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

fn time(text: &str) -> Result<Duration, String> {
    let quantity = Quantity::parse(text).map_err(|error| error.to_string())?;
    let positive = quantity.unit == Unit::Seconds && quantity.value > 0.0;
    let duration = positive.then(|| Duration::try_from_secs_f64(quantity.value).ok()).flatten();
    duration.ok_or_else(|| format!("`{text}` is not a time; write for example `500ms`, `30s` or `10m`"))
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = time(text)?;
    if interval < Duration::from_millis(100) {
        return Err(format!("`{text}` is too short: Redis's numbers say no more below 100ms"));
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_wrapped_command_keeps_its_own_options() {
        let words = ["memwatch", "exec", "plan.toml", "--run-dir", "r", "--", "loadgen", "run", "--run-dir", "r"];
        let Command::Exec(args) = Cli::parse_from(words).command else { panic!("not exec") };
        assert_eq!(args.command, ["loadgen", "run", "--run-dir", "r"]);
        assert_eq!(args.sources.plan, Some(PathBuf::from("plan.toml")));
    }

    #[test]
    fn times_need_units_and_intervals_a_minimum() {
        assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
        assert!(time("10").unwrap_err().contains("30s"));
        assert!(interval("50ms").unwrap_err().contains("too short"));
    }
}
