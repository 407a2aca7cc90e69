//! New lines of one file, each exactly once, whatever happens to the file.
//!
//! The file may not exist yet, be truncated by its writer's start, be renamed away and made anew. A line counts when its
//! line feed is there. What lines mean is not known here.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A longer line is cut: its beginning is handed on, the rest passed over.
const MAX_LINE_BYTES: usize = 64 << 10;
/// The last bytes read are kept, to notice a file that shrank and grew again between two looks.
const TAIL_BYTES: usize = 64;
/// A rotated file is still read for this many turns: its writer may not have noticed yet.
const FAREWELL_TURNS: u32 = 5;

/// What happened to the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// It does not exist; said once.
    Missing,
    /// It is there again, or at last.
    Appeared,
    /// It got shorter or was written anew: reading starts over at its beginning.
    Truncated,
    /// Another file took its place: the old one is read to its end, then the new one from its start.
    Replaced,
    /// It cannot be read; said once per cause.
    Unreadable(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the file does not exist"),
            Self::Appeared => f.write_str("the file appeared"),
            Self::Truncated => f.write_str("the file was truncated; reading from its start"),
            Self::Replaced => f.write_str("another file took its place; reading it from its start"),
            Self::Unreadable(cause) => write!(f, "the file cannot be read: {cause}"),
        }
    }
}

/// Follows one file.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    open: Option<Open>,
    leaving: Option<(Open, u32)>,
    trouble: Option<Note>,
}

impl Follower {
    /// Begins at the file's current end; a file that does not exist will be read from its start.
    #[must_use]
    pub fn begin(path: &Path) -> Self {
        // What stands in the way is met again, and said, at the first reading.
        Self { path: path.to_owned(), open: Open::at_end(path).ok(), leaving: None, trouble: None }
    }

    /// Hands the complete new lines to `sink`, without their line feeds, reading about `budget` bytes. Says what
    /// happened to the file, and how many bytes are still to be read.
    pub fn read(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8])) -> (Vec<Note>, u64) {
        let mut notes = Vec::new();
        let left = self.try_read(budget, sink, &mut notes).unwrap_or_else(|error| {
            self.troubled(trouble(&error), &mut notes);
            0
        });
        (notes, left)
    }

    fn try_read(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8]), notes: &mut Vec<Note>) -> io::Result<u64> {
        self.read_leaving(budget, sink)?;
        match std::fs::metadata(&self.path) {
            Ok(there) => self.follow_to(&there, notes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => self.troubled(Note::Missing, notes),
            Err(error) => return Err(error),
        }
        match &mut self.open {
            Some(open) => open.read(budget, sink, notes),
            None => Ok(0),
        }
    }

    /// Makes the file that the path leads to now the one that is read.
    fn follow_to(&mut self, there: &Metadata, notes: &mut Vec<Note>) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|open| open.is(there)) {
            self.trouble = None;
            return Ok(());
        }
        let fresh = Open::at_start(&self.path)?;
        let was_in_trouble = self.trouble.take().is_some();
        match self.open.replace(fresh) {
            Some(old) => {
                notes.push(Note::Replaced);
                self.leaving = Some((old, FAREWELL_TURNS));
            }
            None if was_in_trouble => notes.push(Note::Appeared),
            None => {}
        }
        Ok(())
    }

    fn read_leaving(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if let Some((mut old, turns)) = self.leaving.take() {
            let left = old.read(budget, sink, &mut Vec::new())?;
            self.leaving = (turns > 1 || left > 0).then(|| (old, turns.saturating_sub(1)));
        }
        Ok(())
    }

    fn troubled(&mut self, note: Note, notes: &mut Vec<Note>) {
        if self.trouble.as_ref() != Some(&note) {
            notes.push(note.clone());
            self.trouble = Some(note);
        }
    }
}

fn trouble(error: &io::Error) -> Note {
    match error.kind() {
        ErrorKind::NotFound => Note::Missing,
        _ => Note::Unreadable(error.to_string()),
    }
}

/// A file that is being read.
#[derive(Debug)]
struct Open {
    file: File,
    identity: (u64, u64),
    offset: u64,
    tail: Vec<u8>,
    line: Vec<u8>,
    skipping: bool,
}

impl Open {
    fn at_start(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let identity = (metadata.dev(), metadata.ino());
        Ok(Self { file, identity, offset: 0, tail: Vec::new(), line: Vec::new(), skipping: false })
    }

    /// Positions after the last byte. A line that is half written there belongs to the time before.
    fn at_end(path: &Path) -> io::Result<Self> {
        let mut open = Self::at_start(path)?;
        let length = open.file.seek(SeekFrom::End(0))?;
        let from = length.saturating_sub(TAIL_BYTES as u64);
        let mut tail = vec![0; usize::try_from(length - from).unwrap_or(0)];
        open.file.read_exact_at(&mut tail, from)?;
        open.skipping = tail.last().is_some_and(|byte| *byte != b'\n');
        (open.offset, open.tail) = (length, tail);
        Ok(open)
    }

    fn is(&self, metadata: &Metadata) -> bool {
        self.identity == (metadata.dev(), metadata.ino())
    }

    fn read(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8]), notes: &mut Vec<Note>) -> io::Result<u64> {
        let length = self.file.metadata()?.len();
        if length < self.offset || (length > self.offset && !self.tail_is_unchanged()?) {
            notes.push(Note::Truncated);
            (self.offset, self.skipping) = (0, false);
            self.tail.clear();
            self.line.clear();
        }
        let end = length.min(self.offset.saturating_add(budget as u64));
        let mut buffer = vec![0; 64 << 10];
        while self.offset < end {
            let want = usize::try_from(end - self.offset).unwrap_or(usize::MAX).min(buffer.len());
            let n = self.file.read_at(&mut buffer[..want], self.offset)?;
            if n == 0 {
                break;
            }
            self.offset += n as u64;
            self.take(&buffer[..n], sink);
        }
        Ok(length.saturating_sub(self.offset))
    }

    fn tail_is_unchanged(&self) -> io::Result<bool> {
        let mut there = vec![0; self.tail.len()];
        match self.file.read_exact_at(&mut there, self.offset - self.tail.len() as u64) {
            Ok(()) => Ok(there == self.tail),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&[u8])) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = MAX_LINE_BYTES.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if pieces.peek().is_some() {
                if !std::mem::take(&mut self.skipping) {
                    sink(self.line.strip_suffix(b"\r").unwrap_or(&self.line));
                }
                self.line.clear();
            }
        }
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL_BYTES));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    struct Log {
        _dir: tempfile::TempDir,
        path: PathBuf,
    }

    impl Log {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("service.log");
            Self { _dir: dir, path }
        }

        fn append(&self, text: &str) {
            let mut file = fs::OpenOptions::new().append(true).create(true).open(&self.path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn rotated(&self) -> PathBuf {
            self.path.with_extension("1")
        }
    }

    fn lines(follower: &mut Follower) -> (Vec<String>, Vec<Note>) {
        let mut lines = Vec::new();
        let (notes, left) = follower.read(1 << 20, &mut |line| lines.push(String::from_utf8_lossy(line).into_owned()));
        assert_eq!(left, 0);
        (lines, notes)
    }

    #[track_caller]
    fn check(follower: &mut Follower, expected: &[&str], noted: &[Note]) {
        let (lines, notes) = lines(follower);
        assert_eq!((lines, notes.as_slice()), (expected.iter().map(ToString::to_string).collect(), noted));
    }

    #[test]
    fn lines_before_the_run_are_not_the_runs() {
        let log = Log::new();
        log.append("old\nhalf");
        let mut follower = Follower::begin(&log.path);
        log.append(" of an old line\nnew\n");
        check(&mut follower, &["new"], &[]);
        check(&mut follower, &[], &[]);
    }

    #[test]
    fn a_line_counts_when_it_is_complete() {
        let log = Log::new();
        log.append("");
        let mut follower = Follower::begin(&log.path);
        log.append("one\r\ntw");
        check(&mut follower, &["one"], &[]);
        log.append("o\n");
        check(&mut follower, &["two"], &[]);
    }

    #[test]
    fn a_file_that_appears_later_is_read_from_its_start() {
        let log = Log::new();
        let mut follower = Follower::begin(&log.path);
        check(&mut follower, &[], &[Note::Missing]);
        check(&mut follower, &[], &[]);
        log.append("first\n");
        check(&mut follower, &["first"], &[Note::Appeared]);
    }

    #[test]
    fn a_truncated_file_is_read_from_its_start() {
        let log = Log::new();
        log.append("old 1\nold 2\n");
        let mut follower = Follower::begin(&log.path);
        fs::write(&log.path, "new\n").unwrap();
        check(&mut follower, &["new"], &[Note::Truncated]);
    }

    #[test]
    fn a_file_truncated_and_grown_beyond_its_old_length_is_noticed() {
        let log = Log::new();
        log.append("old\n");
        let mut follower = Follower::begin(&log.path);
        fs::write(&log.path, "new 1\nnew 2\nnew 3\n").unwrap();
        check(&mut follower, &["new 1", "new 2", "new 3"], &[Note::Truncated]);
    }

    #[test]
    fn rotation_loses_no_line() {
        let log = Log::new();
        log.append("");
        let mut follower = Follower::begin(&log.path);
        log.append("a\n");
        check(&mut follower, &["a"], &[]);
        log.append("b\n");
        fs::rename(&log.path, log.rotated()).unwrap();
        log.append("c\n");
        let (mut seen, notes) = lines(&mut follower);
        assert_eq!(notes, [Note::Replaced]);
        let mut writer_that_has_not_noticed = fs::OpenOptions::new().append(true).open(log.rotated()).unwrap();
        writer_that_has_not_noticed.write_all(b"late\n").unwrap();
        seen.extend(lines(&mut follower).0);
        seen.sort();
        assert_eq!(seen, ["b", "c", "late"]);
    }

    #[test]
    fn a_deleted_file_is_read_again_when_it_is_back() {
        let log = Log::new();
        log.append("");
        let mut follower = Follower::begin(&log.path);
        fs::remove_file(&log.path).unwrap();
        check(&mut follower, &[], &[Note::Missing]);
        check(&mut follower, &[], &[]);
        log.append("back\n");
        check(&mut follower, &["back"], &[Note::Replaced]);
    }

    #[test]
    fn an_endless_line_is_cut_and_counts_once() {
        let log = Log::new();
        log.append("");
        let mut follower = Follower::begin(&log.path);
        log.append(&"x".repeat(200_000));
        check(&mut follower, &[], &[]);
        log.append("\nnext\n");
        let (lines, _) = lines(&mut follower);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [MAX_LINE_BYTES, 4]);
    }

    #[test]
    fn one_turn_reads_no_more_than_its_budget() {
        let log = Log::new();
        log.append("");
        let mut follower = Follower::begin(&log.path);
        log.append("12345\n12345\n12345\n");
        let mut count = 0;
        assert_eq!(follower.read(12, &mut |_| count += 1), (Vec::new(), 6));
        assert_eq!(follower.read(12, &mut |_| count += 1), (Vec::new(), 0));
        assert_eq!(count, 3);
    }

    #[derive(Clone, Debug)]
    enum Action {
        Append(String),
        Rotate,
        Read,
    }

    fn action() -> impl Strategy<Value = Action> {
        prop_oneof![
            4 => "[a-z]{0,9}\n?".prop_map(Action::Append),
            1 => Just(Action::Rotate),
            3 => Just(Action::Read),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]
        #[test]
        fn every_complete_line_is_seen_exactly_once(actions in prop::collection::vec(action(), 1..40)) {
            let log = Log::new();
            log.append("");
            let mut follower = Follower::begin(&log.path);
            let (mut number, mut wrote, mut seen, mut pending) = (0, Vec::new(), Vec::new(), String::new());
            for action in actions {
                match action {
                    Action::Append(text) => {
                        // Numbered, so that no two lines are alike.
                        let text = text.replace('\n', &format!("-{number}\n"));
                        number += 1;
                        log.append(&text);
                        pending.push_str(&text);
                        if let Some(line) = pending.strip_suffix('\n') {
                            wrote.push(line.to_owned());
                            pending.clear();
                        }
                    }
                    Action::Rotate => {
                        // Read first: of two rotations between two looks, the file in the middle is never seen.
                        seen.extend(lines(&mut follower).0);
                        fs::rename(&log.path, log.rotated()).unwrap();
                        log.append("");
                        pending.clear();
                    }
                    Action::Read => seen.extend(lines(&mut follower).0),
                }
            }
            seen.extend(lines(&mut follower).0);
            seen.extend(lines(&mut follower).0);
            prop_assert_eq!(seen, wrote);
        }
    }
}
