//! `[criteria]`: reads them and checks that the plan gives what each one needs.

mod options;
mod place;

use plimsoll_record::verdict::Severity;

use crate::criteria::{Bound, Comparison, Criterion, Expression, Metric, Options, Scope};
use crate::expression::{self, Names, Stated as Understood};
use crate::model::Plan;
use crate::reader::{Field, Reader, Text};
use crate::tree::{Entry, Value};

use super::needs;
use place::Place;

/// Reads `[criteria]` of a plan, or of a file of its own for a plan.
pub(super) fn read(field: &Field<'_>, plan: &Plan) -> Vec<Criterion> {
    let reader = field.table("[criteria]");
    let mut list = List { plan, names: Names::of(plan), criteria: Vec::new() };
    let defaults = Place::read(&reader, plan);
    for stated in stated(&reader) {
        let table = Table { place: &defaults, options: &Options::default(), hint: None };
        list.push(&stated, &stated.text.content, &table);
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

/// What a table says of all its criteria.
struct Table<'t> {
    place: &'t Place,
    options: &'t Options,
    hint: Option<&'t str>,
}

/// A criterion that was understood, before it is known where it is judged.
struct Draft<'a> {
    severity: Severity,
    text: &'a Text<'a>,
    shown: String,
    expression: Expression,
    warn: Option<Bound>,
}

/// The criteria read so far.
struct List<'p> {
    plan: &'p Plan,
    names: Names<'p>,
    criteria: Vec<Criterion>,
}

impl List<'_> {
    fn push_named(&mut self, entry: &Entry, parent: &Reader<'_>, defaults: &Place) {
        let reader = Field::of(entry, parent.context).table(&format!("[criteria.{}]", entry.key));
        let stated = stated(&reader);
        let limits = Limits::read(&reader);
        let place = Place::read(&reader, self.plan).or(defaults);
        let options = options::read(&reader, &self.names);
        let hint = reader.optional("hint", |field| field.text("advice")).map(|text| text.content);
        if ["require", "prefer", "metric"].iter().all(|key| reader.table.get(key).is_none()) {
            let help = "add `require = \"p99 < 500ms\"`, or `prefer` for what should hold";
            reader.reject(format!("the criterion `{}` states nothing", entry.key), help);
        }
        reader.finish();
        let table = Table { place: &place, options: &options, hint: hint.as_deref() };
        let all = stated.len() + usize::from(limits.is_some());
        let id = |i: usize| if all == 1 { entry.key.clone() } else { format!("{}.{}", entry.key, i + 1) };
        for (i, one) in stated.iter().enumerate() {
            self.push(one, &id(i), &table);
        }
        if let Some(limits) = limits {
            self.push_limits(&limits, &id(stated.len()), &table);
        }
    }

    fn push(&mut self, stated: &Stated<'_>, id: &str, table: &Table<'_>) {
        let text = &stated.text;
        let Some(Understood { expression, place }) = expression::parse(text, &self.names) else { return };
        let shown = text.content.clone();
        let draft = Draft { severity: stated.severity, text, shown, expression, warn: None };
        self.push_draft(&draft, id, &table.place.at(&place), table);
    }

    /// `metric`, `warn_at` and `fail_at`: three outcomes.
    fn push_limits(&mut self, limits: &Limits<'_>, id: &str, table: &Table<'_>) {
        let Some(measured) = expression::parse_metric(&limits.metric, &self.names) else { return };
        let limit = |text: &Text<'_>, key: &str| expression::parse_limit(text, &measured, key, &self.names);
        let warn = limit(&limits.warn_at, "warn_at");
        let fail = limit(&limits.fail_at, "fail_at");
        let (Some(warn), Some(fail)) = (warn, fail) else { return };
        let (low, high) = (fail.at(1.0), warn.at(1.0));
        if low == high || warn.reference != fail.reference {
            let help = "the lower one warns when less is better (`warn_at = \"2s\"`, `fail_at = \"4s\"`)";
            limits.warn_at.reject("`warn_at` and `fail_at` leave nothing between them", None, help);
            return;
        }
        let comparison = if high < low { Comparison::Less } else { Comparison::Greater };
        let sign = if high < low { '<' } else { '>' };
        let shown =
            format!("{} {sign} {}, warn at {}", limits.metric.content, limits.fail_at.content, limits.warn_at.content);
        let place = table.place.at(&measured.place);
        let expression = Expression { metric: measured.metric, comparison, limit: fail };
        let draft = Draft { severity: Severity::Require, text: &limits.metric, shown, expression, warn: Some(warn) };
        self.push_draft(&draft, id, &place, table);
    }

    fn push_draft(&mut self, draft: &Draft<'_>, id: &str, place: &Place, table: &Table<'_>) {
        needs::check(draft.text, &draft.expression, self.plan);
        options::check(draft.text, draft.severity, &draft.expression, table.options);
        let metric = &draft.expression.metric;
        if place.own_endpoint && !metric.is_traffic() {
            let help = "it is not measured by endpoint: leave `endpoint` out";
            draft.text.reject("the criterion has an endpoint, but is not about requests", None, help);
        }
        place.check(draft.text, metric, self.plan);
        let each = place.is_each();
        for scope in place.scopes(metric, self.plan) {
            let id = match (&scope.endpoint, each) {
                (Some(endpoint), true) => format!("{id} [{endpoint}]"),
                _ => id.to_owned(),
            };
            self.push_one(draft, id, scope, table);
        }
    }

    fn push_one(&mut self, draft: &Draft<'_>, id: String, scope: Scope, table: &Table<'_>) {
        if self.criteria.iter().any(|other| other.id == id) {
            let help = "leave one out, or put them into tables with names of their own: `[criteria.NAME]`";
            draft.text.reject(format!("there are two criteria `{id}`"), None, help);
        }
        self.criteria.push(Criterion {
            id,
            severity: draft.severity,
            text: draft.shown.clone(),
            expression: draft.expression.clone(),
            warn: draft.warn.clone(),
            scope,
            options: table.options.clone(),
            hint: table.hint.map(str::to_owned),
        });
    }
}

/// `metric`, `warn_at` and `fail_at` as stated.
struct Limits<'a> {
    metric: Text<'a>,
    warn_at: Text<'a>,
    fail_at: Text<'a>,
}

impl<'a> Limits<'a> {
    fn read(reader: &Reader<'a>) -> Option<Self> {
        let read = |key: &'static str| {
            let field = reader.field(key)?;
            let text =
                if key == "metric" { field.text("a metric, for example `\"p95\"`") } else { field.quantity_text("2s") };
            text.map(|text| text.part(0..text.content.len()))
        };
        let stated = ["metric", "warn_at", "fail_at"].map(|key| (key, reader.table.get(key).is_some()));
        let (metric, warn_at, fail_at) = (read("metric"), read("warn_at"), read("fail_at"));
        if stated.iter().any(|(_, there)| *there) && !stated.iter().all(|(_, there)| *there) {
            let help = "three outcomes take all three: `metric = \"p95\"`, `warn_at = \"2s\"`, `fail_at = \"4s\"`";
            let missing = stated.iter().find(|(_, there)| !there).map_or("", |(key, _)| key);
            reader.reject(format!("`{missing}` is missing"), help);
        }
        Some(Self { metric: metric?, warn_at: warn_at?, fail_at: fail_at? })
    }
}

/// True for what is judged as one whole: it cannot be cut into stretches.
fn is_whole(metric: &Metric) -> bool {
    matches!(metric, Metric::Drift(_) | Metric::RecoveryTime { .. } | Metric::Knee(_) | Metric::Integrity(_))
}
