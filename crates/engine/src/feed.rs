//! Which arrival is due next on one worker, for the open and the closed model alike.
//!
//! An open phase is two cursors over one schedule: one hands arrivals out, the other counts those whose time has
//! come, so a backlog of any length costs no memory. A closed phase is a heap of users by the end of their think
//! time and a queue of those who are due. Arrivals that were due before their phase ended stay due afterwards, with
//! their own intended time; users of a closed phase start nothing new after its end. No clock, no I/O: callers say
//! what time it is, in nanoseconds from the start of the traffic.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use crate::schedule::{Cursor, Share};
use crate::workload::{Crowd, NEVER, PhaseLoad, Workload};

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
    sources: Vec<Source>,
    current: usize,
    closed_at: i64,
    due: Vec<u64>,
}

#[derive(Debug)]
enum Source {
    Open(OpenSource),
    Closed(Box<ClosedSource>),
}

impl Feed {
    pub(crate) fn new(work: &Arc<Workload>, share: Share) -> Self {
        let sources = work.phases.iter().enumerate().map(|(index, phase)| match &phase.load {
            PhaseLoad::Open { schedule, first_user } => Source::Open(OpenSource {
                phase: index as u16,
                start: phase.start,
                first_user: *first_user,
                head: schedule.cursor(share),
                counted: schedule.cursor(share),
            }),
            PhaseLoad::Closed(crowd) => {
                Source::Closed(Box::new(ClosedSource::new(index as u16, phase.start, phase.end, *crowd, share)))
            }
        });
        let sources = sources.collect();
        Self { work: Arc::clone(work), sources, current: 0, closed_at: NEVER, due: vec![0; work.cells()] }
    }

    /// When the next arrival is intended: in the past when there is a backlog, `None` when nothing more will come
    /// unless a closed user returns.
    pub(crate) fn next_due(&self) -> Option<i64> {
        if self.closed_at != NEVER {
            return None;
        }
        self.sources[self.current..].iter().find_map(Source::next_due)
    }

    /// Takes the oldest arrival that is due at `now`.
    pub(crate) fn pop(&mut self, now: i64) -> Option<Arrival> {
        if self.closed_at != NEVER {
            return None;
        }
        while let Some(source) = self.sources.get_mut(self.current) {
            let arrival = match source {
                Source::Open(open) => open.pop(now, &self.work),
                Source::Closed(closed) => closed.pop(now, &self.work, &mut self.due),
            };
            if arrival.is_some() || !source.is_over(now) || self.current + 1 == self.sources.len() {
                return arrival;
            }
            self.current += 1;
        }
        None
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
        self.closed_at != NEVER || self.sources[self.current..].iter().all(|source| source.is_over(now))
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
        self.sources.iter().enumerate().filter_map(|(index, source)| match source {
            Source::Closed(closed) => closed.ended_at.map(|at| (index as u32, at)),
            Source::Open(_) => None,
        })
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
            Self::Open(open) => open.head.peek().map(|planned| open.time(planned.at_ns)),
            Self::Closed(closed) => closed.next_due(),
        }
    }

    fn is_over(&self, now: i64) -> bool {
        match self {
            Self::Open(open) => open.head.peek().is_none(),
            Self::Closed(closed) => closed.is_over(now),
        }
    }

    fn backlog(&self) -> u64 {
        match self {
            Self::Open(open) => open.counted.taken() - open.head.taken().min(open.counted.taken()),
            Self::Closed(closed) => closed.ready.len() as u64,
        }
    }
}

#[derive(Debug)]
struct OpenSource {
    phase: u16,
    start: i64,
    first_user: u64,
    head: Cursor,
    counted: Cursor,
}

impl OpenSource {
    fn time(&self, at_ns: u64) -> i64 {
        self.start.saturating_add_unsigned(at_ns)
    }

    fn pop(&mut self, now: i64, work: &Workload) -> Option<Arrival> {
        let planned = self.head.peek()?;
        let intended = self.time(planned.at_ns);
        if intended > now {
            return None;
        }
        self.head.next();
        let user = (self.first_user + planned.index) % work.users.get() + 1;
        let flow = work.flow(self.phase, 0, planned.index);
        Some(Arrival { intended, user, session: 0, phase: self.phase, flow })
    }

    fn count(&mut self, before: i64, work: &Workload, due: &mut [u64]) {
        while let Some(planned) = self.counted.peek()
            && self.time(planned.at_ns) < before
        {
            self.counted.next();
            let flow = work.flow(self.phase, 0, planned.index);
            due[work.cell(self.phase, work.flows[usize::from(flow)].first)] += 1;
        }
    }
}

/// The users of a closed phase that belong to one worker.
#[derive(Debug)]
struct ClosedSource {
    phase: u16,
    end: i64,
    crowd: Crowd,
    share: Share,
    thinking: BinaryHeap<Reverse<(i64, u32)>>,
    ready: VecDeque<Arrival>,
    /// Iterations begun, by user.
    begun: Vec<u32>,
    /// Iterations not yet begun; `None` when the phase's end alone decides.
    left: Option<u64>,
    busy: u32,
    ended_at: Option<i64>,
}

impl ClosedSource {
    fn new(phase: u16, start: i64, end: i64, crowd: Crowd, share: Share) -> Self {
        let users = share.part_of(u64::from(crowd.users.get()));
        let spawned =
            (0..users).map(|local| (start.saturating_add(crowd.spawned_at(share.global(local))), local as u32));
        let thinking: BinaryHeap<_> = spawned.filter(|(at, _)| *at < end).map(Reverse).collect();
        let begun = vec![0; users as usize];
        let left = crowd.quota(share);
        // A share without work is over before it begins; it must not hold the phase open.
        let ended_at = (left == Some(0)).then_some(start);
        Self { phase, end, crowd, share, thinking, ready: VecDeque::new(), begun, left, busy: 0, ended_at }
    }

    fn next_due(&self) -> Option<i64> {
        let thinking = || self.thinking.peek().map(|Reverse((at, _))| *at).filter(|_| self.left != Some(0));
        self.ready.front().map(|arrival| arrival.intended).or_else(thinking)
    }

    fn pop(&mut self, now: i64, work: &Workload, due: &mut [u64]) -> Option<Arrival> {
        self.count(now.saturating_add(1), work, due);
        let arrival = self.ready.pop_front()?;
        self.busy += 1;
        Some(arrival)
    }

    /// Moves users whose think time ended before `before` to the ready queue: their arrival is now scheduled.
    fn count(&mut self, before: i64, work: &Workload, due: &mut [u64]) {
        while let Some(Reverse((at, local))) = self.thinking.peek().copied()
            && at < before
        {
            self.thinking.pop();
            if let Some(left) = &mut self.left {
                if *left == 0 {
                    self.thinking.clear();
                    return;
                }
                *left -= 1;
            }
            let user = self.share.global(u64::from(local));
            let flow = work.flow(self.phase, user, u64::from(self.begun[local as usize]));
            self.begun[local as usize] += 1;
            due[work.cell(self.phase, work.flows[usize::from(flow)].first)] += 1;
            let identity = user % work.users.get() + 1;
            self.ready.push_back(Arrival { intended: at, user: identity, session: local, phase: self.phase, flow });
        }
    }

    fn give_back(&mut self, local: u32, now: i64, closed_at: i64) {
        self.busy -= 1;
        let user = self.share.global(u64::from(local));
        let number = u64::from(self.begun[local as usize]);
        let next = now.saturating_add(self.crowd.draws.of(user).think_ns(self.crowd.think, number));
        let more = self.left != Some(0);
        if more && next < self.end.min(closed_at) {
            self.thinking.push(Reverse((next, local)));
        }
        if !more && self.busy == 0 && self.ready.is_empty() {
            self.ended_at = Some(now);
        }
    }

    fn is_over(&self, now: i64) -> bool {
        let no_more = now >= self.end || self.left == Some(0) || (self.thinking.is_empty() && self.busy == 0);
        no_more && self.ready.is_empty()
    }
}
