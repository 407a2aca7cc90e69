//! The command line as typed. What it means is decided by the task it names.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// The project's own tasks: a load test from nothing, every test, the house rules.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Build the tools, bring a fresh stack up, load it, judge it, take it down
    ///
    /// The exit code is the verdict's: 0 pass or warn, 1 fail, 2 usage or configuration, 3 inconclusive,
    /// 4 environment, 130 interrupted.
    Loadtest(LoadtestOptions),
    /// Provide what the tests need (Redis, and where tests ask for it PostgreSQL, Docker and Chromium), then run every test
    ///
    /// Tests learn where things are from the environment: PLIMSOLL_BIN_DIR holds the built programs,
    /// PLIMSOLL_REDIS_SERVER is a redis-server (also first on PATH under that name), PLIMSOLL_POSTGRES_BIN a directory
    /// with PostgreSQL's programs, PLIMSOLL_CHROMIUM a browser.
    /// What a group needs and is not there is installed by apt-get, for root on Debian only; a dockerd started here
    /// is stopped at the end. What cannot be had is an error.
    Test(TestOptions),
    /// Format, clippy, documentation and house rules, all without a warning
    Ci,
    /// The house rules alone, each violation with file, line and rule
    Tidy,
    /// Judge thousands of simulated runs whose truth is known, and show how often the verdict is right
    ///
    /// The exit code is 1 when a target is missed. The same seed gives the same tables on every machine.
    Calibrate(CalibrateOptions),
    /// Measure loadgen and other generators side by side on this machine
    ///
    /// Nothing is judged: what is measured depends on the machine and on what else runs there. Runs alternate, and
    /// every figure is a median with its least and greatest over the runs. The tables are Markdown.
    Peers(PeersOptions),
    /// The server of `peers lag`: it answers at once and keeps the time at which each request arrived
    #[command(hide = true)]
    PeersArrivals,
    /// Wait until the task that started this one ends, and take down what it left if it was killed
    #[command(hide = true)]
    Sweep,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LoadtestOptions {
    /// A plan of examples/plans by name, such as `quick` or `assistant/steady`; a group of them, such as
    /// `assistant`; the path of a plan file; or `all`
    #[arg(default_value = "quick")]
    pub(crate) plan: String,
    /// Of a group only these, such as `--only baseline-100,burst-4x`
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// The quick form that plans state in their table `[quick]`
    #[arg(long)]
    pub(crate) quick: bool,
    /// Override a key of the plan, e.g. `--set target.timeout=2s`; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Where service and stores come from; by default compose where a container engine runs, else native, which is
    /// also for plans that ask PostgreSQL (POSTGRES_URL)
    #[arg(long, value_enum)]
    pub(crate) stack: Option<StackKind>,
    /// A compose file of your own with the services `redis` (6379) and `service` (8080)
    #[arg(long, value_name = "FILE")]
    pub(crate) compose_file: Option<PathBuf>,
    /// The run directory, by default `runs/<utc time>-<plan>`; of several plans, one directory per plan below it
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// Copy the reports and verdict of each plan to a directory of its name here, and write summary.json beside them
    #[arg(long, value_name = "DIR")]
    pub(crate) report_dir: Option<PathBuf>,
    /// Leave the stack running, and say how to stop it
    #[arg(long)]
    pub(crate) keep: bool,
    /// A fault of the example service, such as `leak=100x1000` or `limiter=off`; may be given again
    #[arg(long = "fault", value_name = "NAME=VALUE", value_parser = fault)]
    pub(crate) faults: Vec<String>,
    /// Take loadgen, memwatch, verdict and example-service from here instead of building them
    #[arg(long, value_name = "DIR")]
    pub(crate) bin_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StackKind {
    /// Containers of docker or podman, by a compose file
    Compose,
    /// Processes on this machine, on free loopback ports
    Native,
    /// A service and stores that run already, at TARGET_URL, REDIS_URL and POSTGRES_URL, as far as plans name them
    External,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TestOptions {
    /// Groups of tests to leave out by name
    #[arg(long, value_name = "GROUPS", value_delimiter = ',', value_enum)]
    pub(crate) without: Vec<Group>,
    /// Every test in a process of its own, one at a time, in the reverse of the usual order
    #[arg(long, conflicts_with = "shuffle")]
    pub(crate) reverse: bool,
    /// Every test in a process of its own, one at a time, in an order drawn from this seed
    #[arg(long, value_name = "SEED")]
    pub(crate) shuffle: Option<u64>,
    /// Arguments for the test binaries, after `--`
    #[arg(last = true)]
    pub(crate) harness: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PeersOptions {
    /// What to measure
    #[arg(value_enum, default_value_t = Table::Cost)]
    pub(crate) table: Table,
    /// How often each generator runs [default: 5; freeze: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) pairs: Option<u32>,
    /// How long each run takes [default: 3; lag: 10; freeze: 30]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) seconds: Option<u32>,
    /// Connections of every generator, one table each [default: 64; lag: 50; freeze: 10,50,200; http2: 8]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: Vec<u32>,
    /// Requests under way on each connection over HTTP/2
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) streams: u32,
    /// Send at these constant rates, in requests per second, instead of in a closed loop [lag: 1000,10000; freeze: 1000]
    #[arg(long, value_name = "RATES", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) open: Vec<u32>,
    /// Cores, and as many threads, of every generator; `cores` compares this many with one [default: 1; cores: 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) cores: Option<u32>,
    /// Load this server instead of one that is started here (cost, cores, http2)
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Measure against these only
    #[arg(long, value_name = "PEERS", value_delimiter = ',', value_enum)]
    pub(crate) only: Vec<Peer>,
    /// Where a generator is that is not on PATH, such as wrk2=/opt/wrk2/wrk; may be given again
    #[arg(long = "peer-path", value_name = "PEER=FILE", value_parser = peer_path)]
    pub(crate) peer_paths: Vec<(Peer, PathBuf)>,
    /// Build oha into target/peers where it is not installed
    #[arg(long)]
    pub(crate) install: bool,
    /// Take loadgen and example-service from here instead of building them
    #[arg(long, value_name = "DIR")]
    pub(crate) bin_dir: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CalibrateOptions {
    /// Simulated series per row
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) series: u64,
    /// What the series are drawn from
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
    /// Only rows whose name holds these words
    #[arg(long, value_name = "WORDS")]
    pub(crate) only: Option<String>,
}

/// What `peers` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Table {
    /// CPU per request, rate and memory, in pairs of loadgen and a peer
    Cost,
    /// The same over HTTP/2
    Http2,
    /// Rate and CPU per request on several cores against one
    Cores,
    /// How late requests at a constant rate arrive, by the server's clock
    Lag,
    /// What each generator reports of a server that freezes, against what is true
    Freeze,
}

/// Another load generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    Wrk,
    Wrk2,
    Oha,
    H2load,
    Hey,
}

/// What a test against real servers needs. The name of its test binary says it: `postgres*`, `docker*`, `browser*`,
/// and Redis for every other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Group {
    /// A redis-server on loopback
    Redis,
    /// A PostgreSQL server's programs
    Postgres,
    /// A running Docker engine with compose
    Docker,
    /// Chromium, headless
    Browser,
}

fn peer_path(text: &str) -> Result<(Peer, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("write PEER=FILE, such as wrk2=/opt/wrk2/wrk")?;
    Ok((Peer::from_str(name, false).map_err(|_| format!("no peer is called `{name}`"))?, path.into()))
}

fn fault(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() && !text.contains(char::is_whitespace) => {
            Ok(text.to_owned())
        }
        _ => Err("write NAME=VALUE without spaces, such as latency=20ms".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(["cargo xtask"].iter().chain(words))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn without_a_plan_the_quick_one_runs() {
        let Task::Loadtest(options) = parse(&["loadtest"]).unwrap().task else { panic!("not loadtest") };
        assert_eq!(options.plan, "quick");
    }

    #[test]
    fn faults_may_be_given_again() {
        let words = ["loadtest", "--fault", "limiter=off", "--fault", "latency=20ms"];
        let Task::Loadtest(options) = parse(&words).unwrap().task else { panic!("not loadtest") };
        assert_eq!(options.faults, ["limiter=off", "latency=20ms"]);
    }

    #[test]
    fn a_fault_without_value_is_refused_with_the_form_to_write() {
        let error = parse(&["loadtest", "--fault", "limiter"]).unwrap_err().to_string();
        assert!(error.contains("NAME=VALUE"), "{error}");
    }

    #[test]
    fn groups_are_a_comma_list() {
        let Task::Test(options) = parse(&["test", "--without", "docker,browser"]).unwrap().task else {
            panic!("not test")
        };
        assert_eq!(options.without, [Group::Docker, Group::Browser]);
    }

    #[test]
    fn peers_are_a_comma_list() {
        let Task::Peers(options) = parse(&["peers", "--only", "wrk,h2load"]).unwrap().task else { panic!("not peers") };
        assert_eq!((options.table, options.only), (Table::Cost, vec![Peer::Wrk, Peer::H2load]));
        assert!(parse(&["peers", "--pairs", "0"]).is_err());
    }

    #[test]
    fn a_peer_that_is_not_on_path_is_named_with_its_file() {
        let Task::Peers(options) = parse(&["peers", "lag", "--peer-path", "wrk2=/opt/wrk"]).unwrap().task else {
            panic!("not peers")
        };
        assert_eq!((options.table, options.peer_paths), (Table::Lag, vec![(Peer::Wrk2, "/opt/wrk".into())]));
        let error = parse(&["peers", "--peer-path", "wrk3=/opt/wrk"]).unwrap_err().to_string();
        assert!(error.contains("no peer is called `wrk3`"), "{error}");
    }

    #[test]
    fn an_unknown_group_is_refused_with_the_valid_ones() {
        let error = parse(&["test", "--without", "oracle"]).unwrap_err().to_string();
        assert!(error.contains("redis, postgres, docker, browser"), "{error}");
    }
}
