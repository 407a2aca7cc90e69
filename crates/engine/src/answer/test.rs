//! Conditions, compiled: names looked up, queries and expressions ready.
//!
//! What they mean stands in [`plimsoll_plan::condition`]. Expressions are the `regex` crate's, which takes time
//! proportional to the text, whatever the expression.

use std::borrow::Cow;

use hyper::header::HeaderName;
use plimsoll_plan::{Condition, Operand, Operator, Pattern, Value as Literal};
use regex::Regex;
use serde_json::Value;

use super::compare::{Item, compare};
use super::path::Path;
use super::statuses::Statuses;
use super::{Answer, BodyFault};
use crate::names::{CompiledHole, Names};
use crate::visit::Visit;

/// A condition.
#[derive(Clone, Debug)]
pub(crate) struct Test(Node);

#[derive(Clone, Debug)]
enum Node {
    Compare { left: Source, operator: Operator, right: Right },
    Matches(Source, Regex),
    Exists(Source),
    Status(Statuses),
    Not(Box<Self>),
    All(Box<[Self]>),
    Any(Box<[Self]>),
}

/// Where a value is found.
#[derive(Clone, Debug)]
enum Source {
    Status,
    Latency,
    Size,
    Body,
    /// `None` when no header can have the name.
    Header(Option<HeaderName>),
    Json(Path),
    Count(Path),
    Value,
    Rows,
    Hole(CompiledHole),
}

/// The right side of a comparison.
#[derive(Clone, Debug)]
enum Right {
    Literal(Item<'static>),
    Hole(CompiledHole),
}

impl Test {
    pub(crate) fn compile(condition: &Condition, names: &Names) -> Self {
        Self(Node::compile(condition, names))
    }

    /// Whether it holds for this answer. Parts that cannot change the result are not looked at.
    pub(crate) fn holds(&self, visit: &Visit, answer: &Answer) -> Result<bool, BodyFault> {
        self.0.holds(visit, Some(answer))
    }

    /// Whether it holds for the user alone, as in `when` and `while`: of an answer, nothing is there.
    pub(crate) fn holds_without_answer(&self, visit: &Visit) -> bool {
        self.0.holds(visit, None).expect("without an answer there is no body to be unreadable")
    }
}

impl Node {
    fn compile(condition: &Condition, names: &Names) -> Self {
        let all = |list: &[Condition]| list.iter().map(|one| Self::compile(one, names)).collect();
        match condition {
            Condition::Compare { left, operator, right } => Self::Compare {
                left: Source::compile(left, names),
                operator: *operator,
                right: Right::compile(right, names),
            },
            Condition::Matches(operand, pattern) => Self::Matches(Source::compile(operand, names), compile(pattern)),
            Condition::Exists(operand) => Self::Exists(Source::compile(operand, names)),
            Condition::StatusIn(codes) => Self::Status(Statuses::of(codes)),
            Condition::Not(inner) => Self::Not(Box::new(Self::compile(inner, names))),
            Condition::All(list) => Self::All(all(list)),
            Condition::Any(list) => Self::Any(all(list)),
        }
    }

    fn holds(&self, visit: &Visit, answer: Option<&Answer>) -> Result<bool, BodyFault> {
        Ok(match self {
            Self::Compare { left, operator, right } => {
                let left = left.find(visit, answer)?;
                compare(left.as_ref(), *operator, right.find(visit).as_deref())
            }
            Self::Matches(source, pattern) => {
                source.find(visit, answer)?.is_some_and(|found| pattern.is_match(&found.text()))
            }
            Self::Exists(source) => source.find(visit, answer)?.is_some(),
            Self::Status(statuses) => answer.is_some_and(|answer| statuses.has(answer.status)),
            Self::Not(inner) => !inner.holds(visit, answer)?,
            Self::All(list) => !Self::any(list, false, visit, answer)?,
            Self::Any(list) => Self::any(list, true, visit, answer)?,
        })
    }

    /// Whether one of them is as wanted, from left to right; those behind it are not looked at.
    fn any(list: &[Self], wanted: bool, visit: &Visit, answer: Option<&Answer>) -> Result<bool, BodyFault> {
        for one in list {
            if one.holds(visit, answer)? == wanted {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Source {
    fn compile(operand: &Operand, names: &Names) -> Self {
        match operand {
            Operand::Status => Self::Status,
            Operand::Latency => Self::Latency,
            Operand::Size => Self::Size,
            Operand::Body => Self::Body,
            Operand::Header(name) => Self::Header(HeaderName::from_bytes(name.as_bytes()).ok()),
            Operand::Json(path) => Self::Json(Path::new(path)),
            Operand::Count(path) => Self::Count(Path::new(path)),
            Operand::Value => Self::Value,
            Operand::Rows => Self::Rows,
            Operand::Hole(hole) => Self::Hole(names.hole(hole)),
        }
    }

    /// The value; `None` when it is not there.
    fn find<'a>(&'a self, visit: &'a Visit, answer: Option<&'a Answer>) -> Result<Option<Item<'a>>, BodyFault> {
        if let Self::Hole(hole) = self {
            return Ok(visit.value(hole).map(Item::Json));
        }
        answer.map_or(Ok(None), |answer| self.find_in(answer))
    }

    fn find_in<'a>(&'a self, answer: &'a Answer) -> Result<Option<Item<'a>>, BodyFault> {
        let number = |n: u64| Item::Json(Cow::Owned(Value::from(n)));
        Ok(match self {
            Self::Status => Some(number(answer.status.into())),
            Self::Latency => Some(Item::Time(answer.latency_ns.into())),
            Self::Size => Some(Item::Size(answer.kept().size(answer.body_bytes)?)),
            Self::Body => Some(Item::Text(answer.kept().text()?.into())),
            Self::Header(name) => name.as_ref().and_then(|name| answer.kept().header(name)).map(Item::Text),
            Self::Json(path) => {
                answer.kept().json()?.and_then(|json| path.first(json)).map(|value| Item::Json(Cow::Borrowed(value)))
            }
            // Where there is no JSON, nothing can be counted: not even none.
            Self::Count(path) => answer.kept().json()?.map(|json| number(path.count(json) as u64)),
            Self::Value => answer.kept().value().map(|value| Item::Json(Cow::Borrowed(value))),
            Self::Rows => answer.kept().rows().map(number),
            Self::Hole(_) => None,
        })
    }
}

impl Right {
    fn compile(value: &Literal, names: &Names) -> Self {
        let json = |value| Self::Literal(Item::Json(Cow::Owned(value)));
        match value {
            Literal::Number(number) => json(whole_or_real(*number)),
            Literal::Time(time) => Self::Literal(Item::Time(time.as_nanos())),
            Literal::Bytes(bytes) => Self::Literal(Item::Size(*bytes)),
            Literal::Text(text) => json(Value::from(text.as_str())),
            Literal::Boolean(boolean) => json(Value::from(*boolean)),
            Literal::Null => json(Value::Null),
            Literal::Hole(hole) => Self::Hole(names.hole(hole)),
        }
    }

    fn find<'a>(&'a self, visit: &'a Visit) -> Option<Cow<'a, Item<'a>>> {
        match self {
            Self::Literal(item) => Some(Cow::Borrowed(item)),
            Self::Hole(hole) => visit.value(hole).map(|value| Cow::Owned(Item::Json(value))),
        }
    }
}

/// Whole numbers are kept as such, so that `42` is looked for in a text as `42`.
fn whole_or_real(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT { Value::from(number as i64) } else { Value::from(number) }
}

/// A plan's expression.
pub(super) fn compile(pattern: &Pattern) -> Regex {
    Regex::new(pattern.as_str()).expect("a plan's expression was compiled when it was read")
}
