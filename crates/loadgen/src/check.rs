//! `loadgen check`: what a plan will do, said before it does it. Nothing is sent but what `--try` asks for.

mod data;
mod json;
mod judging;
mod load;
mod text;
mod trial;

use std::process::ExitCode;
use std::time::Duration;

use plimsoll_criteria::Prospect;
use plimsoll_criteria::forecast::{Forecast, PlannedPhase};
use plimsoll_engine::schedule::Share;
use plimsoll_engine::{TriedStep, WorkloadError, timeline};
use plimsoll_plan::{Plan, Scope};
use plimsoll_record::verdict::Severity;

use crate::args::{CheckArguments, Format};
use crate::exit::{FAILED, Failure, INCONCLUSIVE, USAGE};
use crate::{limits, plans, summary};
use data::Supply;
use judging::Judging;

/// Everything that is said of a plan.
struct Checked<'p> {
    plan: &'p Plan,
    /// Of the segment.
    forecast: Forecast,
    operations: Vec<String>,
    data: Vec<Supply>,
    criteria: Vec<Judging<'p>>,
    /// Of the machine and the plan: what will be short.
    warnings: Vec<String>,
    tried: Option<Vec<TriedStep>>,
    answer: Duration,
    segment: Option<Share>,
}

/// What a segment of a plan will make, its arrivals counted by the engine's own schedules.
fn foretell(plan: &Plan, segment: Share, answer: Duration) -> Result<Forecast, WorkloadError> {
    let planned = timeline(plan, segment)?.into_iter().map(|phase| PlannedPhase {
        start: phase.start,
        length: phase.length,
        arrivals: phase.arrivals,
        peak: phase.peak,
    });
    Ok(Forecast::of(plan, planned.collect(), &|all| segment.part_of(all), answer))
}

/// `loadgen check`.
pub(crate) fn run(plan: &Plan, arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    let answer = plans::positive_time("--answer", &arguments.answer)?;
    let segment = arguments.segment.unwrap_or(Share::WHOLE);
    let forecast = |share| foretell(plan, share, answer).map_err(|error| Failure::from_error(USAGE, &error));
    // Segments are merged before they are judged, so criteria look at the whole.
    let (whole, part) = (forecast(Share::WHOLE)?, forecast(segment)?);
    let connections = plan.most_connections();
    let mut warnings = limits::prepare(plan, segment.part_of(connections))?;
    warnings.extend(load::warnings(plan, &part, segment));
    let checked = Checked {
        plan,
        operations: plan.operations(),
        data: data::supplies(plan, &whole),
        criteria: judging::all(plan, &whole),
        forecast: part,
        warnings,
        tried: if arguments.trial { Some(trial::run(plan)?) } else { None },
        answer,
        segment: arguments.segment,
    };
    summary::write(&match arguments.format {
        Format::Text => text::show(&checked),
        Format::Json => format!("{}\n", json::show(&checked)),
    })?;
    Ok(ExitCode::from(match () {
        () if checked.tried.iter().flatten().any(trial::failed) => FAILED,
        () if checked.is_undecidable() => INCONCLUSIVE,
        () => 0,
    }))
}

/// The most requests that a scope gets, with some room for random choices; `None` when nothing bounds them.
pub(crate) fn most_requests(plan: &Plan, segment: Share, scope: &Scope) -> Option<f64> {
    const ROOM: f64 = 1.1;
    let forecast = foretell(plan, segment, Duration::ZERO).ok()?;
    let endpoint = scope.endpoint.as_ref().and_then(|name| plan.operations().iter().position(|known| known == name));
    forecast.requests(scope, endpoint).finite_most().map(|most| most * ROOM)
}

impl Checked<'_> {
    /// Whether something that the plan requires cannot be decided by it.
    fn is_undecidable(&self) -> bool {
        let undecidable = |one: &Judging<'_>| one.outlook.prospect == Prospect::Undecidable;
        self.criteria.iter().any(|one| one.criterion.severity == Severity::Require && undecidable(one))
    }
}

/// Plans for tests.
#[cfg(test)]
#[track_caller]
fn parse(text: &str) -> Plan {
    use plimsoll_plan::{SourceText, Surroundings};
    let source = SourceText { name: "test".to_owned(), text: text.to_owned() };
    plimsoll_plan::parse(&source, &[], &Surroundings::NONE).unwrap()
}
