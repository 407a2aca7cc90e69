//! `requests.bin.zst`: optionally single requests, one fixed-size record each.
//!
//! The request path fills [`RequestRow`]s into a bounded buffer and does nothing else; off it they are written as they
//! are and compressed; writing them as text would cost several times the CPU (`cargo bench -p plimsoll-record --bench
//! requests`). They become text when somebody asks for it, see [`TextForm`]. What a row means for a run is not
//! decided here.

mod binary;
mod csv;
mod text;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::clock::Offset;
use crate::files::ReadError;
use crate::ledger::Outcome;

pub use binary::RequestWriter;
pub use text::{RequestNames, TextForm, TextWriter};

/// The file's name in the run directory.
pub const FILE: &str = "requests.bin.zst";
/// Its name in records of earlier versions, whose rows are CSV.
pub const OLD_FILE: &str = "requests.csv.zst";

/// One request, as the request path leaves it behind: 48 bytes, no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// The intended send time.
    pub intended: Offset,
    /// Actual send time - intended send time, in nanoseconds.
    pub send_lag_ns: u64,
    /// From the actual send to the last byte or the failure, in nanoseconds.
    pub service_ns: u64,
    /// The number of the user who sent it.
    pub user: u64,
    /// Which of the user's iterations it belongs to, from 1; 0 where that is not known.
    pub iteration: u32,
    /// Bytes of the answer's body; the largest number there is stands for all beyond it.
    pub body_bytes: u32,
    /// The phase's index.
    pub phase: u16,
    /// The operation's index.
    pub operation: u16,
    /// The status code; 0 when no answer came.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
}

const _: () = assert!(size_of::<RequestRow>() == 48, "a row is as large in memory as in the file");

impl RequestRow {
    /// When the request was written.
    #[must_use]
    pub fn sent(&self) -> Offset {
        Offset(self.intended.0.saturating_add_unsigned(self.send_lag_ns))
    }

    /// When its answer was complete or it failed.
    #[must_use]
    pub fn done(&self) -> Offset {
        Offset(self.sent().0.saturating_add_unsigned(self.service_ns))
    }

    /// From the intended send time to its end, in nanoseconds.
    #[must_use]
    pub fn response_ns(&self) -> u64 {
        self.send_lag_ns.saturating_add(self.service_ns)
    }
}

/// Which requests a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// Every one.
    #[default]
    All,
    /// Those that ended neither ok nor limited.
    Bad,
    /// This share of them, drawn by seed.
    Share(f64),
}

/// The request log, read whole.
#[derive(Clone, Debug, Default)]
pub struct RequestLog {
    /// Which requests it holds.
    pub kept: Kept,
    /// The rows in the order they were written: by completion within a worker, workers interleaved.
    pub rows: Vec<RequestRow>,
    /// True when it was cut off: the producer died.
    pub partial: bool,
}

/// Reads the request log from `dir`; `None` when there is none.
///
/// # Errors
/// [`ReadError`] when the file cannot be read or a whole row is damaged.
pub fn read(dir: &Path) -> Result<Option<RequestLog>, ReadError> {
    let Some(mut reader) = RequestReader::open(dir)? else { return Ok(None) };
    let rows = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok(Some(RequestLog { kept: reader.kept(), rows, partial: reader.is_partial() }))
}

/// Reads the request log row by row, however long it is.
#[derive(Debug)]
pub struct RequestReader(Form);

#[derive(Debug)]
enum Form {
    Binary(binary::Reader),
    Csv(csv::Reader),
}

impl RequestReader {
    /// Opens the log in `dir`; `None` when there is none.
    ///
    /// # Errors
    /// [`ReadError`] when the file cannot be read, or is of a later version.
    pub fn open(dir: &Path) -> Result<Option<Self>, ReadError> {
        if let Some(reader) = binary::Reader::open(&dir.join(FILE))? {
            return Ok(Some(Self(Form::Binary(reader))));
        }
        Ok(csv::Reader::open(&dir.join(OLD_FILE))?.map(|reader| Self(Form::Csv(reader))))
    }

    /// Which requests it holds.
    #[must_use]
    pub fn kept(&self) -> Kept {
        match &self.0 {
            Form::Binary(reader) => reader.kept(),
            Form::Csv(_) => Kept::All,
        }
    }

    /// True when the log was found to be cut off: known after the last row.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        match &self.0 {
            Form::Binary(reader) => reader.is_partial(),
            Form::Csv(reader) => reader.is_partial(),
        }
    }
}

impl Iterator for RequestReader {
    type Item = Result<RequestRow, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Form::Binary(reader) => reader.next_row().transpose(),
            Form::Csv(reader) => reader.next_row().transpose(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_knows_when_it_was_sent_and_done() {
        let row = RequestRow {
            intended: Offset(-5),
            send_lag_ns: 7,
            service_ns: 7_000,
            user: 1,
            iteration: 1,
            body_bytes: 0,
            phase: 0,
            operation: 0,
            status: 200,
            outcome: Outcome::Ok,
        };
        assert_eq!((row.sent(), row.done(), row.response_ns()), (Offset(2), Offset(7_002), 7_007));
    }
}
