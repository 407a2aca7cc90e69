//! An open phase: two cursors over one schedule.
//!
//! One hands arrivals out, the other counts those whose time has come, so a backlog of any length costs no memory.

use super::Arrival;
use super::threshold::Threshold;
use crate::schedule::{Cursor, Planned};
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

    /// The next arrival, whether it is due or not, and whether it was counted.
    pub(super) fn take(&mut self, work: &Workload) -> Option<(Arrival, bool)> {
        let planned = self.head.next()?;
        Some((self.arrival(planned, work), self.head.taken() <= self.counted.taken()))
    }

    /// Counts arrivals that came due before `before`, and were not taken before.
    pub(super) fn count(&mut self, before: i64, threshold: &mut Threshold<'_>) {
        while let Some(planned) = self.counted.peek()
            && self.time(planned.at_ns) < before
        {
            self.counted.next();
            if self.counted.taken() > self.head.taken() {
                threshold.count(&self.arrival(planned, threshold.work));
            }
        }
    }

    /// Hands those that were counted and not taken to `each`.
    pub(super) fn each_waiting(&self, work: &Workload, mut each: impl FnMut(Arrival)) {
        let mut waiting = self.head.clone();
        while waiting.taken() < self.counted.taken()
            && let Some(planned) = waiting.next()
        {
            each(self.arrival(planned, work));
        }
    }

    fn arrival(&self, planned: Planned, work: &Workload) -> Arrival {
        let turn = self.first_user + planned.index;
        Arrival {
            intended: self.time(planned.at_ns),
            user: turn % work.users.get() + 1,
            session: 0,
            phase: self.phase,
            flow: work.flow(self.phase, 0, planned.index),
            number: turn / work.users.get() + 1,
            ordinal: planned.index,
        }
    }

    fn time(&self, at_ns: u64) -> i64 {
        self.start.saturating_add_unsigned(at_ns)
    }
}
