//! An open phase: two cursors over one schedule.
//!
//! One hands arrivals out, the other counts those whose time has come, so a backlog of any length costs no memory.

use super::Arrival;
use crate::schedule::Cursor;
use crate::workload::Workload;

#[derive(Debug)]
pub(super) struct OpenSource {
    phase: u16,
    start: i64,
    first_user: u64,
    head: Cursor,
    counted: Cursor,
}

impl OpenSource {
    pub(super) fn new(phase: u16, start: i64, first_user: u64, arrivals: Cursor) -> Self {
        Self { phase, start, first_user, head: arrivals.clone(), counted: arrivals }
    }

    pub(super) fn next_due(&self) -> Option<i64> {
        self.head.peek().map(|planned| self.time(planned.at_ns))
    }

    /// The next arrival, whether it is due or not.
    pub(super) fn take(&mut self, work: &Workload) -> Option<Arrival> {
        let planned = self.head.next()?;
        let user = (self.first_user + planned.index) % work.users.get() + 1;
        let flow = work.flow(self.phase, 0, planned.index);
        Some(Arrival { intended: self.time(planned.at_ns), user, session: 0, phase: self.phase, flow })
    }

    pub(super) fn count(&mut self, before: i64, work: &Workload, due: &mut [u64]) {
        while let Some(planned) = self.counted.peek()
            && self.time(planned.at_ns) < before
        {
            self.counted.next();
            let flow = work.flow(self.phase, 0, planned.index);
            due[work.cell(self.phase, work.flows[usize::from(flow)].first)] += 1;
        }
    }

    pub(super) fn backlog(&self) -> u64 {
        self.counted.taken() - self.head.taken().min(self.counted.taken())
    }

    fn time(&self, at_ns: u64) -> i64 {
        self.start.saturating_add_unsigned(at_ns)
    }
}
