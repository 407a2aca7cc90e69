//! The plan's sets of keys in a run: where they are told of, and reading them back when the load is over.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use plimsoll_plan::Plan;
use plimsoll_record::files::WriteError;
use plimsoll_record::integrity::{IntegrityHeader, KeySet, ReadBack};
use plimsoll_record::{Offset, RunClock};
use tokio::sync::mpsc;

use super::Run;
use crate::collector::IntegrityFile;
use crate::feed::Feed;
use crate::heart::Heart;
use crate::integrity::{Book, ReadBackSetup, read_back};
use crate::recorder::{Recorder, RecorderSetup};
use crate::stage::stopped;
use crate::stop::{Stop, StopHandle};
use crate::worker::{self, Worker};
use crate::workload::nanos;

impl Run {
    /// Where sets of keys are told of, if the plan has any. From here on their values are this run's.
    pub(super) fn integrity_file(&self, at: Offset) -> Result<Option<IntegrityFile>, WriteError> {
        let books = &self.work.integrity.books;
        if books.is_empty() {
            return Ok(None);
        }
        // Drawn by the standard library, anew in every process.
        let run = RandomState::new().hash_one(self.directory.path()) as u32;
        self.work.integrity.belongs_to(run);
        let header = IntegrityHeader { run, sets: self.key_sets.clone() };
        IntegrityFile::create(self.directory.path(), header, books, &self.producer, at).map(Some)
    }

    /// The sets of keys.
    pub(crate) fn books(&self) -> &[Arc<Book>] {
        &self.work.integrity.books
    }

    /// Reads back what was acknowledged, unless the run is to end at once.
    pub(crate) fn read_back(&self, clock: RunClock, start: Offset, stop: &StopHandle) -> io::Result<Vec<ReadBack>> {
        if self.read_backs.is_empty() || stop.wish() == Stop::Now {
            return Ok(Vec::new());
        }
        let (out, _nobody) = mpsc::channel(1);
        let Worker { heart, recorder, share, .. } = self.worker(0, clock, start, stop, &out);
        let recorder = RecorderSetup { every: i64::MAX / 2, ..recorder };
        let runtime = worker::runtime()?;
        let heart = Rc::new(Heart::new(heart, Feed::new(&self.work, share), Recorder::new(recorder)));
        let all = async {
            let mut back = Vec::new();
            for setup in &self.read_backs {
                back.push(read_back(&heart, *setup).await);
            }
            back
        };
        Ok(runtime.block_on(async {
            tokio::select! {
                back = all => back,
                () = stopped(stop, Stop::Now) => Vec::new(),
            }
        }))
    }
}

pub(super) fn of(plan: &Plan) -> Vec<KeySet> {
    plan.integrity.iter().map(|set| KeySet { name: set.name.clone(), keys: set.keys.get() }).collect()
}

pub(super) fn read_backs(plan: &Plan) -> Vec<ReadBackSetup> {
    let operations = plan.operations();
    let setup = |(index, set): (u16, &plimsoll_plan::KeySet)| {
        let operation = operations.iter().position(|name| *name == set.read_back)?;
        let operation = u16::try_from(operation).expect("a plan has fewer than 65,536 operations");
        Some(ReadBackSetup { set: index, operation, patience: nanos(set.patience) })
    };
    (0..).zip(&plan.integrity).filter_map(setup).collect()
}
