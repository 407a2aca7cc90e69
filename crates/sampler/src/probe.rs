//! What a source of samples is: the one trait between the watcher and everything it watches.
//!
//! A probe reads once when asked. It does not keep time, retry, write, or bound its own patience: the watcher asks
//! on its grid and drops the reading when it takes too long.
//!
//! ```
//! use plimsoll_sampler::probe::{Probe, Reading, ReadingFuture};
//!
//! /// The depth of a queue this program holds.
//! struct QueueDepth(std::sync::Arc<std::sync::atomic::AtomicU32>);
//!
//! impl Probe for QueueDepth {
//!     fn source(&self) -> String {
//!         "work queue".to_owned()
//!     }
//!
//!     fn read(&mut self) -> ReadingFuture<'_> {
//!         let depth = self.0.load(std::sync::atomic::Ordering::Relaxed);
//!         Box::pin(async move { Ok(Reading::of([("depth", f64::from(depth))])) })
//!     }
//! }
//! # let _: Box<dyn Probe> = Box::new(QueueDepth(std::sync::Arc::default()));
//! ```

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use plimsoll_record::series::{Detail, Found, Gap, GapReason, Mark, MarkKind, NodeFact, Sample, SeriesFact};
use plimsoll_record::{Offset, RunClock};

/// A reading under way. Dropping it gives up: the probe must then start afresh at the next one.
pub type ReadingFuture<'a> = Pin<Box<dyn Future<Output = Result<Reading, Failure>> + Send + 'a>>;

/// A source of samples.
pub trait Probe: Send {
    /// Where the values come from, without secrets: goes into the file's header and into messages.
    fn source(&self) -> String;

    /// Facts of the source that don't change, as far as the readings so far have shown them.
    fn identity(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Reads every value once.
    fn read(&mut self) -> ReadingFuture<'_>;

    /// Says that the next reading is the last: what is too costly for each of them belongs into it.
    fn prepare_for_last(&mut self) {}

    /// The same, and what is too dear or too long for every reading: asked for at the start, at the end, and when a
    /// phase of the load begins.
    fn read_thoroughly(&mut self) -> ReadingFuture<'_> {
        self.read()
    }
}

/// What one reading found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Values in base units (bytes, seconds, shares) by their key in the catalogue. What was not there is absent.
    pub values: BTreeMap<String, f64>,
    /// What happened to the source since the reading before, for people.
    pub marks: Vec<(MarkKind, String)>,
    /// What it told besides: tables, slow commands, stalls.
    pub details: Vec<Found>,
    /// Of a source that is several: each of them, by its label.
    pub nodes: Vec<(String, Result<Reading, Failure>)>,
    /// Why there are no values, when nodes or details were read all the same.
    pub gap: Option<Failure>,
}

impl Reading {
    /// A reading of these values.
    #[must_use]
    pub fn of<const N: usize>(values: [(&str, f64); N]) -> Self {
        let values = values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Self { values, ..Self::default() }
    }

    /// Adds a value if it was read and is a number.
    pub(crate) fn set(&mut self, key: &str, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.values.insert(key.to_owned(), value);
        }
    }
}

/// Why a reading failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure.
    pub reason: GapReason,
    /// The error in words, without secrets.
    pub detail: String,
}

impl Failure {
    /// A failure of this kind.
    #[must_use]
    pub fn new(reason: GapReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// Reads a probe once, giving up after `patience`, and puts the outcome on the run's time axis.
pub(crate) async fn read_facts(
    probe: &mut dyn Probe,
    clock: RunClock,
    patience: Duration,
    thorough: bool,
) -> Vec<SeriesFact> {
    let at_ns = clock.now();
    let outcome = read_once(probe, patience, thorough).await;
    facts(outcome, at_ns, clock.now().since(at_ns))
}

/// Marks first, since a sample belongs to the segment that a mark opens; then each node, then the whole.
fn facts(outcome: Result<Reading, Failure>, at_ns: Offset, took_ns: u64) -> Vec<SeriesFact> {
    let missing = |Failure { reason, detail }| SeriesFact::Gap(Gap { at_ns, reason, detail });
    let Reading { values, marks, details, nodes, gap } = match outcome {
        Ok(reading) => reading,
        Err(failure) => return vec![missing(failure)],
    };
    let mark = |(kind, detail)| SeriesFact::Mark(Mark { at_ns, kind, detail });
    let mut rows: Vec<SeriesFact> = marks.into_iter().map(mark).collect();
    for (node, outcome) in nodes {
        let of_node = |fact| SeriesFact::Node(NodeFact { node: node.clone(), fact: Box::new(fact) });
        rows.extend(facts(outcome, at_ns, took_ns).into_iter().map(of_node));
    }
    rows.push(match gap {
        Some(failure) => missing(failure),
        None => SeriesFact::Sample(Sample { at_ns, took_ns, values }),
    });
    rows.extend(details.into_iter().map(|found| SeriesFact::Detail(Detail { at_ns, found })));
    rows
}

/// Reads a probe once, giving up after `patience`.
pub(crate) async fn read_once(probe: &mut dyn Probe, patience: Duration, thorough: bool) -> Result<Reading, Failure> {
    let reading = if thorough { probe.read_thoroughly() } else { probe.read() };
    tokio::time::timeout(patience, reading).await.unwrap_or_else(|_| {
        Err(Failure::new(GapReason::TimedOut, format!("no answer within {} ms", patience.as_millis())))
    })
}
