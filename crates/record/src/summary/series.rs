//! A sampled series as a whole, and its statistics.

use std::collections::BTreeMap;

use crate::clock::Offset;
use crate::files::FactFile;
use crate::metric::Metric;
use crate::series::{Detail, Gap, Mark, NamedFact, NamedHeader, NodeFact, Sample, SeriesFact, SeriesHeader};
use crate::summary::Window;

/// A sampled series.
#[derive(Clone, Debug)]
pub struct Series {
    /// What is sampled.
    pub header: SeriesHeader,
    /// The samples, in order.
    pub samples: Vec<Sample>,
    /// The samples that are missing.
    pub gaps: Vec<Gap>,
    /// What happened to the source.
    pub marks: Vec<Mark>,
    /// What the source told beside its values.
    pub details: Vec<Detail>,
    /// Each node by itself, where the source is several; then everything above is of all of them together.
    pub nodes: BTreeMap<String, Series>,
    /// True when the sampler died.
    pub partial: bool,
}

impl Series {
    pub(super) fn from_file<K>(file: FactFile<K>) -> Self
    where
        K: crate::files::FactKind<Header = SeriesHeader, Fact = SeriesFact>,
    {
        let partial = file.is_partial();
        let mut series = Self::empty(file.header.body, partial);
        file.facts.into_iter().for_each(|fact| series.add(fact));
        series
    }

    /// The series of a file that holds several. A row of one that the header does not name is nobody's.
    pub(super) fn from_named<K>(file: FactFile<K>) -> BTreeMap<String, Self>
    where
        K: crate::files::FactKind<Header = NamedHeader, Fact = NamedFact>,
    {
        let partial = file.is_partial();
        let headers = file.header.body.series.into_iter();
        let mut all: BTreeMap<_, _> = headers.map(|(name, header)| (name, Self::empty(header, partial))).collect();
        for NamedFact { of, fact } in file.facts {
            if let Some(series) = all.get_mut(&of) {
                series.add(fact);
            }
        }
        all
    }

    fn empty(header: SeriesHeader, partial: bool) -> Self {
        let (samples, gaps, marks) = (Vec::new(), Vec::new(), Vec::new());
        Self { header, samples, gaps, marks, details: Vec::new(), nodes: BTreeMap::new(), partial }
    }

    fn add(&mut self, fact: SeriesFact) {
        match fact {
            SeriesFact::Sample(sample) => self.samples.push(sample),
            SeriesFact::Gap(gap) => self.gaps.push(gap),
            SeriesFact::Mark(mark) => self.marks.push(mark),
            SeriesFact::Detail(detail) => self.details.push(detail),
            SeriesFact::Node(NodeFact { node, fact }) => {
                let header = || SeriesHeader { source: node.clone(), ..self.header.clone() };
                let partial = self.partial;
                self.nodes.entry(node.clone()).or_insert_with(|| Self::empty(header(), partial)).add(*fact);
            }
        }
    }

    /// The values of one metric, where they were read, inside `window` (all when `None`).
    #[must_use]
    pub fn values(&self, metric: &Metric, window: Option<Window>) -> Vec<(Offset, f64)> {
        let inside = |at| window.is_none_or(|window| window.contains(at));
        let read = self.samples.iter().filter(|sample| inside(sample.at_ns));
        read.filter_map(|sample| Some((sample.at_ns, *sample.values.get(metric.key)?))).collect()
    }

    /// First, last, smallest, largest, mean and median of one metric inside `window`; `None` without a value.
    #[must_use]
    pub fn stats(&self, metric: &Metric, window: Option<Window>) -> Option<SeriesStats> {
        SeriesStats::of(&self.values(metric, window))
    }
}

/// A series in six numbers, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesStats {
    /// How many values.
    pub count: usize,
    /// The first value.
    pub first: f64,
    /// The last value.
    pub last: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The median.
    pub median: f64,
}

impl SeriesStats {
    fn of(values: &[(Offset, f64)]) -> Option<Self> {
        let (first, last) = (values.first()?.1, values.last()?.1);
        let mut sorted: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Self {
            count: sorted.len(),
            first,
            last,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            mean: sorted.iter().sum::<f64>() / sorted.len() as f64,
            median,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::METRICS;

    fn empty() -> Series {
        Series::empty(SeriesHeader { source: String::new(), identity: BTreeMap::new(), every_ns: 1 }, false)
    }

    #[test]
    fn a_series_in_six_numbers_skips_samples_without_the_value() {
        let sample = |second: i64, value: Option<f64>| Sample {
            at_ns: Offset(second * 1_000_000_000),
            took_ns: 1,
            values: value.map(|value| (METRICS[0].key.to_owned(), value)).into_iter().collect(),
        };
        let mut series = empty();
        series.samples = vec![sample(0, Some(4.0)), sample(1, None), sample(2, Some(1.0)), sample(3, Some(10.0))];
        let stats = series.stats(&METRICS[0], None).unwrap();
        assert_eq!((stats.count, stats.first, stats.last, stats.min, stats.max), (3, 4.0, 10.0, 1.0, 10.0));
        assert_eq!((stats.mean, stats.median), (5.0, 4.0));
        let late = Window { from: Offset(3_000_000_000), to: Offset(9_000_000_000) };
        assert_eq!(series.stats(&METRICS[0], Some(late)).map(|stats| stats.count), Some(1));
    }

    #[test]
    fn rows_of_nodes_make_series_of_their_own() {
        let mut series = empty();
        let sample = Sample { at_ns: Offset(1), took_ns: 1, values: BTreeMap::from([("keys".to_owned(), 2.0)]) };
        for node in ["a", "b", "a"] {
            let fact = Box::new(SeriesFact::Sample(sample.clone()));
            series.add(SeriesFact::Node(NodeFact { node: node.to_owned(), fact }));
        }
        assert!(series.samples.is_empty());
        assert_eq!((series.nodes["a"].samples.len(), series.nodes["b"].samples.len()), (2, 1));
    }
}
