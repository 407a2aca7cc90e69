//! A client of PostgreSQL: one connection, the statements that are prepared on it, and what is asked.
//!
//! Parameters are sent as text, which the server reads as whatever type it expects; `bytea` alone goes as it is. A
//! transaction that is not committed is rolled back before anybody else has the connection.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use plimsoll_plan::Store;
use plimsoll_record::ledger::Outcome;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Config, NoTls, Row, Statement as Prepared};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::call::{Filled, Statement};
use super::postgres_fault::fault_of;
use super::postgres_value::{first_value, row_as_json};
use super::reply::{Content, Fault, Reply};
use crate::connection::system_tls;

/// Rows that are looked at. What is beyond is counted.
const MOST_ROWS: usize = 10_000;

/// One connection.
pub(crate) struct Client {
    client: tokio_postgres::Client,
    /// The task that has the connection.
    task: JoinHandle<()>,
    prepared: RefCell<HashMap<Arc<str>, Prepared>>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    /// Connects; gives up after the store's patience.
    pub(crate) async fn open(store: &Store) -> Result<Self, Fault> {
        let config = config(store).map_err(|error| fault_of(&error))?;
        let patience = store.connect_timeout;
        let opened = tokio::time::timeout(patience, connect(&config)).await;
        let (client, task) = opened.unwrap_or_else(|_| Err(Outcome::ConnectTimedOut.into()))?;
        Ok(Self { client, task, prepared: RefCell::default() })
    }

    /// True when nothing more can be asked.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Asks, and waits for the reply as long as it takes.
    pub(crate) async fn ask(&self, asked: Filled<'_>, wanted: bool) -> Result<Reply, Fault> {
        match asked {
            Filled::Sql(statement, params) => self.statement(statement, &params, wanted).await,
            Filled::SqlTransaction { statements, begin, retries } => {
                self.transaction(&statements, begin, retries, wanted).await
            }
            Filled::Copy { sql, rows } => self.copy(sql, rows, wanted).await,
            _ => Err(Outcome::NotBuilt.into()),
        }
    }

    async fn statement(&self, statement: &Statement, params: &[Bytes], wanted: bool) -> Result<Reply, Fault> {
        let prepared = self.prepare(&statement.sql).await?;
        let params = params.iter().map(Param).collect::<Vec<_>>();
        if params.len() != prepared.params().len() {
            let (given, expected) = (params.len(), prepared.params().len());
            return Err(Fault::new(
                Outcome::NotBuilt,
                format!("the statement has {expected} parameters, and `params` gives {given}"),
            ));
        }
        let rows = self.client.query_raw(&prepared, params).await.map_err(|error| fault_of(&error))?;
        let mut rows = pin!(rows);
        let (mut kept, mut bytes, mut count) = (Vec::new(), 0, 0);
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| fault_of(&error))?;
            bytes += row.raw_size_bytes() as u64;
            count += 1;
            if wanted && kept.len() < MOST_ROWS {
                kept.push(row);
            }
        }
        // A statement without rows tells how many it changed.
        let changed = if count == 0 { rows.rows_affected().unwrap_or(0) } else { count };
        if wanted { Ok(looked_at(&kept, changed, bytes)) } else { Ok(Reply::unseen(bytes)) }
    }

    async fn prepare(&self, sql: &Arc<str>) -> Result<Prepared, Fault> {
        if let Some(prepared) = self.prepared.borrow().get(sql) {
            return Ok(prepared.clone());
        }
        let prepared = self.client.prepare(sql).await.map_err(|error| fault_of(&error))?;
        self.prepared.borrow_mut().insert(Arc::clone(sql), prepared.clone());
        Ok(prepared)
    }

    /// Once, and as often anew as the plan allows and the server asks for it.
    async fn transaction(
        &self,
        statements: &[(&Statement, Vec<Bytes>)],
        begin: &str,
        retries: u32,
        wanted: bool,
    ) -> Result<Reply, Fault> {
        let mut retried = 0;
        loop {
            match self.try_transaction(statements, begin, wanted).await {
                Ok(reply) => return Ok(Reply { retries: retried, ..reply }),
                Err(fault) => {
                    if fault.outcome.is_answered() {
                        // If that fails, too, the connection is broken, which is seen when it is given back.
                        let _ = self.client.batch_execute("ROLLBACK").await;
                    }
                    let again = matches!(fault.outcome, Outcome::SerializationFailure | Outcome::Deadlock);
                    if !again || retried == retries {
                        return Err(Fault { retries: retried, ..fault });
                    }
                    retried += 1;
                }
            }
        }
    }

    async fn try_transaction(
        &self,
        statements: &[(&Statement, Vec<Bytes>)],
        begin: &str,
        wanted: bool,
    ) -> Result<Reply, Fault> {
        self.client.batch_execute(begin).await.map_err(|error| fault_of(&error))?;
        let (mut last, mut bytes) = (Reply::unseen(0), 0);
        for (index, (statement, params)) in statements.iter().enumerate() {
            let wanted = wanted && index + 1 == statements.len();
            last = self.statement(statement, params, wanted).await?;
            bytes += last.bytes;
        }
        self.client.batch_execute("COMMIT").await.map_err(|error| fault_of(&error))?;
        Ok(Reply { bytes, ..last })
    }

    async fn copy(&self, sql: &str, rows: Bytes, wanted: bool) -> Result<Reply, Fault> {
        let sink = self.client.copy_in(sql).await.map_err(|error| fault_of(&error))?;
        let mut sink = pin!(sink);
        sink.send(rows).await.map_err(|error| fault_of(&error))?;
        let count = sink.finish().await.map_err(|error| fault_of(&error))?;
        if wanted { Ok(looked_at(&[], count, 0)) } else { Ok(Reply::unseen(0)) }
    }
}

/// Rows as a list of objects; the value is the first column of the first row.
fn looked_at(kept: &[Row], rows: u64, bytes: u64) -> Reply {
    let whole = kept.iter().map(row_as_json).collect();
    let content = Content::Json { value: kept.first().and_then(first_value), whole };
    Reply { content, rows, bytes, retries: 0 }
}

fn config(store: &Store) -> Result<Config, tokio_postgres::Error> {
    let mut config: Config = store.url.as_str().parse()?;
    if let Some(password) = &store.password {
        config.password(password.reveal());
    }
    if config.get_application_name().is_none() {
        config.application_name("plimsoll");
    }
    Ok(config)
}

/// A connection, and the task that drives it.
async fn connect(config: &Config) -> Result<(tokio_postgres::Client, JoinHandle<()>), Fault> {
    // With `prefer`, which is the default, a server without TLS gets no second try: local stores have none.
    if config.get_ssl_mode() == SslMode::Require {
        let tls = system_tls().map_err(|error| Fault::new(Outcome::Tls, error.to_string()))?;
        let opened = config.connect(MakeRustlsConnect::new(tls)).await;
        let (client, connection) = opened.map_err(|error| fault_of(&error))?;
        return Ok((client, tokio::spawn(async move { drop(connection.await) })));
    }
    let (client, connection) = config.connect(NoTls).await.map_err(|error| fault_of(&error))?;
    Ok((client, tokio::spawn(async move { drop(connection.await) })))
}

/// A parameter as text, or any bytes where the server wants those.
#[derive(Debug)]
struct Param<'p>(&'p Bytes);

impl ToSql for Param<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.to_sql(kind, out)
    }

    fn encode_format(&self, kind: &Type) -> Format {
        if *kind == Type::BYTEA { Format::Binary } else { Format::Text }
    }
}
