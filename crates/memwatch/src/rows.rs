//! Rows of the sampled sources put together: what belongs to one tick of the grid becomes one row.
//!
//! Sources answer on their own; a row is complete when every source has, or when the next tick begins.

use std::collections::BTreeMap;

use plimsoll_plan::Watch;
use plimsoll_record::Offset;
use plimsoll_record::metric::Source;
use plimsoll_record::series::{Gap, Mark, Sample, SeriesFact};
use plimsoll_sampler::Growth;

/// What one source gave at a tick.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Sample(Sample),
    Gap(Gap),
}

/// A series: its source and, of those with several, its name.
pub(crate) type Of = (Source, Option<String>);

/// One tick over all sources.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) tick: u64,
    outcomes: BTreeMap<Of, Outcome>,
    /// Growth of used memory up to here.
    pub(crate) growth: Option<Growth>,
}

/// What comes out, in order.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Row(Row),
    Mark(Of, Mark),
}

/// Puts rows together.
#[derive(Debug)]
pub(crate) struct Rows {
    sources: usize,
    pending: Option<Row>,
}

impl Outcome {
    pub(crate) fn at(&self) -> Offset {
        match self {
            Self::Sample(sample) => sample.at_ns,
            Self::Gap(gap) => gap.at_ns,
        }
    }

    pub(crate) fn sample(&self) -> Option<&Sample> {
        match self {
            Self::Sample(sample) => Some(sample),
            Self::Gap(_) => None,
        }
    }
}

impl Row {
    /// When the first of its values was asked for.
    pub(crate) fn at(&self) -> Offset {
        self.outcomes().map(|(_, outcome)| outcome.at()).min().unwrap_or_default()
    }

    /// The value of a metric, where it was read.
    pub(crate) fn value(&self, source: Source, key: &str) -> Option<f64> {
        self.value_of(source, None, key)
    }

    /// The value of a metric of one of several series; without a name, of the first.
    pub(crate) fn value_of(&self, source: Source, of: Option<&str>, key: &str) -> Option<f64> {
        let wanted = |(other, name): &Of| *other == source && (of.is_none() || name.as_deref() == of);
        let outcome = self.outcomes.iter().find(|(series, _)| wanted(series))?.1;
        outcome.sample()?.values.get(key).copied()
    }

    /// What each source gave that has answered.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (&Of, &Outcome)> {
        self.outcomes.iter()
    }

    /// True when Redis was sampled.
    pub(crate) fn has_redis(&self) -> bool {
        self.outcomes.iter().any(|((source, _), outcome)| *source == Source::Redis && outcome.sample().is_some())
    }
}

impl Rows {
    /// Rows of everything that is watched.
    pub(crate) fn new(watch: &Watch) -> Self {
        let series = |source: &Source| match source.is_named() {
            true => watch.names(*source).len(),
            false => usize::from(watch.samples(*source)),
        };
        Self { sources: Source::ALL.iter().map(series).sum(), pending: None }
    }

    /// Takes a fact; gives what is complete now.
    pub(crate) fn take(&mut self, series: Of, tick: u64, fact: SeriesFact, growth: Option<Growth>) -> Vec<Line> {
        let outcome = match fact {
            SeriesFact::Mark(mark) => return vec![Line::Mark(series, mark)],
            SeriesFact::Sample(sample) => Outcome::Sample(sample),
            SeriesFact::Gap(gap) => Outcome::Gap(gap),
            // A row shows what holds for the source as a whole.
            SeriesFact::Detail(_) | SeriesFact::Node(_) => return Vec::new(),
        };
        let mut lines = Vec::new();
        let mut row = match self.pending.take() {
            Some(row) if row.tick == tick && !row.outcomes.contains_key(&series) => row,
            // An answer that was long awaited: its tick has gone by, the pending row goes on.
            Some(newer) if newer.tick > tick => {
                self.pending = Some(newer);
                let mut late = Row { tick, growth, ..Row::default() };
                late.outcomes.insert(series, outcome);
                return vec![Line::Row(late)];
            }
            other => {
                lines.extend(other.map(Line::Row));
                Row { tick, ..Row::default() }
            }
        };
        row.outcomes.insert(series, outcome);
        row.growth = row.growth.or(growth);
        if row.outcomes.len() == self.sources {
            lines.push(Line::Row(row));
        } else {
            self.pending = Some(row);
        }
        lines
    }

    /// What is left at the end.
    pub(crate) fn finish(&mut self) -> Option<Line> {
        self.pending.take().map(Line::Row)
    }
}

#[cfg(test)]
impl Row {
    /// A row of one source.
    pub(crate) fn of(source: Source, outcome: Outcome) -> Self {
        Self { outcomes: BTreeMap::from([((source, None), outcome)]), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::series::GapReason;

    use super::*;

    fn rows() -> Rows {
        Rows { sources: 2, pending: None }
    }

    fn sample() -> SeriesFact {
        SeriesFact::Sample(Sample {
            at_ns: Offset(1),
            took_ns: 1,
            values: BTreeMap::from([("used_memory".to_owned(), 7.0)]),
        })
    }

    fn gap() -> SeriesFact {
        SeriesFact::Gap(Gap { at_ns: Offset(1), reason: GapReason::TimedOut, detail: String::new() })
    }

    fn ticks(lines: &[Line]) -> Vec<u64> {
        lines.iter().filter_map(|line| if let Line::Row(row) = line { Some(row.tick) } else { None }).collect()
    }

    #[test]
    fn a_row_is_complete_when_every_source_has_answered() {
        let mut rows = rows();
        assert!(ticks(&rows.take((Source::Host, None), 1, sample(), None)).is_empty());
        let lines = rows.take((Source::Redis, None), 1, sample(), None);
        assert_eq!(ticks(&lines), [1]);
        let Line::Row(row) = &lines[0] else { panic!("{lines:?}") };
        assert_eq!(row.value(Source::Redis, "used_memory"), Some(7.0));
    }

    #[test]
    fn the_next_tick_completes_a_row_that_still_waits() {
        let mut rows = rows();
        rows.take((Source::Host, None), 1, sample(), None);
        assert_eq!(ticks(&rows.take((Source::Host, None), 2, sample(), None)), [1]);
        assert_eq!(
            ticks(&rows.take((Source::Redis, None), 1, gap(), None)),
            [1],
            "the long awaited answer is a row of its own"
        );
        assert_eq!(ticks(&rows.take((Source::Redis, None), 2, sample(), None)), [2]);
    }

    #[test]
    fn every_missed_sample_is_a_row() {
        let mut rows = rows();
        assert!(ticks(&rows.take((Source::Redis, None), 5, gap(), None)).is_empty());
        assert_eq!(ticks(&rows.take((Source::Redis, None), 5, gap(), None)), [5]);
        assert_eq!(ticks(&rows.take((Source::Redis, None), 5, sample(), None)), [5]);
        assert_eq!(ticks(&rows.finish().into_iter().collect::<Vec<_>>()), [5]);
    }
}
