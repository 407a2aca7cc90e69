//! Stores that a plan loads directly: where they are, what steps ask of them, and the payloads that are written.
//!
//! Plain data, as [`crate::flow`]. A step that asks a store is a [`Request`](crate::flow::Request) like any other: it
//! has checks, captures, a timeout, and is an operation of its own in the record. Its answer is a *reply*: `value` and
//! `rows` in conditions and captures, and `$...` and `body` as of an HTTP answer whose body is the reply.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use url::Url;

use crate::data::Attachment;
use crate::flow::Source;
use crate::model::{Load, Plan};
use crate::template::{Part, Secret, Template};

/// Commands that keep a connection to themselves until something happens.
const BLOCKING: [&str; 9] =
    ["blpop", "brpop", "blmove", "blmpop", "brpoplpush", "bzpopmin", "bzpopmax", "bzmpop", "wait"];

/// A store: `[targets.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// Its name, unique in the plan.
    pub name: String,
    /// What it speaks, by the scheme of its URL.
    pub kind: StoreKind,
    /// Where it is, without its password.
    pub url: Url,
    /// The password.
    pub password: Option<Secret>,
    /// Whose connections its operations use.
    pub connections: StoreConnections,
    /// How long to wait for a complete reply, from the send. Default 5 s.
    pub timeout: Duration,
    /// How long to wait until a connection is open. Default 5 s.
    pub connect_timeout: Duration,
    /// How long to wait for one of a pool's connections to become free. Default 30 s.
    pub pool_timeout: Duration,
}

/// What a store speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Redis and what speaks as it does: `redis://`, with TLS `rediss://`.
    Redis {
        /// Whether it is a cluster whose redirections are followed.
        cluster: bool,
    },
    /// PostgreSQL: `postgres://` or `postgresql://`; with TLS where the URL says `?sslmode=require`.
    Postgres,
}

/// Whose connections operations use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreConnections {
    /// One of each worker, on which operations follow one another without waiting (Redis only, and its default).
    Shared,
    /// So many over all workers, each for one operation at a time. PostgreSQL's default is 20.
    Pool(NonZeroU32),
    /// Each user its own, opened with its first operation and closed when the user ends.
    PerUser,
}

/// What a step asks of a store.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The store's name.
    pub store: String,
    /// What is asked.
    pub ask: Ask,
    /// Where the reply carries the time it was sent at, as `{now}` put it there. Response and service time of the
    /// operation then run from that time: from the producer to the consumer.
    pub since: Option<Source>,
}

/// What is asked of a store.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// A command of Redis and its arguments; at least the command.
    Redis(Vec<Template>),
    /// Several commands in one write, whose replies come together. The first error is the outcome.
    Pipeline(Vec<Vec<Template>>),
    /// Several commands between `MULTI` and `EXEC`.
    Transaction(Vec<Vec<Template>>),
    /// A Lua script, sent by its hash and, where the server does not know it yet, as a whole.
    Script {
        /// The script.
        script: Attachment,
        /// Its `KEYS`.
        keys: Vec<Template>,
        /// Its `ARGV`.
        args: Vec<Template>,
    },
    /// The next message on these channels. The user's first such step subscribes; messages since then wait, and the
    /// connection is the user's own, whatever the store's `connections` are.
    Subscribe(Vec<Template>),
    /// A statement of SQL.
    Sql(Statement),
    /// Several statements in a transaction. The reply is the last one's.
    SqlTransaction {
        /// The statements; at least one.
        statements: Vec<Statement>,
        /// The isolation level. `None`: the server's default.
        isolation: Option<Isolation>,
        /// How often it is begun anew after a serialisation failure or a deadlock (SQLSTATE 40001 and 40P01). Each is
        /// counted. Default 0.
        retries: u32,
    },
    /// Rows sent by `COPY`. The reply's `rows` is how many the server took.
    Copy {
        /// `COPY table (columns) FROM STDIN ...`
        sql: String,
        /// How many rows.
        rows: NonZeroU32,
        /// One row as the statement's format wants it, without its line break; made anew for each. `{turn}` is its
        /// number, from 1.
        row: Template,
    },
}

/// A statement with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// SQL with `$1`, `$2` and so on. It is prepared once on each connection.
    pub sql: String,
    /// The parameters as text, which the server reads as the type it expects.
    pub params: Vec<Template>,
}

/// How transactions see one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// `READ COMMITTED`.
    ReadCommitted,
    /// `REPEATABLE READ`.
    RepeatableRead,
    /// `SERIALIZABLE`.
    Serializable,
}

/// Content to write: `[payloads.NAME]`. A few of each size are made once per run from the seed, and users take them
/// in turn by chance.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// Its name, unique in the plan.
    pub name: String,
    /// Its size in bytes.
    pub bytes: NonZeroU64,
    /// Its size in some phases, by their names: a sweep over sizes.
    pub by_phase: Vec<(String, NonZeroU64)>,
    /// Which part of it a compressor can leave out, from 0 to 1. The rest are random characters.
    pub compressible: f64,
    /// What it is made of.
    pub shape: Shape,
}

/// What a payload is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Letters and digits, which may stand anywhere. The default.
    Text,
    /// A JSON object: the state of something, in fields of text. Small ones, below 48 bytes, are `Text`.
    Json,
    /// Any bytes: only where they are the whole argument of a command, or a parameter of type `bytea`.
    Bytes,
}

impl Plan {
    /// The most connections that are open at once, to the target and to all stores, as far as the plan tells.
    #[must_use]
    pub fn most_connections(&self) -> u64 {
        let users = self.phases.iter().map(|phase| match &phase.load {
            Load::Closed { users, .. } => u64::from(users.get()),
            Load::Open { .. } | Load::Replay(_) => self.users.count.get(),
        });
        let users = users.max().unwrap_or(0);
        let of_store = |store: &Store| match store.connections {
            StoreConnections::Shared => 1,
            StoreConnections::Pool(count) => u64::from(count.get()),
            StoreConnections::PerUser => users,
        };
        let of_target = self.target.as_ref().map_or(0, |target| u64::from(target.connections.get()));
        of_target + self.stores.iter().map(of_store).sum::<u64>()
    }
}

impl StoreKind {
    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis { .. } => "Redis",
            Self::Postgres => "PostgreSQL",
        }
    }
}

impl Isolation {
    /// As SQL writes it.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

impl Call {
    /// Every template of it, in order.
    #[must_use]
    pub fn templates(&self) -> Vec<&Template> {
        match &self.ask {
            Ask::Redis(words) | Ask::Subscribe(words) => words.iter().collect(),
            Ask::Pipeline(commands) | Ask::Transaction(commands) => commands.iter().flatten().collect(),
            Ask::Script { keys, args, .. } => keys.iter().chain(args).collect(),
            Ask::Sql(statement) => statement.params.iter().collect(),
            Ask::SqlTransaction { statements, .. } => statements.iter().flat_map(|one| &one.params).collect(),
            Ask::Copy { row, .. } => vec![row],
        }
    }

    /// Every template of it, to be changed.
    pub fn templates_mut(&mut self) -> Vec<&mut Template> {
        match &mut self.ask {
            Ask::Redis(words) | Ask::Subscribe(words) => words.iter_mut().collect(),
            Ask::Pipeline(commands) | Ask::Transaction(commands) => commands.iter_mut().flatten().collect(),
            Ask::Script { keys, args, .. } => keys.iter_mut().chain(args).collect(),
            Ask::Sql(statement) => statement.params.iter_mut().collect(),
            Ask::SqlTransaction { statements, .. } => statements.iter_mut().flat_map(|one| &mut one.params).collect(),
            Ask::Copy { row, .. } => vec![row],
        }
    }
}

impl Payload {
    /// Its size in a phase.
    #[must_use]
    pub fn bytes_in(&self, phase: &str) -> NonZeroU64 {
        let own = self.by_phase.iter().find(|(name, _)| name == phase);
        own.map_or(self.bytes, |(_, bytes)| *bytes)
    }
}

/// The word by which a command waits for something, if it does.
#[must_use]
pub fn blocking_word(command: &[Template]) -> Option<String> {
    let literal = |template: &Template| match template.parts.as_slice() {
        [Part::Literal(text)] => Some(text.to_ascii_lowercase()),
        _ => None,
    };
    let name = literal(command.first()?)?;
    let reads_streams = name == "xread" || name == "xreadgroup";
    let blocks = reads_streams && command.iter().any(|word| literal(word).is_some_and(|word| word == "block"));
    (blocks || BLOCKING.contains(&name.as_str())).then(|| name.to_ascii_uppercase())
}
