//! The quantities written in faults and flags: durations, shares, byte sizes.
//! Each is kept as an integer, so that what is shown reads back as the same value.

use std::{fmt, time::Duration};

const LONGEST: Duration = Duration::from_secs(3600);
const DURATION_UNITS: [(&str, u64); 4] = [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000)];
/// Powers of 1024, as in Redis' own configuration.
const SIZE_UNITS: [(&str, u64); 4] = [("b", 1), ("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)];

/// A share of all requests, above 0 and up to 1, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share(u32);

/// A number of bytes, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

impl Share {
    #[cfg(test)]
    pub(crate) fn from_millionths(millionths: u32) -> Self {
        assert!((1..=1_000_000).contains(&millionths), "a share lies in (0, 1]");
        Self(millionths)
    }

    /// Reads a percentage such as `5%` or `0.25%`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let millionths = scaled(text.strip_suffix('%')?, 10_000)?;
        let millionths = u32::try_from(millionths).ok()?;
        (1..=1_000_000).contains(&millionths).then_some(Self(millionths))
    }

    /// Whether the `nth` request (from 0) is one of the share.
    ///
    /// The chosen ones are spread evenly, so any stretch of requests holds the share to within one.
    pub(crate) fn takes(self, nth: u64) -> bool {
        let chosen_before = |n: u64| u128::from(n) * u128::from(self.0) / 1_000_000;
        chosen_before(nth.saturating_add(1)) > chosen_before(nth)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (percent, rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest == 0 {
            return write!(f, "{percent}%");
        }
        let decimals = format!("{rest:04}");
        write!(f, "{percent}.{}%", decimals.trim_end_matches('0'))
    }
}

impl ByteSize {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = with_unit(text, &SIZE_UNITS)?;
        (bytes >= 1).then_some(Self(bytes))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_largest_unit(self.0, &SIZE_UNITS))
    }
}

/// Reads `20ms`, `1.5s`, `500us` or `2m`: above zero, up to an hour, whole microseconds.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let duration = Duration::from_micros(with_unit(text, &DURATION_UNITS)?);
    (!duration.is_zero() && duration <= LONGEST).then_some(duration)
}

/// Writes a duration so that [`duration`] reads it back.
pub(crate) fn show_duration(duration: Duration) -> String {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    in_largest_unit(micros, &DURATION_UNITS)
}

/// Digits only: `u32::from_str` would also take a plus sign.
pub(crate) fn whole(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    scaled(number, *factor)
}

/// A decimal number times `factor`, exactly; `None` where a fraction of one would be left over.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole_part, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole_part) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let tens = 10u64.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = fraction.parse::<u64>().ok()?.checked_mul(factor)?;
    let whole_part = whole_part.parse::<u64>().ok()?.checked_mul(factor)?;
    (fraction % tens == 0).then(|| whole_part.checked_add(fraction / tens))?
}

fn in_largest_unit(amount: u64, units: &[(&str, u64)]) -> String {
    let divides = |(_, factor): &&(&str, u64)| amount.is_multiple_of(*factor);
    let (unit, factor) = units.iter().rev().find(divides).unwrap_or(&units[0]);
    format!("{}{unit}", amount / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_needs_a_number_and_a_known_unit() {
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(ByteSize::parse("3mb"), Some(ByteSize(3 << 20)));
        for wrong in ["", "s", "1", "-1s", "+1s", "1 s", "1.s", ".5s", "1e3s", "0s", "61m", "0.0001ms"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        assert_eq!(ByteSize::parse("99999999999gb"), None);
    }

    #[test]
    fn any_stretch_of_requests_holds_the_share_to_within_one() {
        let share = Share::parse("5%").unwrap();
        for start in [0u64, 7, 19, 1_000_003] {
            let chosen = (start..start + 400).filter(|nth| share.takes(*nth)).count();
            assert_eq!(chosen, 20, "from {start}");
        }
        let all = Share::parse("100%").unwrap();
        assert!((0..50).all(|nth| all.takes(nth)));
    }
}
