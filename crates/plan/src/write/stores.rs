//! Stores, payloads and what steps ask of them as TOML.

use super::flows::{attachment, inline, place};
use super::{Lines, key, list, quote, quoted_duration, template};
use crate::condition::show_bytes;
use crate::integrity::KeySet;
use crate::resolve::{ISOLATIONS, SHAPES};
use crate::store::{Ask, Call, Payload, Statement, Store, StoreConnections, StoreKind};
use crate::template::Template;

/// The word of a value in a list of words.
fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> String {
    let found = words.iter().find(|(_, other)| other == value);
    quote(found.expect("every value has a word").0)
}

impl Lines {
    pub(super) fn store(&mut self, store: &Store) {
        self.table(&format!("[targets.{}]", key(&store.name)));
        let mut url = store.url.clone();
        if store.password.is_some() {
            url.set_password(Some("***")).expect("a URL of a store has a host, so it can have a password");
        }
        self.line("url", &quote(url.as_str()));
        if let StoreKind::Redis { cluster } = store.kind {
            self.line("cluster", if cluster { "true" } else { "false" });
        }
        let connections = match store.connections {
            StoreConnections::Shared => quote("shared"),
            StoreConnections::PerUser => quote("per_user"),
            StoreConnections::Pool(count) => count.to_string(),
        };
        self.line("connections", &connections);
        self.line("timeout", &quoted_duration(store.timeout));
        self.line("connect_timeout", &quoted_duration(store.connect_timeout));
        self.line("pool_timeout", &quoted_duration(store.pool_timeout));
    }

    pub(super) fn payload(&mut self, payload: &Payload) {
        self.table(&format!("[payloads.{}]", key(&payload.name)));
        self.line("size", &quote(&show_bytes(payload.bytes.get())));
        if !payload.by_phase.is_empty() {
            let entries = payload.by_phase.iter();
            let entries = entries.map(|(phase, size)| format!("{} = {}", key(phase), quote(&show_bytes(size.get()))));
            self.line("by_phase", &format!("{{ {} }}", entries.collect::<Vec<_>>().join(", ")));
        }
        self.line("compressible", &format!("{:?}", payload.compressible));
        self.line("shape", &word(&SHAPES, &payload.shape));
    }
}

impl Lines {
    pub(super) fn integrity(&mut self, set: &KeySet) {
        self.table(&format!("[integrity.{}]", key(&set.name)));
        self.line("keys", &set.keys.to_string());
        if let Some(payload) = &set.payload {
            self.line("payload", &quote(payload));
        }
        self.line("read_back", &quote(&set.read_back));
        self.line("patience", &quoted_duration(set.patience));
    }
}

/// What a step asks, as keys and values.
pub(super) fn call(call: &Call) -> Vec<(&'static str, String)> {
    let mut entries = vec![("on", quote(&call.store))];
    match &call.ask {
        Ask::Redis(words) => entries.push(("redis", texts(words))),
        Ask::Pipeline(commands) => entries.push(("redis_pipeline", list(commands.iter().map(|one| texts(one))))),
        Ask::Transaction(commands) => entries.push(("redis_transaction", list(commands.iter().map(|one| texts(one))))),
        Ask::Script { script, keys, args } => {
            entries.push(("script", attachment(script)));
            entries.extend(
                [("keys", keys), ("args", args)]
                    .into_iter()
                    .filter(|(_, list)| !list.is_empty())
                    .map(|(key, list)| (key, texts(list))),
            );
        }
        Ask::Subscribe(channels) => entries.push(("subscribe", texts(channels))),
        Ask::Sql(statement) => entries.extend(self::statement(statement)),
        Ask::SqlTransaction { statements, isolation, retries } => {
            let statements = statements.iter().map(|one| inline(self::statement(one)));
            entries.push(("sql_transaction", list(statements)));
            entries.extend(isolation.map(|isolation| ("isolation", word(&ISOLATIONS, &isolation))));
            entries.push(("retries", retries.to_string()));
        }
        Ask::Copy { sql, rows, row } => {
            entries.extend([("copy", quote(sql)), ("rows", rows.to_string()), ("row", template(row))]);
        }
    }
    entries.extend(call.since.iter().map(|source| ("since", inline(place(source)))));
    entries
}

fn statement(statement: &Statement) -> Vec<(&'static str, String)> {
    vec![("sql", quote(&statement.sql)), ("params", texts(&statement.params))]
}

fn texts(texts: &[Template]) -> String {
    list(texts.iter().map(template))
}
