//! One operation of an OpenAPI document as a step.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::openapi::Operation;
use super::schema::Schemas;
use crate::document::Document;
use crate::draft::{Draft, Line, Step};
use crate::toml_text::{escape, quote, raw, table};

/// All but the unreserved characters of RFC 3986, section 2.3.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Headers that are described elsewhere in the document, and those a plan may not set.
const OTHERWISE_STATED: [&str; 5] = ["accept", "content-type", "authorization", "content-length", "connection"];

/// Who asks: credentials as TOML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Security {
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    auth: Option<String>,
}

impl Security {
    /// A target has no query: then it stays in the steps.
    pub(super) fn has_query(&self) -> bool {
        !self.query.is_empty()
    }

    /// For the target.
    pub(super) fn lines(&self) -> Vec<Line> {
        let auth = self.auth.iter().map(|auth| Line::new("auth", auth.clone()));
        let headers = (!self.headers.is_empty()).then(|| Line::new("headers", table(self.headers.clone())));
        auth.chain(headers).collect()
    }
}

/// The first way in that a plan knows.
pub(super) fn security(operation: &Operation<'_>, schemas: &Schemas<'_>, draft: &mut Draft) -> Security {
    let stated = operation.own.get("security");
    let stated = if stated.is_null() { schemas.document.get("security") } else { stated };
    let mut found = Security::default();
    let first = stated.items().first().map(Document::entries).unwrap_or_default();
    for (name, _) in first {
        let scheme = schemas.resolve(schemas.document.at(&["components", "securitySchemes", name]));
        add_scheme(&mut found, name, scheme, draft);
    }
    found
}

fn add_scheme(found: &mut Security, name: &str, scheme: &Document, draft: &mut Draft) {
    let text = |key: &str| scheme.get(key).text().unwrap_or_default();
    match (text("type"), text("in"), text("scheme").to_ascii_lowercase().as_str()) {
        ("apiKey", place, _) => {
            let key = draft.variable("API_KEY", &format!("the API key `{}`", text("name")));
            match place {
                "query" => found.query.push((text("name").to_owned(), raw(&key))),
                "cookie" => found.headers.push(("cookie".to_owned(), raw(&format!("{}={key}", escape(text("name")))))),
                _ => found.headers.push((text("name").to_owned(), raw(&key))),
            }
        }
        ("http", _, "basic") => {
            let user = draft.variable("API_USER", &format!("the user of `{name}`"));
            let password = draft.variable("API_PASSWORD", &format!("the password of `{name}`"));
            found.auth = Some(format!("{{ basic = {{ user = {}, password = {} }} }}", raw(&user), raw(&password)));
        }
        ("http", _, "bearer") | ("oauth2" | "openIdConnect", _, _) => {
            let token = draft.variable("BEARER_TOKEN", &format!("a token of `{name}`"));
            found.auth = Some(format!("{{ bearer = {} }}", raw(&token)));
        }
        (kind, _, _) => draft.leave_out(format!("the credentials `{name}` ({kind})")),
    }
}

/// The step; `None` when its body is of a kind that a plan does not know. `security` unless the target has it.
pub(super) fn step(
    operation: &Operation<'_>,
    name: &str,
    security: Option<&Security>,
    schemas: &Schemas<'_>,
    draft: &mut Draft,
) -> Option<Step> {
    let body = body(operation, name, schemas, draft)?;
    let parameters = parameters(operation, schemas);
    let mut step = Step::default();
    step.comments.extend(operation.own.get("summary").text().map(str::to_owned));
    if operation.own.get("deprecated") == &Document::Boolean(true) {
        step.comments.push("Deprecated.".to_owned());
    }
    let optional: Vec<&str> = parameters.iter().filter(|one| !one.sent).map(|one| one.name).collect();
    if !optional.is_empty() {
        step.comments.push(format!("Optional and not sent: {}.", optional.join(", ")));
    }
    step.push("name", raw(name));
    step.push(operation.method, raw(&path(operation.path, &parameters)));
    let sent = |place: &str| {
        let here = parameters.iter().filter(|one| one.sent && one.place == place);
        here.map(|one| (one.name.to_owned(), quote(&one.value))).collect::<Vec<_>>()
    };
    let (mut query, mut headers) = (sent("query"), sent("header"));
    headers.retain(|(name, _)| !OTHERWISE_STATED.contains(&name.to_ascii_lowercase().as_str()));
    if let Some(security) = security {
        query.extend(security.query.iter().cloned());
        headers.extend(security.headers.iter().cloned());
        step.entries.extend(security.auth.iter().map(|auth| ("auth".to_owned(), auth.clone())));
    }
    for (key, entries) in [("query", query), ("headers", headers)] {
        if !entries.is_empty() {
            step.push(key, table(entries));
        }
    }
    step.entries.extend(body.map(|(key, value)| (key.to_owned(), value)));
    step.entries.extend(expect(operation).map(|expect| ("expect".to_owned(), expect)));
    Some(step)
}

/// A parameter with a value for it.
struct Parameter<'a> {
    name: &'a str,
    place: &'a str,
    value: String,
    sent: bool,
}

/// Those of the operation go before those of its path.
fn parameters<'a>(operation: &Operation<'a>, schemas: &Schemas<'a>) -> Vec<Parameter<'a>> {
    let mut list: Vec<Parameter<'a>> = Vec::new();
    for stated in [operation.own, operation.shared] {
        for parameter in stated.get("parameters").items() {
            let parameter = schemas.resolve(parameter);
            let text = |key: &str| parameter.get(key).text().unwrap_or_default();
            let (name, place) = (text("name"), text("in"));
            if name.is_empty() || list.iter().any(|known| known.name == name && known.place == place) {
                continue;
            }
            let value = schemas.example_of(parameter);
            let required = place == "path" || parameter.get("required") == &Document::Boolean(true);
            let value = if let Document::List(items) = &value { items.first().cloned() } else { Some(value) };
            let value = value.and_then(|value| value.scalar()).unwrap_or_else(|| "1".to_owned());
            list.push(Parameter { name, place, value, sent: required && place != "cookie" });
        }
    }
    list
}

/// The path with its values in it; one that is not described is 1.
fn path(pattern: &str, parameters: &[Parameter<'_>]) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        let described = parameters.iter().find(|one| one.name == name && one.place == "path");
        let value = described.map_or("1", |one| one.value.as_str());
        out.push_str(&escape(before));
        out.push_str(&utf8_percent_encode(value, IN_PATH).to_string());
        rest = behind;
    }
    out + &escape(rest)
}

/// The body as key and TOML value, `Some(None)` without one.
#[expect(clippy::option_option, reason = "no body, and a body that cannot be sent, are two things")]
fn body(
    operation: &Operation<'_>,
    name: &str,
    schemas: &Schemas<'_>,
    draft: &mut Draft,
) -> Option<Option<(&'static str, String)>> {
    let content = schemas.resolve(operation.own.get("requestBody")).get("content").entries();
    let Some((first, _)) = content.first() else { return Some(None) };
    let essence = |kind: &str| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let of = |wanted: fn(&str) -> bool| content.iter().find(|(kind, _)| wanted(&essence(kind)));
    if let Some((_, media)) = of(|kind| kind.ends_with("json") || kind == "*/*") {
        return Some(Some(schemas.example_of(media).body(&escape)));
    }
    if let Some((_, media)) = of(|kind| kind == "application/x-www-form-urlencoded") {
        let example = schemas.example_of(media);
        let field = |(name, value): &(String, Document)| Some((name.clone(), quote(&value.scalar()?)));
        return Some(Some(("form", table(example.entries().iter().filter_map(field)))));
    }
    if let Some((_, media)) = of(|kind| kind.starts_with("text/")) {
        return Some(Some(("body", quote(&schemas.example_of(media).scalar().unwrap_or_default()))));
    }
    draft.leave_out(format!("`{name}`: a body of {first}; write it with `multipart` or `body_file`"));
    None
}

/// The successful answers it documents, and the rate-limited one.
fn expect(operation: &Operation<'_>) -> Option<String> {
    let codes: Vec<&str> = operation.own.get("responses").entries().iter().map(|(code, _)| code.as_str()).collect();
    let good = codes.iter().filter(|code| code.starts_with(['2', '3']) && code.len() == 3);
    let mut good: Vec<String> = good
        .filter_map(|code| match code.parse::<u16>() {
            Ok(code) => Some(code.to_string()),
            Err(_) if code[1..].eq_ignore_ascii_case("xx") => Some(raw(&code.to_ascii_lowercase())),
            Err(_) => None,
        })
        .collect();
    let limited = codes.contains(&"429");
    if good.is_empty() && !limited {
        return None;
    }
    if good.is_empty() {
        good = vec![raw("2xx"), raw("3xx")];
    }
    if limited {
        good.push("429".to_owned());
    }
    let status = if let [one] = good.as_slice() { one.clone() } else { format!("[{}]", good.join(", ")) };
    Some(format!("{{ status = {status}{} }}", if limited { ", limited = 429" } else { "" }))
}
