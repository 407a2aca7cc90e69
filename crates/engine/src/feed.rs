//! Which arrival is due next on one worker, for the open and the closed model alike.
//!
//! Each phase is a source of its own: `open` walks along a schedule, `closed` knows its users. Phases may overlap,
//! and an arrival that was due before its phase ended stays due afterwards with its own intended time; whatever has
//! waited longest comes first. No clock, no I/O: callers say what time it is, in nanoseconds from the start of the
//! traffic.

mod closed;
mod open;

use std::sync::Arc;

use crate::schedule::Share;
use crate::workload::{NEVER, PhaseLoad, Workload};
use closed::ClosedSource;
use open::OpenSource;

/// One iteration of a flow that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// When it should be sent.
    pub(crate) intended: i64,
    /// The number of the user it is for, from 1.
    pub(crate) user: u64,
    /// The closed user to hand back when the iteration is over; 0 in an open phase.
    pub(crate) session: u32,
    pub(crate) phase: u16,
    pub(crate) flow: u16,
}

/// All arrivals of one worker.
#[derive(Debug)]
pub(crate) struct Feed {
    work: Arc<Workload>,
    /// One per phase, in the plan's order.
    sources: Vec<Source>,
    /// The sources by the start of their phases.
    order: Vec<usize>,
    /// How many of these, from the first one on, are over.
    over: usize,
    closed_at: i64,
    due: Vec<u64>,
}

#[derive(Debug)]
enum Source {
    Open(Box<OpenSource>),
    Closed(Box<ClosedSource>),
}

impl Feed {
    /// The arrivals of one worker of the segment.
    pub(crate) fn new(work: &Arc<Workload>, worker: Share) -> Self {
        let share = work.segment.part(worker);
        let sources = (0..).zip(&work.phases).map(|(index, phase)| match &phase.load {
            PhaseLoad::Open { schedule, first_user, .. } => {
                Source::Open(Box::new(OpenSource::new(index, phase.start, *first_user, schedule.cursor(share))))
            }
            PhaseLoad::Closed(crowd) => {
                Source::Closed(Box::new(ClosedSource::new(index, phase.start, *crowd, share, worker)))
            }
        });
        let sources = sources.collect();
        let mut order: Vec<usize> = (0..work.phases.len()).collect();
        order.sort_by_key(|index| work.phases[*index].start);
        Self { work: Arc::clone(work), sources, order, over: 0, closed_at: NEVER, due: vec![0; work.cells()] }
    }

    /// When the next arrival is intended: in the past when there is a backlog, `None` when nothing more will come
    /// unless a closed user returns.
    pub(crate) fn next_due(&self) -> Option<i64> {
        if self.closed_at == NEVER { self.earliest().map(|(_, at)| at) } else { None }
    }

    /// Takes the oldest arrival that is due at `now`.
    pub(crate) fn pop(&mut self, now: i64) -> Option<Arrival> {
        if self.closed_at != NEVER {
            return None;
        }
        while self.order.get(self.over).is_some_and(|index| self.sources[*index].is_over(now)) {
            self.over += 1;
        }
        let (index, _) = self.earliest().filter(|(_, at)| *at <= now)?;
        match &mut self.sources[index] {
            Source::Open(open) => open.take(&self.work),
            Source::Closed(closed) => closed.take(&self.work, &mut self.due),
        }
    }

    /// A closed user's iteration ended at `now`: the user thinks, and comes again.
    pub(crate) fn give_back(&mut self, arrival: &Arrival, now: i64) {
        let closed_at = self.closed_at;
        if let Source::Closed(source) = &mut self.sources[usize::from(arrival.phase)] {
            source.give_back(arrival.session, now, closed_at);
        }
    }

    /// Ends all arrivals at `now`. What was due stays scheduled, but is handed out no more.
    pub(crate) fn close(&mut self, now: i64) {
        self.count_due(now);
        self.closed_at = self.closed_at.min(now);
    }

    /// True when nothing is due at `now` and nothing will be.
    pub(crate) fn is_over(&self, now: i64) -> bool {
        self.closed_at != NEVER || self.not_over().all(|index| self.sources[index].is_over(now))
    }

    /// Counts first steps whose intended time lies before `before`, each one once, and hands the counts of every
    /// cell since the last call to `each`.
    pub(crate) fn take_scheduled(&mut self, before: i64, mut each: impl FnMut(usize, u64)) {
        self.count_due(before);
        for (cell, n) in self.due.iter_mut().enumerate().filter(|(_, n)| **n > 0) {
            each(cell, std::mem::take(n));
        }
    }

    /// Arrivals that were counted as scheduled and not handed out.
    pub(crate) fn backlog(&self) -> u64 {
        self.sources.iter().map(Source::backlog).sum()
    }

    /// Phases that ended with their iterations, and when.
    pub(crate) fn ended(&self) -> impl Iterator<Item = (u32, i64)> + '_ {
        (0..).zip(&self.sources).filter_map(|(index, source)| match source {
            Source::Closed(closed) => closed.ended_at().map(|at| (index, at)),
            Source::Open(_) => None,
        })
    }

    /// The source whose next arrival comes first, and when that is. Sources that start later cannot have an earlier
    /// one, so where phases follow one another a single source is asked.
    fn earliest(&self) -> Option<(usize, i64)> {
        let mut best: Option<(usize, i64)> = None;
        for index in self.not_over() {
            if best.is_some_and(|(_, at)| at <= self.work.phases[index].start) {
                break;
            }
            if let Some(at) = self.sources[index].next_due()
                && best.is_none_or(|(_, earliest)| at < earliest)
            {
                best = Some((index, at));
            }
        }
        best
    }

    fn not_over(&self) -> impl Iterator<Item = usize> + '_ {
        self.order[self.over..].iter().copied()
    }

    fn count_due(&mut self, before: i64) {
        let before = before.min(self.closed_at);
        for source in &mut self.sources {
            match source {
                Source::Open(open) => open.count(before, &self.work, &mut self.due),
                Source::Closed(closed) => closed.count(before, &self.work, &mut self.due),
            }
        }
    }
}

impl Source {
    fn next_due(&self) -> Option<i64> {
        match self {
            Self::Open(open) => open.next_due(),
            Self::Closed(closed) => closed.next_due(),
        }
    }

    /// True when nothing is due at `now` and nothing will be, whatever happens.
    fn is_over(&self, now: i64) -> bool {
        match self {
            Self::Open(open) => open.next_due().is_none(),
            Self::Closed(closed) => closed.is_over(now),
        }
    }

    fn backlog(&self) -> u64 {
        match self {
            Self::Open(open) => open.backlog(),
            Self::Closed(closed) => closed.backlog(),
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod toml_and_rust;
