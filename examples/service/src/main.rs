//! `example-service`: a small HTTP service that keeps rate-limit counters in Redis, and fails on demand.
//! It is what plimsoll's own load tests are pointed at. It is no library and no limiter to deploy.
//!
//! On the way of a request: [`server`] takes the connection, [`routes`] picks the answer, [`limiter`]
//! asks Redis over [`link`], [`replies`] holds or replaces the answer as [`faults`] say.

use std::{
    io::{self, Write as _},
    num::NonZeroUsize,
    process::ExitCode,
    sync::Arc,
    thread,
};

use clap::Parser as _;

use crate::{args::Args, link::RedisAddress, logs::Logs, state::Shared};

mod admin;
mod args;
mod clock;
mod faults;
mod leak;
mod limiter;
mod link;
mod logs;
mod memory;
mod replies;
mod routes;
mod server;
mod state;
mod units;

/// A wrong word on the command line.
const USAGE: u8 = 2;
/// Something outside the program: a port, a directory.
const ENVIRONMENT: u8 = 4;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        // Help and version come this way too; clap knows which stream and which code each takes.
        Err(message) => return clap_exit(&message),
    };
    match RedisAddress::parse(&args.redis) {
        Ok(redis) => report(run(&args, redis), ENVIRONMENT),
        Err(error) => report(Err(error.into()), USAGE),
    }
}

fn run(args: &Args, redis: RedisAddress) -> anyhow::Result<()> {
    let logs = Logs::open(&args.log_dir)?;
    let shared = Arc::new(Shared::new(redis, args.limits(), args.slow, logs, &args.faults));
    let threads = args.threads.unwrap_or_else(cores);
    server::run(&shared, args.listen, threads, |address| {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "listening on http://{address}")?;
        stdout.flush()
    })?;
    Ok(())
}

fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn clap_exit(message: &clap::Error) -> ExitCode {
    // With both streams closed there is nobody to tell, and the code still says it.
    let _ = message.print();
    u8::try_from(message.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn report(result: anyhow::Result<()>, code_of_failure: u8) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let _ = writeln!(io::stderr(), "error: {error:#}");
    ExitCode::from(code_of_failure)
}
