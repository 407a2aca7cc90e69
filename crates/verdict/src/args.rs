//! The command line of `verdict`: what may be said, in which words. What it does stands elsewhere.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Judges recorded runs, renders their reports, and sets runs side by side.
///
/// Exit codes: 0 pass, warn or done; 1 fail; 2 usage or configuration; 3 inconclusive; 4 environment.
#[derive(Debug, Parser)]
#[command(name = "verdict", version, max_term_width = 100)]
pub(crate) struct Command {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Judge a run: prints the verdict, writes verdict.json, and exits with it.
    Check(Check),
    /// Render a run: writes report.html and report.md, or what is asked for.
    Report(Report),
    /// Show how one criterion was decided: formula, inputs, and the data behind it.
    Explain(Explain),
    /// Say which criteria a plan can decide at its rate and duration, before it runs.
    Lint(Lint),
    /// Judge runs of the past by other criteria; nothing is written.
    Replay(Replay),
    /// Say what got slower between runs, beyond what chance explains.
    Compare(Compare),
    /// Show how a series of runs went, and where it changed its level.
    Trend(Trend),
    /// Propose limits from past runs, with their share of false alarms.
    Suggest(Suggest),
    /// Put the segments of one load together, bin for bin.
    Merge(Merge),
    /// Write a run in the format of other tools.
    Export(Export),
    /// Print the JSON Schema of verdict.json.
    Schema,
}

/// What a run is judged by.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct By {
    /// Judge by the `[criteria]` of this file instead of the plan's.
    #[arg(long, value_name = "FILE")]
    pub(crate) criteria: Option<PathBuf>,
    /// An earlier run of the same load, for criteria that say `baseline`; several say what differs by chance.
    #[arg(long, value_name = "DIR")]
    pub(crate) baseline: Vec<PathBuf>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  verdict check runs/20260131T120000Z-quick
  verdict check run1 --criteria stricter.toml --strict
  verdict check run1 --baseline monday --baseline tuesday
  verdict check run1 --format github        annotations of a job in GitHub Actions
  verdict check run1 --format junit > junit.xml")]
pub(crate) struct Check {
    /// The run directory.
    #[arg(value_name = "DIR")]
    pub(crate) run: PathBuf,
    /// What to judge by.
    #[command(flatten)]
    pub(crate) by: By,
    /// A warning is a failure: exit 1.
    #[arg(long)]
    pub(crate) strict: bool,
    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Arguments of `report`. Without a format, HTML and Markdown are written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  verdict report run1
  verdict report run1 --html page.html
  verdict report run1 --md \"$GITHUB_STEP_SUMMARY\" --junit junit.xml")]
#[expect(clippy::option_option, reason = "absent, given, given with a file: clap's own type for an optional value")]
pub(crate) struct Report {
    /// The run directory.
    #[arg(value_name = "DIR")]
    pub(crate) run: PathBuf,
    /// What to judge by.
    #[command(flatten)]
    pub(crate) by: By,
    /// Write the HTML page, to FILE or to report.html in the run directory.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(crate) html: Option<Option<PathBuf>>,
    /// Write the Markdown summary, to FILE or to report.md in the run directory.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(crate) md: Option<Option<PathBuf>>,
    /// Write JUnit XML, to FILE or to junit.xml in the run directory.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(crate) junit: Option<Option<PathBuf>>,
    /// Write the criteria as CSV, to FILE or to criteria.csv in the run directory.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(crate) csv: Option<Option<PathBuf>>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  verdict explain run1                      lists the ids
  verdict explain run1 redis-memory
  verdict explain run1 'p99 < 500ms' --rows 200")]
pub(crate) struct Explain {
    /// The run directory.
    #[arg(value_name = "DIR")]
    pub(crate) run: PathBuf,
    /// The criterion's id: its table's name, or its expression. Without one, all ids are listed.
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
    /// What to judge by.
    #[command(flatten)]
    pub(crate) by: By,
    /// The most rows of data; longer records are summed up in so many stretches.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rows: u32,
}

/// Arguments of `lint`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  verdict lint plan.toml
  verdict lint plan.toml --quick --set phases.steady.duration=5m

Exits with 3 when a required criterion cannot be decided whatever the service does, with 2 when the plan is wrong.
`loadgen check` says the same beside the load itself, with arrivals counted one by one.")]
pub(crate) struct Lint {
    /// The plan file.
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    /// Replace a value of the plan.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// The plan's quick form.
    #[arg(long)]
    pub(crate) quick: bool,
    /// What to print.
    #[arg(long, value_enum, default_value_t = TableFormat::Text)]
    pub(crate) format: TableFormat,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  verdict replay runs/* --criteria stricter.toml
  verdict replay runs --criteria stricter.toml --format json")]
pub(crate) struct Replay {
    /// Run directories, or directories that hold some.
    #[arg(value_name = "DIR", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// The file with `[criteria]`; without it each run is judged by its own plan again.
    #[arg(long, value_name = "FILE")]
    pub(crate) criteria: Option<PathBuf>,
    /// What to print.
    #[arg(long, value_enum, default_value_t = TableFormat::Text)]
    pub(crate) format: TableFormat,
}

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  verdict compare before after
  verdict compare monday tuesday wednesday today     three or more base runs: their spread is what is usual
  verdict compare before after --phase spike --tolerance 10%

Exits with 1 when something got worse by more than twice the tolerance.")]
pub(crate) struct Compare {
    /// The run or runs to compare with, and the one to look at last.
    #[arg(value_name = "BASE... CANDIDATE", required = true, num_args = 2..)]
    pub(crate) runs: Vec<PathBuf>,
    /// The phase to compare; the longest one by default.
    #[arg(long, value_name = "NAME")]
    pub(crate) phase: Option<String>,
    /// A change up to this is none.
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    pub(crate) tolerance: f64,
    /// What to print.
    #[arg(long, value_enum, default_value_t = TableFormat::Text)]
    pub(crate) format: TableFormat,
}

/// Arguments of `trend`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  verdict trend runs
  verdict trend runs --metric p95 --metric 'p95[checkout]' --format json

Each run is summed up once, in its digest.json; the rest of a run directory may be deleted, and it still counts.")]
pub(crate) struct Trend {
    /// Run directories, or directories that hold some.
    #[arg(value_name = "DIR", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// The columns: a metric, of all endpoints or one (`p95[checkout]`).
    #[arg(long, value_name = "METRIC")]
    pub(crate) metric: Vec<String>,
    /// Only runs of this plan; needed when there are several.
    #[arg(long, value_name = "NAME")]
    pub(crate) plan: Option<String>,
    /// Sum every run up again, also those that have a digest.
    #[arg(long)]
    pub(crate) again: bool,
    /// What to print.
    #[arg(long, value_enum, default_value_t = TrendFormat::Text)]
    pub(crate) format: TrendFormat,
}

/// Arguments of `suggest`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  verdict suggest runs >> plan.toml
  verdict suggest runs --false-alarms 5% --plan nightly

Only runs that passed (or warned) count.")]
pub(crate) struct Suggest {
    /// Run directories, or directories that hold some.
    #[arg(value_name = "DIR", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// The share of runs of unchanged code that a limit may call slow.
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = share)]
    pub(crate) false_alarms: f64,
    /// Only runs of this plan; needed when there are several.
    #[arg(long, value_name = "NAME")]
    pub(crate) plan: Option<String>,
    /// Limits for each endpoint too, not only for all together.
    #[arg(long)]
    pub(crate) endpoints: bool,
}

/// Arguments of `merge`.
#[derive(Debug, Args)]
#[command(after_help = "Example, after `loadgen run plan.toml --segment 1/2` and `2/2` on two machines:
  verdict merge part1 part2 --out whole && verdict check whole")]
pub(crate) struct Merge {
    /// The run directories of all segments.
    #[arg(value_name = "PART", required = true)]
    pub(crate) parts: Vec<PathBuf>,
    /// Where the whole goes: a directory that holds no run.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  verdict export run1 --as csv --out tables          traffic.csv, redis.csv, ... for pandas, DuckDB, R
  verdict export run1 --as jtl --out run1.jtl        JMeter's listeners and dashboard; needs the request log
  verdict export run1 --as hlog --out run1.hlog      HdrHistogram's log processor and plotter
  verdict export run1 --as openmetrics --out run1.om && promtool tsdb create-blocks-from openmetrics run1.om")]
pub(crate) struct Export {
    /// The run directory.
    #[arg(value_name = "DIR")]
    pub(crate) run: PathBuf,
    /// The format.
    #[arg(long = "as", value_enum, value_name = "FORMAT")]
    pub(crate) form: ExportForm,
    /// The file, for csv the directory; stdout by default, for csv the run directory.
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
}

/// What `check` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people.
    Text,
    /// The content of verdict.json.
    Json,
    /// A summary for a CI job.
    Markdown,
    /// Annotations of GitHub Actions.
    Github,
    /// JUnit XML.
    Junit,
    /// A table of the criteria.
    Csv,
}

/// What commands over several runs print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// A table for people.
    Text,
    /// JSON.
    Json,
}

/// What `trend` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrendFormat {
    /// A table for people.
    Text,
    /// A table for a CI job's summary.
    Markdown,
    /// JSON.
    Json,
}

/// The formats of other tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportForm {
    /// Tables, one file each.
    Csv,
    /// JMeter's results.
    Jtl,
    /// HdrHistogram's interval log.
    Hlog,
    /// OpenMetrics text with timestamps.
    Openmetrics,
}

/// A share: `5%` or `0.05`.
fn share(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    number
        .ok()
        .filter(|share| *share > 0.0 && *share < 1.0)
        .ok_or_else(|| "write a share such as 5% or 0.05".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Command::command().debug_assert();
    }

    #[test]
    fn a_share_is_a_part_of_a_whole() {
        assert_eq!((share("5%"), share("0.05"), share("12.5 %")), (Ok(0.05), Ok(0.05), Ok(0.125)));
        assert!(share("0").is_err() && share("100%").is_err() && share("five").is_err() && share("nan").is_err());
    }
}
