//! `[flows.NAME]`, `[setup]` and `[teardown]`: lists of steps, and what is the same in all of them.
//!
//! What a step does is read in [`super::steps`], requests in [`super::requests`].

use std::cell::RefCell;
use std::time::Duration;

use crate::diagnostics::Problem;
use crate::flow::{self, Flow, Step};
use crate::reader::{Context, Field};
use crate::template::Template;
use crate::tree::{Entry, Value};
use crate::words;

use super::names::Names;
use super::{headers, steps};

/// What the steps of one list share, at any depth.
pub(super) struct Place<'a> {
    /// Headers of the target and of the flow: one of them may say what bodies are.
    pub(super) headers: Vec<(String, Template)>,
    /// The names of the requests so far.
    pub(super) requests: RefCell<Vec<String>>,
    /// What it is, for messages: `the flow`.
    pub(super) what: &'a str,
}

/// Reads all flows.
pub(super) fn read(field: &Field<'_>, target: &[(String, Template)], names: &Names) -> Vec<Flow> {
    let reader = field.table("[flows]");
    reader.table.entries.iter().map(|entry| flow(entry, field.context, target, &names.of_user())).collect()
}

/// Reads the steps of `[setup]` or `[teardown]`.
pub(super) fn once(field: &Field<'_>, what: &str, target: &[(String, Template)], names: &Names) -> Vec<Step> {
    let reader = field.table(what);
    let place = Place { headers: target.to_vec(), requests: RefCell::default(), what };
    let list = reader.required("steps", "[{ name = \"log-in\", post = \"/login\" }]", |field| {
        Some(steps::read(field, &place, &mut names.with_steps(field.node)))
    });
    reader.finish();
    list.unwrap_or_default()
}

fn flow(entry: &Entry, context: &Context<'_>, target: &[(String, Template)], names: &Names) -> Flow {
    if !words::is_name(&entry.key) {
        let problem = Problem::new(&entry.origin, format!("`{}` is not a name", entry.key));
        context.report(problem.help("names are made of letters, digits, `-` and `_`"));
    }
    let reader = Field::of(entry, context).table(&format!("[flows.{}]", entry.key));
    let weight = reader.optional("weight", weight).unwrap_or(1.0);
    let pacing = reader.optional("pacing", pacing);
    let headers = reader.field("headers").map(|field| headers::read(&field, names)).unwrap_or_default();
    let place = Place {
        headers: headers.iter().chain(target).cloned().collect(),
        requests: RefCell::default(),
        what: "the flow",
    };
    let list = reader.required("steps", "[{ name = \"check\", get = \"/\" }]", |field| {
        let list = steps::read(field, &place, &mut names.with_steps(field.node));
        if flow::requests(&list).is_empty() && !is_empty_list(field) {
            field.reject(
                "the flow makes no request",
                "add at least one, for example `{ name = \"check\", get = \"/\" }`",
            );
        }
        Some(list)
    });
    reader.finish();
    Flow { name: entry.key.clone(), weight, pacing, headers, steps: list.unwrap_or_default() }
}

/// Nothing in it, or no list at all: both were reported.
fn is_empty_list(field: &Field<'_>) -> bool {
    !matches!(&field.node.value, Value::List(list) if !list.is_empty())
}

/// A weight of a flow or of a choice.
pub(super) fn weight(field: &Field<'_>) -> Option<f64> {
    let weight = match field.node.value {
        Value::Integer(integer) => integer as f64,
        Value::Float(float) => float,
        _ => {
            field.wrong_kind("a number, for example `3`");
            return None;
        }
    };
    if weight > 0.0 && weight.is_finite() {
        return Some(weight);
    }
    let help = "weights are relative to one another: 1 and 3 give a quarter and three quarters; leave unused flows out";
    field.reject("`weight` must be above zero and finite", help);
    None
}

/// How far apart iterations start.
pub(super) fn pacing(field: &Field<'_>) -> Option<Duration> {
    field.positive_duration("10s")
}

/// True when the headers say what the body is.
pub(super) fn has_content_type(headers: &[(String, Template)]) -> bool {
    headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
}
