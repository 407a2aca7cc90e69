//! Redis asked directly: one `INFO` of the needed sections per reading, over TCP or TLS.
//!
//! The connection is made when it is needed and dropped after every failure: a lost connection is not always
//! noticed, and a new one is cheap at one reading per second. Sections by name cost the server 20-50 us.

use std::collections::BTreeMap;
use std::time::Duration;

use fred::interfaces::ClientLike;
use fred::prelude::{Builder, Client, Config, Error, ErrorKind, Value};
use fred::types::{ClusterHash, CustomCommand};
use plimsoll_plan::Secret;
use plimsoll_record::series::GapReason;
use url::Url;

use super::Interpreter;
use crate::info::Info;
use crate::probe::{Failure, Probe, ReadingFuture};

/// The sections that hold what is sampled; several in one call need Redis 7.
const SECTIONS: [&str; 9] =
    ["server", "clients", "memory", "stats", "persistence", "replication", "cpu", "errorstats", "keyspace"];

/// Samples a Redis server.
pub struct ServerProbe {
    url: Url,
    password: Option<Secret>,
    patience: Duration,
    link: Option<Link>,
    sections: &'static [&'static str],
    interpreter: Interpreter,
}

/// An open connection. Its task ends with it.
struct Link {
    client: Client,
    task: fred::types::ConnectHandle,
}

impl Link {
    /// Asks for these sections; for the default ones when there are none.
    async fn info(&mut self, sections: &[&str]) -> Result<String, Error> {
        let command = CustomCommand::new_static("INFO", ClusterHash::FirstKey, false);
        tokio::select! {
            answer = self.client.custom::<Value, _>(command, sections.to_vec()) => text(&answer?),
            // A command sent into a connection that is being lost would wait for ever.
            ended = &mut self.task => Err(match ended {
                Ok(Err(error)) => error,
                _ => Error::new(ErrorKind::IO, "the connection was closed"),
            }),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ServerProbe {
    /// A probe of the server at `url`, connected at the first reading. `patience` bounds each attempt to connect.
    #[must_use]
    pub fn new(url: &Url, password: Option<&Secret>, patience: Duration) -> Self {
        let (url, password, sections) = (url.clone(), password.cloned(), &SECTIONS[..]);
        Self { url, password, patience, link: None, sections, interpreter: Interpreter::default() }
    }

    /// Asks for the sections once. The connection is taken out while the answer is awaited, so that a reading
    /// that is given up, or fails, leaves none behind.
    pub(super) async fn fields(&mut self) -> Result<Info, Failure> {
        let mut link = match self.link.take().filter(|link| !link.task.is_finished()) {
            Some(link) => link,
            None => self.connect().await.map_err(|error| self.failure(&error))?,
        };
        let mut answer = link.info(self.sections).await;
        if answer.as_ref().is_err_and(|error| error.details().contains("syntax error")) {
            self.sections = &[];
            answer = link.info(self.sections).await;
        }
        let text = answer.map_err(|error| self.failure(&error))?;
        self.link = Some(link);
        Ok(Info::parse(&text))
    }

    async fn connect(&self) -> Result<Link, Error> {
        let mut config = Config { fail_fast: true, ..Config::from_url(self.url.as_str())? };
        if let Some(password) = &self.password {
            config.password = Some(password.reveal().to_owned());
        }
        let mut builder = Builder::from_config(config);
        builder.with_connection_config(|connection| {
            connection.connection_timeout = self.patience;
            connection.internal_command_timeout = self.patience;
            connection.max_command_attempts = 1;
            connection.reconnect_errors = Vec::new();
        });
        let client = builder.build()?;
        let task = client.init().await?;
        Ok(Link { client, task })
    }

    fn failure(&self, error: &Error) -> Failure {
        let reason = match error.kind() {
            ErrorKind::Timeout => GapReason::TimedOut,
            ErrorKind::Auth | ErrorKind::Unknown | ErrorKind::InvalidCommand | ErrorKind::InvalidArgument => {
                GapReason::Refused
            }
            ErrorKind::Protocol | ErrorKind::Parse => GapReason::Malformed,
            _ => GapReason::Unreachable,
        };
        Failure::new(reason, self.scrub(readable(error.details())))
    }

    /// Error texts come from the server and the client library; neither may carry the password into a file.
    fn scrub(&self, text: &str) -> String {
        let known = [self.password.as_ref().map(Secret::reveal), self.url.password()];
        let known = known.into_iter().flatten().filter(|password| !password.is_empty());
        known.fold(text.to_owned(), |text, password| text.replace(password, "***"))
    }
}

/// The sentence in an error of the operating system, which the client library shows in Rust's debug form.
fn readable(details: &str) -> &str {
    let message = details.split_once("message: \"").and_then(|(_, rest)| rest.split_once('"'));
    message.map_or(details, |(message, _)| message)
}

fn text(answer: &Value) -> Result<String, Error> {
    match answer.as_bytes() {
        Some(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        None => Err(Error::new(ErrorKind::Protocol, "INFO did not answer with text")),
    }
}

impl Probe for ServerProbe {
    fn source(&self) -> String {
        let mut shown = self.url.clone();
        // A URL that cannot have a password cannot hold one either.
        let _ = shown.set_password(None);
        shown.to_string()
    }

    fn identity(&self) -> BTreeMap<String, String> {
        self.interpreter.identity.clone()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(async {
            let fields = self.fields().await.inspect_err(|failure| self.interpreter.refused(failure))?;
            self.interpreter.reading(&fields)
        })
    }
}
