//! Reading back what an earlier process had acknowledged: for a run that was killed before it could do so itself.
//!
//! What the record holds counts: writes that were acknowledged in the last, unfinished interval are not in it, and
//! nothing is demanded of them. Nothing is written to the record.

use std::collections::{BTreeMap, HashMap};
use std::io;

use plimsoll_plan::Plan;
use plimsoll_record::RunDir;
use plimsoll_record::files::{FactFile, ReadError};
use plimsoll_record::integrity::{BadValue, IntegrityFact, IntegrityLog, ReadBack};

use crate::run::{PrepareError, Run};
use crate::stop::StopHandle;

/// Why there is nothing to say.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The plan cannot be run.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A row of it cannot.
    #[error("a row of integrity.jsonl is damaged; what was acknowledged cannot be told")]
    Damaged(#[from] plimsoll_record::integrity::DamagedFloors),
    /// The run numbered no writes.
    #[error("the run has no integrity.jsonl: its plan had no [integrity.NAME]")]
    NoWrites,
    /// The run is one of another plan.
    #[error("the run has the sets of keys {recorded}, the plan has {planned}; give the plan that was run")]
    OtherPlan {
        /// Those of the run.
        recorded: String,
        /// Those of the plan.
        planned: String,
    },
    /// There is no thread or timer left.
    #[error("cannot start to read")]
    Start(#[source] io::Error),
}

/// What reading back showed of one set.
#[derive(Clone, Debug, PartialEq)]
pub struct Audited {
    /// The set.
    pub name: String,
    /// The counts.
    pub back: ReadBack,
    /// The first few values that are not as they should be.
    pub examples: Vec<BadValue>,
}

/// Reads back every key of the run in `directory` that had a write acknowledged.
///
/// # Errors
/// [`AuditError`] when the record or the plan does not allow it. A store that does not answer is no error: its keys
/// are counted as unreadable when the plan's patience is over.
pub fn audit(plan: &Plan, directory: &RunDir, stop: &StopHandle) -> Result<Vec<Audited>, AuditError> {
    let file = FactFile::<IntegrityLog>::read(directory.path())?.ok_or(AuditError::NoWrites)?;
    let recorded: Vec<&str> = file.header.body.sets.iter().map(|set| set.name.as_str()).collect();
    let planned: Vec<&str> = plan.integrity.iter().map(|set| set.name.as_str()).collect();
    if recorded != planned {
        return Err(AuditError::OtherPlan { recorded: recorded.join(", "), planned: planned.join(", ") });
    }
    let run = Run::prepare(plan, directory, "audit")?;
    let known = Known::of(&file)?;
    let books = run.books();
    for (set, book) in (0..).zip(books) {
        book.belongs_to(file.header.body.run);
        let floors: Vec<(u64, u32)> = known.floors.get(&set).into_iter().flatten().map(|(k, w)| (*k, *w)).collect();
        book.resume(&floors, known.ambiguous.get(&set).map_or(&[][..], Vec::as_slice));
    }
    let clock = directory.clock();
    let backs = run.read_back(clock, clock.now(), stop).map_err(AuditError::Start)?;
    let audited = backs.into_iter().zip(planned).zip(run.books());
    Ok(audited.map(|((back, name), book)| Audited { name: name.to_owned(), back, examples: book.examples() }).collect())
}

/// What the record says was acknowledged, by set.
#[derive(Default)]
struct Known {
    floors: HashMap<u32, BTreeMap<u64, u32>>,
    ambiguous: HashMap<u32, Vec<(u64, u32)>>,
}

impl Known {
    fn of(file: &FactFile<IntegrityLog>) -> Result<Self, AuditError> {
        let mut known = Self::default();
        for fact in &file.facts {
            match fact {
                IntegrityFact::Acknowledged(row) => {
                    let set = known.floors.entry(row.set).or_default();
                    // Floors only rise, so the last word on a key is the highest.
                    set.extend(row.floors()?);
                }
                IntegrityFact::Ambiguous(write) => {
                    known.ambiguous.entry(write.set).or_default().push((write.key, write.write));
                }
                IntegrityFact::Bad(_) | IntegrityFact::Counts(_) | IntegrityFact::ReadBack(_) => {}
            }
        }
        Ok(known)
    }
}
