//! `[integrity.NAME]`, and the steps that write and read its keys.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::criteria::{Criterion, Metric};
use crate::diagnostics::Problem;
use crate::flow::Request;
use crate::integrity::{KeySet, MOST_KEYS, Touch};
use crate::model::Plan;
use crate::reader::{Context, Field, Reader};
use crate::store::{Payload, Shape};
use crate::tree::Entry;
use crate::words;

const PATIENCE: Duration = Duration::from_secs(120);

/// Reads all sets.
pub(super) fn read(field: &Field<'_>, users: NonZeroU64, payloads: &[Payload]) -> Vec<KeySet> {
    let reader = field.table("[integrity]");
    reader.table.entries.iter().map(|entry| set(entry, field.context, users, payloads)).collect()
}

fn set(entry: &Entry, context: &Context<'_>, users: NonZeroU64, payloads: &[Payload]) -> KeySet {
    if !words::is_name(&entry.key) {
        let problem = Problem::new(&entry.origin, format!("`{}` is not a name", entry.key));
        context.report(problem.help("names are made of letters, digits, `-` and `_`"));
    }
    let reader = Field::of(entry, context).table(&format!("[integrity.{}]", entry.key));
    let keys = reader.optional("keys", keys).unwrap_or(users);
    let payload = reader.optional("payload", |field| payload(field, payloads));
    let read_back = reader.required("read_back", "\"load\"", Field::name).unwrap_or_default();
    let patience = reader.optional("patience", |field| field.positive_duration("2m")).unwrap_or(PATIENCE);
    reader.finish();
    KeySet { name: entry.key.clone(), keys, payload, read_back, patience }
}

fn keys(field: &Field<'_>) -> Option<NonZeroU64> {
    let keys: NonZeroU64 = field.positive()?;
    if keys.get() > MOST_KEYS {
        field.reject(format!("{keys} keys are too many"), format!("at most {MOST_KEYS}: each takes 8 bytes of memory"));
        return None;
    }
    Some(keys)
}

fn payload(field: &Field<'_>, payloads: &[Payload]) -> Option<String> {
    let name = field.name()?;
    match payloads.iter().find(|payload| payload.name == name) {
        Some(payload) if payload.shape == Shape::Text => return Some(name),
        Some(_) => field.reject(
            format!("the payload `{name}` is not of plain text"),
            "give it `shape = \"text\"`, so that the value may stand anywhere",
        ),
        None => {
            let names = words::list(payloads.iter().map(|payload| payload.name.as_str()));
            field.reject(
                format!("there is no payload `{name}`"),
                format!("the plan has: {names}; add `[payloads.{name}]` with `size`"),
            );
        }
    }
    None
}

/// `writes` or `reads` of a step; `sets` are those of the plan.
pub(super) fn touch(reader: &Reader<'_>, sets: &[String]) -> Option<(Touch, String)> {
    let stated = [("writes", Touch::Writes), ("reads", Touch::Reads)];
    let mut found = stated.into_iter().filter_map(|(key, touch)| Some((reader.field(key)?, touch)));
    let (field, touch) = found.next()?;
    if found.next().is_some() {
        reader.reject("the step both `writes` and `reads` a set", "let one step write and another read");
    }
    let name = field.name()?;
    if sets.contains(&name) {
        return Some((touch, name));
    }
    let names = words::list(sets.iter().map(String::as_str));
    let help = format!("the plan has: {names}; add `[integrity.{name}]` with `read_back = \"STEP\"`");
    field.reject(format!("there is no set of keys `{name}`"), help);
    None
}

/// What sets and steps must agree on.
pub(super) fn check(reader: &Reader<'_>, plan: &Plan) {
    if !reader.context.problems.borrow().is_empty() {
        return;
    }
    for set in &plan.integrity {
        let steps = plan.operation_list();
        let of = |touch| move |request: &Request| request.integrity.as_ref() == Some(&(touch, set.name.clone()));
        let reads = steps.iter().any(|step| step.name == set.read_back && of(Touch::Reads)(step.request));
        if !reads {
            let help = format!("name a step that has `reads = \"{}\"`", set.name);
            reader.reject(format!("`{}` does not read [integrity.{}]", set.read_back, set.name), help);
        }
        if !steps.iter().any(|step| of(Touch::Writes)(step.request)) {
            let help = format!("give a step `writes = \"{}\"` and `{{integrity.value}}` to write", set.name);
            reader.reject(format!("no step writes [integrity.{}]", set.name), help);
        }
    }
}

/// Criteria can only ask for what is numbered.
pub(super) fn check_criteria(field: &Field<'_>, plan: &Plan) {
    let asks = |criterion: &Criterion| matches!(criterion.expression.metric, Metric::Integrity(_));
    if let Some(criterion) = plan.criteria.iter().find(|criterion| asks(criterion) && plan.integrity.is_empty()) {
        let title = format!("the criterion `{}` is about writes, and the plan numbers none", criterion.id);
        field.reject(title, "add [integrity.NAME] with `read_back = \"STEP\"`, and steps that `writes` and `reads` it");
    }
}
