//! `expect` and `soft`: which answers are right. Every key becomes a status or a condition, so that there is one
//! language of checks and every check has a text.

use plimsoll_record::units::Unit;

use crate::condition::{Condition, Operand, Operator, Value};
use crate::diagnostics::Problem;
use crate::flow::{Check, Expect};
use crate::patterns::{JsonPath, Pattern};
use crate::quantities;
use crate::reader::{Field, Reader, Text};
use crate::tree::{self, Entry};

use super::conditions::{self, PATH_HELP, Place, shown_text};
use super::holes;
use super::names::Names;
use super::values::{bytes, status_codes};

/// Reads `expect` and `soft` of a step.
pub(super) fn read(reader: &Reader<'_>, names: &Names) -> Expect {
    let mut expect = reader.field("expect").map(|field| hard(&field, names)).unwrap_or_default();
    if let Some(field) = reader.field("soft") {
        let table = field.table("`soft`");
        let status = table.field("status").map(|field| statuses(&field, "status")).filter(|codes| !codes.is_empty());
        let mut list = List { field: &field, names, checks: Vec::new() };
        status.into_iter().for_each(|codes| list.push(Condition::StatusIn(codes)));
        list.read(&table);
        expect.soft = list.checks;
        table.finish();
    }
    check_names(reader, &expect);
    expect
}

/// A check is counted by its name, so no two of a request may share one.
fn check_names(reader: &Reader<'_>, expect: &Expect) {
    let names: Vec<&str> = expect.checks.iter().chain(&expect.soft).map(|check| check.name.as_str()).collect();
    let double = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name));
    if let Some((_, name)) = double {
        let help = "leave one out, or give it a name of its own: `that = { \"name\" = \"condition\" }`";
        reader.reject(format!("two checks of the step are named `{name}`"), help);
    }
}

fn hard(field: &Field<'_>, names: &Names) -> Expect {
    let reader = field.table("`expect`");
    let status = reader.field("status").map(|field| statuses(&field, "status")).unwrap_or_default();
    let limited = reader.field("limited").map(|field| statuses(&field, "limited")).unwrap_or_default();
    let mut list = List { field, names, checks: Vec::new() };
    list.read(&reader);
    let checks = list.checks;
    reader.finish();
    Expect { status, limited, checks, soft: Vec::new() }
}

/// The codes that `key` names, each once.
fn statuses(field: &Field<'_>, key: &str) -> Vec<u16> {
    let items = field.items();
    if items.is_empty() {
        let help = if key == "status" { "leave it out to expect every 2xx and 3xx" } else { "leave it out" };
        field.reject(format!("`{key}` names no status"), help);
    }
    let mut codes: Vec<u16> = items.iter().flat_map(status_set).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// `200`, or `"2xx"` for a whole class.
fn status_set(field: &Field<'_>) -> Vec<u16> {
    if field.node.spelled.is_some() || !matches!(field.node.value, tree::Value::Text(_)) {
        return status_code(field).into_iter().collect();
    }
    let Some(text) = field.text("a status such as `200` or `\"2xx\"`") else { return Vec::new() };
    match status_codes(&text.content) {
        Some(codes) if codes.len() > 1 => codes,
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

/// The checks read so far.
struct List<'a> {
    field: &'a Field<'a>,
    names: &'a Names,
    checks: Vec<Check>,
}

impl List<'_> {
    fn push(&mut self, condition: Condition) {
        self.checks.push(Check { name: condition.to_string(), condition });
    }

    /// Everything but the status.
    fn read(&mut self, reader: &Reader<'_>) {
        if let Some(field) = reader.field("header") {
            self.headers(&field);
        }
        if let Some(field) = reader.field("body") {
            self.body(&field);
        }
        if let Some(field) = reader.field("regex") {
            self.regex(&field);
        }
        if let Some(value) = reader.field("value").and_then(|field| self.value(&field)) {
            self.compare(Operand::Value, Operator::Equal, value);
        }
        if let Some(rows) = reader.optional("rows", |field| field.whole::<u32>(0)) {
            self.compare(Operand::Rows, Operator::Equal, Value::Number(rows.into()));
        }
        if let Some(field) = reader.field("size") {
            self.size(&field);
        }
        if let Some(field) = reader.field("json") {
            self.json(&field);
        }
        if let Some(field) = reader.field("latency") {
            let latency = field.positive_duration("500ms");
            let most = latency.map(Value::Time);
            most.into_iter().for_each(|most| self.compare(Operand::Latency, Operator::LessOrEqual, most));
        }
        if let Some(field) = reader.field("that") {
            self.that(&field);
        }
    }

    fn compare(&mut self, left: Operand, operator: Operator, right: Value) {
        self.push(Condition::Compare { left, operator, right });
    }

    /// `header = { content-type = "json" }`: the header contains it.
    fn headers(&mut self, field: &Field<'_>) {
        for entry in &field.table("`header`").table.entries {
            let field = Field::of(entry, field.context);
            let name = Operand::Header(entry.key.to_ascii_lowercase());
            let sound = entry.key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            if !sound || entry.key.is_empty() {
                let problem = Problem::new(&entry.origin, format!("`{}` is not a header's name", entry.key));
                field.context.report(problem.help("write for example `header = { content-type = \"json\" }`"));
            } else if let Some(text) = self.text(&field) {
                self.compare(name, Operator::Contains, text);
            }
        }
    }

    /// `body = "text"`, or several: the body contains each.
    fn body(&mut self, field: &Field<'_>) {
        for item in field.items() {
            if let Some(text) = self.text(&item) {
                self.compare(Operand::Body, Operator::Contains, text);
            }
        }
    }

    fn regex(&mut self, field: &Field<'_>) {
        for item in field.items() {
            let Some(text) = shown_text(&item, "a regular expression") else { continue };
            match Pattern::new(&text.content) {
                Ok(pattern) => self.push(Condition::Matches(Operand::Body, pattern)),
                Err(error) => text.reject(
                    error.to_string(),
                    None,
                    "the syntax is that of Rust's regex crate: no look-around, no back-references",
                ),
            }
        }
    }

    /// `size = "1kB..1MB"`, `"..1MB"` or `"1kB.."`.
    fn size(&mut self, field: &Field<'_>) {
        let Some(text) = field.quantity_text("..1MB") else { return };
        let Some(dots) = text.content.find("..") else {
            text.reject("a size is given from and to", None, "write for example `\"..1MB\"` or `\"1kB..1MB\"`");
            return;
        };
        let (min, max) = (text.part(0..dots), text.part(dots + 2..text.content.len()));
        if min.content.is_empty() && max.content.is_empty() {
            text.reject("the size has neither end", None, "write for example `\"..1MB\"` or `\"1kB..1MB\"`");
        }
        for (text, operator) in [(min, Operator::GreaterOrEqual), (max, Operator::LessOrEqual)] {
            if let Some(bytes) = size(&text) {
                self.compare(Operand::Size, operator, Value::Bytes(bytes));
            }
        }
    }

    /// `json = { "$.state" = "done" }`: what the query finds first is this.
    fn json(&mut self, field: &Field<'_>) {
        for entry in &field.table("`json`").table.entries {
            let field = Field::of(entry, field.context);
            match JsonPath::new(&entry.key) {
                Ok(path) => {
                    if let Some(value) = self.value(&field) {
                        self.compare(Operand::Json(path), Operator::Equal, value);
                    }
                }
                Err(error) => {
                    field.context.report(Problem::new(&entry.origin, error.to_string()).help(PATH_HELP));
                }
            }
        }
    }

    fn value(&self, field: &Field<'_>) -> Option<Value> {
        match &field.node.value {
            tree::Value::Integer(integer) => Some(Value::Number(*integer as f64)),
            tree::Value::Float(float) if float.is_finite() => Some(Value::Number(*float)),
            tree::Value::Boolean(boolean) => Some(Value::Boolean(*boolean)),
            tree::Value::Text(_) => self.text(field),
            _ => {
                field.wrong_kind("text, a number, `true` or `false`; other comparisons stand in `that`");
                None
            }
        }
    }

    /// Text, or nothing but a hole.
    fn text(&self, field: &Field<'_>) -> Option<Value> {
        let text = shown_text(field, "text")?;
        let found = text.content.match_indices('{').find_map(|(brace, _)| holes::find(&text.content, brace));
        match found {
            Some(inside) if inside.len() + 2 == text.content.len() => self.hole(&text, inside),
            Some(_) => {
                let help = "put the text together in a step before: `{ set = { wanted = \"...\" } }`, and write `\"{wanted}\"`";
                text.reject("a check compares with one value, not with text around one", None, help);
                None
            }
            None => Some(Value::Text(text.content)),
        }
    }

    fn hole(&self, text: &Text<'_>, inside: std::ops::Range<usize>) -> Option<Value> {
        let hole = holes::parse(&text.content[inside]).map(|(hole, _)| hole);
        match hole.and_then(|hole| self.names.check_in_condition(&hole).map(|()| hole)) {
            Ok(hole) => Some(Value::Hole(hole)),
            Err(complaint) => {
                text.reject(complaint.title, complaint.near.as_deref(), complaint.help);
                None
            }
        }
    }

    /// Conditions: text, a list of texts, or a table that names them.
    fn that(&mut self, field: &Field<'_>) {
        if let tree::Value::Table(table) = &field.node.value {
            table.entries.iter().for_each(|entry| self.named(entry));
            return;
        }
        for item in field.items() {
            if let Some(condition) = conditions::read(&item, Place::Answer, self.names) {
                self.push(condition);
            }
        }
    }

    fn named(&mut self, entry: &Entry) {
        let field = Field::of(entry, self.field.context);
        if entry.key.trim().is_empty() {
            self.field.context.report(Problem::new(&entry.origin, "the check has no name").help("say what must hold"));
        }
        if let Some(condition) = conditions::read(&field, Place::Answer, self.names) {
            self.checks.push(Check { name: entry.key.clone(), condition });
        }
    }
}

/// One end of a range of sizes, if it is there.
fn size(text: &Text<'_>) -> Option<u64> {
    if text.content.is_empty() {
        return None;
    }
    let size = quantities::number(text, "size", Unit::Bytes, "1MB")?;
    let whole = bytes(size);
    if whole.is_none() {
        text.reject("the size does not fit", None, "write for example `\"..1MB\"`");
    }
    whole
}
