//! The command line of `verdict`: what may be said, in which words. What it does stands elsewhere.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Judges a recorded run, and renders its report.
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
    /// Render a run: writes report.html and report.md.
    Report(Report),
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The run directory.
    #[arg(value_name = "DIR")]
    pub(crate) run: PathBuf,
    /// Judge by the `[criteria]` of this file instead of the plan's.
    #[arg(long, value_name = "FILE")]
    pub(crate) criteria: Option<PathBuf>,
    /// A warning is a failure: exit 1.
    #[arg(long)]
    pub(crate) strict: bool,
    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Arguments of `report`. Without --html and --md, both are written.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The run directory.
    #[arg(value_name = "DIR")]
    pub(crate) run: PathBuf,
    /// Judge by the `[criteria]` of this file instead of the plan's.
    #[arg(long, value_name = "FILE")]
    pub(crate) criteria: Option<PathBuf>,
    /// Write the HTML page, to FILE or to report.html in the run directory.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    #[expect(
        clippy::option_option,
        reason = "absent, given, given with a file: clap's own type for an optional value"
    )]
    pub(crate) html: Option<Option<PathBuf>>,
    /// Write the Markdown summary, to FILE or to report.md in the run directory.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    #[expect(
        clippy::option_option,
        reason = "absent, given, given with a file: clap's own type for an optional value"
    )]
    pub(crate) md: Option<Option<PathBuf>>,
}

/// What `check` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people.
    Text,
    /// The content of verdict.json.
    Json,
}
