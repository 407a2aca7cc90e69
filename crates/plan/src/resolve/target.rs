//! `[target]`, `[users]` and `[generator]`.

use std::num::NonZeroU32;
use std::time::Duration;

use url::Url;

use crate::model::{ConnectionUse, HealthCheck, HttpVersion, Method, Target, Users};
use crate::reader::{Field, Text};
use crate::template::UserPattern;

use super::names::Names;
use super::{connections, headers, requests, users};

pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(1000).expect("a constant above zero");

/// The methods by the words of steps and of `health`.
pub(super) const METHODS: [(&str, Method); 7] = [
    ("get", Method::Get),
    ("post", Method::Post),
    ("put", Method::Put),
    ("patch", Method::Patch),
    ("delete", Method::Delete),
    ("head", Method::Head),
    ("options", Method::Options),
];

/// Reads `[target]`.
pub(super) fn target(field: &Field<'_>, names: &Names) -> Target {
    let reader = field.table("[target]");
    let url = reader.required("url", "\"http://127.0.0.1:8080\"", base_url).unwrap_or_else(stand_in_url);
    let target = Target {
        health: reader.optional("health", health),
        headers: reader.field("headers").map(|field| headers::read(&field, names)).unwrap_or_default(),
        auth: reader.optional("auth", |field| requests::auth(field, names)),
        timeout: reader.optional("timeout", |field| field.positive_duration("30s")).unwrap_or(TIMEOUT),
        connect_timeout: reader
            .optional("connect_timeout", |field| field.positive_duration("10s"))
            .unwrap_or(CONNECT_TIMEOUT),
        first_byte_timeout: reader.optional("first_byte_timeout", |field| field.positive_duration("5s")),
        connections: reader.optional("connections", Field::positive).unwrap_or(CONNECTIONS),
        http: reader.optional("http", connections::http).unwrap_or(HttpVersion::Auto),
        streams: connections::streams(&reader).unwrap_or(connections::STREAMS),
        tls: connections::tls(&reader, url.scheme() == "https" || url == stand_in_url(), "https://"),
        local_addresses: reader.field("local_addresses").as_ref().map(connections::addresses).unwrap_or_default(),
        url,
    };
    requests::check_auth(&reader, target.auth.as_ref(), &target.headers);
    reader.finish();
    target
}

/// A URL in place of one that could not be read.
pub(super) fn stand_in_url() -> Url {
    Url::parse("http://stand-in.invalid").expect("a constant URL")
}

fn base_url(field: &Field<'_>) -> Option<Url> {
    let text = field.text("the URL of the service")?;
    let url = web_url(&text, "http://127.0.0.1:8080")?;
    if url.query().is_some() || url.fragment().is_some() {
        text.reject("the target's URL has a query or fragment", None, "put the query into the paths of the steps");
    }
    Some(url)
}

/// An `http` or `https` URL without user and password. Its text is never quoted: it may hold a password.
pub(super) fn web_url(text: &Text<'_>, example: &str) -> Option<Url> {
    let url = any_url(text, example)?;
    match url.scheme() {
        "http" | "https" if url.username().is_empty() && url.password().is_none() => return Some(url),
        "http" | "https" => text.reject(
            "user and password in an http URL are not supported",
            None,
            "send them as a header from the environment: `headers = { Authorization = \"Basic ${CREDENTIALS}\" }`",
        ),
        scheme => text.reject(format!("unknown scheme `{scheme}`"), None, format!("write for example `{example}`")),
    }
    None
}

/// A URL with a host.
pub(super) fn any_url(text: &Text<'_>, example: &str) -> Option<Url> {
    let help = format!("write for example `{example}`");
    match Url::parse(&text.content) {
        Ok(url) if url.has_host() && url.host_str().is_some_and(|host| !host.is_empty()) => return Some(url),
        Ok(_) => text.reject("the URL has no host", None, help),
        Err(error) => text.reject(format!("this is not a URL: {error}"), None, help),
    }
    None
}

/// `GET /health`, or only the path.
fn health(field: &Field<'_>) -> Option<HealthCheck> {
    let text = field.text("a method and a path, for example `\"GET /health\"`")?;
    let (word, path) = text.content.split_once(' ').unwrap_or(("GET", &text.content));
    let method = METHODS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, method)| *method);
    let path = path.trim();
    match method {
        None => text.reject(format!("unknown method `{word}`"), None, "write for example `GET /health`"),
        Some(_) if !path.starts_with('/') || !path.chars().all(|c| c.is_ascii_graphic()) => {
            text.reject("the path of the health check does not fit", None, "write for example `GET /health`");
        }
        Some(method) => return Some(HealthCheck { method, path: path.to_owned() }),
    }
    None
}

/// Reads `[users]`.
pub(super) fn users(field: Option<&Field<'_>>) -> Users {
    let default = || UserPattern { prefix: "user-".to_owned(), suffix: String::new() };
    let Some(reader) = field.map(|field| field.table("[users]")) else {
        let (count, connections) = (std::num::NonZeroU64::MIN, ConnectionUse::Pool);
        return Users { count, id: default(), cookies: false, connections, session: None };
    };
    let users = Users {
        count: reader.optional("count", Field::positive).unwrap_or(std::num::NonZeroU64::MIN),
        id: reader.optional("id", user_pattern).unwrap_or_else(default),
        cookies: reader.optional("cookies", Field::boolean).unwrap_or(false),
        connections: reader.optional("connections", users::connections).unwrap_or(ConnectionUse::Pool),
        session: users::session(&reader),
    };
    reader.finish();
    users
}

/// Identities go into URLs, headers and JSON as they are, so they need characters that are plain in all of them.
fn user_pattern(field: &Field<'_>) -> Option<UserPattern> {
    let text = field.text("a pattern, for example `\"user-{n}\"`")?;
    let plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~@:".contains(c));
    match text.content.split_once("{n}") {
        Some((prefix, suffix)) if plain(prefix) && plain(suffix) => {
            return Some(UserPattern { prefix: prefix.to_owned(), suffix: suffix.to_owned() });
        }
        Some(_) => {
            let help = "beside one `{n}`, letters, digits and `-` `_` `.` `~` `@` `:` may stand in it";
            text.reject("the users' pattern has characters that do not fit", None, help);
        }
        None => text.reject("the users' pattern has no `{n}`", None, "write for example `user-{n}`"),
    }
    None
}
