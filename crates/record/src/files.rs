//! The common shape of every fact file: JSON Lines, a header row first, an end row last, one writer.
//!
//! A row is one JSON object with one key that says what it is: `{"header":{..}}`, `{"interval":{..}}`,
//! `{"end":{..}}`. A file without its end row is partial: its producer died, and what it wrote up to then counts. A last line
//! that was torn in the middle is dropped; damage anywhere else is an error, never skipped over.

mod follow;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Offset;

pub use follow::Follower;

/// The format version of all fact files. Readers refuse a later one.
pub const FORMAT: u32 = 1;

/// A kind of fact file: its name, what its header adds, and what its rows are.
pub trait FactKind {
    /// The file's name in the run directory.
    const FILE: &'static str;
    /// What the header says beyond the common part.
    type Header: Serialize + DeserializeOwned;
    /// One row. Serialises as an object with one key, which is neither `header` nor `end`.
    type Fact: Serialize + DeserializeOwned;
}

/// The first row of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header<B> {
    /// The format version: [`FORMAT`].
    pub format: u32,
    /// Who writes: tool and version.
    pub producer: String,
    /// When the file was opened.
    pub at_ns: Offset,
    /// What this kind of file adds.
    pub body: B,
}

/// The last row of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When the producer finished.
    pub at_ns: Offset,
    /// How it came to its end.
    pub reason: EndReason,
}

/// How a producer came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Everything planned was done.
    Completed,
    /// A person or a supervisor interrupted it (SIGINT, SIGTERM).
    Interrupted,
    /// An alert or an abort condition stopped it.
    Stopped,
    /// It failed.
    Failed,
}

/// Why a fact file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file exists: a run has one writer per file.
    #[error("{path} already exists: this run was already recorded; choose another --run-dir", path = path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("cannot write {path}; free some space or choose another --run-dir", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Why a fact file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system said no.
    #[error("cannot read {path}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A row is not what the format says.
    #[error("{path}:{line}: damaged row; the file was changed after it was written", path = path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The first row is not a header.
    #[error("{path}: the first row is not a header; this is not a record of plimsoll", path = path.display())]
    NoHeader {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version.
    #[error("{path}: format {found}, this version reads up to {FORMAT}; use a newer plimsoll", path = path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
    },
    /// The rows contradict each other.
    #[error("{path}: {what}", path = path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What does not add up.
        what: String,
    },
}

/// Appends rows to one fact file.
#[derive(Debug)]
pub struct FactWriter<K: FactKind> {
    path: PathBuf,
    out: BufWriter<File>,
    kind: std::marker::PhantomData<K>,
}

impl<K: FactKind> FactWriter<K> {
    /// Creates the file in `dir` and writes its header.
    ///
    /// # Errors
    /// [`WriteError::Exists`] when the file is there already, [`WriteError::Io`] when it cannot be written.
    pub fn create(dir: &Path, producer: &str, at: Offset, body: K::Header) -> Result<Self, WriteError> {
        let path = dir.join(K::FILE);
        let file =
            OpenOptions::new().write(true).create_new(true).open(&path).map_err(|source| match source.kind() {
                std::io::ErrorKind::AlreadyExists => WriteError::Exists { path: path.clone() },
                _ => WriteError::Io { path: path.clone(), source },
            })?;
        let mut writer = Self { path, out: BufWriter::new(file), kind: std::marker::PhantomData };
        writer
            .line(&HeaderRow { header: Header { format: FORMAT, producer: producer.to_owned(), at_ns: at, body } })?;
        writer.flush()?;
        Ok(writer)
    }

    /// Appends one row. It reaches the file at the next [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be written.
    pub fn write(&mut self, fact: &K::Fact) -> Result<(), WriteError> {
        self.line(fact)
    }

    /// Hands everything written so far to the operating system. Call it once per interval.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be written.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.out.flush().map_err(|source| WriteError::Io { path: self.path.clone(), source })
    }

    /// Writes the end row and closes the file.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be written.
    pub fn finish(mut self, at: Offset, reason: EndReason) -> Result<(), WriteError> {
        self.line(&EndRow { end: End { at_ns: at, reason } })?;
        self.flush()
    }

    fn line<T: Serialize>(&mut self, row: &T) -> Result<(), WriteError> {
        let io = |source| WriteError::Io { path: self.path.clone(), source };
        serde_json::to_writer(&mut self.out, row).map_err(|error| io(error.into()))?;
        self.out.write_all(b"\n").map_err(io)
    }
}

#[derive(Serialize, Deserialize)]
struct HeaderRow<B> {
    header: Header<B>,
}

#[derive(Serialize, Deserialize)]
struct EndRow {
    end: End,
}

/// A fact file, read whole.
#[derive(Clone, Debug)]
pub struct FactFile<K: FactKind> {
    /// The header.
    pub header: Header<K::Header>,
    /// The rows, in the order they were written.
    pub facts: Vec<K::Fact>,
    /// The end row; `None` when the producer died.
    pub end: Option<End>,
}

impl<K: FactKind> FactFile<K> {
    /// Reads the file from `dir`; `None` when it does not exist, or holds no whole header row because its
    /// producer died while opening it.
    ///
    /// # Errors
    /// [`ReadError`] when the file cannot be read, is damaged, or was written by a later version.
    pub fn read(dir: &Path) -> Result<Option<Self>, ReadError> {
        let path = dir.join(K::FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ReadError::Io { path, source }),
        };
        parse(&path, BufReader::new(file))
    }

    /// True when the producer died before it could write the end row.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.end.is_none()
    }
}

/// Reads only the header of a file; `None` while there is no whole one.
///
/// # Errors
/// [`ReadError`] when the file cannot be read, or was written by a later version.
pub fn read_header<K: FactKind>(dir: &Path) -> Result<Option<Header<K::Header>>, ReadError> {
    let path = dir.join(K::FILE);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| BufReader::new(file).read_line(&mut text));
    match read {
        Ok(_) if text.ends_with('\n') => parse_header(&path, &text).map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReadError::Io { path, source }),
    }
}

fn parse<K: FactKind>(path: &Path, mut input: impl BufRead) -> Result<Option<FactFile<K>>, ReadError> {
    let mut read = None;
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        let n = input.read_line(&mut text).map_err(|source| ReadError::Io { path: path.into(), source })?;
        let whole = text.ends_with('\n');
        if n == 0 || !whole {
            break;
        }
        let row = |source| ReadError::Row { path: path.into(), line, source };
        match &mut read {
            None => read = Some(FactFile { header: parse_header(path, &text)?, facts: Vec::new(), end: None }),
            Some(file) if text.starts_with(r#"{"end":"#) => {
                file.end = Some(serde_json::from_str::<EndRow>(&text).map_err(row)?.end);
            }
            Some(file) => file.facts.push(serde_json::from_str(&text).map_err(row)?),
        }
    }
    Ok(read)
}

fn parse_header<B: DeserializeOwned>(path: &Path, text: &str) -> Result<Header<B>, ReadError> {
    let no_header = || ReadError::NoHeader { path: path.into() };
    let version: HeaderRow<serde::de::IgnoredAny> = serde_json::from_str(text).map_err(|_| no_header())?;
    if version.header.format > FORMAT {
        return Err(ReadError::TooNew { path: path.into(), found: version.header.format });
    }
    serde_json::from_str::<HeaderRow<B>>(text).map(|row| row.header).map_err(|source| ReadError::Row {
        path: path.into(),
        line: 1,
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::events::{Event, Events, EventsHeader};

    fn mark(label: &str) -> Event {
        Event::Mark { at_ns: Offset(1), label: label.to_owned() }
    }

    fn written(finish: bool) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = FactWriter::<Events>::create(dir.path(), "test 1", Offset(0), EventsHeader {}).unwrap();
        writer.write(&mark("one")).unwrap();
        writer.write(&mark("two")).unwrap();
        if finish {
            writer.finish(Offset(9), EndReason::Completed).unwrap();
        } else {
            writer.flush().unwrap();
        }
        dir
    }

    fn change(dir: &Path, edit: impl Fn(String) -> String) {
        let path = dir.join(Events::FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, edit(text)).unwrap();
    }

    #[test]
    fn what_was_written_is_read_back() {
        let dir = written(true);
        let file = FactFile::<Events>::read(dir.path()).unwrap().unwrap();
        assert_eq!(file.facts, [mark("one"), mark("two")]);
        assert_eq!(file.end, Some(End { at_ns: Offset(9), reason: EndReason::Completed }));
        assert_eq!(file.header.producer, "test 1");
        assert_eq!(read_header::<Events>(dir.path()).unwrap(), Some(file.header));
    }

    #[test]
    fn without_its_end_row_a_file_is_partial() {
        let dir = written(false);
        assert!(FactFile::<Events>::read(dir.path()).unwrap().unwrap().is_partial());
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_the_rest_is_kept() {
        let dir = written(false);
        change(dir.path(), |text| text[..text.len() - 7].to_owned());
        let file = FactFile::<Events>::read(dir.path()).unwrap().unwrap();
        assert_eq!(file.facts, [mark("one")]);
        assert!(file.is_partial());
    }

    #[test]
    fn damage_in_the_middle_names_file_and_line() {
        let dir = written(true);
        change(dir.path(), |text| text.replace("\"one\"", "\"one"));
        let error = FactFile::<Events>::read(dir.path()).unwrap_err();
        assert!(error.to_string().contains("events.jsonl:2: damaged row"), "{error}");
    }

    #[test]
    fn a_later_format_and_a_foreign_file_are_refused() {
        let dir = written(true);
        change(dir.path(), |text| text.replace("\"format\":1", "\"format\":2"));
        assert!(matches!(FactFile::<Events>::read(dir.path()), Err(ReadError::TooNew { found: 2, .. })));
        change(dir.path(), |_| "{\"hello\":1}\n".to_owned());
        assert!(matches!(FactFile::<Events>::read(dir.path()), Err(ReadError::NoHeader { .. })));
    }

    #[test]
    fn a_missing_file_is_not_an_error_and_an_existing_one_has_its_writer() {
        let dir = written(true);
        assert!(FactFile::<crate::logs::Logs>::read(dir.path()).unwrap().is_none());
        let second = FactWriter::<Events>::create(dir.path(), "test 2", Offset(0), EventsHeader {});
        assert!(matches!(second, Err(WriteError::Exists { .. })));
    }
}
