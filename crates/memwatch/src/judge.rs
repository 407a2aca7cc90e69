//! What the numbers of a Redis mean, in plain words.
//!
//! For a look at one moment: nothing here decides whether a run passed.

use std::collections::BTreeMap;

use plimsoll_record::units::{Unit, show_count};
use plimsoll_sampler::info::Info;
use plimsoll_sampler::redis;

use crate::args::Thresholds;

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grade {
    Fine,
    Watch,
    Act,
}

impl Grade {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Watch => "watch",
            Self::Act => "act",
        }
    }
}

/// One line of the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What is looked at.
    pub(crate) name: String,
    /// Its value as shown.
    pub(crate) value: String,
    /// How serious it is.
    pub(crate) grade: Grade,
    /// What it means.
    pub(crate) meaning: String,
}

/// Below this, fragmentation is the server's own footprint.
const FRAGMENTATION_FROM_BYTES: f64 = 64e6;
const FRAGMENTED: f64 = 1.5;
/// Waste below this share of the memory in use, or this size, is not worth acting on.
const WASTE_SHARE: f64 = 0.1;
const WASTE_BYTES: f64 = 100e6;

struct Server<'a> {
    info: &'a Info,
    thresholds: Thresholds,
    expected: &'a [u32],
    values: BTreeMap<String, f64>,
}

/// Everything worth saying about a server, most important first.
pub(crate) fn findings(info: &Info, thresholds: Thresholds, expected: &[u32]) -> Vec<Finding> {
    let server = Server { info, thresholds, expected, values: redis::values(info) };
    let one = [server.used(), server.limit(), server.peak(), server.fragmentation(), server.resident()];
    let rest = [server.clients(), server.evictions(), server.refused(), server.saving()];
    one.into_iter().flatten().chain(server.keys()).chain(rest.into_iter().flatten()).collect()
}

fn finding(name: &str, value: String, grade: Grade, meaning: impl Into<String>) -> Option<Finding> {
    Some(Finding { name: name.to_owned(), value, grade, meaning: meaning.into() })
}

fn bytes(value: f64) -> String {
    Unit::Bytes.show(value)
}

impl Server<'_> {
    fn value(&self, key: &str) -> Option<f64> {
        self.values.get(key).copied()
    }

    /// Memory that counts towards the limit.
    fn counted(&self) -> Option<f64> {
        Some(self.value("used_memory")? - self.value("mem_not_counted_for_evict").unwrap_or(0.0))
    }

    fn used(&self) -> Option<Finding> {
        let used = self.value("used_memory")?;
        let Thresholds { healthy_below, act_above, .. } = self.thresholds;
        let (grade, meaning) = match used {
            used if used < healthy_below => (Grade::Fine, format!("healthy: below {}", bytes(healthy_below))),
            used if used <= act_above => (Grade::Watch, format!("more than {} for a test", bytes(healthy_below))),
            _ => {
                let what =
                    "see what holds it with `memwatch keys`, or raise --act-above if that much is meant to be there";
                (Grade::Act, format!("above {}: {what}", bytes(act_above)))
            }
        };
        finding("used memory", bytes(used), grade, meaning)
    }

    fn limit(&self) -> Option<Finding> {
        let policy = self.info.text("maxmemory_policy").unwrap_or("policy unknown");
        let Some(limit) = self.value("maxmemory") else {
            self.info.number("maxmemory")?;
            let meaning = "Redis grows until the machine or the container has no memory left";
            return finding("limit", "none".to_owned(), Grade::Watch, meaning);
        };
        let share = self.counted()? / limit;
        let evicts = policy.starts_with("allkeys") || policy.starts_with("volatile");
        let (grade, meaning) = match share {
            share if share < 0.8 => (Grade::Fine, "room enough"),
            _ if evicts => (Grade::Fine, "full, as a cache may be: keys are evicted"),
            share if share < 0.95 => (Grade::Watch, "filling up"),
            _ => (Grade::Act, "writes are about to be refused with OOM, or are already"),
        };
        finding(
            "limit",
            format!("{} of {}", Unit::Share.show(share), bytes(limit)),
            grade,
            format!("{meaning} ({policy})"),
        )
    }

    fn peak(&self) -> Option<Finding> {
        let (peak, used) = (self.value("used_memory_peak")?, self.value("used_memory")?);
        let times = peak / used.max(1.0);
        let meaning = match times > 1.5 {
            true => format!("{times:.1} times what is used now: memory the system may not have got back"),
            false => "close to what is used now".to_owned(),
        };
        finding("peak", bytes(peak), Grade::Fine, meaning)
    }

    fn fragmentation(&self) -> Option<Finding> {
        let (ratio, used) = (self.value("mem_fragmentation_ratio")?, self.value("used_memory")?);
        let external = self.value("allocator_active").zip(self.value("allocator_allocated")).map(|(a, b)| a - b);
        let waste = external.unwrap_or(ratio * used - used);
        let (grade, meaning) = if used < FRAGMENTATION_FROM_BYTES {
            (Grade::Fine, format!("says nothing below {}: {}", bytes(FRAGMENTATION_FROM_BYTES), self.footprint(waste)))
        } else if ratio < 1.0 {
            (Grade::Act, "part of Redis is swapped out, or shared with a fork: it will be slow".to_owned())
        } else if ratio > self.thresholds.act_fragmentation {
            (Grade::Act, format!("above {}: {}", self.thresholds.act_fragmentation, self.footprint(waste)))
        } else if ratio < FRAGMENTED {
            (Grade::Fine, "normal".to_owned())
        } else if waste < WASTE_BYTES.max(WASTE_SHARE * used) {
            (Grade::Fine, format!("high, but only {} are wasted between live values", bytes(waste.max(0.0))))
        } else {
            (Grade::Act, format!("{} are wasted between live values: try activedefrag", bytes(waste)))
        };
        finding("fragmentation", format!("{ratio:.2}"), grade, meaning)
    }

    /// Where the memory of a small server is: its own code and what the allocator keeps.
    fn footprint(&self, waste: f64) -> String {
        let value = |key| self.value(key);
        let retained = value("allocator_resident").zip(value("allocator_active")).map(|(a, b)| a - b);
        let process = value("used_memory_rss").zip(value("allocator_resident")).map(|(a, b)| a - b);
        match retained.zip(process) {
            Some((retained, process)) => format!(
                "{} the server itself, {} kept by the allocator, {} between values",
                bytes(process),
                bytes(retained),
                bytes(waste)
            ),
            None => "it is mostly the server itself".to_owned(),
        }
    }

    fn resident(&self) -> Option<Finding> {
        let meaning = "what the operating system counts against Redis";
        finding("resident", bytes(self.value("used_memory_rss")?), Grade::Fine, meaning)
    }

    fn keys(&self) -> Vec<Finding> {
        let Some(databases) = self.info.databases() else { return Vec::new() };
        if databases.is_empty() {
            return finding("keys", "0".to_owned(), Grade::Fine, "every database is empty").into_iter().collect();
        }
        let line = |database: &plimsoll_sampler::info::Database| {
            let lifetimes = match database.expires.map(|expires| database.keys - expires) {
                None => "lifetimes unknown".to_owned(),
                Some(lasting) if lasting <= 0.0 => "all expire".to_owned(),
                Some(lasting) => format!("{} never expire", show_count(lasting)),
            };
            let elsewhere = !self.expected.is_empty() && !self.expected.contains(&database.number);
            let (grade, meaning) = match elsewhere {
                true => (Grade::Watch, format!("no keys were expected here; {lifetimes}")),
                false => (Grade::Fine, lifetimes),
            };
            finding(&format!("keys in db{}", database.number), show_count(database.keys), grade, meaning)
        };
        databases.iter().filter_map(line).collect()
    }

    fn clients(&self) -> Option<Finding> {
        let clients = self.value("connected_clients")?;
        let rejected = self.value("rejected_connections").unwrap_or(0.0);
        let value = match self.info.number("maxclients") {
            Some(limit) => format!("{} of {}", show_count(clients), show_count(limit)),
            None => show_count(clients),
        };
        if rejected > 0.0 {
            let meaning = format!("{} were turned away since the start: raise maxclients", show_count(rejected));
            return finding("clients", value, Grade::Act, meaning);
        }
        finding("clients", value, Grade::Fine, "none was turned away")
    }

    fn evictions(&self) -> Option<Finding> {
        let evicted = self.value("evicted_keys")?;
        match evicted > 0.0 {
            true => finding("evicted", show_count(evicted), Grade::Watch, "keys were dropped to stay within the limit"),
            false => finding("evicted", "0".to_owned(), Grade::Fine, "no key was dropped for want of memory"),
        }
    }

    fn refused(&self) -> Option<Finding> {
        let refused = self.value("oom_errors")?;
        match refused > 0.0 {
            true => finding("OOM errors", show_count(refused), Grade::Act, "commands were refused for want of memory"),
            false => finding("OOM errors", "0".to_owned(), Grade::Fine, "no command was refused for want of memory"),
        }
    }

    fn saving(&self) -> Option<Finding> {
        let status = self.info.text("rdb_last_bgsave_status").filter(|status| *status != "ok")?;
        let meaning = "the last save failed: Redis may refuse writes with MISCONF; is the disk full?";
        finding("last save", status.to_owned(), Grade::Act, meaning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Thresholds = Thresholds { healthy_below: 50e6, act_above: 100e6, act_fragmentation: 10.0 };
    const TINY: &str = "# Memory\nused_memory:1400000\nused_memory_rss:10000000\nused_memory_peak:1450000\n\
        mem_fragmentation_ratio:7.14\nallocator_allocated:1500000\nallocator_active:1900000\n\
        allocator_resident:4500000\nmaxmemory:0\nmaxmemory_policy:noeviction\nevicted_keys:0\n\
        connected_clients:1\nmaxclients:10000\nrejected_connections:0\n# Errorstats\n\
        # Keyspace\ndb0:keys=3,expires=1,avg_ttl=0\ndb2:keys=1200,expires=1200,avg_ttl=0\n";

    #[track_caller]
    fn check(info: &str, name: &str, grade: Grade, says: &str) {
        let findings = findings(&Info::parse(info), DEFAULT, &[]);
        let found = findings.iter().find(|finding| finding.name == name).unwrap_or_else(|| panic!("{findings:?}"));
        assert_eq!(found.grade, grade, "{found:?}");
        assert!(format!("{} {}", found.value, found.meaning).contains(says), "{found:?}");
    }

    #[test]
    fn fragmentation_of_a_tiny_data_set_is_explained_not_alarmed() {
        check(TINY, "fragmentation", Grade::Fine, "7.14 says nothing below 64.0 MB: 5.50 MB the server itself");
    }

    #[test]
    fn fragmentation_needs_real_waste() {
        let large = |waste: f64| {
            format!(
                "used_memory:400000000\nmem_fragmentation_ratio:2.1\nallocator_allocated:400000000\nallocator_active:{}\n",
                4e8 + waste
            )
        };
        check(&large(20e6), "fragmentation", Grade::Fine, "only 20.0 MB");
        check(&large(400e6), "fragmentation", Grade::Act, "400 MB");
    }

    #[test]
    fn keys_are_told_by_database_and_lifetime() {
        check(TINY, "keys in db0", Grade::Fine, "3 2 never expire");
        check(TINY, "keys in db2", Grade::Fine, "1,200 all expire");
    }

    #[test]
    fn keys_where_none_were_expected_are_pointed_out() {
        let findings = findings(&Info::parse(TINY), DEFAULT, &[2]);
        let grade = |name| findings.iter().find(|finding| finding.name == name).map(|finding| finding.grade);
        assert_eq!(grade("keys in db0"), Some(Grade::Watch));
        assert_eq!(grade("keys in db2"), Some(Grade::Fine));
    }

    #[test]
    fn size_and_fragmentation_are_judged_by_the_thresholds() {
        check("used_memory:49000000\n", "used memory", Grade::Fine, "healthy: below 50.0 MB");
        check("used_memory:70000000\n", "used memory", Grade::Watch, "more than 50.0 MB");
        check("used_memory:101000000\n", "used memory", Grade::Act, "above 100 MB");
        let ratio = "used_memory:70000000\nmem_fragmentation_ratio:10.5\nallocator_allocated:70000000\n\
            allocator_active:80000000\nallocator_resident:90000000\nused_memory_rss:735000000\n";
        check(ratio, "fragmentation", Grade::Act, "above 10: 645 MB the server itself");
    }

    #[test]
    fn a_full_server_is_serious_unless_it_is_a_cache() {
        let full = |policy: &str| format!("used_memory:97\nmaxmemory:100\nmaxmemory_policy:{policy}\n");
        check(&full("noeviction"), "limit", Grade::Act, "refused");
        check(&full("allkeys-lru"), "limit", Grade::Fine, "cache");
        check(TINY, "limit", Grade::Watch, "none");
    }

    #[test]
    fn refused_writes_and_clients_call_for_action() {
        let troubled = TINY.replace("# Errorstats\n", "# Errorstats\nerrorstat_OOM:count=9\n");
        check(&troubled, "OOM errors", Grade::Act, "9");
        check(&TINY.replace("rejected_connections:0", "rejected_connections:4"), "clients", Grade::Act, "4 were");
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        let findings = findings(&Info::parse("used_memory:1\n"), DEFAULT, &[]);
        assert_eq!(findings.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["used memory"]);
    }
}
