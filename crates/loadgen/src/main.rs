//! loadgen: makes the traffic of a plan, or of one line, and records it. It measures; `verdict` judges.

mod args;
mod audit;
mod calibrate;
mod check;
mod document;
mod draft;
mod exit;
mod guard;
mod import;
mod limits;
mod log;
mod new;
mod plans;
mod progress;
mod search;
mod session;
mod summary;
mod toml_text;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};
use crate::exit::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Run(run) => plans::from_file(&run.plan).and_then(|plan| session::run(&plan, &run)),
        Command::Quick(quick) => plans::from_line(&quick).and_then(|plan| session::quick(&plan, &quick)),
        Command::Check(check) => plans::from_file(&check.plan).and_then(|plan| check::run(&plan, &check)),
        Command::New(new) => new::run(&new),
        Command::Import(script) => import::run(&script),
        Command::Search(search) => plans::from_file(&search.plan).and_then(|plan| search::run(&plan, &search)),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Log(arguments) => log::export(&arguments),
        Command::Calibrate(arguments) => session::calibrate(&arguments),
        Command::CalibrationServer(arguments) => calibrate::serve(&arguments),
    };
    outcome.unwrap_or_else(|failure: Failure| failure.report())
}
