//! The catalogue of sampled metrics: the words criteria and alerts may use, with their units.
//!
//! Samplers write a value under the name after the dot; a name that is not here is not sampled.

use crate::units::Unit;

/// The file a metric is sampled into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// `redis.jsonl`.
    Redis,
    /// `host.jsonl`.
    Host,
    /// `process.jsonl`.
    Process,
}

impl Source {
    /// The prefix of its metrics' names.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Host => "host",
            Self::Process => "process",
        }
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

    /// Looks a metric up by its full name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| {
            name.strip_prefix(metric.source.prefix()).and_then(|rest| rest.strip_prefix('.')) == Some(metric.key)
        })
    }
}

const fn redis(key: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { source: Source::Redis, key, unit, help }
}

const fn host(key: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { source: Source::Host, key, unit, help }
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
    redis("keys", Unit::Count, "keys in all databases"),
    redis("expires", Unit::Count, "keys with a time to live, in all databases"),
    redis("connected_clients", Unit::Count, "client connections"),
    redis("blocked_clients", Unit::Count, "clients waiting in a blocking command"),
    redis("rejected_connections", Unit::Count, "connections refused because of maxclients, since start"),
    redis("total_commands_processed", Unit::Count, "commands since start"),
    redis("ops_per_second", Unit::PerSecond, "commands per second, as Redis reports it"),
    redis("keyspace_hits", Unit::Count, "successful key look-ups since start"),
    redis("keyspace_misses", Unit::Count, "failed key look-ups since start"),
    redis("evicted_keys", Unit::Count, "keys evicted because of maxmemory, since start"),
    redis("expired_keys", Unit::Count, "keys expired since start"),
    redis("oom_errors", Unit::Count, "commands refused with OOM since start"),
    redis("cpu_seconds", Unit::Seconds, "CPU time of the server, user and system, since start"),
    redis("uptime_seconds", Unit::Seconds, "time since the server started"),
    host("cpu_share", Unit::Share, "share of all cores in use"),
    host("memory_used", Unit::Bytes, "memory in use: total - available"),
    host("memory_share", Unit::Share, "memory in use / total"),
    host("swap_used", Unit::Bytes, "swap in use"),
    host("disk_read_bytes", Unit::Bytes, "bytes read from block devices since boot"),
    host("disk_write_bytes", Unit::Bytes, "bytes written to block devices since boot"),
    host("network_sent_bytes", Unit::Bytes, "bytes sent on all interfaces since boot"),
    host("network_received_bytes", Unit::Bytes, "bytes received on all interfaces since boot"),
    process("cpu_share", Unit::Share, "CPU use; 1 is one whole core"),
    process("rss", Unit::Bytes, "resident memory"),
    process("threads", Unit::Count, "threads"),
    process("open_files", Unit::Count, "open file descriptors"),
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
}
