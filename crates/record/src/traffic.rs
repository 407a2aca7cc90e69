//! `traffic.jsonl`: what `loadgen` offered and what came back, per interval, phase and operation.
//!
//! Every interval writes one row per (phase, operation) that was active in it. The running totals balance in
//! every interval: scheduled so far = finished so far + pending. The writer asserts it, the reader checks it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::checks::{CheckCount, CheckFact};
use crate::clock::Offset;
use crate::files::{EndReason, FactFile, FactKind, FactWriter, ReadError, WriteError};
use crate::latency::Latency;
use crate::ledger::{Ledger, Outcome};
use crate::timings::Timings;

/// What kind of file this is, for the reader and the writer.
#[derive(Debug)]
pub enum Traffic {}

impl FactKind for Traffic {
    const FILE: &'static str = "traffic.jsonl";
    type Header = TrafficHeader;
    type Fact = TrafficFact;
}

/// What was planned, as far as a reader of the rows needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrafficHeader {
    /// The first intended send time of the plan: phase offsets count from here.
    pub start_ns: Offset,
    /// Length of an interval.
    pub every_ns: u64,
    /// The phases in order.
    pub phases: Vec<PhaseFact>,
    /// The operations (`flow.step`) in the plan's order.
    pub operations: Vec<String>,
    /// The checks of answers, operation by operation. Empty when the plan has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckFact>,
    /// The number of worker threads.
    pub workers: u32,
    /// Which part of the plan's load this generator made; `None`: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<SegmentFact>,
    /// Arrivals were sent at multiples of this many nanoseconds; `None`: each at its own time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_ns: Option<u64>,
    /// A send lag beyond this many nanoseconds makes an interval suspect; see `GeneratorHealth`.
    pub max_send_lag_ns: u64,
    /// How long the target's name took to be looked up, once, before the first connection; `None` where the target is
    /// an address, and in records that lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup_ns: Option<u64>,
}

/// One part of a load that several generators share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentFact {
    /// Its number, from 1.
    pub number: u64,
    /// How many parts there are.
    pub of: u64,
}

/// A phase as planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseFact {
    /// Its name.
    pub name: String,
    /// When it starts, on the run's clock.
    pub start_ns: Offset,
    /// When it ends; `None` when it ends with its iterations.
    pub end_ns: Option<Offset>,
    /// Arrivals it schedules in all (in this segment of it), when the plan alone decides that (open model, fixed iterations).
    pub planned_arrivals: Option<u64>,
}

/// One row of traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrafficFact {
    /// What one operation did in one interval of one phase.
    Interval(Box<Interval>),
    /// How the generator itself did in one interval.
    Generator(GeneratorInterval),
    /// A phase was cut short or extended: it really ended here.
    PhaseEnded {
        /// The phase's index in the header.
        phase: u32,
        /// When its last iteration ended or was abandoned.
        at_ns: Offset,
    },
    /// Requests of one interval that were slower than the plan's `slow`.
    Slow(SlowInterval),
    /// Something the generator has to say about its own run.
    Note {
        /// When.
        at_ns: Offset,
        /// What, in one sentence.
        text: String,
    },
}

/// What one operation did in one interval of one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// When the interval began.
    pub at_ns: Offset,
    /// How long it really was: longer than planned when the generator was held up.
    pub len_ns: u64,
    /// The phase's index in the header: the phase the arrivals were scheduled in.
    pub phase: u32,
    /// The operation's index in the header.
    pub operation: u32,
    /// Arrivals scheduled in this interval, and arrivals finished in this interval.
    pub ledger: Ledger,
    /// Arrivals of this phase and operation scheduled but not finished at the interval's end, since the start.
    pub pending: u64,
    /// Response and service time of answers that were not rate-limited (ok and unexpected status).
    pub served: Latency,
    /// Response and service time of rate-limited answers, kept apart: a fast refusal must not hide a slow service.
    #[serde(default, skip_serializing_if = "Latency::is_empty")]
    pub limited: Latency,
    /// How long requests were waited for that timed out or never finished: lower bounds of their latency.
    #[serde(default, skip_serializing_if = "Latency::is_empty")]
    pub censored: Latency,
    /// How long parts of requests took; empty in records that lack it.
    #[serde(default, skip_serializing_if = "Timings::is_empty")]
    pub timings: Timings,
    /// Answers by status code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub statuses: BTreeMap<u16, u64>,
    /// How often the operation's checks held, by their place in the header's list.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<u32, CheckCount>,
    /// Bytes received: bodies only.
    pub body_bytes: u64,
    /// Transactions of a store that were begun anew: after a serialisation failure or a deadlock.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u64,
    /// The slowest answer of the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<Exemplar>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it out so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One request worth pointing at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemplar {
    /// Its intended send time.
    pub intended_ns: Offset,
    /// Its response time.
    pub response_ns: u64,
    /// Its service time.
    pub service_ns: u64,
    /// The number of the user who sent it.
    pub user: u64,
    /// The status code of the answer.
    pub status: u16,
}

/// Requests of one interval that were slower than the plan's `slow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowInterval {
    /// When the interval began.
    pub at_ns: Offset,
    /// How long it really was.
    pub len_ns: u64,
    /// How many ended in it.
    pub count: u64,
    /// The slowest of those that the workers reported one by one, the slowest first: at most [`Self::MOST`].
    pub slowest: Vec<SlowRequest>,
}

impl SlowInterval {
    /// The most requests that one interval lists.
    pub const MOST: usize = 10;
}

/// A request that was slow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowRequest {
    /// The phase's index in the header.
    pub phase: u32,
    /// The operation's index in the header.
    pub operation: u32,
    /// The number of the user who sent it.
    pub user: u64,
    /// Which of the user's iterations it belongs to, from 1; 0 where that is not known.
    #[serde(default)]
    pub iteration: u32,
    /// Its intended send time.
    pub intended_ns: Offset,
    /// Its response time; when it got no answer, how long it was waited for.
    pub response_ns: u64,
    /// Its service time; likewise.
    pub service_ns: u64,
    /// How it ended; `None` where that is not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The status code of the answer; 0 when there was none.
    pub status: u16,
}

impl SlowRequest {
    /// When it ended.
    #[must_use]
    pub fn done(&self) -> Offset {
        Offset(self.intended_ns.0.saturating_add_unsigned(self.response_ns))
    }
}

/// How the generator itself did in one interval, over all its workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GeneratorInterval {
    /// When the interval began.
    pub at_ns: Offset,
    /// How long it really was.
    pub len_ns: u64,
    /// Requests written in this interval.
    pub sent: u64,
    /// Requests written later after their intended time than `max_send_lag_ns` although a connection was free.
    pub sent_late: u64,
    /// Largest send lag (actual - intended) in nanoseconds of requests that a connection was free for: the
    /// generator's own delay, not the wait for a slow server. 0 when nothing was sent.
    pub send_lag_max_ns: u64,
    /// 99th percentile of the same; 0 when nothing was sent.
    pub send_lag_p99_ns: u64,
    /// CPU seconds (user and system) the whole generator process used in this interval.
    pub cpu_s: f64,
    /// The busiest worker thread's share of its core, 0..=1.
    pub busiest_worker: f64,
    /// Requests that waited for a connection because all were in use.
    pub waited_for_connection: u64,
    /// Connections open at the end of the interval.
    pub connections: u64,
    /// Request-log rows dropped because their buffer was full.
    pub log_rows_dropped: u64,
    /// The most by which a worker's event loop woke later than it meant to; `None` when it never slept, and in records
    /// that lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loop_delay_max_ns: Option<u64>,
    /// 99th percentile of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loop_delay_p99_ns: Option<u64>,
    /// What each worker thread used and lacked of its core, in the order of the workers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<WorkerInterval>,
    /// File descriptors the generator's process held at the end of the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// How many it may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files_limit: Option<u64>,
    /// Local ports left towards the target at the end of the interval: the system's range for outgoing connections,
    /// once per local address, without reserved ports, less the generator's own open connections, less the TCP
    /// connections in TIME_WAIT on this machine (of which some may go elsewhere, so more may be left). `None` where
    /// the range is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_ports: Option<u64>,
}

/// What one worker thread used and lacked of its core in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerInterval {
    /// CPU seconds (user and system) of the thread.
    pub cpu_s: f64,
    /// Seconds in which the thread could have run and had no core, because others had it; `None` where the system
    /// does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_s: Option<f64>,
}

/// Writes `traffic.jsonl` and asserts that the books balance.
#[derive(Debug)]
pub struct TrafficWriter {
    out: FactWriter<Traffic>,
    books: Books,
}

impl TrafficWriter {
    /// Creates the file in `dir`.
    ///
    /// # Errors
    /// [`WriteError`] when the file exists or cannot be written.
    pub fn create(dir: &Path, producer: &str, at: Offset, header: TrafficHeader) -> Result<Self, WriteError> {
        let books = Books::new(&header);
        Ok(Self { out: FactWriter::create(dir, producer, at, header)?, books })
    }

    /// Appends one row.
    ///
    /// # Panics
    /// When an interval's pending count contradicts what was scheduled and finished so far: an arrival was lost or
    /// counted twice, and no number of this run could be trusted. Likewise when it counts a check of another operation.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be written.
    pub fn write(&mut self, fact: &TrafficFact) -> Result<(), WriteError> {
        if let TrafficFact::Interval(interval) = fact {
            self.books.enter(interval).expect(
                "every scheduled arrival has exactly one outcome or is pending, and checks are the operation's own",
            );
        }
        self.out.write(fact)
    }

    /// Hands everything written so far to the operating system.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be written.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.out.flush()
    }

    /// Writes the end row. Everything pending must have been finished (as unfinished, if need be) before.
    ///
    /// # Panics
    /// When arrivals are still pending.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be written.
    pub fn finish(self, at: Offset, reason: EndReason) -> Result<(), WriteError> {
        assert_eq!(self.books.pending(), 0, "a finished run has no pending arrivals");
        self.out.finish(at, reason)
    }
}

/// Reads `traffic.jsonl` from `dir` and checks that the books balance; `None` when there is no such file.
///
/// # Errors
/// [`ReadError`] when the file cannot be read, is damaged, or does not balance.
pub fn read(dir: &Path) -> Result<Option<FactFile<Traffic>>, ReadError> {
    let Some(file) = FactFile::<Traffic>::read(dir)? else { return Ok(None) };
    let inconsistent = |what: String| ReadError::Inconsistent { path: dir.join(Traffic::FILE), what };
    let mut books = Books::new(&file.header.body);
    for fact in &file.facts {
        let TrafficFact::Interval(interval) = fact else { continue };
        let known = (interval.phase as usize) < file.header.body.phases.len()
            && (interval.operation as usize) < file.header.body.operations.len();
        if !known {
            return Err(inconsistent(format!(
                "row of phase {} and operation {}, which the header lacks",
                interval.phase, interval.operation
            )));
        }
        books.enter(interval).map_err(inconsistent)?;
    }
    if file.end.is_some() && books.pending() > 0 {
        return Err(inconsistent(format!("{} arrivals are pending after the end row", books.pending())));
    }
    Ok(Some(file))
}

/// Running totals per (phase, operation), for the balance.
#[derive(Debug, Default)]
struct Books {
    pending: BTreeMap<(u32, u32), u64>,
    /// The operation of each check.
    checks: Vec<u32>,
}

impl Books {
    fn new(header: &TrafficHeader) -> Self {
        let checks = header.checks.iter().map(|check| check.operation).collect();
        Self { pending: BTreeMap::new(), checks }
    }

    fn enter(&mut self, interval: &Interval) -> Result<(), String> {
        let pending = self.pending.entry((interval.phase, interval.operation)).or_default();
        let before = *pending + interval.ledger.scheduled();
        let after = interval.ledger.finished() + interval.pending;
        if before != after {
            return Err(format!(
                "the arrival ledger does not balance at {:.3} s: {before} pending or scheduled, {after} finished or pending",
                interval.at_ns.as_secs_f64()
            ));
        }
        *pending = interval.pending;
        let own = |index: u32| self.checks.get(index as usize) == Some(&interval.operation);
        match interval.checks.keys().find(|index| !own(**index)) {
            Some(index) => {
                Err(format!("row of operation {} counts check {index}, which is not its own", interval.operation))
            }
            None => Ok(()),
        }
    }

    fn pending(&self) -> u64 {
        self.pending.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn header() -> TrafficHeader {
        TrafficHeader {
            start_ns: Offset(0),
            every_ns: 1_000_000_000,
            phases: vec![PhaseFact {
                name: "steady".to_owned(),
                start_ns: Offset(0),
                end_ns: Some(Offset(2_000_000_000)),
                planned_arrivals: Some(4),
            }],
            operations: vec!["check".to_owned()],
            checks: vec![CheckFact { operation: 0, name: "status == 200".to_owned(), soft: false }],
            workers: 1,
            segment: None,
            tick_ns: None,
            max_send_lag_ns: 10_000_000,
            lookup_ns: None,
        }
    }

    fn interval(second: i64, scheduled: u64, ok: u64, pending: u64) -> TrafficFact {
        let mut ledger = Ledger::default();
        ledger.schedule(scheduled);
        ledger.finish_many(Outcome::Ok, ok);
        TrafficFact::Interval(Box::new(Interval {
            at_ns: Offset(second * 1_000_000_000),
            len_ns: 1_000_000_000,
            phase: 0,
            operation: 0,
            ledger,
            pending,
            served: Latency::default(),
            limited: Latency::default(),
            censored: Latency::default(),
            timings: crate::timings::Timings::default(),
            statuses: BTreeMap::new(),
            checks: BTreeMap::new(),
            body_bytes: 0,
            retries: 0,
            worst: None,
        }))
    }

    fn writer(dir: &Path) -> TrafficWriter {
        TrafficWriter::create(dir, "test", Offset(0), header()).unwrap()
    }

    #[test]
    fn balanced_books_are_written_and_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut out = writer(dir.path());
        out.write(&interval(0, 3, 1, 2)).unwrap();
        out.write(&interval(1, 1, 3, 0)).unwrap();
        out.finish(Offset(2_000_000_000), EndReason::Completed).unwrap();
        assert_eq!(read(dir.path()).unwrap().unwrap().facts.len(), 2);
    }

    #[test]
    #[should_panic(expected = "exactly one outcome")]
    fn a_lost_arrival_is_noticed_when_written() {
        let dir = tempfile::tempdir().unwrap();
        let _ = writer(dir.path()).write(&interval(0, 3, 1, 1));
    }

    #[test]
    #[should_panic(expected = "no pending arrivals")]
    fn a_run_does_not_end_with_open_arrivals() {
        let dir = tempfile::tempdir().unwrap();
        let mut out = writer(dir.path());
        out.write(&interval(0, 3, 1, 2)).unwrap();
        let _ = out.finish(Offset(1), EndReason::Completed);
    }

    #[test]
    #[should_panic(expected = "checks are the operation's own")]
    fn a_check_that_the_header_lacks_is_noticed_when_written() {
        let dir = tempfile::tempdir().unwrap();
        let TrafficFact::Interval(mut row) = interval(0, 1, 1, 0) else { panic!("an interval is an interval") };
        row.checks.insert(1, CheckCount { passed: 1, failed: 0 });
        let _ = writer(dir.path()).write(&TrafficFact::Interval(row));
    }

    #[test]
    fn a_record_without_checks_reads_as_one_that_counted_none() {
        let text = serde_json::to_string(&TrafficHeader { checks: Vec::new(), ..header() }).unwrap();
        assert!(!text.contains("checks"), "{text}");
        assert_eq!(serde_json::from_str::<TrafficHeader>(&text).unwrap().checks, []);
        let text = serde_json::to_string(&interval(0, 1, 1, 0)).unwrap();
        assert!(!text.contains("checks"), "{text}");
        assert_eq!(serde_json::from_str::<TrafficFact>(&text).unwrap(), interval(0, 1, 1, 0));
    }

    #[test]
    fn a_lost_arrival_is_noticed_when_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut out = writer(dir.path());
        out.write(&interval(0, 3, 3, 0)).unwrap();
        out.finish(Offset(1), EndReason::Completed).unwrap();
        let path = dir.path().join(Traffic::FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"scheduled\":3", "\"scheduled\":4")).unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("does not balance at 0.000 s"), "{error}");
    }
}
