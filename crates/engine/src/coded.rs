//! Flows as async functions: code of one's own decides what a user does next, the engine does everything else.
//!
//! The plan's flow of the same name says which requests there are: their names, paths, bodies, checks and captures, so
//! that the record's header and the criteria are complete before the first request. The function asks for them by name.
//! Arrivals, clocks, ledger, histograms, draws and connections stay the engine's.
//!
//! | file | what |
//! |---|---|
//! | `context` | what the function is given, and what it gets back |
//! | `desk` | where the function and the engine hand each other wishes and answers |
//! | `running` | one iteration of such a flow, which can be put away while its user thinks |
//! | `walk` | runs it on a slot |

mod context;
mod desk;
mod running;
mod walk;

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use plimsoll_plan::flow::requests;
use plimsoll_plan::{Flow, Plan, Request, UserPattern};
use plimsoll_record::ledger::Outcome;

use crate::names::Slot;
use crate::program::Next;

pub use context::{Context, Reply, User};
pub(crate) use running::Running;
pub(crate) use walk::walk;

/// What a function makes of a user and a context.
type Flowing = Pin<Box<dyn Future<Output = Result<(), FlowError>>>>;

/// Why a flow goes no further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// The run was stopped, or the user's phase is over: nothing more is sent.
    #[error("the run was stopped, or the user's phase is over; end the flow")]
    Stopped,
    /// A request did not end as the plan expects. It is counted as what it is; a flow that goes on all the same is
    /// free to.
    #[error("step `{step}` ended as {}", outcome.name())]
    Failed {
        /// The step.
        step: String,
        /// How it ended.
        outcome: Outcome,
        /// The status code of the answer; 0 when there was none.
        status: u16,
    },
    /// The plan's flow has no such step.
    #[error("flow `{flow}` has no step `{step}`; add it to the flow in the plan")]
    UnknownStep {
        /// The flow.
        flow: String,
        /// What was asked for.
        step: String,
    },
    /// Another step was asked for than the one whose arrival was scheduled.
    #[error(
        "flow `{flow}` begins with {asked}, but the arrival of `{first}` is scheduled; ask for it first, or put the \
         other step first in the plan"
    )]
    NotTheFirst {
        /// The flow.
        flow: String,
        /// What the function did instead.
        asked: String,
        /// The first step of the plan's flow.
        first: String,
    },
    /// No step of the plan gives this name a value.
    #[error("no step of the plan captures or sets `{name}`; add it to a step, e.g. `set = {{ {name} = \"\" }}`")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// The answer's body cannot be looked at: too large, cut off, or in an unknown encoding.
    #[error("the body of the answer cannot be looked at: {}", outcome.name())]
    Body {
        /// What is wrong with it.
        outcome: Outcome,
    },
    /// The answer's body is no JSON.
    #[error("the body of the answer is no JSON")]
    NotJson,
    /// The function's own reason; see [`FlowError::own`].
    #[error("{0}")]
    Own(String),
    /// The function panicked.
    #[error("the function panicked: {0}")]
    Panicked(String),
}

impl FlowError {
    /// A reason of one's own to end an iteration. The record says how many there were, with the first of them.
    #[must_use]
    pub fn own(reason: impl fmt::Display) -> Self {
        Self::Own(reason.to_string())
    }

    /// Whether it is in the books already, or no fault at all.
    fn is_accounted_for(&self) -> bool {
        matches!(self, Self::Stopped | Self::Failed { .. })
    }

    /// Whether the program is wrong, so that the run is no measurement.
    fn is_mistake(&self) -> bool {
        matches!(
            self,
            Self::UnknownStep { .. } | Self::NotTheFirst { .. } | Self::UnknownName { .. } | Self::Panicked(_)
        )
    }
}

/// Why a function cannot be a flow of the plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WithFlowError {
    /// The plan has no flow of this name.
    #[error("the plan has no flow `{name}`, which says the requests there are; it has {known}")]
    UnknownFlow {
        /// The name.
        name: String,
        /// The plan's flows.
        known: String,
    },
}

/// A function in the place of a flow's steps, the same for all workers.
pub(crate) struct Code {
    flow: String,
    function: Box<dyn Fn(User, Context) -> Flowing + Send + Sync>,
    /// What a step's name stands for.
    steps: HashMap<String, Next>,
    first: Next,
    slots: HashMap<String, Slot>,
    users: UserPattern,
    /// Locked only when an iteration ends with a fault.
    faults: Mutex<Faults>,
}

/// Iterations that ended with an error that is in no ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    count: u64,
    mistakes: u64,
    first: Option<String>,
}

/// What a [`Code`] is made of.
#[derive(Clone, Debug)]
pub(crate) struct CodeSetup {
    pub(crate) flow: String,
    /// The requests of the plan's flow, in its order.
    steps: Vec<(String, Next)>,
    slots: HashMap<String, Slot>,
    users: UserPattern,
}

impl CodeSetup {
    /// One for each flow of a plan, whose variables stand in these slots.
    pub(crate) fn of_plan(plan: &Plan, slots: &HashMap<String, Slot>) -> Vec<Self> {
        let mut operations = 0..;
        let mut step = |request: &Request| {
            let operation = operations.next().expect("a plan has fewer than 65,536 operations");
            let next = match &request.poll {
                None => Next::Request(operation),
                Some(_) => {
                    // The whole poll is the one behind it.
                    operations.next();
                    Next::Poll(operation)
                }
            };
            (request.name.clone(), next)
        };
        let setup = |flow: &Flow| Self {
            flow: flow.name.clone(),
            steps: requests(&flow.steps).into_iter().map(&mut step).collect(),
            slots: slots.clone(),
            users: plan.users.id.clone(),
        };
        plan.flows.iter().map(setup).collect()
    }

    /// The operations of the flow's requests.
    pub(crate) fn operations(&self) -> Vec<u16> {
        let operation = |next: &Next| match next {
            Next::Request(operation) | Next::Poll(operation) => Some(*operation),
            Next::Group(_) | Next::End | Next::Failed(_) => None,
        };
        self.steps.iter().filter_map(|(_, next)| operation(next)).collect()
    }
}

impl Code {
    /// `None` when the flow has no request.
    pub(crate) fn new<F, Fut>(setup: CodeSetup, function: F) -> Option<Self>
    where
        F: Fn(User, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), FlowError>> + 'static,
    {
        let CodeSetup { flow, steps, slots, users } = setup;
        let first = steps.first()?.1;
        let function = Box::new(move |user, context| Box::pin(function(user, context)) as Flowing);
        let (steps, faults) = (steps.into_iter().collect(), Mutex::default());
        Some(Self { flow, function, steps, first, slots, users, faults })
    }

    /// What the flow begins with.
    pub(crate) fn first(&self) -> Next {
        self.first
    }

    fn step(&self, name: &str) -> Result<Next, FlowError> {
        let unknown = || FlowError::UnknownStep { flow: self.flow.clone(), step: name.to_owned() };
        self.steps.get(name).copied().ok_or_else(unknown)
    }

    fn slot(&self, name: &str) -> Result<Slot, FlowError> {
        self.slots.get(name).copied().ok_or_else(|| FlowError::UnknownName { name: name.to_owned() })
    }

    fn name_of(&self, wanted: Next) -> String {
        let found = self.steps.iter().find(|(_, next)| **next == wanted);
        found.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    /// An iteration began with something else than the arrival that was scheduled.
    fn not_the_first(&self, asked: impl fmt::Display) -> FlowError {
        let (flow, first) = (self.flow.clone(), self.name_of(self.first));
        FlowError::NotTheFirst { flow, asked: asked.to_string(), first }
    }

    /// An iteration ended.
    fn note(&self, end: &Result<(), FlowError>) {
        let Err(error) = end else { return };
        if error.is_accounted_for() {
            return;
        }
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.count += 1;
        faults.mistakes += u64::from(error.is_mistake());
        faults.first.get_or_insert_with(|| error.to_string());
    }

    /// What went wrong so far, in a sentence for the record, and whether the program is to blame.
    pub(crate) fn faults(&self) -> Option<(String, bool)> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let first = faults.first?;
        let Faults { count, mistakes, .. } = faults;
        let iterations = if count == 1 { "1 iteration".to_owned() } else { format!("{count} iterations") };
        let text = format!("{iterations} of flow `{}` ended with an error of their own; the first: {first}", self.flow);
        Some((text, mistakes > 0))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("flow", &self.flow).finish_non_exhaustive()
    }
}
