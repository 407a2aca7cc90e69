//! `[quick]`: what is different in the short form of a plan, said in the plan itself.
//!
//! The table has the shape of the plan and is laid over it before it is read, so that a mistake in it is reported
//! with its own line. Single values from the command line are the business of overrides, which come after it.

use crate::diagnostics::{Origin, Problem};
use crate::tree::{Entry, Node, Table, Value};
use crate::words;

pub(crate) const KEY: &str = "quick";

/// Takes `[quick]` out of the plan.
pub(crate) fn take(root: &mut Table) -> Option<Entry> {
    let at = root.entries.iter().position(|entry| entry.key == KEY)?;
    Some(root.entries.remove(at))
}

/// Lays `[quick]` over the plan: tables are merged, anything else is replaced.
pub(crate) fn apply(root: &mut Table, quick: &Entry) -> Vec<Problem> {
    match &quick.node.value {
        Value::Table(changes) if !changes.entries.is_empty() => {
            let mut problems = Vec::new();
            merge(root, changes, &mut problems);
            problems
        }
        Value::Table(_) => vec![empty(&quick.origin)],
        other => {
            let title = format!("`{KEY}` is {}", other.kind());
            vec![Problem::new(&quick.node.origin, title).help("expected a table, `[quick]`")]
        }
    }
}

/// What a plan without `[quick]` is answered with when its quick form is asked for.
pub(crate) fn missing() -> Problem {
    Problem::new(&Origin::Document, "the plan has no quick form")
        .help("say in a table `[quick]` what is different in it, for example `phases.steady.duration = \"10s\"`")
}

fn empty(origin: &Origin) -> Problem {
    Problem::new(origin, "`[quick]` is empty")
        .help("add for example `phases.steady.duration = \"10s\"`, or leave it out")
}

fn merge(table: &mut Table, changes: &Table, problems: &mut Vec<Problem>) {
    for change in &changes.entries {
        match table.entries.iter_mut().find(|entry| entry.key == change.key) {
            Some(entry) => merge_node(&mut entry.node, change, problems),
            None => table.entries.push(change.clone()),
        }
    }
}

fn merge_node(node: &mut Node, change: &Entry, problems: &mut Vec<Problem>) {
    match (&mut node.value, &change.node.value) {
        (Value::Table(table), Value::Table(changes)) => merge(table, changes, problems),
        (Value::List(list), Value::Table(changes)) => merge_items(list, &change.key, changes, problems),
        _ => *node = change.node.clone(),
    }
}

/// Items of a list are addressed by their `name`.
fn merge_items(list: &mut [Node], place: &str, changes: &Table, problems: &mut Vec<Problem>) {
    for change in &changes.entries {
        match list.iter_mut().find(|node| node.name() == Some(&change.key)) {
            Some(node) => merge_node(node, change, problems),
            None => problems.push(unknown_item(list, place, change)),
        }
    }
}

fn unknown_item(list: &[Node], place: &str, change: &Entry) -> Problem {
    let names = || list.iter().filter_map(Node::name);
    let problem = Problem::new(&change.origin, format!("`{place}` has no item named `{}`", change.key));
    let problem = match words::nearest(&change.key, names()) {
        Some(near) => problem.label(format!("did you mean `{near}`?")),
        None => problem,
    };
    problem.help(format!("its items are: {}", words::list(names())))
}
