//! The replay of the request log through the oracle, and what it counts.
//!
//! In each of a user's windows (the shortest limit's, so that errors in different windows don't cancel) the oracle
//! allows A*, the service allowed A of n. Which limit a mistake belongs to is told by the oracle: a false accept to the
//! limit that should have refused it, a false reject to the limit that was nearest to being used up.

use std::collections::BTreeMap;

use plimsoll_plan::Limiter;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::requests::RequestRow;
use plimsoll_record::summary::Scope;

use super::oracle::{Decision, Oracle, window_ns};

/// What one replay counted inside the scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) made: u64,
    pub(super) excess: u64,
    pub(super) false_accepts: u64,
    pub(super) false_rejects: u64,
    pub(super) refused: u64,
    /// The same by limit, in the plan's order.
    pub(super) limits: Vec<LimitTally>,
    /// When the service first refused a request, and when it first should have, in wall time.
    pub(super) first_refused_ns: Option<i64>,
    pub(super) first_due_ns: Option<i64>,
}

/// What belongs to one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LimitTally {
    pub(super) excess: u64,
    pub(super) false_accepts: u64,
    pub(super) false_rejects: u64,
}

/// When the service is taken to have decided.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decided {
    WhenSent,
    WhenAnswered,
}

/// What became of requests whose fate is unknown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unclear {
    NeverMade,
    Allowed,
}

/// What the service said to a request, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Allowed,
    Refused,
    Unknown,
    NeverArrived,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    unix_ns: i64,
    allowed: bool,
    /// Inside the scope: requests before it only fill the oracle's counters.
    counts: bool,
}

pub(super) fn replay(
    rows: &[&RequestRow],
    scope: &Scope,
    limiter: &Limiter,
    anchor_unix_ns: i64,
    decided: Decided,
    unclear: Unclear,
) -> Tally {
    let mut users: BTreeMap<u64, Vec<Request>> = BTreeMap::new();
    for row in rows {
        let allowed = match (answer(row.outcome), unclear) {
            (Answer::Allowed, _) | (Answer::Unknown, Unclear::Allowed) => true,
            (Answer::Refused, _) => false,
            (Answer::NeverArrived, _) | (Answer::Unknown, Unclear::NeverMade) => continue,
        };
        let at = match decided {
            Decided::WhenSent => row.sent(),
            Decided::WhenAnswered => row.done(),
        };
        let unix_ns = anchor_unix_ns.saturating_add(at.0);
        users.entry(row.user).or_default().push(Request { unix_ns, allowed, counts: in_scope(row, scope) });
    }
    let window = limiter.limits.iter().map(window_ns).min().unwrap_or(1);
    let mut tally = Tally { limits: vec![LimitTally::default(); limiter.limits.len()], ..Tally::default() };
    for mut requests in users.into_values() {
        requests.sort_by_key(|request| request.unix_ns);
        let mut oracle = Oracle::new(limiter.window, &limiter.limits);
        for window in requests.chunk_by(|a, b| a.unix_ns.div_euclid(window) == b.unix_ns.div_euclid(window)) {
            tally.add(window, &mut oracle);
        }
    }
    tally
}

impl Tally {
    /// Adds one window of one user.
    fn add(&mut self, window: &[Request], oracle: &mut Oracle) {
        let (mut by_oracle, mut by_service, mut made) = (0u64, 0u64, 0u64);
        let (mut let_through, mut turned_away) = (Vec::new(), Vec::new());
        for request in window {
            let decision = oracle.decide(request.unix_ns);
            if !request.counts {
                continue;
            }
            made += 1;
            by_oracle += u64::from(decision.is_allowed());
            by_service += u64::from(request.allowed);
            self.see(request, decision);
            match (decision, request.allowed) {
                (Decision::Refused { by }, true) => let_through.push(by),
                (Decision::Allowed { nearest }, false) => turned_away.push(nearest),
                _ => {}
            }
        }
        self.made += made;
        self.excess += made - by_oracle;
        self.refused += made - by_service;
        let (accepts, rejects) = (by_service.saturating_sub(by_oracle), by_oracle.saturating_sub(by_service));
        self.false_accepts += accepts;
        self.false_rejects += rejects;
        // Of the mistakes of either kind, those that the other kind does not make up for.
        let_through.iter().take(accepts as usize).for_each(|limit| self.limits[*limit].false_accepts += 1);
        turned_away.iter().take(rejects as usize).for_each(|limit| self.limits[*limit].false_rejects += 1);
    }

    fn see(&mut self, request: &Request, decision: Decision) {
        let earlier = |first: &mut Option<i64>| {
            *first = Some(first.map_or(request.unix_ns, |first| first.min(request.unix_ns)));
        };
        if let Decision::Refused { by } = decision {
            self.limits[by].excess += 1;
            earlier(&mut self.first_due_ns);
        }
        if !request.allowed {
            earlier(&mut self.first_refused_ns);
        }
    }

    /// 1 - false accepts / excess.
    pub(super) fn effectiveness(&self) -> f64 {
        1.0 - self.false_accepts as f64 / (self.excess as f64).max(1.0)
    }

    /// False rejects / refused.
    pub(super) fn wrongly_refused(&self) -> f64 {
        self.false_rejects as f64 / (self.refused as f64).max(1.0)
    }
}

fn in_scope(row: &RequestRow, scope: &Scope) -> bool {
    scope.has_phase(u32::from(row.phase))
        && scope.operation.is_none_or(|operation| operation == u32::from(row.operation))
}

fn answer(outcome: Outcome) -> Answer {
    match outcome {
        // What was checked had an expected status, and was not limited.
        Outcome::Ok | Outcome::FailedCheck | Outcome::MissingCapture | Outcome::BodyTooLarge | Outcome::BadEncoding => {
            Answer::Allowed
        }
        Outcome::Limited => Answer::Refused,
        Outcome::UnexpectedStatus
        | Outcome::Reset
        | Outcome::Closed
        | Outcome::Protocol
        | Outcome::Io
        | Outcome::FirstByteTimedOut
        | Outcome::TimedOut
        | Outcome::Unfinished
        // No limiter stands before a store.
        | Outcome::StoreError
        | Outcome::StoreFull
        | Outcome::ReadOnly
        | Outcome::NotReady
        | Outcome::Redirected
        | Outcome::Denied
        | Outcome::SerializationFailure
        | Outcome::Deadlock
        | Outcome::ConstraintViolation
        | Outcome::MissingRead
        | Outcome::StaleRead
        | Outcome::CorruptedRead => Answer::Unknown,
        Outcome::Refused
        | Outcome::Unreachable
        | Outcome::Tls
        | Outcome::LocalResource
        | Outcome::OutOfDescriptors
        | Outcome::OutOfPorts
        | Outcome::OutOfMemory
        | Outcome::NotBuilt
        | Outcome::ConnectTimedOut
        | Outcome::TooManyClients
        | Outcome::PoolTimedOut
        | Outcome::Dropped => Answer::NeverArrived,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use plimsoll_plan::{Limit, WindowKind};
    use plimsoll_record::Offset;
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn limits(window: WindowKind) -> Limiter {
        let limit =
            |count, seconds| Limit { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(seconds) };
        Limiter { limits: vec![limit(5, 1), limit(10, 60)], window }
    }

    fn row(unix_ns: i64, outcome: Outcome) -> RequestRow {
        RequestRow {
            intended: Offset(unix_ns),
            send_lag_ns: 0,
            service_ns: 0,
            user: 1,
            iteration: 0,
            body_bytes: 0,
            phase: 0,
            operation: 0,
            status: 0,
            outcome,
        }
    }

    fn tally(rows: &[RequestRow], limiter: &Limiter) -> Tally {
        let rows: Vec<&RequestRow> = rows.iter().collect();
        replay(&rows, &Scope::default(), limiter, 0, Decided::WhenSent, Unclear::NeverMade)
    }

    #[test]
    fn mistakes_in_different_windows_do_not_cancel_and_belong_to_their_limits() {
        // 8 requests in one second and 8 in the next. The oracle allows 5 and 5, then the 10 of the minute are used up;
        // the service allows 7 and 3.
        let second = |from: i64, allowed: i64| {
            (0..8).map(move |i| row(from * SECOND + i, if i < allowed { Outcome::Ok } else { Outcome::Limited }))
        };
        let rows: Vec<RequestRow> = second(0, 7).chain(second(1, 3)).collect();
        let found = tally(&rows, &limits(WindowKind::Fixed));
        assert_eq!((found.made, found.excess, found.refused), (16, 6, 6));
        assert_eq!((found.false_accepts, found.false_rejects), (2, 2));
        assert!((found.effectiveness() - 4.0 / 6.0).abs() < 1e-9);
        assert_eq!(found.limits[0], LimitTally { excess: 3, false_accepts: 2, false_rejects: 0 });
        assert_eq!(found.limits[1], LimitTally { excess: 3, false_accepts: 0, false_rejects: 2 });
        assert_eq!((found.first_due_ns, found.first_refused_ns), (Some(5), Some(7)));
    }

    fn kinds() -> impl Strategy<Value = WindowKind> {
        prop_oneof![Just(WindowKind::Fixed), Just(WindowKind::Sliding), Just(WindowKind::TokenBucket)]
    }

    proptest! {
        /// Whatever the arrivals, a service that decides as the oracle does makes no mistake in a replay at the moment
        /// it decided, and counts are conserved.
        #[test]
        fn the_oracle_finds_no_fault_in_itself(
            kind in kinds(), gaps in prop::collection::vec(0i64..2_000_000_000, 1..200)
        ) {
            let limiter = limits(kind);
            let mut oracle = Oracle::new(kind, &limiter.limits);
            let mut unix_ns = 0;
            let rows: Vec<RequestRow> = gaps.iter().map(|gap| {
                unix_ns += gap;
                let allowed = oracle.decide(unix_ns).is_allowed();
                row(unix_ns, if allowed { Outcome::Ok } else { Outcome::Limited })
            }).collect();
            let refused = rows.iter().filter(|row| row.outcome == Outcome::Limited).count() as u64;
            let found = tally(&rows, &limiter);
            prop_assert_eq!((found.excess, found.refused), (refused, refused));
            prop_assert_eq!((found.false_accepts, found.false_rejects), (0, 0));
            prop_assert_eq!(found.limits.iter().map(|limit| limit.excess).sum::<u64>(), refused);
        }
    }
}
