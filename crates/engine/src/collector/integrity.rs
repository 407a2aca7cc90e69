//! The file of what was written, acknowledged and read back. Writing happens here, on the collector's thread.

use std::path::Path;
use std::sync::Arc;

use plimsoll_record::Offset;
use plimsoll_record::files::{EndReason, FactWriter, WriteError};
use plimsoll_record::integrity::{
    Acknowledged, BadValue, IntegrityFact, IntegrityHeader, IntegrityLog, MOST_PER_ROW, ReadBack,
};

use crate::integrity::Book;

/// The file, and the sets it tells of.
#[derive(Debug)]
pub(crate) struct IntegrityFile {
    out: FactWriter<IntegrityLog>,
    books: Vec<Arc<Book>>,
}

impl IntegrityFile {
    /// Creates it in `dir`.
    pub(crate) fn create(
        dir: &Path,
        header: IntegrityHeader,
        books: &[Arc<Book>],
        producer: &str,
        at: Offset,
    ) -> Result<Self, WriteError> {
        let out = FactWriter::create(dir, producer, at, header)?;
        Ok(Self { out, books: books.to_vec() })
    }

    /// What was acknowledged since the last time.
    pub(super) fn acknowledged(&mut self, at_ns: Offset) -> Result<(), WriteError> {
        for (set, book) in (0..).zip(&self.books) {
            for part in book.take_acknowledged().chunks(MOST_PER_ROW) {
                self.out.write(&IntegrityFact::Acknowledged(Acknowledged::new(at_ns, set, part.to_vec())))?;
            }
            for write in book.take_ambiguous(set) {
                self.out.write(&IntegrityFact::Ambiguous(write))?;
            }
        }
        self.out.flush()
    }

    /// How it went in all; times of examples count from `start`.
    pub(super) fn summary(&mut self, back: &[ReadBack], at: Offset, start: Offset) -> Result<(), WriteError> {
        self.acknowledged(at)?;
        for (set, book) in (0..).zip(&self.books) {
            for bad in book.examples() {
                let at_ns = Offset(start.as_nanos().saturating_add(bad.at_ns.as_nanos()));
                self.out.write(&IntegrityFact::Bad(BadValue { at_ns, set, ..bad }))?;
            }
            self.out.write(&IntegrityFact::Counts(book.counts(set)))?;
        }
        back.iter().try_for_each(|back| self.out.write(&IntegrityFact::ReadBack(*back)))
    }

    pub(super) fn finish(self, at: Offset, reason: EndReason) -> Result<(), WriteError> {
        self.out.finish(at, reason)
    }
}
