//! The project's own command, `cargo xtask`: it brings a stack up, chains the tools, runs the tests and the house
//! rules. It starts processes and reads their exit codes; it links none of the plimsoll libraries, so that what it
//! shows is what a user of the command lines gets.

mod args;
mod calibrate;
mod ci;
mod loadtest;
mod peers;
mod testing;
mod tidy;

mod compose;
mod engine;
mod external;
mod images;
mod native;
mod stack;

mod postgres;
mod redis;
mod redis_apt;
mod shared_objects;

mod cargo;
mod credentials;
mod interrupt;
mod outcome;
mod plans;
mod platform;
mod probe;
mod process;
mod say;
mod sweeper;
mod wait;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Task};
use crate::workspace::Workspace;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args.task) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say::error(&error);
            ExitCode::from(outcome::code_of(&error))
        }
    }
}

fn run(task: &Task) -> anyhow::Result<u8> {
    // The server of arrivals ends with the signal that stops it, and the sweeper outlives every request to stop.
    match task {
        Task::PeersArrivals => {}
        Task::Sweep => return Ok(sweeper::serve(std::io::stdin())),
        Task::Ci | Task::Tidy | Task::Calibrate(_) => interrupt::install()?,
        Task::Loadtest(_) | Task::Test(_) | Task::Peers(_) => {
            interrupt::install()?;
            sweeper::start()?;
        }
    }
    let workspace = Workspace::find()?;
    match task {
        Task::Loadtest(options) => loadtest::run(&workspace, options),
        Task::Test(options) => testing::run(&workspace, options),
        Task::Ci => ci::run(&workspace),
        Task::Tidy => tidy::run(&workspace),
        Task::Calibrate(options) => calibrate::run(&workspace, options),
        Task::Peers(options) => peers::run(&workspace, options),
        Task::PeersArrivals => peers::serve_arrivals(),
        Task::Sweep => unreachable!("it was run above"),
    }
}
