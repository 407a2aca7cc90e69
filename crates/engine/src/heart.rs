//! What the driver and the slots of one worker share: feed, books, idle slots, and the time.
//!
//! Everything here belongs to one thread; nothing is shared between workers but the compiled plan.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use plimsoll_plan::ConnectionUse;
use plimsoll_record::{Offset, RunClock};

use crate::answer::Answer;
use crate::connection::{Idle, Pool, PoolSetup};
use crate::exchange::owner;
use crate::feed::{Arrival, Due, Ending, Feed};
use crate::journal::FailedAnswer;
use crate::journey::Journey;
use crate::recorder::{Ended, Recorder};
use crate::slot::{Slot, UnderWay};
use crate::slots::Slots;
use crate::store::Stores;
use crate::tick::Tick;
use crate::workload::Workload;

/// A driver that was asked to look at once; it cannot be late for what it is only now told.
const NOW: i64 = i64::MIN;
/// A driver that comes to look this much later than it meant to was held up.
const HELD_UP: i64 = 1_000_000;
/// Hold-ups that are remembered while arrivals from their time still wait.
const REMEMBERED: usize = 64;

/// An iteration on its way to a connection.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) due: Due,
    pub(crate) delay: Delay,
}

/// Whose fault it is when the request is sent late.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delay {
    /// A connection is free: any lag is the generator's own, until the request is written.
    Own { since: i64 },
    /// A connection can be opened: the generator's part is what passed before it began to.
    Opening { own: i64 },
    /// All connections were in use. The generator's part is what it overslept, if it did.
    Waited { own: Option<i64>, wait: i64 },
}

impl Delay {
    /// How long the request waited until a connection was free; `None` when one was.
    pub(crate) fn waited(self) -> Option<i64> {
        match self {
            Self::Waited { wait, .. } => Some(wait),
            Self::Own { .. } | Self::Opening { .. } => None,
        }
    }

    /// The same for the branches of a group that was intended at `intended`, each of which may have to open a
    /// connection.
    pub(crate) fn of_branch(self, now: i64, intended: i64) -> Self {
        match self {
            Self::Own { .. } => Self::Opening { own: now - intended },
            Self::Opening { .. } | Self::Waited { .. } => self,
        }
    }
}

/// The shared state of one worker.
pub(crate) struct Heart {
    pub(crate) work: Arc<Workload>,
    pub(crate) pool: Pool,
    pub(crate) timeout: i64,
    pub(crate) connect_timeout: i64,
    /// How long the head of an answer may take; the end of the range when that is not limited.
    pub(crate) first_byte_timeout: i64,
    pub(crate) connections: ConnectionUse,
    pub(crate) clock: RunClock,
    pub(crate) start: Offset,
    tick: Tick,
    idle: Idle,
    pub(crate) stores: Stores,
    /// Steps that are done at once, in as many groups at present.
    groups: Cell<usize>,
    feed: RefCell<Feed>,
    recorder: RefCell<Recorder>,
    slots: RefCell<Slots>,
    hold_ups: RefCell<VecDeque<(i64, i64)>>,
    stopping: Cell<bool>,
    /// When the driver will look next, and how to make it look earlier.
    looks_at: Cell<i64>,
    driver: RefCell<Option<Waker>>,
}

/// What a heart is made of.
pub(crate) struct HeartSetup {
    pub(crate) work: Arc<Workload>,
    pub(crate) pool: PoolSetup,
    pub(crate) timeout: i64,
    pub(crate) connect_timeout: i64,
    pub(crate) first_byte_timeout: i64,
    pub(crate) connections: ConnectionUse,
    pub(crate) clock: RunClock,
    pub(crate) start: Offset,
    pub(crate) tick: Tick,
}

impl Heart {
    pub(crate) fn new(setup: HeartSetup, feed: Feed, recorder: Recorder) -> Self {
        let HeartSetup { work, pool, timeout, connect_timeout, first_byte_timeout, connections, clock, start, tick } =
            setup;
        let stores = Stores::new(&work.stores, pool.worker, pool.workers);
        let pool = Pool::new(pool);
        let slots = Slots::new(pool.slots());
        Self {
            work,
            pool,
            timeout,
            connect_timeout,
            first_byte_timeout,
            connections,
            clock,
            start,
            tick,
            idle: Idle::default(),
            stores,
            groups: Cell::new(0),
            feed: RefCell::new(feed),
            recorder: RefCell::new(recorder),
            slots: RefCell::new(slots),
            hold_ups: RefCell::default(),
            stopping: Cell::new(false),
            looks_at: Cell::new(0),
            driver: RefCell::new(None),
        }
    }

    /// Nanoseconds since the start of the traffic.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_nanos() - self.start.as_nanos()
    }

    /// The next arrival for a slot that has just become free at `now`.
    pub(crate) fn next_job(&self, now: i64) -> Option<Job> {
        self.turn_if_due(now);
        let due = self.feed.borrow_mut().pop(now)?;
        self.recorder.borrow_mut().begin(due.begun());
        let intended = due.intended();
        let delay = if intended == now || self.has_capacity() {
            Delay::Own { since: intended }
        } else {
            Delay::Waited { own: self.overslept(intended), wait: now - intended }
        };
        Some(Job { due, delay })
    }

    /// Hands out what is due at `now` to idle slots, most recently used first, and asks `spawn` for a new slot while
    /// there may be more of them.
    pub(crate) fn dispatch(&self, now: i64, mut spawn: impl FnMut(Rc<Slot>, Job)) {
        while self.has_capacity() {
            let Some(due) = self.feed.borrow_mut().pop(now) else { return };
            self.recorder.borrow_mut().begin(due.begun());
            let intended = due.intended();
            let mut slots = self.slots.borrow_mut();
            if let Some(slot) = slots.take_idle() {
                slot.assign(Job { due, delay: Delay::Own { since: intended } });
            } else {
                let slot = slots.add();
                drop(slots);
                spawn(slot, Job { due, delay: Delay::Opening { own: now - intended } });
            }
        }
    }

    /// When the driver should look for arrivals: never while all connections are in use, because then whoever becomes
    /// free looks itself.
    pub(crate) fn next_due(&self) -> Option<i64> {
        if self.has_capacity() { self.next_tick() } else { None }
    }

    /// The driver means to sleep until `at`.
    pub(crate) fn set_looks_at(&self, at: i64) {
        self.looks_at.set(at);
    }

    /// How to wake the driver.
    pub(crate) fn register_driver(&self, waker: &Waker) {
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|driver| driver.will_wake(waker)) {
            *driver = Some(waker.clone());
        }
    }

    /// When the driver meant to look; earlier when something came up since.
    pub(crate) fn looks_at(&self) -> i64 {
        self.looks_at.get()
    }

    /// There may be more slots than before, or fewer.
    pub(crate) fn make_room(&self) {
        self.slots.borrow_mut().limit = self.pool.slots();
        self.look_early();
    }

    /// A slot with an open connection has nothing to do.
    pub(crate) fn rest(&self, slot: usize) {
        self.slots.borrow_mut().idle.push(slot);
        self.look_early();
    }

    /// An idle slot lost its connection.
    pub(crate) fn leave(&self, slot: usize) {
        self.slots.borrow_mut().idle.retain(|idle| *idle != slot);
    }

    /// A slot ends.
    pub(crate) fn retire(&self, slot: &Slot) {
        self.slots.borrow_mut().remove(slot.id);
        self.look_early();
    }

    /// The tick of the next arrival.
    fn next_tick(&self) -> Option<i64> {
        self.feed.borrow().next_due().map(|due| self.tick.at_or_after(due))
    }

    /// Wakes the driver if an arrival's tick comes before it means to look, or if all is done.
    fn look_early(&self) {
        let tick = self.next_tick();
        let early = tick.map_or_else(|| self.is_done(self.now()), |tick| tick < self.looks_at.get());
        if early {
            self.looks_at.set(NOW);
            if let Some(driver) = &*self.driver.borrow() {
                driver.wake_by_ref();
            }
        }
    }

    /// What an iteration stands before is due now, and under way.
    pub(crate) fn begin_step(&self, journey: &mut Journey) {
        let phase = journey.arrival.phase;
        let mut recorder = self.recorder.borrow_mut();
        journey.each_due(&self.work, &mut |entry| recorder.begin_step(phase, entry));
    }

    /// A request is being written at `sent`.
    pub(crate) fn sent(&self, delay: Delay, sent: i64) {
        let (own, waited) = match delay {
            Delay::Own { since } => (Some(sent - since), false),
            Delay::Opening { own } => (Some(own), false),
            Delay::Waited { own, .. } => (own, true),
        };
        self.recorder.borrow_mut().send(own, waited);
    }

    /// The request was not written after all: its connection was closed already.
    pub(crate) fn not_sent(&self) {
        self.recorder.borrow_mut().take_back();
    }

    pub(crate) fn end(&self, ended: &Ended) {
        self.turn_if_due(ended.done);
        self.recorder.borrow_mut().end(ended);
    }

    /// An answer failed: keeps the beginning of its body if that is wanted.
    pub(crate) fn keep_failure(&self, ended: &Ended, failed_check: Option<u16>, answer: &Answer) {
        let mut recorder = self.recorder.borrow_mut();
        let wanted = recorder.wants_body(ended.operation);
        if wanted > 0 {
            let body = answer.kept.as_ref().map(|kept| kept.excerpt(wanted)).unwrap_or_default();
            recorder.keep_failure(FailedAnswer { ended: *ended, failed_check, body });
        }
    }

    /// A whole poll ended.
    pub(crate) fn end_poll(&self, ended: &Ended) {
        self.recorder.borrow_mut().end_poll(ended);
    }

    /// An iteration ended. True when its user comes again.
    pub(crate) fn give_back(&self, arrival: &Arrival, ending: Ending) -> bool {
        self.feed.borrow_mut().end(arrival, ending)
    }

    /// Puts an iteration away until `at`. False when it has ended instead.
    pub(crate) fn pause(&self, now: i64, at: i64, journey: Box<Journey>) -> bool {
        let goes_on = self.feed.borrow_mut().pause(now, at, journey);
        self.look_early();
        goes_on
    }

    /// An iteration could not go on although no request of its failed.
    pub(crate) fn cut_short(&self) {
        self.feed.borrow_mut().cut_short();
    }

    /// The user of an iteration is gone: its own connections to stores are closed.
    pub(crate) fn forget(&self, arrival: &Arrival) {
        self.stores.forget(owner(self, arrival));
    }

    /// A time of the machine's monotonic clock in nanoseconds since the start of the traffic.
    pub(crate) fn since_monotonic(&self, monotonic_ns: i64) -> i64 {
        monotonic_ns - self.clock.anchor().monotonic_ns - self.start.as_nanos()
    }

    /// Connections that no slot has.
    pub(crate) fn idle(&self) -> &Idle {
        &self.idle
    }

    /// Steps begin that are done at once.
    pub(crate) fn begin_group(&self) {
        self.groups.set(self.groups.get() + 1);
    }

    /// All of them have ended.
    pub(crate) fn end_group(&self) {
        self.groups.set(self.groups.get() - 1);
    }

    /// A slot waits until `deadline` at most.
    pub(crate) fn expect_deadline(&self, deadline: i64) {
        let mut slots = self.slots.borrow_mut();
        slots.next_sweep = slots.next_sweep.min(deadline);
    }

    /// Ends the interval if `now` lies beyond it, so that nothing is counted in an interval it does not belong to.
    pub(crate) fn turn_if_due(&self, now: i64) {
        let mut recorder = self.recorder.borrow_mut();
        if now >= recorder.boundary() {
            let open = self.pool.shared().unwrap_or_else(|| self.slots.borrow().open + self.idle.count());
            recorder.turn(now, &mut self.feed.borrow_mut(), open);
        }
    }

    /// When the present interval ends.
    pub(crate) fn boundary(&self) -> i64 {
        self.recorder.borrow().boundary()
    }

    /// Takes note when the driver looks later than it meant to.
    pub(crate) fn note_hold_up(&self, now: i64) {
        let meant = self.looks_at.get();
        if meant == NOW {
            return;
        }
        self.recorder.borrow_mut().woke(now - meant);
        if now - meant < HELD_UP {
            return;
        }
        self.recorder.borrow_mut().held_up(now - meant);
        let mut hold_ups = self.hold_ups.borrow_mut();
        if hold_ups.len() == REMEMBERED {
            hold_ups.pop_front();
        }
        hold_ups.push_back((meant, now));
    }

    /// How much of an arrival's wait the driver overslept: it came due while nobody looked. Arrivals are asked about
    /// in order, so hold-ups that ended before this one are of no more use.
    fn overslept(&self, intended: i64) -> Option<i64> {
        let mut hold_ups = self.hold_ups.borrow_mut();
        while hold_ups.front().is_some_and(|(_, to)| *to <= intended) {
            hold_ups.pop_front();
        }
        hold_ups.front().filter(|(from, _)| *from <= intended).map(|(_, to)| to - intended)
    }

    /// Ends requests whose deadline is over.
    pub(crate) fn sweep(&self, now: i64) {
        let mut slots = self.slots.borrow_mut();
        if now < slots.next_sweep {
            return;
        }
        let earliest = slots.all.iter().flatten().map(|slot| slot.sweep(now)).min().unwrap_or(i64::MAX);
        slots.next_sweep = earliest;
    }

    /// No new arrivals from `now` on.
    pub(crate) fn stop_arrivals(&self, now: i64) {
        self.stopping.set(true);
        let polls = self.feed.borrow_mut().close(now);
        self.recorder.borrow_mut().give_up_polls(polls);
    }

    /// True when no further iteration may begin.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// True when nothing is due at `now`, nothing will be, and nothing is under way.
    pub(crate) fn is_done(&self, now: i64) -> bool {
        self.groups.get() == 0 && self.recorder.borrow().is_idle() && self.feed.borrow().is_over(now)
    }

    /// True when nobody takes this worker's reports any more.
    pub(crate) fn collector_is_gone(&self) -> bool {
        self.recorder.borrow().collector_is_gone()
    }

    /// Feed, books, and what was under way, when driver and slots are gone.
    pub(crate) fn into_books(self) -> (Feed, Recorder, Vec<UnderWay>) {
        let slots = self.slots.into_inner();
        let under_way = slots.all.iter().flatten().filter_map(|slot| slot.under_way()).collect();
        (self.feed.into_inner(), self.recorder.into_inner(), under_way)
    }

    fn has_capacity(&self) -> bool {
        self.slots.borrow().have_room()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Route;
    use crate::fixtures::{open_phase, plan_for};
    use crate::recorder::{Message, OwnCosts, RecorderSetup};
    use crate::schedule::Share;
    use std::time::Duration;
    use tokio::sync::mpsc;

    const MS: i64 = 1_000_000;

    /// A worker with `connections` and ten arrivals per second, in intervals of one second.
    fn heart(connections: usize) -> (Heart, mpsc::Receiver<Message>) {
        heart_at(10.0, Tick::FINE, connections)
    }

    fn heart_at(per_second: f64, tick: Tick, connections: usize) -> (Heart, mpsc::Receiver<Message>) {
        let mut plan = plan_for("http://127.0.0.1:1");
        plan.phases = vec![open_phase("a", per_second, Duration::from_secs(9))];
        let work = Arc::new(Workload::compile(&plan, Share::WHOLE).unwrap());
        let (out, reports) = mpsc::channel(1);
        let start = Offset(0);
        let recorder = Recorder::new(RecorderSetup {
            worker: 0,
            work: Arc::clone(&work),
            start,
            every: 1000 * MS,
            max_send_lag: 10 * MS,
            journal: crate::journal::JournalSetup::default(),
            out,
        });
        let feed = Feed::new(&work, Share::WHOLE);
        let route = Route::prepare(plan.target.as_ref().unwrap()).unwrap();
        let (timeout, clock) = (1000 * MS, RunClock::start());
        let setup = HeartSetup {
            work,
            pool: PoolSetup {
                route: Arc::new(route),
                connections,
                streams: 1,
                worker: 0,
                workers: 1,
                uses: ConnectionUse::Pool,
            },
            timeout,
            connect_timeout: timeout,
            first_byte_timeout: i64::MAX,
            connections: ConnectionUse::Pool,
            clock,
            start,
            tick,
        };
        (Heart::new(setup, feed, recorder), reports)
    }

    /// What the worker says about itself after its first second.
    fn own(heart: &Heart, reports: &mut mpsc::Receiver<Message>) -> OwnCosts {
        heart.turn_if_due(1000 * MS);
        match reports.try_recv() {
            Ok(Message::Report(report)) => report.own,
            other => panic!("no report but {other:?}"),
        }
    }

    #[test]
    fn an_arrival_that_waited_for_a_connection_is_not_the_generators_delay() {
        let (heart, mut reports) = heart(0);
        let job = heart.next_job(300 * MS).unwrap();
        heart.sent(job.delay, 300 * MS);
        let own = own(&heart, &mut reports);
        assert_eq!((own.sent, own.waited, own.sent_late, own.lag.count()), (1, 1, 0, 0));
    }

    #[test]
    fn an_arrival_that_came_due_while_the_driver_was_held_up_is() {
        let (heart, mut reports) = heart(0);
        heart.set_looks_at(20 * MS);
        heart.note_hold_up(250 * MS);
        for now in [250, 251, 300] {
            let job = heart.next_job(now * MS).unwrap();
            heart.sent(job.delay, now * MS);
        }
        // Due at 50, 150 and 250 ms, the first two while nobody looked.
        let own = own(&heart, &mut reports);
        assert_eq!((own.sent, own.waited, own.sent_late, own.lag.count()), (3, 3, 2, 2));
        let worst_ms = own.lag.max().unwrap() / 1_000_000;
        assert!((199..=201).contains(&worst_ms), "{worst_ms} ms");
    }

    #[test]
    fn an_arrival_with_a_free_connection_that_is_sent_late_is_the_generators_delay() {
        let (heart, mut reports) = heart(1);
        let job = heart.next_job(70 * MS).unwrap();
        heart.sent(job.delay, 75 * MS);
        let own = own(&heart, &mut reports);
        assert_eq!((own.waited, own.sent_late), (0, 1));
        assert!((24..=26).contains(&(own.lag.max().unwrap() / 1_000_000)));
    }

    #[test]
    fn a_connection_that_becomes_free_waits_for_the_tick_of_the_next_arrival() {
        // The first of three per second is due at 166.67 ms.
        for (tick, looks_at) in [(Tick::FINE, 166_666_666), (Tick::COARSE, 166_750_000)] {
            let (heart, _reports) = heart_at(3.0, tick, 1);
            assert_eq!(heart.next_due(), Some(looks_at));
            heart.set_looks_at(looks_at);
            heart.rest(0);
            assert_eq!(heart.looks_at(), looks_at, "nothing new, so nothing to look for earlier");
            heart.set_looks_at(looks_at + 1);
            heart.rest(0);
            assert_eq!(heart.looks_at(), NOW);
        }
    }

    #[test]
    fn requests_under_way_during_a_hold_up_count_as_late_once() {
        let (heart, mut reports) = heart(0);
        heart.next_job(60 * MS).unwrap();
        heart.set_looks_at(100 * MS);
        heart.note_hold_up(400 * MS);
        heart.set_looks_at(500 * MS);
        heart.note_hold_up(600 * MS);
        assert_eq!(own(&heart, &mut reports).sent_late, 1);
    }
}
