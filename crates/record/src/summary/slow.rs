//! The slowest requests of a run: what was logged as slow, and the slowest answer of each interval.

use std::collections::BTreeMap;

use super::Facts;
use crate::ledger::Outcome;
use crate::traffic::{SlowInterval, SlowRequest, TrafficFact};

impl Facts {
    /// The intervals in which requests were slower than the plan's `slow`.
    pub fn slow_intervals(&self) -> impl Iterator<Item = &SlowInterval> {
        let facts = self.traffic.as_ref().map_or(&[][..], |traffic| traffic.facts.as_slice());
        facts.iter().filter_map(|fact| match fact {
            TrafficFact::Slow(interval) => Some(interval),
            _ => None,
        })
    }

    /// How many requests were slower than the plan's `slow`.
    #[must_use]
    pub fn slow_requests(&self) -> u64 {
        self.slow_intervals().map(|interval| interval.count).sum()
    }

    /// The slowest requests that the record points at, the slowest first, at most `most`. Not every slow request is
    /// among them: the record has some of each interval.
    #[must_use]
    pub fn slowest(&self, most: usize) -> Vec<SlowRequest> {
        let logged = self.slow_intervals().flat_map(|interval| &interval.slowest).cloned();
        let answered = self.intervals(&super::Scope::default()).filter_map(|interval| {
            let worst = interval.worst.as_ref()?;
            Some(SlowRequest {
                phase: interval.phase,
                operation: interval.operation,
                user: worst.user,
                iteration: 0,
                intended_ns: worst.intended_ns,
                response_ns: worst.response_ns,
                service_ns: worst.service_ns,
                outcome: None,
                status: worst.status,
            })
        });
        // The same request may be both; what was logged says more.
        let mut known = BTreeMap::new();
        for request in answered.chain(logged) {
            known.insert((request.operation, request.user, request.intended_ns, request.response_ns), request);
        }
        let mut slowest: Vec<SlowRequest> = known.into_values().collect();
        slowest.sort_by_key(|request| (std::cmp::Reverse(request.response_ns), request.intended_ns));
        slowest.truncate(most);
        slowest
    }
}

impl SlowRequest {
    /// True when its response time is known only to be at least as long.
    #[must_use]
    pub fn at_least(&self) -> bool {
        self.outcome.is_some_and(Outcome::is_censored)
    }
}
