//! When the phases of the load begin and end, as the generator plans them in the record that this watch joins.
//!
//! A generator that is started later is noticed when its file appears. Without one there are no phases.

use std::path::PathBuf;

use plimsoll_record::traffic::Traffic;
use plimsoll_record::{Offset, RunDir, files};

/// Knows when phases begin.
#[derive(Clone, Debug)]
pub(crate) struct Phases {
    dir: Option<PathBuf>,
    /// Beginnings and ends that are still to come.
    upcoming: Vec<Offset>,
}

impl Phases {
    /// The phases of the load that is recorded into the same run.
    pub(crate) fn of(run: Option<&RunDir>) -> Self {
        Self { dir: run.map(|run| run.path().to_owned()), upcoming: Vec::new() }
    }

    /// True when a phase has begun or ended since the call before.
    pub(crate) fn turned(&mut self, now: Offset) -> bool {
        self.look();
        let before = self.upcoming.len();
        self.upcoming.retain(|edge| *edge > now);
        self.upcoming.len() < before
    }

    fn look(&mut self) {
        // A file that cannot be read is the business of whoever judges the run.
        let Some(Ok(Some(header))) = self.dir.as_deref().map(files::read_header::<Traffic>) else { return };
        self.dir = None;
        let phases = header.body.phases.iter();
        self.upcoming = phases.flat_map(|phase| [Some(phase.start_ns), phase.end_ns]).flatten().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edge_turns_once() {
        let mut phases = Phases { dir: None, upcoming: vec![Offset(10), Offset(20), Offset(20), Offset(30)] };
        let turned: Vec<bool> = [5, 10, 11, 25, 26, 40].map(|at| phases.turned(Offset(at))).to_vec();
        assert_eq!(turned, [false, true, false, true, false, true]);
    }
}
