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
    Open(Box<OpenSource>),
    Closed(Box<ClosedSource>),
}

impl Feed {
    /// The arrivals of one worker of the segment.
    pub(crate) fn new(work: &Arc<Workload>, worker: Share) -> Self {
        let share = work.segment.part(worker);
        let sources = work.phases.iter().enumerate().map(|(index, phase)| match &phase.load {
            PhaseLoad::Open { schedule, first_user, .. } => Source::Open(Box::new(OpenSource {
                phase: index as u16,
                start: phase.start,
                first_user: *first_user,
                head: schedule.cursor(share),
                counted: schedule.cursor(share),
            })),
            PhaseLoad::Closed(crowd) => {
                let span = (phase.start, phase.end);
                Source::Closed(Box::new(ClosedSource::new(index as u16, span, *crowd, share, worker)))
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
    /// Which users of the whole plan are its own.
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
    fn new(phase: u16, (start, end): (i64, i64), crowd: Crowd, share: Share, worker: Share) -> Self {
        let users = worker.part_of(crowd.users);
        let spawned =
            (0..users).map(|local| (start.saturating_add(crowd.spawned_at(share.global(local))), local as u32));
        let thinking: BinaryHeap<_> = spawned.filter(|(at, _)| *at < end).map(Reverse).collect();
        let begun = vec![0; users as usize];
        let left = crowd.quota(worker);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{closed_phase, open_phase, plan_for};
    use plimsoll_plan::{Phase, ThinkTime};
    use proptest::prelude::*;
    use std::num::NonZeroU64;
    use std::time::Duration;

    const SECOND: i64 = 1_000_000_000;

    fn workload(phases: Vec<Phase>, users: u64) -> Arc<Workload> {
        segment(phases, users, Share::WHOLE)
    }

    fn segment(phases: Vec<Phase>, users: u64, segment: Share) -> Arc<Workload> {
        let mut plan = plan_for("http://127.0.0.1:1");
        plan.phases = phases;
        plan.users.count = NonZeroU64::new(users).unwrap();
        Arc::new(Workload::compile(&plan, segment).unwrap())
    }

    fn feed(phases: Vec<Phase>, users: u64) -> Feed {
        Feed::new(&workload(phases, users), Share::WHOLE)
    }

    fn scheduled(feed: &mut Feed, before: i64) -> u64 {
        let mut sum = 0;
        feed.take_scheduled(before, |_, n| sum += n);
        sum
    }

    #[test]
    fn nothing_is_handed_out_before_its_time() {
        let mut feed = feed(vec![open_phase("a", 10.0, Duration::from_secs(1))], 1);
        assert_eq!(feed.next_due(), Some(50_000_000));
        assert_eq!(feed.pop(49_999_999), None);
        assert_eq!(feed.pop(50_000_000).unwrap().intended, 50_000_000);
    }

    #[test]
    fn a_backlog_keeps_its_intended_times_into_the_next_phase() {
        let second = Duration::from_secs(1);
        let mut feed = feed(vec![open_phase("a", 2.0, second), open_phase("b", 2.0, second)], 1);
        let late = 3 * SECOND;
        let arrivals: Vec<_> = std::iter::from_fn(|| feed.pop(late)).map(|a| (a.phase, a.intended)).collect();
        let half = SECOND / 2;
        assert_eq!(arrivals, [(0, half / 2), (0, 3 * half / 2), (1, 5 * half / 2), (1, 7 * half / 2)]);
        assert!(feed.is_over(late));
    }

    #[test]
    fn users_take_turns_across_phases() {
        let second = Duration::from_secs(1);
        let mut feed = feed(vec![open_phase("a", 4.0, second), open_phase("b", 4.0, second)], 3);
        let users: Vec<_> = std::iter::from_fn(|| feed.pop(9 * SECOND)).map(|arrival| arrival.user).collect();
        assert_eq!(users, [1, 2, 3, 1, 2, 3, 1, 2]);
    }

    #[test]
    fn a_closed_user_comes_again_after_its_think_time() {
        let think = ThinkTime::Constant(Duration::from_millis(100));
        let mut feed = feed(vec![closed_phase("a", 1, think, None, Some(Duration::from_secs(1)))], 1);
        let first = feed.pop(0).unwrap();
        assert_eq!(feed.pop(SECOND / 2), None);
        feed.give_back(&first, SECOND / 2);
        assert_eq!(feed.next_due(), Some(600_000_000));
        assert_eq!(feed.pop(700_000_000).unwrap().intended, 600_000_000);
    }

    #[test]
    fn a_closed_user_starts_nothing_after_the_end_of_its_phase() {
        let think = ThinkTime::Constant(Duration::from_millis(600));
        let mut feed = feed(vec![closed_phase("a", 1, think, None, Some(Duration::from_secs(1)))], 1);
        let first = feed.pop(0).unwrap();
        feed.give_back(&first, SECOND / 2);
        assert_eq!(feed.next_due(), None);
        assert!(feed.is_over(SECOND));
    }

    #[test]
    fn closed_users_without_a_connection_wait_with_their_own_time() {
        let mut feed = feed(vec![closed_phase("a", 3, ThinkTime::None, None, Some(Duration::from_secs(1)))], 3);
        feed.pop(0).unwrap();
        assert_eq!((scheduled(&mut feed, SECOND), feed.backlog()), (3, 2));
        let late = feed.pop(2 * SECOND).unwrap();
        assert_eq!((late.intended, late.user), (0, 2));
    }

    #[test]
    fn users_spawn_at_their_rate() {
        let mut phase = closed_phase("a", 3, ThinkTime::None, None, Some(Duration::from_secs(9)));
        let plimsoll_plan::Load::Closed { spawn_rate, .. } = &mut phase.load else { unreachable!() };
        *spawn_rate = plimsoll_plan::Rate::per_second(2.0);
        let mut feed = feed(vec![phase], 3);
        let times: Vec<_> = std::iter::from_fn(|| feed.pop(9 * SECOND)).map(|arrival| arrival.intended).collect();
        assert_eq!(times, [0, SECOND / 2, SECOND]);
    }

    #[test]
    fn iterations_are_shared_and_end_the_phase() {
        let work = workload(vec![closed_phase("a", 3, ThinkTime::None, Some(8), None)], 1);
        let mut begun = 0;
        for index in 0..2 {
            let mut feed = Feed::new(&work, Share::of(index, 2).unwrap());
            let mut now = 0;
            while let Some(arrival) = feed.pop(now) {
                now += 1;
                begun += 1;
                feed.give_back(&arrival, now);
            }
            assert!(feed.is_over(now));
            assert_eq!(feed.ended().collect::<Vec<_>>(), [(0, now)]);
        }
        assert_eq!(begun, 8);
    }

    #[test]
    fn after_the_close_nothing_is_handed_out_and_what_was_due_is_counted() {
        let mut feed = feed(vec![open_phase("a", 10.0, Duration::from_secs(1))], 1);
        feed.pop(SECOND / 2).unwrap();
        feed.close(SECOND / 2);
        assert_eq!(feed.pop(SECOND), None);
        assert_eq!((scheduled(&mut feed, 9 * SECOND), feed.backlog()), (5, 4));
        assert!(feed.is_over(SECOND / 2));
    }

    /// Everything that `workers` hand out of a segment when each answer takes no time: (phase, intended, user, flow).
    fn all_arrivals(work: &Arc<Workload>, workers: u32) -> Vec<(u16, i64, u64, u16)> {
        let mut all = Vec::new();
        for index in 0..workers {
            let mut feed = Feed::new(work, Share::of(index, workers).unwrap());
            while let Some(due) = feed.next_due() {
                let arrival = feed.pop(due).expect("what is due is handed out");
                all.push((arrival.phase, arrival.intended, arrival.user, arrival.flow));
                feed.give_back(&arrival, due);
            }
        }
        all.sort_unstable();
        all
    }

    fn mixed_phases(open: f64, crowd: u32, iterations: Option<u64>) -> Vec<Phase> {
        let second = Duration::from_secs(1);
        let think = ThinkTime::Uniform { min: Duration::from_millis(20), max: Duration::from_millis(90) };
        let mut poisson = open_phase("b", open, second);
        let plimsoll_plan::Load::Open { arrivals, .. } = &mut poisson.load else { unreachable!() };
        *arrivals = plimsoll_plan::Arrivals::Poisson;
        let mut spawned = closed_phase("d", crowd, think, None, Some(second));
        let plimsoll_plan::Load::Closed { spawn_rate, .. } = &mut spawned.load else { unreachable!() };
        *spawn_rate = plimsoll_plan::Rate::per_second(9.0);
        let last = closed_phase("e", crowd, think, iterations, iterations.is_none().then_some(second));
        vec![open_phase("a", open, second), poisson, closed_phase("c", crowd, think, None, Some(second)), spawned, last]
    }

    proptest! {
        #[test]
        fn segments_together_are_the_whole(
            open in 0.0..200.0, crowd in 1u32..12, users in 1u64..20, segments in 1u32..6, workers in 1u32..4,
        ) {
            let phases = mixed_phases(open, crowd, None);
            let mut parts: Vec<_> = (0..segments)
                .flat_map(|index| all_arrivals(&segment(phases.clone(), users, Share::of(index, segments).unwrap()), workers))
                .collect();
            parts.sort_unstable();
            prop_assert_eq!(parts, all_arrivals(&workload(phases, users), 1));
        }

        /// Which user gets how many of them depends on how fast the answers come, their number does not.
        #[test]
        fn segments_split_iterations_exactly(crowd in 1u32..12, iterations in 1u64..200, segments in 1u32..9, workers in 1u32..5) {
            let phases = mixed_phases(1.0, crowd, Some(iterations));
            let mut begun = 0;
            for index in 0..segments {
                let work = segment(phases.clone(), 3, Share::of(index, segments).unwrap());
                let here = all_arrivals(&work, workers).iter().filter(|(phase, ..)| *phase == 4).count() as u64;
                prop_assert_eq!(Some(here), work.phases[4].planned);
                begun += here;
            }
            prop_assert_eq!(begun, iterations);
        }

        #[test]
        fn what_is_scheduled_is_handed_out_or_in_the_backlog(
            steps in proptest::collection::vec((0i64..200_000_000, 0usize..20, any::<bool>()), 1..60),
            workers in 1u32..4,
        ) {
            let second = Duration::from_secs(1);
            let think = ThinkTime::Uniform { min: Duration::ZERO, max: Duration::from_millis(50) };
            let work = workload(vec![
                open_phase("a", 100.0, second),
                closed_phase("b", 7, think, Some(90), Some(second)),
                open_phase("c", 50.0, second),
            ], 5);
            let mut feed = Feed::new(&work, Share::of(0, workers).unwrap());
            let (mut now, mut counted, mut taken, mut out) = (0, 0, 0, Vec::new());
            for (pause, pops, give_back) in steps {
                now += pause;
                counted += scheduled(&mut feed, now);
                for _ in 0..pops {
                    let Some(arrival) = feed.pop(now) else { break };
                    prop_assert!(arrival.intended <= now);
                    taken += 1;
                    out.push(arrival);
                }
                if give_back {
                    out.drain(..).for_each(|arrival| feed.give_back(&arrival, now));
                }
                counted += scheduled(&mut feed, now + 1);
                prop_assert_eq!(counted, taken + feed.backlog());
            }
        }
    }
}
