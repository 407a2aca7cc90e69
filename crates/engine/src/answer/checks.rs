//! Which checks of an answer held, and where they stand in the record.

use std::collections::BTreeMap;

use plimsoll_plan::Plan;
use plimsoll_record::checks::{CheckCount, CheckFact};

/// The most checks of one request: a bit each.
pub(super) const MOST_CHECKS: usize = 64;

/// Which checks of an operation held for one answer, and which did not: a bit each, those that fail first, then the
/// soft ones. Checks that were not made are in neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckResults {
    passed: u64,
    failed: u64,
}

impl CheckResults {
    /// Nothing was checked.
    pub(crate) const NONE: Self = Self { passed: 0, failed: 0 };

    pub(crate) fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Check `index` (below [`MOST_CHECKS`]) was made.
    pub(super) fn note(&mut self, index: usize, held: bool) {
        let bit = 1 << index;
        if held { self.passed |= bit } else { self.failed |= bit }
    }

    /// The first check that did not hold, soft ones included.
    #[cfg_attr(not(test), expect(dead_code, reason = "the log of failed answers comes to use it"))]
    pub(crate) fn first_failed(self) -> Option<u16> {
        (self.failed != 0).then(|| self.failed.trailing_zeros() as u16)
    }

    /// Counts them.
    pub(crate) fn count_into(self, counts: &mut Vec<CheckCount>) {
        let made = (u64::BITS - (self.passed | self.failed).leading_zeros()) as usize;
        if counts.len() < made {
            counts.resize(made, CheckCount::default());
        }
        for (index, count) in counts.iter_mut().enumerate().take(made) {
            count.passed += self.passed >> index & 1;
            count.failed += self.failed >> index & 1;
        }
    }
}

/// Adds counts of the same operation.
pub(crate) fn merge_counts(counts: &mut Vec<CheckCount>, other: &[CheckCount]) {
    if counts.len() < other.len() {
        counts.resize(other.len(), CheckCount::default());
    }
    counts.iter_mut().zip(other).for_each(|(mine, theirs)| mine.merge(*theirs));
}

/// Where the checks of each operation begin in the record's list.
#[derive(Clone, Debug)]
pub(crate) struct CheckTable {
    first: Vec<u32>,
}

impl CheckTable {
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut next = 0;
        let operations = plan.operation_list().into_iter().map(|operation| {
            let first = next;
            let expect = &operation.request.expect;
            next += if operation.whole_poll { 0 } else { (expect.checks.len() + expect.soft.len()) as u32 };
            first
        });
        Self { first: operations.collect() }
    }

    /// An operation's counts as the record has them.
    pub(crate) fn counted(&self, operation: u32, counts: &[CheckCount]) -> BTreeMap<u32, CheckCount> {
        let first = self.first.get(operation as usize).copied().unwrap_or_default();
        (first..).zip(counts.iter().copied()).filter(|(_, count)| count.checked() > 0).collect()
    }
}

/// The plan's checks as the record lists them: operation by operation, the soft ones of each last.
pub(crate) fn check_facts(plan: &Plan) -> Vec<CheckFact> {
    let mut facts = Vec::new();
    // A whole poll is judged by its tries.
    let operations = (0..).zip(plan.operation_list()).filter(|(_, operation)| !operation.whole_poll);
    for (index, operation) in operations {
        let expect = &operation.request.expect;
        let hard = expect.checks.iter().map(|check| (check, false));
        let all = hard.chain(expect.soft.iter().map(|check| (check, true)));
        facts.extend(all.map(|(check, soft)| CheckFact { operation: index, name: check.name.clone(), soft }));
    }
    facts
}
