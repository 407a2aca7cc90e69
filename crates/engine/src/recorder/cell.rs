//! What is counted of one operation in one phase in one interval, and the end of a request as it is entered there.
//!
//! When intervals begin and end, and where they go, is the recorder's business.

use plimsoll_record::Offset;
use plimsoll_record::checks::CheckCount;
use plimsoll_record::latency::Latency;
use plimsoll_record::ledger::{Ledger, Outcome};
use plimsoll_record::timings::{Opening, Timings};
use plimsoll_record::traffic::Exemplar;

use crate::answer::{CheckResults, merge_counts};
use crate::feed::Arrival;

/// One operation in one phase in one interval.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) ledger: Ledger,
    pub(crate) served: Latency,
    pub(crate) limited: Option<Box<Latency>>,
    pub(crate) censored: Option<Box<Latency>>,
    pub(crate) timings: Timings,
    pub(crate) statuses: Vec<(u16, u64)>,
    /// How often the operation's checks held, in their order, as far as any was made. Without checks, no memory.
    pub(crate) checks: Vec<CheckCount>,
    pub(crate) body_bytes: u64,
    /// Transactions that were begun anew.
    pub(crate) retries: u64,
    pub(crate) worst: Option<Exemplar>,
}

/// One request that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) user: u64,
    /// Which of the user's iterations it belongs to, from 1; 0 where that is not known.
    pub(crate) iteration: u32,
    pub(crate) phase: u16,
    pub(crate) operation: u16,
    pub(crate) intended: i64,
    /// When it was written, or given up before that.
    pub(crate) sent: i64,
    pub(crate) done: i64,
    pub(crate) outcome: Outcome,
    /// 0 when no answer came.
    pub(crate) status: u16,
    pub(crate) body_bytes: u64,
    pub(crate) checks: CheckResults,
    pub(crate) parts: Parts,
    /// How often a store's transaction was begun anew.
    pub(crate) retries: u32,
}

/// What is known of the parts of a request's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// How long it waited until a connection was free, in nanoseconds.
    pub(crate) waited: Option<i64>,
    /// How the connection was opened that was opened for it.
    pub(crate) opening: Option<Opening>,
    /// When the head of the answer had arrived.
    pub(crate) first_byte: Option<i64>,
}

impl Parts {
    /// Nothing.
    pub(crate) const NONE: Self = Self { waited: None, opening: None, first_byte: None };
}

impl Cell {
    pub(super) fn end(&mut self, ended: &Ended, start: Offset) {
        self.ledger.finish(ended.outcome);
        let response_ns = ended.done.saturating_sub(ended.intended).max(0).cast_unsigned();
        let service_ns = ended.done.saturating_sub(ended.sent).max(0).cast_unsigned();
        if ended.outcome.is_censored() {
            self.censored.get_or_insert_default().record(response_ns, service_ns);
        }
        self.count_connection(&ended.parts);
        self.retries += u64::from(ended.retries);
        if !ended.outcome.is_answered() {
            return;
        }
        let latency = match ended.outcome {
            Outcome::Limited => self.limited.get_or_insert_default(),
            _ => {
                if let Some(at) = ended.parts.first_byte {
                    self.timings.first_byte.record(at.saturating_sub(ended.sent).max(0).cast_unsigned());
                }
                &mut self.served
            }
        };
        latency.record(response_ns, service_ns);
        self.body_bytes += ended.body_bytes;
        if !ended.checks.is_empty() {
            ended.checks.count_into(&mut self.checks);
        }
        match self.statuses.iter_mut().find(|(status, _)| *status == ended.status) {
            // Replies of stores have no status.
            _ if ended.status == 0 => {}
            Some((_, n)) => *n += 1,
            None => self.statuses.push((ended.status, 1)),
        }
        if self.worst.as_ref().is_none_or(|worst| worst.response_ns < response_ns) {
            let intended_ns = Offset(start.as_nanos() + ended.intended);
            let status = ended.status;
            self.worst = Some(Exemplar { intended_ns, response_ns, service_ns, user: ended.user, status });
        }
    }

    /// What it took to get a connection, which most requests have from the beginning.
    fn count_connection(&mut self, parts: &Parts) {
        if let Some(wait) = parts.waited {
            self.timings.wait.record(wait.max(0).cast_unsigned());
        }
        if let Some(opening) = parts.opening {
            self.timings.open(opening);
        }
    }

    /// Adds everything `other` counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.ledger.merge(&other.ledger);
        self.served.merge(&other.served);
        self.timings.merge(&other.timings);
        if let Some(limited) = &other.limited {
            self.limited.get_or_insert_default().merge(limited);
        }
        if let Some(censored) = &other.censored {
            self.censored.get_or_insert_default().merge(censored);
        }
        for (status, n) in &other.statuses {
            match self.statuses.iter_mut().find(|(mine, _)| mine == status) {
                Some((_, mine)) => *mine += n,
                None => self.statuses.push((*status, *n)),
            }
        }
        self.body_bytes += other.body_bytes;
        self.retries += other.retries;
        merge_counts(&mut self.checks, &other.checks);
        let slower = |worst: &Exemplar| self.worst.as_ref().is_none_or(|mine| mine.response_ns < worst.response_ns);
        if other.worst.as_ref().is_some_and(slower) {
            self.worst.clone_from(&other.worst);
        }
    }
}

/// The record's view of an arrival's end, before its outcome is known.
pub(crate) fn ended(arrival: &Arrival, operation: u16, intended: i64, sent: i64, done: i64) -> Ended {
    Ended {
        user: arrival.user,
        iteration: u32::try_from(arrival.number).unwrap_or(u32::MAX),
        phase: arrival.phase,
        operation,
        intended,
        sent,
        done,
        outcome: Outcome::Io,
        status: 0,
        body_bytes: 0,
        retries: 0,
        checks: CheckResults::NONE,
        parts: Parts::NONE,
    }
}
