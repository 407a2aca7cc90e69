//! Sums over traffic rows, and the numbers read off them: percentiles, rates, shares.

use std::collections::BTreeMap;

use crate::checks::CheckCount;
use crate::clock::Offset;
use crate::latency::{Histogram, Latency};
use crate::ledger::{Class, Ledger};
use crate::timings::Timings;
use crate::traffic::Interval;

/// Sums over traffic rows.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// The ledger.
    pub ledger: Ledger,
    /// Latency of answers that were not rate-limited.
    pub served: Latency,
    /// Latency of rate-limited answers.
    pub limited: Latency,
    /// How long requests were waited for that timed out or never finished.
    pub censored: Latency,
    /// How long parts of requests took.
    pub timings: Timings,
    /// Answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// How often checks held, by their place in the header's list.
    pub checks: BTreeMap<u32, CheckCount>,
    /// Body bytes received.
    pub body_bytes: u64,
    /// Transactions that were begun anew.
    pub retries: u64,
    /// The time the sums cover, in seconds.
    pub seconds: f64,
}

/// A percentile, which is only a lower bound when its rank falls among requests that timed out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentile {
    /// Nanoseconds.
    pub nanos: u64,
    /// True when the real value is at least this.
    pub at_least: bool,
}

impl Totals {
    /// Adds a row; `seconds` stays what it is.
    pub fn add(&mut self, interval: &Interval) {
        self.ledger.merge(&interval.ledger);
        self.served.merge(&interval.served);
        self.limited.merge(&interval.limited);
        self.censored.merge(&interval.censored);
        self.timings.merge(&interval.timings);
        self.body_bytes += interval.body_bytes;
        self.retries += interval.retries;
        for (status, n) in &interval.statuses {
            *self.statuses.entry(*status).or_insert(0) += n;
        }
        self.count_checks(&interval.checks);
    }

    /// Adds counts of checks.
    pub fn count_checks(&mut self, checks: &BTreeMap<u32, CheckCount>) {
        for (index, count) in checks {
            self.checks.entry(*index).or_default().merge(*count);
        }
    }

    /// Response-time quantile of served requests; requests that timed out or never finished count as slower than
    /// every answer. `None` when there is neither.
    #[must_use]
    pub fn response(&self, q: f64) -> Option<Percentile> {
        self.quantile(&self.served.response, &self.censored.response, q)
    }

    /// Service-time quantile of served requests, with the same treatment of timeouts.
    #[must_use]
    pub fn service(&self, q: f64) -> Option<Percentile> {
        self.quantile(&self.served.service, &self.censored.service, q)
    }

    /// Failures / finished arrivals: everything but ok and limited counts as a failure. `None` when nothing finished.
    #[must_use]
    pub fn error_rate(&self) -> Option<f64> {
        share(self.ledger.failures(), self.ledger.finished())
    }

    /// Rate-limited answers / finished arrivals. `None` when nothing finished.
    #[must_use]
    pub fn limited_share(&self) -> Option<f64> {
        share(self.ledger.class(Class::Limited), self.ledger.finished())
    }

    /// Complete answers per second. `None` when no time passed.
    #[must_use]
    pub fn throughput(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.ledger.answered() as f64 / self.seconds)
    }

    /// Scheduled arrivals per second. `None` when no time passed.
    #[must_use]
    pub fn offered(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.ledger.scheduled() as f64 / self.seconds)
    }

    fn quantile(&self, answers: &Histogram, waits: &Histogram, q: f64) -> Option<Percentile> {
        let total = answers.count() + self.ledger.censored();
        if total == 0 {
            return None;
        }
        let rank = (q * total as f64).ceil().max(1.0);
        let at_least = rank > answers.count() as f64;
        if !at_least {
            return ranked(answers, rank).map(|nanos| Percentile { nanos, at_least });
        }
        // Each of them took at least as long as it was waited for, so their order statistic is a lower bound. Those
        // that were never sent are not among the waits, and come first.
        let mut observed = answers.clone();
        observed.merge(waits);
        let known_rank = rank - (total - observed.count().min(total)) as f64;
        let nanos = if known_rank < 1.0 { 0 } else { ranked(&observed, known_rank).unwrap_or(0) };
        Some(Percentile { nanos, at_least })
    }
}

/// The value of this rank, from 1.
fn ranked(histogram: &Histogram, rank: f64) -> Option<u64> {
    histogram.quantile((rank / histogram.count() as f64).min(1.0))
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// One interval of the run.
#[derive(Clone, Debug)]
pub struct Point {
    /// When it began.
    pub at: Offset,
    /// What happened in it.
    pub totals: Totals,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Outcome;

    fn totals(answers_ms: &[u64], timeouts: u64) -> Totals {
        let mut totals = Totals::default();
        for ms in answers_ms {
            totals.served.record(ms * 1_000_000, ms * 1_000_000);
            totals.ledger.finish(Outcome::Ok);
        }
        totals.ledger.finish_many(Outcome::TimedOut, timeouts);
        totals
    }

    #[test]
    fn a_percentile_among_timeouts_is_only_a_lower_bound() {
        let nine_answers_and_a_timeout = totals(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 1);
        let p50 = nine_answers_and_a_timeout.response(0.5).unwrap();
        assert!(!p50.at_least && (p50.nanos as f64 / 5e6 - 1.0).abs() < 0.01, "{p50:?}");
        let p99 = nine_answers_and_a_timeout.response(0.99).unwrap();
        assert!(p99.at_least && p99.nanos >= 9_000_000, "{p99:?}");
    }

    #[test]
    fn the_bound_is_how_long_requests_were_waited_for() {
        let mut totals = totals(&[1, 2, 3, 4, 5], 5);
        for _ in 0..5 {
            totals.censored.record(30_000_000_000, 29_000_000_000);
        }
        let (response, service) = (totals.response(0.9).unwrap(), totals.service(0.9).unwrap());
        assert!(response.at_least && (response.nanos as f64 / 30e9 - 1.0).abs() < 0.01, "{response:?}");
        assert!(service.at_least && (service.nanos as f64 / 29e9 - 1.0).abs() < 0.01, "{service:?}");
    }

    #[test]
    fn nothing_measured_is_nothing_not_zero() {
        let nothing = Totals::default();
        assert_eq!(nothing.response(0.5), None);
        assert_eq!((nothing.error_rate(), nothing.throughput(), nothing.limited_share()), (None, None, None));
    }

    #[test]
    fn limited_answers_are_no_errors_but_count_as_finished() {
        let mut totals = totals(&[1], 1);
        totals.ledger.finish_many(Outcome::Limited, 2);
        assert_eq!((totals.error_rate(), totals.limited_share()), (Some(0.25), Some(0.5)));
    }
}
