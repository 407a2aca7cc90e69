//! Names of a plan resolved once: a variable to its slot, a column to its place, a hole to where its value is found.
//!
//! One table serves the whole plan, `[setup]` and `[teardown]` included, so that a slot means the same everywhere.
//! Nothing here has values: those are a [`Visit`](crate::visit::Visit)'s.

use std::collections::HashMap;
use std::sync::Arc;

use plimsoll_plan::{Action, Hole, Plan, Step, UserPattern};

use crate::data::{Column, Sets};
use crate::payload::Contents;
use crate::random::Drawn;
use crate::workload::WorkloadError;

/// Where a variable stands in a visit.
pub(crate) type Slot = u16;

/// The names of a plan.
#[derive(Debug)]
pub(crate) struct Names {
    slots: HashMap<String, Slot>,
    users: Arc<UserPattern>,
    sets: Sets,
    payloads: Vec<Arc<Contents>>,
}

/// A hole whose name was looked up.
#[derive(Clone, Debug)]
pub(crate) enum CompiledHole {
    /// The user's identity.
    UserId(Arc<UserPattern>),
    /// The user's number, from 1.
    UserNumber,
    /// Which of its iterations the user is in, from 1.
    Iteration,
    /// Which turn of the innermost loop, or which copy, from 1.
    Turn,
    /// Drawn anew each time it is asked for.
    Random(Drawn),
    /// A column of the row the iteration took.
    Data(Column),
    /// A variable.
    Variable(Slot),
    /// A payload.
    Payload(Arc<Contents>),
    /// The number of the key that the step writes or reads.
    IntegrityKey,
    /// What the step writes.
    IntegrityValue,
    /// The time of the machine's monotonic clock.
    Now,
    /// A name that nothing in the plan gives: never there.
    Nowhere,
}

impl Names {
    /// The names of `plan`, and its data: its phases make so many iterations each.
    pub(crate) fn compile(plan: &Plan, iterations: &[Option<u64>]) -> Result<Self, WorkloadError> {
        let sets =
            Sets::compile(&plan.data, iterations).map_err(|missing| WorkloadError::NoRows { set: missing.set })?;
        Ok(Self::of(plan, sets))
    }

    /// All names that steps of `plan` capture or set, and its data.
    pub(crate) fn of(plan: &Plan, sets: Sets) -> Self {
        let mut slots = HashMap::new();
        let mut add = |name: &str| {
            let next = Slot::try_from(slots.len()).expect("a plan has fewer than 65,536 variables");
            slots.entry(name.to_owned()).or_insert(next);
        };
        for steps in [&plan.setup].into_iter().chain(plan.flows.iter().map(|flow| &flow.steps)).chain([&plan.teardown])
        {
            given_by(steps, &mut add);
        }
        Self { slots, users: Arc::new(plan.users.id.clone()), sets, payloads: Contents::of(plan) }
    }

    /// The slot of a variable that some step gives.
    pub(crate) fn slot(&self, name: &str) -> Option<Slot> {
        self.slots.get(name).copied()
    }

    /// All variables.
    pub(crate) fn slots(&self) -> &HashMap<String, Slot> {
        &self.slots
    }

    /// How many variables there are.
    pub(crate) fn count(&self) -> usize {
        self.slots.len()
    }

    /// How users are named.
    pub(crate) fn users(&self) -> &UserPattern {
        &self.users
    }

    /// The plan's data.
    pub(crate) fn sets(&self) -> &Sets {
        &self.sets
    }

    /// A payload of the plan.
    pub(crate) fn payload(&self, name: &str) -> Option<&Arc<Contents>> {
        self.payloads.iter().find(|payload| payload.name() == name)
    }

    /// All payloads.
    pub(crate) fn payloads(&self) -> &[Arc<Contents>] {
        &self.payloads
    }

    /// Looks up what a hole names.
    pub(crate) fn hole(&self, hole: &Hole) -> CompiledHole {
        match hole {
            Hole::UserId => CompiledHole::UserId(Arc::clone(&self.users)),
            Hole::UserNumber => CompiledHole::UserNumber,
            Hole::Iteration => CompiledHole::Iteration,
            Hole::Turn => CompiledHole::Turn,
            Hole::Random(random) => CompiledHole::Random(Drawn::new(random)),
            Hole::Data(set, column) => self.sets.column(set, column).map_or(CompiledHole::Nowhere, CompiledHole::Data),
            Hole::Payload(name) => {
                self.payload(name).map_or(CompiledHole::Nowhere, |payload| CompiledHole::Payload(Arc::clone(payload)))
            }
            Hole::IntegrityKey => CompiledHole::IntegrityKey,
            Hole::IntegrityValue => CompiledHole::IntegrityValue,
            Hole::Now => CompiledHole::Now,
            Hole::Captured(name) => self.slot(name).map_or(CompiledHole::Nowhere, CompiledHole::Variable),
        }
    }
}

/// Every name these steps give a value, at any depth.
fn given_by(steps: &[Step], add: &mut impl FnMut(&str)) {
    for step in steps {
        match &step.action {
            Action::Request(request) => request.captures.iter().for_each(|capture| add(&capture.name)),
            Action::Set(values) => values.iter().for_each(|(name, _)| add(name)),
            _ => step.inside().into_iter().for_each(|inside| given_by(inside, add)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::plan_for;
    use plimsoll_plan::{Template, Times};
    use std::num::NonZeroU32;

    fn set(name: &str) -> Step {
        Step::new(Action::Set(vec![(name.to_owned(), Template::literal("x"))]))
    }

    #[test]
    fn a_name_has_one_slot_in_setup_flows_and_teardown() {
        let mut plan = plan_for("http://localhost:1");
        let times = Times { min: 1, max: NonZeroU32::MIN };
        plan.setup = vec![set("token")];
        plan.flows[0].steps.push(Step::new(Action::Repeat { times, steps: vec![set("token"), set("id")] }));
        plan.teardown = vec![set("last")];
        let names = Names::of(&plan, Sets::none());
        let slots = ["token", "id", "last"].map(|name| names.slot(name).unwrap());
        assert_eq!((slots, names.count(), names.slot("other")), ([0, 1, 2], 3, None));
        assert!(matches!(names.hole(&Hole::Captured("id".to_owned())), CompiledHole::Variable(1)));
        assert!(matches!(names.hole(&Hole::Captured("other".to_owned())), CompiledHole::Nowhere));
    }
}
