//! The command line as typed. What it means is decided elsewhere.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use plimsoll_engine::schedule::Share;

/// Makes honest HTTP traffic and records every request.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 nothing succeeded (quick), a number is wrong (calibrate) or the \
    generator broke down; 2 usage or plan; 3 no arrivals were scheduled, or the machine was too busy to calibrate; \
    4 the target or the run directory is out of reach; 130 interrupted.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a plan and record it.
    Run(RunArguments),
    /// Load one URL, without a plan.
    Quick(QuickArguments),
    /// Show what a plan will do: load, requests per operation, data, and which criteria it can decide.
    Check(CheckArguments),
    /// Write a commented plan from a URL, a HAR file or an OpenAPI document.
    New(NewArguments),
    /// Write a plan from an Artillery script.
    Import(ImportArguments),
    /// Raise the rate until a criterion of the plan breaks, then narrow the gap.
    Search(SearchArguments),
    /// Write the request log of a run as CSV or JSON Lines.
    Log(LogArguments),
    /// Read back every write that a run had acknowledged, also of one that was killed.
    Audit(AuditArguments),
    /// Find out how far loadgen's numbers can be trusted on this machine, in about two minutes.
    Calibrate(CalibrateArguments),
    /// The server that `calibrate` measures against.
    #[command(hide = true)]
    CalibrationServer(ServerArguments),
}

/// A plan file, and what is different this time.
#[derive(Args, Debug)]
pub(crate) struct PlanArguments {
    /// The plan file (TOML).
    #[arg(value_name = "PLAN")]
    pub(crate) file: PathBuf,
    /// The plan's quick form: what its table `[quick]` says is laid over it.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Override a key of the plan, e.g. `--set generator.interval=500ms`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) plan: PlanArguments,
    /// Where to record; created, or joined when another tool has begun the same run. Default: `runs/<utc>-<plan>`.
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// Make only part K of N of the load: N generators with the same plan make exactly the whole.
    #[arg(long, value_name = "K/N", value_parser = segment)]
    pub(crate) segment: Option<Share>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 fine; 1 a step failed (--try); 2 the plan has problems; 3 it cannot decide a \
    criterion that it requires; 4 the target is out of reach (--try).")]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) plan: PlanArguments,
    /// Show part K of N of the load.
    #[arg(long, value_name = "K/N", value_parser = segment)]
    pub(crate) segment: Option<Share>,
    /// Send each step once, as the first user would, and show requests, answers, captures and checks.
    #[arg(long = "try")]
    pub(crate) trial: bool,
    /// How long answers are taken to take, to estimate what users who wait for them do.
    #[arg(long, value_name = "TIME", default_value = "100ms")]
    pub(crate) answer: String,
    /// The form on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 everything is there; 1 something is lost, corrupted or doubled; 2 the plan is \
    not the run's; 3 not everything could be read; 4 the run cannot be read.")]
pub(crate) struct AuditArguments {
    #[command(flatten)]
    pub(crate) plan: PlanArguments,
    /// The run.
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: PathBuf,
    /// The form on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("source").required(true).args(["url", "har", "openapi"]))]
pub(crate) struct NewArguments {
    /// A plan for this URL, e.g. http://127.0.0.1:8080/search?q=tea.
    pub(crate) url: Option<String>,
    /// A plan that does what a browser did: its recording, as developer tools save it.
    #[arg(long, value_name = "FILE")]
    pub(crate) har: Option<PathBuf>,
    /// A plan that asks every operation of an OpenAPI 3 document, JSON or YAML.
    #[arg(long, value_name = "FILE")]
    pub(crate) openapi: Option<PathBuf>,
    /// Of a HAR file, the requests to this host. Default: the one that most requests go to.
    #[arg(long, value_name = "HOST", conflicts_with_all = ["url", "openapi"])]
    pub(crate) host: Option<String>,
    /// Of a HAR file, also scripts, styles, images and fonts.
    #[arg(long, conflicts_with_all = ["url", "openapi"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) output: PlanOutput,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArguments {
    /// The Artillery script (YAML or JSON).
    pub(crate) script: PathBuf,
    #[command(flatten)]
    pub(crate) output: PlanOutput,
}

#[derive(Args, Debug)]
pub(crate) struct PlanOutput {
    /// Where the plan is written; nothing is written over. Default: standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 found; 1 not between --from and --to; 3 the generator gave out first; else as of run."
)]
pub(crate) struct SearchArguments {
    #[command(flatten)]
    pub(crate) plan: PlanArguments,
    /// The lowest rate, e.g. `10/s`.
    #[arg(long, value_name = "RATE")]
    pub(crate) from: String,
    /// The highest rate.
    #[arg(long, value_name = "RATE")]
    pub(crate) to: String,
    /// The phase to search with; its rate and duration are replaced. Default: the longest one of constant rate.
    #[arg(long, value_name = "NAME")]
    pub(crate) phase: Option<String>,
    /// How long each rate is held.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(crate) hold: String,
    /// How long the service may rest between two rates.
    #[arg(long, value_name = "TIME", default_value = "2s")]
    pub(crate) pause: String,
    /// How much higher each rate is than the one before, until something breaks.
    #[arg(long, value_name = "FACTOR", default_value_t = 2.0)]
    pub(crate) factor: f64,
    /// Stop when the gap between the two rates is at most this many percent of the lower one.
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    pub(crate) within: f64,
    /// Search for the rate at which this criterion is met, instead of the one at which one of the plan's is missed,
    /// e.g. `limited_share > 1%`.
    #[arg(long, value_name = "CRITERION")]
    pub(crate) until: Option<String>,
    /// Where to record: a run directory per rate below this one. Default: `runs/<utc>-<plan>`.
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// `2/5` is the second of five parts.
fn segment(text: &str) -> Result<Share, String> {
    let numbers = text.split_once('/').and_then(|(number, of)| Some((number.parse::<u32>().ok()?, of.parse().ok()?)));
    let share = numbers.and_then(|(number, of)| Share::of(number.checked_sub(1)?, of));
    share.ok_or_else(|| "write K/N with K from 1 to N, for example 2/5".to_owned())
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("amount").required(true).args(["requests", "duration"]).multiple(true))]
pub(crate) struct QuickArguments {
    /// Where to send requests, e.g. http://127.0.0.1:8080/ or https://localhost:8443/.
    pub(crate) url: String,
    /// Connections; without --rate there is a user for each of their streams, who sends the next request as soon as
    /// there is an answer. Default: 50, with --rate 1,000.
    #[arg(short = 'c', long, value_name = "N")]
    pub(crate) connections: Option<std::num::NonZeroU32>,
    /// Stop after this many requests.
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "rate")]
    pub(crate) requests: Option<std::num::NonZeroU64>,
    /// Send at this rate whatever the service does, e.g. `500` or `500/s`.
    #[arg(long, value_name = "RATE", requires = "duration")]
    pub(crate) rate: Option<String>,
    /// Stop after this time, e.g. `30s`.
    #[arg(long, value_name = "TIME")]
    pub(crate) duration: Option<String>,
    /// A header of every request, e.g. `-H 'accept: text/html'`. May be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The method. Default: GET, with a body POST.
    #[arg(short, long, value_enum, ignore_case = true)]
    pub(crate) method: Option<Method>,
    /// The body of every request.
    #[arg(short = 'd', long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// Worker threads. Default: one per 64 users or 20,000 requests/s, at most one per core.
    #[arg(short = 't', long, value_name = "N")]
    pub(crate) workers: Option<std::num::NonZeroU32>,
    /// How long to wait for an answer.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(crate) timeout: String,
    /// The HTTP version. Auto: 1.1 for http, for https 2 if the server offers it.
    #[arg(long, value_enum, default_value_t = Http::Auto)]
    pub(crate) http: Http,
    /// Requests at once on each HTTP/2 connection, if the server allows as many. Default: 1.
    #[arg(long, value_name = "N")]
    pub(crate) streams: Option<std::num::NonZeroU32>,
    /// Trust the authorities in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,
    /// Check no certificate: believe whoever answers.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Where to record. Default: nowhere; the record is removed when the summary is shown.
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 done; 2 there is no run or no request log; 4 it cannot be read or written.")]
pub(crate) struct LogArguments {
    /// The run directory.
    pub(crate) run: PathBuf,
    /// The form of the text.
    #[arg(long = "as", value_enum, default_value_t = TextForm::Csv)]
    pub(crate) form: TextForm,
    /// Where to write it; a file that exists is kept. Default: standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextForm {
    /// Comma-separated values with a line of column names.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

#[derive(Args, Debug)]
pub(crate) struct CalibrateArguments {
    /// Half a minute instead of two: shorter freezes, fewer rates.
    #[arg(long, conflicts_with = "full")]
    pub(crate) quick: bool,
    /// Ten minutes: freezes of 1 s every 10 s for 100 s.
    #[arg(long)]
    pub(crate) full: bool,
    /// Only this trial. May be repeated. A part is stored only where --store says.
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) only: Vec<Subject>,
    /// The form of the table on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Where to keep the result. Default: $XDG_DATA_HOME/plimsoll/calibration.json, else below ~/.local/share.
    #[arg(long, value_name = "PATH", conflicts_with = "no_store")]
    pub(crate) store: Option<PathBuf>,
    /// Keep nothing.
    #[arg(long)]
    pub(crate) no_store: bool,
}

/// What can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// All four of the following.
    Freeze,
    /// Answers held again and again, 10 connections.
    #[value(name = "freeze-10")]
    Freeze10,
    /// The same with 50.
    #[value(name = "freeze-50")]
    Freeze50,
    /// The same with 200.
    #[value(name = "freeze-200")]
    Freeze200,
    /// The same with 1,000.
    #[value(name = "freeze-1000")]
    Freeze1000,
    /// A run that ends in a freeze.
    End,
    /// loadgen itself stopped.
    Stop,
    /// More load than the server can take.
    Overload,
    /// Random arrivals at a queue.
    Queue,
    /// The highest rate sent on time.
    Rate,
}

impl Subject {
    /// Every single one, in the order they are tried.
    pub(crate) const EACH: [Self; 9] = [
        Self::Freeze10,
        Self::Freeze50,
        Self::Freeze200,
        Self::Freeze1000,
        Self::End,
        Self::Stop,
        Self::Overload,
        Self::Queue,
        Self::Rate,
    ];

    /// Of a freeze.
    pub(crate) fn connections(self) -> Option<u32> {
        match self {
            Self::Freeze10 => Some(10),
            Self::Freeze50 => Some(50),
            Self::Freeze200 => Some(200),
            Self::Freeze1000 => Some(1_000),
            _ => None,
        }
    }

    /// What progress says of it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Freeze => "a server that freezes",
            Self::Freeze10 => "a server that freezes, 10 connections",
            Self::Freeze50 => "a server that freezes, 50 connections",
            Self::Freeze200 => "a server that freezes, 200 connections",
            Self::Freeze1000 => "a server that freezes, 1,000 connections",
            Self::End => "a run that ends in a freeze",
            Self::Stop => "loadgen itself stopped",
            Self::Overload => "more load than the server can take",
            Self::Queue => "random arrivals at a queue",
            Self::Rate => "the highest rate sent on time",
        }
    }
}

/// Times in nanoseconds.
#[derive(Args, Debug)]
pub(crate) struct ServerArguments {
    /// From the first request to the first freeze, the length of each, and from one to the next.
    #[arg(long, value_name = "FIRST,HOLD,EVERY", value_parser = freeze)]
    pub(crate) freeze: Option<[i64; 3]>,
    /// What each request takes, one after another.
    #[arg(long, value_name = "NS")]
    pub(crate) one_at_a_time: Option<i64>,
}

fn freeze(text: &str) -> Result<[i64; 3], String> {
    let times: Result<Vec<i64>, _> = text.split(',').map(str::parse).collect();
    let times = times.ok().and_then(|times| <[i64; 3]>::try_from(times).ok()).filter(|[_, _, every]| *every > 0);
    times.ok_or_else(|| "three numbers of nanoseconds".to_owned())
}

#[derive(Args, Debug)]
pub(crate) struct OutputArguments {
    /// Show no progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The form of the summary on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Http {
    Auto,
    #[value(name = "1.1")]
    One,
    #[value(name = "2")]
    Two,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_segment_is_one_of_its_number() {
        assert_eq!(segment("2/5").unwrap(), Share::of(1, 5).unwrap());
        for text in ["0/5", "6/5", "1/0", "2", "a/b", "-1/5", ""] {
            assert!(segment(text).unwrap_err().contains("2/5"), "{text}");
        }
    }

    #[test]
    fn quick_needs_an_amount() {
        assert!(Arguments::try_parse_from(["loadgen", "quick", "http://h/"]).is_err());
        assert!(Arguments::try_parse_from(["loadgen", "quick", "http://h/", "-n", "10"]).is_ok());
        assert!(Arguments::try_parse_from(["loadgen", "quick", "http://h/", "--rate", "5"]).is_err());
    }
}
