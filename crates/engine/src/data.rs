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

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_plan::DataSource;
    use proptest::prelude::*;

    fn set(take: Take, rows: usize) -> DataSet {
        let cells = (0..rows).map(Value::from).collect();
        let source = DataSource::Plan(Rows::new(1, cells).unwrap());
        DataSet { name: "set".to_owned(), columns: vec!["n".to_owned()], source, take }
    }

    /// The row of each of these (user, phase, ordinal), by its only column.
    fn rows(
        take: Take,
        count: usize,
        phases: &[Option<u64>],
        asked: impl IntoIterator<Item = (u64, u16, u64)>,
    ) -> Vec<Option<u64>> {
        let sets = Sets::compile(&[set(take, count)], phases).unwrap();
        let column = sets.column("set", "n").unwrap();
        let row = |(user, phase, ordinal)| {
            let draws = Draws::new(5, u64::from(phase)).of(ordinal);
            column.value(&Asking { user, phase, ordinal, draws }).map(|value| value.as_u64().unwrap())
        };
        asked.into_iter().map(row).collect()
    }

    #[test]
    fn rows_in_order_go_on_from_phase_to_phase() {
        let asked = || (0..3).map(|n| (1, 0, n)).chain((0..3).map(|n| (1, 1, n)));
        let wrap = rows(Take::InOrder(AtEnd::Wrap), 4, &[Some(3), Some(3)], asked());
        assert_eq!(wrap, [0, 1, 2, 3, 0, 1].map(Some));
        let stop = rows(Take::InOrder(AtEnd::Stop), 4, &[Some(3), Some(3)], asked());
        assert_eq!(stop, [Some(0), Some(1), Some(2), Some(3), None, None]);
    }

    #[test]
    fn behind_a_phase_without_a_known_number_rows_begin_anew_or_are_dealt() {
        let asked = || (0..2).map(|n| (1, 0, n)).chain((0..3).map(|n| (1, 1, n)));
        let wrap = rows(Take::InOrder(AtEnd::Wrap), 10, &[None, Some(3)], asked());
        assert_eq!(wrap, [0, 1, 0, 1, 2].map(Some));
        let stop = rows(Take::InOrder(AtEnd::Stop), 4, &[None, Some(3)], asked());
        assert_eq!(stop, [Some(0), Some(2), Some(1), Some(3), None]);
        let last = rows(Take::InOrder(AtEnd::Stop), 4, &[Some(1), None], [(1, 0, 0), (1, 1, 0), (1, 1, 2), (1, 1, 3)]);
        assert_eq!(last, [Some(0), Some(1), Some(3), None]);
    }

    #[test]
    fn a_user_keeps_its_unique_row_and_those_beyond_the_last_have_none() {
        let asked = [(1, 0, 0), (2, 0, 1), (1, 1, 7), (3, 0, 2)];
        assert_eq!(rows(Take::Unique(AtEnd::Stop), 2, &[], asked), [Some(0), Some(1), Some(0), None]);
        assert_eq!(rows(Take::Unique(AtEnd::Wrap), 2, &[], asked), [0, 1, 0, 0].map(Some));
    }

    #[test]
    fn random_rows_come_about_as_often_and_the_same_again() {
        let asked = || (0..30_000).map(|n| (1, 0, n));
        let drawn = rows(Take::Random, 3, &[], asked());
        for row in 0..3 {
            let count = drawn.iter().filter(|drawn| **drawn == Some(row)).count() as f64;
            // Six standard deviations of a binomial count.
            assert!((count - 10_000.0).abs() < 490.0, "row {row}: {count}");
        }
        assert_eq!(drawn, rows(Take::Random, 3, &[], asked()));
    }

    #[test]
    fn only_sets_that_are_used_and_end_can_keep_an_iteration_from_starting() {
        let ends = |take| {
            let sets = Sets::compile(&[set(take, 1)], &[]).unwrap();
            let column = || Hole::Data("set".to_owned(), "n".to_owned());
            assert!(sets.that_end(&[Hole::UserId]).is_empty());
            sets.that_end(&[column(), column()]).len()
        };
        assert_eq!(ends(Take::Unique(AtEnd::Stop)), 1);
        assert_eq!(ends(Take::InOrder(AtEnd::Stop)), 1);
        assert_eq!(ends(Take::InOrder(AtEnd::Wrap)) + ends(Take::Random), 0);
    }

    #[test]
    fn a_set_without_rows_is_named() {
        let mut missing = set(Take::Random, 1);
        let file = plimsoll_plan::FileFact { path: "f.csv".to_owned(), bytes: 1, sha256: String::new() };
        missing.source = DataSource::File { file, count: 1, rows: None };
        assert_eq!(Sets::compile(&[missing], &[]).unwrap_err(), NoRows { set: "set".to_owned() });
    }

    proptest! {
        /// Whatever is known of the phases beforehand, and however many iterations there are.
        #[test]
        fn a_set_that_stops_hands_no_row_out_twice(
            phases in proptest::collection::vec((any::<bool>(), 0u64..40), 1..5),
            count in 1usize..200,
        ) {
            let known: Vec<_> = phases.iter().map(|(known, n)| known.then_some(*n)).collect();
            let asked = phases.iter().enumerate().flat_map(|(phase, (_, n))| (0..*n).map(move |o| (1, phase as u16, o)));
            let mut taken: Vec<u64> = rows(Take::InOrder(AtEnd::Stop), count, &known, asked).into_iter().flatten().collect();
            let all = taken.len();
            taken.sort_unstable();
            taken.dedup();
            prop_assert_eq!(taken.len(), all);
        }

        #[test]
        fn seats_of_a_closed_phase_take_all_rows_once(users in 1u64..9, turns in 1u64..9) {
            use crate::visit::Iteration;
            let ordinals = (0..users).flat_map(|seat| (0..turns).map(move |turn| Iteration::ordinal(seat, turn, users)));
            let asked = ordinals.map(|ordinal| (1, 0, ordinal));
            let mut taken = rows(Take::InOrder(AtEnd::Stop), (users * turns) as usize, &[None], asked);
            taken.sort_unstable();
            prop_assert_eq!(taken, (0..users * turns).map(Some).collect::<Vec<_>>());
        }
    }
}
