//! `loadgen search`: raises the rate until a criterion breaks (or until one is met), then narrows the gap.
//!
//! Each level is a run of its own with a complete record. Which rate comes next is `hunt`'s business, what a level
//! means `level`'s, how it is shown `table`'s; here they are put together.

mod hunt;
mod level;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use plimsoll_engine::StopHandle;
use plimsoll_engine::schedule::Share;
use plimsoll_plan::{Load, Plan, Rate, RateShape, SourceText, parse_criteria};
use plimsoll_record::files::EndReason;
use plimsoll_record::summary::Facts;
use plimsoll_record::units::Unit;

use self::hunt::{Found, Hunt};
use self::level::{Goal, Level};
use crate::args::SearchArguments;
use crate::exit::{ENVIRONMENT, FAILED, Failure, INCONCLUSIVE, INTERRUPTED, USAGE};
use crate::plans::{positive_rate, positive_time};
use crate::{session, summary};

/// A search that ended.
#[derive(Debug)]
struct Searched {
    hunt: Hunt,
    levels: Vec<Level>,
    interrupted: bool,
}

/// Runs levels until the rate is found, and prints what they showed.
pub(crate) fn run(plan: &Plan, arguments: &SearchArguments) -> Result<ExitCode, Failure> {
    let setup = Setup::new(plan, arguments)?;
    let stop = session::listen_for_signals()?;
    session::check_limits(plan, Share::WHOLE)?;
    session::check_target(plan)?;
    let directory = arguments.run_dir.clone().unwrap_or_else(|| session::default_directory(plan, None));
    let searched = setup.search(&directory, arguments, &stop)?;
    summary::write(&table::show(&searched.levels, &searched.hunt, &setup.goal, arguments.output.format))?;
    anstream::eprintln!("recorded in {}", directory.display());
    Ok(ExitCode::from(searched.exit_code()))
}

/// What is searched, in the plan's own terms.
struct Setup<'a> {
    plan: &'a Plan,
    phase: &'a str,
    hold: Duration,
    pause: Duration,
    goal: Goal,
    hunt: Hunt,
}

impl<'a> Setup<'a> {
    fn new(plan: &'a Plan, arguments: &SearchArguments) -> Result<Self, Failure> {
        let phase = phase(plan, arguments.phase.as_deref())?;
        let from = positive_rate("--from", &arguments.from)?.as_per_second();
        let to = positive_rate("--to", &arguments.to)?.as_per_second();
        if to < from {
            return Err(usage("--to is below --from; the search goes upwards"));
        }
        if !(arguments.factor > 1.0 && arguments.factor.is_finite()) {
            return Err(usage("--factor must be above 1; 2 doubles the rate from level to level"));
        }
        if !(arguments.within > 0.0 && arguments.within < 100.0) {
            return Err(usage("--within must be a percentage above 0 and below 100, for example 5"));
        }
        let goal = goal(plan, phase, arguments)?;
        Ok(Self {
            plan,
            phase,
            hold: positive_time("--hold", &arguments.hold)?,
            pause: positive_time("--pause", &arguments.pause)?,
            goal,
            hunt: Hunt::new((from, to), arguments.factor, arguments.within / 100.0),
        })
    }

    fn search(&self, directory: &Path, arguments: &SearchArguments, stop: &StopHandle) -> Result<Searched, Failure> {
        let mut searched = Searched { hunt: self.hunt.clone(), levels: Vec::new(), interrupted: false };
        while let Some(rate) = searched.hunt.next() {
            if !searched.levels.is_empty() {
                std::thread::sleep(self.pause);
            }
            let number = searched.levels.len() + 1;
            let (level, reason) = self.level(number, rate, directory, arguments, stop)?;
            if reason != EndReason::Completed {
                searched.interrupted = true;
                break;
            }
            anstream::eprintln!("{}", table::progress(number, self.hunt.most_levels(), &level));
            searched.hunt.learn(rate, level.found);
            searched.levels.push(level);
        }
        Ok(searched)
    }

    fn level(
        &self,
        number: usize,
        rate: f64,
        directory: &Path,
        arguments: &SearchArguments,
        stop: &StopHandle,
    ) -> Result<(Level, EndReason), Failure> {
        let path = level_directory(directory, number, rate);
        let exact = Rate::per_second(rate).expect("levels lie between two rates");
        let plan = level::plan_at(self.plan, self.phase, exact, self.hold, &self.goal);
        let outcome = session::record(&plan, Share::WHOLE, &path, arguments.output.quiet, stop)?;
        let facts = Facts::load(&path).map_err(|error| Failure::from_error(ENVIRONMENT, &error))?;
        let verdict = plimsoll_criteria::judge(&facts, &plan, &plan.criteria);
        let verdict = verdict.map_err(|error| Failure::from_error(ENVIRONMENT, &error))?;
        Ok((Level::read(rate, &facts, &verdict, &self.goal), outcome.reason))
    }
}

impl Searched {
    fn exit_code(&self) -> u8 {
        let unknown = self.levels.last().is_none_or(|level| level.found == Found::Unknown);
        match self.hunt.bracket() {
            _ if self.interrupted => INTERRUPTED,
            (Some(_), Some(_)) if !unknown => 0,
            _ if unknown => INCONCLUSIVE,
            // It never happened, or happened at once: the rate lies outside the range.
            _ => FAILED,
        }
    }
}

/// `01-10_per_s` below the search's directory.
fn level_directory(directory: &Path, number: usize, rate: f64) -> PathBuf {
    let rate = format!("{rate:.3}");
    let rate = rate.trim_end_matches('0').trim_end_matches('.');
    directory.join(format!("{number:02}-{rate}_per_s"))
}

/// The phase that is searched: the one named, else the only open phase with a constant rate, else the longest.
fn phase<'a>(plan: &'a Plan, named: Option<&str>) -> Result<&'a str, Failure> {
    if let Some(name) = named {
        let known = || plan.phases.iter().map(|phase| phase.name.as_str()).collect::<Vec<_>>().join(", ");
        let phase = plan.phases.iter().find(|phase| phase.name == name);
        return phase
            .map(|phase| phase.name.as_str())
            .ok_or_else(|| usage(&format!("the plan has no phase `{name}`; it has {}", known())));
    }
    let constant = |load: &Load| matches!(load, Load::Open { rate: RateShape::Constant(_), .. });
    let longest = plan.phases.iter().max_by_key(|phase| (constant(&phase.load), phase.duration));
    longest.map(|phase| phase.name.as_str()).ok_or_else(|| usage("the plan has no phases; add [[phases]]"))
}

fn goal(plan: &Plan, phase: &str, arguments: &SearchArguments) -> Result<Goal, Failure> {
    if let Some(text) = &arguments.until {
        let quoted = text.replace(['"', '\\', '\n'], " ");
        let text = format!("[criteria]\nphase = \"{phase}\"\nrequire = [\"{quoted}\"]\n");
        let source = SourceText { name: "--until".to_owned(), text };
        let mut criteria =
            parse_criteria(&source, plan).map_err(|problems| Failure::new(USAGE, problems.to_string()))?;
        return Ok(Goal::Until(Box::new(criteria.remove(0))));
    }
    if level::deciding(plan, phase).next().is_none() {
        let help = "give it [criteria], or say what is searched for: --until 'limited_share > 1%'";
        return Err(usage(&format!("no criterion of the plan is about traffic in phase `{phase}`; {help}")));
    }
    Ok(Goal::Breaks)
}

fn usage(message: &str) -> Failure {
    Failure::new(USAGE, format!("error: {message}"))
}

/// `120/s`.
fn per_second(rate: f64) -> String {
    Unit::PerSecond.show(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_levels_sort_in_the_order_they_ran() {
        let names = [(1, 10.0), (2, 12.5), (10, 1000.0)].map(|(number, rate)| {
            level_directory(Path::new("d"), number, rate).file_name().unwrap().to_str().unwrap().to_owned()
        });
        assert_eq!(names, ["01-10_per_s", "02-12.5_per_s", "10-1000_per_s"]);
    }
}
