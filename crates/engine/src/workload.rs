//! A plan compiled for the engine: operations, flows, and phases on one time axis from 0.
//!
//! Shared by all workers and never changed. It knows no clock: times are nanoseconds from the start of the traffic.

mod crowd;
mod phases;

use std::num::NonZeroU64;
use std::time::Duration;

use plimsoll_plan::{Plan, Target};

use crate::answer::CheckTable;
use crate::draw::Weights;
use crate::feed::Arrival;
use crate::names::Names;
use crate::request::{CompileError, Operation};
use crate::runnable;
use crate::schedule::Share;
use crate::visit::{Iteration, Origin, Visit};
pub(crate) use crowd::Crowd;
pub(crate) use phases::{Phase, PhaseLoad};

/// The end of a phase that ends with its iterations.
pub(crate) const NEVER: i64 = i64::MAX;

/// Why a plan cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// There is nowhere to send traffic.
    #[error("the plan makes no traffic; give it a [target], [[phases]] and [flows]")]
    NoTraffic,
    /// A phase without an end stands before one that starts when it ends.
    #[error(
        "phase `{phase}` ends with its iterations, so when `{next}` starts is not known; give `{next}` a start, or \
         `{phase}` a duration"
    )]
    UnknownStart {
        /// The phase.
        phase: String,
        /// The one after it.
        next: String,
    },
    /// Only the number of recorded arrivals is known, not their times.
    #[error(
        "phase `{phase}` replays {file}, but the plan of a run directory does not hold its times; run the plan file"
    )]
    NoTimes {
        /// The phase.
        phase: String,
        /// The file of the times.
        file: String,
    },
    /// The plan asks for something that this engine does not do yet.
    #[error("{place} has {what}, which cannot be run yet; leave it out")]
    NotYet {
        /// Where.
        place: String,
        /// What.
        what: &'static str,
    },
    /// Only path and hash of a data file are known.
    #[error("the plan of a run directory does not hold the rows of [data.{set}]; run the plan file")]
    NoRows {
        /// The set.
        set: String,
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
    /// Where the checks of each operation stand in the record.
    pub(crate) checks: CheckTable,
    /// The part of the plan that is this generator's own.
    pub(crate) segment: Share,
    /// What visits begin with.
    pub(crate) origin: Origin,
    weights: Weights,
}

/// A flow: a run of consecutive operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) first: u16,
    pub(crate) steps: u16,
}

impl Workload {
    pub(crate) fn compile(plan: &Plan, segment: Share) -> Result<Self, WorkloadError> {
        let target = traffic_target(plan)?;
        runnable::check(plan, target)?;
        let phases = phases::compile(plan, segment)?;
        let iterations: Vec<_> = phases.iter().map(Phase::iterations).collect();
        let operations = Operation::compile_all(plan, target, &Names::compile(plan, &iterations)?)?;
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
            phases,
            origin: Origin::new(plan.seed, plan.users.cookies),
            users: plan.users.count,
            checks: CheckTable::of(plan),
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
        self.weights.choose(self.phases[usize::from(phase)].flow_draws().of(owner), number)
    }

    /// Who goes through a flow on an arrival.
    pub(crate) fn visit(&self, arrival: &Arrival) -> Visit {
        self.origin.visit(Iteration { user: arrival.user, phase: arrival.phase, number: 1, ordinal: 0 })
    }

    /// When the last phase ends.
    pub(crate) fn end(&self) -> i64 {
        self.phases.iter().map(|phase| phase.end).max().unwrap_or(0)
    }

    /// The most of something that phases ask for at the same time.
    pub(crate) fn most_at_once(&self, asked: impl Fn(&PhaseLoad) -> f64) -> f64 {
        let together = |at: i64| self.phases.iter().filter(move |phase| phase.start <= at && at < phase.end);
        let asked_at = |at| together(at).map(|phase| asked(&phase.load)).sum::<f64>();
        self.phases.iter().map(|phase| asked_at(phase.start)).fold(0.0, f64::max)
    }
}

pub(crate) fn traffic_target(plan: &Plan) -> Result<&Target, WorkloadError> {
    let idle = plan.phases.is_empty() || plan.flows.iter().all(|flow| flow.steps.is_empty());
    plan.target.as_ref().filter(|_| !idle).ok_or(WorkloadError::NoTraffic)
}

/// A duration in nanoseconds, at the end of the range when it is longer than that.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}
