//! Puts the segments of one load back together: what several generators recorded becomes the record of the whole.
//!
//! Exact: ledgers add, histograms merge bin for bin, and what was pending is pending. The parts are laid on each other by
//! their schedules, so that each phase begins at one moment; what the parts' clocks say about it becomes a note. What was watched (Redis, hosts,
//! logs) is taken from the first part that has it. Nothing is judged here.

mod traffic;
mod watched;

use std::path::{Path, PathBuf};

use crate::clock::Offset;
use crate::files::{FactFile, ReadError, WriteError};
use crate::requests::{RequestReader, RequestWriter};
use crate::run::{RunDir, RunError, RunInfo};
use crate::traffic::{SegmentFact, Traffic};

/// Parts that began further apart than this get a note: at worst one interval shows two phases as one.
const WORTH_A_NOTE_NS: u64 = 1_000_000_000;

/// Why parts cannot become a whole.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One part is no merge.
    #[error("there is nothing to merge; name the run directories of all segments")]
    Few,
    /// A directory is no run, or the result cannot be one.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A part cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The result cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A part has no traffic.
    #[error("{path} holds no traffic, so there is nothing to merge; leave it out", path = path.display())]
    NoTraffic {
        /// The part.
        path: PathBuf,
    },
    /// A part is a whole already.
    #[error("{path} is a whole run and no segment; segments are made by `loadgen run --segment 1/2`", path = path.display())]
    Whole {
        /// The part.
        path: PathBuf,
    },
    /// A segment is there twice.
    #[error("{first} and {second} are both segment {number}; leave one out", first = first.display(), second = second.display())]
    Twice {
        /// The segment.
        number: u64,
        /// Its first directory.
        first: PathBuf,
        /// Its second directory.
        second: PathBuf,
    },
    /// Segments are missing.
    #[error("of {of} segments these are missing: {numbers}; name their run directories too")]
    Missing {
        /// How many there are in all.
        of: u64,
        /// The numbers that are missing.
        numbers: String,
    },
    /// A part belongs to another load.
    #[error("{path} and {first} differ in {what}, so they are not parts of one load", path = path.display(), first = first.display())]
    Other {
        /// The part.
        path: PathBuf,
        /// The first part.
        first: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// The parts did not load the service together.
    #[error("{path} began after {first} had ended, so they never made one load; start all segments at the same time", path = path.display(), first = first.display())]
    Apart {
        /// The part.
        path: PathBuf,
        /// The first part.
        first: PathBuf,
    },
}

/// One segment, opened.
#[derive(Debug)]
struct Part {
    run: RunDir,
    traffic: FactFile<Traffic>,
    segment: SegmentFact,
    /// What its points in time are moved by to lie on the first part's schedule.
    by_ns: i64,
}

/// Merges the runs in `parts` into a new one in `out`.
///
/// # Errors
/// [`MergeError`] when they are not all the segments of one load, or cannot be read or written.
pub fn merge(parts: &[PathBuf], out: &Path, producer: &str) -> Result<RunDir, MergeError> {
    let parts = open(parts)?;
    let first = &parts[0];
    let info = RunInfo {
        id: format!("{}-merged", first.run.info().id),
        created_by: producer.to_owned(),
        ..first.run.info().clone()
    };
    let run = RunDir::create_as(out, info)?;
    if let Some(plan) = first.run.plan()? {
        run.store_plan(&plan)?;
    }
    let mut notes = watched::copy(&parts, &run)?;
    notes.extend(skews(&parts));
    notes.extend(requests(&parts, &run)?);
    traffic::write(&parts, &run, producer, notes)?;
    Ok(run)
}

/// Opens the parts in the order of their segments, and makes sure that they are all of one load.
fn open(paths: &[PathBuf]) -> Result<Vec<Part>, MergeError> {
    let mut parts = paths.iter().map(|path| open_part(path)).collect::<Result<Vec<Part>, _>>()?;
    parts.sort_by_key(|part| part.segment.number);
    let first = parts.first().ok_or(MergeError::Few)?;
    let (start, path) = (first.start(), first.path());
    for part in &parts[1..] {
        if let Some(what) = difference(first, part)? {
            return Err(MergeError::Other { path: part.path(), first: path, what });
        }
    }
    for pair in parts.windows(2) {
        if pair[0].segment.number == pair[1].segment.number {
            let (first, second) = (pair[0].path(), pair[1].path());
            return Err(MergeError::Twice { number: pair[0].segment.number, first, second });
        }
    }
    let of = first.segment.of;
    let missing = (1..=of).filter(|number| !parts.iter().any(|part| part.segment.number == *number));
    let missing: Vec<String> = missing.map(|number| number.to_string()).collect();
    if !missing.is_empty() {
        return Err(MergeError::Missing { of, numbers: missing.join(", ") });
    }
    let spans: Vec<(i64, i64)> = parts.iter().map(Part::wall_span).collect();
    let (last_begin, first_end) = (spans.iter().max_by_key(|span| span.0), spans.iter().min_by_key(|span| span.1));
    if let (Some((begin, _)), Some((_, end))) = (last_begin, first_end)
        && begin > end
    {
        let at = |wanted: &dyn Fn(&(i64, i64)) -> bool| {
            spans.iter().position(wanted).map(|index| parts[index].path()).unwrap_or_default()
        };
        return Err(MergeError::Apart { path: at(&|span| span.0 == *begin), first: at(&|span| span.1 == *end) });
    }
    for part in &mut parts {
        part.by_ns = start.0 - part.start().0;
    }
    Ok(parts)
}

fn open_part(path: &Path) -> Result<Part, MergeError> {
    let run = RunDir::open(path)?;
    let traffic = crate::traffic::read(path)?.ok_or_else(|| MergeError::NoTraffic { path: path.into() })?;
    let segment = traffic.header.body.segment.ok_or_else(|| MergeError::Whole { path: path.into() })?;
    Ok(Part { run, traffic, segment, by_ns: 0 })
}

/// What keeps two parts from being of one load.
fn difference(a: &Part, b: &Part) -> Result<Option<&'static str>, RunError> {
    let (first, second) = (&a.traffic.header.body, &b.traffic.header.body);
    let phases = |part: &Part| {
        let body = &part.traffic.header.body;
        let from_start = |at: Offset| at.0 - body.start_ns.0;
        let phases = body.phases.iter();
        phases.map(|phase| (phase.name.clone(), from_start(phase.start_ns), phase.end_ns.map(from_start))).collect()
    };
    let (mine, theirs): (Vec<_>, Vec<_>) = (phases(a), phases(b));
    Ok(if a.segment.of != b.segment.of {
        Some("the number of segments")
    } else if a.run.plan()? != b.run.plan()? {
        Some("their plans (give all segments the same file, --set and environment)")
    } else if mine != theirs {
        Some("their phases")
    } else if first.operations != second.operations || first.checks != second.checks {
        Some("their operations")
    } else if first.every_ns != second.every_ns {
        Some("the length of an interval")
    } else {
        None
    })
}

/// How far apart in wall time the parts began, where that is worth knowing.
fn skews(parts: &[Part]) -> Vec<String> {
    let begin = parts[0].wall_span().0;
    let apart = |part: &Part| part.wall_span().0.abs_diff(begin);
    let late = parts.iter().filter(|part| apart(part) > WORTH_A_NOTE_NS);
    late.map(|part| {
        format!(
            "segment {} began {:.1} s apart from segment {} by their clocks; they are laid on each other by their schedules",
            part.segment.number,
            apart(part) as f64 / 1e9,
            parts[0].segment.number
        )
    })
    .collect()
}

/// Writes all request logs into one, if every part has one that holds the same kind of requests.
fn requests(parts: &[Part], run: &RunDir) -> Result<Option<String>, MergeError> {
    let readers =
        parts.iter().map(|part| Ok(RequestReader::open(part.run.path())?)).collect::<Result<Vec<_>, MergeError>>()?;
    if readers.iter().all(Option::is_none) {
        return Ok(None);
    }
    let Some(mut readers) = readers.into_iter().collect::<Option<Vec<_>>>() else {
        return Ok(Some("not every segment has a request log, so the whole has none".to_owned()));
    };
    let kept = readers[0].kept();
    if readers.iter().any(|reader| reader.kept() != kept) {
        return Ok(Some("the segments logged different requests, so the whole has no request log".to_owned()));
    }
    let mut log = RequestWriter::create(run.path(), kept)?;
    for (part, reader) in parts.iter().zip(&mut readers) {
        for row in reader.by_ref() {
            let row = row?;
            log.write(&[crate::requests::RequestRow { intended: part.moved(row.intended), ..row }])?;
        }
    }
    let partial = readers.iter().any(RequestReader::is_partial);
    log.finish()?;
    Ok(partial.then(|| "the request log of a segment was cut off".to_owned()))
}

impl Part {
    fn path(&self) -> PathBuf {
        self.run.path().to_owned()
    }

    fn start(&self) -> Offset {
        self.traffic.header.body.start_ns
    }

    fn moved(&self, at: Offset) -> Offset {
        Offset(at.0.saturating_add(self.by_ns))
    }

    /// When its load began and ended, in Unix nanoseconds.
    fn wall_span(&self) -> (i64, i64) {
        let unix = |at: Offset| self.run.info().anchor.unix_ns.saturating_add(at.0);
        (unix(self.start()), unix(traffic::end(&self.traffic)))
    }
}

#[cfg(test)]
mod tests;
