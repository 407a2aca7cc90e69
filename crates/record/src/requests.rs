//! `requests.csv.zst`: optionally every request, one compressed CSV row each.
//!
//! The request path fills fixed-size [`RequestRow`]s into a bounded buffer; once per interval they become text
//! here. `zstd -dc requests.csv.zst` gives plain CSV.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use crate::clock::Offset;
use crate::files::{ReadError, WriteError};
use crate::ledger::Outcome;

/// The file's name in the run directory.
pub const FILE: &str = "requests.csv.zst";
const HEADER: &str = "intended_ns,send_lag_ns,service_ns,phase,operation,user,outcome,status";
const COMPRESSION_LEVEL: i32 = 1;

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
    /// The phase's index.
    pub phase: u16,
    /// The operation's index.
    pub operation: u16,
    /// The status code; 0 when no answer came.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
}

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
}

/// Writes the request log.
pub struct RequestWriter {
    path: PathBuf,
    out: zstd::Encoder<'static, File>,
    text: Vec<u8>,
}

impl std::fmt::Debug for RequestWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

impl RequestWriter {
    /// Creates the file in `dir`.
    ///
    /// # Errors
    /// [`WriteError`] when the file exists or cannot be written.
    pub fn create(dir: &Path) -> Result<Self, WriteError> {
        let path = dir.join(FILE);
        let io = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AlreadyExists => WriteError::Exists { path: path.clone() },
            _ => WriteError::Io { path: path.clone(), source },
        };
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(io)?;
        let mut out = zstd::Encoder::new(file, COMPRESSION_LEVEL).map_err(io)?;
        out.write_all(HEADER.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(io)?;
        Ok(Self { path, out, text: Vec::new() })
    }

    /// Appends rows and flushes them, so that a reader after a crash finds them.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be written.
    pub fn write(&mut self, rows: &[RequestRow]) -> Result<(), WriteError> {
        self.text.clear();
        for row in rows {
            writeln!(
                self.text,
                "{},{},{},{},{},{},{},{}",
                row.intended.0,
                row.send_lag_ns,
                row.service_ns,
                row.phase,
                row.operation,
                row.user,
                row.outcome.name(),
                row.status
            )
            .expect("writing to a Vec cannot fail");
        }
        let written = self.out.write_all(&self.text).and_then(|()| self.out.flush());
        written.map_err(|source| WriteError::Io { path: self.path.clone(), source })
    }

    /// Completes the compressed stream.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be written.
    pub fn finish(self) -> Result<(), WriteError> {
        let Self { path, out, .. } = self;
        out.finish().map(|_| ()).map_err(|source| WriteError::Io { path, source })
    }
}

/// The request log, read whole.
#[derive(Clone, Debug, Default)]
pub struct RequestLog {
    /// The rows in the order they were written: by completion within a worker, workers interleaved.
    pub rows: Vec<RequestRow>,
    /// True when the stream was cut off: the producer died.
    pub partial: bool,
}

/// Reads the request log from `dir`; `None` when there is none.
///
/// # Errors
/// [`ReadError`] when the file cannot be read or a whole row is damaged.
pub fn read(dir: &Path) -> Result<Option<RequestLog>, ReadError> {
    let path = dir.join(FILE);
    let io = |source| ReadError::Io { path: path.clone(), source };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let mut input = BufReader::new(zstd::Decoder::new(file).map_err(io)?);
    let mut log = RequestLog::default();
    let mut text = String::new();
    for line in 1usize.. {
        text.clear();
        match input.read_line(&mut text) {
            Ok(0) => break,
            Ok(_) if !text.ends_with('\n') => log.partial = true,
            Ok(_) if line == 1 => {}
            Ok(_) => log.rows.push(parse_row(text.trim_end()).ok_or_else(|| damaged(&path, line))?),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                log.partial = true;
                break;
            }
            Err(error) => return Err(io(error)),
        }
    }
    Ok(Some(log))
}

fn damaged(path: &Path, line: usize) -> ReadError {
    ReadError::Inconsistent { path: path.into(), what: format!("line {line} is not a request row: {HEADER}") }
}

fn parse_row(text: &str) -> Option<RequestRow> {
    let mut fields = text.split(',');
    let mut next = || fields.next();
    Some(RequestRow {
        intended: Offset(next()?.parse().ok()?),
        send_lag_ns: next()?.parse().ok()?,
        service_ns: next()?.parse().ok()?,
        phase: next()?.parse().ok()?,
        operation: next()?.parse().ok()?,
        user: next()?.parse().ok()?,
        outcome: {
            let name = next()?;
            Outcome::ALL.into_iter().find(|outcome| outcome.name() == name)?
        },
        status: next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn row(n: u64) -> RequestRow {
        RequestRow {
            intended: Offset(-5),
            send_lag_ns: n,
            service_ns: 1_000 * n,
            user: n,
            phase: 1,
            operation: 2,
            status: 429,
            outcome: Outcome::Limited,
        }
    }

    fn written(dir: &Path) -> Vec<RequestRow> {
        let rows: Vec<RequestRow> = (0..10_000).map(row).collect();
        let mut writer = RequestWriter::create(dir).unwrap();
        for chunk in rows.chunks(1_000) {
            writer.write(chunk).unwrap();
        }
        writer.finish().unwrap();
        rows
    }

    #[test]
    fn what_was_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let rows = written(dir.path());
        let log = read(dir.path()).unwrap().unwrap();
        assert_eq!(log.rows, rows);
        assert!(!log.partial);
    }

    #[test]
    fn a_log_cut_off_by_a_crash_keeps_its_whole_rows() {
        let dir = tempfile::tempdir().unwrap();
        let rows = written(dir.path());
        let path = dir.path().join(FILE);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let log = read(dir.path()).unwrap().unwrap();
        assert!(log.partial && !log.rows.is_empty() && log.rows.len() < rows.len());
        assert_eq!(log.rows, rows[..log.rows.len()]);
    }

    #[test]
    fn a_row_knows_when_it_was_sent_and_done() {
        let row = row(7);
        assert_eq!((row.sent(), row.done()), (Offset(2), Offset(7_002)));
    }
}
