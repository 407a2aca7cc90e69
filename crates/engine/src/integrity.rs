//! Whether everything that a store acknowledged is still there: writes are numbered, reads are compared with them.
//!
//! A write is *acknowledged* when its step ended as ok, *rejected* when the store said no or nothing was sent, and
//! *ambiguous* otherwise: it may have been done or not, and no value of it is ever called wrong. A read is compared
//! with what had been acknowledged before it was sent. When the load is over, every key that was acknowledged is read
//! back.
//!
//! | file | what |
//! |---|---|
//! | `stamp` | the value that is written, and how it is found in a reply |
//! | `key` | what is known of one key, in eight bytes |
//! | `book` | all keys of a set |
//! | `read_back` | reading everything back |

mod stamp;

mod key;

mod book;

mod read_back;

use std::cell::Cell;
use std::sync::Arc;

use plimsoll_plan::{Plan, Touch};
use plimsoll_record::ledger::Outcome;

use crate::answer::Answer;
use crate::names::Names;
use crate::visit::Visit;
pub(crate) use book::{Book, Reading};
use key::End;
pub(crate) use read_back::{ReadBackSetup, read_back};
use stamp::Stamp;

/// The sets of a plan, and which operation writes or reads which.
#[derive(Debug, Default)]
pub(crate) struct Integrity {
    pub(crate) books: Vec<Arc<Book>>,
    /// By operation.
    touches: Box<[Option<(Touch, u16)>]>,
}

/// A write or a read under way. One that is dropped before its end, because the run was cut short, is ambiguous.
#[derive(Debug)]
pub(crate) struct Guard {
    book: Arc<Book>,
    key: u64,
    doing: Doing,
}

#[derive(Debug)]
enum Doing {
    Writing { sequence: u32 },
    Reading { floor: u32 },
    Over,
}

/// What the step under way does to a key. Small, for every visit has room for it.
#[derive(Default)]
pub(crate) struct Touching(Cell<Option<Box<Touched>>>);

impl std::fmt::Debug for Touching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Touching").field(&self.key()).finish()
    }
}

struct Touched {
    key: u64,
    writes: Option<(Arc<Book>, Stamp)>,
}

/// A copy of a visit is in no step yet.
impl Clone for Touching {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Touching {
    fn begin(&self, touched: Touched) {
        self.0.set(Some(Box::new(touched)));
    }

    fn with<T>(&self, look: impl FnOnce(&Touched) -> Option<T>) -> Option<T> {
        let touched = self.0.take();
        let seen = touched.as_deref().and_then(look);
        self.0.set(touched);
        seen
    }

    /// The number of the key: the hole `{integrity.key}`.
    pub(crate) fn key(&self) -> Option<u64> {
        self.with(|touched| Some(touched.key))
    }

    /// What is written: the hole `{integrity.value}`.
    pub(crate) fn value(&self, visit: &Visit) -> Option<String> {
        self.with(|touched| touched.writes.as_ref().map(|(book, stamp)| book.value(*stamp, visit)))
    }
}

impl Integrity {
    pub(crate) fn compile(plan: &Plan, names: &Names) -> Self {
        let book = |set| Arc::new(Book::new(set, names));
        let touch = |operation: &plimsoll_plan::Operation<'_>| {
            let (touch, name) = operation.request.integrity.as_ref()?;
            let set = plan.integrity.iter().position(|set| set.name == *name)?;
            Some((*touch, u16::try_from(set).expect("a plan has fewer than 65,536 sets")))
        };
        let touches = plan.operation_list().iter().map(touch).collect();
        Self {
            books: plan.integrity.iter().map(book).collect(),
            touches: if plan.integrity.is_empty() { Box::default() } else { touches },
        }
    }

    /// Its values are told from those of other runs by this number.
    pub(crate) fn belongs_to(&self, run: u32) {
        self.books.iter().for_each(|book| book.belongs_to(run));
    }

    /// An operation begins; `None` for those that neither write nor read a set, and for a write that cannot be told
    /// from others any more. Most plans have none, which costs a look at an empty list.
    pub(crate) fn begin(&self, operation: u16, visit: &Visit) -> Option<Box<Guard>> {
        let (touch, set) = (*self.touches.get(usize::from(operation))?)?;
        let book = Arc::clone(&self.books[usize::from(set)]);
        let key = book.key_of(visit.iteration.user);
        let doing = match touch {
            Touch::Writes => {
                let sequence = book.begin(key)?;
                let stamp = Stamp { key, sequence };
                visit.touching.begin(Touched { key, writes: Some((Arc::clone(&book), stamp)) });
                Doing::Writing { sequence }
            }
            Touch::Reads => {
                visit.touching.begin(Touched { key, writes: None });
                Doing::Reading { floor: book.floor(key) }
            }
        };
        Some(Box::new(Guard { book, key, doing }))
    }
}

impl Guard {
    /// The operation ended with `outcome`, and this answer if there was one. The outcome it has after all.
    pub(crate) fn end(mut self, outcome: Outcome, answer: Option<&Answer>, at: i64) -> Outcome {
        let doing = std::mem::replace(&mut self.doing, Doing::Over);
        match doing {
            Doing::Writing { sequence } => {
                self.book.end(self.key, sequence, certainty_of(outcome));
                outcome
            }
            Doing::Reading { floor } if outcome == Outcome::Ok => {
                let body = answer.map(Answer::content).unwrap_or_default();
                let reading = Reading { key: self.key, floor, at };
                self.book.read(reading, &body).map_or(outcome, outcome_of)
            }
            Doing::Reading { .. } | Doing::Over => outcome,
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Doing::Writing { sequence } = self.doing {
            self.book.end(self.key, sequence, Certainty::Ambiguous);
        }
    }
}

/// What is known of a write that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    Acknowledged,
    Rejected,
    Ambiguous,
}

/// Everything that is not a clear word is ambiguous: the store may have done the write all the same.
fn certainty_of(outcome: Outcome) -> Certainty {
    match outcome {
        Outcome::Ok => Certainty::Acknowledged,
        Outcome::Limited
        | Outcome::Refused
        | Outcome::Unreachable
        | Outcome::Tls
        | Outcome::LocalResource
        | Outcome::OutOfDescriptors
        | Outcome::OutOfPorts
        | Outcome::OutOfMemory
        | Outcome::NotBuilt
        | Outcome::ConnectTimedOut
        | Outcome::Dropped
        | Outcome::StoreFull
        | Outcome::ReadOnly
        | Outcome::NotReady
        | Outcome::Redirected
        | Outcome::Denied
        | Outcome::SerializationFailure
        | Outcome::Deadlock
        | Outcome::ConstraintViolation
        | Outcome::TooManyClients
        | Outcome::PoolTimedOut => Certainty::Rejected,
        _ => Certainty::Ambiguous,
    }
}

fn outcome_of(defect: plimsoll_record::integrity::Defect) -> Outcome {
    use plimsoll_record::integrity::Defect;
    match defect {
        Defect::Missing => Outcome::MissingRead,
        Defect::Stale => Outcome::StaleRead,
        Defect::Corrupted | Defect::Duplicated => Outcome::CorruptedRead,
    }
}

impl From<Certainty> for End {
    fn from(certainty: Certainty) -> Self {
        match certainty {
            Certainty::Acknowledged => Self::Acknowledged,
            Certainty::Rejected | Certainty::Ambiguous => Self::Otherwise,
        }
    }
}
