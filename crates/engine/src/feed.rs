//! Which arrival is due next on one worker, for the open and the closed model alike.
//!
//! Each phase is a source of its own: `open` walks along a schedule, `closed` knows its users. Phases may overlap,
//! and an arrival that was due before its phase ended stays due afterwards with its own intended time; whatever has
//! waited longest comes first. No clock, no I/O: callers say what time it is, in nanoseconds from the start of the
//! traffic.

mod closed;
mod open;
mod threshold;

use std::sync::Arc;

use crate::journey::{Begun, Entry, Journey};
use crate::paused::{Paused, Woken};
use crate::program::Next;
use crate::schedule::Share;
use crate::visit::Visit;
use crate::workload::{NEVER, PhaseLoad, Workload};
use closed::{ClosedSource, Return};
use open::OpenSource;
use threshold::{Entries, Memory, Threshold};

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
    /// Which of the user's iterations it is, from 1.
    pub(crate) number: u64,
    /// Which iteration of the phase it is, over all users, workers and generators.
    pub(crate) ordinal: u64,
}

/// What is handed out.
#[derive(Debug)]
pub(crate) enum Due {
    /// An iteration that begins with a request, of a user without a memory.
    Fresh(Arrival),
    /// An iteration that stands before what is intended then.
    Journey { journey: Box<Journey>, intended: i64, begun: Begun },
}

/// How an iteration ended.
#[derive(Debug)]
pub(crate) struct Ending {
    /// When it was known to be over.
    pub(crate) now: i64,
    /// When it was over: later when it ends with a pause.
    pub(crate) at: i64,
    pub(crate) requests: u32,
    /// What a closed user takes into its next iteration.
    pub(crate) visit: Option<Visit>,
}

impl Due {
    /// The arrival it began with.
    pub(crate) fn arrival(&self) -> &Arrival {
        match self {
            Self::Fresh(arrival) => arrival,
            Self::Journey { journey, .. } => &journey.arrival,
        }
    }

    /// What is under way from now on.
    pub(crate) fn begun(&self) -> Begun {
        match self {
            Self::Fresh(_) => Begun::REQUEST,
            Self::Journey { begun, .. } => *begun,
        }
    }

    /// When its request is intended.
    pub(crate) fn intended(&self) -> i64 {
        match self {
            Self::Fresh(arrival) => arrival.intended,
            Self::Journey { intended, .. } => *intended,
        }
    }
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
    entries: Entries,
    paused: Paused,
    /// What dropped iterations had in the books: the cell, and when it was intended.
    abandoned: Vec<(usize, i64)>,
    memory: Memory,
    /// Iterations that ended without a request.
    empty: Vec<(Box<Journey>, i64)>,
    /// Iterations since the last report that could not go on although no request of theirs failed.
    cut_short: u64,
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
                Source::Closed(Box::new(ClosedSource::new(index, phase.start, *crowd, share, worker, work.session)))
            }
        });
        let sources: Vec<_> = sources.collect();
        let mut order: Vec<usize> = (0..work.phases.len()).collect();
        order.sort_by_key(|index| work.phases[*index].start);
        let users = sources.iter().map(|source| if work.remembers { source.users() } else { 0 });
        Self {
            work: Arc::clone(work),
            memory: Memory::of_phases(users),
            sources,
            order,
            over: 0,
            closed_at: NEVER,
            entries: Entries::new(work.cells()),
            paused: Paused::default(),
            abandoned: Vec::new(),
            empty: Vec::new(),
            cut_short: 0,
        }
    }

    /// When the next arrival is intended: in the past when there is a backlog, `None` when nothing more will come
    /// unless a closed user returns.
    pub(crate) fn next_due(&self) -> Option<i64> {
        if self.closed_at != NEVER {
            return None;
        }
        let arrival = self.earliest().map(|(_, at)| at);
        arrival.into_iter().chain(self.paused.next_due()).min()
    }

    /// Takes what has been due for the longest time at `now`.
    pub(crate) fn pop(&mut self, now: i64) -> Option<Due> {
        if self.closed_at != NEVER {
            return None;
        }
        while self.order.get(self.over).is_some_and(|index| self.sources[*index].is_over(now)) {
            self.over += 1;
        }
        loop {
            let arrival = self.earliest().filter(|(_, at)| *at <= now);
            let paused = self.paused.next_due().filter(|at| *at <= now);
            let due = match (arrival, paused) {
                (Some((index, at)), paused) if paused.is_none_or(|paused| at < paused) => self.enter(index),
                (_, Some(_)) => self.wake(),
                (_, None) => return None,
            };
            self.end_empty(now);
            if due.is_some() {
                return due;
            }
        }
    }

    /// The arrival of what [`Self::pop`] takes.
    #[cfg(test)]
    pub(crate) fn pop_arrival(&mut self, now: i64) -> Option<Arrival> {
        self.pop(now).map(|due| *due.arrival())
    }

    fn enter(&mut self, index: usize) -> Option<Due> {
        let (arrival, counted) = match &mut self.sources[index] {
            Source::Open(open) => open.take(&self.work),
            Source::Closed(closed) => closed.take(&self.work),
        }?;
        self.threshold().enter(arrival, counted)
    }

    fn wake(&mut self) -> Option<Due> {
        let Woken { at, counted, journey } = self.paused.take()?;
        Some(self.threshold().hand_out(journey, at, counted))
    }

    fn threshold(&mut self) -> Threshold<'_> {
        let Self { work, entries, paused, memory, empty, cut_short, .. } = self;
        Threshold { work, entries, paused, memory, over: empty, cut_short }
    }

    /// Ends iterations that had no request to make.
    fn end_empty(&mut self, now: i64) {
        for (journey, at) in std::mem::take(&mut self.empty) {
            let Journey { arrival, visit, .. } = *journey;
            self.end(&arrival, Ending { now, at, requests: 0, visit: Some(visit) });
        }
    }

    /// Puts an iteration away until its next request is due at `at`. A closed user whose phase is over by then does
    /// not go on, unless it is in the middle of a poll; false, and the iteration has ended.
    pub(crate) fn pause(&mut self, now: i64, at: i64, mut journey: Box<Journey>) -> bool {
        let goes_on = journey.polling.is_some() || at < self.leaves_at(&journey.arrival);
        if goes_on && self.closed_at == NEVER {
            self.paused.put(at, journey);
            return true;
        }
        journey.stop();
        self.end(&journey.arrival, Ending { now, at, requests: journey.requests, visit: None });
        false
    }

    /// From when on an iteration is not taken up again after a pause.
    fn leaves_at(&self, arrival: &Arrival) -> i64 {
        match &self.sources[usize::from(arrival.phase)] {
            Source::Open(_) => NEVER,
            Source::Closed(closed) => closed.leaves_at(arrival.session),
        }
    }

    /// A closed user's iteration ended at `now`: the user thinks, and comes again.
    pub(crate) fn give_back(&mut self, arrival: &Arrival, now: i64) {
        self.end(arrival, Ending { now, at: now, requests: 1, visit: None });
    }

    /// An iteration ended. True when the same user comes again.
    pub(crate) fn end(&mut self, arrival: &Arrival, ending: Ending) -> bool {
        let closed_at = self.closed_at;
        let Source::Closed(source) = &mut self.sources[usize::from(arrival.phase)] else { return false };
        let pacing = self.work.flow_of(arrival).pacing;
        match (source.give_back(arrival, &ending, pacing, closed_at), ending.visit) {
            (Return::Same, Some(visit)) => self.memory.keep(arrival, visit),
            (Return::Same, None) => {}
            (Return::Other | Return::Nobody, _) => {
                self.memory.forget(arrival);
                return false;
            }
        }
        true
    }

    /// Ends all arrivals at `now`. What was due stays scheduled, but is handed out no more. Returns how many polls
    /// were given up between two tries.
    pub(crate) fn close(&mut self, now: i64) -> u64 {
        self.count_due(now);
        self.closed_at = self.closed_at.min(now);
        self.abandon_paused()
    }

    /// Hands everything that was counted as scheduled and never handed out to `each`: its cell, and when it was
    /// intended. For the end of a run: iterations that pause are dropped.
    pub(crate) fn take_waiting(&mut self, mut each: impl FnMut(usize, i64)) {
        self.abandon_paused();
        self.abandoned.drain(..).for_each(|(cell, intended)| each(cell, intended));
        let Self { work, sources, memory, .. } = self;
        let mut arrival_waits = |arrival: Arrival| {
            if let Some(first) = work.flow_of(&arrival).first {
                return each(work.cell(arrival.phase, first), arrival.intended);
            }
            let mut journey = Journey::new(work, arrival, memory.look(&arrival));
            let ahead = journey.begin(work);
            if ahead.next.is_work() && ahead.at == arrival.intended {
                let each = &mut |entry: Entry| each(work.cell(arrival.phase, entry.operation), arrival.intended);
                journey.each_due(work, each);
            }
        };
        for source in sources {
            match source {
                Source::Open(open) => open.each_waiting(work, &mut arrival_waits),
                Source::Closed(closed) => closed.each_waiting(work, &mut arrival_waits),
            }
        }
    }

    /// Drops all iterations that pause, and notes what of theirs is in the books. Returns how many were in the middle of
    /// a poll.
    fn abandon_paused(&mut self) -> u64 {
        let Self { work, paused, abandoned, .. } = self;
        let mut polls = 0;
        paused.drop_all(|mut journey, due| {
            let phase = journey.arrival.phase;
            if let Some(at) = due {
                journey.each_due(work, &mut |entry| abandoned.push((work.cell(phase, entry.operation), at)));
            }
            if let (Some(polling), Next::Poll(operation)) = (journey.polling, journey.next(work)) {
                abandoned.push((work.cell(phase, operation + 1), polling.intended));
                polls += 1;
            }
            journey.stop();
        });
        polls
    }

    /// True when nothing is due at `now` and nothing will be.
    pub(crate) fn is_over(&self, now: i64) -> bool {
        let sources_are = || self.not_over().all(|index| self.sources[index].is_over(now));
        self.closed_at != NEVER || self.paused.is_empty() && sources_are()
    }

    /// Counts what came due before `before`, each once, and hands the counts of every cell since the last call to
    /// `each`.
    pub(crate) fn take_scheduled(&mut self, before: i64, mut each: impl FnMut(usize, u64)) {
        self.count_due(before);
        for (cell, n) in self.entries.due.iter_mut().enumerate().filter(|(_, n)| **n > 0) {
            each(cell, std::mem::take(n));
        }
    }

    /// An iteration could not go on although no request of its failed.
    pub(crate) fn cut_short(&mut self) {
        self.cut_short += 1;
    }

    /// How many there were since the last call.
    pub(crate) fn take_cut_short(&mut self) -> u64 {
        std::mem::take(&mut self.cut_short)
    }

    /// Operations that were counted as scheduled and not handed out.
    pub(crate) fn backlog(&self) -> u64 {
        self.entries.waiting
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
        let Self { work, sources, entries, paused, memory, empty, cut_short, .. } = self;
        let mut threshold = Threshold { work, entries, paused, memory, over: empty, cut_short };
        for source in sources {
            match source {
                Source::Open(open) => open.count(before, &mut threshold),
                Source::Closed(closed) => closed.count(before, &mut threshold),
            }
        }
        paused.count(before, |journey| {
            let phase = journey.arrival.phase;
            journey.each_due(work, &mut |entry| entries.wait(work.cell(phase, entry.operation)));
        });
        if !self.empty.is_empty() {
            self.end_empty(before);
            // Their users may be due again before then.
            self.count_due(before);
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

    fn users(&self) -> usize {
        match self {
            Self::Open(_) => 0,
            Self::Closed(closed) => closed.users(),
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod toml_and_rust;
