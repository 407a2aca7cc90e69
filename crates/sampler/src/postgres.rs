//! PostgreSQL: one statement over its statistics per reading, and what happened to the server between two of them.
//!
//! Counts come as the server keeps them, since its statistics began; rates and shares are of the time since the sample
//! before. What a role may not see is absent: states of other roles' sessions need `pg_read_all_stats`, which
//! `pg_monitor` holds. memwatch's own session is not counted.

mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_plan::PostgresSource;
use plimsoll_record::series::MarkKind;
use plimsoll_record::{Offset, RunClock};

pub(crate) use self::server::{Answer, Server};
use crate::probe::{Failure, Probe, Reading, ReadingFuture};

/// The size of a database is the sum over all its files: not for each reading.
const SIZE_EVERY_NS: u64 = 60_000_000_000;

const SESSIONS: &str = "\
SELECT count(*) AS connections, count(*) FILTER (WHERE state = 'active') AS connections_active, \
count(*) FILTER (WHERE state = 'idle') AS connections_idle, \
count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS connections_idle_in_transaction, \
count(*) FILTER (WHERE wait_event_type = 'Lock') AS connections_waiting, \
coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0) AS longest_transaction_seconds \
FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

/// For roles that may not see the sessions of others.
const SESSIONS_COUNTED: &str = "SELECT sum(numbackends) - 1 AS connections FROM pg_stat_database";

const DATABASES: &str = "\
SELECT sum(xact_commit) AS transactions_committed, sum(xact_rollback) AS transactions_rolled_back, \
sum(blks_hit) AS blocks_hit, sum(blks_read) AS blocks_read, sum(deadlocks) AS deadlocks, \
sum(temp_bytes) AS temp_bytes FROM pg_stat_database";

const SERVER: &str = "\
SELECT (SELECT count(*) FROM pg_locks WHERE NOT granted) AS locks_waiting, \
current_setting('max_connections') AS max_connections, pg_is_in_recovery() AS replica, \
pg_postmaster_start_time() AS started, \
extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) AS uptime_seconds";

/// Until version 16.
const CHECKPOINTS_OF_WRITER: &str =
    "SELECT checkpoints_timed, checkpoints_req AS checkpoints_requested FROM pg_stat_bgwriter";
/// From version 17 on.
const CHECKPOINTS: &str =
    "SELECT num_timed AS checkpoints_timed, num_requested AS checkpoints_requested FROM pg_stat_checkpointer";

/// Values that stand in the answer as they are sampled.
const PLAIN: [&str; 18] = [
    "connections",
    "connections_active",
    "connections_idle",
    "connections_idle_in_transaction",
    "connections_waiting",
    "longest_transaction_seconds",
    "max_connections",
    "locks_waiting",
    "transactions_committed",
    "transactions_rolled_back",
    "blocks_hit",
    "blocks_read",
    "deadlocks",
    "temp_bytes",
    "checkpoints_timed",
    "checkpoints_requested",
    "database_bytes",
    "uptime_seconds",
];

/// Samples a PostgreSQL server.
pub struct PostgresProbe {
    server: Server,
    clock: RunClock,
    seen: Option<Seen>,
    sized: Option<Offset>,
    is_last: bool,
}

/// What a reading is compared with.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    at: Offset,
    started: String,
    replica: String,
    transactions: Option<f64>,
    hit: Option<f64>,
    read: Option<f64>,
}

impl PostgresProbe {
    /// A probe of the server, connected at the first reading. `patience` bounds the connecting, and the server's own
    /// work on a statement that nobody waits for any more.
    #[must_use]
    pub fn new(source: &PostgresSource, clock: RunClock, patience: Duration) -> Self {
        Self { server: Server::new(source, patience), clock, seen: None, sized: None, is_last: false }
    }

    async fn sample(&mut self) -> Result<Reading, Failure> {
        let at = self.clock.now();
        let wants_size = self.is_last || self.sized.is_none_or(|before| at.since(before) >= SIZE_EVERY_NS);
        let answer = self.server.ask(|facts| statement(facts.sees_sessions, facts.version, wants_size)).await?;
        if wants_size {
            self.sized = Some(at);
        }
        let seen = Seen::of(at, &answer);
        let mut reading = Reading::default();
        for key in PLAIN {
            reading.set(key, answer.number(key));
        }
        let share = answer.number("connections").zip(answer.number("max_connections"));
        reading.set("connections_share", share.map(|(used, limit)| used / limit));
        if let Some(before) = self.seen.replace(seen.clone()) {
            seen.compare(&before, &mut reading);
        }
        Ok(reading)
    }
}

fn statement(sees_sessions: bool, version: u32, wants_size: bool) -> String {
    let sessions = if sees_sessions { SESSIONS } else { SESSIONS_COUNTED };
    let checkpoints = if version >= 170_000 { CHECKPOINTS } else { CHECKPOINTS_OF_WRITER };
    let size = if wants_size { ", (SELECT pg_database_size(current_database()) AS database_bytes) z" } else { "" };
    format!("SELECT * FROM ({sessions}) s, ({DATABASES}) d, ({SERVER}) v, ({checkpoints}) c{size}")
}

impl Seen {
    fn of(at: Offset, answer: &Answer) -> Self {
        let text = |key| answer.text(key).unwrap_or_default().to_owned();
        let ended = answer.number("transactions_committed").zip(answer.number("transactions_rolled_back"));
        Self {
            at,
            started: text("started"),
            replica: text("replica"),
            transactions: ended.map(|(committed, rolled_back)| committed + rolled_back),
            hit: answer.number("blocks_hit"),
            read: answer.number("blocks_read"),
        }
    }

    /// Rates since `before`, unless the server or its statistics began anew, and what happened since.
    fn compare(&self, before: &Self, reading: &mut Reading) {
        if self.started != before.started {
            reading.marks.push((MarkKind::Restarted, "the server was restarted".to_owned()));
        }
        if self.replica != before.replica {
            let word = |flag: &str| if flag == "t" { "replica" } else { "primary" };
            let detail = format!("{} became {}", word(&before.replica), word(&self.replica));
            reading.marks.push((MarkKind::RoleChanged, detail));
        }
        let rise = |now: Option<f64>, then: Option<f64>| {
            let rise = now? - then?;
            (rise >= 0.0 && self.started == before.started).then_some(rise)
        };
        let seconds = self.at.since(before.at) as f64 / 1e9;
        let ended = rise(self.transactions, before.transactions).filter(|_| seconds > 0.0);
        reading.set("transactions_per_second", ended.map(|ended| ended / seconds));
        if let (Some(hit), Some(read)) = (rise(self.hit, before.hit), rise(self.read, before.read))
            && hit + read > 0.0
        {
            reading.set("cache_hit_share", Some(hit / (hit + read)));
        }
    }
}

impl Probe for PostgresProbe {
    fn source(&self) -> String {
        self.server.shown().to_owned()
    }

    fn identity(&self) -> BTreeMap<String, String> {
        self.server.identity()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(self.sample())
    }

    fn prepare_for_last(&mut self) {
        self.is_last = true;
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::metric::{METRICS, Source};

    use super::*;

    fn seen(second: i64, started: &str, transactions: f64, hit: f64, read: f64) -> Seen {
        let at = Offset(second * 1_000_000_000);
        let (started, replica) = (started.to_owned(), "f".to_owned());
        Seen { at, started, replica, transactions: Some(transactions), hit: Some(hit), read: Some(read) }
    }

    #[test]
    fn rates_and_shares_are_of_the_time_between_two_samples() {
        let mut reading = Reading::default();
        seen(12, "a", 150.0, 390.0, 110.0).compare(&seen(10, "a", 50.0, 300.0, 100.0), &mut reading);
        assert_eq!((reading.values["transactions_per_second"], reading.values["cache_hit_share"]), (50.0, 0.9));
        assert!(reading.marks.is_empty());
    }

    #[test]
    fn after_a_restart_there_is_a_mark_and_no_rate() {
        let mut reading = Reading::default();
        seen(12, "b", 900.0, 900.0, 900.0).compare(&seen(10, "a", 50.0, 300.0, 100.0), &mut reading);
        assert_eq!(reading.marks[0].0, MarkKind::Restarted);
        assert!(reading.values.is_empty(), "{reading:?}");
    }

    #[test]
    fn statistics_that_were_reset_give_no_rate() {
        let mut reading = Reading::default();
        seen(12, "a", 1.0, 1.0, 0.0).compare(&seen(10, "a", 50.0, 300.0, 100.0), &mut reading);
        assert!(reading.values.is_empty(), "{reading:?}");
    }

    #[test]
    fn a_primary_that_became_a_replica_is_marked() {
        let (mut reading, before) = (Reading::default(), seen(10, "a", 1.0, 1.0, 1.0));
        Seen { replica: "t".to_owned(), ..before.clone() }.compare(&before, &mut reading);
        assert_eq!(reading.marks, [(MarkKind::RoleChanged, "primary became replica".to_owned())]);
    }

    #[test]
    fn every_value_is_in_the_catalogue() {
        let known: Vec<_> = METRICS.iter().filter(|m| m.source == Source::Postgres).map(|m| m.key).collect();
        assert!(PLAIN.iter().all(|key| known.contains(key)), "{known:?}");
    }
}
