//! An answer examined in order: its status, its checks, what a poll waits for, its captures.

use std::num::NonZeroU32;

use plimsoll_plan::{Check, Request};
use plimsoll_record::ledger::Outcome;
use serde_json::Value;

use super::capture::{self, Capture, Captured};
use super::checks::{CheckResults, MOST_CHECKS};
use super::statuses::Statuses;
use super::test::Test;
use super::wants::Wants;
use super::{Answer, BodyFault};
use crate::names::Names;
use crate::visit::Visit;

/// Why the answers to a request cannot be examined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExamineError {
    /// More checks than fit.
    #[error("step `{step}` has {count} checks, and at most {MOST_CHECKS} fit; join some with `and`")]
    TooManyChecks {
        /// The step.
        step: String,
        /// How many it has.
        count: usize,
    },
}

/// What the run keeps of every answer, whatever its request looks at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keeping {
    /// Headers, for cookies.
    pub(crate) headers: bool,
    /// So many bytes of bodies, for the log of failures.
    pub(crate) failed_bodies: Option<NonZeroU32>,
}

/// What is looked at in the answers to a request.
#[derive(Clone, Debug)]
pub(crate) struct Examination {
    /// `None` for stores, whose replies have none.
    statuses: Option<Statuses>,
    limited: Statuses,
    checks: Box<[Test]>,
    soft: Box<[Test]>,
    until: Option<Test>,
    captures: Box<[Capture]>,
    /// Where a reply carries the time it was sent at.
    since: Option<capture::Source>,
    wants: Wants,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) outcome: Outcome,
    pub(crate) checks: CheckResults,
    /// The check that failed the request, by its place among the request's.
    pub(crate) failed_check: Option<u16>,
    pub(crate) next: Next,
}

/// How the iteration goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// With the next step.
    GoOn,
    /// With another try of the poll: the answer is fine, and what is waited for does not hold yet.
    TryAgain,
    /// Not at all.
    End,
}

impl Examination {
    pub(crate) fn compile(request: &Request, names: &Names, keeping: Keeping) -> Result<Self, ExamineError> {
        let expect = &request.expect;
        let count = expect.checks.len() + expect.soft.len();
        if count > MOST_CHECKS {
            return Err(ExamineError::TooManyChecks { step: request.name.clone(), count });
        }
        let tests = |checks: &[Check]| checks.iter().map(|check| Test::compile(&check.condition, names)).collect();
        let any: Vec<u16> = (200..400).collect();
        Ok(Self {
            statuses: request
                .store
                .is_none()
                .then(|| Statuses::of(if expect.status.is_empty() { &any } else { &expect.status })),
            limited: Statuses::of(&expect.limited),
            checks: tests(&expect.checks),
            soft: tests(&expect.soft),
            until: request.poll.as_ref().map(|poll| Test::compile(&poll.until, names)),
            captures: request.captures.iter().map(|capture| Capture::compile(capture, names)).collect(),
            since: request.store.as_ref().and_then(|call| call.since.as_ref()).map(capture::Source::compile),
            wants: Wants::of(request, keeping.headers, keeping.failed_bodies),
        })
    }

    /// Everything is kept of the answers, for whoever asks.
    pub(crate) fn keep_all(&mut self) {
        self.wants = self.wants.all();
    }

    /// What a connection must keep of the answers.
    pub(crate) fn wants(&self) -> Wants {
        self.wants
    }

    /// When what a reply carries was sent, in nanoseconds of the monotonic clock; `None` when that is not asked for.
    pub(crate) fn since(&self, answer: &Answer) -> Option<Result<i64, Outcome>> {
        let since = self.since.as_ref()?;
        Some(match since.find(answer) {
            Ok(Some(Value::Number(number))) => number.as_i64().ok_or(Outcome::MissingCapture),
            Ok(Some(Value::String(text))) => text.trim().parse().map_err(|_| Outcome::MissingCapture),
            Ok(_) => Err(Outcome::MissingCapture),
            Err(fault) => Err(fault.into()),
        })
    }

    /// Judges an answer, and takes from it what the user keeps.
    ///
    /// All checks of an answer with an expected status are made, also behind one that failed, so that their shares
    /// are shares of the same answers.
    pub(crate) fn examine(&self, visit: &mut Visit, answer: &Answer) -> Judged {
        if let Some(outcome) = answer.fault {
            return Judged::new(outcome, Next::End);
        }
        if self.limited.has(answer.status) {
            // A refused try says nothing of what is waited for.
            let next = if self.until.is_some() { Next::TryAgain } else { Next::GoOn };
            return Judged::new(Outcome::Limited, next);
        }
        if self.statuses.is_some_and(|statuses| !statuses.has(answer.status)) {
            return Judged::new(Outcome::UnexpectedStatus, Next::End);
        }
        let (failure, checks) = self.check(visit, answer);
        if let Some((failed_check, outcome)) = failure {
            return Judged { checks, failed_check: Some(failed_check), ..Judged::new(outcome, Next::End) };
        }
        let (outcome, next) = self.take(visit, answer).unwrap_or_else(|fault| (fault.into(), Next::End));
        Judged { checks, ..Judged::new(outcome, next) }
    }

    /// The results of all checks, and the first that fails the request.
    fn check(&self, visit: &Visit, answer: &Answer) -> (Option<(u16, Outcome)>, CheckResults) {
        let (mut results, mut failure) = (CheckResults::NONE, None);
        for (index, test) in self.checks.iter().chain(&self.soft).enumerate() {
            let held = test.holds(visit, answer);
            results.note(index, held == Ok(true));
            let outcome = match held {
                Ok(true) => continue,
                Ok(false) => Outcome::FailedCheck,
                Err(fault) => fault.into(),
            };
            if failure.is_none() && index < self.checks.len() {
                failure = Some((index as u16, outcome));
            }
        }
        (failure, results)
    }

    fn take(&self, visit: &mut Visit, answer: &Answer) -> Result<(Outcome, Next), BodyFault> {
        if let Some(until) = &self.until
            && !until.holds(visit, answer)?
        {
            return Ok((Outcome::Ok, Next::TryAgain));
        }
        Ok(match capture::take(&self.captures, visit, answer)? {
            Captured::All => (Outcome::Ok, Next::GoOn),
            Captured::AllButSome => (Outcome::MissingCapture, Next::GoOn),
            Captured::Missing => (Outcome::MissingCapture, Next::End),
        })
    }
}

impl Judged {
    fn new(outcome: Outcome, next: Next) -> Self {
        Self { outcome, checks: CheckResults::NONE, failed_check: None, next }
    }
}
