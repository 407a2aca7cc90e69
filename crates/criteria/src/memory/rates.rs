//! Growth in the units people plan by: bytes per request, and the time until Redis is full.

use plimsoll_record::summary::{Facts, Scope, Series, Window};
use plimsoll_record::verdict::{Estimate, TimeLeft};

use super::ledger::values;
use super::line::Line;
use crate::statistics::{Range, estimate_slope};

/// With fewer requests a cost per request means nothing.
const FEWEST_REQUESTS: f64 = 100.0;

/// Bytes per finished request: the slope of the buckets over the requests that were finished by then.
pub(super) fn per_request(facts: &Facts, judged: Window, line: &Line) -> Option<Estimate> {
    let mut finished: Vec<(f64, f64)> = Vec::new();
    let mut sum = 0.0;
    for interval in facts.intervals(&Scope::default()) {
        sum += interval.ledger.finished() as f64;
        finished.push(((interval.at_ns.0 as f64 + interval.len_ns as f64) / 1e9, sum));
    }
    let from = judged.from.as_secs_f64();
    let by = |at: f64| finished[..finished.partition_point(|(end, _)| *end <= at)].last().map_or(0.0, |(_, sum)| *sum);
    let points: Vec<(f64, f64)> = line.buckets.iter().map(|(x, y)| (by(from + x), *y)).collect();
    let requests = points.last()?.0 - points.first()?.0;
    let estimate = estimate_slope(&points).filter(|_| requests >= FEWEST_REQUESTS)?;
    Some(Estimate { value: estimate.slope, low: estimate.range.low, high: estimate.range.high })
}

/// How long until maxmemory, from the end of the window. What does not count towards it is left out.
pub(super) fn full_in(series: &Series, judged: Window, slope: f64, range: Range) -> Option<TimeLeft> {
    let last = |key: &str| values(series, judged, key).last().map(|(_, value)| *value);
    let used = last("used_memory")? - last("mem_not_counted_for_evict").unwrap_or(0.0);
    let left = last("maxmemory").filter(|limit| *limit > 0.0)? - used;
    (slope > 0.0 && range.low > 0.0).then(|| {
        let seconds = |slope: f64| (left / slope).max(0.0);
        TimeLeft { value: seconds(slope), soonest: seconds(range.high), latest: Some(seconds(range.low)) }
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::Script;

    #[test]
    fn growth_is_told_per_request_and_as_the_time_that_is_left() {
        // 100 requests and 100 kB a second: 1,000 bytes each. At 10.95 MB of 40 MB there are 290 s left.
        let script = Script::healthy(60).redis(|i| vec![("used_memory", 5e6 + 1e5 * i as f64), ("maxmemory", 40e6)]);
        let memory = script.judge().memory.unwrap();
        let used = &memory.components[0];
        let each = used.per_request.unwrap();
        assert!((each.value - 1_000.0).abs() < 20.0 && each.low <= each.value && each.value <= each.high, "{each:?}");
        let left = used.full_in_s.unwrap();
        assert!((left.value - 291.0).abs() < 2.0 && left.soonest <= left.value, "{left:?}");
        assert!((used.limit - 1e6 / 60.0).abs() < 1e-3, "1 MB/min where no criterion says: {used:?}");
    }

    #[test]
    fn what_does_not_grow_is_never_full() {
        let memory =
            Script::healthy(60).redis(|_| vec![("used_memory", 5e6), ("maxmemory", 40e6)]).judge().memory.unwrap();
        assert_eq!(memory.components[0].full_in_s, None);
    }
}
