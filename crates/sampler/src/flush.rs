//! Empties databases, for a clean start. The one place in this crate that changes anything in Redis.
//!
//! It does what it is told: whether that is wise is for the caller to ask.

use std::time::Duration;

use plimsoll_plan::RedisSource;
use plimsoll_record::RunClock;
use plimsoll_record::series::GapReason;

use crate::keys::{Metered, number};
use crate::probe::Failure;
use crate::redis::Ask;

/// Memory is given back in the background; this long the end of it is waited for.
const FREEING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// What to empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// One database.
    Database(u32),
    /// Every database of the server.
    All,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flushed {
    /// Memory in use before, in bytes.
    pub used_before: Option<f64>,
    /// Memory in use afterwards, in bytes.
    pub used_after: Option<f64>,
    /// Keys that are there again or still: somebody writes.
    pub keys_left: u64,
    /// True when memory was still being given back.
    pub still_freeing: bool,
}

/// Empties a database, or all.
///
/// # Errors
/// [`Failure`] when Redis cannot be reached or refuses, e.g. because the user may not.
pub async fn flush(
    source: &RedisSource,
    extent: Extent,
    clock: RunClock,
    patience: Duration,
) -> Result<Flushed, Failure> {
    let mut link = Metered::connect(source, clock, patience).await?;
    let used_before = link.info("memory").await?.number("used_memory");
    let command = match extent {
        Extent::Database(number) => {
            link.ask(Ask::new("SELECT").with(i64::from(number))).await?;
            "FLUSHDB"
        }
        Extent::All => "FLUSHALL",
    };
    link.ask(Ask::new(command).with("ASYNC")).await.map_err(with_rights)?;
    let began = clock.now();
    let mut memory = link.info("memory").await?;
    let freeing = |memory: &crate::info::Info| memory.number("lazyfree_pending_objects").is_some_and(|n| n > 0.0);
    while freeing(&memory) && Duration::from_nanos(clock.now().since(began)) < FREEING {
        link.rest(LOOK).await;
        memory = link.info("memory").await?;
    }
    let keys_left = match extent {
        Extent::Database(_) => number(&link.ask(Ask::new("DBSIZE")).await?).unwrap_or(0),
        Extent::All => {
            let databases = link.info("keyspace").await?.databases().unwrap_or_default();
            databases.iter().map(|database| database.keys as u64).sum()
        }
    };
    let used_after = memory.number("used_memory");
    Ok(Flushed { used_before, used_after, keys_left, still_freeing: freeing(&memory) })
}

fn with_rights(mut failure: Failure) -> Failure {
    if failure.reason == GapReason::Refused && failure.detail.contains("NOPERM") {
        failure.detail.push_str("; emptying databases needs the rights +flushdb +flushall");
    }
    failure
}
