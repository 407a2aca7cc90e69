//! One run from the health check to the exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use plimsoll_engine::schedule::Share;
use plimsoll_engine::{
    Event, Handshakes, HealthError, PrepareError, RouteError, Run, RunOutcome, StopHandle, health_check,
};
use plimsoll_plan::Plan;
use plimsoll_record::files::{EndReason, WriteError};
use plimsoll_record::summary::Facts;
use plimsoll_record::{RunDir, RunError};

use crate::args::{CalibrateArguments, OutputArguments, QuickArguments, RunArguments};
use crate::exit::{ENVIRONMENT, FAILED, Failure, INCONCLUSIVE, INTERRUPTED, USAGE};
use crate::guard::Guard;
use crate::{calibrate, limits, progress, summary};

/// How long an unreachable target gets before the run is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// Events that wait for the display at most; it misses what comes beyond.
const EVENTS: usize = 256;

fn producer() -> String {
    format!("loadgen {}", env!("CARGO_PKG_VERSION"))
}

/// `loadgen run`.
pub(crate) fn run(plan: &Plan, arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let stop = listen_for_signals()?;
    let segment = arguments.segment.unwrap_or(Share::WHOLE);
    check_limits(plan, segment)?;
    check_target(plan)?;
    let directory = match &arguments.run_dir {
        Some(path) => path.clone(),
        None => default_directory(plan, arguments.segment),
    };
    let outcome = record_and_sum_up(plan, segment, &directory, &arguments.output, &stop)?;
    anstream::eprintln!("recorded in {}", directory.display());
    Ok(exit_code(outcome, false))
}

/// `loadgen quick`. Without a run directory the record goes to a temporary one, which is removed at the end.
pub(crate) fn quick(plan: &Plan, arguments: &QuickArguments) -> Result<ExitCode, Failure> {
    let stop = listen_for_signals()?;
    check_limits(plan, Share::WHOLE)?;
    check_target(plan)?;
    let outcome = match &arguments.run_dir {
        Some(path) => record_and_sum_up(plan, Share::WHOLE, path, &arguments.output, &stop)?,
        None => {
            let temporary = tempfile::Builder::new().prefix("loadgen-").tempdir().map_err(|error| {
                Failure::new(ENVIRONMENT, format!("error: cannot make a temporary directory: {error}; use --run-dir"))
            })?;
            record_and_sum_up(plan, Share::WHOLE, temporary.path(), &arguments.output, &stop)?
        }
    };
    Ok(exit_code(outcome, true))
}

/// `loadgen calibrate`.
pub(crate) fn calibrate(arguments: &CalibrateArguments) -> Result<ExitCode, Failure> {
    calibrate::run(arguments, &producer(), &listen_for_signals()?)
}

/// A handle that the signals of a user stop.
pub(crate) fn listen_for_signals() -> Result<StopHandle, Failure> {
    let stop = StopHandle::new();
    let handle = stop.clone();
    ctrlc::set_handler(move || handle.request()).map_err(|error| Failure::from_error(ENVIRONMENT, &error))?;
    Ok(stop)
}

/// Before anything else: also the health check needs descriptors.
pub(crate) fn check_limits(plan: &Plan, segment: Share) -> Result<(), Failure> {
    for warning in limits::prepare(plan, segment.part_of(plan.most_connections()))? {
        anstream::eprintln!("{warning}");
    }
    Ok(())
}

/// Waits until the target is healthy.
pub(crate) fn check_target(plan: &Plan) -> Result<(), Failure> {
    if plan.target.as_ref().is_some_and(|target| target.url.scheme() == "https" && target.tls.insecure) {
        anstream::eprintln!(
            "warning: INSECURE: no certificate is checked, whoever answers is believed to be the target; \
             name the authority of its certificate instead (`target.tls.ca`, --ca)"
        );
    }
    health_check(plan, PATIENCE).map_err(|error| {
        let code = match &error {
            HealthError::Plan(_) => USAGE,
            HealthError::Route(error) => route_code(error),
            _ => ENVIRONMENT,
        };
        Failure::from_error(code, &error)
    })
}

/// `runs/<utc>-<plan>`, with the segment if there is one, and a number when two runs begin in one second.
pub(crate) fn default_directory(plan: &Plan, segment: Option<Share>) -> PathBuf {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let segment = segment.map_or_else(String::new, |part| format!("-{}of{}", part.index() + 1, part.count()));
    let name = format!("{stamp}-{}{segment}", plan.name);
    let base = PathBuf::from("runs").join(&name);
    let numbered = (2..100).map(|n| base.with_file_name(format!("{name}-{n}")));
    std::iter::once(base.clone()).chain(numbered).find(|path| !path.exists()).unwrap_or(base)
}

fn record_and_sum_up(
    plan: &Plan,
    segment: Share,
    path: &Path,
    output: &OutputArguments,
    stop: &StopHandle,
) -> Result<RunOutcome, Failure> {
    let outcome = record(plan, segment, path, output.quiet, stop)?;
    let facts = Facts::load(path).map_err(|error| Failure::from_error(ENVIRONMENT, &error))?;
    summary::print(&facts, output.format)?;
    Ok(outcome)
}

/// Makes the traffic of a plan and records it.
pub(crate) fn record(
    plan: &Plan,
    segment: Share,
    path: &Path,
    quiet: bool,
    stop: &StopHandle,
) -> Result<RunOutcome, Failure> {
    let directory = RunDir::create_or_join(path, &plan.name, &producer()).map_err(|error| run_failure(&error))?;
    directory.store_plan(&plan.to_toml()).map_err(|error| run_failure(&error))?;
    if let Some(warning) = calibrate::copy_into(&directory, &producer()) {
        anstream::eprintln!("{warning}");
    }
    let run = Run::prepare_segment(plan, segment, &directory, &producer());
    let run = run.map_err(|error| prepare_failure(&error))?;
    let (events, shown) = mpsc::sync_channel(EVENTS);
    let outcome = std::thread::scope(|scope| {
        let run = scope.spawn(|| run.run(stop, events));
        let mut guard = Guard::of(plan, segment, path, stop);
        let mut screen = progress::Screen::new(plan, quiet);
        for event in shown {
            let recorded = matches!(event, Event::Interval(_));
            screen.show(event);
            if let Some(lost) = guard.as_mut().filter(|_| recorded).and_then(Guard::look) {
                screen.say(&format!("stopping: criterion {}: {}", lost.id, lost.reason));
            }
        }
        screen.finish();
        run.join().expect("the collector's books balance")
    });
    let outcome = outcome.map_err(|error| engine_failure(&error))?;
    if let Some(Handshakes { full, resumed }) = outcome.handshakes.filter(|_| !quiet) {
        anstream::eprintln!("TLS handshakes: {full} full, {resumed} resumed");
    }
    Ok(outcome)
}

fn run_failure(error: &RunError) -> Failure {
    let code = match error {
        RunError::Unwritable { .. } | RunError::Unreadable { .. } => ENVIRONMENT,
        _ => USAGE,
    };
    Failure::from_error(code, error)
}

fn prepare_failure(error: &PrepareError) -> Failure {
    let code = match error {
        PrepareError::Workload(_) => USAGE,
        PrepareError::Route(error) => route_code(error),
    };
    Failure::from_error(code, error)
}

/// The plan is wrong, or this machine is not the one it was written for.
pub(crate) fn route_code(error: &RouteError) -> u8 {
    match error {
        RouteError::Tls(_) | RouteError::Family { .. } => USAGE,
        RouteError::Resolve { .. } | RouteError::LocalAddress { .. } => ENVIRONMENT,
    }
}

fn engine_failure(error: &plimsoll_engine::RunError) -> Failure {
    let code = match error {
        plimsoll_engine::RunError::Write(WriteError::Exists { .. }) => USAGE,
        _ => ENVIRONMENT,
    };
    Failure::from_error(code, error)
}

fn exit_code(outcome: RunOutcome, needs_success: bool) -> ExitCode {
    let code = match outcome.reason {
        EndReason::Interrupted => INTERRUPTED,
        EndReason::Failed | EndReason::Stopped => FAILED,
        EndReason::Completed if outcome.scheduled == 0 => INCONCLUSIVE,
        EndReason::Completed if needs_success && outcome.failures == outcome.scheduled => FAILED,
        EndReason::Completed => 0,
    };
    ExitCode::from(code)
}
