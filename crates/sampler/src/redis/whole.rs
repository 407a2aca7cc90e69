//! Several servers read at one moment, put together: what holds for all of them together.
//!
//! Nothing is guessed: a value that one of them did not give is absent of the whole, and without an answer from one of
//! them the whole is a gap.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use plimsoll_plan::RedisSource;
use plimsoll_record::metric::{Metric, Source};
use plimsoll_record::units::Unit;

use crate::probe::{Failure, Probe, Reading, ReadingFuture, read_once};

/// Samples several sources as one.
pub struct SeveralProbe {
    parts: Vec<(String, Box<dyn Probe>)>,
    patience: Duration,
}

impl SeveralProbe {
    /// A probe of all of these.
    #[must_use]
    pub fn new(sources: &[RedisSource], patience: Duration) -> Self {
        let patience = patience.mul_f64(0.95);
        let parts = sources.iter().map(|source| (source.label(), super::probe(source, patience))).collect();
        Self { parts, patience }
    }

    async fn reading(&mut self, thorough: bool) -> Result<Reading, Failure> {
        let patience = self.patience;
        let read = self.parts.iter_mut().map(|(label, probe)| async move {
            let outcome = read_once(probe.as_mut(), patience, thorough).await;
            Part { label: label.clone(), counts: true, outcome }
        });
        Ok(put_together(all(read.collect()).await))
    }
}

impl Probe for SeveralProbe {
    fn source(&self) -> String {
        self.parts.iter().map(|(_, probe)| probe.source()).collect::<Vec<_>>().join(" and ")
    }

    /// What all have in common, and what each says of itself under its name.
    fn identity(&self) -> BTreeMap<String, String> {
        let mut all = common(self.parts.iter().map(|(_, probe)| probe.identity()));
        for (label, probe) in &self.parts {
            all.extend(probe.identity().into_iter().map(|(name, value)| (format!("{label}.{name}"), value)));
        }
        all
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(self.reading(false))
    }

    fn read_thoroughly(&mut self) -> ReadingFuture<'_> {
        Box::pin(self.reading(true))
    }
}

/// What is the same for all of these.
pub(super) fn common(mut identities: impl Iterator<Item = BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut common = identities.next().unwrap_or_default();
    for identity in identities {
        common.retain(|name, value| identity.get(name) == Some(value));
    }
    common
}

/// One server's part in a reading of several.
pub(super) struct Part {
    /// What its rows are labelled with.
    pub(super) label: String,
    /// False for a replica: it holds what its primary holds, so it is no part of the whole.
    pub(super) counts: bool,
    /// What it answered.
    pub(super) outcome: Result<Reading, Failure>,
}

impl Part {
    fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Ok(reading) => reading.gap.as_ref(),
            Err(failure) => Some(failure),
        }
    }

    fn values(&self) -> Option<&BTreeMap<String, f64>> {
        self.outcome.as_ref().ok().map(|reading| &reading.values)
    }
}

/// One reading of several: of each, by its label, and of all together. A single one is the whole and needs no label.
pub(super) fn put_together(mut parts: Vec<Part>) -> Reading {
    let alone = parts.len() == 1;
    if let Some(part) = parts.pop_if(|part| alone && part.counts) {
        return match part.outcome {
            Ok(reading) => reading,
            Err(failure) => Reading { gap: Some(failure), ..Reading::default() },
        };
    }
    let mut whole = Reading::default();
    let counted = || parts.iter().filter(|part| part.counts);
    whole.gap = counted().find_map(|part| {
        let failure = part.failure()?;
        Some(Failure::new(failure.reason, format!("{}: {}", part.label, failure.detail)))
    });
    if whole.gap.is_none() {
        whole.values = sums(&counted().filter_map(Part::values).collect::<Vec<_>>());
    }
    for part in counted() {
        let marks = part.outcome.iter().flat_map(|reading| &reading.marks);
        let cutting = marks.filter(|(kind, _)| kind.cuts());
        whole.marks.extend(cutting.map(|(kind, detail)| (*kind, format!("{}: {detail}", part.label))));
    }
    for Part { label, outcome, .. } in parts {
        let mut outcome = outcome;
        let inner = outcome.as_mut().map(|reading| std::mem::take(&mut reading.nodes)).unwrap_or_default();
        whole.nodes.extend(inner.into_iter().map(|(node, outcome)| (format!("{label}/{node}"), outcome)));
        whole.nodes.push((label, outcome));
    }
    whole
}

/// Values of all together. Amounts add up; of times since a start the shortest counts, of other times and of shares the
/// worst.
fn sums(parts: &[&BTreeMap<String, f64>]) -> BTreeMap<String, f64> {
    let Some((first, others)) = parts.split_first() else { return BTreeMap::new() };
    let mut whole = BTreeMap::new();
    for (key, value) in *first {
        let values: Option<Vec<f64>> = others.iter().map(|part| part.get(key).copied()).collect();
        let Some(values) = values else { continue };
        let fold = |join: fn(f64, f64) -> f64| values.iter().copied().fold(*value, join);
        whole.insert(key.clone(), fold(rule(key)));
    }
    // The ratio of sums, not a sum of ratios.
    if let (Some(rss), Some(used)) = (whole.get("used_memory_rss"), whole.get("used_memory"))
        && whole.contains_key("mem_fragmentation_ratio")
    {
        let ratio = rss / used.max(1.0);
        whole.insert("mem_fragmentation_ratio".to_owned(), ratio);
    }
    whole
}

fn rule(key: &str) -> fn(f64, f64) -> f64 {
    const WORST: [&str; 8] = [
        "avg_ttl",
        "last_fork_seconds",
        "primary_silent_seconds",
        "replication_lag_bytes",
        "client_input_buffer_max",
        "client_output_buffer_max",
        "active_defrag_percent",
        "loading",
    ];
    let unit = Metric::find(&format!("{}.{key}", Source::Redis.prefix())).map(|metric| metric.unit);
    match (key, unit) {
        ("uptime_seconds" | "primary_link_up", _) => f64::min,
        (key, _) if WORST.contains(&key) => f64::max,
        (_, Some(Unit::Ratio | Unit::Share)) => f64::max,
        _ => |a, b| a + b,
    }
}

/// Waits for all of these at once.
pub(super) async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs).filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(context) {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use plimsoll_record::series::{GapReason, MarkKind};

    use super::*;

    fn part(label: &str, values: &[(&str, f64)]) -> Part {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
        Part { label: label.to_owned(), counts: true, outcome: Ok(Reading { values, ..Reading::default() }) }
    }

    fn failed(label: &str) -> Part {
        let failure = Failure::new(GapReason::TimedOut, "no answer");
        Part { label: label.to_owned(), counts: true, outcome: Err(failure) }
    }

    #[test]
    fn amounts_add_up_and_what_one_does_not_give_is_absent() {
        let a = [("used_memory", 100.0), ("used_memory_rss", 300.0), ("mem_fragmentation_ratio", 3.0), ("keys", 2.0)];
        let b = [("used_memory", 300.0), ("used_memory_rss", 300.0), ("mem_fragmentation_ratio", 1.0)];
        let up = |seconds| [("uptime_seconds", seconds), ("last_fork_seconds", seconds)];
        let whole = put_together(vec![part("a", &a), part("b", &b)]);
        assert_eq!(whole.values["used_memory"], 400.0);
        assert_eq!(whole.values["mem_fragmentation_ratio"], 1.5);
        assert!(!whole.values.contains_key("keys"));
        assert_eq!(whole.nodes.len(), 2);
        let whole = put_together(vec![part("a", &up(9.0)), part("b", &up(4.0))]);
        assert_eq!((whole.values["uptime_seconds"], whole.values["last_fork_seconds"]), (4.0, 9.0));
    }

    #[test]
    fn without_one_of_them_there_is_no_whole_and_a_replica_is_no_part_of_it() {
        let whole = put_together(vec![part("a", &[("used_memory", 1.0)]), failed("b")]);
        assert!(whole.values.is_empty());
        assert_eq!(whole.gap, Some(Failure::new(GapReason::TimedOut, "b: no answer")));
        let replica = Part { counts: false, ..failed("r") };
        let whole = put_together(vec![part("a", &[("used_memory", 1.0)]), replica]);
        assert_eq!((whole.gap, whole.values["used_memory"], whole.nodes.len()), (None, 1.0, 2));
    }

    #[test]
    fn what_cuts_the_series_of_one_cuts_that_of_all() {
        let mut a = part("a", &[("used_memory", 1.0)]);
        let marks = vec![(MarkKind::Flushed, "gone".to_owned()), (MarkKind::SaveStarted, "began".to_owned())];
        a.outcome = Ok(Reading { marks, ..Reading::default() });
        let whole = put_together(vec![a, part("b", &[])]);
        assert_eq!(whole.marks, [(MarkKind::Flushed, "a: gone".to_owned())]);
        assert_eq!(whole.nodes[0].1.as_ref().unwrap().marks.len(), 2);
    }

    #[test]
    fn one_alone_is_the_whole() {
        let whole = put_together(vec![part("a", &[("keys", 3.0)])]);
        assert_eq!((whole.values["keys"], whole.nodes.len()), (3.0, 0));
        assert!(put_together(vec![failed("a")]).gap.is_some());
    }
}
