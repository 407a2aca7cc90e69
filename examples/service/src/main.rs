//! `example-service`: a small HTTP service that keeps its state in Redis, and fails on demand: a rate
//! limiter, an assistant, a task harness. It is what plimsoll's own load tests are pointed at. It is no
//! library, and nothing in it is to be deployed.
//!
//! On the way of a request: [`server`] takes the connection, [`routes`] checks it with
//! [`auth`] and picks the handler ([`check`], [`assistant`], [`tasks`], [`projects`], [`tools`]), which asks Redis
//! over [`link`]; [`replies`] holds, replaces or breaks the answer as [`faults`] say.

use std::{
    io::{self, Write as _},
    num::NonZeroUsize,
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

use clap::Parser as _;

use crate::{
    args::Args,
    link::RedisAddress,
    logs::Logs,
    pool::Pool,
    spread::Spread,
    state::{Parts, Shared},
};

mod admin;
mod args;
mod assistant;
mod auth;
mod body;
mod cache;
mod check;
mod clock;
mod faults;
mod health;
mod leak;
mod limiter;
mod link;
mod logs;
mod memory;
mod metrics;
mod pool;
mod projects;
mod replies;
mod routes;
mod scripts;
mod server;
mod spread;
mod state;
mod tasks;
mod tls;
mod tools;
mod units;

/// A wrong word on the command line.
const USAGE: u8 = 2;
/// Something outside the program: a port, a directory.
const ENVIRONMENT: u8 = 4;

/// Clients that give up sooner count a timeout, and those with more patience see the refusal.
const POOL_PATIENCE: Duration = Duration::from_secs(5);

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
    let parts = Parts {
        redis,
        settings: args.settings(),
        logs: Logs::open(&args.log_dir)?,
        gate: args.gate(),
        pool: Pool::new(args.pool_size.get(), POOL_PATIENCE),
        spread: Spread::new(args.seed),
        tls: args.tls_files().map(|(certificate, key)| tls::config(certificate, key)).transpose()?,
    };
    let scheme = if parts.tls.is_some() { "https" } else { "http" };
    let shared = Arc::new(Shared::new(parts, &args.faults));
    let threads = args.threads.unwrap_or_else(cores);
    server::run(&shared, args.listen, threads, |address| {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "listening on {scheme}://{address}")?;
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
