//! The run under judgement: its facts, its plan, and the request log, read once when first needed.

use std::cell::OnceCell;

use plimsoll_plan::Plan;
use plimsoll_record::files::ReadError;
use plimsoll_record::requests::RequestLog;
use plimsoll_record::summary::Facts;

/// Everything a criterion may look at.
#[derive(Debug)]
pub(crate) struct JudgedRun<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) plan: &'a Plan,
    requests: OnceCell<Option<RequestLog>>,
}

impl<'a> JudgedRun<'a> {
    pub(crate) fn new(facts: &'a Facts, plan: &'a Plan) -> Self {
        Self { facts, plan, requests: OnceCell::new() }
    }

    /// True when the plan makes traffic; one that only watches has no phases.
    pub(crate) fn makes_traffic(&self) -> bool {
        !self.plan.phases.is_empty()
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
