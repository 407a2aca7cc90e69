//! From an answer into the user's variables.

use hyper::header::HeaderName;
use plimsoll_plan::{Capture as Stated, Missing, Source as StatedSource};
use regex::Regex;
use serde_json::Value;

use super::path::Path;
use super::test::compile;
use super::{Answer, BodyFault};
use crate::names::{Names, Slot};
use crate::visit::Visit;

/// A capture.
#[derive(Clone, Debug)]
pub(super) struct Capture {
    slot: Slot,
    from: Source,
    missing: Missing,
}

#[derive(Clone, Debug)]
enum Source {
    Json(Path),
    Regex(Regex, usize),
    /// `None` when no header can have the name.
    Header(Option<HeaderName>),
    Cookie(String),
    Status,
    Body,
}

/// How captures went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Captured {
    /// Every variable has its value.
    All,
    /// One found nothing, and the plan goes on without it.
    AllButSome,
    /// One found nothing, and that ends the iteration. Those after it were not tried.
    Missing,
}

impl Capture {
    pub(super) fn compile(stated: &Stated, names: &Names) -> Self {
        let from = match &stated.from {
            StatedSource::Json(path) => Source::Json(Path::new(path)),
            StatedSource::Regex { pattern, group } => Source::Regex(compile(pattern), usize::from(*group)),
            StatedSource::Header(name) => Source::Header(HeaderName::from_bytes(name.as_bytes()).ok()),
            StatedSource::Cookie(name) => Source::Cookie(name.clone()),
            StatedSource::Status => Source::Status,
            StatedSource::Body => Source::Body,
        };
        let slot = names.slot(&stated.name).expect("every name that a plan captures has a slot");
        Self { slot, from, missing: stated.missing.clone() }
    }

    fn find(&self, answer: &Answer) -> Result<Option<Value>, BodyFault> {
        Ok(match &self.from {
            Source::Json(path) => answer.kept().json()?.and_then(|json| path.first(json)).cloned(),
            Source::Regex(pattern, group) => {
                let found = pattern.captures(answer.kept().text()?);
                found.and_then(|found| found.get(*group).map(|text| Value::from(text.as_str())))
            }
            Source::Header(name) => name.as_ref().and_then(|name| answer.kept().header(name)).map(Value::from),
            Source::Cookie(name) => answer.kept().cookie(name).map(Value::from),
            Source::Status => Some(Value::from(answer.status)),
            Source::Body => Some(Value::from(answer.kept().text()?)),
        })
    }
}

/// Takes all captures, in order. A body that cannot be read is worse than one that lacks something, so no default
/// stands in for it.
pub(super) fn take(captures: &[Capture], visit: &mut Visit, answer: &Answer) -> Result<Captured, BodyFault> {
    let mut result = Captured::All;
    for capture in captures {
        match (capture.find(answer)?, &capture.missing) {
            (Some(value), _) => visit.set(capture.slot, value),
            (None, Missing::Default(text)) => visit.set(capture.slot, Value::from(text.as_str())),
            (None, Missing::Continue) => result = Captured::AllButSome,
            (None, Missing::End) => return Ok(Captured::Missing),
        }
    }
    Ok(result)
}
