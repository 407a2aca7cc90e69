//! `[flows.NAME]` and their steps.

use crate::diagnostics::Problem;
use crate::model::{Expect, Flow, Method, Step};
use crate::reader::{Context, Field, Reader};
use crate::template::Template;
use crate::tree::{Entry, Value};
use crate::words;

use super::target::METHODS;
use super::{headers, templates};

/// Reads all flows. `typed` says whether the target sets the content type itself.
pub(super) fn read(field: &Field<'_>, typed: bool) -> Vec<Flow> {
    let reader = field.table("[flows]");
    reader.table.entries.iter().map(|entry| flow(entry, field.context, typed)).collect()
}

fn flow(entry: &Entry, context: &Context<'_>, typed: bool) -> Flow {
    if !words::is_name(&entry.key) {
        let problem = Problem::new(&entry.origin, format!("`{}` is not a name", entry.key));
        context.report(problem.help("names are made of letters, digits, `-` and `_`"));
    }
    let reader = Field::of(entry, context).table(&format!("[flows.{}]", entry.key));
    let weight = reader.optional("weight", weight).unwrap_or(1.0);
    let list = reader.required("steps", "[{ name = \"check\", get = \"/\" }]", |field| Some(steps(field, typed)));
    reader.finish();
    Flow { name: entry.key.clone(), weight, steps: list.unwrap_or_default() }
}

fn weight(field: &Field<'_>) -> Option<f64> {
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

fn steps(field: &Field<'_>, typed: bool) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let readers = field.tables("a step");
    if readers.is_empty() && matches!(field.node.value, Value::List(_)) {
        field.reject("the flow has no steps", "add at least one, for example `{ name = \"check\", get = \"/\" }`");
    }
    for reader in readers {
        let step = step(&reader, typed);
        if steps.iter().any(|other| other.name == step.name && !step.name.is_empty()) {
            reader.reject(format!("two steps of the flow are named `{}`", step.name), "give each its own name");
        }
        reader.finish();
        steps.push(step);
    }
    steps
}

fn step(reader: &Reader<'_>, typed: bool) -> Step {
    let name = reader.required("name", "\"check\"", Field::name).unwrap_or_default();
    let (method, path) = request(reader);
    let mut headers = reader.field("headers").as_ref().map(headers::read).unwrap_or_default();
    let json = reader.field("json");
    let body = reader.field("body");
    if let (Some(_), Some(body)) = (&json, &body) {
        body.reject("the step has both `json` and `body`", "keep one of them");
    }
    if json.is_some() && !typed && !has_content_type(&headers) {
        headers.push(("content-type".to_owned(), Template::literal("application/json")));
    }
    let body = json.as_ref().map(templates::json).or(body.as_ref().map(templates::body));
    let expect = reader.field("expect").as_ref().map(expect);
    Step { name, method, path, headers, body, expect: expect.unwrap_or(Expect { status: Vec::new(), limited: None }) }
}

/// True when the headers say what the body is.
pub(super) fn has_content_type(headers: &[(String, Template)]) -> bool {
    headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
}

/// The one field named like a method.
fn request(reader: &Reader<'_>) -> (Method, Template) {
    let mut requests = Vec::new();
    for (word, method) in METHODS {
        if let Some(field) = reader.field(word) {
            requests.push((method, templates::path(&field)));
        }
    }
    let help = || format!("a step has one of {}", words::list(METHODS.iter().map(|(word, _)| *word)));
    match requests.len() {
        0 => reader.reject("the step makes no request", format!("{}, for example `get = \"/\"`", help())),
        1 => {}
        _ => reader.reject("the step makes several requests", help()),
    }
    requests.into_iter().next().unwrap_or((Method::Get, Template::literal("/")))
}

fn expect(field: &Field<'_>) -> Expect {
    let reader = field.table("`expect`");
    let status = reader.field("status").map(|field| statuses(&field)).unwrap_or_default();
    let limited = reader.optional("limited", status_code);
    reader.finish();
    Expect { status, limited }
}

fn statuses(field: &Field<'_>) -> Vec<u16> {
    let items = field.items();
    if items.is_empty() {
        field.reject("`status` names no status", "leave it out to expect every 2xx and 3xx");
    }
    let mut codes: Vec<u16> = items.iter().flat_map(status_set).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// `200`, or `"2xx"` for a whole class.
fn status_set(field: &Field<'_>) -> Vec<u16> {
    if field.node.spelled.is_some() || !matches!(field.node.value, Value::Text(_)) {
        return status_code(field).into_iter().collect();
    }
    let Some(text) = field.text("a status such as `200` or `\"2xx\"`") else { return Vec::new() };
    match text.content.as_bytes() {
        [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => {
            let first = u16::from(class - b'0') * 100;
            (first..first + 100).collect()
        }
        _ => {
            text.reject(format!("`{}` is not a status", text.content), None, "write `200`, or `\"2xx\"` for a class");
            Vec::new()
        }
    }
}

fn status_code(field: &Field<'_>) -> Option<u16> {
    let code = field.whole::<u16>(100)?;
    if code > 599 {
        field.reject(format!("{code} is not a status"), "HTTP statuses lie between 100 and 599");
    }
    Some(code)
}
