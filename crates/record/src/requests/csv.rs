//! Request logs of earlier versions: one compressed CSV row per request. They are read, and written no more.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use super::RequestRow;
use crate::clock::Offset;
use crate::files::ReadError;
use crate::ledger::Outcome;

const HEADER: &str = "intended_ns,send_lag_ns,service_ns,phase,operation,user,outcome,status";

/// Reads a log row by row.
pub(super) struct Reader {
    path: PathBuf,
    input: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    line: usize,
    partial: bool,
    text: String,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).field("line", &self.line).finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Option<Self>, ReadError> {
        let io = |source| ReadError::Io { path: path.into(), source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let input = BufReader::new(zstd::Decoder::new(file).map_err(io)?);
        Ok(Some(Self { path: path.into(), input, line: 0, partial: false, text: String::new() }))
    }

    pub(super) fn is_partial(&self) -> bool {
        self.partial
    }

    pub(super) fn next_row(&mut self) -> Result<Option<RequestRow>, ReadError> {
        loop {
            self.text.clear();
            match self.input.read_line(&mut self.text) {
                Ok(0) => return Ok(None),
                Ok(_) if !self.text.ends_with('\n') => self.partial = true,
                Ok(_) => {
                    self.line += 1;
                    if self.line > 1 {
                        return parse_row(self.text.trim_end()).map(Some).ok_or_else(|| self.damaged());
                    }
                }
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.partial = true;
                    return Ok(None);
                }
                Err(source) => return Err(ReadError::Io { path: self.path.clone(), source }),
            }
        }
    }

    fn damaged(&self) -> ReadError {
        let what = format!("line {} is not a request row: {HEADER}", self.line);
        ReadError::Inconsistent { path: self.path.clone(), what }
    }
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
        iteration: 0,
        body_bytes: 0,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Kept, OLD_FILE, read};
    use super::*;

    fn log_of(text: &[u8]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(OLD_FILE), text).unwrap();
        dir
    }

    fn old_text(rows: u64) -> Vec<u8> {
        let mut text = format!("{HEADER}\n");
        (0..rows).for_each(|n| text.push_str(&format!("-5,{n},{},1,2,{n},limited,429\n", 1_000 * n)));
        zstd::stream::encode_all(text.as_bytes(), 1).unwrap()
    }

    #[test]
    fn a_log_of_an_earlier_version_still_reads() {
        let log = read(log_of(&old_text(2)).path()).unwrap().unwrap();
        let row = |n| RequestRow {
            intended: Offset(-5),
            send_lag_ns: n,
            service_ns: 1_000 * n,
            user: n,
            iteration: 0,
            body_bytes: 0,
            phase: 1,
            operation: 2,
            status: 429,
            outcome: Outcome::Limited,
        };
        assert_eq!((log.rows, log.partial, log.kept), (vec![row(0), row(1)], false, Kept::All));
    }

    #[test]
    fn an_old_log_cut_off_by_a_crash_keeps_its_whole_rows() {
        let bytes = old_text(50_000);
        let log = read(log_of(&bytes[..bytes.len() / 2]).path()).unwrap().unwrap();
        assert!(log.partial && !log.rows.is_empty() && log.rows.len() < 50_000);
    }

    #[test]
    fn a_damaged_old_row_is_named() {
        let text = zstd::stream::encode_all(format!("{HEADER}\n1,2,3\n").as_bytes(), 1).unwrap();
        let error = read(log_of(&text).path()).unwrap_err().to_string();
        assert!(error.contains("line 2 is not a request row"), "{error}");
    }
}
