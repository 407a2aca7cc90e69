//! Steps that ask a store: commands of Redis, statements of SQL, and what is expected of their replies.

use std::num::NonZeroU32;

use crate::condition::{Condition, Operand};
use crate::data::Attachment;
use crate::flow::{Request, Source};
use crate::model::Method;
use crate::reader::{Field, Reader};
use crate::store::{Ask, Call, Isolation, Statement, Store, StoreConnections, StoreKind, blocking_word};
use crate::template::{Part, Template};
use crate::tree::Value;
use crate::words;

use super::names::Names;
use super::{captures, files, stores, templates};

/// What a step asks of a store, by its word.
pub(super) const WORDS: [&str; 8] =
    ["redis", "redis_pipeline", "redis_transaction", "script", "subscribe", "sql", "sql_transaction", "copy"];
/// The words of HTTP that make no sense beside them.
const HTTP_ONLY: [&str; 11] =
    ["headers", "auth", "json", "json_text", "form", "multipart", "body", "body_file", "redirects", "query", "health"];
/// The words of isolation levels.
pub(crate) const ISOLATIONS: [(&str, Isolation); 3] = [
    ("read_committed", Isolation::ReadCommitted),
    ("repeatable_read", Isolation::RepeatableRead),
    ("serializable", Isolation::Serializable),
];
/// Commands that change what a connection is for.
const MODES: [&str; 8] = ["subscribe", "psubscribe", "ssubscribe", "unsubscribe", "monitor", "multi", "exec", "quit"];

/// True when a step asks a store.
pub(super) fn asks_a_store(reader: &Reader<'_>) -> bool {
    WORDS.iter().any(|word| reader.table.get(word).is_some())
}

/// Reads what the step asks. The request around it has a place of HTTP, which means nothing.
pub(super) fn read(reader: &Reader<'_>, names: &Names) -> (Method, Template, Option<Call>) {
    let stated: Vec<&str> = WORDS.into_iter().filter(|word| reader.table.get(word).is_some()).collect();
    if stated.len() > 1 {
        reader.reject(format!("the step asks several things: {}", words::list(stated.clone())), "keep one of them");
        for word in &stated {
            reader.field(word);
        }
    }
    for word in HTTP_ONLY {
        if let Some(entry) = reader.table.get(word) {
            let field = Field::of(entry, reader.context);
            reader.field(word);
            field.reject(format!("`{word}` is for requests of HTTP"), "a store has none: leave it out");
        }
    }
    let call = call(stated.first().copied().unwrap_or("redis"), reader, names);
    (Method::Get, Template::literal("/"), call)
}

fn call(word: &'static str, reader: &Reader<'_>, names: &Names) -> Option<Call> {
    let store = match word {
        "sql" | "sql_transaction" | "copy" => {
            stores::choose(reader, names.stores(), is_postgres, "PostgreSQL", "postgres://127.0.0.1/app")
        }
        _ => stores::choose(reader, names.stores(), |kind| !is_postgres(kind), "Redis", "redis://127.0.0.1:6379"),
    };
    let field = reader.field(word).expect("the caller saw it");
    let ask = ask(word, &field, reader, names);
    let since = reader.field("since").and_then(|field| since(&field));
    if let Some(store) = store {
        check_connections(reader, &ask, store);
    }
    check_payloads(reader, &ask, names);
    Some(Call { store: store?.name.clone(), ask, since })
}

fn is_postgres(kind: StoreKind) -> bool {
    kind == StoreKind::Postgres
}

fn ask(word: &str, field: &Field<'_>, reader: &Reader<'_>, names: &Names) -> Ask {
    match word {
        "redis" => Ask::Redis(command(field, names)),
        "redis_pipeline" => Ask::Pipeline(commands(field, names)),
        "redis_transaction" => Ask::Transaction(commands(field, names)),
        "script" => {
            let texts = |key| reader.field(key).map(|field| list(&field, names)).unwrap_or_default();
            Ask::Script { script: script(field), keys: texts("keys"), args: texts("args") }
        }
        "subscribe" => Ask::Subscribe(list(field, names)),
        "sql" => Ask::Sql(Statement { sql: sql(field), params: params(reader, names) }),
        "copy" => copy(field, reader, names),
        _ => transaction(field, reader, names),
    }
}

/// `["SET", "agent:{user.id}", "{payload.state}"]`.
fn command(field: &Field<'_>, names: &Names) -> Vec<Template> {
    const HELP: &str = "write for example `[\"SET\", \"agent:{user.id}\", \"{payload.state}\"]`";
    let words = list(field, names);
    match words.first().map(|word| word.parts.as_slice()) {
        Some([Part::Literal(word)]) if !word.is_empty() && !word.contains(char::is_whitespace) => {
            if MODES.contains(&word.to_ascii_lowercase().as_str()) {
                let help = "use `redis_transaction` for MULTI and EXEC, `subscribe` for messages; other connections end by themselves";
                field.reject(format!("`{word}` changes what its connection is for"), help);
            }
        }
        Some([Part::Literal(word)]) if word.contains(char::is_whitespace) => {
            field.reject("the command has space in it", HELP);
        }
        None if !matches!(&field.node.value, Value::List(_)) => {}
        _ => field.reject("the first word of a command is its name", HELP),
    }
    words
}

fn commands(field: &Field<'_>, names: &Names) -> Vec<Vec<Template>> {
    let items = field.items();
    let are_lists = items.iter().all(|item| matches!(item.node.value, Value::List(_)));
    if items.is_empty() || !are_lists {
        let help = format!("write for example `{} = [[\"INCR\", \"n\"], [\"GET\", \"n\"]]`", field.key);
        field.reject(format!("`{}` is no list of commands", field.key), help);
        return Vec::new();
    }
    items.iter().map(|item| command(item, names)).collect()
}

/// A list of texts.
fn list(field: &Field<'_>, names: &Names) -> Vec<Template> {
    if !matches!(field.node.value, Value::List(_)) {
        field.wrong_kind("a list of texts, for example `[\"GET\", \"agent:{user.id}\"]`");
        return Vec::new();
    }
    let items = field.items();
    if items.is_empty() {
        field.reject(format!("`{}` is empty", field.key), "write at least one text into it");
    }
    items.iter().map(|item| templates::text(item, names)).collect()
}

fn script(field: &Field<'_>) -> Attachment {
    let script = files::attachment(field);
    if script.content.as_ref().is_some_and(|content| std::str::from_utf8(content).is_err()) {
        field.reject("the script is not UTF-8", "save it as UTF-8");
    }
    script
}

/// The text of a statement: it is shown, and the same for every user.
fn sql(field: &Field<'_>) -> String {
    let text = super::conditions::shown_text(field, "a statement of SQL").map(|text| text.content).unwrap_or_default();
    if text.trim().is_empty() && matches!(field.node.value, Value::Text(_)) {
        field.reject("the statement is empty", "write for example `sql = \"select 1\"`");
    }
    text
}

fn params(reader: &Reader<'_>, names: &Names) -> Vec<Template> {
    let Some(field) = reader.field("params") else { return Vec::new() };
    match &field.node.value {
        Value::List(list) if list.is_empty() => Vec::new(),
        _ => list(&field, names),
    }
}

fn transaction(field: &Field<'_>, reader: &Reader<'_>, names: &Names) -> Ask {
    let statement = |reader: Reader<'_>| {
        let sql = reader.required("sql", "\"select 1\"", |field| Some(sql(field))).unwrap_or_default();
        let statement = Statement { sql, params: params(&reader, names) };
        reader.finish();
        statement
    };
    let statements: Vec<Statement> = field.tables("a statement").into_iter().map(statement).collect();
    if statements.is_empty() && matches!(field.node.value, Value::List(_)) {
        field.reject("the transaction is empty", "add for example `{ sql = \"select 1\" }`");
    }
    let isolation = reader.optional("isolation", |field| field.choice(&ISOLATIONS));
    let retries = reader.optional("retries", |field| field.whole(0)).unwrap_or(0);
    Ask::SqlTransaction { statements, isolation, retries }
}

fn copy(field: &Field<'_>, reader: &Reader<'_>, names: &Names) -> Ask {
    let rows = reader.required("rows", "100", Field::positive).unwrap_or(NonZeroU32::MIN);
    let text = |field: &Field<'_>| Some(templates::text(field, &names.in_turn()));
    let row = reader.required("row", "\"{user.n}\\t{random.uuid}\"", text).unwrap_or_default();
    Ask::Copy { sql: sql(field), rows, row }
}

/// `"$.sent"`, or any other place a capture knows.
fn since(field: &Field<'_>) -> Option<Source> {
    match captures::place(field)? {
        Source::Header(_) | Source::Cookie(_) | Source::Status => {
            field.reject("a reply has no such thing", "write for example `\"$.sent\"`, `\"value\"` or a `regex`");
            None
        }
        source => Some(source),
    }
}

/// Commands that wait for something would hold up everybody on a connection that is shared.
fn check_connections(reader: &Reader<'_>, ask: &Ask, store: &Store) {
    if store.connections != StoreConnections::Shared {
        return;
    }
    let commands: Vec<&Vec<Template>> = match ask {
        Ask::Redis(command) => vec![command],
        Ask::Pipeline(commands) | Ask::Transaction(commands) => commands.iter().collect(),
        _ => return,
    };
    if let Some(word) = commands.into_iter().find_map(|command| blocking_word(command)) {
        reader.reject(
            format!("`{word}` would hold up everybody on the shared connection of `{}`", store.name),
            format!("give [targets.{}] `connections = \"per_user\"`, or a number", store.name),
        );
    }
}

/// Any bytes cannot stand inside a text.
fn check_payloads(reader: &Reader<'_>, ask: &Ask, names: &Names) {
    let call = Call { store: String::new(), ask: ask.clone(), since: None };
    for template in call.templates().into_iter().filter(|template| template.parts.len() > 1) {
        if let Some(name) = template.holes().find_map(|hole| names.raw_payload(hole)) {
            super::payloads::check_alone(reader, name);
        }
    }
}

/// A reply has a value and rows, an answer of HTTP a status and headers: each is asked for its own.
pub(super) fn check_expectations(reader: &Reader<'_>, request: &Request) {
    let conditions = request.expect.checks.iter().chain(&request.expect.soft).map(|check| &check.condition);
    let conditions: Vec<&Condition> = conditions.chain(request.poll.iter().map(|poll| &poll.until)).collect();
    let operands = conditions.iter().flat_map(|condition| condition.operands());
    let sources = request.captures.iter().map(|capture| &capture.from);
    if request.store.is_none() {
        let of_reply = operands.into_iter().any(|operand| matches!(operand, Operand::Value | Operand::Rows))
            || sources.into_iter().any(|source| matches!(source, Source::Value | Source::Rows));
        if of_reply {
            let help = "an answer of HTTP has `status`, `header.NAME`, `body` and `$.json.path`";
            reader.reject("`value` and `rows` are of replies of stores", help);
        }
        return;
    }
    let of_http = operands.into_iter().any(|operand| matches!(operand, Operand::Status | Operand::Header(_)))
        || sources.into_iter().any(|source| matches!(source, Source::Status | Source::Header(_) | Source::Cookie(_)))
        || !request.expect.status.is_empty()
        || !request.expect.limited.is_empty();
    if of_http {
        let help = "a reply has `value`, `rows`, `body`, `size`, `latency` and `$.json.path`; its errors are outcomes";
        reader.reject("a store's reply has no status, headers and cookies", help);
    }
}
