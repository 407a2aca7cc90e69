//! Ends the load when a criterion with `abort` is lost: reads the run's own record while it grows, and asks the judge.

use std::path::Path;

use plimsoll_criteria::{Lookout, Lost};
use plimsoll_engine::StopHandle;
use plimsoll_engine::schedule::Share;
use plimsoll_plan::{Criterion, Plan};
use plimsoll_record::files::Follower;
use plimsoll_record::traffic::Traffic;

use crate::check;

/// Watches one run.
pub(crate) struct Guard<'p> {
    plan: &'p Plan,
    segment: Share,
    record: Follower<Traffic>,
    lookout: Option<Lookout<'p>>,
    stop: &'p StopHandle,
    lost: Option<Lost>,
}

impl<'p> Guard<'p> {
    /// `None` when the plan has no criterion that ends the load.
    pub(crate) fn of(plan: &'p Plan, segment: Share, run: &Path, stop: &'p StopHandle) -> Option<Self> {
        let record = Follower::new(run);
        Lookout::is_wanted(plan).then(|| Self { plan, segment, record, lookout: None, stop, lost: None })
    }

    /// Looks at what was recorded since the last time. The criterion that is lost, once.
    pub(crate) fn look(&mut self) -> Option<&Lost> {
        if self.lost.is_some() {
            return None;
        }
        // A record that cannot be read is reported when the run is summed up.
        let rows = self.record.rows().ok()?;
        let (plan, segment) = (self.plan, self.segment);
        if self.lookout.is_none() {
            let most = |criterion: &Criterion| check::most_requests(plan, segment, &criterion.scope);
            self.lookout = Some(Lookout::new(plan, self.record.header()?, most));
        }
        let lookout = self.lookout.as_mut()?;
        let lost = rows.iter().find_map(|row| lookout.see(row))?;
        self.stop.give_up(&format!("criterion {}: {}", lost.id, lost.reason));
        self.lost = Some(lost);
        self.lost.as_ref()
    }
}
