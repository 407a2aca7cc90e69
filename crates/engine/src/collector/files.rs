//! The files of single requests: the request log, and answers that failed. Compressing and redacting happen here, on
//! the collector's thread; which requests come here was decided by the workers.

use std::collections::BTreeMap;
use std::path::Path;

use plimsoll_record::Offset;
use plimsoll_record::checks::CheckFact;
use plimsoll_record::failures::{FailedAnswer as Row, FailureFact, Failures, FailuresHeader};
use plimsoll_record::files::{EndReason, FactWriter, WriteError};
use plimsoll_record::integrity::ReadBack;
use plimsoll_record::ledger::{Class, Ledger};
use plimsoll_record::requests::{RequestRow, RequestWriter};

use super::integrity::IntegrityFile;
use crate::journal::{FailedAnswer, JournalSetup, MOST_FAILURES};
use crate::redaction::Redaction;

/// Those that the plan asks for.
#[derive(Debug, Default)]
pub(crate) struct Files {
    log: Option<RequestWriter>,
    failures: Option<FailureLog>,
    integrity: Option<IntegrityFile>,
}

#[derive(Debug)]
struct FailureLog {
    out: FactWriter<Failures>,
    redaction: Redaction,
    body_cap: u32,
    checks: Vec<CheckFact>,
    /// By operation: how many answers failed, and how many of them were written.
    counts: BTreeMap<u32, (u64, u32)>,
}

impl Files {
    /// Creates the files in `dir`.
    pub(crate) fn create(
        dir: &Path,
        journal: &JournalSetup,
        redaction: Redaction,
        checks: &[CheckFact],
        producer: &str,
        at: Offset,
    ) -> Result<Self, WriteError> {
        let log = journal.kept().map(|kept| RequestWriter::create(dir, kept)).transpose()?;
        let failures = journal.body_cap.map(|body_cap| {
            let header = FailuresHeader { body_cap, most_per_operation: MOST_FAILURES };
            let out = FactWriter::create(dir, producer, at, header)?;
            Ok(FailureLog { out, redaction, body_cap, checks: checks.to_vec(), counts: BTreeMap::new() })
        });
        Ok(Self { log, failures: failures.transpose()?, integrity: None })
    }

    /// Adds the file of what is written and read back.
    pub(crate) fn with_integrity(self, file: Option<IntegrityFile>) -> Self {
        Self { integrity: file, ..self }
    }

    /// Takes note of the writes that were acknowledged up to `at`.
    pub(super) fn acknowledged(&mut self, at: Offset) -> Result<(), WriteError> {
        self.integrity.as_mut().map_or(Ok(()), |file| file.acknowledged(at))
    }

    /// Takes note of how writes and reads went, and of what reading back showed.
    pub(super) fn read_back(&mut self, back: &[ReadBack], at: Offset, start: Offset) -> Result<(), WriteError> {
        self.integrity.as_mut().map_or(Ok(()), |file| file.summary(back, at, start))
    }

    pub(super) fn log(&mut self, rows: &[RequestRow]) -> Result<(), WriteError> {
        self.log.as_mut().map_or(Ok(()), |log| log.write(rows))
    }

    pub(super) fn keep_failure(&mut self, failed: &FailedAnswer, start: Offset) -> Result<(), WriteError> {
        self.failures.as_mut().map_or(Ok(()), |failures| failures.keep(failed, start))
    }

    /// Takes note of how many answers of an operation failed, kept or not.
    pub(super) fn count(&mut self, operation: u32, ledger: &Ledger) {
        let failed = ledger.class(Class::FailedCheck);
        if let Some(failures) = self.failures.as_mut().filter(|_| failed > 0) {
            failures.counts.entry(operation).or_default().0 += failed;
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), WriteError> {
        self.failures.as_mut().map_or(Ok(()), |failures| failures.out.flush())
    }

    pub(super) fn finish(&mut self, at: Offset, reason: EndReason) -> Result<(), WriteError> {
        if let Some(log) = self.log.take() {
            log.finish()?;
        }
        if let Some(file) = self.integrity.take() {
            file.finish(at, reason)?;
        }
        self.failures.take().map_or(Ok(()), |failures| failures.finish(at, reason))
    }
}

impl FailureLog {
    /// Each worker hands over as many as all together may keep; the first ones are kept.
    fn keep(&mut self, failed: &FailedAnswer, start: Offset) -> Result<(), WriteError> {
        let ended = &failed.ended;
        let kept = &mut self.counts.entry(ended.operation.into()).or_default().1;
        if *kept == MOST_FAILURES {
            return Ok(());
        }
        *kept += 1;
        let on_run_clock = |at: i64| Offset(start.as_nanos().saturating_add(at));
        // The checks of an operation stand together.
        let mut own = self.checks.iter().filter(|check| check.operation == u32::from(ended.operation));
        let detail = failed.failed_check.and_then(|place| own.nth(place.into())).map(|check| check.name.clone());
        let mut row = Row {
            at_ns: on_run_clock(ended.done),
            intended_ns: on_run_clock(ended.intended),
            phase: ended.phase.into(),
            operation: ended.operation.into(),
            user: ended.user,
            iteration: ended.iteration,
            outcome: ended.outcome,
            status: ended.status,
            detail,
            body_bytes: ended.body_bytes,
            body: None,
            body_base64: None,
        };
        let cut = failed.body.len() as u64 >= u64::from(self.body_cap);
        row.set_body(&self.redaction.apply(&failed.body, cut));
        self.out.write(&FailureFact::Failed(Box::new(row)))
    }

    fn finish(mut self, at: Offset, reason: EndReason) -> Result<(), WriteError> {
        for (operation, (failed, kept)) in self.counts {
            let count = failed.saturating_sub(kept.into());
            if count > 0 {
                self.out.write(&FailureFact::LeftOut { operation, count })?;
            }
        }
        self.out.finish(at, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::CheckResults;
    use crate::fixtures::plan_for;
    use crate::recorder::{Ended, Parts};
    use bytes::Bytes;
    use plimsoll_plan::{Part, Secret, Template};
    use plimsoll_record::files::FactFile;
    use plimsoll_record::ledger::Outcome;
    use std::num::NonZeroU32;

    fn failed(body: &'static [u8], body_bytes: u64) -> FailedAnswer {
        let (outcome, status) = (Outcome::UnexpectedStatus, 500);
        let ended = Ended {
            retries: 0,
            user: 3,
            iteration: 2,
            phase: 0,
            operation: 0,
            intended: 10,
            sent: 11,
            done: 20,
            outcome,
            status,
            body_bytes,
            checks: CheckResults::NONE,
            parts: Parts::NONE,
        };
        FailedAnswer { ended, failed_check: Some(1), body: Bytes::from_static(body) }
    }

    fn files(dir: &Path) -> Files {
        let mut plan = plan_for("http://127.0.0.1:1");
        plan.generator.failed_bodies = NonZeroU32::new(18);
        let key = Part::Environment { name: "KEY".to_owned(), value: Secret::new("s3cret".to_owned()) };
        plan.target.as_mut().unwrap().headers = vec![("x-key".to_owned(), Template { parts: vec![key] })];
        let check = |operation, name: &str| CheckFact { operation, name: name.to_owned(), soft: false };
        let checks = [check(0, "first"), check(0, "second"), check(1, "third")];
        Files::create(dir, &JournalSetup::of(&plan), Redaction::of(&plan), &checks, "test 1.0", Offset(0)).unwrap()
    }

    #[test]
    fn a_failed_answer_is_written_without_the_plans_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = files(dir.path());
        files.keep_failure(&failed(b"bad key s3cret, s3", 100), Offset(1_000)).unwrap();
        files.keep_failure(&failed(b"\xff s3cret", 8), Offset(1_000)).unwrap();
        files.finish(Offset(2_000), EndReason::Completed).unwrap();
        let text = std::fs::read_to_string(dir.path().join("failures.jsonl")).unwrap();
        assert!(!text.contains("s3"), "{text}");
        let file = FactFile::<Failures>::read(dir.path()).unwrap().unwrap();
        let [FailureFact::Failed(first), FailureFact::Failed(second)] = &file.facts[..] else { panic!("{file:?}") };
        assert_eq!((first.body.as_deref(), first.detail.as_deref()), (Some("bad key ***, ***"), Some("second")));
        assert_eq!((first.intended_ns, first.at_ns, first.body_bytes), (Offset(1_010), Offset(1_020), 100));
        assert_eq!((second.body.as_deref(), second.body_base64.as_deref()), (None, Some("/yAqKio=")));
    }

    #[test]
    fn answers_beyond_the_most_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = files(dir.path());
        for _ in 0..30 {
            files.keep_failure(&failed(b"", 0), Offset(0)).unwrap();
        }
        let mut ledger = Ledger::default();
        ledger.finish_many(Outcome::UnexpectedStatus, 75);
        files.count(0, &ledger);
        files.finish(Offset(1), EndReason::Completed).unwrap();
        let file = FactFile::<Failures>::read(dir.path()).unwrap().unwrap();
        assert_eq!(file.facts.len(), MOST_FAILURES as usize + 1);
        assert_eq!(file.facts.last(), Some(&FailureFact::LeftOut { operation: 0, count: 55 }));
    }
}
