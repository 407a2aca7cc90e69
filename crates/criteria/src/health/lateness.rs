//! Was the generator late? Which intervals are contaminated, and how much time was lost in them.

use plimsoll_record::Offset;
use plimsoll_record::latency::Histogram;
use plimsoll_record::summary::Window;
use plimsoll_record::traffic::GeneratorInterval;

use super::cause::{self, Suspect};
use super::judged::Judged;
use super::spans::{merged, overlap, span};
use crate::run::JudgedRun;

/// An interval is suspect when more of its requests were late: its 99th percentile of send lag is beyond the limit.
const MOST_LATE: f64 = 0.01;
/// Send lag below this share of the service time cannot change a judgement.
const LAG_THAT_MATTERS: f64 = 0.1;
/// A worker busier than this has no time left to be punctual; nor has one that spends this much running or waiting for
/// the core that others have.
pub(super) const BUSIEST_WORKER: f64 = 0.9;
/// An interval this many times as long as planned: the generator stood still.
const FROZEN: f64 = 1.5;
/// A worker that waits for its core in more of its time than this is starved: a machine's everyday life costs a tenth.
const MOST_WAITED: f64 = 0.25;
/// What starvation may cost before it counts, whatever lag the plan allows: the plan allows for hiccups, and this is
/// known not to be one.
const STARVED_LAG_NS: u64 = 1_000_000;
/// More time of the window lost than this share and these seconds, and the run cannot be trusted. What counts is the
/// time in which the generator could not send, not the length of the intervals it happened in: a hiccup of 50 ms once
/// in a while changes neither the load nor, since lag is part of the response time, a latency criterion's pass.
const MOST_LOST_SHARE: f64 = 0.01;
const MOST_LOST_S: f64 = 0.5;

/// The contaminated intervals of the judged window, taken together.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    pub(super) spans: Vec<Window>,
    /// Time in which the generator could not send.
    pub(super) lost_s: f64,
    /// Why, with what to do about it.
    pub(super) words: String,
}

impl Lateness {
    pub(super) fn of(run: &JudgedRun<'_>, judged: &Judged) -> Self {
        let Some(traffic) = &run.facts.traffic else { return Self::default() };
        let header = &traffic.header.body;
        let limits = LagLimits::of(header.max_send_lag_ns, header.every_ns, &judged.service);
        let late = |row| {
            let span = overlap(contaminated_span(row), judged.window).filter(|_| limits.exceeded_by(row))?;
            Some((span, limits.lost_s(row, span)))
        };
        let found: Vec<Option<(Window, f64)>> = run.facts.generator().map(late).collect();
        let spans = merged(found.iter().flatten().map(|(span, _)| *span).collect());
        let whole: f64 = spans.iter().map(Window::seconds).sum();
        // Neighbouring intervals that wait for the same hold-up count it once.
        let lost_s = found.iter().flatten().map(|(_, lost_s)| lost_s).sum::<f64>().min(whole);
        let suspects: Vec<Suspect<'_>> = run
            .facts
            .generator()
            .zip(&found)
            .filter(|(row, _)| spans.iter().any(|late| overlap(span(row.at_ns, row.len_ns), *late).is_some()))
            .map(|(row, late)| Suspect {
                row,
                lost_s: late.map_or(0.0, |(_, lost_s)| lost_s),
                frozen: limits.is_frozen(row),
            })
            .collect();
        let cores = run.facts.run.info().machine.cores as u64;
        let words = cause::words(&suspects, lost_s, u64::from(header.workers), cores);
        Self { spans, lost_s, words }
    }

    /// True when so much time of `window` was lost that the run cannot be trusted.
    pub(super) fn matters(&self, window: Window) -> bool {
        self.lost_s > MOST_LOST_SHARE * window.seconds() && self.lost_s > MOST_LOST_S
    }
}

/// What makes an interval suspect.
#[derive(Clone, Copy, Debug)]
struct LagLimits {
    header_ns: u64,
    service_ns: u64,
    every_ns: u64,
}

impl LagLimits {
    fn of(header_ns: u64, every_ns: u64, service: &Histogram) -> Self {
        let median = service.quantile(0.5).unwrap_or(0);
        Self { header_ns, service_ns: (median as f64 * LAG_THAT_MATTERS) as u64, every_ns }
    }

    fn exceeded_by(&self, row: &GeneratorInterval) -> bool {
        // The row counts late requests by the header's limit. Where the service is so slow that more lag does no harm,
        // only the percentile can be compared.
        let late = if self.service_ns > self.header_ns {
            row.send_lag_p99_ns > self.service_ns
        } else {
            row.sent_late as f64 > MOST_LATE * row.sent as f64
        };
        late || has_no_time_to_spare(row) || self.is_starved(row) || self.is_frozen(row)
    }

    /// The time of `span` in which the generator could not send. A worker without time to spare lost all of it, a
    /// starved one what it waited; one that was late otherwise could not send for as long as its latest request waited.
    fn lost_s(&self, row: &GeneratorInterval, span: Window) -> f64 {
        let late_s = row.send_lag_max_ns as f64 / 1e9;
        let lost_s = if self.is_frozen(row) || has_no_time_to_spare(row) {
            f64::INFINITY
        } else if self.is_starved(row) {
            row.waited_most_s().unwrap_or(0.0).max(late_s)
        } else {
            late_s
        };
        span.seconds().min(lost_s)
    }

    fn is_starved(&self, row: &GeneratorInterval) -> bool {
        row.waited_share().is_some_and(|share| share > MOST_WAITED)
            && row.send_lag_p99_ns > self.service_ns.max(STARVED_LAG_NS)
    }

    fn is_frozen(&self, row: &GeneratorInterval) -> bool {
        row.len_ns as f64 > FROZEN * self.every_ns as f64
    }
}

fn has_no_time_to_spare(row: &GeneratorInterval) -> bool {
    row.busiest_worker > BUSIEST_WORKER || row.busiest_with_waits().is_some_and(|share| share > BUSIEST_WORKER)
}

/// Requests of this row were meant to be sent as early as its largest lag before it began.
fn contaminated_span(row: &GeneratorInterval) -> Window {
    let from = row.at_ns.0.saturating_sub_unsigned(row.send_lag_max_ns);
    let to = row.at_ns.0.saturating_add_unsigned(row.len_ns);
    Window { from: Offset(from), to: Offset(to) }
}
