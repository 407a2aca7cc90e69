//! Phrases that several findings share.

use std::time::Duration;

use plimsoll_record::units::{show_count, show_duration};
use plimsoll_record::verdict::{CriterionResult, Judgement};

use crate::statistics::{BATCH_SECONDS, MIN_BATCHES};

/// Beyond this many times its length nobody waits for a run.
const LONGEST_FACTOR: f64 = 20.0;
/// A bit more than the estimate, so that the next run is not undecided for want of a second.
const ALLOWANCE: f64 = 1.1;

/// How long a run would decide, given that one of `seconds` did not and that it takes `factor` times as long.
pub(crate) fn how_much_longer(seconds: f64, factor: f64) -> String {
    if !factor.is_finite() || factor > LONGEST_FACTOR {
        return "the value is so close to the limit that no run of a practical length will decide".to_owned();
    }
    let longer = longer(seconds, factor).unwrap_or_default();
    format!("about {} would decide, this was {}", duration(longer), duration(seconds))
}

/// The same in seconds; `None` when no practical length will do.
pub(crate) fn longer(seconds: f64, factor: f64) -> Option<f64> {
    let practical = factor.is_finite() && factor <= LONGEST_FACTOR;
    practical.then(|| (seconds * factor.max(1.0) * ALLOWANCE).round())
}

/// Seconds in words.
pub(crate) fn duration(seconds: f64) -> String {
    show_duration(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
}

/// A count in words.
pub(crate) fn count(n: u64) -> String {
    show_count(n as f64)
}

/// A count that was estimated, in words.
pub(crate) fn amount(n: f64) -> String {
    show_count(n.round())
}

/// Said of every interval that could not be corrected for autocorrelation.
pub(crate) fn low_confidence(effective: Option<f64>, seconds: f64) -> String {
    if effective.is_some() {
        return String::new();
    }
    let needed = duration(BATCH_SECONDS * MIN_BATCHES as f64);
    format!(
        "; low confidence: requests are taken as independent, because {} are too short to tell ({needed} would do)",
        duration(seconds)
    )
}

/// `id: what is value, limit limit` for a miss; the reason when it is undecided.
pub(crate) fn decision(result: &CriterionResult) -> String {
    let subject = result.subject();
    let name = if result.id == result.expression { String::new() } else { format!("{}: ", result.id) };
    match result.value {
        Some(value) if matches!(result.judgement, Judgement::Fail | Judgement::Warn) => {
            let at_least = if result.at_least { "at least " } else { "" };
            let (value, limit) = (result.unit.show(value), result.unit.show(result.limit));
            format!("{name}{subject} is {at_least}{value}, limit {limit}")
        }
        _ => format!("{name}{subject}: {}", result.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hopeless_run_is_not_recommended() {
        assert!(how_much_longer(60.0, 1e9).contains("no run of a practical length"));
        assert!(how_much_longer(60.0, f64::INFINITY).contains("no run of a practical length"));
        assert_eq!(how_much_longer(60.0, 3.0), "about 3 min 18 s would decide, this was 60.0 s");
    }
}
