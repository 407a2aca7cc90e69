//! Reads a fact file while its producer is still writing it: what came since the last look.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use super::{FactKind, Header, ReadError, parse_header};

/// Follows a fact file. A row counts as soon as its line is whole.
#[derive(Debug)]
pub struct Follower<K: FactKind> {
    path: PathBuf,
    input: Option<BufReader<File>>,
    header: Option<Header<K::Header>>,
    /// The beginning of a line whose end is not written yet.
    begun: String,
    line: usize,
}

impl<K: FactKind> Follower<K> {
    /// Follows the file in `dir`, which may appear later.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { path: dir.join(K::FILE), input: None, header: None, begun: String::new(), line: 0 }
    }

    /// The header, once it was read.
    #[must_use]
    pub fn header(&self) -> Option<&K::Header> {
        self.header.as_ref().map(|header| &header.body)
    }

    /// The rows that were written since the last call; none when there is no file yet.
    ///
    /// # Errors
    /// [`ReadError`] when the file cannot be read, is damaged, or was written by a later version.
    pub fn rows(&mut self) -> Result<Vec<K::Fact>, ReadError> {
        let mut rows = Vec::new();
        while let Some(text) = self.next_line()? {
            self.line += 1;
            if self.header.is_none() {
                self.header = Some(parse_header(&self.path, &text)?);
            } else if !text.starts_with(r#"{"end":"#) {
                let row = serde_json::from_str(&text);
                rows.push(row.map_err(|source| ReadError::Row { path: self.path.clone(), line: self.line, source })?);
            }
        }
        Ok(rows)
    }

    fn next_line(&mut self) -> Result<Option<String>, ReadError> {
        let io = |source| ReadError::Io { path: self.path.clone(), source };
        let input = match &mut self.input {
            Some(input) => input,
            None => match File::open(&self.path) {
                Ok(file) => self.input.insert(BufReader::new(file)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(io(error)),
            },
        };
        input.read_line(&mut self.begun).map_err(io)?;
        Ok(self.begun.ends_with('\n').then(|| std::mem::take(&mut self.begun)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::clock::Offset;
    use crate::events::{Event, Events, EventsHeader};
    use crate::files::FactWriter;

    #[test]
    fn every_row_is_seen_once_and_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut follower = Follower::<Events>::new(dir.path());
        assert!(follower.rows().unwrap().is_empty() && follower.header().is_none());
        let mark = |label: &str| Event::Mark { at_ns: Offset(1), label: label.to_owned() };
        let mut writer = FactWriter::<Events>::create(dir.path(), "test", Offset(0), EventsHeader {}).unwrap();
        writer.write(&mark("one")).unwrap();
        writer.flush().unwrap();
        drop(writer);
        assert_eq!(follower.rows().unwrap(), [mark("one")]);
        assert!(follower.header().is_some() && follower.rows().unwrap().is_empty());
        let mut raw = std::fs::OpenOptions::new().append(true).open(dir.path().join(Events::FILE)).unwrap();
        let row = serde_json::to_string(&mark("two")).unwrap();
        raw.write_all(&row.as_bytes()[..7]).unwrap();
        assert!(follower.rows().unwrap().is_empty());
        raw.write_all(&row.as_bytes()[7..]).unwrap();
        raw.write_all(b"\n").unwrap();
        assert_eq!(follower.rows().unwrap(), [mark("two")]);
        raw.write_all(b"{\"end\":{\"at_ns\":9,\"reason\":\"completed\"}}\n").unwrap();
        assert!(follower.rows().unwrap().is_empty());
    }
}
