//! Steps: requests, pauses, groups and loops, and which values each of them may use.

use std::num::{NonZeroU16, NonZeroU32};

use crate::condition::Condition;
use crate::flow::{Action, Choice, Step, Times};
use crate::model::ThinkTime;
use crate::reader::{Field, Reader};
use crate::template::Template;
use crate::tree::Value;
use crate::words;

use super::conditions::{self, Place as Site};
use super::flows::{Place, weight};
use super::names::Names;
use super::target::METHODS;
use super::{calls, captures, requests, templates, think};

/// What a step may do beside a request.
const GROUPS: [&str; 6] = ["think", "set", "repeat", "while", "parallel", "choose"];
const MOST_COPIES: u16 = 1_000;

/// Reads a list of steps; `names` gets what they capture.
pub(super) fn read(field: &Field<'_>, place: &Place<'_>, names: &mut Names) -> Vec<Step> {
    let readers = field.tables("a step");
    if readers.is_empty() && matches!(field.node.value, Value::List(_)) {
        let help = "add at least one, for example `{ name = \"check\", get = \"/\" }`";
        field.reject(format!("{} has no steps", place.what), help);
    }
    let step = |reader: Reader<'_>| {
        let step = step(&reader, place, names);
        reader.finish();
        step
    };
    readers.into_iter().map(step).collect()
}

fn step(reader: &Reader<'_>, place: &Place<'_>, names: &mut Names) -> Step {
    let stated: Vec<&str> = GROUPS.into_iter().filter(|word| reader.table.get(word).is_some()).collect();
    let requests = METHODS.iter().any(|(word, _)| reader.table.get(word).is_some()) || calls::asks_a_store(reader);
    if stated.len() + usize::from(requests) > 1 {
        let all = stated.iter().copied().chain(requests.then_some("a request"));
        let help = "put what follows into a step of its own, or into the `steps` of this one";
        reader.reject(format!("the step does several things: {}", words::list(all)), help);
    }
    // What the step captures is not there yet when it is asked whether to do it.
    let when = reader.optional("when", |field| conditions::read(field, Site::User, names));
    let action = match stated.first() {
        Some(word) if !requests => group(word, reader, place, names),
        _ => Action::Request(Box::new(requests::read(reader, place, names))),
    };
    Step { when, action }
}

fn group(word: &str, reader: &Reader<'_>, place: &Place<'_>, names: &mut Names) -> Action {
    match word {
        "think" => Action::Think(reader.optional("think", think::read).unwrap_or(ThinkTime::None)),
        "set" => Action::Set(reader.field("set").map(|field| set(&field, names)).unwrap_or_default()),
        "repeat" => repeat(reader, place, names),
        "while" => repeat_while(reader, place, names),
        "parallel" => parallel(reader, place, names),
        _ => Action::Choose(reader.field("choose").map(|field| choose(&field, place, names)).unwrap_or_default()),
    }
}

fn set(field: &Field<'_>, names: &mut Names) -> Vec<(String, Template)> {
    let reader = field.table("`set`");
    let mut values = Vec::new();
    for entry in &reader.table.entries {
        captures::check_name(entry, field);
        values.push((entry.key.clone(), templates::text(&Field::of(entry, field.context), names)));
        names.add(&entry.key);
    }
    values
}

fn repeat(reader: &Reader<'_>, place: &Place<'_>, names: &mut Names) -> Action {
    let once = Times { min: 1, max: NonZeroU32::MIN };
    let times = reader.optional("repeat", times).unwrap_or(once);
    Action::Repeat { times, steps: loop_steps(reader, place, names) }
}

/// `3`, or `"1..5"`.
fn times(field: &Field<'_>) -> Option<Times> {
    const HELP: &str = "write for example `3`, or `\"1..5\"` for a number drawn anew each time";
    if let Value::Integer(_) = field.node.value {
        let max: NonZeroU32 = field.positive()?;
        return Some(Times { min: max.get(), max });
    }
    let text = field.text("a number such as `3`, or `\"1..5\"`")?;
    let range = text
        .content
        .split_once("..")
        .and_then(|(min, max)| Some(Times { min: min.trim().parse().ok()?, max: max.trim().parse().ok()? }));
    let range = range.filter(|times| times.min <= times.max.get());
    if range.is_none() {
        text.reject(format!("`{}` is no number of times", text.content), None, HELP);
    }
    range
}

fn repeat_while(reader: &Reader<'_>, place: &Place<'_>, names: &mut Names) -> Action {
    let condition = reader.optional("while", |field| conditions::read(field, Site::User, &names.in_turn()));
    let limit = reader.required("limit", "100", Field::positive).unwrap_or(NonZeroU32::MIN);
    let steps = loop_steps(reader, place, names);
    // Without one there was a problem: the stand-in is never handed out.
    Action::While { condition: condition.unwrap_or(Condition::StatusIn(Vec::new())), limit, steps }
}

/// The steps of a loop: what they capture is there after them, too.
fn loop_steps(reader: &Reader<'_>, place: &Place<'_>, names: &mut Names) -> Vec<Step> {
    let mut inside = names.in_turn();
    let steps =
        reader.required("steps", "[{ name = \"check\", get = \"/\" }]", |field| Some(read(field, place, &mut inside)));
    names.add_all(&inside);
    steps.unwrap_or_default()
}

/// `10` copies of `steps`, or a list of lists.
fn parallel(reader: &Reader<'_>, place: &Place<'_>, names: &mut Names) -> Action {
    let field = reader.field("parallel").expect("the caller saw it");
    if let Value::List(_) = field.node.value {
        return Action::Branches(branches(&field, place, names));
    }
    let count = field.positive().filter(|count: &NonZeroU16| count.get() <= MOST_COPIES);
    if count.is_none() && matches!(field.node.value, Value::Integer(1..)) {
        field.reject(
            "so many copies at once are not possible",
            format!("at most {MOST_COPIES}; more users do the rest"),
        );
    }
    // Each copy has values of its own, so none is there afterwards.
    let mut inside = names.in_turn();
    let steps =
        reader.required("steps", "[{ name = \"check\", get = \"/\" }]", |field| Some(read(field, place, &mut inside)));
    Action::Copies { count: count.unwrap_or(NonZeroU16::MIN), steps: steps.unwrap_or_default() }
}

fn branches(field: &Field<'_>, place: &Place<'_>, names: &mut Names) -> Vec<Vec<Step>> {
    let before = names.clone();
    let mut branches = Vec::new();
    for item in field.items() {
        let mut inside = before.clone();
        branches.push(read(&item, place, &mut inside));
        names.add_all(&inside);
    }
    if branches.len() < 2 {
        field.reject(
            "one branch has nothing beside it",
            "write `parallel = [[...], [...]]`, or `parallel = 10` with `steps`",
        );
    }
    branches
}

fn choose(field: &Field<'_>, place: &Place<'_>, names: &mut Names) -> Vec<Choice> {
    let before = names.clone();
    let mut choices = Vec::new();
    for reader in field.tables("a choice") {
        let mut inside = before.clone();
        let weight = reader.optional("weight", weight).unwrap_or(1.0);
        let steps = reader.required("steps", "[]", |field| match &field.node.value {
            Value::List(list) if list.is_empty() => Some(Vec::new()),
            _ => Some(read(field, place, &mut inside)),
        });
        reader.finish();
        names.add_all(&inside);
        choices.push(Choice { weight, steps: steps.unwrap_or_default() });
    }
    if choices.is_empty() && matches!(field.node.value, Value::List(_)) {
        field.reject("there is nothing to choose from", "add for example `{ weight = 1, steps = [...] }`");
    }
    choices
}
