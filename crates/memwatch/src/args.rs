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
    /// Show which keys hold the memory, by the pattern of their names
    Keys(KeysArgs),
    /// Delete all keys of a database, or of all: a clean start
    Flush(FlushArgs),
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
    /// The databases that are meant to hold keys; keys elsewhere are pointed out [default: the plan's, else any]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) expect_db: Vec<u32>,
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
    /// Let the command run on after a critical alarm
    #[arg(long)]
    pub(crate) no_stop: bool,
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
    #[command(flatten)]
    pub(crate) thresholds: Thresholds,
    /// The databases that are meant to hold keys; keys elsewhere are pointed out
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) expect_db: Vec<u32>,
}

/// From where on a test database is worth a look, and from where on it calls for action.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Thresholds {
    /// Memory in use below this is healthy
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "50MB")]
    pub(crate) healthy_below: f64,
    /// Memory in use above this calls for action
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "100MB")]
    pub(crate) act_above: f64,
    /// A fragmentation ratio above this calls for action, unless the data set is tiny
    #[arg(long, value_name = "RATIO", default_value_t = 10.0)]
    pub(crate) act_fragmentation: f64,
}

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    /// Redis: redis:// or rediss:// (TLS) [default: $REDIS_URL, else redis://127.0.0.1:6379]
    #[arg(long, value_name = "URL", conflicts_with = "diff")]
    pub(crate) redis: Option<String>,
    /// The database to look at, or `all`
    #[arg(long, value_name = "N|all", default_value = "all", value_parser = databases)]
    pub(crate) db: Databases,
    /// Random keys to read of a database with more than twice as many; smaller ones are read whole
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    pub(crate) samples: u64,
    /// The most time Redis may spend on it
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = time)]
    pub(crate) budget: Duration,
    /// Patterns to show per database
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub(crate) top: usize,
    /// The databases that are meant to hold keys; keys elsewhere are pointed out
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) expect_db: Vec<u32>,
    /// Show instead which patterns grew in this recorded run, from its first checkpoint of keys to its last
    #[arg(long, value_name = "RUN")]
    pub(crate) diff: Option<PathBuf>,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("extent").required(true).args(["db", "all"])))]
pub(crate) struct FlushArgs {
    /// Redis: redis:// or rediss:// (TLS) [default: $REDIS_URL, else redis://127.0.0.1:6379]
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,
    /// The database to empty
    #[arg(long, value_name = "N")]
    pub(crate) db: Option<u32>,
    /// Empty every database of the server
    #[arg(long)]
    pub(crate) all: bool,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    pub(crate) yes: bool,
    /// Name the host again when it is not this machine
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
}

/// The databases that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Databases {
    All,
    One(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
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

fn size(text: &str) -> Result<f64, String> {
    let quantity = Quantity::parse(text).map_err(|error| error.to_string())?;
    let positive = quantity.unit == Unit::Bytes && quantity.value > 0.0;
    positive.then_some(quantity.value).ok_or_else(|| format!("`{text}` is not a size; write for example `100MB`"))
}

fn databases(text: &str) -> Result<Databases, String> {
    match text {
        "all" => Ok(Databases::All),
        number => {
            number.parse().map(Databases::One).map_err(|_| format!("`{text}` is no database; write a number, or `all`"))
        }
    }
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
