//! The drain: what is left above the level before the load, when the load is over and its keys have expired. Growth
//! that does not go away is the strongest sign of a leak.

use std::time::Duration;

use plimsoll_record::metric::Metric;
use plimsoll_record::summary::{Facts, Series, Window};
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::MemoryDrain;

use super::horizon::Horizon;
use super::ledger::{Ledger, values};
use super::segments::breaks;
use crate::statistics::median;
use crate::words;

/// Samples that make a level.
const FEWEST_SAMPLES: usize = 3;
/// What may be left without a word: this much, or this share of what was there before.
const HARMLESS: f64 = 5e6;
const HARMLESS_SHARE: f64 = 0.01;

/// `None` when there are too few samples before the load or after it and the time to live of keys, or when Redis was
/// restarted or flushed in between.
pub(super) fn of(facts: &Facts) -> Option<MemoryDrain> {
    let series = facts.redis.as_ref()?;
    let load = facts.run_window().filter(|load| load.seconds() > 0.0)?;
    let (first, last) = (series.samples.first()?.at_ns, series.samples.last()?.at_ns);
    let all = Window { from: first, to: last.after(Duration::from_nanos(1)) };
    let wait = Horizon::of(series, Horizon::sampled(facts)).map_or(0.0, |horizon| horizon.ttl_s);
    let drained = Window { from: load.to.after(Duration::from_secs_f64(wait)).min(all.to), to: all.to };
    if breaks(series, all).next().is_some() {
        return None;
    }
    let before = level(series, Window { from: all.from, to: load.from })?;
    let after = level(series, drained)?;
    let metric = Metric::find("redis.used_memory").expect("used_memory is in the catalogue");
    let explained: f64 = Ledger::of(series, metric, all, 0.0).steps.iter().map(|step| step.bytes).sum();
    let remained = after - before - explained;
    Some(MemoryDrain { before, after, remained, sentence: sentence(before, remained, wait) })
}

fn level(series: &Series, window: Window) -> Option<f64> {
    let points = values(series, window, "used_memory");
    if points.len() < FEWEST_SAMPLES {
        return None;
    }
    median(points.into_iter().map(|(_, value)| value).collect())
}

fn sentence(before: f64, remained: f64, wait: f64) -> String {
    let waited = if wait > 0.0 {
        format!(" and the time to live of its keys ({})", words::duration(wait))
    } else {
        String::new()
    };
    if remained > HARMLESS.max(HARMLESS_SHARE * before) {
        format!("after the load{waited} {} more are used than before it", Unit::Bytes.show(remained))
    } else {
        format!("after the load{waited} memory is back at {}, where it was", Unit::Bytes.show(before))
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::series::{Mark, MarkKind, SeriesFact};

    use crate::testing::{Script, at, redis_sample};

    /// A minute of load that grows by 6 MB, watched from 5 s before it to 20 s after it.
    fn script(after: f64) -> Script {
        let mut script = Script::healthy(60).used_memory(|i| 10e6 + 1e5 * i as f64);
        let before = (1..=5).map(|i| redis_sample(-f64::from(i), &[("used_memory", 10e6)]));
        let rest = (60..80).map(|i| redis_sample(f64::from(i) + 0.5, &[("used_memory", after)]));
        script.redis = before.rev().chain(script.redis).chain(rest).collect();
        script.criteria(r#"require = ["slope(redis.used_memory) < 1 MB/min"]"#)
    }

    #[test]
    fn what_is_left_when_the_load_is_over_is_told() {
        let left = script(16e6).judge().memory.unwrap().drain.unwrap();
        assert_eq!((left.before, left.after, left.remained), (10e6, 16e6, 6e6));
        assert!(left.sentence.contains("6.00 MB more are used than before"), "{left:?}");
        let drained = script(10.1e6).judge().memory.unwrap().drain.unwrap();
        assert!(drained.sentence.contains("back at 10.0 MB"), "{drained:?}");
    }

    #[test]
    fn a_restart_in_between_leaves_nothing_to_compare() {
        let mut script = script(16e6);
        script.redis.push(SeriesFact::Mark(Mark { at_ns: at(70.0), kind: MarkKind::Restarted, detail: String::new() }));
        assert_eq!(script.judge().memory.unwrap().drain, None);
        let unwatched = Script::healthy(60).used_memory(|_| 1e6);
        assert_eq!(unwatched.judge().memory.unwrap().drain, None);
    }
}
