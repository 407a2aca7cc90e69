//! How often something happens: as expected, and at least and at most.

use plimsoll_record::units::show_count;

/// How often something happens. Random choices enter by their expectation; the bounds are those of what the service
/// decides (polls, conditions, `while`) and of drawn numbers of turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Amount {
    pub(super) least: f64,
    pub(super) expected: f64,
    /// Infinite when nothing bounds it.
    pub(super) most: f64,
}

impl Amount {
    pub(super) const NONE: Self = Self::exactly(0.0);

    pub(super) const fn exactly(n: f64) -> Self {
        Self { least: n, expected: n, most: n }
    }

    pub(super) fn between(least: f64, most: f64) -> Self {
        Self { least, expected: f64::midpoint(least, most), most }
    }

    pub(super) fn times(self, other: Self) -> Self {
        // Nothing, however often, is nothing.
        let most = if self.most == 0.0 || other.most == 0.0 { 0.0 } else { self.most * other.most };
        Self { least: self.least * other.least, expected: self.expected * other.expected, most }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { least: self.least + other.least, expected: self.expected + other.expected, most: self.most + other.most }
    }

    pub(super) fn scaled(self, factor: f64) -> Self {
        self.times(Self::exactly(factor))
    }

    pub(super) fn at_most(self, most: f64) -> Self {
        Self { least: self.least.min(most), expected: self.expected.min(most), most: self.most.min(most) }
    }

    /// Without the bound, when there is none.
    pub(super) fn finite_most(self) -> Option<f64> {
        self.most.is_finite().then_some(self.most)
    }

    /// `3,240`, or `about 50` when it is no whole number for sure.
    pub(super) fn show(self) -> String {
        let exact = self.least == self.most && self.expected.fract() == 0.0;
        let shown = show_count(self.expected);
        if exact { shown } else { format!("about {shown}") }
    }

    /// `0 to 120`, `10 or more`.
    pub(super) fn show_bounds(self) -> String {
        let least = show_count(self.least);
        self.finite_most().map_or_else(|| format!("{least} or more"), |most| format!("{least} to {}", show_count(most)))
    }
}
