//! What a plan will do before it does it: its phases on the time axis, and how many arrivals each makes.
//!
//! The same phases that a run compiles, so that what is foretold is what is sent. Nothing is asked of the target.

use std::time::Duration;

use plimsoll_plan::Plan;

use crate::schedule::Share;
use crate::workload::{NEVER, PhaseLoad, Workload, WorkloadError, traffic_target};

/// A phase on the time axis.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedPhase {
    /// When it starts, from the start of the traffic.
    pub start: Duration,
    /// How long it lasts. `None`: until its iterations are done.
    pub length: Option<Duration>,
    /// Open phases: how many arrivals there are, exactly. Closed phases: how many iterations, if the plan says so.
    pub arrivals: Option<u64>,
    /// Open phases: the highest rate at any time, per second.
    pub peak: Option<f64>,
}

/// The phases of one segment of a plan, in the plan's order; none when the plan makes no traffic. Poisson arrivals are
/// counted one by one, at about ten million per second.
///
/// # Errors
/// When the plan cannot be run: nothing is foretold that would then be refused.
pub fn timeline(plan: &Plan, segment: Share) -> Result<Vec<PlannedPhase>, WorkloadError> {
    if traffic_target(plan).is_err() {
        return Ok(Vec::new());
    }
    let planned = Workload::compile(plan, segment)?.phases.into_iter().map(|phase| PlannedPhase {
        start: time(phase.start),
        length: (phase.end != NEVER).then(|| time(phase.end.saturating_sub(phase.start))),
        arrivals: phase.planned,
        peak: if let PhaseLoad::Open { peak, .. } = phase.load { Some(peak) } else { None },
    });
    Ok(planned.collect())
}

fn time(nanos: i64) -> Duration {
    Duration::from_nanos(nanos.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use plimsoll_plan::{Arrivals, Iterations, Load, Rate, RateShape};

    use super::*;
    use crate::fixtures::plan_for;

    #[test]
    fn phases_stand_one_after_another_with_their_arrivals() {
        let mut plan = plan_for("http://example.test");
        let rate = |per_second| RateShape::Constant(Rate::per_second(per_second).unwrap());
        plan.phases[0].duration = Some(Duration::from_secs(30));
        plan.phases[0].load = Load::Open { rate: rate(18.0), arrivals: Arrivals::Poisson };
        let mut second = plan.phases[0].clone();
        second.load = Load::Open { rate: rate(2.0), arrivals: Arrivals::Uniform };
        plan.phases.push(second);
        let planned = timeline(&plan, Share::WHOLE).unwrap();
        assert_eq!((planned[1].start, planned[1].arrivals), (Duration::from_secs(30), Some(60)));
        assert_eq!(planned[1].peak, Some(2.0));
        let poisson = planned[0].arrivals.unwrap();
        assert!((450..630).contains(&poisson), "540 on average, not {poisson}");
        let parts = (0..3).map(|part| timeline(&plan, Share::of(part, 3).unwrap()).unwrap()[0].arrivals.unwrap());
        assert_eq!(parts.sum::<u64>(), poisson, "the parts are the whole");
    }

    #[test]
    fn a_phase_that_ends_with_its_iterations_has_no_length() {
        let mut plan = plan_for("http://example.test");
        plan.phases[0].duration = None;
        let Load::Closed { iterations, .. } = &mut plan.phases[0].load else { panic!("quick plans are closed") };
        *iterations = Some(Iterations::Shared(std::num::NonZeroU64::new(100).unwrap()));
        let planned = timeline(&plan, Share::WHOLE).unwrap();
        assert_eq!((planned[0].length, planned[0].arrivals, planned[0].peak), (None, Some(100), None));
    }

    #[test]
    fn a_plan_that_only_watches_has_no_phases() {
        let mut plan = plan_for("http://example.test");
        plan.phases.clear();
        assert_eq!(timeline(&plan, Share::WHOLE).unwrap(), []);
    }
}
