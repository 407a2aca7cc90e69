//! The timeline in a bounded number of columns, for charts of long runs, and the rates and counts charts show.
//!
//! A column merges the histograms of its intervals, so its percentiles are true percentiles. It never spans a hole
//! in the record. Not for judging: windows of criteria are the phases and what the plan states.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use super::{Facts, SeriesStats, Totals, Window};
use crate::clock::Offset;
use crate::ledger::Class;
use crate::logs::LogFact;
use crate::traffic::{Interval, TrafficFact};

/// The rows of one interval of the run.
#[derive(Default)]
struct Slot<'a> {
    len_ns: u64,
    rows: Vec<&'a Interval>,
}

impl Facts {
    /// Calls `read` with the window and the merged totals of successive stretches of the run, and collects what it
    /// returns. There are at most `most` stretches, plus one for each hole in the record: a stretch ends where an
    /// interval is missing. One set of histograms is in memory at a time.
    ///
    /// An interval in which only the generator reported counts as time without arrivals, not as a hole.
    pub fn timeline_columns<T>(&self, most: NonZeroUsize, mut read: impl FnMut(Window, &Totals) -> T) -> Vec<T> {
        let slots = self.slots();
        let per_column = slots.len().div_ceil(most.get()).max(1);
        let mut columns = Vec::new();
        let mut open: Option<(Window, Totals, usize)> = None;
        for (at, slot) in slots {
            let end = Offset(at.0.saturating_add_unsigned(slot.len_ns));
            let full = open.as_ref().is_some_and(|(window, _, intervals)| {
                *intervals == per_column || at.since(window.to) > slot.len_ns / 2
            });
            if full && let Some((window, totals, _)) = open.take() {
                columns.push(read(window, &totals));
            }
            let (window, totals, intervals) =
                open.get_or_insert_with(|| (Window { from: at, to: end }, Totals::default(), 0));
            window.to = window.to.max(end);
            totals.seconds += slot.len_ns as f64 / 1e9;
            *intervals += 1;
            slot.rows.iter().for_each(|interval| totals.add(interval));
        }
        columns.extend(open.map(|(window, totals, _)| read(window, &totals)));
        columns
    }

    /// All lines read per followed log, over the whole run; 0 for a log that said nothing.
    #[must_use]
    pub fn log_lines(&self) -> BTreeMap<String, u64> {
        let Some(logs) = &self.logs else { return BTreeMap::new() };
        let mut lines: BTreeMap<String, u64> = logs.header.body.logs.iter().map(|log| (log.name.clone(), 0)).collect();
        for fact in &logs.facts {
            if let LogFact::Counts(row) = fact {
                *lines.entry(row.log.clone()).or_insert(0) += row.lines;
            }
        }
        lines
    }

    fn slots(&self) -> BTreeMap<Offset, Slot<'_>> {
        let mut slots: BTreeMap<Offset, Slot<'_>> = BTreeMap::new();
        for fact in self.traffic.iter().flat_map(|traffic| &traffic.facts) {
            let (at, len_ns, row) = match fact {
                TrafficFact::Interval(interval) => (interval.at_ns, interval.len_ns, Some(&**interval)),
                TrafficFact::Generator(generator) => (generator.at_ns, generator.len_ns, None),
                TrafficFact::PhaseEnded { .. } | TrafficFact::Slow(_) | TrafficFact::Note { .. } => continue,
            };
            let slot = slots.entry(at).or_default();
            slot.len_ns = slot.len_ns.max(len_ns);
            slot.rows.extend(row);
        }
        slots
    }
}

impl Totals {
    /// Rate-limited answers per second. `None` when no time passed.
    #[must_use]
    pub fn limited_per_second(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.ledger.class(Class::Limited) as f64 / self.seconds)
    }

    /// Failures (everything but ok and limited) per second. `None` when no time passed.
    #[must_use]
    pub fn failures_per_second(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.ledger.failures() as f64 / self.seconds)
    }
}

impl SeriesStats {
    /// The last value - the first value, in the metric's unit.
    #[must_use]
    pub fn change(&self) -> f64 {
        self.last - self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::EndReason;
    use crate::latency::Latency;
    use crate::ledger::{Ledger, Outcome};
    use crate::run::RunDir;
    use crate::traffic::{GeneratorInterval, PhaseFact, TrafficHeader, TrafficWriter};

    const SECOND: u64 = 1_000_000_000;

    fn interval(second: i64, answers_ms: &[u64]) -> TrafficFact {
        let mut ledger = Ledger::default();
        let mut served = Latency::default();
        for ms in answers_ms {
            ledger.schedule(1);
            ledger.finish(Outcome::Ok);
            served.record(ms * 1_000_000, ms * 1_000_000);
        }
        TrafficFact::Interval(Box::new(Interval {
            at_ns: Offset(second * SECOND as i64),
            len_ns: SECOND,
            phase: 0,
            operation: 0,
            ledger,
            pending: 0,
            served,
            limited: Latency::default(),
            censored: Latency::default(),
            timings: crate::timings::Timings::default(),
            statuses: BTreeMap::new(),
            checks: BTreeMap::new(),
            body_bytes: 0,
            retries: 0,
            worst: None,
        }))
    }

    fn idle(second: i64) -> TrafficFact {
        let at_ns = Offset(second * SECOND as i64);
        TrafficFact::Generator(GeneratorInterval { at_ns, len_ns: SECOND, ..GeneratorInterval::default() })
    }

    fn columns(most: usize, facts: &[TrafficFact]) -> Vec<(Window, u64, f64, Option<u64>)> {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create_or_join(dir.path(), "columns", "test").unwrap();
        let header = TrafficHeader {
            start_ns: Offset::ZERO,
            every_ns: SECOND,
            phases: vec![PhaseFact {
                name: "only".into(),
                start_ns: Offset::ZERO,
                end_ns: None,
                planned_arrivals: None,
            }],
            operations: vec!["check".into()],
            checks: Vec::new(),
            workers: 1,
            segment: None,
            tick_ns: None,
            max_send_lag_ns: SECOND,
            lookup_ns: None,
        };
        let mut writer = TrafficWriter::create(run.path(), "test", Offset::ZERO, header).unwrap();
        facts.iter().for_each(|fact| writer.write(fact).unwrap());
        writer.finish(Offset(100 * SECOND as i64), EndReason::Completed).unwrap();
        let facts = Facts::load(dir.path()).unwrap();
        facts.timeline_columns(NonZeroUsize::new(most).unwrap(), |window, totals| {
            let p99 = totals.response(0.99).map(|percentile| percentile.nanos / 1_000_000);
            (window, totals.ledger.scheduled(), totals.seconds, p99)
        })
    }

    #[test]
    fn a_column_keeps_the_worst_answer_of_its_intervals() {
        let quiet = [1; 10];
        let rows: Vec<TrafficFact> =
            (0..10).map(|second| interval(second, if second == 3 { &[900] } else { &quiet })).collect();
        let columns = columns(5, &rows);
        assert_eq!(columns.len(), 5);
        assert_eq!(columns.iter().map(|column| column.1).sum::<u64>(), 91);
        assert_eq!(columns[1].3, Some(900), "the p99 of eleven answers is the slowest one: {columns:?}");
    }

    #[test]
    fn a_column_ends_at_a_hole_in_the_record() {
        let columns = columns(1, &[interval(0, &[1]), interval(1, &[1]), interval(7, &[1])]);
        let spans: Vec<(i64, i64)> =
            columns.iter().map(|column| (column.0.from.0 / SECOND as i64, column.0.to.0 / SECOND as i64)).collect();
        assert_eq!(spans, [(0, 2), (7, 8)]);
        assert_eq!((columns[0].2, columns[1].2), (2.0, 1.0), "seconds count recorded time only");
    }

    #[test]
    fn a_second_without_arrivals_is_zero_load_and_no_latency() {
        let columns = columns(10, &[interval(0, &[1]), idle(0), idle(1)]);
        assert_eq!((columns.len(), columns[1].1, columns[1].3), (2, 0, None));
    }

    #[test]
    fn rates_need_time() {
        let mut totals = Totals::default();
        totals.ledger.finish_many(Outcome::Limited, 6);
        totals.ledger.finish_many(Outcome::TimedOut, 2);
        assert_eq!((totals.limited_per_second(), totals.failures_per_second()), (None, None));
        totals.seconds = 2.0;
        assert_eq!((totals.limited_per_second(), totals.failures_per_second()), (Some(3.0), Some(1.0)));
        assert_eq!(GeneratorInterval { cpu_s: 1.0, ..GeneratorInterval::default() }.cpu_cores(), None);
    }
}
