//! What a worker notes of single requests: rows of the request log, requests that were slow, answers that failed.
//!
//! The request path copies a few numbers into a buffer and compares two of them; compressing, redacting and writing
//! are the collector's. Everything here is bounded, and what does not fit is counted. Sums over requests are kept by
//! the recorder.

use std::sync::Arc;

use bytes::Bytes;
use plimsoll_plan::{Plan, RequestLogging};
use plimsoll_record::Offset;
use plimsoll_record::requests::{Kept, RequestRow};
use plimsoll_record::traffic::{SlowInterval, SlowRequest};
use tokio::sync::mpsc;

use crate::draw::Draws;
use crate::recorder::{Ended, Message, OwnCosts};
use crate::workload::{NEVER, nanos};

/// Request rows a worker collects before it hands them over: 3 MB.
const ROWS: usize = 65_536;
/// The stream of draws that decide which requests of a share are logged.
const SHARE: u64 = 0x6c6f_675f_7368_6172;
/// The most answers that failed of one operation.
pub(crate) const MOST_FAILURES: u32 = 20;

/// What is noted, for all workers alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct JournalSetup {
    log: Option<Selection>,
    /// By operation: a longer response time is slow. Empty when nothing is slow.
    slow: Arc<[i64]>,
    /// The most bytes of the body of an answer that failed; `None` when none is kept.
    pub(crate) body_cap: Option<u32>,
    operations: usize,
}

/// Which requests are logged.
#[derive(Clone, Copy, Debug)]
enum Selection {
    All,
    Bad,
    /// Those whose draw lies below `below`.
    Share {
        share: f64,
        draws: Draws,
        below: u64,
    },
}

/// An answer that failed, from whoever read it: the one thing that is kept of bodies.
///
/// Before the body is read, [`Recorder::wants_body`](crate::recorder::Recorder::wants_body) says how much of it is
/// wanted, mostly nothing. When the answer is complete and judged, and counts as failed, it is handed to
/// [`Recorder::keep_failure`](crate::recorder::Recorder::keep_failure), decompressed if that was done anyway. The
/// collector takes the plan's secrets out and writes `failures.jsonl`.
#[derive(Clone, Debug)]
pub(crate) struct FailedAnswer {
    /// What is counted of it; `body_bytes` is the whole body.
    pub(crate) ended: Ended,
    /// The check that failed it, by its place among the request's.
    pub(crate) failed_check: Option<u16>,
    /// The beginning of the body, at least as much as was wanted if there is as much.
    pub(crate) body: Bytes,
}

impl JournalSetup {
    /// What `plan` asks for.
    pub(crate) fn of(plan: &Plan) -> Self {
        let log = match plan.generator.requests {
            RequestLogging::All => Some(Selection::All),
            RequestLogging::Bad => Some(Selection::Bad),
            RequestLogging::Share(share) => Some(Selection::share(share, plan.seed)),
            RequestLogging::None => None,
        };
        let operations = plan.operation_list();
        let limits = operations.iter().map(|operation| {
            // A whole poll takes as long as it takes; each of its tries may be slow.
            let limit = operation.request.slow.or(plan.generator.slow).filter(|_| !operation.whole_poll);
            limit.map_or(NEVER, nanos)
        });
        let slow: Arc<[i64]> = limits.collect();
        let slow = if slow.iter().all(|limit| *limit == NEVER) { Arc::default() } else { slow };
        let body_cap = plan.generator.failed_bodies.map(std::num::NonZeroU32::get);
        Self { log, slow, body_cap, operations: operations.len() }
    }

    /// Notes every request and nothing else.
    pub(crate) fn of_all() -> Self {
        Self { log: Some(Selection::All), ..Self::default() }
    }

    /// Which requests are logged; `None`: there is no log.
    pub(crate) fn kept(&self) -> Option<Kept> {
        self.log.map(|selection| match selection {
            Selection::All => Kept::All,
            Selection::Bad => Kept::Bad,
            Selection::Share { share, .. } => Kept::Share(share),
        })
    }
}

impl Selection {
    fn share(share: f64, seed: u64) -> Self {
        // Out of 2^64 equally likely draws.
        let below = (share * 2f64.powi(64)) as u64;
        Self::Share { share, draws: Draws::new(seed, SHARE), below }
    }

    /// Whether a request is logged: a function of the request alone, so that each worker decides for itself, and the
    /// same arrivals are logged when a plan is run again.
    fn takes(&self, ended: &Ended) -> bool {
        match self {
            Self::All => true,
            Self::Bad => ended.outcome.is_failure(),
            Self::Share { draws, below, .. } => {
                let place =
                    u64::from(ended.iteration) << 32 | u64::from(ended.phase) << 16 | u64::from(ended.operation);
                draws.of(ended.user).of(place).bits(ended.intended.cast_unsigned()) < *below
            }
        }
    }
}

/// The notes of one worker.
#[derive(Debug)]
pub(crate) struct Journal {
    setup: JournalSetup,
    rows: Vec<RequestRow>,
    /// Slow requests that may still be told one by one in this interval.
    slow_left: usize,
    /// By operation, answers that were handed over.
    failures: Vec<u32>,
}

impl Journal {
    pub(crate) fn new(setup: &JournalSetup) -> Self {
        let failures = if setup.body_cap.is_some() { vec![0; setup.operations] } else { Vec::new() };
        Self { setup: setup.clone(), rows: Vec::new(), slow_left: SlowInterval::MOST, failures }
    }

    /// A request ended.
    pub(crate) fn note(&mut self, ended: &Ended, start: Offset, out: &mpsc::Sender<Message>, own: &mut OwnCosts) {
        let limit = self.setup.slow.get(usize::from(ended.operation));
        if limit.is_some_and(|limit| ended.done.saturating_sub(ended.intended) > *limit) {
            own.slow += 1;
            self.tell_slow(ended, start, out);
        }
        if self.setup.log.is_some_and(|selection| selection.takes(ended)) {
            self.log(ended, start, out, own);
        }
    }

    /// The rows since the last time, at the end of an interval.
    pub(crate) fn turn(&mut self) -> Vec<RequestRow> {
        self.slow_left = SlowInterval::MOST;
        // The next interval has about as many.
        let room = Vec::with_capacity(self.rows.len());
        std::mem::replace(&mut self.rows, room)
    }

    /// How many bytes of the body of an answer that fails are wanted.
    pub(crate) fn wants_body(&self, operation: u16) -> usize {
        let wanted = self.failures.get(usize::from(operation)).is_some_and(|handed_over| *handed_over < MOST_FAILURES);
        self.setup.body_cap.filter(|_| wanted).map_or(0, |cap| usize::try_from(cap).unwrap_or(usize::MAX))
    }

    /// Hands an answer that failed to the collector, if it is wanted.
    pub(crate) fn keep_failure(&mut self, mut failed: FailedAnswer, out: &mpsc::Sender<Message>) {
        let (operation, wanted) = (usize::from(failed.ended.operation), self.wants_body(failed.ended.operation));
        if wanted == 0 || !has_room(out) {
            return;
        }
        // A copy, so that a large body is not kept whole for the sake of its beginning.
        failed.body = Bytes::copy_from_slice(&failed.body[..wanted.min(failed.body.len())]);
        if out.try_send(Message::Failed(Box::new(failed))).is_ok() {
            self.failures[operation] += 1;
        }
    }

    fn tell_slow(&mut self, ended: &Ended, start: Offset, out: &mpsc::Sender<Message>) {
        if self.slow_left == 0 || !has_room(out) {
            return;
        }
        self.slow_left -= 1;
        let row = row_of(ended, start);
        let request = SlowRequest {
            phase: row.phase.into(),
            operation: row.operation.into(),
            user: row.user,
            iteration: row.iteration,
            intended_ns: row.intended,
            response_ns: row.response_ns(),
            service_ns: row.service_ns,
            outcome: Some(row.outcome),
            status: row.status,
        };
        // The interval counts it all the same.
        let _ = out.try_send(Message::Slow(Box::new(request)));
    }

    fn log(&mut self, ended: &Ended, start: Offset, out: &mpsc::Sender<Message>, own: &mut OwnCosts) {
        if self.rows.len() >= ROWS && !self.hand_over_rows(out) {
            own.rows_dropped += 1;
            return;
        }
        self.rows.push(row_of(ended, start));
    }

    fn hand_over_rows(&mut self, out: &mpsc::Sender<Message>) -> bool {
        let Ok(permit) = out.try_reserve() else { return false };
        permit.send(Message::Rows(std::mem::take(&mut self.rows)));
        true
    }
}

/// Single requests leave half of the queue to the reports of intervals.
fn has_room(out: &mpsc::Sender<Message>) -> bool {
    out.capacity() > out.max_capacity() / 2
}

fn row_of(ended: &Ended, start: Offset) -> RequestRow {
    RequestRow {
        intended: Offset(start.as_nanos() + ended.intended),
        send_lag_ns: ended.sent.saturating_sub(ended.intended).max(0).cast_unsigned(),
        service_ns: ended.done.saturating_sub(ended.sent).max(0).cast_unsigned(),
        user: ended.user,
        iteration: ended.iteration,
        body_bytes: u32::try_from(ended.body_bytes).unwrap_or(u32::MAX),
        phase: ended.phase,
        operation: ended.operation,
        status: ended.status,
        outcome: ended.outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::CheckResults;
    use crate::fixtures::plan_for;
    use plimsoll_record::ledger::Outcome;
    use std::num::NonZeroU32;
    use std::time::Duration;

    const MS: i64 = 1_000_000;

    fn ended(number: u64, outcome: Outcome) -> Ended {
        let intended = number.cast_signed() * MS;
        Ended {
            retries: 0,
            user: 1 + number % 7,
            iteration: 0,
            phase: 0,
            operation: 0,
            intended,
            sent: intended,
            done: intended + 3 * MS,
            outcome,
            status: 200,
            body_bytes: 2,
            checks: CheckResults::NONE,
            parts: crate::recorder::Parts::NONE,
        }
    }

    /// A plan's journal whose queue takes so many messages.
    fn journal(change: impl Fn(&mut Plan), room: usize) -> (Journal, mpsc::Sender<Message>, mpsc::Receiver<Message>) {
        let mut plan = plan_for("http://127.0.0.1:1");
        change(&mut plan);
        let (out, inbox) = mpsc::channel(room);
        (Journal::new(&JournalSetup::of(&plan)), out, inbox)
    }

    /// The numbers (from 0) of the requests that are logged.
    fn logged(logging: RequestLogging, seed: u64, requests: &[Ended]) -> Vec<i64> {
        let (mut journal, out, _inbox) = journal(|plan| (plan.generator.requests, plan.seed) = (logging, seed), 1);
        let mut own = OwnCosts::default();
        requests.iter().for_each(|ended| journal.note(ended, Offset(5), &out, &mut own));
        journal.turn().iter().map(|row| (row.intended.0 - 5) / MS).collect()
    }

    #[test]
    fn the_log_holds_what_the_plan_asks_for() {
        let outcomes = [Outcome::Ok, Outcome::Limited, Outcome::UnexpectedStatus, Outcome::TimedOut, Outcome::Ok];
        let requests: Vec<Ended> = (0..).zip(outcomes).map(|(number, outcome)| ended(number, outcome)).collect();
        assert_eq!(logged(RequestLogging::All, 1, &requests), [0, 1, 2, 3, 4]);
        assert_eq!(logged(RequestLogging::Bad, 1, &requests), [2, 3]);
        assert_eq!(logged(RequestLogging::None, 1, &requests), [0i64; 0]);
    }

    #[test]
    fn a_share_is_drawn_by_seed_from_the_request_alone() {
        let mut requests: Vec<Ended> = (0..20_000).map(|number| ended(number, Outcome::Ok)).collect();
        let first = logged(RequestLogging::Share(0.1), 1, &requests);
        // Four standard deviations of a binomial of 20,000 at 10 %.
        assert!(first.len().abs_diff(2_000) < 170, "{} of 20,000", first.len());
        requests.reverse();
        let mut again = logged(RequestLogging::Share(0.1), 1, &requests);
        again.reverse();
        assert_eq!(again, first, "in any order, however it ended");
        let other = logged(RequestLogging::Share(0.1), 2, &requests);
        assert!(other.iter().filter(|number| first.contains(number)).count() < 400, "another seed, other requests");
    }

    #[test]
    fn rows_beyond_a_full_queue_are_dropped_and_counted() {
        let (mut journal, out, mut inbox) = journal(|plan| plan.generator.requests = RequestLogging::All, 1);
        let mut own = OwnCosts::default();
        for number in 0..2 * ROWS as u64 + 7 {
            journal.note(&ended(number, Outcome::Ok), Offset(0), &out, &mut own);
        }
        assert_eq!((own.rows_dropped, journal.rows.len()), (7, ROWS));
        assert!(matches!(inbox.try_recv(), Ok(Message::Rows(rows)) if rows.len() == ROWS));
        journal.note(&ended(1, Outcome::Ok), Offset(0), &out, &mut own);
        assert_eq!((own.rows_dropped, journal.rows.len()), (7, 1), "there is room again");
    }

    #[test]
    fn of_each_interval_a_few_slow_requests_are_told_and_all_are_counted() {
        let (mut journal, out, mut inbox) = journal(|plan| plan.generator.slow = Some(Duration::from_millis(2)), 1_000);
        let mut own = OwnCosts::default();
        for number in 0..100 {
            journal.note(&ended(number, Outcome::TimedOut), Offset(5), &out, &mut own);
        }
        let Ok(Message::Slow(first)) = inbox.try_recv() else { panic!("no slow request") };
        assert_eq!(
            (first.intended_ns, first.response_ns, first.outcome),
            (Offset(5), 3_000_000, Some(Outcome::TimedOut))
        );
        assert_eq!((own.slow, inbox.len()), (100, SlowInterval::MOST - 1));
        journal.turn();
        journal.note(&ended(100, Outcome::Ok), Offset(5), &out, &mut own);
        assert_eq!(inbox.len(), SlowInterval::MOST);
    }

    #[test]
    fn a_step_may_be_slow_at_another_time_than_the_rest() {
        let of = |step: Option<u64>, all: Option<u64>| {
            let (mut journal, out, _inbox) = journal(
                |plan| {
                    plan.generator.slow = all.map(Duration::from_millis);
                    plan.flows[0].steps[0].request_mut().unwrap().slow = step.map(Duration::from_millis);
                },
                10,
            );
            let mut own = OwnCosts::default();
            journal.note(&ended(0, Outcome::Ok), Offset(0), &out, &mut own);
            own.slow
        };
        assert_eq!([of(None, None), of(None, Some(2)), of(Some(3), Some(2)), of(Some(2), None)], [0, 1, 0, 1]);
    }

    #[test]
    fn slow_requests_leave_room_for_reports() {
        let (mut journal, out, inbox) = journal(|plan| plan.generator.slow = Some(Duration::from_millis(2)), 8);
        let mut own = OwnCosts::default();
        (0..10).for_each(|number| journal.note(&ended(number, Outcome::Ok), Offset(0), &out, &mut own));
        assert_eq!((own.slow, inbox.len()), (10, 4));
    }

    #[test]
    fn a_few_failed_answers_of_an_operation_are_kept_and_their_bodies_cut() {
        let cap = |plan: &mut Plan| plan.generator.failed_bodies = NonZeroU32::new(4);
        let (mut journal, out, mut inbox) = journal(cap, 1_000);
        assert_eq!((journal.wants_body(0), journal.wants_body(1)), (4, 0), "the plan has one operation");
        let failed = FailedAnswer {
            ended: ended(1, Outcome::UnexpectedStatus),
            failed_check: None,
            body: Bytes::from_static(b"0123456789"),
        };
        for _ in 0..50 {
            journal.keep_failure(failed.clone(), &out);
        }
        assert_eq!((inbox.len(), journal.wants_body(0)), (MOST_FAILURES as usize, 0));
        assert!(matches!(inbox.try_recv(), Ok(Message::Failed(kept)) if &*kept.body == b"0123"));
    }

    #[test]
    fn without_bodies_in_the_plan_no_answer_is_kept() {
        let (mut journal, out, inbox) = journal(|_| {}, 10);
        let failed =
            FailedAnswer { ended: ended(1, Outcome::UnexpectedStatus), failed_check: None, body: Bytes::new() };
        journal.keep_failure(failed, &out);
        assert_eq!((journal.wants_body(0), inbox.len()), (0, 0));
    }
}
