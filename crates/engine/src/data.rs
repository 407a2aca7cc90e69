//! Rows that users bring along: which row an iteration has.
//!
//! A row is a pure function of the plan and of which iteration it is, so that generators and workers share no
//! counter, never hand out a row twice, and give the same rows whatever their number is.
//!
//! *In order* follows the ordinal of the iteration in its phase. In an open phase that is the arrival's index: rows
//! are taken in the order of arrivals, exactly. In a closed phase of n users, user u takes rows u, u + n, u + 2n and
//! so on: in order for each user, and all rows together, though a fast user is ahead of a slow one. The next phase
//! goes on where one before it ends, if that is known beforehand. How many iterations a closed phase makes until its
//! time is over is not: behind such a phase, rows begin anew when they wrap; when they stop, the phases up to it and
//! those behind it take rows in turn, so that none is taken twice. Iterations of flows that do not use the set count
//! too: their rows are left out.

use std::sync::Arc;

use plimsoll_plan::{AtEnd, DataSet, Hole, Rows, Take};
use serde_json::Value;

use crate::draw::Draws;
use crate::random;

/// The stream of draws that decides rows, apart from those of holes.
const ROWS: u64 = 0x0072_6f77_7300_0000;

/// The rows of the set are not at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoRows {
    /// The set.
    pub(crate) set: String,
}

/// The data of a plan.
#[derive(Debug)]
pub(crate) struct Sets {
    all: Vec<(Arc<Set>, Vec<String>)>,
}

/// A set of rows.
#[derive(Debug)]
pub(crate) struct Set {
    name: String,
    rows: Rows,
    take: Take,
    stream: u64,
    phases: Order,
}

/// A column of a set.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    set: Arc<Set>,
    index: usize,
}

/// Which iteration asks for a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    /// The user's number, from 1.
    pub(crate) user: u64,
    pub(crate) phase: u16,
    /// The number of the iteration in its phase, from 0.
    pub(crate) ordinal: u64,
    /// The iteration's own draws.
    pub(crate) draws: Draws,
}

impl Sets {
    /// No data.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { all: Vec::new() }
    }

    /// The data of a plan whose phases make so many iterations each; `None` when that is not known beforehand.
    pub(crate) fn compile(data: &[DataSet], iterations: &[Option<u64>]) -> Result<Self, NoRows> {
        let order = Order::new(iterations);
        let set = |(index, set): (usize, &DataSet)| {
            let rows = set.rows().cloned().ok_or_else(|| NoRows { set: set.name.clone() })?;
            let (name, phases, stream) = (set.name.clone(), order.clone(), ROWS + index as u64);
            Ok((Arc::new(Set { name, rows, take: set.take, stream, phases }), set.columns.clone()))
        };
        data.iter().enumerate().map(set).collect::<Result<_, _>>().map(|all| Self { all })
    }

    /// Looks up a column.
    pub(crate) fn column(&self, set: &str, column: &str) -> Option<Column> {
        let (set, columns) = self.all.iter().find(|(known, _)| known.name == set)?;
        let index = columns.iter().position(|known| known == column)?;
        Some(Column { set: Arc::clone(set), index })
    }

    /// The sets that can run out among those that these holes use: without a row of each, an iteration does not start.
    pub(crate) fn that_end<'h>(&self, holes: impl IntoIterator<Item = &'h Hole>) -> Vec<Arc<Set>> {
        let mut used: Vec<Arc<Set>> = Vec::new();
        for hole in holes {
            let Hole::Data(name, _) = hole else { continue };
            let ending = self.all.iter().find(|(set, _)| set.name == *name && set.ends());
            used.extend(
                ending.map(|(set, _)| Arc::clone(set)).filter(|set| !used.iter().any(|one| one.name == set.name)),
            );
        }
        used
    }
}

impl Set {
    /// The row of an iteration; `None` when every row was taken.
    pub(crate) fn row(&self, asking: &Asking) -> Option<usize> {
        let count = self.rows.count() as u64;
        let (position, end) = match self.take {
            Take::Random => (random::below(count, asking.draws.of(self.stream)), AtEnd::Stop),
            Take::Unique(end) => (asking.user.saturating_sub(1), end),
            Take::InOrder(end) => (self.phases.position(asking, end), end),
        };
        let row = match end {
            AtEnd::Wrap => position.checked_rem(count)?,
            AtEnd::Stop => position,
        };
        (row < count).then_some(row as usize)
    }

    fn ends(&self) -> bool {
        matches!(self.take, Take::InOrder(AtEnd::Stop) | Take::Unique(AtEnd::Stop))
    }
}

impl Column {
    /// The iteration's value.
    pub(crate) fn value(&self, asking: &Asking) -> Option<&Value> {
        self.set.rows.row(self.set.row(asking)?)?.get(self.index)
    }
}

/// Where the ordinals of each phase stand among those of all phases.
#[derive(Clone, Debug)]
struct Order {
    /// By phase: its section, and how many ordinals of it came before.
    phases: Vec<(u64, u64)>,
    sections: u64,
}

impl Order {
    /// A section ends with a phase whose number of iterations is not known.
    fn new(iterations: &[Option<u64>]) -> Self {
        let (mut section, mut before) = (0, 0_u64);
        let place = |count: &Option<u64>| {
            let place = (section, before);
            match count {
                Some(count) => before = before.saturating_add(*count),
                None => (section, before) = (section + 1, 0),
            }
            place
        };
        let phases: Vec<_> = iterations.iter().map(place).collect();
        let sections = phases.last().map_or(1, |(section, _)| section + 1);
        Self { phases, sections }
    }

    fn position(&self, asking: &Asking, end: AtEnd) -> u64 {
        let (section, before) = self.phases.get(usize::from(asking.phase)).copied().unwrap_or_default();
        let position = before.saturating_add(asking.ordinal);
        match end {
            AtEnd::Wrap => position,
            AtEnd::Stop => position.saturating_mul(self.sections).saturating_add(section),
        }
    }
}
