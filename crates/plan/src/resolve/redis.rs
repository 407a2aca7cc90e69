//! `watch.redis`: a URL, a table around one, or a list of these.
//!
//! URLs are taken apart here and not by the URL parser of the web: a cluster's names several hosts, a socket's none.

use std::ops::Range;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use plimsoll_record::metric::{METRICS, Source};

use crate::model::Tls;
use crate::patterns::JsonPath;
use crate::reader::{Field, Reader, Text};
use crate::redis::{FieldPath, HostPort, Login, RedisEndpoint, RedisPlace, RedisServer, RedisSource};
use crate::template::Secret;
use crate::tree::Value;
use crate::words;

use super::connections;
use super::target::{stand_in_url, web_url};

const EXAMPLE: &str = "redis://127.0.0.1:6379";
const ENDPOINT_EXAMPLE: &str = "http://127.0.0.1:8080/redis-info";
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const SCHEMES: &str = "valid are `redis://`, `redis-cluster://`, `redis-sentinel://` (with TLS `rediss://` and so on), \
    `unix:/PATH`, and `http://` or `https://` (an endpoint that answers INFO as JSON)";

/// Fields of INFO beside the sampled ones that an endpoint may give: they tell restarts and changes of role.
const BESIDES: [&str; 2] = ["run_id", "role"];

/// Reads `redis`.
pub(super) fn read(field: &Field<'_>) -> RedisSource {
    if !matches!(field.node.value, Value::List(_)) {
        return one(field);
    }
    let items = field.items();
    let mut sources: Vec<RedisSource> = Vec::new();
    for item in &items {
        let source = one(item);
        if sources.iter().any(|other| other.label() == source.label()) && source != stand_in() {
            let help = "give one of them its own name: `{ url = \"...\", name = \"...\" }`";
            item.reject("two of the servers have the same name or address", help);
        }
        sources.push(source);
    }
    match <[RedisSource; 1]>::try_from(sources) {
        Ok([source]) => source,
        Err(sources) => {
            if sources.is_empty() {
                field.reject("`redis` names no server", format!("write for example `\"{EXAMPLE}\"`"));
            }
            RedisSource::Several(sources)
        }
    }
}

fn stand_in() -> RedisSource {
    let (tls, fields) = (Tls::default(), Vec::new());
    RedisSource::Endpoint(RedisEndpoint { name: None, url: stand_in_url(), tls, fields })
}

fn one(field: &Field<'_>) -> RedisSource {
    let read = match &field.node.value {
        Value::Table(_) => table(&field.table("`redis`")),
        _ => field.text("the URL of Redis").and_then(|text| plain(&text)),
    };
    read.unwrap_or_else(stand_in)
}

/// What a URL alone says.
fn plain(text: &Text<'_>) -> Option<RedisSource> {
    if is_web(&text.content) {
        let url = web_url(text, ENDPOINT_EXAMPLE)?;
        return Some(RedisSource::Endpoint(RedisEndpoint { name: None, url, tls: Tls::default(), fields: Vec::new() }));
    }
    server(text).map(RedisSource::Server)
}

fn table(reader: &Reader<'_>) -> Option<RedisSource> {
    let text = reader.required("url", &format!("\"{EXAMPLE}\""), |field| field.text("the URL of Redis"));
    let source = text.as_ref().and_then(plain);
    let name = reader.optional("name", Field::name);
    let source = match source {
        Some(RedisSource::Endpoint(endpoint)) => {
            let tls = connections::tls(reader, endpoint.url.scheme() == "https", "https://");
            let fields = reader.field("fields").map(|field| fields(&field)).unwrap_or_default();
            Some(RedisSource::Endpoint(RedisEndpoint { name, tls, fields, ..endpoint }))
        }
        Some(RedisSource::Server(server)) => Some(RedisSource::Server(stated(reader, RedisServer { name, ..server }))),
        other => {
            // The words that some kind of source has are no mistakes while its kind is unknown.
            for word in ["user", "password", "sentinel_user", "sentinel_password", "tls", "replicas", "fields"] {
                reader.field(word);
            }
            other
        }
    };
    for entry in reader.rest() {
        reader.unknown(entry);
    }
    source
}

/// What the table around a server's URL adds to it.
fn stated(reader: &Reader<'_>, mut server: RedisServer) -> RedisServer {
    login(reader, "user", "password", &mut server.login);
    if let RedisPlace::Sentinel { login: of_sentinels, .. } = &mut server.place {
        login(reader, "sentinel_user", "sentinel_password", of_sentinels);
    }
    let tls = connections::tls(reader, server.tls.is_some(), "rediss://");
    server.tls = server.tls.map(|_| tls);
    server.replicas = reader.optional("replicas", Field::boolean).unwrap_or(false);
    server
}

fn login(reader: &Reader<'_>, user: &'static str, password: &'static str, login: &mut Login) {
    let text = |key, what| reader.optional(key, |field| field.text(what)).map(|text| text.content);
    if let Some(user) = text(user, "the name of a user of Redis") {
        login.user = Some(user);
    }
    if let Some(word) = text(password, "a password, best from the environment: `\"${REDIS_PASSWORD}\"`") {
        login.password = Some(Secret::new(word));
    }
}

/// Reads `fields`: where in the answer a value stands.
fn fields(field: &Field<'_>) -> Vec<(String, FieldPath)> {
    let reader = field.table("`fields`");
    let sampled = METRICS.iter().filter(|metric| metric.source == Source::Redis).map(|metric| metric.key);
    let known: Vec<&str> = sampled.chain(BESIDES).collect();
    let mut fields = Vec::new();
    for entry in &reader.table.entries {
        let Some(known) = known.iter().find(|name| **name == entry.key) else {
            let near = words::nearest(&entry.key, known.iter().copied());
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("valid here: {}", words::list(known.iter().copied())),
            };
            Field::of(entry, field.context).reject(format!("`{}` is no value of Redis", entry.key), help);
            continue;
        };
        if let Some(path) = path(&Field::of(entry, field.context)) {
            fields.push(((*known).to_owned(), path));
        }
    }
    fields
}

fn path(field: &Field<'_>) -> Option<FieldPath> {
    let text = field.text("the name of a field of the answer, or a JSONPath such as `$.memory.used`")?;
    if !text.content.starts_with('$') {
        return Some(FieldPath::Name(text.content));
    }
    let path = JsonPath::new(&text.content);
    if let Err(error) = &path {
        text.reject(error.to_string(), None, "write for example `$.memory.used`");
    }
    path.ok().map(FieldPath::Path)
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// The parts of a URL. `at` is where the hosts stand in the text.
struct Parts<'t> {
    scheme: &'t str,
    user_info: Option<&'t str>,
    hosts: Range<usize>,
    path: &'t str,
}

fn server(text: &Text<'_>) -> Option<RedisServer> {
    if let Some(path) = socket(&text.content) {
        return Some(RedisServer::at(RedisPlace::Socket(absolute(text, path)?)));
    }
    let parts = parts(text)?;
    let (scheme, encrypted) = without_s(parts.scheme);
    let (place, database) = match scheme {
        "redis" => (RedisPlace::Tcp(single(text, &parts)?), database(text, parts.path)?),
        "redis-cluster" => (RedisPlace::Cluster(hosts(text, &parts, PORT)?), database(text, parts.path)?),
        "redis-sentinel" => (sentinel(text, &parts)?, 0),
        _ => {
            text.reject(format!("unknown scheme `{}`", parts.scheme), None, SCHEMES);
            return None;
        }
    };
    let tls = encrypted.then(Tls::default);
    Some(RedisServer { database, login: login_of(parts.user_info), tls, ..RedisServer::at(place) })
}

fn socket(url: &str) -> Option<&str> {
    let rest = ["redis+unix:", "unix:"].iter().find_map(|scheme| url.strip_prefix(scheme))?;
    Some(rest.strip_prefix("//").unwrap_or(rest))
}

fn absolute(text: &Text<'_>, path: &str) -> Option<PathBuf> {
    let absolute = path.starts_with('/');
    if !absolute {
        text.reject("the path of the socket is not absolute", None, "write for example `unix:/run/redis/redis.sock`");
    }
    absolute.then(|| PathBuf::from(path))
}

/// `redis`, and whether it was `rediss`; Valkey's own schemes mean the same.
fn without_s(scheme: &str) -> (&'static str, bool) {
    match scheme {
        "redis" | "valkey" => ("redis", false),
        "rediss" | "valkeys" => ("redis", true),
        "redis-cluster" | "valkey-cluster" => ("redis-cluster", false),
        "rediss-cluster" | "valkeys-cluster" => ("redis-cluster", true),
        "redis-sentinel" | "valkey-sentinel" => ("redis-sentinel", false),
        "rediss-sentinel" | "valkeys-sentinel" => ("redis-sentinel", true),
        _ => ("", false),
    }
}

fn parts<'t>(text: &'t Text<'_>) -> Option<Parts<'t>> {
    let url = text.content.as_str();
    let help = format!("write for example `{EXAMPLE}`");
    let Some((scheme, rest)) = url.split_once("://") else {
        text.reject("this is not a URL: it has no scheme", None, help);
        return None;
    };
    if rest.contains(['?', '#', ' ']) {
        let help = "what else there is to say goes into a table: `{ url = \"...\", tls = { ca = \"ca.pem\" } }`";
        text.reject("the URL of Redis has a query, a fragment or a space", None, help);
        return None;
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user_info, hosts) = match authority.rsplit_once('@') {
        Some((user_info, hosts)) => (Some(user_info), hosts),
        None => (None, authority),
    };
    let start = scheme.len() + 3 + authority.len() - hosts.len();
    if hosts.is_empty() {
        text.reject("the URL has no host", None, help);
        return None;
    }
    Some(Parts { scheme, user_info, hosts: start..start + hosts.len(), path: path.trim_end_matches('/') })
}

fn single(text: &Text<'_>, parts: &Parts<'_>) -> Option<HostPort> {
    let mut hosts = hosts(text, parts, PORT)?;
    if hosts.len() > 1 {
        let help = "write `redis-cluster://` if they are nodes of a cluster, or a list of URLs if each is its own";
        text.reject("a `redis://` URL names one host", None, help);
        return None;
    }
    hosts.pop()
}

fn hosts(text: &Text<'_>, parts: &Parts<'_>, port: u16) -> Option<Vec<HostPort>> {
    let stated = &text.content[parts.hosts.clone()];
    let hosts: Option<Vec<HostPort>> = stated.split(',').map(|host| HostPort::parse(host, port)).collect();
    if hosts.is_none() {
        text.part(parts.hosts.clone()).reject(
            "this is not a host and its port",
            None,
            "write for example `10.0.0.1:6379`",
        );
    }
    hosts
}

fn sentinel(text: &Text<'_>, parts: &Parts<'_>) -> Option<RedisPlace> {
    let sentinels = hosts(text, parts, SENTINEL_PORT)?;
    if parts.path.is_empty() || parts.path.contains('/') {
        let help = "write for example `redis-sentinel://10.0.0.1:26379/mymaster`";
        text.reject("the URL of sentinels ends with the name of the group", None, help);
        return None;
    }
    Some(RedisPlace::Sentinel { sentinels, service: decoded(parts.path), login: Login::default() })
}

fn database(text: &Text<'_>, path: &str) -> Option<u16> {
    let database = if path.is_empty() { Some(0) } else { path.parse().ok() };
    if database.is_none() {
        text.reject("the path of a Redis URL is the number of a database", None, "write for example `/0`");
    }
    database
}

fn login_of(user_info: Option<&str>) -> Login {
    let Some(user_info) = user_info else { return Login::default() };
    let (user, password) = match user_info.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (user_info, None),
    };
    let user = Some(decoded(user)).filter(|user| !user.is_empty());
    Login { user, password: password.map(|password| Secret::new(decoded(password))) }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
