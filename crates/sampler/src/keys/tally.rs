//! From the keys that were read to what a database is made of. Pure: no Redis, no clock.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use plimsoll_record::keys::{DatabaseKeys, KeyPattern, LargeKey};

use super::Options;
use super::estimate::Draws;
use super::pattern::parts;
use super::tree::Tree;
use crate::info::Database;

/// Names of keys are shown up to this many characters.
const SHOWN: usize = 120;

/// What was read of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyRead {
    pub(super) name: Vec<u8>,
    pub(super) kind: String,
    pub(super) bytes: u64,
    /// `None` when it never expires.
    pub(super) ttl: Option<Duration>,
}

/// Puts the keys of a database together.
pub(super) fn database(database: &Database, keys: &[KeyRead], draws: Draws, options: &Options) -> DatabaseKeys {
    let mut tree = Tree::default();
    for (number, key) in keys.iter().enumerate() {
        tree.insert(&parts(&key.name), number);
    }
    let mut patterns: Vec<KeyPattern> = tree
        .patterns()
        .into_iter()
        .map(|(pattern, numbers)| {
            let own: Vec<&KeyRead> = numbers.into_iter().map(|number| &keys[number]).collect();
            of_pattern(pattern, &own, draws)
        })
        .collect();
    patterns.sort_by(|a, b| b.bytes.value.total_cmp(&a.bytes.value).then_with(|| a.pattern.cmp(&b.pattern)));
    let left_out = patterns.len().saturating_sub(options.patterns) as u64;
    patterns.truncate(options.patterns);
    DatabaseKeys {
        number: database.number,
        keys: draws.population,
        expires: database.expires.map(|expires| expires as u64),
        exact: draws.exact,
        read: draws.drawn,
        bytes: draws.sum(&keys.iter().map(|key| key.bytes as f64).collect::<Vec<_>>()),
        patterns,
        left_out,
        largest: largest(keys, options.largest),
    }
}

fn of_pattern(pattern: String, keys: &[&KeyRead], draws: Draws) -> KeyPattern {
    let lasting = keys.iter().filter(|key| key.ttl.is_none()).count() as u64;
    let mut types = BTreeMap::new();
    for key in keys {
        *types.entry(key.kind.clone()).or_insert(0) += 1;
    }
    let mut ttls: Vec<Duration> = keys.iter().filter_map(|key| key.ttl).collect();
    ttls.sort_unstable();
    let p95 = (ttls.len() * 95).div_ceil(100).checked_sub(1).map(|at| ttls[at]);
    KeyPattern {
        pattern,
        keys: draws.count(keys.len() as u64),
        bytes: draws.sum(&keys.iter().map(|key| key.bytes as f64).collect::<Vec<_>>()),
        lasting: draws.count(lasting),
        types,
        ttl_p95_ns: p95.map(nanos),
    }
}

/// The largest keys, each once however often it was drawn.
fn largest(keys: &[KeyRead], count: usize) -> Vec<LargeKey> {
    let mut sorted: Vec<&KeyRead> = keys.iter().collect();
    sorted.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    let mut seen = HashSet::new();
    sorted.retain(|key| seen.insert(&key.name));
    let large = |key: &&KeyRead| LargeKey {
        key: shown(&key.name),
        kind: key.kind.clone(),
        bytes: key.bytes,
        ttl_ns: key.ttl.map(nanos),
    };
    sorted.iter().take(count).map(large).collect()
}

/// A name as people can read it: what does not belong on a terminal is replaced, the end of a long one left out.
fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(&name[..name.len().min(4 * SHOWN)]);
    let plain = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
    let mut shown: String = plain.take(SHOWN).collect();
    if text.chars().count() > SHOWN {
        shown.push_str("...");
    }
    shown
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, bytes: u64, ttl: Option<u64>) -> KeyRead {
        let ttl = ttl.map(Duration::from_secs);
        KeyRead { name: name.as_bytes().to_vec(), kind: "string".to_owned(), bytes, ttl }
    }

    fn tallied(keys: &[KeyRead], draws: Draws) -> DatabaseKeys {
        let info = Database { number: 2, keys: draws.population as f64, expires: Some(1.0), avg_ttl_s: None };
        database(&info, keys, draws, &Options::default())
    }

    #[test]
    fn keys_are_counted_by_pattern_with_their_memory_and_lifetime() {
        let keys = [key("a:1", 100, None), key("a:2", 300, Some(60)), key("b", 50, None), key("a:3", 1, Some(10))];
        let database = tallied(&keys, Draws { drawn: 4, population: 4, exact: true });
        let pattern = &database.patterns[0];
        assert_eq!((pattern.pattern.as_str(), pattern.keys.value, pattern.bytes.value), ("a:{n}", 3.0, 401.0));
        assert_eq!((pattern.lasting.value, pattern.types["string"]), (1.0, 3));
        assert_eq!(pattern.ttl_p95_ns, Some(60_000_000_000));
        assert_eq!(database.bytes.value, 451.0);
        assert_eq!(database.largest[0].key, "a:2");
    }

    #[test]
    fn a_key_drawn_twice_counts_twice_and_is_named_once() {
        let keys = [key("a:1", 100, None), key("a:1", 100, None)];
        let database = tallied(&keys, Draws { drawn: 2, population: 1000, exact: false });
        assert_eq!(database.patterns[0].keys.value, 1000.0);
        assert_eq!(database.largest.len(), 1);
    }

    #[test]
    fn names_cannot_write_on_the_terminal() {
        assert_eq!(shown(b"a\x1b[31mb"), "a\u{fffd}[31mb");
        assert_eq!(shown("x".repeat(500).as_bytes()).len(), SHOWN + 3);
    }
}
