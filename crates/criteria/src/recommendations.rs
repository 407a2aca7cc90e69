//! What to do next, where the data supports advice. No data, no advice.

use plimsoll_record::metric::Metric;
use plimsoll_record::summary::SeriesStats;
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{CriterionResult, Judgement};

use crate::run::JudgedRun;
use crate::words;

/// Fewer new keys than this are no pattern.
const KEYS_WORTH_A_WORD: f64 = 100.0;
/// When this share of the new keys lacks a time to live, that is what grows.
const MOSTLY: f64 = 0.5;

pub(crate) fn list(run: &JudgedRun<'_>, results: &[CriterionResult]) -> Vec<String> {
    let memory_grows = results.iter().any(|result| {
        result.unit == Unit::BytesPerSecond && result.judgement != Judgement::Pass && result.value > Some(0.0)
    });
    let mut advice = Vec::new();
    if memory_grows {
        advice.extend(keys_without_ttl(run));
        advice.extend(time_to_full(run, results));
    }
    advice.extend(waited_for_connections(run));
    advice
}

fn redis(run: &JudgedRun<'_>, name: &str) -> Option<SeriesStats> {
    run.facts.redis.as_ref()?.stats(Metric::find(name)?, None)
}

fn keys_without_ttl(run: &JudgedRun<'_>) -> Option<String> {
    let (keys, expires) = (redis(run, "redis.keys")?, redis(run, "redis.expires")?);
    let new = keys.last - keys.first;
    let immortal = new - (expires.last - expires.first);
    (new > KEYS_WORTH_A_WORD && immortal > MOSTLY * new).then(|| {
        format!(
            "{} of {} new keys have no time to live: set one (EXPIRE, SET ... EX) or delete them when they are done",
            Unit::Count.show(immortal.min(new)),
            Unit::Count.show(new)
        )
    })
}

fn time_to_full(run: &JudgedRun<'_>, results: &[CriterionResult]) -> Option<String> {
    let growth = results.iter().find(|result| {
        result.unit == Unit::BytesPerSecond
            && result.judgement == Judgement::Fail
            && result.expression.contains("used_memory")
    })?;
    let (growth, used) = (growth.value.filter(|value| *value > 0.0)?, redis(run, "redis.used_memory")?.last);
    match redis(run, "redis.maxmemory").map(|stats| stats.last).filter(|limit| *limit > used) {
        Some(limit) => {
            let left = words::duration((limit - used) / growth);
            Some(format!("at this growth Redis reaches its maxmemory of {} in {left}", Unit::Bytes.show(limit)))
        }
        None => Some("Redis has no maxmemory to stop it: set one, so that it refuses or evicts before the machine is out of memory".to_owned())
            .filter(|_| redis(run, "redis.maxmemory").is_none()),
    }
}

fn waited_for_connections(run: &JudgedRun<'_>) -> Option<String> {
    let waited: u64 = run.facts.generator().map(|interval| interval.waited_for_connection).sum();
    let most = run.plan.target.as_ref()?.connections;
    (waited > 0).then(|| {
        format!(
            "{} requests waited because all {most} connections were in use: the service is slower than the load, or `connections` under [target] is too low",
            words::count(waited)
        )
    })
}
