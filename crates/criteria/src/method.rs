//! How a kind of criterion is decided, in a formula and a section of `docs/statistics.md`, for whoever asks why.

use plimsoll_plan::{Function, Metric};

/// How a kind of criterion is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// What is computed, in a line or two.
    pub formula: &'static str,
    /// The heading in `docs/statistics.md` with source and example.
    pub section: &'static str,
}

impl Method {
    /// The section's address on the page.
    #[must_use]
    pub fn anchor(&self) -> String {
        let words = self.section.to_lowercase();
        words.chars().filter(|c| c.is_alphanumeric() || *c == ' ').map(|c| if c == ' ' { '-' } else { c }).collect()
    }
}

/// How criteria on `metric` are decided.
#[must_use]
pub fn method(metric: &Metric) -> Method {
    let of = |formula, section| Method { formula, section };
    match metric {
        Metric::Percentile { .. } => of(
            "p_q < T holds when the share of requests that took T or longer is below 1 - q: \
             Wilson interval of x / n_eff, n_eff = n / DEFF from batches of time",
            "Percentiles",
        ),
        Metric::ErrorRate | Metric::LimitedShare => {
            of("share = x / n, Wilson interval on n_eff = n / DEFF from batches of time", "Error rate and other shares")
        }
        Metric::Mean | Metric::Max | Metric::Throughput | Metric::Count => of(
            "mean: m +- t(B-1) s / sqrt(B) over batches of time; maximum, throughput and counts are known exactly",
            "Mean, maximum, throughput, counts",
        ),
        Metric::LimiterEffectiveness | Metric::LimiterFalseRejects => of(
            "each user's arrivals are replayed through the stated limit; \
             effectiveness = 1 - false accepts / excess, per window so that errors do not cancel",
            "The rate limiter",
        ),
        Metric::Fragmentation => {
            of("resident / used memory, judged only where the data set is large enough", "Fragmentation")
        }
        Metric::Series { function: Function::Slope, .. } => of(
            "Theil-Sen slope over medians of buckets; interval from Sen's ranks, corrected for autocorrelation, \
             or from a block bootstrap, the wider of the two",
            "Growth of memory",
        ),
        _ => of("read off what was sampled or counted; no interval", "Samples and logs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_that_is_named_is_in_the_docs() {
        let docs = include_str!("../../../docs/statistics.md");
        let fragmentation = Metric::Fragmentation;
        let log = Metric::Log { log: "a".into(), event: "b".into() };
        let percentile = Metric::Percentile { quantile: 0.5, service: false };
        let all = [percentile, Metric::ErrorRate, Metric::Mean, Metric::LimiterEffectiveness, fragmentation, log];
        for metric in all {
            let section = method(&metric).section;
            assert!(docs.contains(&format!("\n## {section}\n")), "{section}");
        }
        assert_eq!(method(&Metric::Mean).anchor(), "mean-maximum-throughput-counts");
    }
}
