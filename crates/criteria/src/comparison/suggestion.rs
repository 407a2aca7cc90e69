//! Limits from past runs: what a run of the same code stays below, but for a stated share of false alarms.
//!
//! The upper prediction bound of a normal sample on the logarithm: `m + t(K-1, 1-a) s sqrt(1 + 1/K)`. It is rounded up to
//! two digits, and the share of false alarms of the rounded limit is what is reported.

use plimsoll_record::digest::Digest;
use plimsoll_record::units::Unit;
use statrs::distribution::{ContinuousCDF as _, StudentsT};

use crate::statistics::student_quantile;

/// Fewer say nothing about their spread.
pub const FEWEST_RUNS: usize = 3;
/// Runs that agree to the last digit would give a limit without room: at least so much spread is assumed.
const LEAST_SPREAD: f64 = 0.01;

/// A limit that past runs suggest.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The metric, in the words of criteria.
    pub metric: String,
    /// The endpoint; empty for all.
    pub endpoint: String,
    /// Its unit.
    pub unit: Unit,
    /// The limit: below it a run should stay.
    pub limit: f64,
    /// The share of runs of the same code that will not, by chance.
    pub false_alarms: f64,
    /// The median of the runs it rests on.
    pub usual: f64,
    /// The largest of them.
    pub most: f64,
    /// How many they are.
    pub runs: usize,
}

/// Limits for the metrics that all runs have, with at most `false_alarms` of a run being called worse by chance.
#[must_use]
pub fn suggest(runs: &[Digest], false_alarms: f64) -> Vec<Suggestion> {
    let Some(last) = runs.last().filter(|_| runs.len() >= FEWEST_RUNS) else { return Vec::new() };
    let wanted = |metric: &str| {
        ["p50", "p95", "p99", "mean", "error_rate"].contains(&metric) || metric.starts_with("max(redis.used_memory)")
    };
    let values = last.values.iter().filter(|value| wanted(&value.metric));
    values.filter_map(|value| of_metric(runs, &value.metric, &value.endpoint, value.unit, false_alarms)).collect()
}

fn of_metric(runs: &[Digest], metric: &str, endpoint: &str, unit: Unit, false_alarms: f64) -> Option<Suggestion> {
    let values: Option<Vec<f64>> = runs.iter().map(|run| run.value(metric, endpoint).map(|one| one.value)).collect();
    let values = values?;
    let most = values.iter().copied().fold(0.0, f64::max);
    // Shares may be zero: a thousandth more has a logarithm, and changes nothing that matters.
    let shift = if unit == Unit::Share { 0.001 } else { 0.0 };
    let logs: Vec<f64> = values.iter().map(|value| (value + shift).ln()).collect();
    if logs.iter().any(|log| !log.is_finite()) {
        return None;
    }
    let k = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / k;
    let spread = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (k - 1.0)).sqrt().max(LEAST_SPREAD);
    let scale = spread * (1.0 + 1.0 / k).sqrt();
    let bound = (mean + student_quantile(1.0 - false_alarms, logs.len() - 1) * scale).exp() - shift;
    let limit = round_up(bound);
    let student = StudentsT::new(0.0, 1.0, k - 1.0).expect("two or more degrees of freedom and scale 1 are valid");
    Some(Suggestion {
        metric: metric.to_owned(),
        endpoint: endpoint.to_owned(),
        unit,
        limit,
        false_alarms: 1.0 - student.cdf(((limit + shift).ln() - mean) / scale),
        usual: crate::statistics::median(values)?,
        most,
        runs: runs.len(),
    })
}

/// The next number of two digits: 0.1234 becomes 0.13.
fn round_up(value: f64) -> f64 {
    let step = 10_f64.powf(value.max(f64::MIN_POSITIVE).log10().floor() - 1.0);
    let rounded = (value / step - 1e-9).ceil() * step;
    // Ten times a tenth is not one in binary.
    format!("{rounded:.2e}").parse().unwrap_or(rounded)
}

#[cfg(test)]
pub(super) mod testing {
    use plimsoll_record::digest::{Digest, DigestValue};
    use plimsoll_record::run::Machine;
    use plimsoll_record::units::Unit;
    use plimsoll_record::verdict::Judgement;

    pub(in super::super) fn digest(values: &[(&str, f64)]) -> Digest {
        let value = |(metric, value): &(&str, f64)| DigestValue {
            metric: (*metric).to_owned(),
            endpoint: String::new(),
            value: *value,
            unit: if *metric == "error_rate" { Unit::Share } else { Unit::Seconds },
        };
        Digest {
            format: 1,
            run: "run".into(),
            plan: "plan".into(),
            unix_ns: 0,
            machine: Machine::default(),
            judgement: Judgement::Pass,
            phase: "steady".into(),
            values: values.iter().map(value).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::digest;
    use super::*;
    use crate::testing::Noise;

    #[test]
    fn numbers_are_rounded_up_to_two_digits() {
        assert_eq!([0.1234, 0.13, 17.01, 0.000_999, 1.0].map(round_up), [0.13, 0.13, 18.0, 0.001, 1.0]);
    }

    #[test]
    fn a_limit_holds_for_runs_to_come_as_often_as_it_says() {
        let mut noise = Noise::seeded(11);
        let mut p95 = || 0.1 * (0.05 * noise.normal()).exp();
        let (mut missed, mut expected) = (0_u32, 0.0);
        for _ in 0..2_000 {
            let past: Vec<Digest> = (0..6).map(|_| digest(&[("p95", p95())])).collect();
            let suggestion = &suggest(&past, 0.05)[0];
            missed += u32::from(p95() >= suggestion.limit);
            expected += suggestion.false_alarms;
        }
        assert!((f64::from(missed) - expected).abs() < 4.0 * expected.sqrt(), "{missed} of {expected} expected");
    }

    #[test]
    fn runs_without_an_error_suggest_a_small_share_and_two_runs_nothing() {
        let run = digest(&[("error_rate", 0.0), ("p95", 0.1)]);
        let list = suggest(&[run.clone(), run.clone(), run.clone(), run.clone()], 0.01);
        assert!(list[0].limit < 0.001 && list[0].limit > 0.0, "{list:?}");
        assert!(list[1].limit > 0.1 && list[1].limit < 0.12, "{list:?}");
        assert!(suggest(&[run.clone(), run], 0.01).is_empty());
    }
}
