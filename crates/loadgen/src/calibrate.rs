//! `loadgen calibrate`: how far the numbers of loadgen can be trusted on this machine.
//!
//! loadgen runs as users run it, as a process, against a built-in server whose delays are known exactly; what it
//! reports is compared with the truth. What is found is kept with the user's data, and reports quote it.

mod effort;
mod theory;

mod server;
mod service;

mod load;
mod rate;
mod score;
mod trials;
mod waiting;

mod show;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use plimsoll_engine::StopHandle;
use plimsoll_record::RunClock;
use plimsoll_record::calibration::{Calibration, Trial, TrustedRate};
use plimsoll_record::files::FORMAT;
use plimsoll_record::run::Machine;
use plimsoll_record::units::show_count;
use plimsoll_record::verdict::Judgement;

use crate::args::{CalibrateArguments, Format, ServerArguments, Subject};
use crate::exit::{ENVIRONMENT, FAILED, Failure, INCONCLUSIVE, USAGE};
use crate::{limits, summary};
use effort::Effort;
use server::Behaviour;
use trials::Bench;

pub(crate) use store::copy_into;

/// The most connections any trial has, on either side.
const CONNECTIONS: u32 = 1_000;

/// `loadgen calibrate`.
pub(crate) fn run(arguments: &CalibrateArguments, by: &str, stop: &StopHandle) -> Result<ExitCode, Failure> {
    let store = place(arguments)?;
    let effort = effort(arguments);
    let (trials, rate) = try_all(&subjects(arguments), effort, stop)?;
    let calibration = Calibration {
        format: FORMAT,
        by: by.to_owned(),
        unix_ns: RunClock::start().anchor().unix_ns,
        machine: Machine::this(),
        effort: effort.word().to_owned(),
        judgement: judgement(&trials, rate.as_ref()),
        trials,
        rate,
    };
    summary::write(&match arguments.format {
        Format::Text => show::text(&calibration),
        Format::Json => calibration.to_json(),
    })?;
    if let Some(path) = store {
        store::write(&path, &calibration)?;
        anstream::eprintln!("stored in {}", path.display());
    }
    Ok(ExitCode::from(match calibration.judgement {
        Judgement::Pass | Judgement::Warn => 0,
        Judgement::Inconclusive => INCONCLUSIVE,
        Judgement::Fail => FAILED,
    }))
}

/// The hidden server.
pub(crate) fn serve(arguments: &ServerArguments) -> Result<ExitCode, Failure> {
    // A lower limit shows in the runs that need more, and is said there.
    drop(limits::raise_open_files(CONNECTIONS));
    let behaviour = match (&arguments.freeze, arguments.one_at_a_time) {
        (Some([first, hold, every]), _) => Behaviour::Freezing { first: *first, hold: *hold, every: *every },
        (None, Some(service)) => Behaviour::OneAtATime(service),
        (None, None) => Behaviour::Instant,
    };
    server::serve(behaviour).map_err(|error| Failure::from_error(ENVIRONMENT, &error))?;
    Ok(ExitCode::SUCCESS)
}

fn effort(arguments: &CalibrateArguments) -> Effort {
    match (arguments.quick, arguments.full) {
        (true, _) => Effort::Quick,
        (false, true) => Effort::Full,
        (false, false) => Effort::Usual,
    }
}

/// Where to keep the result. A part of a calibration does not replace a whole one unasked.
fn place(arguments: &CalibrateArguments) -> Result<Option<PathBuf>, Failure> {
    if arguments.no_store || (arguments.store.is_none() && !arguments.only.is_empty()) {
        return Ok(None);
    }
    let place = arguments.store.clone().or_else(store::usual_place);
    let homeless = "error: neither XDG_DATA_HOME nor HOME says where to keep the result; use --store or --no-store";
    place.map(Some).ok_or_else(|| Failure::new(USAGE, homeless))
}

fn subjects(arguments: &CalibrateArguments) -> Vec<Subject> {
    let wanted = |subject: &Subject| {
        let group = subject.connections().is_some() && arguments.only.contains(&Subject::Freeze);
        group || arguments.only.is_empty() || arguments.only.contains(subject)
    };
    Subject::EACH.into_iter().filter(wanted).collect()
}

fn try_all(
    subjects: &[Subject],
    effort: Effort,
    stop: &StopHandle,
) -> Result<(Vec<Trial>, Option<TrustedRate>), Failure> {
    if let Some(warning) = limits::raise_open_files(CONNECTIONS) {
        anstream::eprintln!("{warning}");
    }
    tell("getting to know this machine");
    let bench = Bench::set_up(effort, stop)?;
    let mut trials = Vec::new();
    let mut rate = None;
    for subject in subjects {
        tell(subject.words());
        match subject {
            Subject::Rate => rate = Some(rate::climb(effort, stop, |rate| tell(&format!("{}/s", show_count(rate))))?),
            _ => trials.extend(trial(&bench, *subject)?),
        }
    }
    Ok((trials, rate))
}

fn trial(bench: &Bench<'_>, subject: Subject) -> Result<Option<Trial>, Failure> {
    match subject {
        Subject::Freeze | Subject::Rate => Ok(None),
        Subject::Freeze10 | Subject::Freeze50 | Subject::Freeze200 | Subject::Freeze1000 => {
            subject.connections().map(|connections| bench.freeze(connections)).transpose()
        }
        Subject::End => bench.end().map(Some),
        Subject::Stop => bench.stop().map(Some),
        Subject::Overload => bench.overload().map(Some),
        Subject::Queue => bench.queue().map(Some),
    }
}

/// The worst of all. A machine on which not even the lowest rate is punctual decides nothing.
fn judgement(trials: &[Trial], rate: Option<&TrustedRate>) -> Judgement {
    let rate = rate.filter(|rate| rate.per_second.is_none()).map(|_| Judgement::Inconclusive);
    trials.iter().map(|trial| trial.judgement).chain(rate).max().unwrap_or(Judgement::Pass)
}

fn tell(what: &str) {
    anstream::eprintln!("calibrating: {what}");
}
