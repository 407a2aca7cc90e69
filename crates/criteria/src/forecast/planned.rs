//! Where phases stand on the time axis, and how many arrivals a rate is expected to bring: no schedule is drawn.

use std::time::Duration;

use plimsoll_plan::{Load, Plan, RateShape};

/// A phase on the time axis.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedPhase {
    /// When it starts, from the start of the traffic.
    pub start: Duration,
    /// How long it lasts. `None`: until its iterations are done.
    pub length: Option<Duration>,
    /// Open phases: how many arrivals there are. Closed phases: how many iterations, if the plan says so.
    pub arrivals: Option<u64>,
    /// Open phases: the highest rate at any time, per second, where it is known.
    pub peak: Option<f64>,
}

/// The phases of a plan with the arrivals to be expected; of Poisson arrivals that is their mean.
#[must_use]
pub fn planned(plan: &Plan) -> Vec<PlannedPhase> {
    let mut end = Duration::ZERO;
    let phase = |phase: &plimsoll_plan::Phase| {
        let start = phase.start.unwrap_or(end);
        let length = phase.duration;
        end = start + length.unwrap_or_default();
        let arrivals = match &phase.load {
            Load::Open { rate, .. } => Some(expected(rate, length.unwrap_or_default().as_secs_f64()).round() as u64),
            Load::Replay(replay) => Some(replay.recording.count()),
            Load::Closed { users, iterations, .. } => iterations.map(|each| each.of(u64::from(users.get()))),
        };
        PlannedPhase { start, length, arrivals, peak: None }
    };
    plan.phases.iter().map(phase).collect()
}

/// The area under a rate over so many seconds.
fn expected(rate: &RateShape, seconds: f64) -> f64 {
    match rate {
        RateShape::Constant(rate) => rate.as_per_second() * seconds,
        RateShape::Ramp { from, to } => f64::midpoint(from.as_per_second(), to.as_per_second()) * seconds,
        RateShape::Steps(rates) => {
            let sum: f64 = rates.iter().map(|rate| rate.as_per_second()).sum();
            sum / rates.len().max(1) as f64 * seconds
        }
        RateShape::Spike { base, spike, length, .. } => {
            base.as_per_second() * seconds + (spike.as_per_second() - base.as_per_second()) * length.as_secs_f64()
        }
        RateShape::Wave { mean, amplitude, period } => {
            // It begins at its lowest: mean - amplitude cos(2 pi t / period).
            let turn = std::f64::consts::TAU / period.as_secs_f64();
            mean.as_per_second() * seconds - amplitude.as_per_second() * (turn * seconds).sin() / turn
        }
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_plan::Rate;

    use super::*;

    fn per_second(rate: f64) -> Rate {
        Rate::per_second(rate).unwrap()
    }

    #[test]
    fn a_rate_brings_the_area_under_it() {
        let (low, high) = (per_second(10.0), per_second(30.0));
        let is = |shape: &RateShape, seconds: f64, area: f64| (expected(shape, seconds) - area).abs() < 1e-9;
        assert!(is(&RateShape::Constant(low), 60.0, 600.0));
        assert!(is(&RateShape::Ramp { from: low, to: high }, 60.0, 1_200.0));
        assert!(is(&RateShape::Steps(vec![low, high, low]), 30.0, 500.0));
        let at = Duration::from_secs(5);
        assert!(is(&RateShape::Spike { base: low, spike: high, at, length: at }, 60.0, 700.0));
        let wave = RateShape::Wave { mean: high, amplitude: low, period: Duration::from_secs(60) };
        assert!((expected(&wave, 60.0) - 1_800.0).abs() < 1e-6);
        assert!(expected(&wave, 15.0) < 450.0, "it begins at its lowest");
    }
}
