//! How often something happens: as expected, and at least and at most.

use plimsoll_record::units::show_count;

/// How often something happens. Random choices enter by their expectation; the bounds are those of what the service
/// decides (polls, conditions, `while`) and of drawn numbers of turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount {
    /// At least.
    pub least: f64,
    /// As expected.
    pub expected: f64,
    /// Infinite when nothing bounds it.
    pub most: f64,
}

impl Amount {
    /// Never.
    pub const NONE: Self = Self::exactly(0.0);

    /// So often, for sure.
    #[must_use]
    pub const fn exactly(n: f64) -> Self {
        Self { least: n, expected: n, most: n }
    }

    /// Any number of times between these.
    #[must_use]
    pub fn between(least: f64, most: f64) -> Self {
        Self { least, expected: f64::midpoint(least, most), most }
    }

    /// Each time so often.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        // Nothing, however often, is nothing.
        let most = if self.most == 0.0 || other.most == 0.0 { 0.0 } else { self.most * other.most };
        Self { least: self.least * other.least, expected: self.expected * other.expected, most }
    }

    /// One and the other.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { least: self.least + other.least, expected: self.expected + other.expected, most: self.most + other.most }
    }

    /// So many times as often.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        self.times(Self::exactly(factor))
    }

    /// No more often than this.
    #[must_use]
    pub fn at_most(self, most: f64) -> Self {
        Self { least: self.least.min(most), expected: self.expected.min(most), most: self.most.min(most) }
    }

    /// Without the bound, when there is none.
    #[must_use]
    pub fn finite_most(self) -> Option<f64> {
        self.most.is_finite().then_some(self.most)
    }

    /// `3,240`, or `about 50` when it is no whole number for sure.
    #[must_use]
    pub fn show(self) -> String {
        let exact = self.least == self.most && self.expected.fract() == 0.0;
        let shown = show_count(self.expected);
        if exact { shown } else { format!("about {shown}") }
    }

    /// `0 to 120`, `10 or more`.
    #[must_use]
    pub fn show_bounds(self) -> String {
        let least = show_count(self.least);
        self.finite_most().map_or_else(|| format!("{least} or more"), |most| format!("{least} to {}", show_count(most)))
    }
}
