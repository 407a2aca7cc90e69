//! Runs iterations: request after request along a flow, until the iteration ends or pauses.
//!
//! An iteration that pauses is put away and leaves its slot to others. Inside of steps that are done at once there is
//! nobody else to leave it to: each branch is a task with a connection of its own, and sleeps. A step that fails ends
//! the iteration.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use plimsoll_record::ledger::Outcome;

use crate::answer::{self, CheckResults};
use crate::coded;
use crate::exchange::{Errand, Exchange, Line};
use crate::feed::{Due, Ending};
use crate::heart::{Delay, Heart, Job};
use crate::journey::{Ahead, Journey, Polling};
use crate::program::Next;
use crate::recorder::{Ended, Parts, ended};

/// Where a walk through a flow has come to.
pub(crate) enum Walked {
    /// To its end, which was known at `now`; later at `at` when it ends with a pause.
    Over { now: i64, at: i64, failed: bool },
    /// To a request that is due later.
    Paused { now: i64, at: i64 },
}

/// How one step ended.
pub(crate) struct Stepped {
    pub(crate) done: i64,
    pub(crate) then: Then,
    /// Of the whole poll, when that has ended; of a group, nothing that counts.
    pub(crate) outcome: Outcome,
}

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next one.
    GoOn,
    /// The same once more, at that time: a poll.
    Again(i64),
    /// Nothing: it failed.
    Fail,
}

/// Runs an iteration until it ends or pauses; returns when that was.
pub(crate) async fn iterate(heart: &Rc<Heart>, line: &mut Line, job: Job) -> i64 {
    let Job { due, delay } = job;
    let intended = due.intended();
    let mut journey = match due {
        Due::Fresh(arrival) => Journey::new(&heart.work, arrival, None),
        Due::Journey { journey, .. } => *journey,
    };
    line.fetch_own(heart, &journey.arrival).await;
    let walked = match &heart.work.flow_of(&journey.arrival).code {
        None => walk(heart, line, &mut journey, intended, delay).await,
        // On the heap: every slot would keep room for it.
        Some(code) => Box::pin(coded::walk(heart, line, &mut journey, code, intended, delay)).await,
    };
    match walked {
        Walked::Over { now, at, .. } => {
            let Journey { arrival, visit, requests, .. } = journey;
            let visit = heart.work.remembers.then_some(visit);
            let returns = heart.give_back(&arrival, Ending { now, at, requests, visit });
            line.leave_own(heart, &arrival, returns);
            if !returns {
                heart.forget(&arrival);
            }
            now
        }
        Walked::Paused { now, at } => {
            let arrival = journey.arrival;
            let goes_on = heart.pause(now, at, Box::new(journey));
            line.leave_own(heart, &arrival, goes_on);
            if !goes_on {
                heart.forget(&arrival);
            }
            now
        }
    }
}

/// Goes along the flow. What `journey` stands before is under way, and was intended at `intended`.
async fn walk(
    heart: &Rc<Heart>,
    line: &mut Line,
    journey: &mut Journey,
    mut intended: i64,
    mut delay: Delay,
) -> Walked {
    loop {
        let next = journey.next(&heart.work);
        let Stepped { done, then, .. } = match next {
            Next::Request(operation) | Next::Poll(operation) => {
                let deadline = deadline_of(heart, journey, next, intended);
                let mut exchange = line.exchange(heart, journey, Errand { operation, intended, delay, deadline }).await;
                journey.requests += 1;
                settle(heart, journey, next, intended, &mut exchange)
            }
            // On the heap: few flows do several things at once, and every slot would keep room for it.
            Next::Group(group) => Box::pin(at_once(heart, line, journey, intended, group, delay)).await,
            Next::End | Next::Failed(_) => Stepped { done: intended, then: Then::Fail, outcome: Outcome::Unfinished },
        };
        let ahead = match then {
            Then::Fail => return Walked::Over { now: done, at: done, failed: true },
            Then::GoOn if heart.is_stopping() => return Walked::Over { now: done, at: done, failed: false },
            Then::GoOn => journey.go_on(&heart.work, done),
            Then::Again(at) => Ahead { next, at },
        };
        if !ahead.next.is_work() {
            return Walked::Over { now: done, at: ahead.at, failed: has_failed(heart, ahead.next) };
        }
        if ahead.at > done {
            return Walked::Paused { now: done, at: ahead.at };
        }
        intended = done;
        delay = Delay::Own { since: done };
        heart.begin_step(journey);
    }
}

/// From when on the answer is of no more use: the end of the poll that the request is a try of.
pub(crate) fn deadline_of(heart: &Heart, journey: &Journey, next: Next, intended: i64) -> i64 {
    let Next::Poll(operation) = next else { return i64::MAX };
    let began = journey.polling.map_or(intended, |polling| polling.intended);
    began.saturating_add(heart.work.poll(operation).timeout)
}

/// Whether an iteration that has come to `next` cannot go on, which is counted.
fn has_failed(heart: &Heart, next: Next) -> bool {
    let failed = next.failure().is_some();
    if failed {
        heart.cut_short();
    }
    failed
}

/// Enters the end of a request into the books, and of the poll if that was its last try.
pub(crate) fn settle(
    heart: &Heart,
    journey: &mut Journey,
    next: Next,
    intended: i64,
    exchange: &mut Exchange,
) -> Stepped {
    let (Next::Request(operation) | Next::Poll(operation)) = next else { unreachable!("only requests are sent") };
    let sent = exchange.sent;
    let (end, judged) = judge(heart, journey, intended, operation, exchange);
    heart.end(&end);
    let (then, outcome) = match (next, judged) {
        (Next::Poll(_), judged) => {
            let polling = journey.polling.take().unwrap_or(Polling { intended, sent });
            settle_poll(heart, journey, polling, &end, judged)
        }
        (_, answer::Next::End) => (Then::Fail, end.outcome),
        (_, answer::Next::GoOn | answer::Next::TryAgain) => (Then::GoOn, end.outcome),
    };
    Stepped { done: end.done, then, outcome }
}

/// What follows a try, which ended with `end`, and how the poll ended if that was its last one.
fn settle_poll(
    heart: &Heart,
    journey: &mut Journey,
    polling: Polling,
    end: &Ended,
    judged: answer::Next,
) -> (Then, Outcome) {
    let poll = heart.work.poll(end.operation);
    let again = end.done.saturating_add(poll.every);
    let (outcome, then) = match judged {
        answer::Next::TryAgain if heart.is_stopping() => (Outcome::Unfinished, Then::Fail),
        answer::Next::TryAgain if again >= polling.intended.saturating_add(poll.timeout) => {
            (Outcome::TimedOut, Then::Fail)
        }
        answer::Next::TryAgain => {
            journey.polling = Some(polling);
            return (Then::Again(again), end.outcome);
        }
        answer::Next::GoOn => (end.outcome, Then::GoOn),
        answer::Next::End => (end.outcome, Then::Fail),
    };
    let Polling { intended, sent } = polling;
    let (operation, checks) = (end.operation + 1, CheckResults::NONE);
    heart.end_poll(&Ended { operation, intended, sent, outcome, checks, parts: Parts::NONE, ..*end });
    (then, outcome)
}

/// What came of a request, for the books and for the iteration.
fn judge(
    heart: &Heart,
    journey: &mut Journey,
    intended: i64,
    operation: u16,
    exchange: &mut Exchange,
) -> (Ended, answer::Next) {
    let mut end = ended(&journey.arrival, operation, intended, exchange.sent, exchange.done);
    end.parts = exchange.parts;
    match &mut exchange.result {
        Ok(answer) => {
            end.retries = answer.retries;
            match heart.work.examinations[usize::from(operation)].since(answer) {
                Some(Ok(sent_ns)) => {
                    let at = heart.since_monotonic(sent_ns).min(end.done);
                    (end.intended, end.sent) = (at, at);
                }
                Some(Err(outcome)) if answer.fault.is_none() => answer.fault = Some(outcome),
                Some(Err(_)) | None => {}
            }
            let intended = end.intended;
            answer.latency_ns = end.done.saturating_sub(intended).max(0).cast_unsigned();
            let judged = heart.work.examinations[usize::from(operation)].examine(&mut journey.visit, answer);
            (end.status, end.body_bytes) = (answer.status, answer.body_bytes);
            (end.outcome, end.checks) = (judged.outcome, judged.checks);
            if let Some(guard) = exchange.guard.take() {
                end.outcome = guard.end(end.outcome, Some(answer), end.done);
            }
            if end.outcome.is_failure() {
                heart.keep_failure(&end, judged.failed_check, answer);
            }
            (end, if end.outcome == judged.outcome { judged.next } else { answer::Next::End })
        }
        Err(outcome) => {
            end.outcome = *outcome;
            if let Some(guard) = exchange.guard.take() {
                end.outcome = guard.end(end.outcome, None, end.done);
            }
            (end, answer::Next::End)
        }
    }
}

/// What a branch has come to.
pub(crate) struct BranchEnd {
    pub(crate) journey: Journey,
    done: i64,
    pub(crate) failed: bool,
}

/// Runs the only iteration there is, in this task, from its beginning to its end; `None` if there is none.
pub(crate) async fn alone(heart: &Rc<Heart>) -> Option<BranchEnd> {
    let Job { due, delay } = heart.next_job(0)?;
    let (arrival, intended) = (*due.arrival(), due.intended());
    let journey = Journey::new(&heart.work, arrival, None);
    Some(branch_of(Rc::clone(heart), journey, intended, delay).await)
}

/// Runs the branches of a group at once. It ends with the last of them, and fails when one fails.
async fn at_once(
    heart: &Rc<Heart>,
    line: &mut Line,
    journey: &mut Journey,
    intended: i64,
    group: u16,
    delay: Delay,
) -> Stepped {
    heart.begin_group();
    // The connections of branches are the worker's while nobody uses them, and this one is not needed meanwhile.
    heart.idle().spare(line.connection.take());
    let delay = delay.of_branch(heart.now(), intended);
    let tasks: Vec<_> = journey
        .branches(&heart.work, group)
        .into_iter()
        .map(|branch| {
            let task: Pin<Box<dyn Future<Output = BranchEnd>>> =
                Box::pin(branch_of(Rc::clone(heart), branch, intended, delay));
            tokio::task::spawn_local(tokio::task::unconstrained(task))
        })
        .collect();
    let (mut done, mut failed, mut branches) = (intended, false, Vec::with_capacity(tasks.len()));
    for task in tasks {
        let end = task.await.expect("a branch panics only when the worker is broken");
        done = done.max(end.done);
        failed |= end.failed;
        branches.push(end.journey);
    }
    line.adopt(heart.idle().take_spare()).await;
    heart.end_group();
    journey.join(&heart.work, group, branches);
    Stepped { done, then: if failed { Then::Fail } else { Then::GoOn }, outcome: Outcome::Unfinished }
}

/// One branch of a group, from its beginning to its end.
async fn branch_of(heart: Rc<Heart>, mut journey: Journey, intended: i64, mut delay: Delay) -> BranchEnd {
    let mut line = Line::of_branch();
    line.adopt(heart.idle().take_spare()).await;
    let begun = journey.begin(&heart.work);
    let mut at = intended.saturating_add(begun.at - journey.arrival.intended);
    let mut over = (!begun.next.is_work()).then(|| (at, has_failed(&heart, begun.next)));
    if over.is_none() && at > intended {
        delay = wake_up(&heart, &mut journey, at).await;
    }
    let (done, failed) = loop {
        if let Some(over) = over {
            break over;
        }
        match walk(&heart, &mut line, &mut journey, at, delay).await {
            Walked::Over { at, failed, .. } => over = Some((at, failed)),
            Walked::Paused { now, .. } if heart.is_stopping() => {
                give_up(&heart, &mut journey, now);
                over = Some((now, false));
            }
            Walked::Paused { at: later, .. } => {
                at = later;
                delay = wake_up(&heart, &mut journey, at).await;
            }
        }
    };
    sleep_until(&heart, done).await;
    heart.idle().spare(line.connection.take());
    BranchEnd { journey, done, failed }
}

/// A branch that pauses does not go on: the run was stopped. The poll it may be in has no end any more.
fn give_up(heart: &Heart, journey: &mut Journey, now: i64) {
    let Next::Poll(operation) = journey.next(&heart.work) else { return };
    if let Some(Polling { intended, sent }) = journey.polling.take() {
        let end = ended(&journey.arrival, operation + 1, intended, sent, now);
        heart.end_poll(&Ended { outcome: Outcome::Unfinished, ..end });
    }
}

/// Sleeps until `at`, when what the branch stands before is due.
async fn wake_up(heart: &Heart, journey: &mut Journey, at: i64) -> Delay {
    sleep_until(heart, at).await;
    heart.turn_if_due(heart.now());
    heart.begin_step(journey);
    Delay::Own { since: at }
}

async fn sleep_until(heart: &Heart, at: i64) {
    let pause = at.saturating_sub(heart.now());
    if pause > 0 {
        tokio::time::sleep(Duration::from_nanos(pause.cast_unsigned())).await;
    }
}
