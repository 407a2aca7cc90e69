//! Request steps: method and path, headers, credentials, and what is made of the answer.

use std::time::Duration;

use crate::flow::{Auth, Body, Missing, Poll, Request};
use crate::model::Method;
use crate::reader::{Field, Reader};
use crate::store::Call;
use crate::template::{Part, Template};
use crate::tree::Value;
use crate::words;

use super::conditions::{self, Place as Site};
use super::flows::Place;
use super::names::Names;
use super::target::METHODS;
use super::{bodies, calls, captures, checks, headers, integrity, templates};

const EVERY: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);
const MOST_REDIRECTS: u8 = 20;

/// Reads a request; `names` gets what it captures.
pub(super) fn read(reader: &Reader<'_>, place: &Place<'_>, names: &mut Names) -> Request {
    let name = name(reader, place);
    let integrity = integrity::touch(reader, names.sets());
    let own = names.touching(integrity.as_ref().map(|(touch, _)| *touch));
    let Sending { method, path, headers, auth, body, redirects, store } = sending(reader, place, &own);
    let timeout = reader.optional("timeout", |field| field.positive_duration("30s"));
    let slow = reader.optional("slow", |field| field.positive_duration("3s"));
    let expect = checks::read(reader, &own);
    let missing = captures::on_missing(reader);
    let capture = reader.field("capture");
    if let (Some(_), None) = (&missing, &capture) {
        reader.reject("`on_missing` without `capture`", "leave it out, or add `capture = { id = \"$.id\" }`");
    }
    let captures = capture.map(|field| captures::read(&field, &missing.unwrap_or(Missing::End))).unwrap_or_default();
    // Also those that could not be read: their users are not reported too.
    let stated = reader.table.get("capture").and_then(|entry| entry.node.value.as_table());
    stated.into_iter().flat_map(|table| &table.entries).for_each(|entry| names.add(&entry.key));
    let poll = reader.optional("poll", |field| poll(field, names));
    let store = store.map(Box::new);
    let request = Request {
        store,
        name,
        method,
        path,
        headers,
        auth,
        body,
        timeout,
        redirects,
        slow,
        expect,
        captures,
        poll,
        integrity,
    };
    // Without its store, which was reported, nothing can be said of its expectations.
    if request.store.is_some() || !calls::asks_a_store(reader) {
        calls::check_expectations(reader, &request);
    }
    request
}

/// What is sent.
struct Sending {
    method: Method,
    path: Template,
    headers: Vec<(String, Template)>,
    auth: Option<Auth>,
    body: Option<Body>,
    redirects: u8,
    store: Option<Call>,
}

fn sending(reader: &Reader<'_>, place: &Place<'_>, names: &Names) -> Sending {
    if calls::asks_a_store(reader) {
        let (method, path, store) = calls::read(reader, names);
        return Sending { method, path, headers: Vec::new(), auth: None, body: None, redirects: 0, store };
    }
    let (method, path) = method_and_path(reader, names);
    let mut headers = reader.field("headers").map(|field| headers::read(&field, names)).unwrap_or_default();
    let auth = reader.optional("auth", |field| auth(field, names));
    check_auth(reader, auth.as_ref(), &headers);
    let body = bodies::read(reader, &mut headers, &place.headers, names);
    let redirects = reader.optional("redirects", redirects).unwrap_or(0);
    Sending { method, path, headers, auth, body, redirects, store: None }
}

fn name(reader: &Reader<'_>, place: &Place<'_>) -> String {
    let name = reader.required("name", "\"check\"", Field::name).unwrap_or_default();
    let mut requests = place.requests.borrow_mut();
    if requests.contains(&name) && !name.is_empty() {
        reader.reject(format!("two steps of {} are named `{name}`", place.what), "give each its own name");
    }
    requests.push(name.clone());
    name
}

/// The one field named like a method, and the query.
fn method_and_path(reader: &Reader<'_>, names: &Names) -> (Method, Template) {
    let mut requests = Vec::new();
    for (word, method) in METHODS {
        if let Some(field) = reader.field(word) {
            requests.push((method, templates::path(&field, names)));
        }
    }
    let help = || format!("a step has one of {}", words::list(METHODS.iter().map(|(word, _)| *word)));
    match requests.len() {
        0 => {
            let others = "one of `redis`, `sql` and the like for a store, or one of `think`, `set`, `repeat`, `while`, `parallel`, `choose`";
            reader.reject("the step makes no request", format!("{}, for example `get = \"/\"`, {others}", help()));
        }
        1 => {}
        _ => reader.reject("the step makes several requests", help()),
    }
    let (method, path) = requests.into_iter().next().unwrap_or((Method::Get, Template::literal("/")));
    let query = reader.field("query");
    (method, query.map_or_else(|| path.clone(), |field| templates::query(path.clone(), &field, names)))
}

fn redirects(field: &Field<'_>) -> Option<u8> {
    let most = field.whole(0)?;
    if most > MOST_REDIRECTS {
        field.reject(format!("{most} redirects are too many"), format!("at most {MOST_REDIRECTS}; 0 follows none"));
    }
    Some(most)
}

/// `{ basic = { user = "..", password = "${PW}" } }`, `{ bearer = "${TOKEN}" }` or `"none"`.
pub(super) fn auth(field: &Field<'_>, names: &Names) -> Option<Auth> {
    const HELP: &str =
        "write `{ bearer = \"${TOKEN}\" }`, `{ basic = { user = \"ann\", password = \"${PASSWORD}\" } }` or `\"none\"`";
    if let Value::Text(_) = field.node.value {
        let text = field.text("credentials")?;
        if text.content == "none" {
            return Some(Auth::None);
        }
        text.reject("these are no credentials", None, HELP);
        return None;
    }
    let reader = field.table("`auth`");
    let bearer = reader.field("bearer").map(|field| Auth::Bearer(templates::header(&field, names)));
    let basic = reader.field("basic").map(|field| basic(&field, names));
    match (&bearer, &basic) {
        (None, None) => reader.reject("`auth` has no credentials", HELP),
        (Some(_), Some(_)) => reader.reject("`auth` has both `basic` and `bearer`", "keep one of them"),
        _ => {}
    }
    reader.finish();
    bearer.or(basic)
}

fn basic(field: &Field<'_>, names: &Names) -> Auth {
    let reader = field.table("`basic`");
    let text = |field: &Field<'_>| Some(templates::text(field, names));
    let user = reader.required("user", "\"ann\"", text).unwrap_or_default();
    let password = reader.required("password", "\"${PASSWORD}\"", text).unwrap_or_default();
    let with_colon = user.parts.iter().any(|part| match part {
        Part::Literal(text) => text.contains(':'),
        Part::Environment { value, .. } => value.reveal().contains(':'),
        Part::Hole(..) => false,
    });
    if with_colon {
        reader.reject("the user's name holds a colon", "basic credentials end it there (RFC 7617): use another name");
    }
    reader.finish();
    Auth::Basic { user, password }
}

/// Credentials become the header of this name.
pub(super) fn check_auth(reader: &Reader<'_>, auth: Option<&Auth>, headers: &[(String, Template)]) {
    let header = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    if header && auth.is_some_and(|auth| *auth != Auth::None) {
        reader.reject("there are both `auth` and the header `authorization`", "keep one of them");
    }
}

fn poll(field: &Field<'_>, names: &Names) -> Option<Poll> {
    let reader = field.table("`poll`");
    let until = reader.required("until", "\"$.state == 'done'\"", |field| conditions::read(field, Site::Answer, names));
    let every = reader.optional("every", |field| field.duration(Duration::ZERO, "500ms")).unwrap_or(EVERY);
    let timeout = reader.optional("timeout", |field| field.positive_duration("3m")).unwrap_or(PATIENCE);
    if every >= timeout && reader.table.get("every").is_some() {
        reader.reject("a second try would come after the poll's `timeout`", "make `every` shorter or `timeout` longer");
    }
    reader.finish();
    Some(Poll { until: until?, every, timeout })
}
