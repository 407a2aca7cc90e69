//! Flows, steps and data as TOML: steps of a flow as tables of their own, what is inside them as inline tables.

use serde_json::Value as Json;

use super::phases::think_time;
use super::{Lines, headers, key, list, method, quote, quoted_duration, template};
use crate::condition::{Condition, show_bytes, status_words};
use crate::data::{AtEnd, Attachment, DataSet, DataSource, FileFact, Take};
use crate::flow::{
    Action, Auth, Body, Capture, Check, Choice, Expect, Flow, FormContent, FormPart, Missing, Poll, Request, Source,
    Step, Times,
};
use crate::integrity::Touch;

/// Keys and values, in order.
type Entries = Vec<(&'static str, String)>;

impl Lines {
    pub(super) fn flow(&mut self, flow: &Flow) {
        self.table(&format!("[flows.{}]", key(&flow.name)));
        self.line("weight", &format!("{:?}", flow.weight));
        if let Some(pacing) = flow.pacing {
            self.line("pacing", &quoted_duration(pacing));
        }
        self.line("headers", &headers(&flow.headers));
        self.steps(&format!("flows.{}", key(&flow.name)), &flow.steps);
    }

    pub(super) fn once(&mut self, name: &str, steps: &[Step]) {
        if !steps.is_empty() {
            self.steps(name, steps);
        }
    }

    fn steps(&mut self, parent: &str, steps: &[Step]) {
        for step in steps {
            self.table(&format!("[[{parent}.steps]]"));
            self.entries(&self::step(step));
        }
    }

    fn entries(&mut self, entries: &Entries) {
        entries.iter().for_each(|(key, value)| self.line(key, value));
    }

    pub(super) fn data(&mut self, set: &DataSet) {
        self.table(&format!("[data.{}]", key(&set.name)));
        match &set.source {
            DataSource::File { file: fact, count, .. } => {
                let [path, bytes, sha256] = file(fact);
                self.line("file", &path.1);
                self.entries(&vec![bytes, sha256]);
                self.line("columns", &list(set.columns.iter().map(|column| quote(column))));
                self.line("count", &count.to_string());
            }
            DataSource::Plan(rows) => {
                let row = |row: &[Json]| {
                    let entries = set.columns.iter().zip(row).map(|(column, value)| (key(column), json(value)));
                    table(entries)
                };
                self.line("rows", &list(rows.iter().map(row)));
            }
        }
        let (take, at_end) = match set.take {
            Take::InOrder(end) => ("in_order", Some(end)),
            Take::Random => ("random", None),
            Take::Unique(end) => ("unique", Some(end)),
        };
        self.line("take", &quote(take));
        let word = |end| if end == AtEnd::Wrap { "wrap" } else { "stop" };
        at_end.into_iter().for_each(|end| self.line("at_end", &quote(word(end))));
    }
}

/// An inline table.
fn table(entries: impl Iterator<Item = (String, String)>) -> String {
    let entries: Vec<String> = entries.map(|(key, value)| format!("{key} = {value}")).collect();
    if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
}

pub(super) fn inline(entries: Entries) -> String {
    table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)))
}

fn steps(steps: &[Step]) -> String {
    list(steps.iter().map(|one| inline(step(one))))
}

fn step(step: &Step) -> Entries {
    let mut entries: Entries = step.when.iter().map(|when| ("when", condition(when))).collect();
    match &step.action {
        Action::Request(one) => request(one, &mut entries),
        Action::Think(think) => entries.push(("think", quote(&think_time(*think)))),
        Action::Set(values) => entries.push(("set", headers(values))),
        Action::Repeat { times: Times { min, max }, steps: inside } => {
            let times = if *min == max.get() { max.to_string() } else { quote(&format!("{min}..{max}")) };
            entries.extend([("repeat", times), ("steps", steps(inside))]);
        }
        Action::While { condition: holds, limit, steps: inside } => {
            entries.extend([("while", condition(holds)), ("limit", limit.to_string()), ("steps", steps(inside))]);
        }
        Action::Copies { count, steps: inside } => {
            entries.extend([("parallel", count.to_string()), ("steps", steps(inside))]);
        }
        Action::Branches(branches) => entries.push(("parallel", list(branches.iter().map(|branch| steps(branch))))),
        Action::Choose(choices) => entries.push(("choose", list(choices.iter().map(choice)))),
    }
    entries
}

fn choice(choice: &Choice) -> String {
    inline(vec![("weight", format!("{:?}", choice.weight)), ("steps", steps(&choice.steps))])
}

fn request(request: &Request, entries: &mut Entries) {
    entries.push(("name", quote(&request.name)));
    match &request.store {
        Some(call) => entries.extend(super::stores::call(call)),
        None => sending(request, entries),
    }
    entries.extend(request.integrity.iter().map(|(touch, set)| match touch {
        Touch::Writes => ("writes", quote(set)),
        Touch::Reads => ("reads", quote(set)),
    }));
    entries.extend(request.timeout.map(|timeout| ("timeout", quoted_duration(timeout))));
    if request.store.is_none() {
        entries.push(("redirects", request.redirects.to_string()));
    }
    entries.extend(request.slow.map(|slow| ("slow", quoted_duration(slow))));
    entries.push(("expect", expect(&request.expect)));
    if !request.expect.soft.is_empty() {
        entries.push(("soft", inline(vec![("that", checks(&request.expect.soft))])));
    }
    if !request.captures.is_empty() {
        entries.push(("capture", table(request.captures.iter().map(|one| (key(&one.name), capture(one))))));
    }
    entries.extend(request.poll.iter().map(|value| ("poll", poll(value))));
}

/// What is sent to the target.
fn sending(request: &Request, entries: &mut Entries) {
    entries.push((method(request.method), template(&request.path)));
    entries.push(("headers", headers(&request.headers)));
    entries.extend(request.auth.iter().map(|value| ("auth", auth(value))));
    entries.extend(request.body.iter().map(body));
}

/// A condition as text that is read back as it is.
fn condition(condition: &Condition) -> String {
    quote(&condition.to_string())
}

pub(super) fn auth(auth: &Auth) -> String {
    match auth {
        Auth::None => quote("none"),
        Auth::Bearer(token) => inline(vec![("bearer", template(token))]),
        Auth::Basic { user, password } => {
            let basic = inline(vec![("user", template(user)), ("password", template(password))]);
            inline(vec![("basic", basic)])
        }
    }
}

fn body(body: &Body) -> (&'static str, String) {
    match body {
        Body::Json(text) => ("json_text", template(text)),
        Body::Text(text) => ("body", template(text)),
        Body::Form(fields) => ("form", headers(fields)),
        Body::Multipart(parts) => ("multipart", list(parts.iter().map(part))),
        Body::File(file) => ("body_file", attachment(file)),
    }
}

fn part(part: &FormPart) -> String {
    let mut entries = vec![("name", quote(&part.name))];
    match &part.content {
        FormContent::Value(value) => entries.push(("value", template(value))),
        FormContent::File { attachment: file, filename } => {
            entries.extend([("file", attachment(file)), ("filename", quote(filename))]);
        }
    }
    entries.extend(part.content_type.iter().map(|kind| ("type", quote(kind))));
    inline(entries)
}

pub(super) fn attachment(attachment: &Attachment) -> String {
    inline(file(&attachment.file).to_vec())
}

fn file(fact: &FileFact) -> [(&'static str, String); 3] {
    [("path", quote(&fact.path)), ("bytes", fact.bytes.to_string()), ("sha256", quote(&fact.sha256))]
}

fn expect(expect: &Expect) -> String {
    let mut fields = Vec::new();
    if !expect.status.is_empty() {
        fields.push(("status", statuses(&expect.status)));
    }
    match &expect.limited[..] {
        [] => {}
        [one] => fields.push(("limited", one.to_string())),
        several => fields.push(("limited", statuses(several))),
    }
    if !expect.checks.is_empty() {
        fields.push(("that", checks(&expect.checks)));
    }
    inline(fields)
}

fn statuses(codes: &[u16]) -> String {
    let word = |word: String| if word.ends_with('x') { quote(&word) } else { word };
    list(status_words(codes).into_iter().map(word))
}

/// Each with its name: the name is what it is counted by.
fn checks(checks: &[Check]) -> String {
    table(checks.iter().map(|check| (key(&check.name), condition(&check.condition))))
}

fn capture(capture: &Capture) -> String {
    let mut entries = place(&capture.from);
    entries.push(match &capture.missing {
        Missing::End => ("on_missing", quote("end")),
        Missing::Continue => ("on_missing", quote("continue")),
        Missing::Default(text) => ("default", quote(text)),
    });
    inline(entries)
}

/// Where something is found.
pub(super) fn place(source: &Source) -> Entries {
    match source {
        Source::Json(path) => vec![("json", quote(path.as_str()))],
        Source::Regex { pattern, group } => vec![("regex", quote(pattern.as_str())), ("group", group.to_string())],
        Source::Header(name) => vec![("header", quote(name))],
        Source::Cookie(name) => vec![("cookie", quote(name))],
        Source::Status => vec![("from", quote("status"))],
        Source::Body => vec![("from", quote("body"))],
        Source::Value => vec![("from", quote("value"))],
        Source::Rows => vec![("from", quote("rows"))],
    }
}

fn poll(poll: &Poll) -> String {
    let Poll { until, every, timeout } = poll;
    inline(vec![
        ("until", condition(until)),
        ("every", quoted_duration(*every)),
        ("timeout", quoted_duration(*timeout)),
    ])
}

/// A value of a row. TOML has no null; rows of a plan have none.
fn json(value: &Json) -> String {
    match value {
        Json::String(text) => quote(text),
        Json::Array(items) => list(items.iter().map(json)),
        Json::Object(entries) => table(entries.iter().map(|(name, value)| (key(name), json(value)))),
        Json::Number(number) if number.is_f64() => format!("{:?}", number.as_f64().unwrap_or_default()),
        Json::Null | Json::Bool(_) | Json::Number(_) => value.to_string(),
    }
}

/// The most bytes that are kept of a body.
pub(super) fn cap(bytes: u32) -> String {
    quote(&show_bytes(u64::from(bytes)))
}
