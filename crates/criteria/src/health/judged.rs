//! What the criteria look at, all together: their phases, or the whole run. The generator's health is judged there.

use plimsoll_plan::Criterion;
use plimsoll_record::latency::Histogram;
use plimsoll_record::ledger::Ledger;
use plimsoll_record::summary::{Scope, Window};
use plimsoll_record::traffic::PhaseFact;

use crate::run::JudgedRun;

/// What the criteria look at, all together: their phases, or the whole run.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) window: Window,
    pub(super) ledger: Ledger,
    pub(super) service: Histogram,
    /// Of phases that came to their end and whose arrivals the plan fixes: planned, and what became of them.
    pub(super) planned: Option<u64>,
    pub(super) planned_ledger: Ledger,
}

impl Judged {
    pub(super) fn of(run: &JudgedRun<'_>, criteria: &[Criterion]) -> Self {
        let phases = run.facts.traffic.as_ref().map_or(&[][..], |traffic| &traffic.header.body.phases);
        let whole_run = criteria.is_empty() || criteria.iter().any(|criterion| criterion.scope.phases.is_empty());
        let named = |name: &str| criteria.iter().any(|criterion| criterion.scope.covers(name));
        let mut judged = Self::default();
        let mut hull: Option<Window> = None;
        for ((index, phase), window) in (0..).zip(phases).zip(run.facts.phase_windows()) {
            if whole_run || named(&phase.name) {
                let from = hull.map_or(window.from, |hull| hull.from.min(window.from));
                let to = hull.map_or(window.to, |hull| hull.to.max(window.to));
                hull = Some(Window { from, to });
                judged.add(run, index, phase, window);
            }
        }
        judged.window = hull.filter(|_| !whole_run).or(run.facts.run_window()).unwrap_or_default();
        judged
    }

    fn add(&mut self, run: &JudgedRun<'_>, index: u32, phase: &PhaseFact, window: Window) {
        let totals = run.totals(&Scope { phase: Some(index), ..Scope::default() });
        self.ledger.merge(&totals.ledger);
        self.service.merge(&totals.served.service);
        let came_to_its_end = phase.end_ns.is_none_or(|end| window.to >= end);
        if let (Some(planned), true) = (phase.planned_arrivals, came_to_its_end) {
            self.planned = Some(self.planned.unwrap_or(0) + planned);
            self.planned_ledger.merge(&totals.ledger);
        }
    }
}
