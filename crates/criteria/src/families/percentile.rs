//! `p99 < 500ms`: is the percentile on the right side of the limit?
//!
//! `p_q < T` says that fewer than 1 - q of all requests take T or longer. So those that did are counted, and the
//! interval of their share is compared with 1 - q. Requests that timed out or never finished took at least as long as
//! they were waited for: for the share's upper end they are slow, for its lower end only if the wait says so. The histogram's bin that straddles T is counted both ways: for the share's upper end as slower, for its
//! lower end as faster. So are requests that the generator itself sent late: their wait is part of the response time,
//! but it is not held against the service.

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_record::latency::Histogram;
use plimsoll_record::summary::Percentile;
use plimsoll_record::verdict::Evidence;

use crate::goal::{Finding, Goal, Standing, interval};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::{CONFIDENCE, Counts, Range, ShareEstimate, estimate_share, most_hits, samples_to_certify};
use crate::words;

pub(super) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal, quantile: f64, service: bool) -> Finding {
    let batches = Batches::collect(run, place, service);
    let totals = run.totals(&place.scope);
    let value = if service { totals.service(quantile) } else { totals.response(quantile) };
    let (Some(value), Some(slower)) = (value, batches.slower_than(goal.limit)) else {
        return Finding::missing("no request was answered or timed out here, so there is no latency");
    };
    let allowed = 1.0 - quantile;
    let standing = slower.standing(goal, allowed);
    let range = batches.percentile_range(allowed);
    Finding {
        standing,
        value: Some(value.nanos as f64 / 1e9),
        at_least: value.at_least,
        interval: range.map(|range| interval(range, CONFIDENCE)),
        samples: slower.possibly.total,
        effective_samples: slower.possibly.effective,
        reason: reason(place, goal, value, range, slower, allowed, standing),
        evidence: evidence(place.seconds(), goal, slower.possibly, allowed, standing),
        ..Finding::missing("")
    }
}

fn reason(
    place: &Place,
    goal: &Goal,
    value: Percentile,
    range: Option<Range>,
    slower: Slower,
    allowed: f64,
    standing: Standing,
) -> String {
    let at_least = if value.at_least { "at least " } else { "" };
    let shown = goal.show(value.nanos as f64 / 1e9);
    let range = range.map_or_else(String::new, |range| format!(" {}", goal.show_range(range)));
    let few = slower.possibly;
    let mut text = format!(
        "is {at_least}{shown}{range}, limit {}: {} of {} requests took at least as long, {:.3} %, allowed {:.3} %",
        goal.show_limit(),
        words::count(few.hits),
        words::count(few.total),
        few.share * 100.0,
        allowed * 100.0,
    );
    if standing == Standing::Undecided {
        text += &format!("; {}", what_would_decide(place.seconds(), few, allowed));
        if slower.late > 0 {
            let late = words::count(slower.late);
            text += &format!(
                "; {late} requests were sent late by the generator itself and are not held against the service"
            );
        }
    }
    text + &words::low_confidence(few.effective, place.seconds())
}

fn evidence(seconds: f64, goal: &Goal, estimate: ShareEstimate, allowed: f64, standing: Standing) -> Evidence {
    let most = most_hits(&estimate, allowed).unwrap_or(0);
    Evidence {
        excess: (goal.wants_less() && standing != Standing::Met).then(|| estimate.hits - most.min(estimate.hits)),
        decides_after_s: (standing == Standing::Undecided)
            .then(|| words::longer(seconds, factor(estimate, allowed)))
            .flatten(),
        ..Evidence::default()
    }
}

fn what_would_decide(seconds: f64, estimate: ShareEstimate, allowed: f64) -> String {
    let longer = words::how_much_longer(seconds, factor(estimate, allowed));
    if estimate.hits > 0 {
        return longer;
    }
    let needed = samples_to_certify(allowed);
    format!("{} requests without a slow one are needed, {longer}", words::count(needed))
}

/// How many times as long would decide. The interval of a share shrinks with the square root of the time:
/// `T' = T (h / d)^2`, with h the distance from the share to the interval's end on the limit's side and d the distance
/// to the limit.
fn factor(estimate: ShareEstimate, allowed: f64) -> f64 {
    if estimate.hits == 0 {
        return samples_to_certify(allowed) as f64 / estimate.total as f64;
    }
    let distance = (estimate.share - allowed).abs();
    let below = estimate.share < allowed;
    let half = if below { estimate.range.high - estimate.share } else { estimate.share - estimate.range.low };
    (half / distance).powi(2)
}

/// How many requests took at least as long as a limit, counted both ways.
#[derive(Clone, Copy, Debug)]
struct Slower {
    surely: ShareEstimate,
    possibly: ShareEstimate,
    /// Requests the generator itself sent late, left out of `surely`.
    late: u64,
}

impl Slower {
    fn standing(&self, goal: &Goal, allowed: f64) -> Standing {
        let few = self.possibly.range.high < allowed;
        let many = self.surely.range.low > allowed;
        match (few, many, goal.wants_less()) {
            (true, _, true) | (_, true, false) => Standing::Met,
            (_, true, true) | (true, _, false) => Standing::Missed,
            _ => Standing::Undecided,
        }
    }
}

/// The histograms of consecutive stretches of the window.
#[derive(Debug)]
struct Batches(Vec<Batch>);

#[derive(Clone, Debug, Default)]
struct Batch {
    histogram: Histogram,
    /// Requests that timed out or never finished.
    censored: u64,
    /// How long they were waited for.
    waits: Histogram,
    /// Requests that the generator sent late although a connection was free. Their service time knows nothing of it.
    late: u64,
}

impl Batch {
    fn total(&self) -> u64 {
        self.histogram.count() + self.censored
    }

    /// Requests that took at least `limit`: (surely, possibly).
    fn slow(&self, limit: Duration) -> (u64, u64) {
        let (surely, possibly) = self.histogram.at_or_above(limit);
        (surely + self.waits.at_or_above(limit).0, possibly + self.censored)
    }
}

impl Batches {
    fn collect(run: &JudgedRun<'_>, place: &Place, service: bool) -> Self {
        let batching = place.batching();
        let mut batches = vec![Batch::default(); batching.count];
        for row in run.facts.intervals(&place.scope) {
            let batch = &mut batches[batching.index(row.at_ns)];
            batch.histogram.merge(if service { &row.served.service } else { &row.served.response });
            batch.censored += row.ledger.censored();
            batch.waits.merge(if service { &row.censored.service } else { &row.censored.response });
        }
        let judged = |at| place.window.is_some_and(|window| window.contains(at));
        for row in run.facts.generator().filter(|row| !service && judged(row.at_ns)) {
            batches[batching.index(row.at_ns)].late += row.sent_late;
        }
        Self(batches)
    }

    fn slower_than(&self, limit_s: f64) -> Option<Slower> {
        let limit = Duration::try_from_secs_f64(limit_s).unwrap_or_default();
        let counted: Vec<(u64, u64)> = self.0.iter().map(|batch| batch.slow(limit)).collect();
        let estimate = |hits: &dyn Fn(&(u64, u64), &Batch) -> u64| {
            let counts = counted.iter().zip(&self.0);
            let counts = counts.map(|(n, batch)| Counts { hits: hits(n, batch), total: batch.total() });
            estimate_share(&counts.collect::<Vec<_>>())
        };
        Some(Slower {
            surely: estimate(&|n, batch| n.0.saturating_sub(batch.late))?,
            possibly: estimate(&|n, _| n.1)?,
            late: self.0.iter().map(|batch| batch.late).sum(),
        })
    }

    /// The interval of the percentile itself, in seconds: every limit that these data could not decide, to the
    /// precision of a bin. `None` when its upper end is unknown: too few requests, or too many timed out.
    fn percentile_range(&self, allowed: f64) -> Option<Range> {
        let mut counts: Vec<Counts> =
            self.0.iter().map(|batch| Counts { hits: batch.censored, total: batch.total() }).collect();
        let bins = self.bins();
        let mut high = None;
        let mut still_met = true;
        for (top, in_batches) in bins.iter().rev() {
            let seconds = *top as f64 / 1e9;
            still_met = still_met && estimate_share(&counts)?.range.high < allowed;
            if still_met {
                high = Some(seconds);
            }
            for (count, n) in counts.iter_mut().zip(in_batches) {
                count.hits += n;
            }
            if estimate_share(&counts)?.range.low > allowed {
                return Some(Range { low: seconds, high: high? });
            }
        }
        let lowest = *bins.keys().next()? as f64 / 1e9;
        Some(Range { low: lowest, high: high? })
    }

    /// Counts per bin and batch, by the bin's upper end in nanoseconds.
    fn bins(&self) -> BTreeMap<u64, Vec<u64>> {
        let mut bins = BTreeMap::new();
        for (index, batch) in self.0.iter().enumerate() {
            for (top, n) in batch.histogram.bins() {
                bins.entry(top).or_insert_with(|| vec![0; self.0.len()])[index] += n;
            }
        }
        bins
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::ledger::Outcome;
    use plimsoll_record::verdict::{CriterionResult, Judgement};

    use crate::testing::{Noise, Script, Second, expect};

    const P99: &str = r#"require = ["p99 < 500ms"]"#;

    #[test]
    fn a_fast_service_passes_with_value_interval_and_margin() {
        let result = Script::healthy(60).criteria(P99).result();
        expect(&result, Judgement::Pass, &["0 of 6,000 requests", "low confidence"]);
        assert!((result.value.unwrap() - 0.01).abs() < 1e-4 && result.margin.unwrap() > 0.97, "{result:?}");
        let interval = result.interval.unwrap();
        assert!(interval.low <= 0.0101 && interval.high >= 0.0099 && interval.high < 0.02, "{interval:?}");
        assert_eq!((result.samples, result.effective_samples), (6000, None));
    }

    #[test]
    fn a_slow_service_fails_with_the_share_of_slow_requests() {
        let slow = |i| Second::ok(if i % 10 == 0 { 0 } else { 100 }, 10).and_slow(if i % 10 == 0 { 100 } else { 0 });
        let result = Script::of(60, slow).criteria(P99).result();
        expect(&result, Judgement::Fail, &["600 of 6,000", "10.000 %"]);
        assert!(result.margin.unwrap() < -0.5 && result.value.unwrap() > 0.7);
    }

    #[test]
    fn a_share_on_the_limit_is_inconclusive_and_says_how_much_longer() {
        let on_the_limit = |i| Second::ok(99, 10).and_slow(u64::from(i % 6 != 0));
        let result = Script::of(60, on_the_limit).criteria(P99).result();
        expect(&result, Judgement::Inconclusive, &["would decide, this was 60.0 s"]);
    }

    #[test]
    fn too_few_requests_are_inconclusive_with_the_number_needed() {
        let result = Script::of(20, |_| Second::ok(10, 10)).criteria(P99).result();
        expect(&result, Judgement::Inconclusive, &["299 requests", "this was 20.0 s"]);
        let enough = Script::of(30, |_| Second::ok(10, 10)).criteria(P99).result();
        expect(&enough, Judgement::Pass, &["0 of 300"]);
    }

    #[test]
    fn requests_that_timed_out_are_slower_than_any_limit() {
        let result = Script::of(60, |_| Second::ok(95, 10).and(Outcome::TimedOut, 5)).criteria(P99).result();
        expect(&result, Judgement::Fail, &["at least", "300 of 6,000"]);
        assert!(result.at_least && result.interval.is_none(), "{result:?}");
    }

    #[test]
    fn requests_the_generator_sent_late_are_not_held_against_the_service() {
        let mut script =
            Script::of(60, |i| Second::ok(100, 10).and_slow(if i % 10 == 0 { 50 } else { 0 })).criteria(P99);
        expect(&script.result(), Judgement::Fail, &["300 of"]);
        for row in script.generator.iter_mut().step_by(10) {
            (row.sent_late, row.send_lag_max_ns) = (50, 40_000_000);
        }
        expect(&script.result(), Judgement::Inconclusive, &["300 requests were sent late by the generator itself"]);
        script.criteria = r#"require = ["service.p99 < 500ms"]"#.to_owned();
        expect(&script.result(), Judgement::Fail, &["300 of"]);
    }

    #[test]
    fn no_answer_is_no_pass() {
        let refused = Script::of(60, |_| Second::default().and(Outcome::Refused, 100)).criteria(P99).result();
        expect(&refused, Judgement::Inconclusive, &["no request was answered"]);
    }

    #[test]
    fn slow_stretches_cost_effective_samples() {
        // The same 0.8 % slow requests, once spread evenly and once in one bad stretch of 10 s out of 240 s.
        let even = Script::of(240, |i| Second::ok(100, 10).and_slow(u64::from(i % 5 != 0))).criteria(P99).result();
        let lumpy = Script::of(240, |i| Second::ok(100, 10).and_slow(if (40..50).contains(&i) { 19 } else { 0 }))
            .criteria(P99)
            .result();
        expect(&even, Judgement::Pass, &[]);
        expect(&lumpy, Judgement::Inconclusive, &[]);
        let worth = |result: &CriterionResult| result.effective_samples.unwrap();
        assert!(worth(&lumpy) < worth(&even) / 10.0, "{} {}", worth(&lumpy), worth(&even));
    }

    #[test]
    fn the_interval_is_every_limit_that_could_not_be_decided() {
        let mut noise = Noise::seeded(7);
        let script = Script::of(240, |_| Second {
            ok_ms: (0..50).map(|_| (20.0 * noise.normal().exp()) as u64 + 1).collect(),
            others: Vec::new(),
        });
        let script = script.criteria(P99);
        let interval = script.result().interval.unwrap();
        let judged = |limit: f64| {
            let lines = format!("require = [\"p99 < {}us\"]", (limit * 1e6).round());
            same_load(&script).criteria(&lines).result().judgement
        };
        assert_eq!(judged(interval.low * 0.98), Judgement::Fail);
        assert_eq!(judged(f64::midpoint(interval.low, interval.high)), Judgement::Inconclusive);
        assert_eq!(judged(interval.high * 1.02), Judgement::Pass);
    }

    fn same_load(script: &Script) -> Script {
        let mut copy = Script::healthy(script.seconds.len() as u64);
        copy.seconds.clone_from(&script.seconds);
        copy
    }

    impl Second {
        fn and_slow(mut self, n: u64) -> Self {
            self.ok_ms.extend(std::iter::repeat_n(800, n as usize));
            self
        }
    }
}
