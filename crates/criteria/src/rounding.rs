//! Numbers in a verdict are rounded to nine significant digits, so that it comes out the same, byte for byte, where
//! the mathematical library of another platform differs in the last bit.

use plimsoll_record::verdict::{LimiterFacts, MemoryFacts, MemoryGrowth, Verdict};

const DIGITS: i32 = 9;

pub(crate) fn round(verdict: &mut Verdict) {
    optional(&mut verdict.generator.offered_share);
    if let Some(traffic) = &mut verdict.traffic {
        optional(&mut traffic.error_rate);
    }
    if let Some(facts) = &mut verdict.limiter {
        limiter(facts);
    }
    if let Some(facts) = &mut verdict.memory {
        memory(facts);
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

fn limiter(facts: &mut LimiterFacts) {
    for bounds in [&mut facts.effectiveness, &mut facts.precision].into_iter().flatten() {
        each([&mut bounds.value, &mut bounds.low, &mut bounds.high]);
    }
    [&mut facts.first_refused_s, &mut facts.first_due_s].into_iter().for_each(optional);
}

fn memory(facts: &mut MemoryFacts) {
    facts.components.iter_mut().for_each(component);
    if let Some(drain) = &mut facts.drain {
        each([&mut drain.before, &mut drain.after, &mut drain.remained]);
    }
    if let Some(lost) = &mut facts.fragmentation {
        each([&mut lost.used, &mut lost.resident, &mut lost.ratio]);
        let parts = [&mut lost.external, &mut lost.retained, &mut lost.process, &mut lost.peak_ratio];
        parts.into_iter().chain([&mut lost.share_of_maxmemory]).for_each(optional);
    }
}

fn component(row: &mut MemoryGrowth) {
    each([&mut row.limit, &mut row.bucket_s]);
    row.buckets.iter_mut().for_each(|(x, y)| each([x, y]));
    row.steps.iter_mut().for_each(|step| each([&mut step.bytes]));
    let slopes = [&mut row.slope, &mut row.floor_slope, &mut row.late_slope];
    slopes.into_iter().chain([&mut row.effective_samples, &mut row.plateau, &mut row.needed_s]).for_each(optional);
    if let Some(interval) = &mut row.interval {
        each([&mut interval.low, &mut interval.high]);
    }
    if let Some(settling) = &mut row.settling {
        each([&mut settling.first_slope, &mut settling.last_slope, &mut settling.tau_s, &mut settling.until_limit_s]);
    }
    if let Some(estimate) = &mut row.per_request {
        each([&mut estimate.value, &mut estimate.low, &mut estimate.high]);
    }
    if let Some(left) = &mut row.full_in_s {
        each([&mut left.value, &mut left.soonest]);
        optional(&mut left.latest);
    }
}

fn each<const N: usize>(values: [&mut f64; N]) {
    values.into_iter().for_each(|value| *value = rounded(*value));
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
