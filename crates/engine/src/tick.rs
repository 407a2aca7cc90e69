//! How exactly a worker keeps its schedule: a wake-up for each arrival, or one for all arrivals of a tick.
//!
//! Wake-ups cost CPU: at ten thousand arrivals per second a good part of all. Few arrivals get one each; where
//! several fall into a quarter of a millisecond, they can share it, for a send lag of half a tick on average and a
//! whole one at most. The lag is recorded either way.

use plimsoll_plan::{Precision, ThinkTime};

use crate::workload::{PhaseLoad, Workload, nanos};

/// Arrivals per second and worker up to which each one has a wake-up of its own, unless the plan says otherwise.
const FINE_UP_TO: f64 = 10_000.0;

/// Workers look for arrivals at multiples of this time, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick(i64);

impl Tick {
    /// Each arrival at its own time.
    pub(crate) const FINE: Self = Self(1);
    /// Arrivals of a quarter of a millisecond together.
    pub(crate) const COARSE: Self = Self(250_000);

    /// What the plan says, else by the arrivals that fall to each of `workers`.
    pub(crate) fn choose(precision: Option<Precision>, work: &Workload, workers: u32) -> Self {
        let busiest = work.most_at_once(arrivals_per_second);
        match precision {
            Some(Precision::Fine) => Self::FINE,
            Some(Precision::Coarse) => Self::COARSE,
            Some(Precision::Tick(tick)) => Self(nanos(tick).max(1)),
            None if busiest > FINE_UP_TO * f64::from(workers) => Self::COARSE,
            None => Self::FINE,
        }
    }

    /// The first tick at or after `due`.
    pub(crate) fn at_or_after(self, due: i64) -> i64 {
        let past = due.rem_euclid(self.0);
        if past == 0 { due } else { due.saturating_add(self.0 - past) }
    }

    /// Its length, if it is longer than the clock's.
    pub(crate) fn length_ns(self) -> Option<u64> {
        (self != Self::FINE).then_some(self.0.cast_unsigned())
    }
}

/// Arrivals that come by the clock, at the busiest time. Users that do not think come with their answers.
fn arrivals_per_second(load: &PhaseLoad) -> f64 {
    match load {
        PhaseLoad::Open { peak, .. } => *peak,
        PhaseLoad::Closed(crowd) => {
            let pause = match crowd.think {
                ThinkTime::None => return 0.0,
                ThinkTime::Constant(pause) => pause.as_secs_f64(),
                ThinkTime::Uniform { min, max } => f64::midpoint(min.as_secs_f64(), max.as_secs_f64()),
                ThinkTime::Normal { mean, .. } | ThinkTime::Exponential { mean } => mean.as_secs_f64(),
                ThinkTime::LogNormal { median, .. } => median.as_secs_f64(),
            };
            crowd.users as f64 / pause
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{closed_phase, open_phase, plan_for};
    use crate::schedule::Share;
    use plimsoll_plan::Phase;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn chosen(phase: Phase, precision: Option<Precision>, workers: u32) -> Tick {
        let mut plan = plan_for("http://127.0.0.1:1");
        plan.phases = vec![phase];
        Tick::choose(precision, &Workload::compile(&plan, Share::WHOLE).unwrap(), workers)
    }

    #[test]
    fn few_arrivals_have_a_wake_up_each_and_many_share_one() {
        assert_eq!(chosen(open_phase("a", 10_000.0, SECOND), None, 1), Tick::FINE);
        assert_eq!(chosen(open_phase("a", 10_001.0, SECOND), None, 1), Tick::COARSE);
        assert_eq!(chosen(open_phase("a", 10_001.0, SECOND), None, 2), Tick::FINE);
    }

    #[test]
    fn users_that_think_count_as_often_as_they_come() {
        let crowd = |think| closed_phase("a", 20_000, think, None, Some(SECOND));
        assert_eq!(chosen(crowd(ThinkTime::Constant(SECOND)), None, 1), Tick::COARSE);
        assert_eq!(chosen(crowd(ThinkTime::Uniform { min: SECOND, max: 3 * SECOND }), None, 1), Tick::FINE);
        assert_eq!(chosen(crowd(ThinkTime::None), None, 1), Tick::FINE);
    }

    #[test]
    fn the_plan_has_the_last_word() {
        assert_eq!(chosen(open_phase("a", 1.0, SECOND), Some(Precision::Coarse), 1), Tick::COARSE);
        assert_eq!(chosen(open_phase("a", 1e6, SECOND), Some(Precision::Fine), 1), Tick::FINE);
        let tick = Some(Precision::Tick(Duration::from_millis(2)));
        assert_eq!(chosen(open_phase("a", 1.0, SECOND), tick, 1).length_ns(), Some(2_000_000));
    }

    #[test]
    fn a_tick_is_never_before_what_is_due_and_less_than_its_length_after() {
        for due in [-250_001, -1, 0, 1, 249_999, 250_000, 250_001, i64::MAX] {
            let at = Tick::COARSE.at_or_after(due);
            assert!(at >= due && at.saturating_sub(due) < 250_000, "{due}: {at}");
            assert_eq!(Tick::FINE.at_or_after(due), due);
        }
    }
}
