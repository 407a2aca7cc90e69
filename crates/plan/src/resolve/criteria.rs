//! `[criteria]`: reads them and checks that the plan gives what each one needs.

use plimsoll_record::verdict::Severity;

use crate::criteria::{Criterion, Expression, Scope};
use crate::expression;
use crate::model::Plan;
use crate::reader::{Field, Reader, Text};
use crate::tree::{Entry, Value};
use crate::words;

use super::needs;

/// Reads `[criteria]` of a plan, or of a file of its own for a plan.
pub(super) fn read(field: &Field<'_>, plan: &Plan) -> Vec<Criterion> {
    let reader = field.table("[criteria]");
    let mut list = List { plan, criteria: Vec::new() };
    let defaults = Place::read(&reader, plan);
    for stated in stated(&reader) {
        list.push(&stated, &stated.text.content, &defaults, None);
    }
    for entry in reader.rest() {
        match entry.node.value {
            Value::Table(_) => list.push_named(entry, &reader, &defaults),
            _ => reader.unknown(entry),
        }
    }
    list.criteria
}

/// A criterion as stated.
struct Stated<'a> {
    severity: Severity,
    text: Text<'a>,
}

/// The criteria under `require` and `prefer` of a table.
fn stated<'a>(reader: &Reader<'a>) -> Vec<Stated<'a>> {
    let mut list = Vec::new();
    for (key, severity) in [("require", Severity::Require), ("prefer", Severity::Prefer)] {
        let Some(field) = reader.field(key) else { continue };
        let items = field.items();
        if items.is_empty() {
            let help = "state what must hold, for example `[\"p99 < 500ms\"]`, or leave it out";
            field.reject(format!("`{key}` is empty"), help);
        }
        for item in items {
            let text = item.text("a criterion, for example `\"p99 < 500ms\"`");
            list.extend(text.map(|text| Stated { severity, text: text.part(0..text.content.len()) }));
        }
    }
    list
}

/// Where the criteria of a table are judged.
#[derive(Clone)]
struct Place {
    /// `*` for the whole run.
    phase: Option<String>,
    /// `*` for each operation by itself.
    endpoint: Option<String>,
    /// True when the table itself states the endpoint: then it must make sense.
    own_endpoint: bool,
}

impl Place {
    fn read(reader: &Reader<'_>, plan: &Plan) -> Self {
        let phases: Vec<&str> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
        let operations = plan.operations();
        let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
        let phase = reader.optional("phase", |field| known(field, "phase", &phases, "the whole run"));
        let endpoint = reader.optional("endpoint", |field| known(field, "endpoint", &operations, "each by itself"));
        Self { phase, own_endpoint: endpoint.is_some(), endpoint }
    }

    /// What a named table leaves out, the whole of `[criteria]` states.
    fn or(self, defaults: &Self) -> Self {
        Self {
            phase: self.phase.or_else(|| defaults.phase.clone()),
            endpoint: self.endpoint.or_else(|| defaults.endpoint.clone()),
            own_endpoint: self.own_endpoint,
        }
    }

    /// Where an expression is judged: several places when it is judged for each operation.
    fn scopes(&self, expression: &Expression, plan: &Plan) -> Vec<Scope> {
        let scope = |endpoint| Scope { phase: self.phase.clone().filter(|word| word != "*"), endpoint };
        match self.endpoint.as_deref() {
            Some("*") if needs::is_traffic(&expression.metric) => {
                plan.operations().into_iter().map(|name| scope(Some(name))).collect()
            }
            Some(name) if needs::is_traffic(&expression.metric) => vec![scope(Some(name.to_owned()))],
            _ => vec![scope(None)],
        }
    }
}

fn known(field: &Field<'_>, what: &str, valid: &[&str], star: &str) -> Option<String> {
    let text = field.text(&format!("the name of a known {what}"))?;
    if text.content != "*" && !valid.contains(&text.content.as_str()) {
        let near = words::nearest(&text.content, valid.iter().copied());
        let help = format!("valid here: {}, and `*` for {star}", words::list(valid.iter().copied()));
        text.reject(format!("unknown {what} `{}`", text.content), near, help);
    }
    Some(text.content)
}

/// The criteria read so far.
struct List<'p> {
    plan: &'p Plan,
    criteria: Vec<Criterion>,
}

impl List<'_> {
    fn push_named(&mut self, entry: &Entry, parent: &Reader<'_>, defaults: &Place) {
        let reader = Field::of(entry, parent.context).table(&format!("[criteria.{}]", entry.key));
        let stated = stated(&reader);
        let place = Place::read(&reader, self.plan).or(defaults);
        let hint = reader.optional("hint", |field| field.text("advice")).map(|text| text.content);
        if reader.table.get("require").is_none() && reader.table.get("prefer").is_none() {
            let help = "add `require = \"p99 < 500ms\"`, or `prefer` for what should hold";
            reader.reject(format!("the criterion `{}` states nothing", entry.key), help);
        }
        reader.finish();
        for (i, one) in stated.iter().enumerate() {
            let id = if stated.len() == 1 { entry.key.clone() } else { format!("{}.{}", entry.key, i + 1) };
            self.push(one, &id, &place, hint.as_deref());
        }
    }

    fn push(&mut self, stated: &Stated<'_>, id: &str, place: &Place, hint: Option<&str>) {
        let text = &stated.text;
        let logs = self.plan.watch.as_ref().map_or(&[][..], |watch| &watch.logs);
        let Some(expression) = expression::parse(text, logs) else { return };
        needs::check(text, &expression, self.plan);
        if place.own_endpoint && !needs::is_traffic(&expression.metric) {
            let help = "it is not measured by endpoint: leave `endpoint` out";
            text.reject("the criterion has an endpoint, but is not about requests", None, help);
        }
        let scopes = place.scopes(&expression, self.plan);
        let each = place.endpoint.as_deref() == Some("*");
        for scope in scopes {
            let id = match (&scope.endpoint, each) {
                (Some(endpoint), true) => format!("{id} [{endpoint}]"),
                _ => id.to_owned(),
            };
            self.push_one(stated, id, expression.clone(), scope, hint);
        }
    }

    fn push_one(&mut self, stated: &Stated<'_>, id: String, expression: Expression, scope: Scope, hint: Option<&str>) {
        if self.criteria.iter().any(|other| other.id == id) {
            let help = "leave one out, or put them into tables with names of their own: `[criteria.NAME]`";
            stated.text.reject(format!("there are two criteria `{id}`"), None, help);
        }
        self.criteria.push(Criterion {
            id,
            severity: stated.severity,
            text: stated.text.content.clone(),
            expression,
            scope,
            hint: hint.map(str::to_owned),
        });
    }
}
