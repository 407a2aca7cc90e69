//! The connection to Redis: made, watched, dropped and made anew. Every call has a time limit, and
//! while Redis is away callers hear so at once instead of queueing for it.
//!
//! fred can reconnect by itself, but it does not notice every lost connection, and commands queued
//! meanwhile would run late, with the counters of a window long past. So a client here lives as long
//! as its connection, and a new connection is a new client.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::ClientLike as _,
    types::{Builder, ConnectHandle, config::Config},
};
use tokio::{sync::Notify, time};

use crate::{
    logs::ErrorEvent,
    memory,
    scripts::{self, Digests},
    state::Shared,
};

const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const HEARTBEAT: Duration = Duration::from_millis(500);
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Where the Redis is: a URL checked at the start.
#[derive(Clone, Debug)]
pub(crate) struct RedisAddress {
    config: Config,
    /// Host and port only, without credentials: this is shown.
    pub(crate) shown: String,
}

/// The message leaves the URL out: it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("the Redis URL is not usable: {0}; write redis://[user:password@]host[:port][/database], or rediss:// for TLS")]
pub(crate) struct AddressError(String);

/// A live connection, and the scripts it knows.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) scripts: Arc<Digests>,
}

/// Why a call could not be answered by Redis.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("redis is down: {0}")]
    Down(Arc<str>),
    #[error("redis: {0}")]
    Call(#[from] Error),
}

/// One thread's connection to Redis.
#[derive(Debug)]
pub(crate) struct Link {
    state: RwLock<Result<Session, Arc<str>>>,
    suspected: Notify,
}

impl RedisAddress {
    pub(crate) fn parse(url: &str) -> Result<Self, AddressError> {
        if !url.starts_with("redis://") && !url.starts_with("rediss://") {
            return Err(AddressError("it does not start with redis://".to_owned()));
        }
        let config = Config::from_url_centralized(url).map_err(|error| AddressError(error.details().to_owned()))?;
        let shown = config.server.hosts().iter().map(ToString::to_string).collect();
        Ok(Self { config, shown })
    }
}

impl Link {
    pub(crate) fn new() -> Self {
        Self { state: RwLock::new(Err("not connected yet".into())), suspected: Notify::new() }
    }

    /// The present connection, or why there is none.
    pub(crate) fn session(&self) -> Result<Session, CallError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.clone().map_err(CallError::Down)
    }

    /// Turns a failed command into a [`CallError`], and has the connection checked if it may be the cause.
    pub(crate) fn failed(&self, error: Error) -> CallError {
        let of_connection =
            matches!(error.kind(), ErrorKind::IO | ErrorKind::Timeout | ErrorKind::Canceled | ErrorKind::Protocol);
        if of_connection {
            self.suspected.notify_one();
        }
        CallError::Call(error)
    }

    /// Whether Redis answers now.
    pub(crate) async fn ping(&self) -> Result<(), CallError> {
        let session = self.session()?;
        session.client.ping::<()>(None).await.map_err(|error| self.failed(error))
    }

    fn set(&self, state: Result<Session, Arc<str>>) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// Keeps `link` connected for as long as the thread runs. `tried` hears when the first attempt is over.
pub(crate) async fn keep(link: Arc<Link>, shared: Arc<Shared>, tried: Arc<Notify>) {
    // One log line per outage, not one per attempt.
    let mut reported = false;
    loop {
        let cause = match connect(&shared).await {
            Ok((session, mut connection)) => {
                link.set(Ok(session.clone()));
                tried.notify_one();
                reported = false;
                let cause = watch(&link, &session.client, &mut connection).await;
                // The client goes with its connection: whatever still waits on it fails now.
                connection.abort();
                format!("lost {}: {cause}", shared.redis.shown)
            }
            Err(error) => format!("{} does not answer: {error}", shared.redis.shown),
        };
        if !reported {
            let message = format!("redis is down: {cause}");
            shared.logs.error(ErrorEvent::RedisDown, None, &message);
            reported = true;
        }
        link.set(Err(cause.into()));
        tried.notify_one();
        time::sleep(RETRY_DELAY).await;
    }
}

async fn connect(shared: &Shared) -> Result<(Session, ConnectHandle), Error> {
    let client = Builder::from_config(shared.redis.config.clone())
        .with_performance_config(|performance| performance.default_command_timeout = COMMAND_TIMEOUT)
        .with_connection_config(|connection| {
            connection.connection_timeout = COMMAND_TIMEOUT;
            connection.internal_command_timeout = COMMAND_TIMEOUT;
            // A command sent twice would count a request twice.
            connection.max_command_attempts = 1;
            connection.tcp.nodelay = Some(true);
            connection.reconnect_errors.clear();
        })
        .build()?;
    let connection = within(CONNECT_TIMEOUT, client.init()).await?;
    match prepare(&client, shared).await {
        Ok(scripts) => Ok((Session { client, scripts: Arc::new(scripts) }, connection)),
        Err(error) => {
            connection.abort();
            Err(error)
        }
    }
}

/// What a fresh connection, perhaps to a freshly started Redis, needs before its first request.
async fn prepare(client: &Client, shared: &Shared) -> Result<Digests, Error> {
    let digests = scripts::load(client).await?;
    if let Some(size) = shared.faults().maxmemory {
        memory::limit(client, shared, size).await?;
    }
    Ok(digests)
}

/// Returns why the connection is no good any more.
async fn watch(link: &Link, client: &Client, connection: &mut ConnectHandle) -> String {
    loop {
        tokio::select! {
            ended = &mut *connection => return match ended {
                Ok(Err(error)) => error.to_string(),
                _ => "the connection was closed".to_owned(),
            },
            () = link.suspected.notified() => {}
            () = time::sleep(HEARTBEAT) => {}
        }
        if let Err(error) = client.ping::<()>(None).await {
            return error.to_string();
        }
    }
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    time::timeout(limit, call).await.unwrap_or_else(|_elapsed| Err(Error::new(ErrorKind::Timeout, "no answer in time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_password_is_shown_without_it() {
        let address = RedisAddress::parse("redis://user:hunter2@10.0.0.7:6380/2").unwrap();
        assert_eq!(address.shown, "10.0.0.7:6380");
    }

    #[test]
    fn a_bad_url_is_answered_with_the_form_it_takes_and_without_its_secrets() {
        for wrong in ["http://hunter2@x", "redis://:hunter2@", "redis://:hunter2@h:99999", "redis://:hunter2@h/zero"] {
            let message = RedisAddress::parse(wrong).unwrap_err().to_string();
            assert!(message.contains("redis://[user:password@]host"), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
