//! Phases compiled: each at its place on the time axis, with its schedule or its crowd.

use plimsoll_plan::{Load, Plan, Replay};

use super::crowd::{Crowd, CrowdPlan};
use super::{NEVER, WorkloadError, nanos};
use crate::draw::Draws;
use crate::schedule::{Schedule, Share};

/// A phase on the time axis.
#[derive(Debug)]
pub(crate) struct Phase {
    pub(crate) name: String,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) planned: Option<u64>,
    pub(crate) load: PhaseLoad,
    flow_draws: Draws,
}

/// The load of a phase.
#[derive(Debug)]
pub(crate) enum PhaseLoad {
    /// Open model; arrivals take users in turn, the first one `first_user` (from 0). The schedule is the whole plan's,
    /// `peak` the highest rate of the segment.
    Open { schedule: Schedule, first_user: u64, peak: f64 },
    /// Closed model.
    Closed(Crowd),
}

impl Phase {
    /// How many iterations the whole plan has here; `None` when that is not known beforehand, or users share them.
    pub(crate) fn iterations(&self) -> Option<u64> {
        match &self.load {
            PhaseLoad::Open { schedule, .. } => Some(schedule.count()),
            PhaseLoad::Closed(crowd) => crowd.iterations_of_all(),
        }
    }

    /// What decides which flows its iterations take.
    pub(super) fn flow_draws(&self) -> Draws {
        self.flow_draws
    }
}

/// All phases, in the plan's order.
pub(super) fn compile(plan: &Plan, segment: Share) -> Result<Vec<Phase>, WorkloadError> {
    let mut compiler = Compiler { segment, seed: plan.seed, first_user: 0, phases: Vec::new() };
    plan.phases.iter().try_for_each(|phase| compiler.add(phase))?;
    Ok(compiler.phases)
}

struct Compiler {
    segment: Share,
    seed: u64,
    /// Arrivals of the open phases so far: the next one goes on with the users where they stopped.
    first_user: u64,
    phases: Vec<Phase>,
}

impl Compiler {
    fn add(&mut self, phase: &plimsoll_plan::Phase) -> Result<(), WorkloadError> {
        let start = self.start(phase)?;
        let end = phase.duration.map_or(NEVER, |length| start.saturating_add(nanos(length)));
        let seeds = Draws::new(self.seed, self.phases.len() as u64);
        let length = phase.duration.unwrap_or_default();
        let (load, planned) = match &phase.load {
            Load::Open { rate, arrivals } => self.open(Schedule::new(rate, *arrivals, length, seeds.bits(0))),
            Load::Replay(replay) => {
                self.open(Schedule::replay(replay, length).ok_or_else(|| no_times(&phase.name, replay))?)
            }
            Load::Closed { users, spawn_rate, ramp_down, think, pacing, iterations } => {
                let (users, ramp_down) = (u64::from(users.get()), ramp_down.map_or(0, nanos));
                let (spawn_rate, think, iterations) = (*spawn_rate, *think, *iterations);
                let pacing = pacing.map(nanos);
                let plan = CrowdPlan { users, start, end, spawn_rate, ramp_down, think, pacing, iterations };
                let crowd = Crowd::new(&plan, self.segment, seeds.of(2));
                (PhaseLoad::Closed(crowd), crowd.quota(Share::WHOLE))
            }
        };
        let (name, flow_draws) = (phase.name.clone(), seeds.of(1));
        self.phases.push(Phase { name, start, end, planned, load, flow_draws });
        Ok(())
    }

    /// Where the plan says, else where the phase before it ends.
    fn start(&self, phase: &plimsoll_plan::Phase) -> Result<i64, WorkloadError> {
        match (phase.start, self.phases.last()) {
            (Some(start), _) => Ok(nanos(start)),
            (None, None) => Ok(0),
            (None, Some(before)) if before.end == NEVER => {
                Err(WorkloadError::UnknownStart { phase: before.name.clone(), next: phase.name.clone() })
            }
            (None, Some(before)) => Ok(before.end),
        }
    }

    fn open(&mut self, schedule: Schedule) -> (PhaseLoad, Option<u64>) {
        let (all, peak) = (schedule.count(), schedule.peak() / self.segment.count() as f64);
        let load = PhaseLoad::Open { schedule, first_user: self.first_user, peak };
        self.first_user += all;
        (load, Some(self.segment.part_of(all)))
    }
}

fn no_times(phase: &str, replay: &Replay) -> WorkloadError {
    WorkloadError::NoTimes { phase: phase.to_owned(), file: replay.file.clone() }
}
