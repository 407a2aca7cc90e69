//! Rows of the sampled sources put together: what belongs to one tick of the grid becomes one row.
//!
//! Sources answer on their own; a row is complete when every source has, or when the next tick begins.

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

/// One tick over all sources.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) tick: u64,
    pub(crate) redis: Option<Outcome>,
    pub(crate) host: Option<Outcome>,
    pub(crate) process: Option<Outcome>,
    /// Growth of used memory up to here.
    pub(crate) growth: Option<Growth>,
}

/// What comes out, in order.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Row(Row),
    Mark(Source, Mark),
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
        self.outcome(source)?.sample()?.values.get(key).copied()
    }

    /// What each source gave that has answered.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (Source, &Outcome)> {
        let sources = [Source::Redis, Source::Host, Source::Process];
        sources.into_iter().filter_map(|source| Some((source, self.outcome(source)?)))
    }

    fn outcome(&self, source: Source) -> Option<&Outcome> {
        match source {
            Source::Redis => self.redis.as_ref(),
            Source::Host => self.host.as_ref(),
            Source::Process => self.process.as_ref(),
        }
    }

    fn slot(&mut self, source: Source) -> &mut Option<Outcome> {
        match source {
            Source::Redis => &mut self.redis,
            Source::Host => &mut self.host,
            Source::Process => &mut self.process,
        }
    }
}

impl Rows {
    /// Rows of everything that is watched.
    pub(crate) fn new(watch: &Watch) -> Self {
        let sources = [watch.redis.is_some(), watch.host, watch.process.is_some()];
        Self { sources: sources.into_iter().filter(|watched| *watched).count(), pending: None }
    }

    /// Takes a fact; gives what is complete now.
    pub(crate) fn take(&mut self, source: Source, tick: u64, fact: SeriesFact, growth: Option<Growth>) -> Vec<Line> {
        let outcome = match fact {
            SeriesFact::Mark(mark) => return vec![Line::Mark(source, mark)],
            SeriesFact::Sample(sample) => Outcome::Sample(sample),
            SeriesFact::Gap(gap) => Outcome::Gap(gap),
        };
        let mut lines = Vec::new();
        let mut row = match self.pending.take() {
            Some(row) if row.tick == tick && row.outcome(source).is_none() => row,
            // An answer that was long awaited: its tick has gone by, the pending row goes on.
            Some(newer) if newer.tick > tick => {
                self.pending = Some(newer);
                let mut late = Row { tick, growth, ..Row::default() };
                *late.slot(source) = Some(outcome);
                return vec![Line::Row(late)];
            }
            other => {
                lines.extend(other.map(Line::Row));
                Row { tick, ..Row::default() }
            }
        };
        *row.slot(source) = Some(outcome);
        row.growth = row.growth.or(growth);
        if row.outcomes().count() == self.sources {
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
mod tests {
    use std::collections::BTreeMap;

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
        assert!(ticks(&rows.take(Source::Host, 1, sample(), None)).is_empty());
        let lines = rows.take(Source::Redis, 1, sample(), None);
        assert_eq!(ticks(&lines), [1]);
        let Line::Row(row) = &lines[0] else { panic!("{lines:?}") };
        assert_eq!(row.value(Source::Redis, "used_memory"), Some(7.0));
    }

    #[test]
    fn the_next_tick_completes_a_row_that_still_waits() {
        let mut rows = rows();
        rows.take(Source::Host, 1, sample(), None);
        assert_eq!(ticks(&rows.take(Source::Host, 2, sample(), None)), [1]);
        assert_eq!(
            ticks(&rows.take(Source::Redis, 1, gap(), None)),
            [1],
            "the long awaited answer is a row of its own"
        );
        assert_eq!(ticks(&rows.take(Source::Redis, 2, sample(), None)), [2]);
    }

    #[test]
    fn every_missed_sample_is_a_row() {
        let mut rows = rows();
        assert!(ticks(&rows.take(Source::Redis, 5, gap(), None)).is_empty());
        assert_eq!(ticks(&rows.take(Source::Redis, 5, gap(), None)), [5]);
        assert_eq!(ticks(&rows.take(Source::Redis, 5, sample(), None)), [5]);
        assert_eq!(ticks(&rows.finish().into_iter().collect::<Vec<_>>()), [5]);
    }
}
