//! What it is that grows: which of the numbers that Redis tells of itself rise with it.

use plimsoll_record::metric::{Metric, Source};
use plimsoll_record::summary::{Series, Window};
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::CauseKind;

use super::horizon::Horizon;
use super::ledger::values;
use crate::statistics::median;
use crate::words;

/// What explains this share of the growth is what grows.
const MOSTLY: f64 = 0.5;
/// Fewer new keys than this are no pattern.
const KEYS_WORTH_A_WORD: f64 = 20.0;
/// New keys may be this many times as large as all keys are on average, and still be what grows.
const LARGER_THAN_USUAL: f64 = 50.0;
/// Levels are compared between the first and the last fifth of the window, whose middles are 80 % of it apart.
const ENDS: f64 = 0.2;

/// Parts of the overhead, and what they are.
const OVERHEAD: [(&str, &str); 5] = [
    ("mem_clients_normal", "buffers of clients"),
    ("mem_clients_slaves", "buffers of replicas"),
    ("mem_aof_buffer", "buffers of the append-only file"),
    ("mem_replication_backlog", "the replication backlog"),
    ("used_memory_scripts", "scripts"),
];

/// What grows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cause {
    pub(crate) kind: CauseKind,
    /// The same in numbers.
    pub(crate) sentence: String,
    /// The share of the growth that goes on for ever: not keys that will expire or be evicted.
    pub(crate) lasting: f64,
    /// Where the rest of it will end, in the series' unit.
    pub(crate) plateau: Option<f64>,
}

/// A stretch of Redis's numbers in which something grew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence<'a> {
    pub(super) series: &'a Series,
    pub(super) window: Window,
    /// What grew.
    pub(super) metric: &'a Metric,
    /// By how much over the window.
    pub(super) growth: f64,
    pub(super) horizon: Option<Horizon>,
    /// All of the window lies behind the horizon.
    pub(super) settled: bool,
}

impl Evidence<'_> {
    /// `None` when nothing tells.
    pub(super) fn cause(&self) -> Option<Cause> {
        if self.metric.source != Source::Redis || self.metric.unit != Unit::Bytes {
            return None;
        }
        match self.metric.key {
            "used_memory_overhead" => self.overhead(),
            "used_memory_rss" | "allocator_active" | "allocator_resident" => self.resident().or_else(|| self.data()),
            _ => self.data(),
        }
    }

    fn data(&self) -> Option<Cause> {
        self.keys().or_else(|| self.overhead()).or_else(|| self.values())
    }

    fn keys(&self) -> Option<Cause> {
        let new = self.change("keys").filter(|new| *new >= KEYS_WORTH_A_WORD && self.could_be(*new))?;
        let expiring = self.change("expires").unwrap_or(0.0).clamp(0.0, new);
        if expiring < MOSTLY * new {
            return Some(self.without_ttl(new, expiring));
        }
        let lasting = (new - expiring) / new;
        let of = format!("{} of {} new keys expire", words::amount(expiring), words::amount(new));
        if self.settled {
            let sentence = format!("{of}, yet after their time to live there are still more of them");
            return Some(Cause { kind: CauseKind::ExpiryLag, sentence, lasting: 1.0, plateau: None });
        }
        let plateau = self.plateau(new, expiring);
        let until = match (self.horizon, plateau) {
            (Some(horizon), Some(plateau)) => format!(
                "with about {} to live: they should level off at {}",
                words::duration(horizon.ttl_s),
                Unit::Bytes.show(plateau)
            ),
            _ => "and nothing tells after how long".to_owned(),
        };
        Some(Cause { kind: CauseKind::FillingCache, sentence: format!("{of}, {until}"), lasting, plateau })
    }

    fn without_ttl(&self, new: f64, expiring: f64) -> Cause {
        let immortal = new - expiring;
        let sentence = format!("{} of {} new keys have no time to live", words::amount(immortal), words::amount(new));
        match self.evicts_at() {
            Some(maxmemory) => Cause {
                kind: CauseKind::FillingCache,
                sentence: format!(
                    "{sentence}, but Redis evicts keys at its maxmemory of {}",
                    Unit::Bytes.show(maxmemory)
                ),
                lasting: 0.0,
                plateau: Some(maxmemory),
            },
            None => Cause { kind: CauseKind::KeysWithoutTtl, sentence, lasting: immortal / new, plateau: None },
        }
    }

    /// New keys are the cause only if each need not be many times as large as a key usually is here.
    fn could_be(&self, new: f64) -> bool {
        let (Some(level), Some(keys)) = (self.last(self.metric.key), self.last("keys")) else { return true };
        self.growth / new <= LARGER_THAN_USUAL * level / keys.max(1.0)
    }

    /// The level at which as many keys expire as come: what is there now, and the keys that are still missing.
    fn plateau(&self, new: f64, expiring: f64) -> Option<f64> {
        let ttl_s = self.horizon?.ttl_s;
        let gone = self.change("expired_keys").unwrap_or(0.0).max(0.0);
        let per_second = (expiring + gone) / self.window.seconds();
        let missing = (per_second * ttl_s - self.last("expires")?).max(0.0);
        Some(self.last(self.metric.key)? + missing * self.growth / new)
    }

    fn overhead(&self) -> Option<Cause> {
        let grown = self.change("used_memory_overhead").filter(|grown| *grown > MOSTLY * self.growth)?;
        let fields = OVERHEAD.iter().filter_map(|(key, words)| Some((self.change(key)?, *words)));
        let largest = fields.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(by, _)| *by > MOSTLY * grown);
        let what = match (largest, self.change("connected_clients").filter(|more| *more >= 1.0)) {
            (Some((by, words)), _) => format!("mostly {words}, by {}", Unit::Bytes.show(by)),
            (None, Some(more)) => format!("with {} more clients", words::amount(more)),
            (None, None) => "which Redis needs for tables, clients, scripts and replication".to_owned(),
        };
        let sentence = format!("the overhead grew by {}, {what}", Unit::Bytes.show(grown));
        Some(Cause { kind: CauseKind::Overhead, sentence, lasting: 1.0, plateau: None })
    }

    fn values(&self) -> Option<Cause> {
        let grown = self.change("used_memory_dataset").filter(|grown| *grown > MOSTLY * self.growth)?;
        let keys = self.last("keys")?;
        let sentence = format!(
            "the data set grew by {} with no more keys than {}: values grow",
            Unit::Bytes.show(grown),
            words::amount(keys)
        );
        Some(Cause { kind: CauseKind::Values, sentence, lasting: 1.0, plateau: None })
    }

    /// Growth of resident memory that used memory does not have.
    fn resident(&self) -> Option<Cause> {
        if self.change("used_memory").unwrap_or(0.0) > MOSTLY * self.growth {
            return None;
        }
        let between = |upper: &str, lower: &str| Some(self.change(upper)? - self.change(lower)?);
        let parts = [
            (
                between("allocator_active", "allocator_allocated"),
                CauseKind::Fragmentation,
                "pages that are only partly used: fragmentation",
            ),
            (
                between("allocator_resident", "allocator_active"),
                CauseKind::Retained,
                "pages that the allocator has not given back; it would, on MEMORY PURGE",
            ),
            (
                between("used_memory_rss", "allocator_resident"),
                CauseKind::Process,
                "memory of the process outside of the allocator",
            ),
        ];
        let known = parts.into_iter().filter_map(|(by, kind, words)| Some((by?, kind, words)));
        let (by, kind, words) =
            known.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|part| part.0 > MOSTLY * self.growth)?;
        let sentence = format!("used memory did not, but {} of {words}", Unit::Bytes.show(by));
        Some(Cause { kind, sentence, lasting: 1.0, plateau: None })
    }

    fn evicts_at(&self) -> Option<f64> {
        let policy = self.series.header.identity.get("maxmemory_policy")?;
        self.last("maxmemory").filter(|limit| *limit > 0.0 && policy.starts_with("allkeys"))
    }

    /// By how much a number rose over the window, robustly.
    fn change(&self, key: &str) -> Option<f64> {
        let points = values(self.series, self.window, key);
        let seconds = self.window.seconds();
        let level = |inside: &dyn Fn(f64) -> bool| {
            median(points.iter().filter(|(x, _)| inside(x / seconds)).map(|(_, y)| *y).collect())
        };
        Some((level(&|share| share >= 1.0 - ENDS)? - level(&|share| share < ENDS)?) / (1.0 - ENDS))
    }

    fn last(&self, key: &str) -> Option<f64> {
        values(self.series, self.window, key).last().map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::testing::{self, series};

    const MINUTES_10: usize = 600;

    /// The cause of a growth of 60 MB of `metric` in ten minutes in which Redis told of itself what `values` say.
    fn cause(
        metric: &str,
        ttl_s: Option<f64>,
        settled: bool,
        values: impl Fn(f64) -> Vec<(&'static str, f64)>,
    ) -> Option<Cause> {
        let series = series(MINUTES_10, values);
        let evidence = Evidence {
            series: &series,
            window: testing::window(0.0, MINUTES_10 as f64),
            metric: Metric::find(metric).unwrap(),
            growth: 60e6,
            horizon: ttl_s.map(|ttl_s| Horizon { seconds: 2.0 * ttl_s, ttl_s }),
            settled,
        };
        evidence.cause()
    }

    #[track_caller]
    fn check(cause: Option<Cause>, kind: CauseKind, words: &str) -> Cause {
        let cause = cause.expect("something tells");
        assert_eq!(cause.kind, kind, "{cause:?}");
        assert!(cause.sentence.contains(words), "`{words}` is not in `{}`", cause.sentence);
        cause
    }

    #[test]
    fn new_keys_without_a_time_to_live_are_what_grows() {
        let found = cause("redis.used_memory", None, true, |t| {
            vec![("used_memory", 5e6 + 1e5 * t), ("keys", 100.0 * t), ("expires", 10.0 * t)]
        });
        let found = check(found, CauseKind::KeysWithoutTtl, "54,000 of 60,000 new keys have no time to live");
        assert!((found.lasting - 0.9).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_filling_cache_levels_off_where_as_many_keys_expire_as_come() {
        let fill = |t: f64| vec![("used_memory", 5e6 + 1e5 * t), ("keys", 100.0 * t), ("expires", 100.0 * t)];
        let found = check(cause("redis.used_memory", Some(1_200.0), false, fill), CauseKind::FillingCache, "20 min");
        // 100 keys a second live for 1,200 s and take 1,000 bytes each: 120 MB above the 5 MB before.
        assert!((found.plateau.unwrap() - 125e6).abs() < 1e6, "{found:?}");
        check(cause("redis.used_memory", None, false, fill), CauseKind::FillingCache, "nothing tells after how long");
        check(cause("redis.used_memory", Some(60.0), true, fill), CauseKind::ExpiryLag, "still more of them");
    }

    #[test]
    fn a_cache_that_evicts_fills_up_to_maxmemory() {
        let mut series = series(MINUTES_10, |t| {
            vec![("used_memory", 5e6 + 1e5 * t), ("keys", 100.0 * t), ("expires", 0.0), ("maxmemory", 200e6)]
        });
        series.header.identity.insert("maxmemory_policy".to_owned(), "allkeys-lru".to_owned());
        let evidence = Evidence {
            series: &series,
            window: testing::window(0.0, MINUTES_10 as f64),
            metric: Metric::find("redis.used_memory").unwrap(),
            growth: 60e6,
            horizon: None,
            settled: true,
        };
        let found = check(evidence.cause(), CauseKind::FillingCache, "evicts keys at its maxmemory of 200 MB");
        assert_eq!((found.lasting, found.plateau), (0.0, Some(200e6)));
    }

    #[test]
    fn the_same_keys_may_hold_more() {
        let found = cause("redis.used_memory", None, true, |t| {
            vec![("used_memory", 5e6 + 1e5 * t), ("used_memory_dataset", 4e6 + 1e5 * t), ("keys", 700.0)]
        });
        check(found, CauseKind::Values, "no more keys than 700");
    }

    #[test]
    fn overhead_is_named_by_its_field() {
        let found = cause("redis.used_memory", None, true, |t| {
            vec![("used_memory_overhead", 1e5 * t), ("mem_clients_normal", 9e4 * t), ("mem_aof_buffer", 1e3 * t)]
        });
        check(found, CauseKind::Overhead, "mostly buffers of clients, by 54.0 MB");
    }

    #[test]
    fn resident_memory_that_used_memory_does_not_explain_is_taken_apart() {
        let found = |active: f64, resident: f64, rss: f64| {
            cause("redis.used_memory_rss", None, true, move |t| {
                vec![
                    ("used_memory", 50e6),
                    ("allocator_allocated", 50e6),
                    ("allocator_active", 60e6 + active * t),
                    ("allocator_resident", 70e6 + resident * t),
                    ("used_memory_rss", 80e6 + rss * t),
                ]
            })
        };
        check(found(1e5, 1e5, 1e5), CauseKind::Fragmentation, "60.0 MB of pages that are only partly used");
        check(found(0.0, 1e5, 1e5), CauseKind::Retained, "MEMORY PURGE");
        check(found(0.0, 0.0, 1e5), CauseKind::Process, "outside of the allocator");
    }

    #[test]
    fn where_nothing_tells_no_cause_is_claimed() {
        assert_eq!(cause("redis.used_memory", None, true, |t| vec![("used_memory", 1e5 * t)]), None);
        assert_eq!(cause("host.memory_used", None, true, |t| vec![("keys", t)]), None);
    }
}
