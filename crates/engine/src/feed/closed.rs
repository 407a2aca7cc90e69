//! A closed phase: users who come, think, are due, and come again after their answer.
//!
//! A million users who think must cost next to nothing, so a user is an entry of 16 bytes in a heap by the end of its
//! think time, and a count of its iterations. Users who have not come yet come in the order of their numbers: they are
//! an index, as is their backlog, and nothing has to be built before the first of them can start. Everything else
//! about a user follows from its number.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use plimsoll_plan::{Session, SessionLength};

use super::threshold::Threshold;
use super::{Arrival, Ending};
use crate::schedule::Share;
use crate::visit::Iteration;
use crate::workload::{Crowd, Workload};

/// When a user's next iteration is intended, and which of this worker's users it is. The earliest comes first, and of
/// users who are due at the same time the one with the lowest number.
type Waiting = (i64, u32);

/// The users of a closed phase that belong to one worker.
#[derive(Debug)]
pub(super) struct ClosedSource {
    phase: u16,
    crowd: Crowd,
    /// Which users of the whole plan are its own.
    share: Share,
    newcomers: Newcomers,
    /// Users whose think time was not over when last looked.
    thinking: BinaryHeap<Reverse<Waiting>>,
    /// Users whose arrival is counted as scheduled and not handed out.
    ready: VecDeque<Waiting>,
    /// Iterations begun, by user.
    begun: Vec<u32>,
    session: Option<Session>,
    /// The present session of each user. Empty when sessions end with the phase.
    sessions: Vec<Sitting>,
    /// Iterations not yet scheduled; `None` when the phase's end alone decides.
    left: Option<u64>,
    busy: u32,
    ended_at: Option<i64>,
}

/// Users who have not had their first iteration, as numbers: those below `taken` had it, those below `counted` are due.
#[derive(Clone, Copy, Debug)]
struct Newcomers {
    taken: u32,
    counted: u32,
    all: u32,
}

/// A user's session. A seat is taken by one user after another when sessions end.
#[derive(Clone, Copy, Debug, Default)]
struct Sitting {
    /// How many users sat there before.
    before: u32,
    /// Iterations of theirs.
    begun: u32,
    requests: u64,
}

/// Who comes again after an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Return {
    /// The same user.
    Same,
    /// Another user in its place.
    Other,
    Nobody,
}

/// Where a user waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Newcomers,
    Ready,
    Thinking,
}

impl ClosedSource {
    pub(super) fn new(
        phase: u16,
        start: i64,
        crowd: Crowd,
        share: Share,
        worker: Share,
        session: Option<Session>,
    ) -> Self {
        let users = u32::try_from(worker.part_of(crowd.users)).expect("a plan has at most 2^32 - 1 users at once");
        let comes_before_it_leaves = |local: u32| {
            let user = share.global(u64::from(local));
            crowd.comes_at(user) < crowd.leaves_at(user)
        };
        let all = first_that_not(users, comes_before_it_leaves);
        let left = crowd.quota(worker);
        let mut source = Self {
            phase,
            crowd,
            share,
            newcomers: Newcomers { taken: 0, counted: 0, all },
            // Memory that is not used is not touched.
            thinking: BinaryHeap::with_capacity(users as usize),
            ready: VecDeque::with_capacity(users as usize),
            begun: vec![0; users as usize],
            session,
            sessions: vec![Sitting::default(); session.map_or(0, |_| users as usize)],
            left,
            busy: 0,
            // A share without work is over before it begins; it must not hold the phase open.
            ended_at: (left == Some(0)).then_some(start),
        };
        source.send_home_if_done();
        source
    }

    pub(super) fn next_due(&self) -> Option<i64> {
        self.next().map(|((at, _), _)| at)
    }

    /// The next arrival, whether it is due or not, and whether it was counted.
    pub(super) fn take(&mut self, work: &Workload) -> Option<(Arrival, bool)> {
        let ((intended, local), place) = self.next()?;
        let counted = match place {
            Place::Newcomers => {
                self.newcomers.taken += 1;
                self.newcomers.taken <= self.newcomers.counted
            }
            Place::Ready => self.ready.pop_front().is_some(),
            Place::Thinking => self.thinking.pop().is_none(),
        };
        let arrival = self.arrival(intended, local, work);
        if !counted {
            self.newcomers.counted = self.newcomers.counted.max(self.newcomers.taken);
            self.use_up();
        }
        self.begin(local);
        Some((arrival, counted))
    }

    /// Counts the arrivals of users whose think time ended before `before`, and keeps them for later.
    pub(super) fn count(&mut self, before: i64, threshold: &mut Threshold<'_>) {
        while let Some(((at, local), place)) = self.next_uncounted()
            && at < before
        {
            let waits = threshold.count(&self.arrival(at, local, threshold.work));
            // As long as all wait alike, newcomers are a number; a user who pauses first leaves a gap in the row.
            let in_a_row = place == Place::Newcomers && threshold.work.begins_with_requests;
            match place {
                Place::Newcomers => {
                    self.newcomers.counted += 1;
                    self.newcomers.taken += u32::from(!in_a_row);
                }
                Place::Ready | Place::Thinking => {
                    self.thinking.pop();
                }
            }
            if waits && !in_a_row {
                self.ready.push_back((at, local));
            }
            self.use_up();
            if !waits {
                self.begin(local);
            }
        }
    }

    /// Hands arrivals that were counted and not taken to `each`.
    pub(super) fn each_waiting(&self, work: &Workload, mut each: impl FnMut(Arrival)) {
        let newcomers = (self.newcomers.taken..self.newcomers.counted).filter_map(|local| self.newcomer(local));
        let waiting = newcomers.map(|(waiting, _)| waiting).chain(self.ready.iter().copied());
        waiting.for_each(|(intended, local)| each(self.arrival(intended, local, work)));
    }

    fn begin(&mut self, local: u32) {
        self.begun[local as usize] += 1;
        self.busy += 1;
    }

    fn arrival(&self, intended: i64, local: u32, work: &Workload) -> Arrival {
        let (seat, begun) = (self.share.global(u64::from(local)), u64::from(self.begun[local as usize]));
        let sitting = self.sessions.get(local as usize).copied().unwrap_or_default();
        // Whoever takes a seat next has a number that nobody else of the phase has.
        let person = seat + u64::from(sitting.before) * self.crowd.all;
        Arrival {
            intended,
            user: person % work.users.get() + 1,
            session: local,
            phase: self.phase,
            flow: work.flow(self.phase, seat, begun),
            number: begun - u64::from(sitting.begun) + 1,
            ordinal: Iteration::ordinal(seat, begun, self.crowd.all),
        }
    }

    /// A user's iteration ended: when and whether it comes again. `pacing` is the flow's own.
    pub(super) fn give_back(
        &mut self,
        arrival: &Arrival,
        ending: &Ending,
        pacing: Option<i64>,
        closed_at: i64,
    ) -> Return {
        self.busy -= 1;
        let local = arrival.session;
        let user = self.share.global(u64::from(local));
        let begun = self.begun[local as usize];
        let who = self.who_comes_again(local, ending.requests);
        let next = match pacing.or(self.crowd.pacing) {
            Some(pacing) => arrival.intended.saturating_add(pacing).max(ending.at),
            None => ending.at.saturating_add(self.crowd.draws.of(user).think_ns(self.crowd.think, u64::from(begun))),
        };
        let more = self.left != Some(0) && begun < self.crowd.quota_of_each() && who != Return::Nobody;
        let comes = more && next < self.crowd.leaves_at(user).min(closed_at);
        if comes {
            self.thinking.push(Reverse((next, local)));
        }
        if self.left == Some(0) && self.busy == 0 && self.backlog() == 0 {
            self.ended_at = Some(ending.now);
        }
        if comes { who } else { Return::Nobody }
    }

    /// Ends the session if that was its last iteration.
    fn who_comes_again(&mut self, local: u32, requests: u32) -> Return {
        let (Some(session), Some(sitting)) = (self.session, self.sessions.get_mut(local as usize)) else {
            return Return::Same;
        };
        let begun = self.begun[local as usize];
        sitting.requests += u64::from(requests);
        let over = match session.length {
            SessionLength::Iterations(most) => u64::from(begun - sitting.begun) >= most.get(),
            SessionLength::Requests(most) => sitting.requests >= most.get(),
        };
        if !over {
            return Return::Same;
        }
        *sitting = Sitting { before: sitting.before + 1, begun, requests: 0 };
        if session.replace { Return::Other } else { Return::Nobody }
    }

    /// From when on a user starts nothing.
    pub(super) fn leaves_at(&self, local: u32) -> i64 {
        self.crowd.leaves_at(self.share.global(u64::from(local)))
    }

    pub(super) fn users(&self) -> usize {
        self.begun.len()
    }

    pub(super) fn is_over(&self, now: i64) -> bool {
        let nobody_waits = self.backlog() == 0 && self.next_uncounted().is_none();
        nobody_waits && (self.busy == 0 || self.left == Some(0) || now >= self.crowd.end)
    }

    pub(super) fn backlog(&self) -> u64 {
        self.ready.len() as u64 + u64::from(self.newcomers.counted - self.newcomers.taken)
    }

    /// When the phase ended with its iterations.
    pub(super) fn ended_at(&self) -> Option<i64> {
        self.ended_at
    }

    /// Memory set aside for users.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let waiting = self.thinking.capacity() + self.ready.capacity();
        waiting * size_of::<Waiting>() + self.begun.capacity() * size_of::<u32>()
    }

    /// Who is next, and where.
    fn next(&self) -> Option<(Waiting, Place)> {
        let ready = self.ready.front().map(|waiting| (*waiting, Place::Ready));
        let newcomer = self.newcomer(self.newcomers.taken);
        first_of(first_of(newcomer, ready), self.thinker())
    }

    /// Who is next of those whose arrival is not counted as scheduled.
    fn next_uncounted(&self) -> Option<(Waiting, Place)> {
        first_of(self.newcomer(self.newcomers.counted), self.thinker())
    }

    fn newcomer(&self, local: u32) -> Option<(Waiting, Place)> {
        let comes_at = || self.crowd.comes_at(self.share.global(u64::from(local)));
        (local < self.newcomers.all).then(|| ((comes_at(), local), Place::Newcomers))
    }

    fn thinker(&self) -> Option<(Waiting, Place)> {
        self.thinking.peek().map(|Reverse(waiting)| (*waiting, Place::Thinking))
    }

    /// One iteration is scheduled. After the last one nobody else comes.
    fn use_up(&mut self) {
        if let Some(left) = &mut self.left {
            *left -= 1;
            self.send_home_if_done();
        }
    }

    fn send_home_if_done(&mut self) {
        if self.left == Some(0) {
            self.thinking.clear();
            self.newcomers.all = self.newcomers.counted;
        }
    }
}

fn first_of(a: Option<(Waiting, Place)>, b: Option<(Waiting, Place)>) -> Option<(Waiting, Place)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// The first number below `end` for which `holds` does not, when it holds for none behind that; else `end`.
fn first_that_not(end: u32, holds: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
