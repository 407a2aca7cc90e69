//! Quantities with units, as people write them in plans and read them in reports.
//!
//! Inside, a quantity is a number in the unit's base: seconds, bytes (decimal: 1 MB = 1,000,000 bytes), per second,
//! shares from 0 to 1. Reading and showing live together here so that what is shown can be typed back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a number measures. The base each one is kept in stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Time, in seconds.
    Seconds,
    /// A share of a whole, 0 to 1; shown in percent.
    Share,
    /// Events per second.
    PerSecond,
    /// Memory, in bytes.
    Bytes,
    /// Growth, in bytes per second; shown per minute.
    BytesPerSecond,
    /// A plain count.
    Count,
    /// A plain ratio.
    Ratio,
}

/// A number with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    /// The number, in the unit's base.
    pub value: f64,
    /// What it measures.
    pub unit: Unit,
}

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// There is no number at the start.
    #[error("`{0}` does not begin with a number; write for example `500ms`, `80%`, `18/s`, `10MB` or `1 MB/min`")]
    NoNumber(String),
    /// The unit is unknown.
    #[error(
        "unknown unit `{0}`; valid are us, ms, s, m, h, %, /s, /min, /h, B, kB, MB, GB, KiB, MiB, GiB and sizes per s, min or h such as MB/min"
    )]
    UnknownUnit(String),
}

impl Quantity {
    /// Reads a quantity such as `500ms`, `3m`, `80%`, `18/s`, `10MB`, `1 MB/min` or `2.0`.
    ///
    /// # Errors
    /// [`QuantityError`] with the valid units.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let text = text.trim();
        let end =
            text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '+'))).unwrap_or(text.len());
        let number = text[..end].replace('_', "");
        let value: f64 = number.parse().map_err(|_| QuantityError::NoNumber(text.to_owned()))?;
        let (factor, unit) =
            parse_unit(text[end..].trim()).ok_or_else(|| QuantityError::UnknownUnit(text[end..].trim().to_owned()))?;
        Ok(Self { value: value * factor, unit })
    }
}

fn parse_unit(word: &str) -> Option<(f64, Unit)> {
    if let Some((size, per)) = word.split_once('/') {
        let seconds = parse_per(per.trim())?;
        return match size.trim() {
            "" => Some((1.0 / seconds, Unit::PerSecond)),
            size => Some((size_factor(size)? / seconds, Unit::BytesPerSecond)),
        };
    }
    match word {
        "" => Some((1.0, Unit::Ratio)),
        "%" => Some((0.01, Unit::Share)),
        "us" | "µs" => Some((1e-6, Unit::Seconds)),
        "ms" => Some((1e-3, Unit::Seconds)),
        "s" => Some((1.0, Unit::Seconds)),
        "m" | "min" => Some((60.0, Unit::Seconds)),
        "h" => Some((3600.0, Unit::Seconds)),
        size => Some((size_factor(size)?, Unit::Bytes)),
    }
}

fn parse_per(word: &str) -> Option<f64> {
    match word {
        "s" | "sec" => Some(1.0),
        "m" | "min" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    }
}

fn size_factor(word: &str) -> Option<f64> {
    match word {
        "B" => Some(1.0),
        "kB" | "KB" | "k" => Some(1e3),
        "MB" => Some(1e6),
        "GB" => Some(1e9),
        "KiB" => Some(1024.0),
        "MiB" => Some(1024.0 * 1024.0),
        "GiB" => Some(1024.0 * 1024.0 * 1024.0),
        _ => None,
    }
}

impl Unit {
    /// The word in files, which names the base.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Share => "share",
            Self::PerSecond => "per_second",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes_per_second",
            Self::Count => "count",
            Self::Ratio => "ratio",
        }
    }

    /// The number in words for people, with three or so significant digits: `12.3 ms`, `80.0 %`, `1.25 MB/min`.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Seconds => show_seconds(value),
            Self::Share => format!("{} %", digits(value * 100.0)),
            Self::PerSecond => format!("{}/s", digits(value)),
            Self::Bytes => show_bytes(value),
            Self::BytesPerSecond => format!("{}/min", show_bytes(value * 60.0)),
            Self::Count => show_count(value),
            Self::Ratio => digits(value),
        }
    }
}

/// A duration in words: `12.3 ms`, `1.50 s`, `3 min 20 s`.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    show_seconds(duration.as_secs_f64())
}

fn show_seconds(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0 s".to_owned()
    } else if size < 1e-3 {
        format!("{} us", digits(value * 1e6))
    } else if size < 1.0 {
        format!("{} ms", digits(value * 1e3))
    } else if size < 120.0 {
        format!("{} s", digits(value))
    } else if size < 7200.0 {
        format!("{:.0} min {:.0} s", (value / 60.0).trunc(), (size % 60.0).floor())
    } else {
        format!("{} h", digits(value / 3600.0))
    }
}

fn show_bytes(value: f64) -> String {
    let size = value.abs();
    if size < 1e3 {
        format!("{value:.0} B")
    } else if size < 1e6 {
        format!("{} kB", digits(value / 1e3))
    } else if size < 1e9 {
        format!("{} MB", digits(value / 1e6))
    } else {
        format!("{} GB", digits(value / 1e9))
    }
}

/// A whole number with thousands separators: `1,234,567`.
#[must_use]
pub fn show_count(value: f64) -> String {
    let whole = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value <= -0.5 { format!("-{grouped}") } else { grouped }
}

fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, value: f64, unit: Unit) {
        let quantity = Quantity::parse(text).unwrap();
        assert_eq!(quantity.unit, unit, "{text}");
        assert!((quantity.value - value).abs() <= value.abs() * 1e-12, "{text}: {}", quantity.value);
    }

    #[test]
    fn reads_what_people_write() {
        check("500ms", 0.5, Unit::Seconds);
        check("3m", 180.0, Unit::Seconds);
        check("80%", 0.8, Unit::Share);
        check("18/s", 18.0, Unit::PerSecond);
        check("10/min", 1.0 / 6.0, Unit::PerSecond);
        check("1 MB/min", 1e6 / 60.0, Unit::BytesPerSecond);
        check("10MB", 1e7, Unit::Bytes);
        check("2.0", 2.0, Unit::Ratio);
        check("1_000", 1000.0, Unit::Ratio);
    }

    #[test]
    fn names_the_valid_units_when_one_is_unknown() {
        let error = Quantity::parse("10 parsecs").unwrap_err().to_string();
        assert!(error.contains("`parsecs`") && error.contains("MB/min"), "{error}");
        assert!(matches!(Quantity::parse("fast"), Err(QuantityError::NoNumber(_))));
    }

    #[test]
    fn shows_three_digits_or_so() {
        assert_eq!(Unit::Seconds.show(0.012_345), "12.3 ms");
        assert_eq!(Unit::Seconds.show(200.0), "3 min 20 s");
        assert_eq!(Unit::Share.show(0.9), "90.0 %");
        assert_eq!(Unit::BytesPerSecond.show(1e6 / 60.0), "1.00 MB/min");
        assert_eq!(Unit::Count.show(1_234_567.0), "1,234,567");
        assert_eq!(Unit::Count.show(-1_234.0), "-1,234");
    }
}
