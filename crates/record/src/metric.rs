//! The catalogue of sampled metrics: the words criteria and alerts may use, with their units.
//!
//! Samplers write a value under the name after the dot; a name that is not here is not sampled.

use crate::units::Unit;

/// The file a metric is sampled into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// `redis.jsonl`.
    Redis,
    /// `postgres.jsonl`.
    Postgres,
    /// `pool.jsonl`.
    Pool,
    /// `host.jsonl`.
    Host,
    /// `process.jsonl`.
    Process,
    /// `containers.jsonl`, which holds several by name.
    Container,
    /// `probes.jsonl`, which holds several by name.
    Probe,
}

impl Source {
    /// Every source, in the order in which they are shown.
    pub const ALL: [Self; 7] =
        [Self::Redis, Self::Postgres, Self::Pool, Self::Host, Self::Process, Self::Container, Self::Probe];

    /// The prefix of its metrics' names.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::Pool => "pool",
            Self::Host => "host",
            Self::Process => "process",
            Self::Container => "container",
            Self::Probe => "probe",
        }
    }

    /// What it is called in sentences.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Postgres => "PostgreSQL",
            Self::Pool => "the connection pool",
            Self::Host => "the host",
            Self::Process => "the process",
            Self::Container => "the container",
            Self::Probe => "the probe",
        }
    }

    /// What it is called in lists.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Postgres => "PostgreSQL",
            Self::Pool => "pool",
            Self::Host => "host",
            Self::Process => "process",
            Self::Container => "container",
            Self::Probe => "probe",
        }
    }

    /// True when its file holds several series, told apart by name.
    #[must_use]
    pub fn is_named(self) -> bool {
        matches!(self, Self::Container | Self::Probe)
    }
}

/// One sampled metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Where it is sampled.
    pub source: Source,
    /// Its name in the samples, without the source's prefix.
    pub key: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// What it is, in one line.
    pub help: &'static str,
}

impl Metric {
    /// The full name: `redis.used_memory`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.source.prefix(), self.key)
    }

    /// The full name for one of several series: `container.cache.memory`.
    #[must_use]
    pub fn name_of(&self, of: Option<&str>) -> String {
        match of {
            Some(of) => format!("{}.{of}.{}", self.source.prefix(), self.key),
            None => self.name(),
        }
    }

    /// Looks a metric up by its full name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| {
            name.strip_prefix(metric.source.prefix()).and_then(|rest| rest.strip_prefix('.')) == Some(metric.key)
        })
    }

    /// Looks a metric up by its full name, which may say of which series it is: `container.cache.memory`.
    #[must_use]
    pub fn find_of(name: &str) -> Option<(&'static Self, Option<&str>)> {
        if let Some(metric) = Self::find(name) {
            return Some((metric, None));
        }
        let (prefix, rest) = name.split_once('.')?;
        let (of, key) = rest.rsplit_once('.')?;
        let is_it = |metric: &&Self| metric.source.is_named() && metric.source.prefix() == prefix && metric.key == key;
        METRICS.iter().find(is_it).map(|metric| (metric, Some(of)))
    }
}

const fn redis(key: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { source: Source::Redis, key, unit, help }
}

const fn host(key: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { source: Source::Host, key, unit, help }
}

const fn postgres(key: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { source: Source::Postgres, key, unit, help }
}

const fn pool(key: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { source: Source::Pool, key, unit, help }
}

const fn container(key: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { source: Source::Container, key, unit, help }
}

const fn probe(key: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { source: Source::Probe, key, unit, help }
}

const fn process(key: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { source: Source::Process, key, unit, help }
}

/// Every sampled metric.
pub const METRICS: &[Metric] = &[
    redis("used_memory", Unit::Bytes, "bytes allocated by Redis"),
    redis("used_memory_rss", Unit::Bytes, "resident memory of Redis as the operating system sees it"),
    redis("used_memory_peak", Unit::Bytes, "highest used_memory since the server started"),
    redis("used_memory_overhead", Unit::Bytes, "bytes Redis needs for itself: buffers, tables, clients"),
    redis("used_memory_dataset", Unit::Bytes, "bytes of the data set: used - overhead"),
    redis("maxmemory", Unit::Bytes, "the configured limit; absent when there is none"),
    redis("mem_not_counted_for_evict", Unit::Bytes, "bytes that don't count towards maxmemory"),
    redis("mem_fragmentation_ratio", Unit::Ratio, "used_memory_rss / used_memory, as Redis reports it"),
    redis("allocator_allocated", Unit::Bytes, "bytes the allocator handed out"),
    redis("allocator_active", Unit::Bytes, "bytes in the allocator's active pages"),
    redis("allocator_resident", Unit::Bytes, "bytes the allocator holds resident"),
    redis("mem_clients_normal", Unit::Bytes, "bytes of client buffers"),
    redis("used_memory_startup", Unit::Bytes, "bytes in use when the server had just started"),
    redis("used_memory_lua", Unit::Bytes, "bytes of the Lua engine"),
    redis("used_memory_functions", Unit::Bytes, "bytes of the engines of functions"),
    redis("used_memory_scripts", Unit::Bytes, "bytes of cached scripts and functions"),
    redis("system_memory", Unit::Bytes, "memory of the machine Redis runs on"),
    redis("mem_clients_slaves", Unit::Bytes, "bytes of the buffers of replicas"),
    redis("mem_replication_backlog", Unit::Bytes, "bytes of the replication backlog"),
    redis("mem_replication_buffers", Unit::Bytes, "bytes of all replication buffers, the backlog included"),
    redis("mem_aof_buffer", Unit::Bytes, "bytes of the append-only file's buffers"),
    redis("mem_cluster_links", Unit::Bytes, "bytes of links to other nodes of the cluster"),
    redis("mem_rehashing", Unit::Bytes, "bytes of key tables that are being resized"),
    redis("allocator_muzzy", Unit::Bytes, "bytes the allocator gave back and the system has not taken"),
    redis("lazyfree_pending_objects", Unit::Count, "values that are still to be freed in the background"),
    redis("active_defrag_percent", Unit::Count, "how hard the server defragments, percent of a core"),
    redis("keys", Unit::Count, "keys in all databases"),
    redis("expires", Unit::Count, "keys with a time to live, in all databases"),
    redis(
        "avg_ttl",
        Unit::Seconds,
        "mean time left of keys with a time to live, as Redis estimates it; the largest of all databases",
    ),
    redis("databases", Unit::Count, "databases that hold keys"),
    redis("connected_clients", Unit::Count, "client connections"),
    redis("blocked_clients", Unit::Count, "clients waiting in a blocking command"),
    redis("maxclients", Unit::Count, "client connections that the server allows"),
    redis("tracking_clients", Unit::Count, "clients with client-side caching"),
    redis("client_input_buffer_max", Unit::Bytes, "largest input buffer of a client"),
    redis("client_output_buffer_max", Unit::Bytes, "largest output buffer of a client"),
    redis("total_connections_received", Unit::Count, "connections accepted since start"),
    redis("rejected_connections", Unit::Count, "connections refused because of maxclients, since start"),
    redis("total_commands_processed", Unit::Count, "commands since start"),
    redis("ops_per_second", Unit::PerSecond, "commands per second, as Redis reports it"),
    redis("total_error_replies", Unit::Count, "errors answered since start"),
    redis("error_kinds", Unit::Count, "kinds of errors answered since start"),
    redis("net_input_bytes", Unit::Bytes, "bytes received since start"),
    redis("net_output_bytes", Unit::Bytes, "bytes sent since start"),
    redis("keyspace_hits", Unit::Count, "successful key look-ups since start"),
    redis("keyspace_misses", Unit::Count, "failed key look-ups since start"),
    redis("evicted_keys", Unit::Count, "keys evicted because of maxmemory, since start"),
    redis("evicted_clients", Unit::Count, "clients disconnected because of maxmemory-clients, since start"),
    redis("expired_keys", Unit::Count, "keys expired since start"),
    redis("expired_stale_share", Unit::Share, "keys that are past their time and still there, as Redis estimates"),
    redis("active_defrag_hits", Unit::Count, "values moved by defragmentation since start"),
    redis("oom_errors", Unit::Count, "commands refused with OOM since start"),
    redis("total_forks", Unit::Count, "child processes started since start"),
    redis("last_fork_seconds", Unit::Seconds, "how long the last fork stopped the server"),
    redis("loading", Unit::Count, "1 while the data set is loaded"),
    redis("changes_since_save", Unit::Count, "changes since the last save"),
    redis("bgsave_in_progress", Unit::Count, "1 while a background save runs"),
    redis("bgsave_copied_bytes", Unit::Bytes, "bytes copied on write during the last background save"),
    redis("aof_rewrite_in_progress", Unit::Count, "1 while the append-only file is rewritten"),
    redis("aof_rewrite_copied_bytes", Unit::Bytes, "bytes copied on write during the last rewrite"),
    redis("fork_copied_bytes", Unit::Bytes, "bytes copied on write while a save or rewrite runs"),
    redis("aof_bytes", Unit::Bytes, "size of the append-only file"),
    redis("aof_delayed_fsyncs", Unit::Count, "writes that waited for the disk, since start"),
    redis("connected_replicas", Unit::Count, "replicas connected"),
    redis("replication_offset", Unit::Bytes, "place in the stream of replication"),
    redis("replication_lag_bytes", Unit::Bytes, "how far the last replica is behind; absent without replicas"),
    redis("replication_backlog_used", Unit::Bytes, "bytes of the backlog that hold something"),
    redis("full_syncs", Unit::Count, "full synchronisations with replicas since start"),
    redis("partial_syncs_refused", Unit::Count, "partial synchronisations refused since start"),
    redis("primary_link_up", Unit::Count, "of a replica: 1 while its primary is connected"),
    redis("primary_silent_seconds", Unit::Seconds, "of a replica: since it last heard of its primary"),
    redis("sync_in_progress", Unit::Count, "of a replica: 1 while it is synchronised in full"),
    redis("children_cpu_seconds", Unit::Seconds, "CPU time of child processes, since start"),
    redis("cpu_seconds", Unit::Seconds, "CPU time of the server, user and system, since start"),
    redis("uptime_seconds", Unit::Seconds, "time since the server started"),
    postgres("connections", Unit::Count, "connections of clients"),
    postgres("max_connections", Unit::Count, "the configured limit of connections"),
    postgres("connections_share", Unit::Share, "connections / max_connections"),
    postgres("connections_active", Unit::Count, "connections that run a statement"),
    postgres("connections_idle", Unit::Count, "connections that wait for their client"),
    postgres("connections_idle_in_transaction", Unit::Count, "connections idle inside an open transaction"),
    postgres("connections_waiting", Unit::Count, "connections that wait for a lock"),
    postgres("longest_transaction_seconds", Unit::Seconds, "age of the oldest open transaction"),
    postgres("locks_waiting", Unit::Count, "locks that are asked for and not granted"),
    postgres(
        "transactions_committed",
        Unit::Count,
        "transactions committed in all databases, since the statistics began",
    ),
    postgres("transactions_rolled_back", Unit::Count, "transactions rolled back, since the statistics began"),
    postgres("transactions_per_second", Unit::PerSecond, "transactions ended per second since the sample before"),
    postgres("blocks_hit", Unit::Count, "blocks found in shared buffers, since the statistics began"),
    postgres("blocks_read", Unit::Count, "blocks that were not in shared buffers, since the statistics began"),
    postgres("cache_hit_share", Unit::Share, "blocks found in shared buffers / blocks wanted since the sample before"),
    postgres("deadlocks", Unit::Count, "deadlocks, since the statistics began"),
    postgres("temp_bytes", Unit::Bytes, "bytes written to temporary files, since the statistics began"),
    postgres("checkpoints_timed", Unit::Count, "checkpoints because of time, since the statistics began"),
    postgres(
        "checkpoints_requested",
        Unit::Count,
        "checkpoints because of much WAL or on request, since the statistics began",
    ),
    postgres("database_bytes", Unit::Bytes, "size of the connected database; read at the beginning and at the end"),
    postgres("uptime_seconds", Unit::Seconds, "time since the server started"),
    pool("size", Unit::Count, "connections that the service holds"),
    pool("active", Unit::Count, "connections in use"),
    pool("available", Unit::Count, "connections free to use"),
    pool("waiting", Unit::Count, "callers that wait for a connection"),
    host("cpu_share", Unit::Share, "share of all cores in use"),
    host("memory_used", Unit::Bytes, "memory in use: total - available"),
    host("memory_share", Unit::Share, "memory in use / total"),
    host("swap_used", Unit::Bytes, "swap in use"),
    host("disk_read_bytes", Unit::Bytes, "bytes read from block devices since boot"),
    host("disk_write_bytes", Unit::Bytes, "bytes written to block devices since boot"),
    host("network_sent_bytes", Unit::Bytes, "bytes sent on all interfaces since boot"),
    host("network_received_bytes", Unit::Bytes, "bytes received on all interfaces since boot"),
    host("disk_read_rate", Unit::BytesPerSecond, "bytes read from block devices per second since the sample before"),
    host("disk_write_rate", Unit::BytesPerSecond, "bytes written to block devices per second since the sample before"),
    host("network_sent_rate", Unit::BytesPerSecond, "bytes sent per second since the sample before"),
    host("network_received_rate", Unit::BytesPerSecond, "bytes received per second since the sample before"),
    host("cpu_stalled_seconds", Unit::Seconds, "time in which some task waited for a core, since boot"),
    host("memory_stalled_seconds", Unit::Seconds, "time in which some task waited for memory, since boot"),
    host("io_stalled_seconds", Unit::Seconds, "time in which some task waited for a disk, since boot"),
    host("tcp_retransmits", Unit::Count, "TCP segments sent again, since boot"),
    host("tcp_listen_drops", Unit::Count, "connections dropped because a listener's queue was full, since boot"),
    process("cpu_share", Unit::Share, "CPU use; 1 is one whole core"),
    process("cpu_seconds", Unit::Seconds, "CPU time, user and system, since it started"),
    process("rss", Unit::Bytes, "resident memory"),
    process("pss", Unit::Bytes, "resident memory, shared pages divided; read at the beginning and at the end"),
    process("threads", Unit::Count, "threads"),
    process("open_files", Unit::Count, "open file descriptors"),
    container("memory", Unit::Bytes, "memory in use without page cache that can go: usage - inactive files"),
    container("memory_usage", Unit::Bytes, "memory in use, page cache included"),
    container("memory_anonymous", Unit::Bytes, "memory that is no file's: heaps and stacks"),
    container("memory_limit", Unit::Bytes, "the limit; absent when there is none"),
    container("memory_share", Unit::Share, "memory / memory_limit"),
    container("cpu_share", Unit::Share, "CPU use since the sample before; 1 is one whole core"),
    container("cpu_seconds", Unit::Seconds, "CPU time since the container started"),
    container("cpu_limit", Unit::Ratio, "cores it may use; absent when there is no limit"),
    container("throttled_seconds", Unit::Seconds, "time in which it was held back by its CPU limit, since it started"),
    container("oom_kills", Unit::Count, "processes killed for lack of memory, since it started"),
    container("restarts", Unit::Count, "restarts by the engine, and starts seen since the watch began"),
    container("pids", Unit::Count, "processes and threads"),
    container("disk_read_bytes", Unit::Bytes, "bytes read from block devices since it started"),
    container("disk_write_bytes", Unit::Bytes, "bytes written to block devices since it started"),
    container("network_sent_bytes", Unit::Bytes, "bytes sent since it started"),
    container("network_received_bytes", Unit::Bytes, "bytes received since it started"),
    probe("latency", Unit::Seconds, "from the start of the connection to the last byte of the answer"),
    probe("status", Unit::Count, "the answer's status code"),
    probe("up", Unit::Share, "1 when the answer was as it should be, else 0; its mean is the availability"),
    probe("errors", Unit::Count, "answers that failed or were wrong, since the watch began"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_found_by_its_own_name() {
        for metric in METRICS {
            assert_eq!(Metric::find(&metric.name()), Some(metric));
        }
        assert_eq!(Metric::find("redis.use_memory"), None);
        assert_eq!(Metric::find("used_memory"), None);
    }

    #[test]
    fn a_name_may_say_of_which_series_a_metric_is() {
        let memory = Metric::find("container.memory").unwrap();
        assert_eq!(Metric::find_of("container.cache-1.memory"), Some((memory, Some("cache-1"))));
        assert_eq!(Metric::find_of("container.memory"), Some((memory, None)));
        assert_eq!(memory.name_of(Some("cache-1")), "container.cache-1.memory");
        assert_eq!(Metric::find_of("redis.first.used_memory"), None, "there is one series of Redis");
    }
}
