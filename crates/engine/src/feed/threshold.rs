//! Where arrivals become iterations: what each of them begins with, and what of it is counted as scheduled when.
//!
//! Most flows begin with a request, and that is known beforehand: such an arrival stays an arrival. Where a flow begins
//! with a pause, a choice or a group, its iteration is begun here, as far as its first request.

use super::{Arrival, Due};
use crate::journey::{Ahead, Begun, Journey};
use crate::paused::Paused;
use crate::visit::Visit;
use crate::workload::Workload;

/// An iteration that has no request to make takes at least so long, or one user would keep a worker from all others.
const EMPTY: i64 = 100_000_000;

/// What is due and was not handed out.
#[derive(Debug)]
pub(super) struct Entries {
    /// By cell: counted as scheduled since the last report.
    pub(super) due: Vec<u64>,
    /// Counted as scheduled and not handed out.
    pub(super) waiting: u64,
}

impl Entries {
    pub(super) fn new(cells: usize) -> Self {
        Self { due: vec![0; cells], waiting: 0 }
    }

    /// One more is scheduled.
    pub(super) fn schedule(&mut self, cell: usize) {
        self.due[cell] += 1;
    }

    /// One more is scheduled, and waits to be handed out.
    pub(super) fn wait(&mut self, cell: usize) {
        self.due[cell] += 1;
        self.waiting += 1;
    }
}

/// What closed users remember from one iteration to the next, by phase and user. Empty where there is nothing.
#[derive(Debug, Default)]
pub(super) struct Memory {
    phases: Vec<Vec<Option<Box<Visit>>>>,
}

impl Memory {
    pub(super) fn of_phases(users: impl Iterator<Item = usize>) -> Self {
        let nobody = |users| (0..users).map(|_| None).collect();
        Self { phases: users.map(nobody).collect() }
    }

    fn place(&mut self, arrival: &Arrival) -> Option<&mut Option<Box<Visit>>> {
        self.phases.get_mut(usize::from(arrival.phase))?.get_mut(arrival.session as usize)
    }

    pub(super) fn keep(&mut self, arrival: &Arrival, visit: Visit) {
        if let Some(place) = self.place(arrival) {
            *place = Some(Box::new(visit));
        }
    }

    pub(super) fn forget(&mut self, arrival: &Arrival) {
        if let Some(place) = self.place(arrival) {
            *place = None;
        }
    }

    fn take(&mut self, arrival: &Arrival) -> Option<Visit> {
        self.place(arrival)?.take().map(|visit| *visit)
    }

    pub(super) fn look(&mut self, arrival: &Arrival) -> Option<Visit> {
        self.place(arrival)?.as_deref().cloned()
    }
}

/// Everything an arrival meets on its way in.
pub(super) struct Threshold<'a> {
    pub(super) work: &'a Workload,
    pub(super) entries: &'a mut Entries,
    pub(super) paused: &'a mut Paused,
    pub(super) memory: &'a mut Memory,
    /// Iterations that ended without a request, and when.
    pub(super) over: &'a mut Vec<(Box<Journey>, i64)>,
    /// How many iterations could not go on although no request of theirs failed.
    pub(super) cut_short: &'a mut u64,
}

impl Threshold<'_> {
    /// Counts an arrival whose time has come as scheduled. False when it need not wait to be handed out: it pauses
    /// first, or has nothing to do.
    pub(super) fn count(&mut self, arrival: &Arrival) -> bool {
        if let Some(first) = self.work.flow_of(arrival).first {
            self.entries.wait(self.work.cell(arrival.phase, first));
            return true;
        }
        let memory = self.memory.look(arrival);
        let mut journey = Journey::new(self.work, *arrival, memory);
        let ahead = journey.begin(self.work);
        if ahead.next.is_work() && ahead.at == arrival.intended {
            let Self { work, entries, .. } = self;
            journey.each_due(work, &mut |entry| entries.wait(work.cell(arrival.phase, entry.operation)));
            return true;
        }
        self.memory.forget(arrival);
        self.send_away(Box::new(journey), ahead);
        false
    }

    /// Lets an arrival in: what is to be handed out, if it does not pause first. `counted` says whether
    /// [`Self::count`] saw it.
    pub(super) fn enter(&mut self, arrival: Arrival, counted: bool) -> Option<Due> {
        if let Some(first) = self.work.flow_of(&arrival).first {
            if counted {
                self.entries.waiting -= 1;
            } else {
                self.entries.schedule(self.work.cell(arrival.phase, first));
            }
            return Some(if self.work.remembers {
                let memory = self.memory.take(&arrival);
                let journey = Box::new(Journey::new(self.work, arrival, memory));
                Due::Journey { journey, intended: arrival.intended, begun: Begun::REQUEST }
            } else {
                Due::Fresh(arrival)
            });
        }
        let memory = self.memory.take(&arrival);
        let mut journey = Box::new(Journey::new(self.work, arrival, memory));
        let ahead = journey.begin(self.work);
        if ahead.next.is_work() && ahead.at == arrival.intended {
            return Some(self.hand_out(journey, arrival.intended, counted));
        }
        if !counted {
            self.send_away(journey, ahead);
        }
        None
    }

    /// An iteration is handed out: what it stands before waits no longer, or is counted now.
    pub(super) fn hand_out(&mut self, mut journey: Box<Journey>, intended: i64, counted: bool) -> Due {
        let Self { work, entries, .. } = self;
        let (phase, mut begun) = (journey.arrival.phase, Begun::default());
        journey.each_due(work, &mut |entry| {
            begun.add(entry);
            if counted {
                entries.waiting -= 1;
            } else {
                entries.schedule(work.cell(phase, entry.operation));
            }
        });
        Due::Journey { journey, intended, begun }
    }

    fn send_away(&mut self, journey: Box<Journey>, ahead: Ahead) {
        if ahead.next.is_work() {
            self.paused.put(ahead.at, journey);
            return;
        }
        *self.cut_short += u64::from(ahead.next.failure().is_some());
        let least = journey.arrival.intended.saturating_add(EMPTY);
        self.over.push((journey, ahead.at.max(least)));
    }
}
