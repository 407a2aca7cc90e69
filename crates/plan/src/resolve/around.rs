//! `[watch]`: PostgreSQL, the connection pool, process, containers, endpoints.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::model::Tls;
use crate::reader::{Field, Reader, Text};
use crate::template::Secret;
use crate::tree::Value;
use crate::watch::{
    ContainerPlace, ContainerWatch, MetricPath, PoolEndpoint, PoolSource, PostgresSource, ProbeWatch, ProcessWatch,
};

use super::connections;
use super::target::{stand_in_url, web_url};

const POSTGRES_EXAMPLE: &str = "postgresql://user@127.0.0.1:5432/database";
/// As in libpq, without the two that leave the choice to chance.
const SSL_MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];
const POSTGRES_OPTIONS: [&str; 3] = ["host", "sslmode", "sslrootcert"];
const PROBE_EXAMPLE: &str = "http://127.0.0.1:8080/health";

/// Reads `postgres`.
pub(super) fn postgres(field: &Field<'_>) -> PostgresSource {
    let text = field.text("the URL of PostgreSQL");
    let url = text.and_then(|text| postgres_url(&text)).unwrap_or_else(stand_in_url);
    postgres_source(url)
}

fn postgres_url(text: &Text<'_>) -> Option<Url> {
    let help = format!("write for example `{POSTGRES_EXAMPLE}`");
    let url = match Url::parse(&text.content) {
        Ok(url) => url,
        Err(error) => {
            text.reject(format!("this is not a URL: {error}"), None, help);
            return None;
        }
    };
    let host_option = url.query_pairs().any(|(key, value)| key == "host" && !value.is_empty());
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        text.reject(format!("unknown scheme `{}`", url.scheme()), None, help);
    } else if url.host_str().is_none_or(str::is_empty) && !host_option {
        text.reject("the URL has no host", None, format!("{help}, or `postgresql:///db?host=/var/run/postgresql`"));
    } else if let Some(complaint) = wrong_option(&url) {
        text.reject(complaint.0, None, complaint.1);
    } else {
        return Some(url);
    }
    None
}

fn wrong_option(url: &Url) -> Option<(String, String)> {
    let list = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    for (key, value) in url.query_pairs() {
        if !POSTGRES_OPTIONS.contains(&key.as_ref()) {
            return Some((
                format!("unknown option `{key}` in the URL"),
                format!("valid are {}", list(&POSTGRES_OPTIONS)),
            ));
        }
        if key == "sslmode" && !SSL_MODES.contains(&value.as_ref()) {
            return Some((format!("unknown sslmode `{value}`"), format!("valid are {}", list(&SSL_MODES))));
        }
    }
    None
}

fn postgres_source(mut url: Url) -> PostgresSource {
    let password = url.password().map(|encoded| percent_decode_str(encoded).decode_utf8_lossy().into_owned());
    // A URL without a host has no place for a password either.
    let _ = url.set_password(None);
    PostgresSource { url, password: password.map(Secret::new) }
}

/// Reads `pool`.
pub(super) fn pool(field: &Field<'_>, postgres: Option<&PostgresSource>) -> PoolSource {
    let reader = field.table("`pool`");
    let application = reader.optional("application", |field| field.text("the application_name of the pool's sessions"));
    let endpoint = endpoint(&reader);
    let is_endpoint = reader.table.get("url").is_some();
    match (application, is_endpoint) {
        (Some(_), true) => reader.reject("`pool` has both `application` and `url`", "keep one of them"),
        (Some(_), false) if endpoint.paths().next().is_some() => {
            reader.reject(
                "`pool` says where numbers stand, and has no `url`",
                "add the `url` of the endpoint, or leave them out",
            );
        }
        (Some(name), false) => {
            if postgres.is_none() {
                let help = format!("add `postgres = \"{POSTGRES_EXAMPLE}\"` to [watch]");
                reader.reject("`application` is seen in PostgreSQL, and none is watched", help);
            }
            reader.finish();
            let server = postgres.cloned().unwrap_or_else(|| postgres_source(stand_in_url()));
            return PoolSource::Application { server, name: name.content };
        }
        (None, true) if endpoint.paths().next().is_none() => {
            reader.reject("`pool` does not say where the numbers stand", "add for example `size = \"$.pool.size\"`");
        }
        (None, true) => {}
        (None, false) => {
            let help = "write `{ application = \"my-service\" }`, or `url` and where `size` and `active` stand";
            reader.reject("`pool` says nowhere to look", help);
        }
    }
    reader.finish();
    PoolSource::Endpoint(Box::new(endpoint))
}

fn endpoint(reader: &Reader<'_>) -> PoolEndpoint {
    let url = reader.optional("url", |field| asked_url(field, "http://127.0.0.1:8080/metrics"));
    let path = |key| reader.optional(key, metric_path);
    let (size, active, available, waiting) = (path("size"), path("active"), path("available"), path("waiting"));
    let url = url.unwrap_or_else(stand_in_url);
    PoolEndpoint { tls: asked_tls(reader, &url), url, size, active, available, waiting }
}

fn metric_path(field: &Field<'_>) -> Option<MetricPath> {
    let text = field.text("JSONPath such as `$.pool.size`, or the name of a metric")?;
    match MetricPath::parse(&text.content) {
        Ok(path) => Some(path),
        Err(why) => {
            text.reject(why, None, "write for example `$.pool.size` or `db_pool_connections{state=\"idle\"}`");
            None
        }
    }
}

/// A URL to ask again and again. Its query is written into the record, so no value of the environment may be there.
fn asked_url(field: &Field<'_>, example: &str) -> Option<Url> {
    let text = field.text("a URL")?;
    let url = web_url(&text, example)?;
    if text.has_environment() && url.query().is_some() && !field.context.recorded {
        text.reject("a query from the environment would be recorded", None, "leave the query out");
        return None;
    }
    Some(url)
}

fn asked_tls(reader: &Reader<'_>, url: &Url) -> Tls {
    let is_stand_in = url.host_str() == Some("stand-in.invalid");
    connections::tls(reader, url.scheme() == "https" || is_stand_in, "https://")
}

/// Reads `process`.
pub(super) fn process(field: &Field<'_>) -> ProcessWatch {
    let reader = field.table("`process`");
    let pid = reader.optional("pid", |field| field.whole(1)).map(ProcessWatch::Pid);
    let name = reader.optional("name", |field| field.text("the name of an executable"));
    let port = reader.optional("port", |field| field.whole(1)).map(ProcessWatch::Port);
    let stated = ["pid", "name", "port"].iter().filter(|key| reader.table.get(key).is_some()).count();
    if stated > 1 {
        reader.reject("`process` has more than one of `pid`, `name` and `port`", "keep one of them");
    } else if stated == 0 {
        let help = "write `{ pid = 1234 }`, `{ name = \"redis\" }` or `{ port = 8080 }`";
        reader.reject("`process` names no process", help);
    }
    reader.finish();
    let name = || ProcessWatch::Name(name.map(|name| name.content).unwrap_or_default());
    pid.or(port).unwrap_or_else(name)
}

/// Reads `containers`: names, or tables for those that are called something else there.
pub(super) fn containers(field: &Field<'_>) -> Vec<ContainerWatch> {
    let mut all: Vec<ContainerWatch> = Vec::new();
    for item in field.items() {
        let container = match &item.node.value {
            Value::Table(_) => container(&item.table("a container")),
            _ => item.name().map(|name| ContainerWatch { place: ContainerPlace::Engine(name.clone()), name }),
        };
        let Some(container) = container else { continue };
        if all.iter().any(|other| other.name == container.name) {
            item.reject(format!("two containers are named `{}`", container.name), "give each its own `name`");
        }
        all.push(container);
    }
    all
}

fn container(reader: &Reader<'_>) -> Option<ContainerWatch> {
    let name = reader.required("name", "\"cache\"", Field::name);
    let container = reader.optional("container", |field| field.text("the container's name or id"));
    let cgroup = reader.optional("cgroup", |field| field.text("a path such as `/system.slice/redis.service`"));
    if container.is_some() && cgroup.is_some() {
        reader.reject("the container has both `container` and `cgroup`", "keep one of them");
    }
    if let Some(path) = cgroup.as_ref().filter(|path| !path.content.starts_with('/') || path.content.contains("..")) {
        path.reject(
            "the path of a control group begins with `/`",
            None,
            "write for example `/system.slice/redis.service`",
        );
    }
    for entry in reader.rest() {
        reader.unknown(entry);
    }
    let name = name?;
    let place = match (container, cgroup) {
        (_, Some(path)) => ContainerPlace::Cgroup(PathBuf::from(path.content)),
        (Some(container), None) => ContainerPlace::Engine(container.content),
        (None, None) => ContainerPlace::Engine(name.clone()),
    };
    Some(ContainerWatch { name, place })
}

/// Reads `container_engine`, the path of its unix socket.
pub(super) fn engine(field: &Field<'_>) -> Option<PathBuf> {
    let text = field.text("the path of the engine's unix socket")?;
    let path = text.content.strip_prefix("unix://").unwrap_or(&text.content);
    if !path.starts_with('/') {
        let help = "write for example `/run/podman/podman.sock`; engines are asked through their unix socket only";
        text.reject("the engine's socket is a path that begins with `/`", None, help);
    }
    Some(PathBuf::from(path))
}

/// Reads `probes`: URLs, or tables for those with more to say.
pub(super) fn probes(field: &Field<'_>) -> Vec<ProbeWatch> {
    let mut all: Vec<ProbeWatch> = Vec::new();
    for item in field.items() {
        let probe = match &item.node.value {
            Value::Table(_) => probe(&item.table("a probe")),
            _ => asked_url(&item, PROBE_EXAMPLE).map(|url| plain_probe(default_name(&url), url)),
        };
        let Some(probe) = probe else { continue };
        if all.iter().any(|other| other.name == probe.name) {
            let help = "give each its own: `{ name = \"...\", url = \"...\" }`";
            item.reject(format!("two probes are named `{}`", probe.name), help);
        }
        all.push(probe);
    }
    all
}

fn plain_probe(name: String, url: Url) -> ProbeWatch {
    ProbeWatch { name, url, tls: Tls::default(), status: None, timeout: None }
}

fn probe(reader: &Reader<'_>) -> Option<ProbeWatch> {
    let url = reader.required("url", &format!("\"{PROBE_EXAMPLE}\""), |field| asked_url(field, PROBE_EXAMPLE));
    let name = reader.optional("name", Field::name);
    let status = reader.optional("status", |field| field.whole::<u16>(100));
    let timeout = reader.optional("timeout", |field| field.positive_duration("2s"));
    let tls = asked_tls(reader, url.as_ref().unwrap_or(&stand_in_url()));
    for entry in reader.rest() {
        reader.unknown(entry);
    }
    let url = url?;
    let name = name.unwrap_or_else(|| default_name(&url));
    Some(ProbeWatch { name, url, tls, status, timeout })
}

/// The last word of the path, else `root`.
fn default_name(url: &Url) -> String {
    let last = url.path().rsplit('/').find(|part| !part.is_empty()).unwrap_or("root");
    last.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
