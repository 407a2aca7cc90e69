//! A plan compiled for the engine: operations, flows, and phases on one time axis from 0.
//!
//! Shared by all workers and never changed. It knows no clock: times are nanoseconds from the start of the traffic.

mod crowd;
mod phases;

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use plimsoll_plan::{Condition, HttpVersion, Plan, Poll, Request, Session, Store, Target, Template, Tls};

use url::Url;

use crate::answer::{CheckTable, Examination, ExamineError, Keeping, Test};
use crate::coded::Code;
use crate::data::Set;
use crate::draw::Weights;
use crate::feed::Arrival;
use crate::holes;
use crate::integrity::Integrity;
use crate::names::{Names, Slot};
use crate::payload::Contents;
use crate::program::{Program, Texts};
use crate::request::{CompileError, Operation};
use crate::schedule::Share;
use crate::store::Call;
use crate::text::{Place, Text};
use crate::visit::{Known, Origin, Visit};
pub(crate) use crowd::Crowd;
pub(crate) use phases::{Phase, PhaseLoad};

/// The end of a phase that ends with its iterations.
pub(crate) const NEVER: i64 = i64::MAX;
/// Iterations that may be under way at once in a plan without HTTP.
const AT_ONCE: NonZeroU32 = NonZeroU32::new(10_000).expect("a constant above zero");

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
    /// Only path and hash of a data file are known.
    #[error("the plan of a run directory does not hold the rows of [data.{set}]; run the plan file")]
    NoRows {
        /// The set.
        set: String,
    },
    /// The answers to a step cannot be examined.
    #[error(transparent)]
    Examine(#[from] ExamineError),
    /// A step cannot be sent.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// A plan, compiled.
#[derive(Debug)]
pub(crate) struct Workload {
    /// The target of HTTP.
    pub(crate) url: Url,
    /// The stores, and what each operation asks of one; `None` for requests of HTTP.
    pub(crate) stores: Vec<Store>,
    pub(crate) calls: Vec<Option<Call>>,
    /// No operation needs a connection of HTTP.
    pub(crate) only_stores: bool,
    payloads: Vec<Arc<Contents>>,
    /// Sets of keys that are written and read.
    pub(crate) integrity: Integrity,
    pub(crate) operations: Vec<Operation>,
    /// What is looked at in the answers to each operation.
    pub(crate) examinations: Vec<Examination>,
    /// What sending each operation involves.
    pub(crate) steps: Vec<StepFacts>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) users: NonZeroU64,
    /// Where the checks of each operation stand in the record.
    pub(crate) checks: CheckTable,
    pub(crate) session: Option<Session>,
    /// What visits begin with.
    pub(crate) origin: Origin,
    /// Whether users of closed phases have something to remember from one iteration to the next.
    pub(crate) remembers: bool,
    /// Whether every flow begins with a request, at once.
    pub(crate) begins_with_requests: bool,
    pub(crate) texts: CompiledTexts,
    /// The part of the plan that is this generator's own.
    pub(crate) segment: Share,
    weights: Weights,
    /// Where variables stand in a visit.
    pub(crate) slots: HashMap<String, Slot>,
}

/// What sending a request involves beside the request itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepFacts {
    pub(crate) redirects: u8,
    pub(crate) poll: Option<PollFacts>,
}

/// How a request is polled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollFacts {
    pub(crate) every: i64,
    pub(crate) timeout: i64,
}

impl StepFacts {
    fn of(request: &Request) -> Self {
        let poll = |poll: &Poll| PollFacts { every: nanos(poll.every), timeout: nanos(poll.timeout) };
        Self { redirects: request.redirects, poll: request.poll.as_ref().map(poll) }
    }
}

/// A flow.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) program: Program,
    /// The operation that every iteration begins with at once; `None` where that has to be found out.
    pub(crate) first: Option<u16>,
    /// How far apart a closed user starts iterations.
    pub(crate) pacing: Option<i64>,
    /// Data without whose rows no iteration begins.
    pub(crate) ends_with: Vec<Arc<Set>>,
    /// The function that goes through it in place of its steps. Then `program` is only what it begins with.
    pub(crate) code: Option<Arc<Code>>,
}

impl Workload {
    pub(crate) fn compile(plan: &Plan, segment: Share) -> Result<Self, WorkloadError> {
        let target = &*traffic_target(plan)?;
        let phases = phases::compile(plan, segment)?;
        let iterations: Vec<_> = phases.iter().map(Phase::iterations).collect();
        let names = Names::compile(plan, &iterations)?;
        let operations = Operation::compile_all(plan, target, &names)?;
        let mut texts = Texts::default();
        let flows = plan.flows.iter().map(|flow| {
            let program = Program::compile(&flow.steps, &mut texts);
            let ends_with = names.sets().that_end(holes::of_flow(flow, Some(target)));
            let first = program.first_operation().filter(|_| ends_with.is_empty());
            Flow { first, program, pacing: flow.pacing.map(nanos), ends_with, code: None }
        });
        let flows: Vec<Flow> = flows.collect();
        let keeping = Keeping { headers: plan.users.cookies, failed_bodies: plan.generator.failed_bodies };
        let requests = plan.operation_list();
        let examinations = requests.iter().map(|operation| Examination::compile(operation.request, &names, keeping));
        let examinations = examinations.collect::<Result<_, ExamineError>>()?;
        let calls: Vec<Option<Call>> =
            requests.iter().map(|operation| Call::compile(operation.request, plan, &names)).collect();
        Ok(Self {
            url: target.url.clone(),
            stores: plan.stores.clone(),
            only_stores: calls.iter().all(Option::is_some),
            calls,
            payloads: names.payloads().to_vec(),
            integrity: Integrity::compile(plan, &names),
            operations,
            examinations,
            steps: requests.iter().map(|operation| StepFacts::of(operation.request)).collect(),
            begins_with_requests: flows.iter().all(|flow| flow.first.is_some()),
            texts: CompiledTexts::compile(&texts, &names),
            flows,
            phases,
            users: plan.users.count,
            checks: CheckTable::of(plan),
            session: plan.users.session,
            origin: Origin::new(plan.seed, plan.users.cookies),
            remembers: plan.users.cookies || names.count() > 0,
            segment,
            weights: Weights::new(plan.flows.iter().map(|flow| flow.weight)),
            slots: names.slots().clone(),
        })
    }

    /// Makes what is handed out during the load, so that no arrival waits for it.
    pub(crate) fn make_payloads(&self) {
        self.payloads.iter().for_each(|payload| payload.make());
    }

    /// From now on every visit begins with this.
    pub(crate) fn know(&mut self, known: &Known) {
        self.origin = self.origin.clone().knowing(Arc::clone(known));
    }

    /// From now on a function goes through a flow. Where the flow has no request, nothing changes.
    pub(crate) fn run_code(&mut self, flow: usize, code: Code, operations: impl Iterator<Item = u16>) {
        let Flow { first, program, ends_with, code: place, .. } = &mut self.flows[flow];
        *program = Program::only(code.first());
        *first = program.first_operation().filter(|_| ends_with.is_empty());
        *place = Some(Arc::new(code));
        self.begins_with_requests = self.flows.iter().all(|flow| flow.first.is_some());
        for operation in operations {
            self.examinations[usize::from(operation)].keep_all();
        }
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

    /// The flow of an arrival.
    #[inline]
    pub(crate) fn flow_of(&self, arrival: &Arrival) -> &Flow {
        &self.flows[usize::from(arrival.flow)]
    }

    /// How an operation is polled that is.
    pub(crate) fn poll(&self, operation: u16) -> PollFacts {
        self.steps[usize::from(operation)].poll.expect("polls are compiled from requests with a poll")
    }

    /// The program of a flow.
    #[inline]
    pub(crate) fn program(&self, flow: u16) -> &Program {
        &self.flows[usize::from(flow)].program
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

/// Where requests of HTTP go. For a plan that only loads stores it is a place that nothing is sent to, and its
/// connections are as many operations as may be under way at once.
pub(crate) fn traffic_target(plan: &Plan) -> Result<Cow<'_, Target>, WorkloadError> {
    let idle = plan.phases.is_empty() || plan.flows.iter().all(|flow| flow.steps.is_empty());
    match &plan.target {
        _ if idle => Err(WorkloadError::NoTraffic),
        Some(target) => Ok(Cow::Borrowed(target)),
        None if plan.stores.is_empty() => Err(WorkloadError::NoTraffic),
        None => Ok(Cow::Owned(nowhere(plan))),
    }
}

fn nowhere(plan: &Plan) -> Target {
    let longest = |time: fn(&Store) -> Duration| plan.stores.iter().map(time).max().unwrap_or_default();
    Target {
        url: Url::parse("http://127.0.0.1:9").expect("a constant URL"),
        health: None,
        headers: Vec::new(),
        auth: None,
        timeout: longest(|store| store.timeout),
        connect_timeout: longest(|store| store.connect_timeout),
        first_byte_timeout: None,
        connections: AT_ONCE,
        http: HttpVersion::One,
        streams: NonZeroU32::MIN,
        tls: Tls::default(),
        local_addresses: Vec::new(),
    }
}

/// A duration in nanoseconds, at the end of the range when it is longer than that.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// Conditions and values of programs.
#[derive(Debug)]
pub(crate) struct CompiledTexts {
    conditions: Vec<Test>,
    sets: Vec<Vec<(Option<Slot>, Text)>>,
}

impl CompiledTexts {
    fn compile(texts: &Texts, names: &Names) -> Self {
        let test = |condition: &Condition| Test::compile(condition, names);
        let value = |(name, value): &(String, Template)| (names.slot(name), Text::compile(value, names, Place::Plain));
        let values = |set: &Vec<_>| set.iter().map(value).collect();
        Self { conditions: texts.conditions.iter().map(test).collect(), sets: texts.sets.iter().map(values).collect() }
    }

    /// Whether a condition holds for a visit.
    pub(crate) fn holds(&self, condition: u16, visit: &Visit) -> bool {
        self.conditions[usize::from(condition)].holds_without_answer(visit)
    }

    /// Gives variables their values, in order; false when a value is missing.
    pub(crate) fn set(&self, set: u16, visit: &mut Visit) -> bool {
        let mut scratch = BytesMut::new();
        self.sets[usize::from(set)].iter().all(|(slot, text)| match (slot, text.value(visit, &mut scratch)) {
            (Some(slot), Ok(value)) => {
                visit.set(*slot, value);
                true
            }
            _ => false,
        })
    }
}
