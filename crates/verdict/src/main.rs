//! `verdict`: judges recorded runs, renders their reports and sets runs side by side. Arguments, files and exit codes;
//! the logic lives in `plimsoll-criteria`, the looks in `plimsoll-report`.

mod args;
mod commands;
mod judging;
mod outcome;
mod output;
mod rendering;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Action, Command};

fn main() -> ExitCode {
    let done = match Command::parse().action {
        Action::Check(args) => rendering::check(&args),
        Action::Report(args) => rendering::report(&args),
        Action::Explain(args) => commands::explain::run(&args),
        Action::Lint(args) => commands::lint::run(&args),
        Action::Replay(args) => commands::replay::run(&args),
        Action::Compare(args) => commands::compare::run(&args),
        Action::Trend(args) => commands::trend::run(&args),
        Action::Suggest(args) => commands::suggest::run(&args),
        Action::Merge(args) => commands::merge::run(&args),
        Action::Export(args) => commands::export::run(&args),
        Action::Schema => rendering::schema(),
    };
    done.unwrap_or_else(|error| {
        output::error(&error);
        outcome::of_error(&error)
    })
}
