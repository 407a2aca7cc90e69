//! One run against several: their spread says what is usual.
//!
//! On the logarithm of a metric over K base runs, a new run of the same code lies in `m +- t(K-1) s sqrt(1 + 1/K)`, the
//! prediction interval of a normal sample (Hahn and Meeker 1991). What lies outside, and beyond the tolerance, has changed.

use plimsoll_record::digest::Digest;

use super::{Change, METRICS, Tolerance};
use crate::statistics::student_quantile;

/// Fewer say nothing about their spread.
pub const FEWEST_BASES: usize = 3;

/// Compares a run with the history before it, endpoint by endpoint. Metrics that not all runs have are left out.
#[must_use]
pub fn against_history(bases: &[Digest], candidate: &Digest, tolerance: Tolerance) -> Vec<Change> {
    if bases.len() < FEWEST_BASES {
        return Vec::new();
    }
    let mut endpoints: Vec<&str> = Vec::new();
    for value in &candidate.values {
        if !endpoints.contains(&value.endpoint.as_str()) {
            endpoints.push(&value.endpoint);
        }
    }
    let confidence = 1.0 - 0.05 / endpoints.len().saturating_sub(1).max(1) as f64;
    let k = bases.len() as f64;
    let widen = student_quantile(f64::midpoint(confidence, 1.0), bases.len() - 1) * (1.0 + 1.0 / k).sqrt();
    let mut changes = Vec::new();
    for endpoint in endpoints {
        for metric in METRICS {
            let of = |digest: &Digest| metric.scaled(digest.value(metric.metric, endpoint)?.value);
            let known: Option<Vec<f64>> = bases.iter().map(of).collect();
            let (Some(known), Some(value)) = (known, candidate.value(metric.metric, endpoint)) else { continue };
            let mean = known.iter().sum::<f64>() / k;
            let spread = (known.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (k - 1.0)).sqrt();
            let base = if metric.scaled(1.0) == Some(1.0) { mean } else { mean.exp() };
            changes.extend(metric.change(endpoint, base, value.value, widen * spread, tolerance));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::super::Finding;
    use super::super::suggestion::testing::digest;
    use super::*;

    #[test]
    fn what_lies_outside_of_what_is_usual_has_changed() {
        let bases: Vec<Digest> = [0.100, 0.104, 0.098, 0.102, 0.101].map(|p95| digest(&[("p95", p95)])).into();
        let finding = |p95| against_history(&bases, &digest(&[("p95", p95)]), Tolerance::default())[0].finding;
        assert_eq!(
            (finding(0.103), finding(0.130), finding(0.080)),
            (Finding::Unclear, Finding::MuchWorse, Finding::Better)
        );
        assert!(against_history(&bases[..2], &digest(&[("p95", 0.1)]), Tolerance::default()).is_empty());
    }

    #[test]
    fn a_history_that_jumps_about_calls_nothing_a_change() {
        let bases: Vec<Digest> = [0.05, 0.2, 0.1, 0.4].map(|p95| digest(&[("p95", p95)])).into();
        let changes = against_history(&bases, &digest(&[("p95", 0.3)]), Tolerance::default());
        assert_eq!(changes[0].finding, Finding::Unclear);
    }
}
