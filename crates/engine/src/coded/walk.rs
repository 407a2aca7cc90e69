//! Runs an iteration of a flow that is a function, on a slot, until it ends or pauses.
//!
//! The books are kept as for flows of steps: the first request was scheduled with its arrival, each later one is when the
//! one before it ended, or the pause between them.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use plimsoll_record::ledger::Outcome;

use super::desk::{Granted, Wish};
use super::running::{Running, Stand};
use super::{Code, FlowError, Reply};
use crate::exchange::{Errand, Exchange, Line};
use crate::heart::{Delay, Heart};
use crate::iterate::{Stepped, Then, Walked, deadline_of, settle};
use crate::journey::Journey;
use crate::program::Next;

/// What is in the books of the request that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Booked {
    /// It is the arrival's own, whatever the function asks for.
    Arrival,
    /// It was counted when its pause was over.
    Yes,
    No,
}

/// Goes along the flow. What comes next is intended at `at`.
pub(crate) async fn walk(
    heart: &Rc<Heart>,
    line: &mut Line,
    journey: &mut Journey,
    code: &Arc<Code>,
    at: i64,
    delay: Delay,
) -> Walked {
    let booked = begin(journey, code);
    let mut walk = Walk { heart, line, journey, code, at, delay, booked, behind_a_request: false };
    loop {
        let next = match walk.go_on().await {
            ControlFlow::Continue(next) => next,
            ControlFlow::Break(walked) => return walked,
        };
        if let ControlFlow::Break(walked) = walk.send(next).await {
            return walked;
        }
    }
}

/// An iteration on its way.
struct Walk<'a> {
    heart: &'a Rc<Heart>,
    line: &'a mut Line,
    journey: &'a mut Journey,
    code: &'a Arc<Code>,
    /// Since when what comes next is due.
    at: i64,
    delay: Delay,
    booked: Booked,
    /// The last thing the function did was a request.
    behind_a_request: bool,
}

impl Walk<'_> {
    /// Lets the function run to its next request that is due at once, and says which.
    async fn go_on(&mut self) -> ControlFlow<Walked, Next> {
        loop {
            let stand;
            (stand, self.at) = run(self.heart, self.journey, self.at).await;
            let Self { heart, code, at, .. } = *self;
            match (stand, self.booked) {
                (Stand::Asked(Wish::Request(next)), Booked::Arrival) if next == code.first() => return go(next),
                (stand, Booked::Arrival) => {
                    return ControlFlow::Break(miss(heart, self.journey, code, stand, at).await);
                }
                (Stand::Asked(Wish::Request(next)), Booked::Yes) => return go(next),
                (Stand::Over(end), _) => return ControlFlow::Break(over(code, &end, at)),
                (Stand::Asked(_), _) if heart.is_stopping() => {
                    if !self.journey.running().desk.refuse() {
                        return ControlFlow::Break(over(code, &Err(FlowError::Stopped), at));
                    }
                }
                (Stand::Asked(Wish::Pause(pause)), _) => {
                    self.journey.running().rest();
                    return pause_until(at, at.saturating_add(pause));
                }
                (Stand::Asked(Wish::Request(next)), Booked::No) => {
                    let pause = if self.behind_a_request { self.journey.habit(&heart.work) } else { 0 };
                    return self.stand_before(next, at.saturating_add(pause));
                }
                (Stand::Resting | Stand::Open, _) => unreachable!("the function has come to something"),
            }
        }
    }

    /// `next` is due at `at`: it is booked now, or when that time has come.
    fn stand_before(&mut self, next: Next, at: i64) -> ControlFlow<Walked, Next> {
        self.journey.running().wait_for(next);
        if at > self.at {
            return pause_until(self.at, at);
        }
        self.heart.begin_step(self.journey);
        // It is dealt with right away.
        self.journey.running().take_stand();
        go(next)
    }

    /// Sends a request that is booked, and its poll's further tries as long as none of them has to wait.
    async fn send(&mut self, mut next: Next) -> ControlFlow<Walked> {
        loop {
            let Self { heart, at, delay, .. } = *self;
            let deadline = deadline_of(heart, self.journey, next, at);
            let errand = Errand { operation: operation_of(next), intended: at, delay, deadline };
            let mut exchange = self.line.exchange(heart, self.journey, errand).await;
            self.journey.requests += 1;
            let Stepped { done, then, outcome } = settle(heart, self.journey, next, at, &mut exchange);
            (self.booked, self.behind_a_request) = (Booked::No, true);
            (self.at, self.delay) = (done, Delay::Own { since: done });
            if let Then::Again(again) = then {
                next = match self.stand_before(next, again) {
                    ControlFlow::Continue(next) => next,
                    ControlFlow::Break(walked) => return ControlFlow::Break(walked),
                };
                continue;
            }
            let desk = &self.journey.running().desk;
            desk.grant(granted(self.code, next, then, outcome, exchange));
            if heart.is_stopping() {
                desk.close();
            }
            return ControlFlow::Continue(());
        }
    }
}

fn go(next: Next) -> ControlFlow<Walked, Next> {
    ControlFlow::Continue(next)
}

fn pause_until(now: i64, at: i64) -> ControlFlow<Walked, Next> {
    ControlFlow::Break(Walked::Paused { now, at })
}

/// Calls the function if this is its beginning; what is booked of the request that comes next.
fn begin(journey: &mut Journey, code: &Arc<Code>) -> Booked {
    match &journey.code {
        None => {
            journey.code = Some(Box::new(Running::begin(code, &mut journey.visit)));
            Booked::Arrival
        }
        Some(running) if running.asks_for_a_request() => Booked::Yes,
        Some(_) => Booked::No,
    }
}

/// Lets the function run until it waits for the engine or has returned, and says when that was: at once, as seen from
/// the plan, unless it waits for something of its own.
async fn run(heart: &Heart, journey: &mut Journey, at: i64) -> (Stand, i64) {
    let mut waits = false;
    poll_fn(|cx| {
        let polled = journey.poll_code(cx);
        if polled.is_pending() && !waits {
            waits = true;
            // Or the worker might take itself to be done.
            heart.begin_group();
        }
        polled
    })
    .await;
    let stand = journey.running().take_stand();
    if !waits {
        return (stand, at);
    }
    heart.end_group();
    let now = heart.now();
    heart.turn_if_due(now);
    (stand, now)
}

/// The function did not begin as its arrival was scheduled: that is counted as a request that could not be made.
async fn miss(heart: &Rc<Heart>, journey: &mut Journey, code: &Code, stand: Stand, at: i64) -> Walked {
    let end = match stand {
        Stand::Over(Err(error)) => error,
        Stand::Asked(Wish::Request(other)) => code.not_the_first(format_args!("`{}`", code.name_of(other))),
        Stand::Asked(Wish::Pause(_)) => code.not_the_first("a pause"),
        Stand::Over(Ok(())) | Stand::Resting | Stand::Open => code.not_the_first("nothing"),
    };
    // Nothing was waited for: others must have their turn before the next one fails.
    tokio::task::yield_now().await;
    let mut exchange = Exchange::without_request(heart.now(), Outcome::NotBuilt);
    settle(heart, journey, code.first(), journey.arrival.intended, &mut exchange);
    over(code, &Err(end), at)
}

fn over(code: &Code, end: &Result<(), FlowError>, at: i64) -> Walked {
    code.note(end);
    Walked::Over { now: at, at, failed: end.is_err() }
}

fn granted(code: &Code, next: Next, then: Then, outcome: Outcome, exchange: Exchange) -> Granted {
    match (then, exchange.result) {
        (Then::GoOn, Ok(answer)) => Granted::Reply(Reply { answer, outcome }),
        (_, result) => {
            let status = result.map_or(0, |answer| answer.status);
            Granted::Refused(FlowError::Failed { step: code.name_of(next), outcome, status })
        }
    }
}

fn operation_of(next: Next) -> u16 {
    match next {
        Next::Request(operation) | Next::Poll(operation) => operation,
        Next::Group(_) | Next::End | Next::Failed(_) => unreachable!("a function asks for requests and polls"),
    }
}
