//! What INFO's fields mean to the record, and what happened to a server between two readings of them.
//!
//! Pure: it neither asks a server nor keeps time. What is not in an answer is absent from the values.

use std::collections::BTreeMap;

use plimsoll_record::metric::{METRICS, Source};
use plimsoll_record::series::{Found, GapReason, MarkKind, TableKind};

use crate::info::{Database, Info};
use crate::probe::{Failure, Reading};

/// Keys that vanish at once without having expired or been evicted make a flush from this many on: a few may
/// simply have been deleted.
const FLUSHED_KEYS: f64 = 10.0;
/// Rows of a table that are kept at most.
const MAX_ROWS: usize = 1_000;

/// Fields whose value goes by another name in the record. All others of the catalogue go by their own.
pub(crate) const RENAMED: [(&str, &str); 26] = [
    ("used_memory_vm_eval", "used_memory_lua"),
    ("used_memory_vm_functions", "used_memory_functions"),
    ("total_system_memory", "system_memory"),
    ("mem_total_replication_buffers", "mem_replication_buffers"),
    ("mem_overhead_db_hashtable_rehashing", "mem_rehashing"),
    ("active_defrag_running", "active_defrag_percent"),
    ("client_recent_max_input_buffer", "client_input_buffer_max"),
    ("client_recent_max_output_buffer", "client_output_buffer_max"),
    ("instantaneous_ops_per_sec", "ops_per_second"),
    ("total_net_input_bytes", "net_input_bytes"),
    ("total_net_output_bytes", "net_output_bytes"),
    ("sync_full", "full_syncs"),
    ("sync_partial_err", "partial_syncs_refused"),
    ("rdb_changes_since_last_save", "changes_since_save"),
    ("rdb_bgsave_in_progress", "bgsave_in_progress"),
    ("rdb_last_cow_size", "bgsave_copied_bytes"),
    ("aof_last_cow_size", "aof_rewrite_copied_bytes"),
    ("current_cow_size", "fork_copied_bytes"),
    ("aof_current_size", "aof_bytes"),
    ("aof_delayed_fsync", "aof_delayed_fsyncs"),
    ("connected_slaves", "connected_replicas"),
    ("master_repl_offset", "replication_offset"),
    ("repl_backlog_histlen", "replication_backlog_used"),
    ("master_last_io_seconds_ago", "primary_silent_seconds"),
    ("master_sync_in_progress", "sync_in_progress"),
    ("uptime_in_seconds", "uptime_seconds"),
];

/// Fields that identify the server.
const IDENTITY: [&str; 20] = [
    "redis_version",
    "valkey_version",
    "server_name",
    "redis_mode",
    "role",
    "run_id",
    "redis_build_id",
    "os",
    "arch_bits",
    "multiplexing_api",
    "process_id",
    "tcp_port",
    "configured_hz",
    "maxmemory",
    "maxmemory_policy",
    "maxclients",
    "mem_allocator",
    "aof_enabled",
    "io_threads_active",
    "master_replid",
];

/// Turns the fields of consecutive readings into values and marks.
#[derive(Debug, Default)]
pub(crate) struct Interpreter {
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
    databases: Vec<Database>,
    keys: Option<f64>,
    removed: f64,
    commands: Option<f64>,
    loading: bool,
    save: Fork,
    rewrite: Fork,
}

/// A child process of the server that writes the data set out.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fork {
    running: bool,
    /// Changes whenever one has ended.
    last: [Option<String>; 2],
    failed: bool,
}

impl Interpreter {
    /// What is known of the server that does not change.
    pub(crate) fn identity(&self) -> BTreeMap<String, String> {
        self.identity.clone()
    }

    /// Notes something about the server that INFO does not say.
    pub(crate) fn note(&mut self, name: &str, value: &str) {
        self.identity.insert(name.to_owned(), value.to_owned());
    }

    /// Values and marks of one answer.
    pub(crate) fn reading(&mut self, info: &Info) -> Result<Reading, Failure> {
        if info.number("used_memory").is_none() {
            return Err(Failure::new(GapReason::Malformed, "the answer has no field used_memory"));
        }
        let mut reading = Reading { values: values(info), ..Reading::default() };
        let seen = Seen::of(info, &reading);
        if let Some(last) = &self.last {
            reading.marks = seen.marks_since(last);
        }
        if std::mem::take(&mut self.was_loading) || (seen.loading && self.last.is_none()) {
            reading.marks.push((MarkKind::Loading, "the data set was being loaded".to_owned()));
        }
        self.last = Some(seen);
        let known = IDENTITY.iter().filter_map(|name| Some(((*name).to_owned(), info.text(name)?.to_owned())));
        self.identity.extend(known);
        Ok(reading)
    }

    /// Remembers that the server refused because it was loading its data set.
    pub(crate) fn refused(&mut self, failure: &Failure) {
        self.was_loading |= failure.detail.contains("LOADING");
    }

    /// True when the server was a primary at the last reading, or does not say.
    pub(crate) fn is_primary(&self) -> bool {
        self.last.as_ref().and_then(|seen| seen.role.as_deref()).is_none_or(|role| role == "master")
    }
}

impl Seen {
    fn of(info: &Info, reading: &Reading) -> Self {
        let value = |key: &str| reading.values.get(key).copied();
        let flag = |name| info.number(name).is_some_and(|flag| flag > 0.0);
        // Times of saves are in whole seconds, counts of them came with Redis 7.
        let ended = |names: [&str; 2]| names.map(|name| info.text(name).map(str::to_owned));
        let fork = |running, last, status| Fork {
            running: flag(running),
            last: ended(last),
            failed: info.text(status).is_some_and(|status| status != "ok"),
        };
        Self {
            run_id: info.text("run_id").map(str::to_owned),
            uptime: value("uptime_seconds"),
            role: info.text("role").map(str::to_owned),
            databases: info.databases().unwrap_or_default(),
            keys: value("keys"),
            removed: value("expired_keys").unwrap_or(0.0) + value("evicted_keys").unwrap_or(0.0),
            commands: value("total_commands_processed"),
            loading: flag("loading") || flag("async_loading"),
            save: fork("rdb_bgsave_in_progress", ["rdb_last_save_time", "rdb_saves"], "rdb_last_bgsave_status"),
            rewrite: fork(
                "aof_rewrite_in_progress",
                ["aof_rewrites", "aof_last_rewrite_time_sec"],
                "aof_last_bgrewrite_status",
            ),
        }
    }

    fn marks_since(&self, last: &Self) -> Vec<(MarkKind, String)> {
        let mut marks = Vec::new();
        if self.restarted_since(last) {
            marks.push((MarkKind::Restarted, "the server was restarted".to_owned()));
        } else {
            marks.extend(self.flushed_since(last).map(|detail| (MarkKind::Flushed, detail)));
            if matches!((last.commands, self.commands), (Some(before), Some(now)) if now < before) {
                let detail = "counters since the start began anew (CONFIG RESETSTAT)";
                marks.push((MarkKind::StatsReset, detail.to_owned()));
            }
            let (save, rewrite) = ("a background save", "a rewrite of the append-only file");
            let (began, ended) = (MarkKind::SaveStarted, MarkKind::SaveEnded);
            marks.extend(self.save.marks_since(&last.save, save, began, ended));
            let (began, ended) = (MarkKind::RewriteStarted, MarkKind::RewriteEnded);
            marks.extend(self.rewrite.marks_since(&last.rewrite, rewrite, began, ended));
        }
        if let (Some(before), Some(now)) = (&last.role, &self.role)
            && before != now
        {
            marks.push((MarkKind::RoleChanged, format!("{before} became {now}")));
        }
        if self.loading && !last.loading {
            marks.push((MarkKind::Loading, "the data set is being loaded".to_owned()));
        }
        marks
    }

    fn restarted_since(&self, last: &Self) -> bool {
        match (&last.run_id, &self.run_id) {
            (Some(before), Some(now)) => before != now,
            _ => matches!((last.uptime, self.uptime), (Some(before), Some(now)) if now < before),
        }
    }

    /// Databases that lost all their keys at once, although few expired or were evicted.
    fn flushed_since(&self, last: &Self) -> Option<String> {
        let removed = (self.removed - last.removed).max(0.0);
        if let (Some(before), Some(0.0)) = (last.keys, self.keys) {
            return (before - removed >= FLUSHED_KEYS).then(|| format!("{before} keys were there before, none now"));
        }
        let left = |number| self.databases.iter().any(|database| database.number == number && database.keys > 0.0);
        let emptied: Vec<&Database> = last.databases.iter().filter(|database| !left(database.number)).collect();
        let vanished: f64 = emptied.iter().map(|database| database.keys).sum();
        let flushed = self.keys.is_some() && vanished - removed >= FLUSHED_KEYS;
        let numbers: Vec<String> = emptied.iter().take(8).map(|database| database.number.to_string()).collect();
        flushed.then(|| format!("database {}: {vanished} keys were there before, none now", numbers.join(", ")))
    }
}

impl Fork {
    fn marks_since(&self, before: &Self, what: &str, began: MarkKind, ended: MarkKind) -> Vec<(MarkKind, String)> {
        let mut marks = Vec::new();
        let passed = self.last != before.last && before.last != [None, None] && !before.running;
        if (self.running && !before.running) || (passed && !self.running) {
            marks.push((began, format!("{what} began")));
        }
        if (before.running || passed) && !self.running {
            let outcome = if self.failed { "failed: the server's log says why" } else { "ended" };
            marks.push((ended, format!("{what} {outcome}")));
        }
        marks
    }
}

/// The catalogue's values of one answer. Counts that the answer would list if they were not zero are zero; the rest is
/// absent when it is not there.
#[must_use]
pub fn values(info: &Info) -> BTreeMap<String, f64> {
    let mut reading = Reading::default();
    for metric in METRICS.iter().filter(|metric| metric.source == Source::Redis) {
        reading.set(metric.key, info.number(metric.key));
    }
    for (field, key) in RENAMED {
        reading.set(key, info.number(field));
    }
    // No limit is written as 0.
    reading.values.retain(|key, value| key != "maxmemory" || *value > 0.0);
    reading.set("last_fork_seconds", info.number("latest_fork_usec").map(|us| us / 1e6));
    reading.set("expired_stale_share", info.number("expired_stale_perc").map(|percent| percent / 100.0));
    let cpu = |system, user| info.number(system).zip(info.number(user)).map(|(system, user)| system + user);
    reading.set("cpu_seconds", cpu("used_cpu_sys", "used_cpu_user"));
    reading.set("children_cpu_seconds", cpu("used_cpu_sys_children", "used_cpu_user_children"));
    let up = info.text("master_link_status").map(|status| f64::from(u8::from(status == "up")));
    reading.set("primary_link_up", up);
    reading.set("replication_lag_bytes", replication_lag(info));
    if let Some(databases) = info.databases() {
        // Adding to zero: the sum of nothing would be written as -0.
        reading.set("keys", Some(databases.iter().fold(0.0, |sum, database| sum + database.keys)));
        reading.set("expires", databases.iter().try_fold(0.0, |sum, database| Some(sum + database.expires?)));
        let left = databases.iter().filter_map(|database| database.avg_ttl_s).max_by(f64::total_cmp);
        reading.set("avg_ttl", left);
        reading.set("databases", Some(databases.len() as f64));
    }
    if let Some(errors) = info.errors() {
        reading.set("oom_errors", Some(errors.get("OOM").copied().unwrap_or(0.0)));
        reading.set("error_kinds", Some(errors.len() as f64));
    }
    reading.values
}

/// How far the last of a primary's replicas is behind; a replica that is not online counts as well.
fn replication_lag(info: &Info) -> Option<f64> {
    let offset = info.number("master_repl_offset")?;
    let replicas = info.replicas();
    let behind = replicas.iter().filter_map(|replica| Some((offset - replica.offset?).max(0.0)));
    behind.reduce(f64::max)
}

/// What stands in a full answer and is too long for every sample: by command, by error, by database.
pub(crate) fn tables(info: &Info) -> Vec<Found> {
    let mut tables = Vec::new();
    let mut table = |kind, rows: BTreeMap<String, BTreeMap<String, f64>>| {
        if !rows.is_empty() {
            tables.push(Found::Table { kind, rows: rows.into_iter().take(MAX_ROWS).collect() });
        }
    };
    table(TableKind::Commands, info.rows(|name| name.strip_prefix("cmdstat_").map(str::to_owned)));
    table(TableKind::Latencies, info.rows(|name| name.strip_prefix("latency_percentiles_usec_").map(str::to_owned)));
    table(TableKind::Errors, info.rows(|name| name.strip_prefix("errorstat_").map(str::to_owned)));
    table(TableKind::Databases, info.rows(|name| Info::is_database(name).then(|| name.to_owned())));
    let sizes = |name: &str| (name.contains("_sizes") || name.contains("_items")).then(|| name.to_owned());
    table(TableKind::KeySizes, info.rows(|name| name.contains("distrib_").then(|| sizes(name)).flatten()));
    let fields: BTreeMap<String, f64> = info.numbers().map(|(name, value)| (name.to_owned(), value)).collect();
    table(TableKind::Fields, BTreeMap::from([("info".to_owned(), fields)]));
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(run_id: &str, keys: u32, expired: u32, extra: &str) -> Info {
        let keyspace = if keys > 0 { format!("db0:keys={keys},expires=0") } else { String::new() };
        Info::parse(&format!(
            "# Server\nrun_id:{run_id}\nuptime_in_seconds:10\n# Memory\nused_memory:1000\nmaxmemory:0\n\
             expired_keys:{expired}\nevicted_keys:0\nrole:master\nused_cpu_sys:1.5\nused_cpu_user:2\n\
             total_commands_processed:50\nrdb_last_save_time:7\nrdb_last_bgsave_status:ok\n{extra}\n\
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
        check(&before, &answer("a", 50, 0, "rdb_last_save_time:8"), &[MarkKind::SaveStarted, MarkKind::SaveEnded]);
        check(&answer("a", 5, 0, "rdb_bgsave_in_progress:1"), &answer("a", 5, 0, ""), &[MarkKind::SaveEnded]);
        check(&before, &answer("a", 50, 0, "aof_rewrite_in_progress:1"), &[MarkKind::RewriteStarted]);
        check(&before, &answer("a", 50, 0, "total_commands_processed:1"), &[MarkKind::StatsReset]);
        check(&before, &answer("a", 50, 0, "loading:1"), &[MarkKind::Loading]);
    }

    #[test]
    fn a_save_that_failed_says_so() {
        let mut interpreter = Interpreter::default();
        interpreter.reading(&answer("a", 5, 0, "rdb_bgsave_in_progress:1")).unwrap();
        let marks = interpreter.reading(&answer("a", 5, 0, "rdb_last_bgsave_status:err")).unwrap().marks;
        assert!(marks[0].0 == MarkKind::SaveEnded && marks[0].1.contains("failed"), "{marks:?}");
    }

    #[test]
    fn one_database_of_several_that_was_flushed_is_named() {
        let two = |second: &str| answer("a", 50, 0, &format!("db2:keys={second},expires=0"));
        check(&two("40"), &two("39"), &[]);
        let mut interpreter = Interpreter::default();
        interpreter.reading(&two("40")).unwrap();
        let marks = interpreter.reading(&answer("a", 50, 0, "")).unwrap().marks;
        assert_eq!(marks, [(MarkKind::Flushed, "database 2: 40 keys were there before, none now".to_owned())]);
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
        assert_eq!(values["uptime_seconds"], 10.0);
        assert_eq!(values.get("used_memory_rss"), None);
    }

    #[test]
    fn the_replica_that_is_furthest_behind_counts() {
        let primary = "master_repl_offset:100\nslave0:ip=a,port=1,state=online,offset=90\nslave1:ip=b,port=2,offset=40";
        assert_eq!(values(&answer("a", 1, 0, primary))["replication_lag_bytes"], 60.0);
    }

    #[test]
    fn every_name_is_in_the_catalogue() {
        for (_, key) in RENAMED {
            assert!(METRICS.iter().any(|metric| metric.source == Source::Redis && metric.key == key), "{key}");
        }
    }

    #[test]
    fn an_answer_about_something_else_is_malformed() {
        let failure = Interpreter::default().reading(&Info::parse("hello:1\n")).unwrap_err();
        assert_eq!(failure.reason, GapReason::Malformed);
    }

    #[test]
    fn tables_are_bounded() {
        let junk: String = (0..10_000).map(|n| format!("db{n}:keys=1\n")).collect();
        let tables = tables(&Info::parse(&format!("cmdstat_get:calls=3,usec=9\n{junk}")));
        let rows = |wanted| {
            tables.iter().find_map(|found| match found {
                Found::Table { kind, rows } if *kind == wanted => Some(rows),
                _ => None,
            })
        };
        assert_eq!(rows(TableKind::Commands).unwrap()["get"]["calls"], 3.0);
        assert_eq!(rows(TableKind::Databases).unwrap().len(), MAX_ROWS);
    }
}
