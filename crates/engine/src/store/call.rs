//! What steps ask of stores, compiled: what remains per operation is filling in values.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fred::types::{ClusterHash, CustomCommand, Value};
use plimsoll_plan::{Ask, Attachment, Hole, Isolation, Part, Plan, Request, Statement as Stated, Template};

use crate::names::Names;
use crate::payload::Contents;
use crate::text::{Place, Text, Unfilled};
use crate::visit::Visit;

/// What a step asks.
#[derive(Debug)]
pub(crate) struct Call {
    /// Which of the plan's stores.
    pub(crate) store: usize,
    /// It waits for messages on a connection of the user's own.
    pub(crate) subscribes: bool,
    pub(crate) timeout: Option<i64>,
    ask: Compiled,
}

#[derive(Debug)]
enum Compiled {
    Redis(Command),
    Pipeline(Box<[Command]>),
    Transaction(Box<[Command]>),
    Script { script: Script, keys: i64, args: Box<[Argument]> },
    Subscribe(Box<[Argument]>),
    Sql(Statement),
    SqlTransaction { statements: Box<[Statement]>, begin: Bytes, retries: u32 },
    Copy { sql: Arc<str>, rows: u32, row: Argument },
}

#[derive(Debug)]
struct Command {
    /// The library's word for the command; a clone costs a reference count.
    name: CustomCommand,
    args: Box<[Argument]>,
}

/// A script by its hash.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) text: String,
    pub(crate) hash: String,
}

/// A statement with its parameters.
#[derive(Debug)]
pub(crate) struct Statement {
    /// What it is prepared under on each connection.
    pub(crate) sql: Arc<str>,
    params: Box<[Argument]>,
}

/// An argument of a command, or a parameter of a statement.
#[derive(Debug)]
enum Argument {
    Text(Text),
    /// A payload and nothing else: it is not copied.
    Payload(Arc<Contents>),
}

/// What is asked, with its values.
pub(crate) enum Filled<'c> {
    Redis(&'c CustomCommand, Vec<Value>),
    Pipeline(Vec<(&'c CustomCommand, Vec<Value>)>),
    Transaction(Vec<(&'c CustomCommand, Vec<Value>)>),
    Script(FilledScript<'c>),
    Subscribe(Vec<String>),
    Sql(&'c Statement, Vec<Bytes>),
    SqlTransaction { statements: Vec<(&'c Statement, Vec<Bytes>)>, begin: &'c str, retries: u32 },
    Copy { sql: &'c str, rows: Bytes },
}

/// A script with its values: keys first.
pub(crate) struct FilledScript<'c> {
    pub(crate) script: &'c Script,
    pub(crate) count: i64,
    pub(crate) args: Vec<Value>,
}

impl Call {
    /// What a request asks of a store, if it does.
    pub(crate) fn compile(request: &Request, plan: &Plan, names: &Names) -> Option<Self> {
        let call = request.store.as_ref()?;
        let store = plan.stores.iter().position(|store| store.name == call.store)?;
        let arguments = |list: &[Template]| list.iter().map(|one| Argument::compile(one, names)).collect();
        let commands = |list: &[Vec<Template>]| list.iter().filter_map(|one| Command::compile(one, names)).collect();
        let ask = match &call.ask {
            Ask::Redis(words) => Compiled::Redis(Command::compile(words, names)?),
            Ask::Pipeline(list) => Compiled::Pipeline(commands(list)),
            Ask::Transaction(list) => Compiled::Transaction(commands(list)),
            Ask::Script { script, keys, args } => Compiled::Script {
                script: Script::of(script),
                keys: keys.len() as i64,
                args: keys.iter().chain(args).map(|one| Argument::compile(one, names)).collect(),
            },
            Ask::Subscribe(channels) => Compiled::Subscribe(arguments(channels)),
            Ask::Sql(statement) => Compiled::Sql(Statement::compile(statement, names)),
            Ask::SqlTransaction { statements, isolation, retries } => Compiled::SqlTransaction {
                statements: statements.iter().map(|one| Statement::compile(one, names)).collect(),
                begin: begin(*isolation),
                retries: *retries,
            },
            Ask::Copy { sql, rows, row } => {
                Compiled::Copy { sql: sql.as_str().into(), rows: rows.get(), row: Argument::compile(row, names) }
            }
        };
        let subscribes = matches!(ask, Compiled::Subscribe(_));
        Some(Self { store, subscribes, timeout: request.timeout.map(crate::workload::nanos), ask })
    }

    /// Puts the values of a visit in.
    pub(crate) fn fill(&self, visit: &Visit, scratch: &mut BytesMut) -> Result<Filled<'_>, Unfilled> {
        Ok(match &self.ask {
            Compiled::Redis(command) => {
                let (name, args) = command.fill(visit, scratch)?;
                Filled::Redis(name, args)
            }
            Compiled::Pipeline(list) => Filled::Pipeline(fill_all(list, visit, scratch)?),
            Compiled::Transaction(list) => Filled::Transaction(fill_all(list, visit, scratch)?),
            Compiled::Script { script, keys, args } => {
                Filled::Script(FilledScript { script, count: *keys, args: values(args, visit, scratch)? })
            }
            Compiled::Subscribe(channels) => {
                let text = |one: &Argument| Ok(String::from_utf8_lossy(&one.fill(visit, scratch)?).into_owned());
                Filled::Subscribe(channels.iter().map(text).collect::<Result<_, Unfilled>>()?)
            }
            Compiled::Sql(statement) => Filled::Sql(statement, statement.fill(visit, scratch)?),
            Compiled::SqlTransaction { statements, begin, retries } => {
                let fill = |one| -> Result<_, Unfilled> { Ok((one, Statement::fill(one, visit, scratch)?)) };
                let statements = statements.iter().map(fill).collect::<Result<_, _>>()?;
                let begin = std::str::from_utf8(begin).expect("it was made of text");
                Filled::SqlTransaction { statements, begin, retries: *retries }
            }
            Compiled::Copy { sql, rows, row } => Filled::Copy { sql, rows: lines(*rows, row, visit, scratch)? },
        })
    }
}

/// What is asked, for people.
impl Call {
    /// What it asks for a visit; `None` when a value is missing. Long values are cut.
    pub(crate) fn show(&self, visit: &Visit) -> Option<String> {
        let values = |args: &[Value]| {
            let text = |value: &Value| value.as_bytes().map(|bytes| shown(&String::from_utf8_lossy(bytes)));
            args.iter().map(text).collect::<Option<Vec<_>>>()
        };
        let command = |(name, args): &(&CustomCommand, Vec<Value>)| {
            Some(std::iter::once(name.cmd.to_string()).chain(values(args)?).collect::<Vec<_>>().join(" "))
        };
        let statement = |statement: &Statement, params: &[Bytes]| {
            let params: Vec<String> = params.iter().map(|one| shown(&String::from_utf8_lossy(one))).collect();
            format!("{} [{}]", statement.sql, params.join(", "))
        };
        Some(match self.fill(visit, &mut BytesMut::new()).ok()? {
            Filled::Redis(name, args) => command(&(name, args))?,
            Filled::Pipeline(list) | Filled::Transaction(list) => {
                list.iter().map(command).collect::<Option<Vec<_>>>()?.join("\n")
            }
            Filled::Script(script) => {
                format!("EVALSHA {} {} {}", script.script.hash, script.count, values(&script.args)?.join(" "))
            }
            Filled::Subscribe(channels) => format!("SUBSCRIBE {}", channels.join(" ")),
            Filled::Sql(one, params) => statement(one, &params),
            Filled::SqlTransaction { statements, begin, .. } => {
                let lines = statements.iter().map(|(one, params)| statement(one, params));
                std::iter::once(begin.to_owned())
                    .chain(lines)
                    .chain(["COMMIT".to_owned()])
                    .collect::<Vec<_>>()
                    .join("\n")
            }
            Filled::Copy { sql, rows } => format!("{sql}\n{}", shown(&String::from_utf8_lossy(&rows))),
        })
    }
}

/// The beginning of a long text.
fn shown(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}... ({} B)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

fn begin(isolation: Option<Isolation>) -> Bytes {
    isolation.map_or_else(|| "BEGIN".into(), |level| format!("BEGIN ISOLATION LEVEL {}", level.sql()).into())
}

/// All rows of a copy, each with its number as the turn.
fn lines(count: u32, row: &Argument, visit: &Visit, scratch: &mut BytesMut) -> Result<Bytes, Unfilled> {
    let mut turns = visit.clone();
    let mut all = BytesMut::new();
    for turn in 1..=count {
        turns.turn = turn;
        all.extend_from_slice(&row.fill(&turns, scratch)?);
        all.extend_from_slice(b"\n");
    }
    visit.has_drawn_as(&turns);
    Ok(all.freeze())
}

fn values(args: &[Argument], visit: &Visit, scratch: &mut BytesMut) -> Result<Vec<Value>, Unfilled> {
    args.iter().map(|one| one.fill(visit, scratch).map(Value::Bytes)).collect()
}

fn fill_all<'c>(
    list: &'c [Command],
    visit: &Visit,
    scratch: &mut BytesMut,
) -> Result<Vec<(&'c CustomCommand, Vec<Value>)>, Unfilled> {
    list.iter().map(|command| command.fill(visit, scratch)).collect()
}

impl Command {
    fn compile(words: &[Template], names: &Names) -> Option<Self> {
        let (first, rest) = words.split_first()?;
        let [Part::Literal(name)] = first.parts.as_slice() else { return None };
        let blocking = plimsoll_plan::store::blocking_word(words).is_some();
        let name = CustomCommand::new(name.to_ascii_uppercase(), ClusterHash::FirstKey, blocking);
        Some(Self { name, args: rest.iter().map(|one| Argument::compile(one, names)).collect() })
    }

    fn fill(&self, visit: &Visit, scratch: &mut BytesMut) -> Result<(&CustomCommand, Vec<Value>), Unfilled> {
        Ok((&self.name, values(&self.args, visit, scratch)?))
    }
}

impl Script {
    /// Of a plan that was read back from a record, only the path is known.
    fn of(script: &Attachment) -> Self {
        let text = script.content.as_deref().map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default();
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        Self { hash: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(), text }
    }
}

impl Statement {
    fn compile(statement: &Stated, names: &Names) -> Self {
        let params = statement.params.iter().map(|one| Argument::compile(one, names)).collect();
        Self { sql: statement.sql.as_str().into(), params }
    }

    fn fill(&self, visit: &Visit, scratch: &mut BytesMut) -> Result<Vec<Bytes>, Unfilled> {
        self.params.iter().map(|one| one.fill(visit, scratch)).collect()
    }
}

impl Argument {
    fn compile(template: &Template, names: &Names) -> Self {
        if let [Part::Hole(Hole::Payload(name), _)] = template.parts.as_slice()
            && let Some(payload) = names.payload(name)
        {
            return Self::Payload(Arc::clone(payload));
        }
        Self::Text(Text::compile(template, names, Place::Plain))
    }

    fn fill(&self, visit: &Visit, scratch: &mut BytesMut) -> Result<Bytes, Unfilled> {
        match self {
            Self::Text(text) => text.fill(visit, scratch),
            Self::Payload(payload) => Ok(payload.content(visit)),
        }
    }
}
