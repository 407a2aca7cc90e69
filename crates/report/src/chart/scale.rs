//! Value axes: linear or logarithmic, with ticks at 1-2-5 steps.
//!
//! Not for time, which has its own axis.

use plimsoll_record::units::Unit;

/// How a chart chooses its value axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// From zero: rates, counts.
    FromZero,
    /// From 0 to at least 100 %: shares.
    Share,
    /// From zero, unless the values vary by less than a fifth of their size: levels such as memory.
    Level,
    /// Logarithmic when the values span more than a factor of 20, else from zero: latency.
    Latency,
}

/// A value axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    from: f64,
    to: f64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Linear,
    Log,
}

/// A factor between the smallest and the largest value beyond which latencies get a logarithmic axis.
const LOG_BEYOND: f64 = 20.0;
/// A limit this many times beyond the data is not drawn on a linear axis: it would flatten the curve.
const LIMIT_IN_REACH: f64 = 3.0;
const WANTED_TICKS: f64 = 5.0;

impl Scale {
    /// The axis for `values`; `limits` widen it as far as they don't flatten the curves. `None` without values.
    pub(crate) fn fit(fit: Fit, values: impl Iterator<Item = f64>, limits: &[f64]) -> Option<Self> {
        let (low, high) = range(values)?;
        let reach = high.max(f64::MIN_POSITIVE) * LIMIT_IN_REACH;
        let near: Vec<f64> = limits.iter().copied().filter(|limit| *limit <= reach).collect();
        let top = near.iter().copied().fold(high, f64::max);
        match fit {
            Fit::Share => Some(Self::linear(low.min(0.0), top.max(1.0))),
            Fit::FromZero => Some(Self::linear(low.min(0.0), top)),
            Fit::Level if low > 0.8 * high && low > 0.0 => Some(Self::around(low, top)),
            Fit::Level => Some(Self::linear(low.min(0.0), top)),
            Fit::Latency => {
                let (lowest, highest) = range(limits.iter().copied().chain([low, high]))?;
                let wide = lowest > 0.0 && highest / lowest > LOG_BEYOND;
                Some(if wide { Self::log(lowest, highest) } else { Self::linear(0.0, top) })
            }
        }
    }

    /// Linear, widened to whole ticks.
    pub(crate) fn linear(low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        let step = nice_step((high - low) / WANTED_TICKS);
        Self { from: (low / step).floor() * step, to: (high / step - 1e-9).ceil() * step, kind: Kind::Linear }
    }

    /// Logarithmic, widened to the next 1-2-5 values. Both ends must be positive.
    pub(crate) fn log(low: f64, high: f64) -> Self {
        Self { from: nice_floor(low), to: nice_ceil(high), kind: Kind::Log }
    }

    /// Linear around a level, at least a tenth of it high, so that noise does not look like growth.
    fn around(low: f64, high: f64) -> Self {
        let pad = ((high * 0.1 - (high - low)) / 2.0).max((high - low) * 0.1);
        Self::linear((low - pad).max(0.0), high + pad)
    }

    /// Where `value` lies: 0 at the bottom, 1 at the top.
    pub(crate) fn place(&self, value: f64) -> f64 {
        match self.kind {
            Kind::Linear => (value - self.from) / (self.to - self.from),
            Kind::Log => {
                (value.max(f64::MIN_POSITIVE).log10() - self.from.log10()) / (self.to.log10() - self.from.log10())
            }
        }
    }

    /// True when `value` lies on the axis.
    pub(crate) fn shows(&self, value: f64) -> bool {
        (-1e-6..=1.0 + 1e-6).contains(&self.place(value))
    }

    /// Tick marks from the bottom up: (place, label).
    pub(crate) fn ticks(&self, unit: Unit) -> Vec<(f64, String)> {
        self.tick_values().into_iter().map(|value| (self.place(value), tick_label(unit, value))).collect()
    }

    /// What a reader must know about this axis, if anything.
    pub(crate) fn caution(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Log => Some("Logarithmic scale."),
            Kind::Linear if self.from > 0.0 => Some("The scale does not start at zero."),
            Kind::Linear => None,
        }
    }

    fn tick_values(&self) -> Vec<f64> {
        match self.kind {
            Kind::Linear => {
                let step = nice_step((self.to - self.from) / WANTED_TICKS);
                let n = ((self.to - self.from) / step).round() as i32;
                (0..=n).map(|i| self.from + f64::from(i) * step).collect()
            }
            Kind::Log => self.log_tick_values(),
        }
    }

    fn log_tick_values(&self) -> Vec<f64> {
        let decades = (self.to / self.from).log10();
        let factors: &[f64] = if decades <= 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let first = self.from.log10().floor() as i32;
        let last = self.to.log10().ceil() as i32;
        let every = if decades > 8.0 { 2 } else { 1 };
        let exponents = (first..=last).step_by(every);
        let values = exponents.flat_map(|exponent| factors.iter().map(move |factor| factor * 10f64.powi(exponent)));
        values.filter(|value| self.shows(*value)).collect()
    }
}

/// Smallest and largest finite value; `None` without any.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.filter(|value| value.is_finite());
    finite.fold(None, |known, value| {
        let (low, high) = known.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// The smallest of 1, 2, 5 x 10^n that is at least `raw`.
fn nice_step(raw: f64) -> f64 {
    nice_ceil(raw.max(f64::MIN_POSITIVE))
}

fn nice_ceil(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    steps.into_iter().find(|step| *step >= value * (1.0 - 1e-9)).unwrap_or(10.0 * decade)
}

fn nice_floor(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    let steps = [5.0, 2.0, 1.0].map(|step| step * decade);
    steps.into_iter().find(|step| *step <= value * (1.0 + 1e-9)).unwrap_or(decade)
}

/// A tick's label: the unit's own words without the zeros that only say how exactly it was measured.
fn tick_label(unit: Unit, value: f64) -> String {
    let clean = if value.abs() < 1e-12 { 0.0 } else { value };
    let shown = unit.show(clean);
    let end = shown.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | '-'))).unwrap_or(shown.len());
    let (number, words) = shown.split_at(end);
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{number}{words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, unit: Unit) -> Vec<String> {
        scale.ticks(unit).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(Scale::linear(0.0, 17.3), Unit::PerSecond), ["0/s", "5/s", "10/s", "15/s", "20/s"]);
        assert_eq!(labels(Scale::linear(0.0, 1.0), Unit::Share), ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]);
        assert_eq!(
            labels(Scale::linear(0.0, 2.4e6), Unit::Bytes),
            ["0 B", "500 kB", "1 MB", "1.5 MB", "2 MB", "2.5 MB"]
        );
    }

    #[test]
    fn all_ticks_lie_on_the_axis_and_differ_in_words() {
        for (low, high) in [(0.0, 1e-9), (0.0, 3.0), (0.0, 9.99), (7.0, 7.0), (0.0, 123_456.0), (-3.0, 4.0)] {
            let scale = Scale::linear(low, high);
            let ticks = scale.ticks(Unit::PerSecond);
            assert!((2..=8).contains(&ticks.len()), "{low}..{high}: {ticks:?}");
            assert!(ticks.iter().all(|(place, _)| (-1e-9..=1.0 + 1e-9).contains(place)), "{low}..{high}: {ticks:?}");
            assert!(scale.shows(low) && scale.shows(high), "{low}..{high}");
        }
    }

    #[test]
    fn latencies_over_a_wide_range_get_a_logarithmic_axis() {
        let scale = Scale::fit(Fit::Latency, [0.0012, 0.9].into_iter(), &[0.5]).unwrap();
        assert_eq!(scale.caution(), Some("Logarithmic scale."));
        assert_eq!(labels(scale, Unit::Seconds), ["1 ms", "10 ms", "100 ms", "1 s"]);
        let narrow = Scale::fit(Fit::Latency, [0.010, 0.030].into_iter(), &[]).unwrap();
        assert_eq!((narrow.caution(), narrow.place(0.0)), (None, 0.0));
    }

    #[test]
    fn a_level_that_hardly_moves_gets_an_axis_that_says_it_does_not_start_at_zero() {
        let scale = Scale::fit(Fit::Level, [99e6, 100e6].into_iter(), &[]).unwrap();
        assert!(scale.caution().is_some() && scale.place(0.0) < 0.0);
        let moving = Scale::fit(Fit::Level, [1e6, 100e6].into_iter(), &[]).unwrap();
        assert_eq!((moving.caution(), moving.place(0.0)), (None, 0.0));
    }

    #[test]
    fn a_far_limit_does_not_flatten_a_linear_curve() {
        let scale = Scale::fit(Fit::Level, [1e6, 3e6].into_iter(), &[1e9]).unwrap();
        assert!(!scale.shows(1e9) && scale.place(3e6) > 0.8);
        let near = Scale::fit(Fit::Level, [1e6, 3e6].into_iter(), &[4e6]).unwrap();
        assert!(near.shows(4e6));
    }

    #[test]
    fn no_values_no_axis() {
        assert_eq!(Scale::fit(Fit::FromZero, std::iter::empty(), &[1.0]), None);
        assert_eq!(Scale::fit(Fit::FromZero, [f64::NAN].into_iter(), &[]), None);
    }
}
