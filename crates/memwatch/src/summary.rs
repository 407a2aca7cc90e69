//! The closing summary: each metric from its first to its last value, and what went wrong meanwhile.
//!
//! Kept in constant memory, so that a watch may last for days.

use std::fmt::Write as _;

use plimsoll_record::events::{Event, Level};
use plimsoll_record::metric::{METRICS, Metric, Source};
use plimsoll_record::series::SeriesFact;
use plimsoll_record::units::Unit;
use plimsoll_sampler::alarms::Alarm;

/// What the summary shows: the levels; counters since the start of a server say little as averages.
const SHOWN: [(Source, &str); 13] = [
    (Source::Redis, "used_memory"),
    (Source::Redis, "used_memory_rss"),
    (Source::Redis, "used_memory_peak"),
    (Source::Redis, "mem_fragmentation_ratio"),
    (Source::Redis, "keys"),
    (Source::Redis, "connected_clients"),
    (Source::Redis, "ops_per_second"),
    (Source::Redis, "evicted_keys"),
    (Source::Redis, "oom_errors"),
    (Source::Host, "cpu_share"),
    (Source::Host, "memory_used"),
    (Source::Process, "rss"),
    (Source::Process, "cpu_share"),
];

/// First, last, smallest, largest and mean of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stats {
    pub(crate) first: f64,
    pub(crate) last: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    sum: f64,
    count: u64,
}

impl Stats {
    fn of(value: f64) -> Self {
        Self { first: value, last: value, min: value, max: value, sum: value, count: 1 }
    }

    fn add(&mut self, value: f64) {
        self.last = value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
        self.count += 1;
    }

    fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }
}

/// Gathers what the summary needs.
#[derive(Debug)]
pub(crate) struct Summary {
    stats: Vec<Option<Stats>>,
    samples: u64,
    gaps: u64,
    marks: u64,
    warnings: u64,
    criticals: u64,
}

impl Summary {
    pub(crate) fn new() -> Self {
        Self { stats: vec![None; METRICS.len()], samples: 0, gaps: 0, marks: 0, warnings: 0, criticals: 0 }
    }

    pub(crate) fn fact(&mut self, source: Source, fact: &SeriesFact) {
        let sample = match fact {
            SeriesFact::Sample(sample) => sample,
            SeriesFact::Gap(_) => return self.gaps += 1,
            SeriesFact::Mark(_) => return self.marks += 1,
        };
        self.samples += 1;
        for (metric, stats) in METRICS.iter().zip(&mut self.stats).filter(|(metric, _)| metric.source == source) {
            match (sample.values.get(metric.key), stats) {
                (Some(value), Some(stats)) => stats.add(*value),
                (Some(value), stats) => *stats = Some(Stats::of(*value)),
                (None, _) => {}
            }
        }
    }

    pub(crate) fn alarm(&mut self, alarm: &Alarm) {
        match &alarm.event {
            Event::Alert { level: Level::Warn, .. } => self.warnings += 1,
            _ => self.criticals += 1,
        }
    }

    /// The numbers of one metric, if it was ever read.
    pub(crate) fn stats(&self, source: Source, key: &str) -> Option<Stats> {
        self.stats[METRICS.iter().position(|metric| metric.source == source && metric.key == key)?]
    }

    /// Samples that are missing.
    pub(crate) fn gaps(&self) -> u64 {
        self.gaps
    }

    /// The table shown at the end.
    pub(crate) fn render(&self) -> String {
        let mut text = format!(
            "{:<30} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}\n",
            "", "initial", "min", "avg", "max", "last", "growth"
        );
        for (metric, stats) in SHOWN.iter().filter_map(|(source, key)| self.shown(*source, key)) {
            let show = |value| metric.unit.show(value);
            let cells = [stats.first, stats.min, stats.mean(), stats.max, stats.last].map(show);
            let _ = write!(text, "{:<30}", metric.name());
            for cell in &cells {
                let _ = write!(text, " {cell:>12}");
            }
            let _ = writeln!(text, " {:>12}", growth(metric.unit, stats.last - stats.first));
        }
        let _ = writeln!(
            text,
            "{} samples, {} gaps, {} marks, {} warnings, {} critical alarms",
            self.samples, self.gaps, self.marks, self.warnings, self.criticals
        );
        text
    }

    fn shown(&self, source: Source, key: &str) -> Option<(&'static Metric, Stats)> {
        let at = METRICS.iter().position(|metric| metric.source == source && metric.key == key)?;
        Some((&METRICS[at], self.stats[at]?))
    }
}

/// A change with its sign.
pub(crate) fn growth(unit: Unit, change: f64) -> String {
    let shown = unit.show(change);
    if change > 0.0 { format!("+{shown}") } else { shown }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plimsoll_record::Offset;
    use plimsoll_record::series::{Gap, GapReason, Sample};

    use super::*;

    fn sample(used: f64) -> SeriesFact {
        let values = BTreeMap::from([("used_memory".to_owned(), used)]);
        SeriesFact::Sample(Sample { at_ns: Offset::ZERO, took_ns: 1, values })
    }

    #[test]
    fn the_summary_leads_from_the_first_to_the_last_value() {
        let mut summary = Summary::new();
        for used in [2e6, 8e6, 1e6, 5e6] {
            summary.fact(Source::Redis, &sample(used));
        }
        let gap = Gap { at_ns: Offset::ZERO, reason: GapReason::Late, detail: String::new() };
        summary.fact(Source::Redis, &SeriesFact::Gap(gap));
        let text = summary.render();
        let line = text.lines().find(|line| line.starts_with("redis.used_memory ")).unwrap();
        let cells: Vec<&str> = line.split_whitespace().skip(1).step_by(2).collect();
        assert_eq!(cells, ["2.00", "1.00", "4.00", "8.00", "5.00", "+3.00"]);
        assert!(text.contains("4 samples, 1 gaps"), "{text}");
        assert!(!text.contains("host."), "what was never read is not shown: {text}");
    }
}
