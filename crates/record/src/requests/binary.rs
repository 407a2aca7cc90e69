//! The request log's own form: zstd frames, the first with a header, all others with rows of 48 bytes.
//!
//! A frame is written at once and carries a checksum, so what a producer that died leaves behind is good up to its
//! last frame. The last row of a complete log is no request: it says how many there are.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{FILE, Kept, RequestRow};
use crate::clock::Offset;
use crate::files::{FORMAT, ReadError, WriteError};
use crate::ledger::Outcome;

const COMPRESSION_LEVEL: i32 = 1;
/// Bytes of a row.
const ROW: usize = 48;
/// The intended time of the row that ends a log. No request has it.
const END: i64 = i64::MIN;
/// The longest header that is read.
const LONGEST_HEADER: u64 = 65_536;

#[derive(Serialize, Deserialize)]
struct HeaderRow {
    header: Header,
}

/// What the rows need to be understood.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    row_bytes: usize,
    kept: Kept,
    /// The outcomes by the numbers that stand for them.
    outcomes: Vec<Outcome>,
}

/// Writes the request log.
pub struct RequestWriter {
    path: PathBuf,
    file: File,
    compressor: zstd::bulk::Compressor<'static>,
    rows: u64,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for RequestWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestWriter").field("path", &self.path).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl RequestWriter {
    /// Creates the file in `dir`. Which requests it will hold is the caller's promise.
    ///
    /// # Errors
    /// [`WriteError`] when the file exists or cannot be written.
    pub fn create(dir: &Path, kept: Kept) -> Result<Self, WriteError> {
        let path = dir.join(FILE);
        let io = |source: std::io::Error| match source.kind() {
            ErrorKind::AlreadyExists => WriteError::Exists { path: path.clone() },
            _ => WriteError::Io { path: path.clone(), source },
        };
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(io)?;
        let mut compressor = zstd::bulk::Compressor::new(COMPRESSION_LEVEL).map_err(io)?;
        compressor.include_checksum(true).map_err(io)?;
        let header = Header { format: FORMAT, row_bytes: ROW, kept, outcomes: Outcome::ALL.to_vec() };
        let mut bytes = serde_json::to_vec(&HeaderRow { header }).expect("a header has only names and numbers");
        bytes.push(b'\n');
        let mut writer = Self { path, file, compressor, rows: 0, bytes };
        writer.write_frame()?;
        Ok(writer)
    }

    /// Appends rows as one frame and hands it to the operating system, so that a reader after a crash finds them.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be written.
    pub fn write(&mut self, rows: &[RequestRow]) -> Result<(), WriteError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.bytes.clear();
        self.bytes.reserve(rows.len() * ROW);
        rows.iter().for_each(|row| self.bytes.extend_from_slice(&encode(row)));
        self.rows += rows.len() as u64;
        self.write_frame()
    }

    /// Says that nothing follows.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be written.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.bytes.clear();
        self.bytes.extend_from_slice(&END.to_le_bytes());
        self.bytes.extend_from_slice(&self.rows.to_le_bytes());
        self.bytes.resize(ROW, 0);
        self.write_frame()
    }

    fn write_frame(&mut self) -> Result<(), WriteError> {
        let frame = self.compressor.compress(&self.bytes);
        let written = frame.and_then(|frame| self.file.write_all(&frame));
        written.map_err(|source| WriteError::Io { path: self.path.clone(), source })
    }
}

/// Little-endian, without gaps: the fields in the order of the type, one byte left over.
fn encode(row: &RequestRow) -> [u8; ROW] {
    let mut bytes = [0; ROW];
    bytes[0..8].copy_from_slice(&row.intended.0.to_le_bytes());
    bytes[8..16].copy_from_slice(&row.send_lag_ns.to_le_bytes());
    bytes[16..24].copy_from_slice(&row.service_ns.to_le_bytes());
    bytes[24..32].copy_from_slice(&row.user.to_le_bytes());
    bytes[32..36].copy_from_slice(&row.iteration.to_le_bytes());
    bytes[36..40].copy_from_slice(&row.body_bytes.to_le_bytes());
    bytes[40..42].copy_from_slice(&row.phase.to_le_bytes());
    bytes[42..44].copy_from_slice(&row.operation.to_le_bytes());
    bytes[44..46].copy_from_slice(&row.status.to_le_bytes());
    bytes[46] = row.outcome as u8;
    bytes
}

/// `None` when the number of the outcome has no meaning.
fn decode(bytes: &[u8; ROW], outcomes: &[Outcome]) -> Option<RequestRow> {
    Some(RequestRow {
        intended: Offset(i64::from_le_bytes(field(bytes, 0))),
        send_lag_ns: u64::from_le_bytes(field(bytes, 8)),
        service_ns: u64::from_le_bytes(field(bytes, 16)),
        user: u64::from_le_bytes(field(bytes, 24)),
        iteration: u32::from_le_bytes(field(bytes, 32)),
        body_bytes: u32::from_le_bytes(field(bytes, 36)),
        phase: u16::from_le_bytes(field(bytes, 40)),
        operation: u16::from_le_bytes(field(bytes, 42)),
        status: u16::from_le_bytes(field(bytes, 44)),
        outcome: *outcomes.get(usize::from(bytes[46]))?,
    })
}

fn field<const N: usize>(bytes: &[u8; ROW], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("all fields lie within a row")
}

/// Reads a log row by row.
pub(super) struct Reader {
    path: PathBuf,
    input: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    header: Header,
    rows: u64,
    end: Option<End>,
}

/// How a log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    CutOff,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Reader {
    /// `None` when there is no file, or its producer died before it had written the header.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, ReadError> {
        let io = |source| ReadError::Io { path: path.into(), source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let mut input = BufReader::new(zstd::Decoder::new(file).map_err(io)?);
        let mut text = Vec::new();
        match (&mut input).take(LONGEST_HEADER).read_until(b'\n', &mut text) {
            Ok(_) if text.ends_with(b"\n") => {}
            Ok(0) => return Ok(None),
            Ok(_) => return Err(ReadError::NoHeader { path: path.into() }),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(io(error)),
        }
        let header = parse_header(&text, path)?;
        Ok(Some(Self { path: path.into(), input, header, rows: 0, end: None }))
    }

    pub(super) fn kept(&self) -> Kept {
        self.header.kept
    }

    pub(super) fn is_partial(&self) -> bool {
        self.end == Some(End::CutOff)
    }

    pub(super) fn next_row(&mut self) -> Result<Option<RequestRow>, ReadError> {
        if self.end.is_some() {
            return Ok(None);
        }
        let mut bytes = [0; ROW];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.end = Some(End::CutOff);
                return Ok(None);
            }
            Err(source) => return Err(ReadError::Io { path: self.path.clone(), source }),
        }
        if i64::from_le_bytes(field(&bytes, 0)) == END {
            return self.finish(u64::from_le_bytes(field(&bytes, 8)));
        }
        self.rows += 1;
        let row = decode(&bytes, &self.header.outcomes);
        row.map(Some).ok_or_else(|| self.inconsistent(format!("row {} ended in no known way", self.rows)))
    }

    /// The last row is handed out before its frame's checksum was seen, so a log is complete only when the end of the
    /// file follows.
    fn finish(&mut self, promised: u64) -> Result<Option<RequestRow>, ReadError> {
        if promised != self.rows {
            return Err(self.inconsistent(format!("it says that it has {promised} rows, and has {}", self.rows)));
        }
        match self.input.read(&mut [0]) {
            Ok(0) => self.end = Some(End::Complete),
            Ok(_) => return Err(self.inconsistent("something follows the row that ends it".to_owned())),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => self.end = Some(End::CutOff),
            Err(source) => return Err(ReadError::Io { path: self.path.clone(), source }),
        }
        Ok(None)
    }

    fn inconsistent(&self, what: String) -> ReadError {
        ReadError::Inconsistent { path: self.path.clone(), what }
    }
}

fn parse_header(text: &[u8], path: &Path) -> Result<Header, ReadError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    #[derive(Deserialize)]
    struct VersionRow {
        header: Version,
    }
    let no_header = || ReadError::NoHeader { path: path.into() };
    let version: VersionRow = serde_json::from_slice(text).map_err(|_| no_header())?;
    if version.header.format > FORMAT {
        return Err(ReadError::TooNew { path: path.into(), found: version.header.format });
    }
    let header = serde_json::from_slice::<HeaderRow>(text).map(|row| row.header);
    let header = header.map_err(|source| ReadError::Row { path: path.into(), line: 1, source })?;
    if header.row_bytes == ROW {
        return Ok(header);
    }
    let what = format!("rows of {} bytes, this version reads rows of {ROW}; use a newer plimsoll", header.row_bytes);
    Err(ReadError::Inconsistent { path: path.into(), what })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::super::{RequestLog, read};
    use super::*;

    fn row(n: u64) -> RequestRow {
        RequestRow {
            intended: Offset(-5),
            send_lag_ns: n,
            service_ns: n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20,
            user: n,
            iteration: 3,
            body_bytes: 17,
            phase: 1,
            operation: 2,
            status: 429,
            outcome: Outcome::Limited,
        }
    }

    fn write(dir: &Path, rows: &[RequestRow], kept: Kept, frame: usize) {
        let mut writer = RequestWriter::create(dir, kept).unwrap();
        rows.chunks(frame).for_each(|rows| writer.write(rows).unwrap());
        writer.finish().unwrap();
    }

    fn log(dir: &Path) -> RequestLog {
        read(dir).unwrap().unwrap()
    }

    prop_compose! {
        fn any_row()(
            (intended, send_lag_ns, service_ns, user) in (-1_000_000_000i64.., any::<u64>(), any::<u64>(), any::<u64>()),
            (iteration, body_bytes) in any::<(u32, u32)>(),
            (phase, operation, status) in any::<(u16, u16, u16)>(),
            outcome in prop::sample::select(Outcome::ALL.to_vec()),
        ) -> RequestRow {
            let intended = Offset(intended);
            RequestRow { intended, send_lag_ns, service_ns, user, iteration, body_bytes, phase, operation, status, outcome }
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(rows in prop::collection::vec(any_row(), 0..300), frame in 1usize..100) {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), &rows, Kept::Share(0.25), frame);
            let log = log(dir.path());
            prop_assert_eq!(log.rows, rows);
            prop_assert!(!log.partial && log.kept == Kept::Share(0.25));
        }

        #[test]
        fn a_log_cut_off_anywhere_keeps_its_rows_up_to_the_last_whole_frame(cut in 0.0f64..1.0) {
            let rows: Vec<RequestRow> = (0..3_000).map(row).collect();
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), &rows, Kept::All, 100);
            let path = dir.path().join(FILE);
            let bytes = fs::read(&path).unwrap();
            let left = (cut * bytes.len() as f64) as usize;
            fs::write(&path, &bytes[..left]).unwrap();
            let Some(log) = read(dir.path()).unwrap() else {
                prop_assert!(left < 1_000, "only a log that is cut off within its header has none");
                return Ok(());
            };
            prop_assert!(log.partial && log.rows.len() <= rows.len());
            prop_assert_eq!(&log.rows[..], &rows[..log.rows.len()]);
            // Frames of these rows are of nearly the same size; two of them are room for the first and the last.
            let whole = (rows.len() as f64 * cut) as usize;
            prop_assert!(log.rows.len() + 300 >= whole, "{} of about {whole} rows", log.rows.len());
        }
    }

    #[test]
    fn a_log_that_lost_only_the_checksum_of_its_end_is_partial() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[row(1)], Kept::All, 1);
        let path = dir.path().join(FILE);
        let bytes = fs::read(&path).unwrap();
        for lost in 1..=4 {
            fs::write(&path, &bytes[..bytes.len() - lost]).unwrap();
            let log = log(dir.path());
            assert_eq!((log.rows, log.partial), (vec![row(1)], true), "without the last {lost} bytes");
        }
    }

    #[test]
    fn a_log_that_lost_its_end_between_two_frames_is_partial_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = RequestWriter::create(dir.path(), Kept::Bad).unwrap();
        writer.write(&[row(1), row(2)]).unwrap();
        drop(writer);
        let log = log(dir.path());
        assert_eq!((log.rows, log.partial, log.kept), (vec![row(1), row(2)], true, Kept::Bad));
    }

    #[test]
    fn a_changed_byte_is_an_error_and_no_row() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &(0..1_000).map(row).collect::<Vec<_>>(), Kept::All, 1_000);
        let path = dir.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        assert!(read(dir.path()).is_err());
    }

    #[test]
    fn a_log_of_a_later_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let header = br#"{"header":{"format":2,"rows":"in columns"}}"#;
        let text = [&header[..], b"\n"].concat();
        fs::write(dir.path().join(FILE), zstd::bulk::compress(&text, 1).unwrap()).unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("use a newer plimsoll"), "{error}");
    }

    #[test]
    fn a_number_stands_for_the_outcome_the_header_gives_it() {
        let outcomes = [Outcome::TimedOut, Outcome::Ok];
        let mut bytes = encode(&row(1));
        bytes[46] = 0;
        assert_eq!(decode(&bytes, &outcomes).unwrap().outcome, Outcome::TimedOut);
        bytes[46] = 2;
        assert_eq!(decode(&bytes, &outcomes), None);
    }

    #[test]
    fn a_log_that_exists_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[row(1)], Kept::All, 1);
        assert!(matches!(RequestWriter::create(dir.path(), Kept::All), Err(WriteError::Exists { .. })));
    }
}
