//! What is made of an answer: whether it is as the plan expects, and what the user takes from it.
//!
//! An [`Examination`] is compiled from each request. Its [`Wants`] say what a connection must keep of an answer:
//! nothing, as a rule, and then nothing is allocated. What was kept is read lazily: a body is decompressed when
//! something looks at it, and parsed as JSON at most once. Nothing here sends, waits or counts.
//!
//! | file | what |
//! |---|---|
//! | `wants` | what is kept of an answer, and the keeper that a connection hands the body to, piece by piece |
//! | `contents` | what was kept: headers, the body as bytes, text and JSON |
//! | `decode` | decompression, with its limit |
//! | `path` | JSONPath queries |
//! | `compare` | values against values |
//! | `test` | conditions, compiled |
//! | `statuses` | sets of status codes |
//! | `capture` | from an answer into variables |
//! | `examine` | all of it in order: status, checks, until, captures |
//! | `checks` | which checks held, and where they stand in the record |

mod contents;
mod decode;
mod wants;

mod compare;
mod path;
mod statuses;
mod test;

mod capture;
mod checks;
mod examine;

#[cfg(test)]
use examine::Judged;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use plimsoll_record::ledger::Outcome;

pub(crate) use checks::{CheckResults, CheckTable, check_facts, merge_counts};
pub use examine::ExamineError;
pub(crate) use {
    contents::Kept,
    examine::{Examination, Keeping, Next},
    test::Test,
    wants::{Keeper, Wants},
};

/// The largest body that is looked at, in bytes: as it comes over the wire, and after each step of decompression.
pub(crate) const MAX_BODY: usize = 10_000_000;

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The size of the body on the wire.
    pub(crate) body_bytes: u64,
    /// From the intended start of the request to the end of the answer. Whoever knows the intended start sets it.
    pub(crate) latency_ns: u64,
    /// What was wanted of it; `None` when that is nothing.
    pub(crate) kept: Option<Box<Kept>>,
    /// It is an error of a store, and has failed already.
    pub(crate) fault: Option<Outcome>,
    /// How often a store's transaction was begun anew.
    pub(crate) retries: u32,
}

/// Why a body cannot be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// It is larger than [`MAX_BODY`].
    TooLarge,
    /// It is cut off or damaged, or in an encoding that is not known here.
    BadEncoding,
}

impl Answer {
    /// The body as it is read by checks; empty when there is none, or it cannot be read.
    pub(crate) fn content(&self) -> Bytes {
        self.kept.as_deref().and_then(|kept| kept.body().ok()).cloned().unwrap_or_default()
    }

    /// What was kept. Only what a request's wants name is ever asked for.
    fn kept(&self) -> &Kept {
        self.kept.as_deref().expect("what is looked at was wanted, and so was kept")
    }
}

impl From<BodyFault> for Outcome {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge => Self::BodyTooLarge,
            BodyFault::BadEncoding => Self::BadEncoding,
        }
    }
}
