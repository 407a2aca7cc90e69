//! A rate over the length of a phase, and its exact inverse: when how many arrivals are due.
//!
//! Two forms cover every shape of a plan: straight lines one after another, and a sine. No arrivals here: how they
//! are spaced along the curve is the schedule's business. A new shape that is made of lines is one arm of
//! [`Curve::new`]; any other needs a form with `expected_in_all` and `seconds_until` of its own.

use std::f64::consts::{PI, TAU};
use std::sync::Arc;
use std::time::Duration;

use plimsoll_plan::{Rate, RateShape};

/// A rate over the length of a phase. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    form: Form,
    length: Duration,
}

#[derive(Clone, Debug)]
enum Form {
    Lines(Arc<[Line]>),
    Wave(Wave),
}

/// A rate that goes linearly from one value to another. Rates are per second.
#[derive(Clone, Copy, Debug)]
struct Line {
    from: f64,
    to: f64,
    seconds: f64,
    /// When it begins, in seconds from the start of the phase.
    begins: f64,
    /// Arrivals that are due before it begins.
    due: f64,
}

/// `mean - amplitude cos(2 pi t / period)`.
#[derive(Clone, Copy, Debug)]
struct Wave {
    mean: f64,
    /// Amplitude over mean, 0 to 1.
    depth: f64,
    period: f64,
}

impl Curve {
    pub(super) fn new(shape: &RateShape, length: Duration) -> Self {
        let seconds = length.as_secs_f64();
        let flat = |rate: &Rate, seconds: f64| (rate.as_per_second(), rate.as_per_second(), seconds);
        let form = match shape {
            RateShape::Constant(rate) => lines([flat(rate, seconds)]),
            RateShape::Ramp { from, to } => lines([(from.as_per_second(), to.as_per_second(), seconds)]),
            RateShape::Steps(steps) => lines(steps.iter().map(|rate| flat(rate, seconds / steps.len() as f64))),
            RateShape::Spike { base, spike, at, length: lasts } => {
                let before = at.as_secs_f64().min(seconds);
                let during = lasts.as_secs_f64().min(seconds - before);
                lines([flat(base, before), flat(spike, during), flat(base, seconds - before - during)])
            }
            RateShape::Wave { mean, amplitude, period } => {
                let (mean, amplitude) = (mean.as_per_second(), amplitude.as_per_second());
                let depth = if mean > 0.0 { (amplitude / mean).min(1.0) } else { 0.0 };
                Form::Wave(Wave { mean, depth, period: period.as_secs_f64() })
            }
        };
        Self { form, length }
    }

    /// Arrivals that are due over the whole phase.
    pub(super) fn expected_in_all(&self) -> f64 {
        match &self.form {
            Form::Lines(lines) => lines.last().map_or(0.0, |last| last.due + last.expected()),
            Form::Wave(wave) => wave.expected_by(self.length.as_secs_f64()),
        }
    }

    /// Nanoseconds from the start of the phase at which `expected` arrivals are due; below the phase's length.
    pub(super) fn when(&self, expected: f64) -> u64 {
        let seconds = match &self.form {
            Form::Lines(lines) => {
                let next = lines.partition_point(|line| line.due < expected);
                lines.get(next.saturating_sub(1)).map_or(0.0, |line| line.seconds_until(expected))
            }
            Form::Wave(wave) => wave.seconds_until(expected),
        };
        let last = u64::try_from(self.length.as_nanos()).unwrap_or(u64::MAX).saturating_sub(1);
        ((seconds * 1e9) as u64).min(last)
    }

    /// The highest rate, per second.
    pub(super) fn peak(&self) -> f64 {
        match &self.form {
            Form::Lines(lines) => lines.iter().map(|line| line.from.max(line.to)).fold(0.0, f64::max),
            Form::Wave(wave) => wave.mean * (1.0 + wave.depth),
        }
    }
}

/// Lines one after another: (from, to, seconds).
fn lines(parts: impl IntoIterator<Item = (f64, f64, f64)>) -> Form {
    let place = |(begins, due): &mut (f64, f64), (from, to, seconds): (f64, f64, f64)| {
        let line = Line { from, to, seconds, begins: *begins, due: *due };
        *begins += seconds;
        *due += line.expected();
        Some(line)
    };
    Form::Lines(parts.into_iter().scan((0.0, 0.0), place).collect())
}

impl Line {
    fn expected(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.seconds
    }

    /// The positive root of `from t + slope t^2 / 2 = expected - due`, in the form that loses no digits when the
    /// slope is small or negative.
    fn seconds_until(&self, expected: f64) -> f64 {
        let missing = expected - self.due;
        if missing <= 0.0 {
            return self.begins;
        }
        let slope = (self.to - self.from) / self.seconds;
        let root = (self.from * self.from + 2.0 * slope * missing).max(0.0).sqrt();
        self.begins + (2.0 * missing / (self.from + root)).min(self.seconds)
    }
}

impl Wave {
    /// `mean (t - depth sin(2 pi t / period) period / 2 pi)`.
    fn expected_by(&self, seconds: f64) -> f64 {
        let turn = TAU * (seconds / self.period).fract();
        let whole = (seconds / self.period).floor();
        self.mean * self.period * (whole + kepler(turn, self.depth) / TAU)
    }

    /// Whole periods, and the rest by Kepler's equation; its second half mirrors the first.
    fn seconds_until(&self, expected: f64) -> f64 {
        let periods = expected / (self.mean * self.period);
        let mean_anomaly = TAU * periods.fract();
        let turn = if mean_anomaly <= PI {
            invert_kepler(mean_anomaly, self.depth)
        } else {
            TAU - invert_kepler(TAU - mean_anomaly, self.depth)
        };
        self.period * (periods.floor() + turn / TAU)
    }
}

/// `x - depth sin x`, accurate also where the two nearly cancel.
fn kepler(x: f64, depth: f64) -> f64 {
    (1.0 - depth) * x + depth * minus_sine(x)
}

/// `x - sin x`, near 0 by its series.
fn minus_sine(x: f64) -> f64 {
    if x.abs() > 0.1 {
        return x - x.sin();
    }
    let square = x * x;
    let tail = 1.0 - square / 42.0 * (1.0 - square / 72.0 * (1.0 - square / 110.0));
    x * square / 6.0 * (1.0 - square / 20.0 * tail)
}

/// The x in [0, pi] with `x - depth sin x = wanted`, for `wanted` in [0, pi] and `depth` in [0, 1].
///
/// The left side is convex there, so Newton's method comes down from any point above the root without ever passing
/// it, and has arrived when it comes down no more. It starts at the least of three bounds; the cubic one, from
/// `x - sin x >= x^3 / 12`, keeps it short where the rate begins at nothing.
fn invert_kepler(wanted: f64, depth: f64) -> f64 {
    const ENOUGH: usize = 64;
    let cubic = if depth > 0.0 { (12.0 * wanted / depth).cbrt() } else { PI };
    let mut x = (wanted + depth).min(cubic).min(PI);
    for _ in 0..ENOUGH {
        let half = (x / 2.0).sin();
        let slope = (1.0 - depth) + depth * 2.0 * half * half;
        let next = x - (kepler(x, depth) - wanted) / slope;
        if next >= x || next.is_nan() {
            break;
        }
        x = next.max(0.0);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keplers_equation_is_solved(depth in 0.0..=1.0, wanted in 0.0..=PI) {
            let x = invert_kepler(wanted, depth);
            prop_assert!((0.0..=PI).contains(&x));
            prop_assert!((x - depth * x.sin() - wanted).abs() < 1e-14 * 8.0, "{x}");
        }
    }

    #[test]
    fn a_rate_that_begins_at_nothing_loses_no_digits() {
        for wanted in [1e-30, 1e-18, 1e-12, 1e-9, 1e-4] {
            let x = invert_kepler(wanted, 1.0);
            assert!((kepler(x, 1.0) / wanted - 1.0).abs() < 1e-12, "{wanted}: {x}");
        }
        // Both forms of the difference agree where one takes over from the other.
        assert!((minus_sine(0.1) / (0.1 - 0.1_f64.sin()) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_peak_is_the_highest_rate() {
        let rate = |rate| Rate::per_second(rate).unwrap();
        let minute = Duration::from_secs(60);
        let spike = RateShape::Spike { base: rate(5.0), spike: rate(9.0), at: minute / 4, length: minute / 4 };
        assert_eq!(Curve::new(&spike, minute).peak(), 9.0);
        let wave = RateShape::Wave { mean: rate(5.0), amplitude: rate(2.0), period: minute };
        assert_eq!(Curve::new(&wave, minute).peak(), 7.0);
        assert_eq!(Curve::new(&RateShape::Ramp { from: rate(8.0), to: rate(1.0) }, minute).peak(), 8.0);
    }
}
