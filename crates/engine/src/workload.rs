//! A plan compiled for the engine: operations, flows, and phases on one time axis from 0.
//!
//! Shared by all workers and never changed. It knows no clock: times are nanoseconds from the start of the traffic.

use std::num::NonZeroU64;
use std::time::Duration;

use plimsoll_plan::{Load, Plan, Target, ThinkTime};

use crate::draw::{Draws, Weights};
use crate::request::{CompileError, Operation};
use crate::schedule::{Schedule, Share};

/// The end of a phase that ends with its iterations.
pub(crate) const NEVER: i64 = i64::MAX;

/// Why a plan cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// There is nowhere to send traffic.
    #[error("the plan makes no traffic; give it a [target], [[phases]] and [flows]")]
    NoTraffic,
    /// A phase without an end stands before another one.
    #[error("phase `{phase}` ends with its iterations, so it must be the last one; give it a duration")]
    EndlessPhase {
        /// The phase.
        phase: String,
    },
    /// A step cannot be sent.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// A plan, compiled.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) operations: Vec<Operation>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) users: NonZeroU64,
    /// The part of the plan that is this generator's own.
    pub(crate) segment: Share,
    weights: Weights,
}

/// A flow: a run of consecutive operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) first: u16,
    pub(crate) steps: u16,
}

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

/// The users of a closed phase that belong to the segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) users: u64,
    /// Users started per second; `None`: all at once.
    pub(crate) spawn_rate: Option<f64>,
    pub(crate) think: ThinkTime,
    pub(crate) iterations: Option<u64>,
    pub(crate) draws: Draws,
}

impl Workload {
    pub(crate) fn compile(plan: &Plan, segment: Share) -> Result<Self, WorkloadError> {
        let target = traffic_target(plan)?;
        let operations = Operation::compile_all(plan, target)?;
        let mut next = 0;
        let flows = plan.flows.iter().map(|flow| {
            let steps = u16::try_from(flow.steps.len()).expect("a plan has fewer than 65,536 steps");
            let first = next;
            next += steps;
            Flow { first, steps }
        });
        Ok(Self {
            operations,
            flows: flows.collect(),
            phases: compile_phases(plan, segment)?,
            users: plan.users.count,
            segment,
            weights: Weights::new(plan.flows.iter().map(|flow| flow.weight)),
        })
    }

    /// The number of (phase, operation) pairs, and so of cells.
    pub(crate) fn cells(&self) -> usize {
        self.phases.len() * self.operations.len()
    }

    /// The cell of an operation in a phase.
    pub(crate) fn cell(&self, phase: u16, operation: u16) -> usize {
        usize::from(phase) * self.operations.len() + usize::from(operation)
    }

    /// The phase and operation of a cell.
    pub(crate) fn place(&self, cell: usize) -> (u32, u32) {
        let (phase, operation) = (cell / self.operations.len(), cell % self.operations.len());
        (phase as u32, operation as u32)
    }

    /// The flow that iteration `number` of `owner` takes in `phase`; open arrivals belong to owner 0.
    pub(crate) fn flow(&self, phase: u16, owner: u64, number: u64) -> u16 {
        if self.flows.len() == 1 {
            return 0;
        }
        self.weights.choose(self.phases[usize::from(phase)].flow_draws.of(owner), number)
    }

    /// When the last phase ends.
    pub(crate) fn end(&self) -> i64 {
        self.phases.last().map_or(0, |phase| phase.end)
    }
}

impl Crowd {
    /// When user `index` (from 0, in the whole plan) starts, from the start of the phase.
    pub(crate) fn spawned_at(&self, index: u64) -> i64 {
        self.spawn_rate.map_or(0, |rate| (index as f64 / rate * 1e9).min(NEVER as f64 / 4.0) as i64)
    }

    /// How many iterations fall to a worker.
    pub(crate) fn quota(&self, worker: Share) -> Option<u64> {
        self.iterations.map(|iterations| worker.iterations_of(iterations, self.users))
    }
}

pub(crate) fn traffic_target(plan: &Plan) -> Result<&Target, WorkloadError> {
    let idle = plan.phases.is_empty() || plan.flows.iter().all(|flow| flow.steps.is_empty());
    plan.target.as_ref().filter(|_| !idle).ok_or(WorkloadError::NoTraffic)
}

fn compile_phases(plan: &Plan, segment: Share) -> Result<Vec<Phase>, WorkloadError> {
    let (mut start, mut first_user) = (0, 0);
    let mut phases = Vec::new();
    for (index, phase) in plan.phases.iter().enumerate() {
        if start == NEVER {
            return Err(WorkloadError::EndlessPhase { phase: plan.phases[index - 1].name.clone() });
        }
        let end = phase.duration.map_or(NEVER, |length| start.saturating_add(nanos(length)));
        let seeds = Draws::new(plan.seed, index as u64);
        let (load, planned) = match &phase.load {
            Load::Open { rate, arrivals } => {
                let schedule = Schedule::new(rate, *arrivals, phase.duration.unwrap_or_default(), seeds.bits(0));
                let (all, peak) = (schedule.count(), schedule.peak() / segment.count() as f64);
                let load = PhaseLoad::Open { schedule, first_user, peak };
                first_user += all;
                (load, Some(segment.part_of(all)))
            }
            Load::Closed { users, spawn_rate, think, iterations } => {
                let users = u64::from(users.get());
                let iterations = iterations.map(|iterations| segment.iterations_of(iterations.get(), users));
                let spawn_rate = spawn_rate.map(plimsoll_plan::Rate::as_per_second).filter(|rate| *rate > 0.0);
                let (users, draws) = (segment.part_of(users), seeds.of(2));
                (PhaseLoad::Closed(Crowd { users, spawn_rate, think: *think, iterations, draws }), iterations)
            }
        };
        phases.push(Phase { name: phase.name.clone(), start, end, planned, load, flow_draws: seeds.of(1) });
        start = end;
    }
    Ok(phases)
}

/// A duration in nanoseconds, at the end of the range when it is longer than that.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}
