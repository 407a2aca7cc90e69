//! How the keys of Redis changed between two checkpoints: which patterns grew, and how fast.
//!
//! A difference of two estimates carries the intervals of both. What growth means for a run is not decided here.

use crate::files::FactFile;
use crate::keys::{Checkpoint, DatabaseKeys, Estimate, KeyPattern, Keys, KeysFact};
use crate::summary::{Facts, Window};

/// The word for names that differ without being numbers: it stands for any literal word.
const ANY_NAME: &str = "{name}";
/// Square of the normal quantile of a two-sided interval of 95 %.
const Z_SQUARED: f64 = 3.841_459;

/// How the keys changed between two checkpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyGrowth {
    /// Between the two checkpoints.
    pub window: Window,
    /// Each pattern that is in one of them, most growth in memory first.
    pub patterns: Vec<PatternGrowth>,
}

/// How one pattern changed.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternGrowth {
    /// The database.
    pub database: u32,
    /// The pattern.
    pub pattern: String,
    /// Change in keys.
    pub keys: Estimate,
    /// Change in memory, in bytes.
    pub bytes: Estimate,
    /// Change in memory in bytes per second.
    pub bytes_per_second: Estimate,
    /// Change in keys that never expire.
    pub lasting: Estimate,
    /// The share of its keys that never expire, where it has any now.
    pub lasting_share: Option<f64>,
}

impl KeyGrowth {
    /// The difference between two checkpoints.
    #[must_use]
    pub fn between(before: &Checkpoint, after: &Checkpoint) -> Self {
        let window = Window { from: before.at_ns, to: after.at_ns.max(before.at_ns) };
        let numbers = databases(before).chain(databases(after)).map(|database| database.number);
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        let find = |checkpoint, number| databases(checkpoint).find(|database| database.number == number);
        let changes = |number| change(number, find(before, number), find(after, number), window.seconds());
        let mut patterns: Vec<PatternGrowth> = numbers.into_iter().flat_map(changes).collect();
        patterns.sort_by(|a, b| b.bytes.value.total_cmp(&a.bytes.value));
        Self { window, patterns }
    }

    /// The patterns that grew beyond doubt: the lower bound of their change in memory is above zero.
    pub fn grown(&self) -> impl Iterator<Item = &PatternGrowth> {
        self.patterns.iter().filter(|pattern| pattern.bytes.lower > 0.0)
    }
}

impl Facts {
    /// The checkpoints of keys, in order.
    pub fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        checkpoints(self.keys.as_ref())
    }

    /// How the keys changed from the first to the last checkpoint inside `window`, or of the whole run when it is
    /// `None`; nothing when fewer than two were taken.
    #[must_use]
    pub fn key_growth(&self, window: Option<Window>) -> Option<KeyGrowth> {
        let inside = |checkpoint: &&Checkpoint| window.is_none_or(|window| window.contains(checkpoint.at_ns));
        let mut taken = self.checkpoints().filter(inside);
        let first = taken.next()?;
        Some(KeyGrowth::between(first, taken.last()?))
    }
}

fn checkpoints(file: Option<&FactFile<Keys>>) -> impl Iterator<Item = &Checkpoint> {
    file.into_iter().flat_map(|file| &file.facts).filter_map(|fact| match fact {
        KeysFact::Checkpoint(checkpoint) => Some(checkpoint),
        KeysFact::Gap { .. } => None,
    })
}

fn databases(checkpoint: &Checkpoint) -> impl Iterator<Item = &DatabaseKeys> {
    checkpoint.databases.iter()
}

fn change(
    number: u32,
    before: Option<&DatabaseKeys>,
    after: Option<&DatabaseKeys>,
    seconds: f64,
) -> Vec<PatternGrowth> {
    let (old, new) = (patterns(before), patterns(after));
    let mut taken = vec![false; old.len()];
    let mut changes = Vec::new();
    for pattern in new {
        // A word that was told apart before may stand for many by now: what it covers is its past.
        let mut past: Option<KeyPattern> = None;
        for (old, taken) in old.iter().zip(&mut taken) {
            if !*taken && covers(&pattern.pattern, &old.pattern) {
                *taken = true;
                past = Some(past.map_or_else(|| old.clone(), |past| together(&past, old)));
            }
        }
        let past = past.unwrap_or_else(|| unseen(before, pattern));
        changes.push(growth(number, &past, pattern, pattern.lasting_share(), seconds));
    }
    let gone = old.iter().zip(taken).filter(|(_, taken)| !taken);
    changes.extend(gone.map(|(old, _)| growth(number, old, &unseen(after, old), None, seconds)));
    changes
}

fn patterns(database: Option<&DatabaseKeys>) -> &[KeyPattern] {
    database.map_or(&[][..], |database| &database.patterns)
}

fn growth(
    database: u32,
    before: &KeyPattern,
    after: &KeyPattern,
    lasting_share: Option<f64>,
    seconds: f64,
) -> PatternGrowth {
    let bytes = after.bytes.since(before.bytes);
    let bytes_per_second = if seconds > 0.0 { bytes.times(1.0 / seconds) } else { Estimate::default() };
    PatternGrowth {
        database,
        pattern: after.pattern.clone(),
        keys: after.keys.since(before.keys),
        bytes,
        bytes_per_second,
        lasting: after.lasting.since(before.lasting),
        lasting_share,
    }
}

fn together(one: &KeyPattern, other: &KeyPattern) -> KeyPattern {
    KeyPattern {
        keys: one.keys.plus(other.keys),
        bytes: one.bytes.plus(other.bytes),
        lasting: one.lasting.plus(other.lasting),
        ..one.clone()
    }
}

/// A pattern that a checkpoint did not see. In a database that was read whole it was not there; of a sample without it
/// one can only say that there were few (the upper bound of Wilson's interval at none of n).
fn unseen(database: Option<&DatabaseKeys>, like: &KeyPattern) -> KeyPattern {
    let most = match database {
        Some(database) if !database.exact => {
            let read = database.read as f64;
            database.keys as f64 * Z_SQUARED / (read + Z_SQUARED)
        }
        _ => 0.0,
    };
    let up_to = |upper| Estimate { value: 0.0, lower: 0.0, upper };
    KeyPattern {
        pattern: like.pattern.clone(),
        keys: up_to(most),
        bytes: up_to(most * like.bytes_per_key().unwrap_or(0.0)),
        lasting: up_to(most * like.lasting_share().unwrap_or(0.0)),
        types: std::collections::BTreeMap::new(),
        ttl_p95_ns: None,
    }
}

/// True when `general` is `special`, or has `{name}` where `special` has a word.
fn covers(general: &str, special: &str) -> bool {
    if general == special {
        return true;
    }
    match general.split_once(ANY_NAME) {
        None => false,
        Some((head, tail)) => special.strip_prefix(head).is_some_and(|rest| {
            let word = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
            word > 0 && covers(tail, &rest[word..])
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::clock::Offset;
    use crate::keys::{KeysCost, Occasion};

    fn pattern(name: &str, keys: f64, bytes: f64) -> KeyPattern {
        let keys = Estimate::exact(keys);
        KeyPattern {
            pattern: name.to_owned(),
            keys,
            bytes: Estimate::exact(bytes),
            lasting: keys,
            types: BTreeMap::new(),
            ttl_p95_ns: None,
        }
    }

    fn checkpoint(second: i64, exact: bool, patterns: Vec<KeyPattern>) -> Checkpoint {
        let keys = patterns.iter().map(|pattern| pattern.keys.value).sum::<f64>() as u64;
        let database = DatabaseKeys {
            number: 2,
            keys,
            expires: None,
            exact,
            read: 1000,
            bytes: Estimate::default(),
            patterns,
            left_out: 0,
            largest: Vec::new(),
        };
        Checkpoint {
            at_ns: Offset(second * 1_000_000_000),
            occasion: Occasion::During,
            took_ns: 0,
            cost: KeysCost::default(),
            databases: vec![database],
        }
    }

    #[test]
    fn the_pattern_that_grew_most_comes_first_with_its_rate() {
        let before = checkpoint(0, true, vec![pattern("user:{n}", 10.0, 1e6), pattern("gone:{n}", 5.0, 1e5)]);
        let after = checkpoint(60, true, vec![pattern("user:{n}", 11.0, 1.1e6), pattern("leak:{n}", 2e4, 2e6)]);
        let growth = KeyGrowth::between(&before, &after);
        let told: Vec<_> = growth.patterns.iter().map(|p| (p.pattern.as_str(), p.bytes.value)).collect();
        assert_eq!(told, [("leak:{n}", 2e6), ("user:{n}", 1.1e6 - 1e6), ("gone:{n}", -1e5)]);
        assert!((growth.patterns[0].bytes_per_second.value * 60.0 - 2e6).abs() < 1e-3);
        assert_eq!(growth.patterns[0].lasting_share, Some(1.0));
        assert_eq!(growth.grown().count(), 2);
    }

    #[test]
    fn words_that_became_a_placeholder_are_its_past() {
        let before =
            checkpoint(0, true, vec![pattern("cart:alice:{n}", 1.0, 100.0), pattern("cart:bob:{n}", 1.0, 50.0)]);
        let after = checkpoint(10, true, vec![pattern("cart:{name}:{n}", 90.0, 1150.0)]);
        let growth = KeyGrowth::between(&before, &after);
        assert_eq!(growth.patterns.len(), 1);
        assert_eq!((growth.patterns[0].keys.value, growth.patterns[0].bytes.value), (88.0, 1000.0));
        assert!(!covers("cart:{name}", "cart:{n}") && !covers("cart:{name}", "cart:a:b"));
    }

    #[test]
    fn a_sample_that_did_not_see_a_pattern_proves_only_that_it_was_rare() {
        let before = checkpoint(0, false, vec![pattern("user:{n}", 1e6, 1e8)]);
        let few = checkpoint(60, false, vec![pattern("new:{n}", 2000.0, 2e5)]);
        let many = checkpoint(60, false, vec![pattern("new:{n}", 20_000.0, 2e6)]);
        assert_eq!(KeyGrowth::between(&before, &few).grown().count(), 0, "2,000 of a million may have been missed");
        assert_eq!(KeyGrowth::between(&before, &many).grown().count(), 1, "20,000 not");
    }

    #[test]
    fn distances_of_independent_intervals_add_up_as_squares() {
        let wide = Estimate { value: 10.0, lower: 7.0, upper: 13.0 };
        let wider = Estimate { value: 20.0, lower: 16.0, upper: 24.0 };
        assert_eq!(wider.since(wide), Estimate { value: 10.0, lower: 5.0, upper: 15.0 });
        assert_eq!(wider.plus(wide), Estimate { value: 30.0, lower: 25.0, upper: 35.0 });
        assert_eq!(Estimate::exact(3.0).since(Estimate::exact(1.0)), Estimate::exact(2.0));
    }
}
