//! Named checks of answers: what a plan looks at, and how often it held.
//!
//! The header of `traffic.jsonl` lists the checks, its rows count them by their place in that list. Only answers of
//! an expected status are checked, so that `passed + failed` is the number of those.

use serde::{Deserialize, Serialize};

/// A check as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckFact {
    /// The index of the operation whose answers are checked.
    pub operation: u32,
    /// Its name, unique in its operation.
    pub name: String,
    /// True when it only counts: an answer it does not hold for has not failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub soft: bool,
}

/// How often a check held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckCount {
    /// Answers for which it held.
    pub passed: u64,
    /// Answers for which it did not.
    pub failed: u64,
}

impl CheckCount {
    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Answers that were checked.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.passed + self.failed
    }

    /// The share of answers for which it held. `None` when none was checked.
    #[must_use]
    pub fn passed_share(&self) -> Option<f64> {
        (self.checked() > 0).then(|| self.passed as f64 / self.checked() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_of_nothing_has_no_share() {
        assert_eq!(CheckCount::default().passed_share(), None);
        let mut count = CheckCount { passed: 2, failed: 1 };
        count.merge(CheckCount { passed: 1, failed: 0 });
        assert_eq!((count.checked(), count.passed_share()), (4, Some(0.75)));
    }
}
