//! Part k of n: how arrivals, users and iterations are dealt out to generators and to their workers.
//!
//! Every thing has a number, and goes to the part that its number modulo n says: the parts together are exactly the
//! whole, whatever n is, and a part of a part is a part.

/// Part `index` of `count`: which arrivals of a schedule, and which users, are a segment's or a worker's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    index: u64,
    count: u64,
}

impl Share {
    /// The whole, undivided.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Part `index` (from 0) of `count`; `None` unless `index < count`.
    #[must_use]
    pub fn of(index: u32, count: u32) -> Option<Self> {
        (index < count).then_some(Self { index: u64::from(index), count: u64::from(count) })
    }

    /// Its place among the parts, from 0.
    #[must_use]
    pub fn index(self) -> u64 {
        self.index
    }

    /// How many parts there are.
    #[must_use]
    pub fn count(self) -> u64 {
        self.count
    }

    /// A share of this share. All shares of all parts together are the whole.
    #[must_use]
    pub fn part(self, inner: Self) -> Self {
        Self { index: self.index + self.count * inner.index, count: self.count * inner.count }
    }

    /// How many of `total` things numbered from 0 belong to this part.
    #[must_use]
    pub fn part_of(self, total: u64) -> u64 {
        total.saturating_sub(self.index).div_ceil(self.count)
    }

    /// How many of `total` iterations belong to this part of `users` users: the parts that have users share them.
    #[must_use]
    pub fn iterations_of(self, total: u64, users: u64) -> u64 {
        let sharing = Self { count: self.count.min(users), ..self };
        if sharing.index < sharing.count { sharing.part_of(total) } else { 0 }
    }

    /// The number in the whole of this part's thing `local`.
    #[must_use]
    pub fn global(self, local: u64) -> u64 {
        local * self.count + self.index
    }
}
