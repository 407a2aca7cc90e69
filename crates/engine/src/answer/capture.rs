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

/// Where a value is found.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Json(Path),
    Regex(Regex, usize),
    /// `None` when no header can have the name.
    Header(Option<HeaderName>),
    Cookie(String),
    Status,
    Body,
    Value,
    Rows,
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
        let slot = names.slot(&stated.name).expect("every name that a plan captures has a slot");
        Self { slot, from: Source::compile(&stated.from), missing: stated.missing.clone() }
    }
}

impl Source {
    pub(super) fn compile(stated: &StatedSource) -> Self {
        match stated {
            StatedSource::Json(path) => Self::Json(Path::new(path)),
            StatedSource::Regex { pattern, group } => Self::Regex(compile(pattern), usize::from(*group)),
            StatedSource::Header(name) => Self::Header(HeaderName::from_bytes(name.as_bytes()).ok()),
            StatedSource::Cookie(name) => Self::Cookie(name.clone()),
            StatedSource::Status => Self::Status,
            StatedSource::Body => Self::Body,
            StatedSource::Value => Self::Value,
            StatedSource::Rows => Self::Rows,
        }
    }

    pub(super) fn find(&self, answer: &Answer) -> Result<Option<Value>, BodyFault> {
        Ok(match self {
            Self::Json(path) => answer.kept().json()?.and_then(|json| path.first(json)).cloned(),
            Self::Regex(pattern, group) => {
                let found = pattern.captures(answer.kept().text()?);
                found.and_then(|found| found.get(*group).map(|text| Value::from(text.as_str())))
            }
            Self::Header(name) => name.as_ref().and_then(|name| answer.kept().header(name)).map(Value::from),
            Self::Cookie(name) => answer.kept().cookie(name).map(Value::from),
            Self::Status => Some(Value::from(answer.status)),
            Self::Body => Some(Value::from(answer.kept().text()?)),
            Self::Value => answer.kept().value().cloned(),
            Self::Rows => answer.kept().rows().map(Value::from),
        })
    }
}

/// Takes all captures, in order. A body that cannot be read is worse than one that lacks something, so no default
/// stands in for it.
pub(super) fn take(captures: &[Capture], visit: &mut Visit, answer: &Answer) -> Result<Captured, BodyFault> {
    let mut result = Captured::All;
    for capture in captures {
        match (capture.from.find(answer)?, &capture.missing) {
            (Some(value), _) => visit.set(capture.slot, value),
            (None, Missing::Default(text)) => visit.set(capture.slot, Value::from(text.as_str())),
            (None, Missing::Continue) => result = Captured::AllButSome,
            (None, Missing::End) => return Ok(Captured::Missing),
        }
    }
    Ok(result)
}
