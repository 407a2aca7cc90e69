//! Numbers in a verdict are rounded to nine significant digits, so that it comes out the same, byte for byte, where
//! the mathematical library of another platform differs in the last bit.

use plimsoll_record::verdict::Verdict;

const DIGITS: i32 = 9;

pub(crate) fn round(verdict: &mut Verdict) {
    optional(&mut verdict.generator.offered_share);
    if let Some(traffic) = &mut verdict.traffic {
        optional(&mut traffic.error_rate);
    }
    for result in &mut verdict.criteria {
        optional(&mut result.value);
        optional(&mut result.margin);
        optional(&mut result.effective_samples);
        result.limit = rounded(result.limit);
        optional(&mut result.evidence.warn_limit);
        optional(&mut result.evidence.passes_at);
        optional(&mut result.evidence.decides_after_s);
        if let Some(interval) = &mut result.interval {
            interval.low = rounded(interval.low);
            interval.high = rounded(interval.high);
        }
    }
}

/// JSON has no word for infinite or undefined numbers: they are absent.
fn optional(value: &mut Option<f64>) {
    *value = value.filter(|value| value.is_finite()).map(rounded);
}

fn rounded(value: f64) -> f64 {
    format!("{value:.*e}", (DIGITS - 1).unsigned_abs() as usize).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_digits_remain() {
        assert_eq!(rounded(0.1 + 0.2), 0.3);
        assert_eq!(rounded(123_456_789.4), 123_456_789.0);
        assert_eq!(rounded(-1.0 / 3.0), -0.333_333_333);
        assert_eq!(rounded(0.0), 0.0);
    }
}
