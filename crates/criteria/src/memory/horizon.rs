//! How long keys with a time to live take to reach their plateau: before that, filling cannot be told from leaking.

use plimsoll_record::keys::KeysFact;
use plimsoll_record::summary::{Facts, Series, Window};

/// Redis tells the mean of the time that is left, which is the whole time to live when all keys are new and half of
/// it when they are of every age. Twice the mean is never too short.
const LEFT_TO_WHOLE: f64 = 2.0;
/// Of keys that were sampled, 95 % have less time left than is told; of keys of every age that is 95 % of the whole.
const SAMPLED_TO_WHOLE: f64 = 1.0 / 0.95;
/// Patterns with less than this share of the memory don't matter.
const SHARE_THAT_MATTERS: f64 = 0.05;

/// When expiring keys have reached their plateau.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Horizon {
    /// The longest time to live that matters, in seconds, with room for keys that expire late.
    pub(crate) seconds: f64,
    /// The time to live itself as well as it is known, in seconds.
    pub(crate) ttl_s: f64,
}

impl Horizon {
    /// From keys that were sampled, where they were; else from what Redis tells of all keys. `None` when there are no keys
    /// with a time to live, or nothing tells how long it is.
    pub(super) fn of(series: &Series, sampled_s: Option<f64>) -> Option<Self> {
        if let Some(ttl_s) = sampled_s {
            return Some(Self { seconds: SAMPLED_TO_WHOLE * ttl_s, ttl_s });
        }
        let left = series.samples.iter().filter_map(|sample| sample.values.get("avg_ttl").copied());
        let longest = left.filter(|left| *left > 0.0).max_by(f64::total_cmp)?;
        Some(Self { seconds: LEFT_TO_WHOLE * longest, ttl_s: longest })
    }

    /// The longest time to live among the patterns of keys that matter, in seconds, as far as keys were sampled.
    pub(crate) fn sampled(facts: &Facts) -> Option<f64> {
        let checkpoints = facts.keys.iter().flat_map(|file| &file.facts).filter_map(|fact| match fact {
            KeysFact::Checkpoint(checkpoint) => Some(checkpoint),
            KeysFact::Gap { .. } => None,
        });
        let databases = checkpoints.flat_map(|checkpoint| &checkpoint.databases);
        let longest = databases.flat_map(|database| {
            let matters = SHARE_THAT_MATTERS * database.bytes.value;
            let large = database.patterns.iter().filter(move |pattern| pattern.bytes.value >= matters);
            large.filter_map(|pattern| pattern.ttl_p95_ns)
        });
        longest.max().map(|nanos| nanos as f64 / 1e9)
    }

    /// What is left of a window of constant load when the plateau is reached.
    pub(super) fn rest(self, load: Window) -> Window {
        super::segments::later(load, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::testing;

    #[test]
    fn sampled_keys_tell_more_than_the_mean_of_all() {
        let series = testing::series(10, |t| vec![("avg_ttl", 30.0 - t)]);
        let told = Horizon::of(&series, None).unwrap();
        assert_eq!((told.seconds, told.ttl_s), (59.0, 29.5));
        let sampled = Horizon::of(&series, Some(95.0)).unwrap();
        assert!((sampled.seconds - 100.0).abs() < 1e-9 && sampled.ttl_s == 95.0, "{sampled:?}");
        assert_eq!(Horizon::of(&testing::series(10, |_| Vec::new()), None), None);
    }
}
