//! Log files of the service: followed while it runs, counted by event, with a few examples.
//!
//! [`follow`] finds the new lines of a file that may rotate, shrink or not exist yet; [`count`] decides what a line says.
//! Both work on one file each and neither keeps time: [`LogSource`] puts their findings on the run's time axis.

pub mod count;
pub mod follow;

use plimsoll_plan::LogWatch;
use plimsoll_record::Offset;
use plimsoll_record::logs::{LogCounts, LogFact};

use self::count::Counter;
use self::follow::{Follower, Note};

/// Bytes read from one file in one turn. What is beyond waits for the next.
const BYTES_PER_TURN: usize = 16 << 20;
/// Turns taken at the end of a run to catch up with what was written last.
const LAST_TURNS: usize = 8;

/// One followed log.
#[derive(Debug)]
pub struct LogSource {
    name: String,
    follower: Follower,
    counter: Counter,
}

impl LogSource {
    /// Begins to follow: lines that are in the file already are not the run's.
    #[must_use]
    pub fn begin(watch: &LogWatch) -> Self {
        Self { name: watch.name.clone(), follower: Follower::begin(&watch.path), counter: Counter::new(watch) }
    }

    /// Reads and counts what is new. Blocks on the file system, for at most some tens of milliseconds.
    pub fn turn(&mut self, at: Offset) -> Vec<LogFact> {
        let Self { name, follower, counter } = self;
        let (notes, _) = follower.read(BYTES_PER_TURN, &mut |line| counter.line(line));
        let mut facts: Vec<LogFact> = notes.into_iter().map(|note| gap(at, name, &note)).collect();
        facts.extend(self.counted(at));
        facts
    }

    /// Reads and counts up to the end of the file, as far as is reasonable, and says what is left.
    pub fn last_turn(&mut self, at: Offset) -> Vec<LogFact> {
        let mut facts = Vec::new();
        let Self { name, follower, counter } = self;
        let mut left = 0;
        for _ in 0..LAST_TURNS {
            let (notes, unread) = follower.read(BYTES_PER_TURN, &mut |line| counter.line(line));
            facts.extend(notes.into_iter().map(|note| gap(at, name, &note)));
            left = unread;
            if left == 0 {
                break;
            }
        }
        if left > 0 {
            let reason = format!("{left} bytes were not read: the log grew faster than it was followed");
            facts.push(LogFact::Gap { at_ns: at, log: name.clone(), reason });
        }
        facts.extend(self.counted(at));
        facts
    }

    fn counted(&mut self, at_ns: Offset) -> Vec<LogFact> {
        let (lines, events, examples) = self.counter.take();
        let mut facts = Vec::new();
        if lines > 0 {
            facts.push(LogFact::Counts(LogCounts { at_ns, log: self.name.clone(), lines, events }));
        }
        let example = |(event, line)| LogFact::Example { at_ns, log: self.name.clone(), event, line };
        facts.extend(examples.into_iter().map(example));
        facts
    }
}

fn gap(at_ns: Offset, log: &str, note: &Note) -> LogFact {
    LogFact::Gap { at_ns, log: log.to_owned(), reason: note.to_string() }
}
