//! How long keys with a time to live take to reach their plateau: before that, filling cannot be told from leaking.

use plimsoll_record::summary::{Series, Window};

/// Redis tells the mean of the time that is left, which is the whole time to live when all keys are new and half of
/// it when they are of every age. Twice the mean is never too short.
const LEFT_TO_WHOLE: f64 = 2.0;

/// When expiring keys have reached their plateau.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Horizon {
    /// The longest time to live that matters, in seconds, with room for keys that expire late.
    pub(crate) seconds: f64,
    /// The time to live itself as well as it is known, in seconds.
    pub(crate) ttl_s: f64,
}

impl Horizon {
    /// `None` when there are no keys with a time to live, or nothing tells how long it is.
    pub(super) fn of(series: &Series) -> Option<Self> {
        let left = series.samples.iter().filter_map(|sample| sample.values.get("avg_ttl").copied());
        let longest = left.filter(|left| *left > 0.0).max_by(f64::total_cmp)?;
        Some(Self { seconds: LEFT_TO_WHOLE * longest, ttl_s: longest })
    }

    /// What is left of a window of constant load when the plateau is reached.
    pub(super) fn rest(self, load: Window) -> Window {
        super::segments::later(load, self.seconds)
    }
}
