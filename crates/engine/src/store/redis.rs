//! A client of Redis: one connection (of a cluster, one to each node), and what is asked on it.
//!
//! The client library neither reconnects nor repeats here: what was lost is for the books, and a new connection is a
//! new client. Nothing in it has a timeout of its own either, because whoever asks watches the clock.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fred::clients::Client as Fred;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface, TransactionInterface};
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ServerConfig, TcpConfig, TlsConnector};
use fred::types::{Builder, ClusterHash, CustomCommand, Message, Value};
use plimsoll_plan::{Store, StoreKind};
use plimsoll_record::ledger::Outcome;
use tokio::sync::Notify;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::task::{AbortHandle, JoinHandle};

use super::call::{Filled, FilledScript};
use super::redis_reply::{fault, fault_of, message, reply_of, reply_of_list};
use super::reply::{Fault, Reply};
use crate::connection::system_tls;

/// Messages that may wait for a subscriber to take them.
const MESSAGES: usize = 4096;

/// News of the connection that may wait; each client keeps room for them, so there are few.
const NEWS: usize = 4;

/// One connection.
pub(crate) struct Client {
    fred: Fred,
    /// The task that waits for the end of the one that has the connection.
    task: JoinHandle<()>,
    router: AbortHandle,
    /// Tells those who wait for a reply that the connection is gone: the library leaves them waiting when it was lost
    /// just then.
    gone: Arc<Notify>,
    /// Of a subscriber.
    subscription: Option<RefCell<Subscription>>,
}

struct Subscription {
    channels: Vec<String>,
    messages: Receiver<Message>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.router.abort();
        self.task.abort();
    }
}

impl Client {
    /// Connects; gives up after the store's patience.
    pub(crate) async fn open(store: &Store) -> Result<Self, Fault> {
        Self::open_with(store, NEWS).await
    }

    /// Connects a client that will take messages.
    pub(crate) async fn open_subscriber(store: &Store) -> Result<Self, Fault> {
        let mut client = Self::open_with(store, MESSAGES).await?;
        let messages = client.fred.message_rx();
        client.subscription = Some(RefCell::new(Subscription { channels: Vec::new(), messages }));
        Ok(client)
    }

    async fn open_with(store: &Store, capacity: usize) -> Result<Self, Fault> {
        let patience = store.connect_timeout;
        let fred = client(store, capacity).map_err(|error| fault_of(&error))?;
        let connection = fred.connect();
        let (router, gone) = (connection.abort_handle(), Arc::new(Notify::new()));
        let task = tokio::spawn({
            let gone = Arc::clone(&gone);
            async move {
                let _ = connection.await;
                gone.notify_waiters();
            }
        });
        // Both tasks end with it, also when nobody waits for the connection any more.
        let client = Self { fred, task, router, gone, subscription: None };
        match tokio::time::timeout(patience, client.fred.wait_for_connect()).await {
            Ok(Ok(())) => Ok(client),
            Ok(Err(error)) => Err(match fault_of(&error) {
                Fault { outcome: Outcome::TimedOut, text, .. } => Fault::new(Outcome::ConnectTimedOut, text),
                fault => fault,
            }),
            Err(_) => Err(Outcome::ConnectTimedOut.into()),
        }
    }

    /// True when nothing more can be asked.
    pub(crate) fn is_closed(&self) -> bool {
        self.router.is_finished()
    }

    /// Asks, and waits for the reply as long as it takes.
    pub(crate) async fn ask(&self, asked: Filled<'_>, wanted: bool) -> Result<Reply, Fault> {
        let mut gone = pin!(self.gone.notified());
        gone.as_mut().enable();
        if self.is_closed() {
            return Err(Outcome::Closed.into());
        }
        // A reply that has come counts, also when the connection went just then.
        let mut reply = pin!(self.reply(asked, wanted));
        poll_fn(|cx| match reply.as_mut().poll(cx) {
            Poll::Pending => gone.as_mut().poll(cx).map(|()| Err(Outcome::Closed.into())),
            ready => ready,
        })
        .await
    }

    async fn reply(&self, asked: Filled<'_>, wanted: bool) -> Result<Reply, Fault> {
        match asked {
            Filled::Redis(command, args) => {
                // The library's future is large, and every function around it would copy it once: on the heap it is
                // copied a single time.
                let asking = Box::pin(self.fred.custom_raw(command.clone(), args));
                let frame = asking.await.map_err(|error| fault_of(&error))?;
                reply_of(frame, wanted)
            }
            // On the heap: single commands, as most are, need little room.
            Filled::Pipeline(commands) => Box::pin(self.pipeline(commands, wanted)).await,
            Filled::Transaction(commands) => Box::pin(self.transaction(commands, wanted)).await,
            Filled::Script(script) => Box::pin(self.script(script, wanted)).await,
            Filled::Subscribe(channels) => Box::pin(self.next_message(channels, wanted)).await,
            Filled::Sql(..) | Filled::SqlTransaction { .. } | Filled::Copy { .. } => Err(Outcome::NotBuilt.into()),
        }
    }

    async fn pipeline(&self, commands: Vec<(&CustomCommand, Vec<Value>)>, wanted: bool) -> Result<Reply, Fault> {
        let pipeline = self.fred.pipeline();
        for (command, args) in commands {
            let () = pipeline.custom(command.clone(), args).await.map_err(|error| fault_of(&error))?;
        }
        let replies = pipeline.try_all::<Value>().await.into_iter().collect::<Result<Vec<Value>, _>>();
        Ok(reply_of_list(replies.map_err(|error| fault_of(&error))?, wanted))
    }

    async fn transaction(&self, commands: Vec<(&CustomCommand, Vec<Value>)>, wanted: bool) -> Result<Reply, Fault> {
        let transaction = self.fred.multi();
        for (command, args) in commands {
            let () = transaction.custom(command.clone(), args).await.map_err(|error| fault_of(&error))?;
        }
        let reply = transaction.exec::<Value>(false).await.map_err(|error| fault_of(&error))?;
        let items = if let Value::Array(items) = reply { items } else { vec![reply] };
        Ok(reply_of_list(items, wanted))
    }

    /// By its hash; as a whole when the server does not know it, which then keeps it.
    async fn script(&self, script: FilledScript<'_>, wanted: bool) -> Result<Reply, Fault> {
        let FilledScript { script, count, args } = script;
        let by = |word: &'static str, first: &str| {
            let mut all = Vec::with_capacity(args.len() + 2);
            all.extend([Value::from(first), Value::from(count)]);
            all.extend(args.iter().cloned());
            self.fred.custom_raw(CustomCommand::new_static(word, hash(count), false), all)
        };
        let frame = by("EVALSHA", &script.hash).await.map_err(|error| fault_of(&error))?;
        match reply_of(frame, wanted) {
            Err(unknown) if unknown.text.starts_with("NOSCRIPT") => {
                reply_of(by("EVAL", &script.text).await.map_err(|error| fault_of(&error))?, wanted)
            }
            reply => reply,
        }
    }

    /// The next message of these channels. Only a user has a subscriber, and does one thing at a time with it.
    async fn next_message(&self, channels: Vec<String>, wanted: bool) -> Result<Reply, Fault> {
        let Some(subscription) = &self.subscription else { return Err(Outcome::NotBuilt.into()) };
        let new = subscription.borrow().channels != channels;
        if new {
            self.fred.subscribe(channels.clone()).await.map_err(|error| fault_of(&error))?;
            subscription.borrow_mut().channels = channels;
        }
        // Taken out meanwhile, so that nothing is borrowed while it waits.
        let mut messages = {
            let mut subscription = subscription.borrow_mut();
            let again = subscription.messages.resubscribe();
            std::mem::replace(&mut subscription.messages, again)
        };
        let received = messages.recv().await;
        subscription.borrow_mut().messages = messages;
        match received {
            Ok(received) => Ok(message(received.value, wanted)),
            Err(RecvError::Lagged(lost)) => Err(fault(&format!("{lost} messages were dropped: nobody took them"))),
            Err(RecvError::Closed) => Err(Outcome::Closed.into()),
        }
    }
}

/// Where a command with so many keys goes in a cluster: scripts name the keys behind two other words.
fn hash(keys: i64) -> ClusterHash {
    if keys > 0 { ClusterHash::Offset(2) } else { ClusterHash::Random }
}

fn client(store: &Store, capacity: usize) -> Result<Fred, Error> {
    let mut url = store.url.clone();
    let database = url.path().trim_matches('/').parse().ok();
    url.set_path("");
    let secured = url.scheme() == "rediss";
    // TLS is this program's own, not what the library would make of the scheme.
    let plain = url.as_str().replacen("rediss:", "redis:", 1);
    let mut config = Config::from_url_centralized(&plain)?;
    if secured {
        let tls = system_tls().map_err(|error| Error::new(ErrorKind::Tls, error.to_string()))?;
        config.tls = Some(TlsConnector::from(tls).into());
    }
    config.password = store.password.as_ref().map(|password| password.reveal().to_owned());
    config.database = database;
    let clustered = store.kind == StoreKind::Redis { cluster: true };
    if clustered {
        let hosts = config.server.hosts();
        config.server = ServerConfig::Clustered { hosts, policy: Default::default() };
    }
    let performance = PerformanceConfig { broadcast_channel_capacity: capacity, ..PerformanceConfig::default() };
    let connection = ConnectionConfig {
        connection_timeout: store.connect_timeout,
        internal_command_timeout: store.connect_timeout,
        max_command_attempts: 1,
        disable_cluster_health_check: !clustered,
        tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
        // What Redis says is the outcome of whoever asked; it is no reason to connect anew.
        reconnect_errors: Vec::new(),
        ..ConnectionConfig::default()
    };
    let mut builder = Builder::from_config(config);
    builder.set_performance_config(performance).set_connection_config(connection);
    builder.with_performance_config(|config| config.default_command_timeout = Duration::ZERO);
    builder.build()
}
