//! The run under judgement: its facts, its plan, and the request log, read once when first needed.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use plimsoll_plan::Plan;
use plimsoll_record::files::{EndReason, ReadError};
use plimsoll_record::requests::RequestLog;
use plimsoll_record::summary::{Facts, Scope, Totals};

use crate::baseline::Baseline;

/// Everything a criterion may look at.
#[derive(Debug)]
pub(crate) struct JudgedRun<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) plan: &'a Plan,
    requests: OnceCell<Option<RequestLog>>,
    /// Most criteria of a plan share a scope, and merging histograms is what judging costs.
    totals: RefCell<Vec<(Scope, Rc<Totals>)>>,
    /// Earlier runs to compare with; they have none of their own.
    pub(crate) baselines: Vec<JudgedRun<'a>>,
}

impl<'a> JudgedRun<'a> {
    pub(crate) fn new(facts: &'a Facts, plan: &'a Plan) -> Self {
        Self { facts, plan, requests: OnceCell::new(), totals: RefCell::default(), baselines: Vec::new() }
    }

    /// The same, to be compared with earlier runs.
    pub(crate) fn against(self, baselines: &[Baseline<'a>]) -> Self {
        let baselines = baselines.iter().map(|baseline| Self::new(baseline.facts, baseline.plan)).collect();
        Self { baselines, ..self }
    }

    /// True when the plan makes traffic; one that only watches has no phases.
    pub(crate) fn makes_traffic(&self) -> bool {
        !self.plan.phases.is_empty()
    }

    /// True when loadgen ended the load because a criterion was lost.
    pub(crate) fn was_given_up(&self) -> bool {
        let end = self.facts.traffic.as_ref().and_then(|traffic| traffic.end.as_ref());
        end.is_some_and(|end| end.reason == EndReason::Stopped)
    }

    /// The totals of a scope, summed up once.
    pub(crate) fn totals(&self, scope: &Scope) -> Rc<Totals> {
        if let Some((_, totals)) = self.totals.borrow().iter().find(|(known, _)| known == scope) {
            return Rc::clone(totals);
        }
        let totals = Rc::new(self.facts.totals(scope));
        self.totals.borrow_mut().push((scope.clone(), Rc::clone(&totals)));
        totals
    }

    /// The request log; `None` when there is none.
    pub(crate) fn requests(&self) -> Result<Option<&RequestLog>, ReadError> {
        if self.requests.get().is_none() {
            let read = self.facts.requests()?;
            return Ok(self.requests.get_or_init(|| read).as_ref());
        }
        Ok(self.requests.get().and_then(Option::as_ref))
    }
}
