//! Two runs of the same load, interval by interval: how far apart would they be, had other intervals been seen?
//!
//! Both are cut into the same number of parts, and blocks of neighbouring parts are drawn again and again, the same
//! ones of both runs (a paired moving-block bootstrap, Künsch 1989): what a phase does at a certain time it does in
//! both runs, and what lasts for a few seconds stays together.

use std::collections::BTreeSet;

use plimsoll_plan::Metric;
use plimsoll_record::latency::Histogram;
use plimsoll_record::ledger::Class;
use plimsoll_record::traffic::Interval;

use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::{MIN_POINTS, Range, paired_range};

/// Parts at most; each lasts two seconds at least.
const MOST_PARTS: f64 = 60.0;
const SHORTEST_PART_S: f64 = 2.0;

type Side<'r, 'a> = (&'r JudgedRun<'a>, &'r Place);

/// The 95 % interval of `value - factor * earlier value`; `None` for metrics that are not sums over intervals, and for
/// runs that are too short.
pub(crate) fn difference(
    (run, place, earlier, earlier_place): (&JudgedRun<'_>, &Place, &JudgedRun<'_>, &Place),
    metric: &Metric,
    factor: f64,
) -> Option<Range> {
    let seconds = place.seconds().min(earlier_place.seconds());
    let count = (seconds / SHORTEST_PART_S).floor().min(MOST_PARTS) as usize;
    if count < MIN_POINTS {
        return None;
    }
    let statistic = Statistic::of(metric)?;
    let mine = statistic.parts((run, place), count);
    let theirs = statistic.parts((earlier, earlier_place), count);
    paired_range(count, |drawn| Some(mine.value(drawn)? - factor * theirs.value(drawn)?))
}

/// What can be computed from any set of intervals.
#[derive(Clone, Copy, Debug)]
enum Statistic {
    Quantile { q: f64, service: bool },
    Mean,
    Share(fn(&Interval) -> u64),
    Throughput,
}

impl Statistic {
    fn of(metric: &Metric) -> Option<Self> {
        match metric {
            Metric::Percentile { quantile, service } => Some(Self::Quantile { q: *quantile, service: *service }),
            Metric::Mean => Some(Self::Mean),
            Metric::ErrorRate => Some(Self::Share(|row| row.ledger.failures())),
            Metric::LimitedShare => Some(Self::Share(|row| row.ledger.class(Class::Limited))),
            Metric::Throughput => Some(Self::Throughput),
            _ => None,
        }
    }

    fn parts(self, (run, place): Side<'_, '_>, count: usize) -> Parts {
        let cut = place.parts(count);
        let part_s = place.seconds() / count as f64;
        let mut sums = vec![(0.0, 0.0); count];
        let mut histograms = vec![Histogram::default(); count];
        for row in run.facts.intervals(&place.scope) {
            let at = cut.index(row.at_ns);
            let histogram = |service| if service { &row.served.service } else { &row.served.response };
            let (part, whole) = match self {
                Self::Quantile { service, .. } => {
                    histograms[at].merge(histogram(service));
                    // Slower than all answers.
                    (row.ledger.censored() as f64, 0.0)
                }
                Self::Mean => {
                    let n = row.served.response.count() as f64;
                    (row.served.response.mean().unwrap_or(0.0) / 1e9 * n, n)
                }
                Self::Share(hits) => (hits(row) as f64, row.ledger.finished() as f64),
                Self::Throughput => (row.ledger.answered() as f64, 0.0),
            };
            sums[at].0 += part;
            sums[at].1 += whole;
        }
        if matches!(self, Self::Throughput) {
            sums.iter_mut().for_each(|sum| sum.1 = part_s);
        }
        match self {
            Self::Quantile { q, .. } => Parts::Quantile(Bins::of(&histograms, &sums, q)),
            _ => Parts::Ratio(sums),
        }
    }
}

/// What one run did, part by part.
enum Parts {
    /// (sum, count) per part; the value is their ratio.
    Ratio(Vec<(f64, f64)>),
    Quantile(Bins),
}

impl Parts {
    fn value(&self, drawn: &[usize]) -> Option<f64> {
        match self {
            Self::Ratio(sums) => {
                let (part, whole) = drawn.iter().fold((0.0, 0.0), |(a, b), i| (a + sums[*i].0, b + sums[*i].1));
                (whole > 0.0).then(|| part / whole)
            }
            Self::Quantile(bins) => bins.quantile(drawn),
        }
    }
}

/// Histograms over one list of bins.
struct Bins {
    /// Upper ends, in seconds.
    ends: Vec<f64>,
    /// Counts per part and bin; the last bin of each holds what was never answered.
    counts: Vec<Vec<u64>>,
    q: f64,
}

impl Bins {
    fn of(histograms: &[Histogram], sums: &[(f64, f64)], q: f64) -> Self {
        let tops: BTreeSet<u64> = histograms.iter().flat_map(Histogram::bins).map(|(top, _)| top).collect();
        let tops: Vec<u64> = tops.into_iter().collect();
        let counts = histograms.iter().zip(sums).map(|(histogram, (censored, _))| {
            let mut counts = vec![0; tops.len() + 1];
            for (top, n) in histogram.bins() {
                let at = tops.binary_search(&top).expect("every bin's end is in the list");
                counts[at] += n;
            }
            counts[tops.len()] = *censored as u64;
            counts
        });
        Self { counts: counts.collect(), ends: tops.iter().map(|top| *top as f64 / 1e9).collect(), q }
    }

    fn quantile(&self, drawn: &[usize]) -> Option<f64> {
        let mut all = vec![0_u64; self.ends.len() + 1];
        for part in drawn {
            all.iter_mut().zip(&self.counts[*part]).for_each(|(sum, n)| *sum += n);
        }
        let total: u64 = all.iter().sum();
        let rank = (self.q * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let at = all.iter().position(|n| {
            seen += n;
            seen >= rank
        })?;
        (total > 0).then(|| self.ends.get(at).copied().unwrap_or(f64::INFINITY))
    }
}
