//! The closing summary: each metric from its first to its last value, and what went wrong meanwhile.
//!
//! Kept in constant memory, so that a watch may last for days.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use plimsoll_record::events::{Event, Level};
use plimsoll_record::metric::{METRICS, Metric, Source};
use plimsoll_record::series::SeriesFact;
use plimsoll_record::units::Unit;
use plimsoll_sampler::alarms::Alarm;

/// What the summary shows: the levels; counters since the start of a server say little as averages.
const SHOWN: [(Source, &str); 22] = [
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
    (Source::Postgres, "connections"),
    (Source::Postgres, "transactions_per_second"),
    (Source::Postgres, "cache_hit_share"),
    (Source::Pool, "size"),
    (Source::Pool, "active"),
    (Source::Container, "memory"),
    (Source::Container, "cpu_share"),
    (Source::Probe, "latency"),
    (Source::Probe, "errors"),
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
    stats: BTreeMap<(Source, Option<String>, &'static str), Stats>,
    samples: u64,
    gaps: u64,
    marks: u64,
    warnings: u64,
    criticals: u64,
}

impl Summary {
    pub(crate) fn new() -> Self {
        Self { stats: BTreeMap::new(), samples: 0, gaps: 0, marks: 0, warnings: 0, criticals: 0 }
    }

    pub(crate) fn fact(&mut self, source: Source, of: Option<&str>, fact: &SeriesFact) {
        let sample = match fact {
            SeriesFact::Sample(sample) => sample,
            SeriesFact::Gap(_) => return self.gaps += 1,
            SeriesFact::Mark(_) => return self.marks += 1,
            SeriesFact::Detail(_) | SeriesFact::Node(_) => return,
        };
        self.samples += 1;
        for metric in METRICS.iter().filter(|metric| metric.source == source) {
            let Some(value) = sample.values.get(metric.key).copied() else { continue };
            let stats = self.stats.entry((source, of.map(str::to_owned), metric.key));
            stats.and_modify(|stats| stats.add(value)).or_insert_with(|| Stats::of(value));
        }
    }

    pub(crate) fn alarm(&mut self, alarm: &Alarm) {
        match &alarm.event {
            Event::Alert { level: Level::Warn, .. } => self.warnings += 1,
            _ => self.criticals += 1,
        }
    }

    /// The numbers of one metric, if it was ever read.
    pub(crate) fn stats(&self, source: Source, key: &'static str) -> Option<Stats> {
        self.stats.get(&(source, None, key)).copied()
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
        for (metric, of, stats) in SHOWN.iter().flat_map(|(source, key)| self.shown(*source, key)) {
            let show = |value| metric.unit.show(value);
            let cells = [stats.first, stats.min, stats.mean(), stats.max, stats.last].map(show);
            let _ = write!(text, "{:<30}", metric.name_of(of));
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

    /// A metric of the catalogue, of each of the series that have it.
    fn shown(&self, source: Source, key: &str) -> Vec<(&'static Metric, Option<&str>, Stats)> {
        let metric = METRICS.iter().find(|metric| metric.source == source && metric.key == key);
        let found = self.stats.iter().filter(|((other, _, name), _)| *other == source && *name == key);
        found.filter_map(|((_, of, _), stats)| Some((metric?, of.as_deref(), *stats))).collect()
    }
}

/// A change with its sign.
pub(crate) fn growth(unit: Unit, change: f64) -> String {
    let shown = unit.show(change);
    if change > 0.0 { format!("+{shown}") } else { shown }
}

#[cfg(test)]
mod tests {
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
            summary.fact(Source::Redis, None, &sample(used));
        }
        let gap = Gap { at_ns: Offset::ZERO, reason: GapReason::Late, detail: String::new() };
        summary.fact(Source::Redis, None, &SeriesFact::Gap(gap));
        let text = summary.render();
        let line = text.lines().find(|line| line.starts_with("redis.used_memory ")).unwrap();
        let cells: Vec<&str> = line.split_whitespace().skip(1).step_by(2).collect();
        assert_eq!(cells, ["2.00", "1.00", "4.00", "8.00", "5.00", "+3.00"]);
        assert!(text.contains("4 samples, 1 gaps"), "{text}");
        assert!(!text.contains("host."), "what was never read is not shown: {text}");
    }
}
