//! `memwatch`: watches Redis, the host, a process and logs, alone or while a command runs.
//!
//! The command line only: what is sampled and when an alarm is raised is decided in `plimsoll-sampler`.

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::exit::Fatal;

mod args;
mod exit;
mod setup;

mod watch;

mod earlier;
mod exec;
mod output;
mod report;
mod wrapped;

mod actions;
mod remains;

mod judge;
mod snapshot;

mod flush;
mod keys;

mod csv;
mod rows;
mod summary;
mod table;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(error) => Err(Fatal::environment(error)),
    };
    outcome.unwrap_or_else(|fatal| fatal.report())
}

async fn run(command: Command) -> Result<ExitCode, Fatal> {
    match command {
        Command::Watch(args) => watch::run(&args).await,
        Command::Exec(args) => exec::run(&args).await,
        Command::Snapshot(args) => snapshot::run(&args).await,
        Command::Keys(args) => keys::run(&args).await,
        Command::Flush(args) => flush::run(&args).await,
    }
}
