//! Fields with units: durations, rates, sizes. A number without its unit is a problem, and so is another unit.

use std::time::Duration;

use plimsoll_record::units::{Quantity, Unit};

use crate::model::Rate;
use crate::reader::{Field, Text};
use crate::tree::Value;

/// The longest duration a plan may state.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

impl<'a> Field<'a> {
    /// Text that holds a quantity; a bare number gets its own message.
    pub(crate) fn quantity_text(&self, example: &str) -> Option<Text<'a>> {
        if matches!(self.node.value, Value::Integer(_) | Value::Float(_)) && self.node.spelled.is_none() {
            self.reject(
                format!("`{}` has no unit", self.key),
                format!("write it as text, for example `\"{example}\"`"),
            );
            return None;
        }
        self.text(&format!("text with a unit, for example `\"{example}\"`"))
    }

    /// A duration of at least `least`.
    pub(crate) fn duration(&self, least: Duration, example: &str) -> Option<Duration> {
        duration(&self.quantity_text(example)?, self.key, least, example)
    }

    /// A duration longer than nothing.
    pub(crate) fn positive_duration(&self, example: &str) -> Option<Duration> {
        self.duration(Duration::from_nanos(1), example)
    }
}

/// Reads a duration of at least `least`.
pub(crate) fn duration(text: &Text<'_>, key: &str, least: Duration, example: &str) -> Option<Duration> {
    let seconds = number(text, key, Unit::Seconds, example)?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration >= least && duration <= LONGEST => return Some(duration),
        Ok(duration) if duration > LONGEST => text.reject(format!("`{key}` is too long"), None, "at most 365 days"),
        Err(_) if seconds > 0.0 => text.reject(format!("`{key}` is too long"), None, "at most 365 days"),
        Err(_) => text.reject(format!("`{key}` is negative"), None, format!("write for example `{example}`")),
        Ok(_) if least <= Duration::from_nanos(1) => {
            text.reject(format!("`{key}` is zero"), None, format!("write for example `{example}`"));
        }
        Ok(_) => text.reject(format!("`{key}` is too short"), None, format!("at least {} ms", least.as_millis())),
    }
    None
}

/// Reads a rate, zero included.
pub(crate) fn rate(text: &Text<'_>, key: &str, example: &str) -> Option<Rate> {
    let rate = Rate::per_second(number(text, key, Unit::PerSecond, example)?);
    if rate.is_none() {
        text.reject(format!("`{key}` is negative"), None, format!("write for example `{example}`"));
    }
    rate
}

/// Reads a finite number in the base of its unit.
pub(crate) fn number(text: &Text<'_>, key: &str, unit: Unit, example: &str) -> Option<f64> {
    let help = format!("write for example `{example}`");
    match Quantity::parse(&text.content) {
        Err(error) => text.reject(error.to_string(), None, help),
        Ok(quantity) if quantity.unit == unit && quantity.value.is_finite() => return Some(quantity.value),
        Ok(quantity) if quantity.unit == unit => text.reject("the number is too large", None, help),
        Ok(Quantity { unit: Unit::Ratio, .. }) => {
            text.reject(format!("`{}` has no unit; `{key}` is {}", text.content, kind(unit)), None, help);
        }
        Ok(quantity) => {
            let title = format!("`{}` is {}, but `{key}` is {}", text.content, kind(quantity.unit), kind(unit));
            text.reject(title, None, help);
        }
    }
    None
}

/// A duration in the largest unit that keeps it whole.
pub(crate) fn show(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    for (unit, length) in [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)] {
        if nanos.is_multiple_of(length) {
            return format!("{}{unit}", nanos / length);
        }
    }
    format!("{}.{:03}us", nanos / 1_000, nanos % 1_000)
}

/// What a unit measures, in words.
pub(crate) fn kind(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "a time",
        Unit::Share => "a share",
        Unit::PerSecond => "a rate",
        Unit::Bytes => "a size",
        Unit::BytesPerSecond => "a size per time",
        Unit::Count => "a count",
        Unit::Ratio => "a plain number",
    }
}

/// A limit in this unit, as an example.
pub(crate) fn example(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "500ms",
        Unit::Share => "1%",
        Unit::PerSecond => "18/s",
        Unit::Bytes => "50MB",
        Unit::BytesPerSecond => "1 MB/min",
        Unit::Count => "0",
        Unit::Ratio => "2.0",
    }
}
