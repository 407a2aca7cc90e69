//! One request of a HAR file as a step: path, headers that matter, body, the status that was seen.

use std::collections::BTreeSet;

use url::{Position, form_urlencoded};

use super::har::Recorded;
use super::secrets::{is_secret, take_out, variable};
use crate::document::Document;
use crate::draft::{Draft, Step};
use crate::toml_text::{escape, quote, raw, table};

/// Methods a plan knows.
pub(super) const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
/// Headers that the client sets itself, that only mean something to a browser, or that ask for "only if changed".
const DROPPED: [&str; 19] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "keep-alive",
    "upgrade",
    "trailer",
    "expect",
    "cookie",
    "referer",
    "dnt",
    "pragma",
    "cache-control",
    "priority",
    "upgrade-insecure-requests",
    "if-none-match",
    "if-modified-since",
    "content-type",
];
const DROPPED_KINDS: [&str; 3] = ["sec-", "proxy-", ":"];

/// Which cookies the service gave so far.
#[derive(Default)]
pub(super) struct Jar {
    given: BTreeSet<String>,
    used: bool,
}

impl Jar {
    /// Whether a cookie that was given was sent back.
    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// The header for cookies that came from before the recording.
    fn header(&mut self, one: &Recorded<'_>, draft: &mut Draft) -> Option<(String, String)> {
        let headers = one.request.get("headers").items().iter();
        let sent = headers.filter(|header| is_named(header, "cookie")).filter_map(|header| header.get("value").text());
        let names: Vec<&str> =
            sent.flat_map(|text| text.split(';')).filter_map(|pair| pair.split('=').next()).map(str::trim).collect();
        self.used |= names.iter().any(|name| self.given.contains(*name));
        let foreign = names.iter().any(|name| !self.given.contains(*name));
        foreign.then(|| {
            let value = draft.variable("COOKIE", "the header `cookie` of a browser that is logged in");
            ("cookie".to_owned(), raw(&value))
        })
    }

    /// Takes what an answer gives.
    fn take(&mut self, one: &Recorded<'_>) {
        let headers = one.response.get("headers").items().iter();
        let set =
            headers.filter(|header| is_named(header, "set-cookie")).filter_map(|header| header.get("value").text());
        // Some browsers join several with line breaks.
        let names = set.flat_map(str::lines).filter_map(|line| line.split('=').next());
        self.given.extend(names.map(|name| name.trim().to_owned()));
    }
}

fn is_named(header: &Document, name: &str) -> bool {
    header.get("name").text().is_some_and(|other| other.eq_ignore_ascii_case(name))
}

/// Headers that are the same in all requests, as keys and TOML values: they belong to the target.
pub(super) fn shared_headers(kept: &[Recorded<'_>]) -> Vec<(String, String)> {
    let Some((first, rest)) = kept.split_first() else { return Vec::new() };
    let everywhere = |header: &(String, String)| rest.iter().all(|one| sent_headers(one).contains(header));
    let plain = sent_headers(first).into_iter().filter(|(name, _)| !is_secret(name)).filter(everywhere);
    plain.map(|(name, value)| (name, quote(&value))).collect()
}

/// The headers worth sending, without cookies.
fn sent_headers(one: &Recorded<'_>) -> Vec<(String, String)> {
    let mut list: Vec<(String, String)> = Vec::new();
    for header in one.request.get("headers").items() {
        let (Some(name), Some(value)) = (header.get("name").text(), header.get("value").text()) else { continue };
        let name = name.to_ascii_lowercase();
        let dropped = DROPPED.contains(&name.as_str()) || DROPPED_KINDS.iter().any(|kind| name.starts_with(kind));
        let sound = value.chars().all(|c| matches!(c, ' '..='~')) && !list.iter().any(|(known, _)| *known == name);
        if dropped || !sound {
            continue;
        }
        // What is asked for must be what can be read, should a check look into the body.
        let value = if name == "accept-encoding" { "gzip" } else { value };
        list.push((name, value.to_owned()));
    }
    list
}

/// The step; `None` when its body cannot be sent.
pub(super) fn step(
    one: &Recorded<'_>,
    name: &str,
    shared: &[(String, String)],
    jar: &mut Jar,
    draft: &mut Draft,
) -> Option<Step> {
    let mut headers = own_headers(one, shared, draft);
    headers.extend(jar.header(one, draft));
    jar.take(one);
    let mut step = Step::default();
    step.push("name", raw(name));
    let method = one.request.get("method").text().unwrap_or("GET").to_ascii_lowercase();
    step.push(&method, raw(&path(one, draft)));
    let body = body(one, &mut headers, draft, name)?;
    if !headers.is_empty() {
        step.push("headers", table(headers));
    }
    step.entries.extend(body.map(|(key, value)| (key.to_owned(), value)));
    // Without its "only if changed", a request gets the whole answer.
    let status = if one.status() == 304 { 200 } else { one.status() };
    step.push("expect", format!("{{ status = {status} }}"));
    Some(step)
}

fn own_headers(one: &Recorded<'_>, shared: &[(String, String)], draft: &mut Draft) -> Vec<(String, String)> {
    let all = sent_headers(one).into_iter().filter(|(name, _)| !shared.iter().any(|(known, _)| known == name));
    let spelled = all.map(|(name, value)| {
        let value = if is_secret(&name) { raw(&variable(&name, "the header", draft)) } else { quote(&value) };
        (name, value)
    });
    spelled.collect()
}

/// Path and query as recorded, secrets apart.
fn path(one: &Recorded<'_>, draft: &mut Draft) -> String {
    let mut out = escape(&one.url[Position::BeforePath..Position::AfterPath]);
    let pairs = one.url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    for (n, pair) in pairs.enumerate() {
        out.push(if n == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, value)) if is_secret(name) && !value.is_empty() => {
                out.push_str(&format!("{}={}", escape(name), variable(name, "the query's", draft)));
            }
            _ => out.push_str(&escape(pair)),
        }
    }
    out
}

/// The body as key and TOML value, `Some(None)` without one, `None` when it is not in the recording.
#[expect(clippy::option_option, reason = "no body, and a body that cannot be sent, are two things")]
fn body(
    one: &Recorded<'_>,
    headers: &mut Vec<(String, String)>,
    draft: &mut Draft,
    name: &str,
) -> Option<Option<(&'static str, String)>> {
    let data = one.request.get("postData");
    let kind = data.get("mimeType").text().unwrap_or_default();
    let text = data.get("text").text().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "multipart/form-data" || data.get("encoding").text() == Some("base64") {
        draft.leave_out(format!("`{name}`: a recording does not hold the files it sent; write it with `multipart`"));
        return None;
    }
    if text.is_empty() && data.get("params").items().is_empty() {
        return Some(None);
    }
    if essence.ends_with("json")
        && let Ok(mut json) = Document::json(text)
    {
        take_out(&mut json, draft);
        if essence != "application/json" {
            headers.push(("content-type".to_owned(), quote(kind)));
        }
        return Some(Some(json.body(&escape)));
    }
    if essence == "application/x-www-form-urlencoded"
        && let Some(form) = form(data, text, draft)
    {
        return Some(Some(("form", form)));
    }
    if !kind.is_empty() {
        headers.push(("content-type".to_owned(), quote(kind)));
    }
    Some(Some(("body", quote(text))))
}

/// A form whose fields all have names of their own.
fn form(data: &Document, text: &str, draft: &mut Draft) -> Option<String> {
    let stated = data.get("params").items().iter();
    let mut fields: Vec<(String, String)> = if text.is_empty() {
        let value = |param: &Document, key: &str| param.get(key).text().unwrap_or_default().to_owned();
        stated.map(|param| (value(param, "name"), value(param, "value"))).collect()
    } else {
        form_urlencoded::parse(text.as_bytes()).into_owned().collect()
    };
    let names: BTreeSet<&String> = fields.iter().map(|(name, _)| name).collect();
    if names.len() < fields.len() {
        return None;
    }
    for (name, value) in &mut fields {
        *value = if is_secret(name) { raw(&variable(name, "the field", draft)) } else { quote(value) };
    }
    Some(table(fields))
}
