//! The arrival ledger: every scheduled arrival ends in exactly one outcome, and the books balance.
//!
//! `scheduled = finished + pending` holds in every running total; at the end of a run nothing is pending, because
//! what is still open becomes [`Outcome::Unfinished`]. Writers assert it, readers check it again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How one scheduled arrival ended. Closed: a record never holds another word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Outcome {
    /// Answered, and every check held.
    Ok,
    /// Refused by the service's rate limiter, as the plan expects it to (`limited = 429`).
    Limited,
    /// Answered with a status the plan does not expect.
    UnexpectedStatus,
    /// Answered, but a check of the plan did not hold.
    FailedCheck,
    /// Answered, but something the plan keeps of the answer was not in it.
    MissingCapture,
    /// Answered, but with a body that is larger than is kept to be looked at.
    BodyTooLarge,
    /// Answered, but with a body that could not be decompressed.
    BadEncoding,
    /// The server refused the connection.
    Refused,
    /// The name could not be resolved, or no route leads there.
    Unreachable,
    /// The connection was reset while a request was on it.
    Reset,
    /// The server closed the connection before the answer was complete.
    Closed,
    /// The answer was not valid HTTP.
    Protocol,
    /// The TLS handshake failed.
    Tls,
    /// The generator ran out of something of its own, in records that do not tell what; see the next three.
    LocalResource,
    /// The generator had no file descriptor left for a connection.
    OutOfDescriptors,
    /// The generator's machine had no local port left for a connection to the target.
    OutOfPorts,
    /// The generator's machine had no memory or socket buffers left for a connection.
    OutOfMemory,
    /// The generator had no request to send: a value it needs was not there, or cannot stand where it should.
    NotBuilt,
    /// Any other I/O error.
    Io,
    /// No connection within the plan's timeout.
    ConnectTimedOut,
    /// Nothing of an answer within the plan's timeout for the first byte.
    FirstByteTimedOut,
    /// No complete answer within the plan's timeout.
    TimedOut,
    /// Never sent: the backlog was full and the plan says to drop.
    Dropped,
    /// Still open or not yet sent when the run ended.
    Unfinished,
    /// The store answered with an error that is in none of the classes below.
    StoreError,
    /// The store refused a write because its memory or disk is full.
    StoreFull,
    /// A write reached a store that only reads: a replica, or a database in recovery.
    ReadOnly,
    /// The store is there but does not serve yet: it loads its data, starts, or its cluster is incomplete.
    NotReady,
    /// The key belongs to another node of the cluster, and nobody follows the redirection.
    Redirected,
    /// The store did not accept user, password or permission.
    Denied,
    /// A transaction could not be serialised with others, however often it was begun anew.
    SerializationFailure,
    /// A transaction was the victim of a deadlock, however often it was begun anew.
    Deadlock,
    /// A statement would have violated a constraint.
    ConstraintViolation,
    /// The store has all the clients it allows, and refused another connection.
    TooManyClients,
    /// No connection of the pool became free within the plan's timeout.
    PoolTimedOut,
    /// Read, but nothing was there although a write had been acknowledged.
    MissingRead,
    /// Read, but what was there is older than a write that had been acknowledged before.
    StaleRead,
    /// Read, but what was there is not as it was written.
    CorruptedRead,
}

/// The class an [`Outcome`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Answered as expected.
    Ok,
    /// Turned away by the limiter, apart from success and error.
    Limited,
    /// Answered, but not as expected.
    FailedCheck,
    /// Not answered.
    Error,
    /// Given up after the timeout: its latency is known only to be at least that long.
    TimedOut,
    /// Never sent.
    Dropped,
    /// Cut off by the end of the run.
    Unfinished,
}

impl Outcome {
    /// The number of outcomes, for arrays indexed by `outcome as usize`.
    pub const COUNT: usize = 38;

    /// Every outcome, in the order of its discriminant.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Ok,
        Self::Limited,
        Self::UnexpectedStatus,
        Self::FailedCheck,
        Self::MissingCapture,
        Self::BodyTooLarge,
        Self::BadEncoding,
        Self::Refused,
        Self::Unreachable,
        Self::Reset,
        Self::Closed,
        Self::Protocol,
        Self::Tls,
        Self::LocalResource,
        Self::OutOfDescriptors,
        Self::OutOfPorts,
        Self::OutOfMemory,
        Self::NotBuilt,
        Self::Io,
        Self::ConnectTimedOut,
        Self::FirstByteTimedOut,
        Self::TimedOut,
        Self::Dropped,
        Self::Unfinished,
        Self::StoreError,
        Self::StoreFull,
        Self::ReadOnly,
        Self::NotReady,
        Self::Redirected,
        Self::Denied,
        Self::SerializationFailure,
        Self::Deadlock,
        Self::ConstraintViolation,
        Self::TooManyClients,
        Self::PoolTimedOut,
        Self::MissingRead,
        Self::StaleRead,
        Self::CorruptedRead,
    ];

    /// The word of this outcome in files and on screens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::UnexpectedStatus => "unexpected_status",
            Self::FailedCheck => "failed_check",
            Self::MissingCapture => "missing_capture",
            Self::BodyTooLarge => "body_too_large",
            Self::BadEncoding => "bad_encoding",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Tls => "tls",
            Self::LocalResource => "local_resource",
            Self::OutOfDescriptors => "out_of_descriptors",
            Self::OutOfPorts => "out_of_ports",
            Self::OutOfMemory => "out_of_memory",
            Self::NotBuilt => "not_built",
            Self::Io => "io",
            Self::ConnectTimedOut => "connect_timed_out",
            Self::FirstByteTimedOut => "first_byte_timed_out",
            Self::TimedOut => "timed_out",
            Self::Dropped => "dropped",
            Self::Unfinished => "unfinished",
            Self::StoreError => "store_error",
            Self::StoreFull => "store_full",
            Self::ReadOnly => "read_only",
            Self::NotReady => "not_ready",
            Self::Redirected => "redirected",
            Self::Denied => "denied",
            Self::SerializationFailure => "serialization_failure",
            Self::Deadlock => "deadlock",
            Self::ConstraintViolation => "constraint_violation",
            Self::TooManyClients => "too_many_clients",
            Self::PoolTimedOut => "pool_timed_out",
            Self::MissingRead => "missing_read",
            Self::StaleRead => "stale_read",
            Self::CorruptedRead => "corrupted_read",
        }
    }

    /// The class this outcome counts in.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Ok => Class::Ok,
            Self::Limited => Class::Limited,
            Self::UnexpectedStatus
            | Self::FailedCheck
            | Self::MissingCapture
            | Self::BodyTooLarge
            | Self::BadEncoding
            | Self::StoreError
            | Self::StoreFull
            | Self::ReadOnly
            | Self::NotReady
            | Self::Redirected
            | Self::Denied
            | Self::SerializationFailure
            | Self::Deadlock
            | Self::ConstraintViolation
            | Self::MissingRead
            | Self::StaleRead
            | Self::CorruptedRead => Class::FailedCheck,
            Self::Refused
            | Self::Unreachable
            | Self::Reset
            | Self::Closed
            | Self::Protocol
            | Self::Tls
            | Self::LocalResource
            | Self::OutOfDescriptors
            | Self::OutOfPorts
            | Self::OutOfMemory
            | Self::NotBuilt
            | Self::Io
            | Self::TooManyClients => Class::Error,
            Self::ConnectTimedOut | Self::FirstByteTimedOut | Self::TimedOut | Self::PoolTimedOut => Class::TimedOut,
            Self::Dropped => Class::Dropped,
            Self::Unfinished => Class::Unfinished,
        }
    }

    /// True when a complete answer arrived, so that a latency was measured.
    #[must_use]
    pub fn is_answered(self) -> bool {
        matches!(self.class(), Class::Ok | Class::Limited | Class::FailedCheck)
    }

    /// True when the arrival counts as an error in `error_rate`: everything but ok and limited.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self.class(), Class::Ok | Class::Limited)
    }

    /// True when the generator, not the service, lacked something: the request never left.
    #[must_use]
    pub fn is_own_shortage(self) -> bool {
        matches!(self, Self::LocalResource | Self::OutOfDescriptors | Self::OutOfPorts | Self::OutOfMemory)
    }

    /// True when the latency is known only to be at least as long as was waited.
    #[must_use]
    pub fn is_censored(self) -> bool {
        matches!(self.class(), Class::TimedOut | Class::Unfinished)
    }
}

/// Counts of scheduled arrivals and of how they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredLedger", into = "StoredLedger")]
pub struct Ledger {
    scheduled: u64,
    finished: [u64; Outcome::COUNT],
}

impl Default for Ledger {
    fn default() -> Self {
        Self { scheduled: 0, finished: [0; Outcome::COUNT] }
    }
}

impl Ledger {
    /// Counts `n` arrivals whose intended time has come.
    #[inline]
    pub fn schedule(&mut self, n: u64) {
        self.scheduled += n;
    }

    /// Counts one arrival's end.
    #[inline]
    pub fn finish(&mut self, outcome: Outcome) {
        self.finished[outcome as usize] += 1;
    }

    /// Counts `n` arrivals that ended the same way.
    pub fn finish_many(&mut self, outcome: Outcome, n: u64) {
        self.finished[outcome as usize] += n;
    }

    /// Adds every count of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.scheduled += other.scheduled;
        for (mine, theirs) in self.finished.iter_mut().zip(other.finished) {
            *mine += theirs;
        }
    }

    /// Arrivals whose intended time had come.
    #[must_use]
    pub fn scheduled(&self) -> u64 {
        self.scheduled
    }

    /// Arrivals that ended in `outcome`.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.finished[outcome as usize]
    }

    /// Arrivals that ended in `class`.
    #[must_use]
    pub fn class(&self, class: Class) -> u64 {
        self.sum(|outcome| outcome.class() == class)
    }

    /// Arrivals that ended, whichever way.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.finished.iter().sum()
    }

    /// Arrivals that got a complete answer.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.sum(Outcome::is_answered)
    }

    /// Arrivals that count as errors: everything but ok and limited.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.sum(Outcome::is_failure)
    }

    /// Arrivals whose latency is known only as a lower bound.
    #[must_use]
    pub fn censored(&self) -> u64 {
        self.sum(Outcome::is_censored)
    }

    /// Every outcome that occurred, with its count.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.into_iter().map(|outcome| (outcome, self.count(outcome))).filter(|(_, n)| *n > 0)
    }

    fn sum(&self, wanted: impl Fn(Outcome) -> bool) -> u64 {
        Outcome::ALL.into_iter().filter(|outcome| wanted(*outcome)).map(|outcome| self.count(outcome)).sum()
    }
}

/// The wire form: only the outcomes that occurred, by name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLedger {
    scheduled: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    finished: BTreeMap<Outcome, u64>,
}

impl From<StoredLedger> for Ledger {
    fn from(stored: StoredLedger) -> Self {
        let mut ledger = Self { scheduled: stored.scheduled, ..Self::default() };
        for (outcome, n) in stored.finished {
            ledger.finish_many(outcome, n);
        }
        ledger
    }
}

impl From<Ledger> for StoredLedger {
    fn from(ledger: Ledger) -> Self {
        Self { scheduled: ledger.scheduled, finished: ledger.outcomes().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discriminants_index_the_table_of_all_outcomes() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
    }

    #[test]
    fn the_stored_word_is_the_outcomes_name() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_string(&outcome).unwrap(), format!("\"{}\"", outcome.name()));
        }
    }

    #[test]
    fn a_ledger_survives_storage_and_stores_only_what_occurred() {
        let mut ledger = Ledger::default();
        ledger.schedule(5);
        ledger.finish_many(Outcome::Ok, 3);
        ledger.finish(Outcome::TimedOut);
        let text = serde_json::to_string(&ledger).unwrap();
        assert_eq!(text, r#"{"scheduled":5,"finished":{"ok":3,"timed_out":1}}"#);
        assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), ledger);
    }

    #[test]
    fn a_record_that_does_not_tell_the_resource_still_reads() {
        let text = r#"{"scheduled":3,"finished":{"ok":1,"local_resource":2}}"#;
        let ledger: Ledger = serde_json::from_str(text).unwrap();
        assert_eq!(ledger.outcomes().filter(|(outcome, _)| outcome.is_own_shortage()).map(|(_, n)| n).sum::<u64>(), 2);
    }

    #[test]
    fn an_unknown_outcome_is_an_error_not_a_zero() {
        let text = r#"{"scheduled":1,"finished":{"vanished":1}}"#;
        assert!(serde_json::from_str::<Ledger>(text).is_err());
    }

    #[test]
    fn limited_is_neither_success_nor_failure() {
        let mut ledger = Ledger::default();
        ledger.finish(Outcome::Limited);
        assert_eq!((ledger.answered(), ledger.failures(), ledger.class(Class::Ok)), (1, 0, 0));
    }
}
