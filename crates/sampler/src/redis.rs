//! Redis: what its INFO fields mean to the record, and what happened to it between two readings.
//!
//! The two ways to get the fields, [from the server](ServerProbe) and [from an HTTP endpoint](EndpointProbe), are in
//! modules of their own.

mod endpoint;
mod link;
mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_plan::RedisSource;
use plimsoll_record::series::{GapReason, MarkKind};

pub use self::endpoint::EndpointProbe;
pub(crate) use self::link::Ask;
pub use self::link::{Dial, Link};
pub use self::server::ServerProbe;
use crate::info::Info;
use crate::probe::{Failure, Probe, Reading};

/// Keys that vanish at once without having expired or been evicted make a flush from this many on: a few may
/// simply have been deleted.
const FLUSHED_KEYS: f64 = 10.0;

/// Fields whose value is written under the same or another name.
const PLAIN: [(&str, &str); 26] = [
    ("used_memory", "used_memory"),
    ("used_memory_rss", "used_memory_rss"),
    ("used_memory_peak", "used_memory_peak"),
    ("used_memory_overhead", "used_memory_overhead"),
    ("used_memory_dataset", "used_memory_dataset"),
    ("mem_not_counted_for_evict", "mem_not_counted_for_evict"),
    ("mem_fragmentation_ratio", "mem_fragmentation_ratio"),
    ("allocator_allocated", "allocator_allocated"),
    ("allocator_active", "allocator_active"),
    ("allocator_resident", "allocator_resident"),
    ("mem_clients_normal", "mem_clients_normal"),
    ("mem_clients_slaves", "mem_clients_slaves"),
    ("mem_aof_buffer", "mem_aof_buffer"),
    ("mem_replication_backlog", "mem_replication_backlog"),
    ("used_memory_scripts", "used_memory_scripts"),
    ("connected_clients", "connected_clients"),
    ("blocked_clients", "blocked_clients"),
    ("rejected_connections", "rejected_connections"),
    ("total_commands_processed", "total_commands_processed"),
    ("instantaneous_ops_per_sec", "ops_per_second"),
    ("keyspace_hits", "keyspace_hits"),
    ("keyspace_misses", "keyspace_misses"),
    ("evicted_keys", "evicted_keys"),
    ("expired_keys", "expired_keys"),
    ("uptime_in_seconds", "uptime_seconds"),
    ("keys", "keys"),
];

/// Fields that identify the server, and the names they get in the header.
const IDENTITY: [(&str, &str); 11] = [
    ("redis_version", "redis_version"),
    ("valkey_version", "valkey_version"),
    ("redis_mode", "redis_mode"),
    ("role", "role"),
    ("run_id", "run_id"),
    ("os", "os"),
    ("maxmemory", "maxmemory"),
    ("maxmemory_policy", "maxmemory_policy"),
    ("mem_allocator", "mem_allocator"),
    ("aof_enabled", "aof_enabled"),
    ("io_threads_active", "io_threads_active"),
];

/// The probe for a source.
#[must_use]
pub fn probe(source: &RedisSource, patience: Duration) -> Box<dyn Probe> {
    match source {
        RedisSource::Server(server) => Box::new(ServerProbe::new(server, patience)),
        RedisSource::Endpoint(endpoint) => Box::new(EndpointProbe::new(&endpoint.url)),
        RedisSource::Several(sources) => probe(&sources[0], patience),
    }
}

/// Asks a source once for everything it says.
///
/// # Errors
/// [`Failure`] when it does not answer within `patience`, or not with INFO fields.
pub async fn inspect(source: &RedisSource, patience: Duration) -> Result<Info, Failure> {
    let fields = async {
        match source {
            RedisSource::Server(server) => ServerProbe::new(server, patience).fields().await,
            RedisSource::Endpoint(endpoint) => EndpointProbe::new(&endpoint.url).fields().await,
            RedisSource::Several(_) => Err(Failure::new(GapReason::Refused, "name one server at a time")),
        }
    };
    tokio::time::timeout(patience, fields).await.unwrap_or_else(|_| {
        Err(Failure::new(GapReason::TimedOut, format!("no answer within {} ms", patience.as_millis())))
    })
}

/// Turns the fields of consecutive readings into values and marks.
#[derive(Debug, Default)]
struct Interpreter {
    last: Option<Seen>,
    identity: BTreeMap<String, String>,
    was_loading: bool,
}

/// What a reading is compared with.
#[derive(Clone, Debug)]
struct Seen {
    run_id: Option<String>,
    uptime: Option<f64>,
    role: Option<String>,
    keys: Option<f64>,
    removed: f64,
    loading: bool,
    saving: bool,
}

impl Interpreter {
    fn reading(&mut self, info: &Info) -> Result<Reading, Failure> {
        if info.number("used_memory").is_none() {
            return Err(Failure::new(GapReason::Malformed, "the answer has no field used_memory"));
        }
        let mut reading = Reading { values: values(info), marks: Vec::new() };
        let seen = Seen::of(info, &reading);
        if let Some(last) = &self.last {
            reading.marks = seen.marks_since(last);
        }
        if std::mem::take(&mut self.was_loading) || (seen.loading && self.last.is_none()) {
            reading.marks.push((MarkKind::Loading, "the data set was being loaded".to_owned()));
        }
        self.last = Some(seen);
        let known =
            IDENTITY.iter().filter_map(|(field, name)| Some(((*name).to_owned(), info.text(field)?.to_owned())));
        self.identity.extend(known);
        Ok(reading)
    }

    /// Remembers that the server refused because it was loading its data set.
    fn refused(&mut self, failure: &Failure) {
        self.was_loading |= failure.detail.contains("LOADING");
    }
}

impl Seen {
    fn of(info: &Info, reading: &Reading) -> Self {
        let value = |key: &str| reading.values.get(key).copied();
        let flag = |name| info.number(name).is_some_and(|flag| flag > 0.0);
        Self {
            run_id: info.text("run_id").map(str::to_owned),
            uptime: value("uptime_seconds"),
            role: info.text("role").map(str::to_owned),
            keys: value("keys"),
            removed: value("expired_keys").unwrap_or(0.0) + value("evicted_keys").unwrap_or(0.0),
            loading: flag("loading") || flag("async_loading"),
            saving: flag("rdb_bgsave_in_progress") || flag("aof_rewrite_in_progress"),
        }
    }

    fn marks_since(&self, last: &Self) -> Vec<(MarkKind, String)> {
        let mut marks = Vec::new();
        if self.restarted_since(last) {
            marks.push((MarkKind::Restarted, "the server was restarted".to_owned()));
        } else if let (Some(before), Some(0.0)) = (last.keys, self.keys) {
            let vanished = before - (self.removed - last.removed).max(0.0);
            if vanished >= FLUSHED_KEYS {
                marks.push((MarkKind::Flushed, format!("{before} keys were there before, none now")));
            }
        }
        if let (Some(before), Some(now)) = (&last.role, &self.role)
            && before != now
        {
            marks.push((MarkKind::RoleChanged, format!("{before} became {now}")));
        }
        if self.loading && !last.loading {
            marks.push((MarkKind::Loading, "the data set is being loaded".to_owned()));
        }
        if self.saving && !last.saving {
            marks.push((MarkKind::SaveStarted, "a background save or rewrite began".to_owned()));
        }
        marks
    }

    fn restarted_since(&self, last: &Self) -> bool {
        match (&last.run_id, &self.run_id) {
            (Some(before), Some(now)) => before != now,
            _ => matches!((last.uptime, self.uptime), (Some(before), Some(now)) if now < before),
        }
    }
}

/// The catalogue's values of one answer. Counts that the answer would list if they were not zero are zero; the rest is
/// absent when it is not there.
#[must_use]
pub fn values(info: &Info) -> BTreeMap<String, f64> {
    let mut reading = Reading::default();
    for (field, key) in PLAIN {
        reading.set(key, info.number(field));
    }
    reading.set("maxmemory", info.number("maxmemory").filter(|limit| *limit > 0.0));
    let cpu = info.number("used_cpu_sys").zip(info.number("used_cpu_user"));
    reading.set("cpu_seconds", cpu.map(|(system, user)| system + user));
    if let Some(databases) = info.databases() {
        // Adding to zero: the sum of nothing would be written as -0.
        reading.set("keys", Some(databases.iter().fold(0.0, |sum, database| sum + database.keys)));
        reading.set("expires", databases.iter().try_fold(0.0, |sum, database| Some(sum + database.expires?)));
        let left = databases.iter().filter_map(|database| database.avg_ttl_s).max_by(f64::total_cmp);
        reading.set("avg_ttl", left);
    }
    reading.set("oom_errors", info.errors().map(|errors| errors.get("OOM").copied().unwrap_or(0.0)));
    reading.values
}

#[cfg(test)]
mod tests {
    use plimsoll_record::metric::{METRICS, Source};

    use super::*;

    fn answer(run_id: &str, keys: u32, expired: u32, extra: &str) -> Info {
        let keyspace = if keys > 0 { format!("db0:keys={keys},expires=0") } else { String::new() };
        Info::parse(&format!(
            "# Server\nrun_id:{run_id}\nuptime_in_seconds:10\n# Memory\nused_memory:1000\nmaxmemory:0\n\
             expired_keys:{expired}\nevicted_keys:0\nrole:master\nused_cpu_sys:1.5\nused_cpu_user:2\n{extra}\n\
             # Errorstats\n# Keyspace\n{keyspace}\n"
        ))
    }

    #[track_caller]
    fn check(first: &Info, second: &Info, expected: &[MarkKind]) {
        let mut interpreter = Interpreter::default();
        assert_eq!(interpreter.reading(first).unwrap().marks, []);
        let marks = interpreter.reading(second).unwrap().marks;
        assert_eq!(marks.into_iter().map(|(kind, _)| kind).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_happens_to_the_server_is_marked() {
        let before = answer("a", 50, 0, "");
        check(&before, &answer("a", 50, 0, ""), &[]);
        check(&before, &answer("b", 0, 0, ""), &[MarkKind::Restarted]);
        check(&before, &answer("a", 0, 0, ""), &[MarkKind::Flushed]);
        check(&before, &answer("a", 50, 0, "role:slave"), &[MarkKind::RoleChanged]);
        check(&before, &answer("a", 50, 0, "rdb_bgsave_in_progress:1"), &[MarkKind::SaveStarted]);
        check(&before, &answer("a", 50, 0, "loading:1"), &[MarkKind::Loading]);
    }

    #[test]
    fn keys_that_expired_were_not_flushed() {
        check(&answer("a", 50, 0, ""), &answer("a", 0, 50, ""), &[]);
    }

    #[test]
    fn a_missing_limit_is_absent_and_an_unlisted_error_is_zero() {
        let values = values(&answer("a", 0, 0, ""));
        assert_eq!(values.get("maxmemory"), None);
        assert_eq!(values["oom_errors"], 0.0);
        assert_eq!(values["keys"], 0.0);
        assert_eq!(values["cpu_seconds"], 3.5);
        assert_eq!(values.get("used_memory_rss"), None);
    }

    #[test]
    fn every_value_is_in_the_catalogue() {
        let keys: Vec<&str> = METRICS.iter().filter(|m| m.source == Source::Redis).map(|m| m.key).collect();
        for (_, key) in PLAIN {
            assert!(keys.contains(&key), "{key}");
        }
    }

    #[test]
    fn an_answer_about_something_else_is_malformed() {
        let failure = Interpreter::default().reading(&Info::parse("hello:1\n")).unwrap_err();
        assert_eq!(failure.reason, GapReason::Malformed);
    }
}
