//! One connection to one Redis server, whatever it goes through: TCP, TLS or a unix socket, with or without a login.
//!
//! It is opened once and not mended: a lost connection is not always noticed by the client library, so whoever holds
//! a [`Link`] drops it after the first failure and [dials](Dial::open) again. Nothing here is repeated or reconnected
//! behind the caller's back, and every wait is bounded by the dial's patience.

use std::path::PathBuf;
use std::time::Duration;

use fred::interfaces::ClientLike;
use fred::prelude::{Builder, Client, Config, Error, ErrorKind, ServerConfig};
use fred::types::config::{Server, TlsConfig, TlsConnector};
use fred::types::{ClusterHash, CustomCommand, Value};
use plimsoll_plan::{HostPort, Login, RedisPlace, RedisServer, Secret, Tls};
use plimsoll_record::series::GapReason;

use crate::probe::Failure;
use crate::tls;

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Dial {
    to: Way,
    login: Login,
    tls: Option<Tls>,
    prepared: Option<TlsConfig>,
    patience: Duration,
}

/// The address of one server.
#[derive(Clone, Debug)]
enum Way {
    Tcp(HostPort),
    Socket(PathBuf),
}

/// A command and its arguments, which need not be text.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    command: &'static str,
    arguments: Vec<Value>,
}

/// An open connection. Its task ends with it.
pub struct Link {
    client: Client,
    task: fred::types::ConnectHandle,
    login: Login,
    patience: Duration,
}

impl Ask {
    /// A command.
    pub(crate) fn new(command: &'static str) -> Self {
        Self { command, arguments: Vec::new() }
    }

    /// Adds an argument.
    pub(crate) fn with(mut self, argument: impl Into<Value>) -> Self {
        self.arguments.push(argument.into());
        self
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Dial {
    /// The way to one server as the plan has it. `patience` bounds each attempt to connect, and each command. Of a
    /// cluster, or of a group under sentinels, it is the way to the first node that is named.
    #[must_use]
    pub fn new(server: &RedisServer, patience: Duration) -> Self {
        let (to, login) = match &server.place {
            RedisPlace::Tcp(address) => (Way::Tcp(address.clone()), &server.login),
            RedisPlace::Socket(path) => (Way::Socket(path.clone()), &server.login),
            RedisPlace::Cluster(seeds) => (Way::Tcp(first(seeds)), &server.login),
            RedisPlace::Sentinel { sentinels, login, .. } => (Way::Tcp(first(sentinels)), login),
        };
        Self { to, login: login.clone(), tls: server.tls.clone(), prepared: None, patience }
    }

    /// The same way to another address.
    #[must_use]
    pub fn to(&self, address: &HostPort) -> Self {
        Self { to: Way::Tcp(address.clone()), ..self.clone() }
    }

    /// The same as somebody else.
    #[must_use]
    pub fn known_as(&self, login: &Login) -> Self {
        Self { login: login.clone(), ..self.clone() }
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// [`Failure`] when that does not succeed in time.
    pub async fn open(&mut self) -> Result<Link, Failure> {
        let config = self.config()?;
        let connecting = connect(config, self.patience);
        let connected = match tokio::time::timeout(self.patience, connecting).await {
            Ok(connected) => connected.map_err(|error| failure(&error, &self.login)),
            Err(_) => Err(no_answer(self.patience)),
        };
        let (client, task) = connected.map_err(|failure| match (failure.reason, &self.tls) {
            // A server that does not speak TLS waits for the end of what it takes for a line.
            (GapReason::TimedOut, Some(_)) => {
                Failure { detail: "no answer to the beginning of TLS".to_owned(), ..failure }
            }
            _ => failure,
        })?;
        Ok(Link { client, task, login: self.login.clone(), patience: self.patience })
    }

    fn config(&mut self) -> Result<Config, Failure> {
        if let (Some(settings), None) = (&self.tls, &self.prepared) {
            let config = tls::config(settings).map_err(|error| Failure::new(GapReason::Unreachable, chain(&error)))?;
            self.prepared = Some(TlsConfig::from(TlsConnector::from(config)));
        }
        let server = match &self.to {
            Way::Tcp(address) => {
                let name = self.tls.as_ref().and_then(|tls| tls.server_name.clone());
                let server = Server::new_with_tls(address.host.clone(), address.port, name);
                ServerConfig::Centralized { server }
            }
            Way::Socket(path) => ServerConfig::Unix { path: path.clone() },
        };
        let password = self.login.password.as_ref().map(|password| password.reveal().to_owned());
        let (username, tls) = (self.login.user.clone(), self.prepared.clone());
        Ok(Config { fail_fast: true, server, username, password, tls, ..Config::default() })
    }
}

/// A plan names at least one.
fn first(addresses: &[HostPort]) -> HostPort {
    addresses.first().cloned().unwrap_or_else(|| HostPort { host: String::new(), port: 0 })
}

async fn connect(config: Config, patience: Duration) -> Result<(Client, fred::types::ConnectHandle), Error> {
    let mut builder = Builder::from_config(config);
    builder.with_connection_config(|connection| {
        connection.connection_timeout = patience;
        connection.internal_command_timeout = patience;
        connection.max_command_attempts = 1;
        connection.reconnect_errors = Vec::new();
    });
    let client = builder.build()?;
    let task = client.init().await?;
    Ok((client, task))
}

impl Link {
    /// False when the connection is known to be lost.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.task.is_finished()
    }

    /// Sends one command and waits for its answer, at most for the patience of the dial. Drop the link when it fails:
    /// an answer that comes late would be taken for that of the next command.
    ///
    /// # Errors
    /// [`Failure`] without an answer in time, or when the answer is an error.
    pub async fn ask(&mut self, command: &'static str, arguments: &[&str]) -> Result<Value, Failure> {
        let command = CustomCommand::new_static(command, ClusterHash::FirstKey, false);
        let answer = async {
            tokio::select! {
                answer = self.client.custom::<Value, _>(command, arguments.to_vec()) => answer,
                // A command sent into a connection that is being lost would wait for ever.
                ended = &mut self.task => Err(match ended {
                    Ok(Err(error)) => error,
                    _ => Error::new(ErrorKind::IO, "the connection was closed"),
                }),
            }
        };
        match tokio::time::timeout(self.patience, answer).await {
            Ok(answer) => answer.map_err(|error| failure(&error, &self.login)),
            Err(_) => Err(no_answer(self.patience)),
        }
    }

    /// Sends several commands at once and waits for all answers, at most for the patience of the dial. Each answer may
    /// be an error of its own; drop the link when the whole fails.
    pub(crate) async fn ask_all(&mut self, asks: Vec<Ask>) -> Result<Vec<Result<Value, Failure>>, Failure> {
        let pipeline = self.client.pipeline();
        for Ask { command, arguments } in asks {
            let command = CustomCommand::new_static(command, ClusterHash::FirstKey, false);
            let queued: Result<(), Error> = pipeline.custom(command, arguments).await;
            queued.map_err(|error| failure(&error, &self.login))?;
        }
        let answers = tokio::select! {
            answers = tokio::time::timeout(self.patience, pipeline.try_all::<Value>()) => answers,
            _ = &mut self.task => return Err(Failure::new(GapReason::Unreachable, "the connection was closed")),
        };
        let answers = answers.map_err(|_| no_answer(self.patience))?;
        Ok(answers.into_iter().map(|answer| answer.map_err(|error| failure(&error, &self.login))).collect())
    }

    /// The same for a command that answers with text.
    ///
    /// # Errors
    /// As [`ask`](Self::ask), and when the answer is not text.
    pub async fn ask_for_text(&mut self, command: &'static str, arguments: &[&str]) -> Result<String, Failure> {
        match self.ask(command, arguments).await?.as_bytes() {
            Some(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            None => Err(Failure::new(GapReason::Malformed, format!("{command} did not answer with text"))),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn no_answer(patience: Duration) -> Failure {
    Failure::new(GapReason::TimedOut, format!("no answer within {} ms", patience.as_millis()))
}

fn failure(error: &Error, login: &Login) -> Failure {
    let reason = match error.kind() {
        ErrorKind::Timeout => GapReason::TimedOut,
        ErrorKind::Auth
        | ErrorKind::Unknown
        | ErrorKind::InvalidCommand
        | ErrorKind::InvalidArgument
        | ErrorKind::Cluster => GapReason::Refused,
        ErrorKind::Protocol | ErrorKind::Parse => GapReason::Malformed,
        _ => GapReason::Unreachable,
    };
    Failure::new(reason, scrub(readable(error.details()), login))
}

/// Error texts come from the server and the client library; neither may carry the password into a file.
fn scrub(text: &str, login: &Login) -> String {
    match login.password.as_ref().map(Secret::reveal) {
        Some(password) if !password.is_empty() => text.replace(password, "***"),
        _ => text.to_owned(),
    }
}

/// The sentence in an error of the operating system, which the client library shows in Rust's debug form.
fn readable(details: &str) -> &str {
    let message = details.split_once("message: \"").and_then(|(_, rest)| rest.split_once('"'));
    let wrapped = details.split_once("error: ").and_then(|(_, rest)| rest.strip_suffix(" }"));
    message.map(|(message, _)| message).or(wrapped).unwrap_or(details)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
