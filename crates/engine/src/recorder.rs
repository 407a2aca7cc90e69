//! What one worker writes down: counters per (phase, operation), swapped out whole once per interval.
//!
//! A request costs three histogram increments, a ledger increment and a few comparisons; no lock, no channel, no text.
//! Intervals lie on a fixed grid, the same for all workers. Times are nanoseconds from the start of the traffic.

mod cell;

use std::sync::Arc;

use plimsoll_record::Offset;
use plimsoll_record::latency::Histogram;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::requests::RequestRow;
use plimsoll_record::traffic::SlowRequest;
use tokio::sync::mpsc;

use crate::feed::Feed;
use crate::journal::{FailedAnswer, Journal, JournalSetup};
use crate::journey::{Begun, Entry};
use crate::own::ThreadWaits;
use crate::slot::UnderWay;
use crate::workload::Workload;
pub(crate) use cell::{Cell, Ended, Parts, ended};

/// What a worker tells the collector.
#[derive(Debug)]
pub(crate) enum Message {
    /// Everything since the worker's last report.
    Report(Box<Report>),
    /// Request rows, when their buffer filled up within an interval.
    Rows(Vec<RequestRow>),
    /// A request that was slow, as it happens.
    Slow(Box<SlowRequest>),
    /// An answer that failed, as it happens.
    Failed(Box<FailedAnswer>),
    /// The worker will send nothing more; `false` when it broke down.
    Finished { worker: usize, sound: bool },
}

/// One worker's interval.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) worker: usize,
    /// The grid lines it covers, in intervals from the start.
    pub(crate) to_line: u64,
    /// When it really ended: at its grid line, or earlier when it is the last.
    pub(crate) to: i64,
    /// Nothing follows from this worker.
    pub(crate) last: bool,
    pub(crate) cells: Vec<(usize, Cell)>,
    pub(crate) own: OwnCosts,
    pub(crate) rows: Vec<RequestRow>,
    pub(crate) ended: Vec<(u32, i64)>,
}

/// How the worker itself did in an interval.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnCosts {
    pub(crate) sent: u64,
    pub(crate) sent_late: u64,
    pub(crate) lag: Histogram,
    pub(crate) waited: u64,
    pub(crate) connections: u64,
    pub(crate) rows_dropped: u64,
    /// Requests that were slower than the plan's `slow`.
    pub(crate) slow: u64,
    /// This worker's CPU time in the interval, in nanoseconds.
    pub(crate) cpu_ns: i64,
    /// How long it waited in the interval for a core that others had, where the system tells.
    pub(crate) core_wait_ns: Option<u64>,
    /// By how much later than it meant to the driver woke.
    pub(crate) loop_delay: Histogram,
    /// The CPU time of the whole process so far, in nanoseconds.
    pub(crate) process_cpu_ns: i64,
    /// The most requests that were under way when the worker was held up for long.
    pub(crate) held_up_requests: u64,
    /// The longest time in which the worker did not get to look at its schedule.
    pub(crate) held_up_ns: u64,
    /// Iterations that could not go on although no request of theirs failed.
    pub(crate) cut_short: u64,
}

/// What a recorder needs to know beforehand.
#[derive(Clone, Debug)]
pub(crate) struct RecorderSetup {
    pub(crate) worker: usize,
    pub(crate) work: Arc<Workload>,
    /// The start of the traffic on the run's clock.
    pub(crate) start: Offset,
    pub(crate) every: i64,
    pub(crate) max_send_lag: i64,
    pub(crate) journal: JournalSetup,
    pub(crate) out: mpsc::Sender<Message>,
}

/// The books of one worker.
#[derive(Debug)]
pub(crate) struct Recorder {
    setup: RecorderSetup,
    cells: Vec<Option<Box<Cell>>>,
    pending: Vec<u64>,
    in_flight: u64,
    /// Whole polls that have begun and not ended, whether a try is under way or not.
    polls: u64,
    /// Of these, how many will not end: the run is over before their next try.
    polls_given_up: u64,
    own: OwnCosts,
    journal: Journal,
    /// The next grid line, as a time.
    boundary: i64,
    thread_cpu_ns: i64,
    waits: ThreadWaits,
    waited_ns: Option<u64>,
    collector_gone: bool,
}

impl Recorder {
    /// To be made on the worker's own thread, whose costs it records.
    pub(crate) fn new(setup: RecorderSetup) -> Self {
        let cells = setup.work.cells();
        let waits = ThreadWaits::of_this_thread();
        Self {
            cells: (0..cells).map(|_| None).collect(),
            pending: vec![0; cells],
            in_flight: 0,
            polls: 0,
            polls_given_up: 0,
            own: OwnCosts::default(),
            journal: Journal::new(&setup.journal),
            boundary: setup.every,
            thread_cpu_ns: thread_cpu_ns(),
            waited_ns: waits.so_far_ns(),
            waits,
            collector_gone: false,
            setup,
        }
    }

    /// When the next interval ends.
    pub(crate) fn boundary(&self) -> i64 {
        self.boundary
    }

    /// True when nobody takes reports any more: the record cannot be continued.
    pub(crate) fn collector_is_gone(&self) -> bool {
        self.collector_gone
    }

    /// True when nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.polls == self.polls_given_up
    }

    /// An iteration was handed to a connection: what it stands before, counted as scheduled by the feed, is under way.
    pub(crate) fn begin(&mut self, begun: Begun) {
        self.in_flight += begun.requests;
        self.polls += begun.polls;
    }

    /// What an iteration came to right behind its last request: it is due, and under way.
    pub(crate) fn begin_step(&mut self, phase: u16, entry: Entry) {
        let cell = self.setup.work.cell(phase, entry.operation);
        self.schedule(cell, 1);
        let mut begun = Begun::default();
        begun.add(entry);
        self.begin(begun);
    }

    /// Polls that were between two tries will not go on.
    pub(crate) fn give_up_polls(&mut self, polls: u64) {
        self.polls_given_up += polls;
    }

    /// A request is being written. `own_lag` is the delay that is the generator's own fault; `None` when it waited
    /// for a connection while the generator was awake.
    pub(crate) fn send(&mut self, own_lag: Option<i64>, waited: bool) {
        self.own.sent += 1;
        self.own.waited += u64::from(waited);
        if let Some(lag) = own_lag {
            self.own.lag.record(lag.max(0).cast_unsigned());
            self.own.sent_late += u64::from(lag > self.setup.max_send_lag);
        }
    }

    /// The last request was not written after all. Its send may have been counted in an interval that is over.
    pub(crate) fn take_back(&mut self) {
        self.own.sent = self.own.sent.saturating_sub(1);
    }

    /// The driver looks `late` nanoseconds later than it meant to; before that time, when something came up.
    pub(crate) fn woke(&mut self, late: i64) {
        if late >= 0 {
            self.own.loop_delay.record(late.cast_unsigned());
        }
    }

    /// The worker could not look at anything for `span` nanoseconds: what was under way may have been seen that much
    /// late, so it counts as if it had been sent late. A closed model shows a hold-up nowhere else.
    pub(crate) fn held_up(&mut self, span: i64) {
        if span > self.setup.max_send_lag {
            self.own.held_up_requests = self.own.held_up_requests.max(self.in_flight);
        }
        let span = span.max(0).cast_unsigned();
        self.own.held_up_ns = self.own.held_up_ns.max(span);
        for _ in 0..self.in_flight {
            self.own.lag.record(span);
        }
    }

    /// A request ended.
    pub(crate) fn end(&mut self, ended: &Ended) {
        let index = self.setup.work.cell(ended.phase, ended.operation);
        let start = self.setup.start;
        self.cell(index).end(ended, start);
        self.in_flight -= 1;
        self.journal.note(ended, start, &self.setup.out, &mut self.own);
    }

    /// How many bytes of the body of an answer that fails are wanted: 0 when none, or enough were kept.
    pub(crate) fn wants_body(&self, operation: u16) -> usize {
        self.journal.wants_body(operation)
    }

    /// Keeps an answer that failed, see [`FailedAnswer`]. Counting it is [`Self::end`]'s business, before or after.
    pub(crate) fn keep_failure(&mut self, failed: FailedAnswer) {
        self.journal.keep_failure(failed, &self.setup.out);
    }

    /// The request rows so far.
    pub(crate) fn into_rows(mut self) -> Vec<RequestRow> {
        self.journal.turn()
    }

    /// A whole poll ended.
    pub(crate) fn end_poll(&mut self, ended: &Ended) {
        let index = self.setup.work.cell(ended.phase, ended.operation);
        let start = self.setup.start;
        self.cell(index).end(ended, start);
        self.polls -= 1;
    }

    fn cell(&mut self, index: usize) -> &mut Cell {
        self.cells[index].get_or_insert_default()
    }

    /// Ends the interval when `now` lies beyond it. After a hold-up of several intervals one report covers them all.
    /// When the collector is behind, the interval goes on to the next grid line instead of waiting.
    pub(crate) fn turn(&mut self, now: i64, feed: &mut Feed, connections: usize) {
        let every = self.setup.every;
        let line = now / every;
        let to = line * every;
        match self.setup.out.clone().try_reserve() {
            Ok(permit) => {
                let report = self.report(line as u64, to, feed, connections);
                permit.send(Message::Report(Box::new(report)));
            }
            Err(mpsc::error::TrySendError::Full(())) => {}
            Err(mpsc::error::TrySendError::Closed(())) => self.collector_gone = true,
        }
        self.boundary = to + every;
    }

    /// The last report, at `now`: whatever is pending counts as unfinished, and as waited for until now. Waits for the
    /// collector if need be.
    pub(crate) fn close(mut self, now: i64, feed: &mut Feed, under_way: &[UnderWay]) {
        feed.take_scheduled(now.saturating_add(1), |cell, n| self.schedule(cell, n));
        self.settle();
        for cell in 0..self.pending.len() {
            let pending = std::mem::take(&mut self.pending[cell]);
            if pending > 0 {
                self.cell(cell).ledger.finish_many(Outcome::Unfinished, pending);
            }
        }
        under_way.iter().for_each(|request| self.abandon(request, now));
        feed.take_waiting(|cell, intended| self.censor(cell, now - intended, 0));
        let line = now.div_euclid(self.setup.every) + 1;
        let report = Report { last: true, ..self.swap_out(line as u64, now, feed, 0) };
        // A collector that is gone has told its reason already.
        let _ = self.setup.out.blocking_send(Message::Report(Box::new(report)));
    }

    /// A request was under way when the run ended, and the poll that it was a try of.
    fn abandon(&mut self, request: &UnderWay, now: i64) {
        let UnderWay { phase, operation, intended, sent, poll } = *request;
        let since = |sent: Option<i64>| sent.map_or(0, |sent| now - sent);
        self.censor(self.setup.work.cell(phase, operation), now - intended, since(sent));
        if let Some(poll) = poll {
            let began = if poll.intended == intended { sent } else { Some(poll.sent) };
            self.censor(self.setup.work.cell(phase, operation + 1), now - poll.intended, since(began));
        }
    }

    /// Something was waited for so long, and did not end.
    fn censor(&mut self, cell: usize, response: i64, service: i64) {
        let waits = self.cell(cell).censored.get_or_insert_default();
        waits.record(response.max(0).cast_unsigned(), service.max(0).cast_unsigned());
    }

    fn schedule(&mut self, cell: usize, n: u64) {
        self.cell(cell).ledger.schedule(n);
    }

    fn report(&mut self, to_line: u64, to: i64, feed: &mut Feed, connections: usize) -> Report {
        feed.take_scheduled(to, |cell, n| self.schedule(cell, n));
        self.settle();
        let pending: u64 = self.pending.iter().sum();
        let under_way = self.in_flight + self.polls;
        assert_eq!(pending, under_way + feed.backlog(), "what is pending is under way or waits in the backlog");
        self.swap_out(to_line, to, feed, connections)
    }

    /// Carries the interval's scheduled and finished arrivals over into the pending counts.
    fn settle(&mut self) {
        for (pending, cell) in self.pending.iter_mut().zip(&self.cells) {
            let Some(cell) = cell else { continue };
            *pending = (*pending + cell.ledger.scheduled())
                .checked_sub(cell.ledger.finished())
                .expect("nothing ends that was not scheduled");
        }
    }

    fn swap_out(&mut self, to_line: u64, to: i64, feed: &mut Feed, connections: usize) -> Report {
        let cells = self.cells.iter_mut().enumerate();
        let cells = cells.filter_map(|(index, cell)| cell.take().map(|cell| (index, *cell))).collect();
        let thread_cpu = thread_cpu_ns();
        let mut own = std::mem::take(&mut self.own);
        own.cpu_ns = thread_cpu - std::mem::replace(&mut self.thread_cpu_ns, thread_cpu);
        let waited = self.waits.so_far_ns();
        let before = std::mem::replace(&mut self.waited_ns, waited);
        own.core_wait_ns = waited.zip(before).map(|(now, before)| now.saturating_sub(before));
        own.process_cpu_ns = process_cpu_ns();
        own.connections = connections as u64;
        own.cut_short = feed.take_cut_short();
        // A request that was sent late may be held up as well; it is late once.
        own.sent_late = own.sent_late.max(own.held_up_requests);
        Report {
            worker: self.setup.worker,
            to_line,
            to,
            last: false,
            cells,
            own,
            rows: self.journal.turn(),
            ended: feed.ended().collect(),
        }
    }
}

pub(crate) fn process_cpu_ns() -> i64 {
    cpu_ns(rustix::time::ClockId::ProcessCPUTime)
}

fn thread_cpu_ns() -> i64 {
    cpu_ns(rustix::time::ClockId::ThreadCPUTime)
}

fn cpu_ns(clock: rustix::time::ClockId) -> i64 {
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}
