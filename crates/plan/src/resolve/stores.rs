//! `[targets.NAME]`: stores that a plan loads directly.

use std::num::NonZeroU32;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::diagnostics::Problem;
use crate::reader::{Context, Field, Reader};
use crate::store::{Store, StoreConnections, StoreKind};
use crate::template::Secret;
use crate::tree::{Entry, Value};
use crate::words;

use super::target::any_url;

const TIMEOUT: Duration = Duration::from_secs(5);
const POOL_TIMEOUT: Duration = Duration::from_secs(30);
const POSTGRES_POOL: NonZeroU32 = NonZeroU32::new(20).expect("a constant above zero");
const EXAMPLE: &str = "redis://127.0.0.1:6379";

/// Reads all stores.
pub(super) fn read(field: &Field<'_>) -> Vec<Store> {
    let reader = field.table("[targets]");
    if reader.table.entries.is_empty() && matches!(field.node.value, Value::Table(_)) {
        field.reject("`targets` is empty", format!("add `[targets.redis]` with `url = \"{EXAMPLE}\"`"));
    }
    reader.table.entries.iter().map(|entry| store(entry, field.context)).collect()
}

fn store(entry: &Entry, context: &Context<'_>) -> Store {
    if !words::is_name(&entry.key) {
        let problem = Problem::new(&entry.origin, format!("`{}` is not a name", entry.key));
        context.report(problem.help("names are made of letters, digits, `-` and `_`"));
    }
    let reader = Field::of(entry, context).table(&format!("[targets.{}]", entry.key));
    let url = reader.required("url", &format!("\"{EXAMPLE}\""), url);
    let cluster = reader.field("cluster");
    let clustered = cluster.as_ref().and_then(Field::boolean).unwrap_or(false);
    let (url, kind) = url.unwrap_or_else(|| (stand_in(), StoreKind::Redis { cluster: false }));
    let kind = match (kind, cluster) {
        (StoreKind::Redis { .. }, _) => StoreKind::Redis { cluster: clustered },
        (StoreKind::Postgres, Some(field)) => {
            field.reject("`cluster` belongs to stores of Redis", "leave it out");
            kind
        }
        (StoreKind::Postgres, None) => kind,
    };
    let connections = reader.field("connections").and_then(|field| connections(&field, kind));
    let time = |key, example, default| {
        let stated = reader.optional(key, |field| field.positive_duration(example));
        stated.unwrap_or(default)
    };
    let timeout = time("timeout", "5s", TIMEOUT);
    let connect_timeout = time("connect_timeout", "5s", TIMEOUT);
    let pool_timeout = time("pool_timeout", "30s", POOL_TIMEOUT);
    reader.finish();
    let (url, password) = without_password(url);
    let connections = connections.unwrap_or(match kind {
        StoreKind::Redis { .. } => StoreConnections::Shared,
        StoreKind::Postgres => StoreConnections::Pool(POSTGRES_POOL),
    });
    Store { name: entry.key.clone(), kind, url, password, connections, timeout, connect_timeout, pool_timeout }
}

fn stand_in() -> Url {
    Url::parse("redis://stand-in.invalid").expect("a constant URL")
}

fn url(field: &Field<'_>) -> Option<(Url, StoreKind)> {
    let text = field.text("the URL of the store")?;
    let url = any_url(&text, EXAMPLE)?;
    let kind = match url.scheme() {
        "redis" | "rediss" => StoreKind::Redis { cluster: false },
        "postgres" | "postgresql" => StoreKind::Postgres,
        scheme => {
            let help = "valid are `redis://`, `rediss://` (TLS), `postgres://` and `postgresql://`; HTTP services stand in [target]";
            text.reject(format!("unknown scheme `{scheme}`"), None, help);
            return None;
        }
    };
    let path = url.path().trim_matches('/');
    if matches!(kind, StoreKind::Redis { .. }) && !path.is_empty() && path.parse::<u8>().is_err() {
        text.reject("the path of a Redis URL is the number of a database", None, "write for example `/0`");
    }
    Some((url, kind))
}

/// `50`, `"shared"` or `"per_user"`.
fn connections(field: &Field<'_>, kind: StoreKind) -> Option<StoreConnections> {
    let text = match &field.node.value {
        Value::Text(text) if !text.contains("${") => text,
        _ => return field.positive().map(StoreConnections::Pool),
    };
    if field.node.spelled.is_some() && text.parse::<u32>().is_ok() {
        return field.positive().map(StoreConnections::Pool);
    }
    let words = [("shared", StoreConnections::Shared), ("per_user", StoreConnections::PerUser)];
    let chosen = field.choice(&words)?;
    if chosen == StoreConnections::Shared && kind == StoreKind::Postgres {
        let help = "statements of one connection wait for one another: write how many it has, for example `20`";
        field.reject("connections of PostgreSQL are not shared", help);
        return None;
    }
    Some(chosen)
}

fn without_password(mut url: Url) -> (Url, Option<Secret>) {
    let password = url.password().map(|encoded| percent_decode_str(encoded).decode_utf8_lossy().into_owned());
    url.set_password(None).expect("a URL with a host can lose its password");
    (url, password.map(Secret::new))
}

/// Which store a step means: the one it names, else the only one of its kind.
pub(super) fn choose<'s>(
    reader: &Reader<'_>,
    stores: &'s [Store],
    fits: impl Fn(StoreKind) -> bool,
    what: &str,
    example: &str,
) -> Option<&'s Store> {
    let fitting: Vec<&Store> = stores.iter().filter(|store| fits(store.kind)).collect();
    let names = || fitting.iter().map(|store| store.name.as_str());
    let Some(field) = reader.field("on") else {
        match fitting.as_slice() {
            [only] => return Some(only),
            [] => reader.reject(
                format!("the plan has no {what} to ask"),
                format!("add `[targets.{}]` with `url = \"{example}\"`", example.split(':').next().unwrap_or(what)),
            ),
            _ => reader.reject(
                format!("the plan has several stores of {what}"),
                format!("say which one with `on`: {}", words::list(names())),
            ),
        }
        return None;
    };
    let text = field.text("the name of a store")?;
    let found = fitting.iter().find(|store| store.name == text.content);
    if found.is_none() {
        let near = words::nearest(&text.content, names());
        let help = format!("valid here: {}", words::list(names()));
        text.reject(format!("there is no store of {what} named `{}`", text.content), near, help);
    }
    found.copied()
}
