//! What the verdicts on simulated runs must come to.

use std::fmt;

use super::cells::Cell;
use super::memory::Family;
use super::{latency, memory};

/// A share that must not be exceeded, or must be reached, in every row it is about.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    words: &'static str,
    /// The worst row's share; `None` when no row is about it.
    worst: Option<f64>,
    bound: Bound,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

type MemoryCell = Cell<Family, memory::Tally>;

pub(crate) fn all(memory: &[MemoryCell], latency: &[Cell<latency::Load, latency::Tally>]) -> Vec<Target> {
    let share = |about: fn(&MemoryCell) -> bool, of: fn(&memory::Tally) -> u64| {
        memory.iter().filter(move |cell| about(cell)).map(move |cell| cell.tally.share(of(&cell.tally)))
    };
    let most = |shares: &mut dyn Iterator<Item = f64>| shares.max_by(f64::total_cmp);
    let is_leak = |cell: &MemoryCell| match cell.family {
        Family::Leak(rate) => rate >= 2.0,
        family => family == Family::LeakWithGaps,
    };
    vec![
        Target {
            words: "of series that do not leak, called leaking",
            worst: most(&mut share(|cell| cell.family.is_harmless(), |tally| tally.leaking)),
            bound: Bound::AtMost(0.01),
        },
        Target {
            words: "of caches that fill, called leaking",
            worst: most(&mut share(|cell| cell.family == Family::FillingCache, |tally| tally.leaking)),
            bound: Bound::AtMost(0.01),
        },
        Target {
            words: "of leaks of 2 MB/min and more, called leaking after ten minutes and more",
            worst: memory
                .iter()
                .filter(|cell| is_leak(cell) && cell.minutes >= 10)
                .map(|cell| cell.tally.share(cell.tally.leaking))
                .min_by(f64::total_cmp),
            bound: Bound::AtLeast(0.99),
        },
        Target {
            words: "of leaks of 2 MB/min and more, passed after two minutes",
            worst: memory
                .iter()
                .filter(|cell| is_leak(cell) && cell.minutes == 2)
                .map(|cell| cell.tally.share(cell.tally.passed))
                .max_by(f64::total_cmp),
            bound: Bound::AtMost(0.01),
        },
        Target {
            words: "of series that do not leak, failed after two minutes",
            worst: most(&mut share(|cell| cell.family.is_harmless() && cell.minutes == 2, |tally| tally.failed)),
            bound: Bound::AtMost(0.01),
        },
        Target {
            words: "of percentile criteria a hair beside their limit, on either side, decided wrongly",
            worst: latency
                .iter()
                .map(|cell| f64::midpoint(cell.tally.wrong_pass(), cell.tally.wrong_fail()))
                .max_by(f64::total_cmp),
            bound: Bound::AtMost(0.05),
        },
    ]
}

impl Target {
    pub(crate) fn is_met(&self) -> bool {
        self.worst.is_none_or(|worst| match self.bound {
            Bound::AtMost(most) => worst <= most,
            Bound::AtLeast(least) => worst >= least,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(worst) = self.worst else { return write!(f, "not asked: {}", self.words) };
        let (bound, share) = match self.bound {
            Bound::AtMost(share) => ("at most", share),
            Bound::AtLeast(share) => ("at least", share),
        };
        let met = if self.is_met() { "met" } else { "MISSED" };
        write!(f, "{met}: {bound} {:.0} % {}: {:.1} % in the worst row", share * 100.0, self.words, worst * 100.0)
    }
}
