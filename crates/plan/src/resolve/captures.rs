//! `capture = { id = "$.id", csrf = { regex = "csrf=(\\w+)", group = 1 } }`: what is kept of an answer.

use std::ops::Range;

use crate::diagnostics::Problem;
use crate::flow::{Capture, Missing, Source};
use crate::patterns::{JsonPath, Pattern};
use crate::reader::{Field, Reader};
use crate::tree::{Entry, Value};

use super::conditions::PATH_HELP;
use super::holes;

const HELP: &str = "write `\"$.id\"`, `\"header.location\"`, `\"cookie.session\"`, `\"status\"`, `\"body\"`, of a store `\"value\"` or `\"rows\"`, or a table such as `{ regex = \"id=([0-9]+)\", group = 1 }`";

/// Reads all captures of a step; `missing` is what happens unless one says otherwise.
pub(super) fn read(field: &Field<'_>, missing: &Missing) -> Vec<Capture> {
    let reader = field.table("`capture`");
    reader.table.entries.iter().filter_map(|entry| capture(entry, field, missing)).collect()
}

/// `on_missing`, of a step or of a capture.
pub(super) fn on_missing(reader: &Reader<'_>) -> Option<Missing> {
    let words = [("end", false), ("continue", true)];
    let goes_on = reader.optional("on_missing", |field| field.choice(&words))?;
    Some(if goes_on { Missing::Continue } else { Missing::End })
}

fn capture(entry: &Entry, parent: &Field<'_>, missing: &Missing) -> Option<Capture> {
    check_name(entry, parent);
    let field = Field::of(entry, parent.context);
    let (from, missing) = match &field.node.value {
        Value::Text(_) => (word(&field), missing.clone()),
        Value::Table(_) => table(&field, missing),
        _ => {
            field.reject(format!("`{}` does not say where to find it", entry.key), HELP);
            return None;
        }
    };
    Some(Capture { name: entry.key.clone(), from: from?, missing })
}

/// Names that `capture` and `set` give.
pub(super) fn check_name(entry: &Entry, parent: &Field<'_>) {
    if let Some((title, help)) = holes::unfit_name(&entry.key) {
        parent.context.report(Problem::new(&entry.origin, title).help(help));
    }
}

/// A place alone: a word, or a table without `on_missing` and `default`.
pub(super) fn place(field: &Field<'_>) -> Option<Source> {
    match &field.node.value {
        Value::Table(_) => table(field, &Missing::End).0,
        _ => word(field),
    }
}

/// `"$.id"`, `"header.location"`, `"cookie.session"`, `"status"`, `"body"`, `"value"`, `"rows"`.
fn word(field: &Field<'_>) -> Option<Source> {
    let text = super::conditions::shown_text(field, "where to find it")?;
    let word = text.content.as_str();
    match word.split_once('.') {
        _ if word.starts_with('$') => return json(field),
        Some(("header", name)) if is_token(name) => return Some(Source::Header(name.to_ascii_lowercase())),
        Some(("cookie", name)) if is_token(name) => return Some(Source::Cookie(name.to_owned())),
        None if word == "status" => return Some(Source::Status),
        None if word == "body" => return Some(Source::Body),
        None if word == "value" => return Some(Source::Value),
        None if word == "rows" => return Some(Source::Rows),
        _ => text.reject(format!("nothing can be captured from `{word}`"), None, HELP),
    }
    None
}

fn table(field: &Field<'_>, missing: &Missing) -> (Option<Source>, Missing) {
    let reader = field.table("the capture");
    let group = reader.field("group");
    let found = [
        reader.field("json").map(|field| json(&field)),
        reader.field("regex").map(|field| regex(&field, group.as_ref())),
        reader.field("header").map(|field| token(&field).map(|name| Source::Header(name.to_ascii_lowercase()))),
        reader.field("cookie").map(|field| token(&field).map(Source::Cookie)),
        reader.field("from").map(|field| word(&field)),
    ];
    let stated: Vec<Option<Source>> = found.into_iter().flatten().collect();
    match stated.len() {
        0 => reader.reject("the capture does not say where to find it", HELP),
        1 => {}
        _ => reader.reject("the capture says more than one place", "keep one of them"),
    }
    if let (Some(group), None) = (&group, reader.table.get("regex")) {
        group.reject("`group` without `regex`", "leave it out");
    }
    let default = reader.field("default");
    let own = on_missing(&reader);
    if let (Some(_), Some(field)) = (&own, &default) {
        field.reject("a capture with a `default` is never missing", "leave `on_missing` or `default` out");
    }
    reader.finish();
    let default = default.and_then(|field| default_text(&field)).map(Missing::Default);
    (stated.into_iter().next().flatten(), default.or(own).unwrap_or_else(|| missing.clone()))
}

fn default_text(field: &Field<'_>) -> Option<String> {
    match &field.node.value {
        Value::Integer(integer) => Some(integer.to_string()),
        Value::Float(float) => Some(float.to_string()),
        Value::Boolean(boolean) => Some(boolean.to_string()),
        _ => super::conditions::shown_text(field, "text").map(|text| text.content),
    }
}

/// A JSONPath.
pub(super) fn json(field: &Field<'_>) -> Option<Source> {
    let text = super::conditions::shown_text(field, "a JSONPath")?;
    match JsonPath::new(&text.content) {
        Ok(path) => return Some(Source::Json(path)),
        Err(error) => {
            let at = if let crate::patterns::PatternError::JsonPath { at, .. } = &error { *at } else { 0 };
            text.part(rest(&text.content, at)).reject(error.to_string(), None, PATH_HELP);
        }
    }
    None
}

/// From a byte to the end; the last character when the byte is the end.
fn rest(text: &str, at: usize) -> Range<usize> {
    let last = text.char_indices().next_back().map_or(0, |(i, _)| i);
    text.floor_char_boundary(at.min(last))..text.len()
}

fn regex(field: &Field<'_>, group: Option<&Field<'_>>) -> Option<Source> {
    let text = super::conditions::shown_text(field, "a regular expression")?;
    let pattern = match Pattern::new(&text.content) {
        Ok(pattern) => pattern,
        Err(error) => {
            text.reject(
                error.to_string(),
                None,
                "the syntax is that of Rust's regex crate: no look-around, no back-references",
            );
            return None;
        }
    };
    // The first group, if there is one, is what people put the parentheses for.
    let stated = group.map(|field| field.whole::<u16>(0));
    let chosen = stated.unwrap_or(Some(u16::from(pattern.groups() > 0)))?;
    if usize::from(chosen) > pattern.groups() {
        let help = format!("the expression has {} groups; 0 is the whole match", pattern.groups());
        group.unwrap_or(field).reject(format!("there is no group {chosen}"), help);
        return None;
    }
    Some(Source::Regex { pattern, group: chosen })
}

fn token(field: &Field<'_>) -> Option<String> {
    let text = super::conditions::shown_text(field, "a name")?;
    if !is_token(&text.content) {
        text.reject(
            format!("`{}` is no name of a {}", text.content, field.key),
            None,
            "it has no spaces, quotes or commas",
        );
        return None;
    }
    Some(text.content)
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}
