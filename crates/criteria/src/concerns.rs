//! Things worth knowing that decide nothing by themselves: alerts, holes in the record, steps in memory, errors in
//! logs.

use std::collections::BTreeMap;

use plimsoll_plan::{Criterion, Function, Metric};
use plimsoll_record::events::{Event, Level};
use plimsoll_record::logs::LogFact;
use plimsoll_record::metric::{self, Source};
use plimsoll_record::summary::{Scope, Series};
use plimsoll_record::traffic::TrafficFact;
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::Skipped;

use crate::families;
use crate::memory;
use crate::place::Place;
use crate::run::JudgedRun;
use crate::words;

/// Of each kind this many are listed, the rest is counted.
const LISTED: usize = 5;
/// More failures than this without a criterion on errors deserve a word.
const FAILURES_WORTH_A_WORD: f64 = 0.05;

pub(crate) fn list(run: &JudgedRun<'_>, criteria: &[Criterion], skipped: &[Skipped]) -> Vec<String> {
    let mut concerns = capped(events(run), "alerts and events");
    concerns.extend(skipped.iter().map(|one| format!("{} was not judged: {}", one.id, one.reason)));
    concerns.extend(capped(notes(run), "notes of loadgen"));
    concerns.extend(failures(run, criteria));
    concerns.extend(capped(checks(run), "checks that failed"));
    concerns.extend(slow(run));
    concerns.extend(log_rows_dropped(run));
    for (source, of, series) in run.facts.all_series() {
        concerns.extend(sampling(source, of, series));
    }
    concerns.extend(counters(run));
    concerns.extend(capped(memory_steps(run, criteria), "steps"));
    concerns.extend(logs(run, criteria));
    concerns
}

fn capped(mut all: Vec<String>, what: &str) -> Vec<String> {
    let more = all.len().saturating_sub(LISTED);
    all.truncate(LISTED);
    all.extend((more > 0).then(|| format!("and {more} more {what}")));
    all
}

fn events(run: &JudgedRun<'_>) -> Vec<String> {
    let facts = run.facts.events.iter().flat_map(|events| &events.facts);
    let say = |event: &Event| match event {
        Event::Alert { at_ns, level, message, .. } => {
            let level = if *level == Level::Critical { "critical" } else { "warning" };
            Some(format!("{level} at {:.1} s: {message}", at_ns.as_secs_f64()))
        }
        Event::Stop { at_ns, reason, .. } => Some(format!("stopped at {:.1} s: {reason}", at_ns.as_secs_f64())),
        Event::CommandEnded { exit_code: Some(0), .. } | Event::Mark { .. } => None,
        Event::CommandEnded { exit_code: Some(code), .. } => {
            Some(format!("the command under watch ended with exit code {code}"))
        }
        Event::CommandEnded { exit_code: None, .. } => Some("the command under watch was ended by a signal".to_owned()),
    };
    facts.filter_map(say).collect()
}

fn notes(run: &JudgedRun<'_>) -> Vec<String> {
    let facts = run.facts.traffic.iter().flat_map(|traffic| &traffic.facts);
    let say = |fact: &TrafficFact| match fact {
        TrafficFact::Note { at_ns, text } => Some(format!("loadgen at {:.1} s: {text}", at_ns.as_secs_f64())),
        _ => None,
    };
    facts.filter_map(say).collect()
}

/// Latency criteria look at answers only: a service that refuses almost everything answers the rest fast.
fn failures(run: &JudgedRun<'_>, criteria: &[Criterion]) -> Option<String> {
    let judged = criteria.iter().any(|criterion| criterion.expression.metric == Metric::ErrorRate);
    let totals = run.totals(&Scope::default());
    let share = totals.error_rate().filter(|share| *share > FAILURES_WORTH_A_WORD && !judged)?;
    Some(format!(
        "{} of all arrivals failed ({}), and no criterion looks at error_rate",
        Unit::Share.show(share),
        words::count(totals.ledger.failures())
    ))
}

/// A failed check is in the error rate, a soft one in none: both deserve to be named.
fn checks(run: &JudgedRun<'_>) -> Vec<String> {
    let checks = run.facts.checks(&Scope::default());
    let failed = checks.iter().filter(|check| check.count.failed > 0).map(|check| {
        let soft = if check.soft { "soft check" } else { "check" };
        let (failed, checked) = (words::count(check.count.failed), words::count(check.count.checked()));
        format!("the {soft} `{}` of {} failed for {failed} of {checked} answers", check.name, check.operation)
    });
    failed.collect()
}

fn slow(run: &JudgedRun<'_>) -> Option<String> {
    let count = Some(run.facts.slow_requests()).filter(|count| *count > 0)?;
    let worst = run.facts.slow_intervals().flat_map(|interval| &interval.slowest).max_by_key(|one| one.response_ns);
    let worst = worst.map_or_else(String::new, |worst| {
        let header = run.facts.traffic.as_ref().map(|traffic| &traffic.header.body);
        let operation = header.and_then(|header| header.operations.get(worst.operation as usize));
        let took = Unit::Seconds.show(worst.response_ns as f64 / 1e9);
        let operation = operation.map_or("?", String::as_str);
        format!(", the slowest {operation} with {took} at {:.1} s", worst.done().as_secs_f64())
    });
    let requests =
        if count == 1 { "1 request was".to_owned() } else { format!("{} requests were", words::count(count)) };
    Some(format!("{requests} slower than the plan's `slow`{worst}"))
}

/// A log with holes is no proof of anything that is not in it.
fn log_rows_dropped(run: &JudgedRun<'_>) -> Option<String> {
    let dropped = Some(run.facts.generator_peaks().log_rows_dropped).filter(|dropped| *dropped > 0)?;
    Some(format!(
        "{} rows of the request log were dropped, because they came faster than they could be written; log a share of \
         the requests, or those that went bad (`requests` under [generator])",
        words::count(dropped)
    ))
}

fn sampling(source: Source, of: Option<&str>, series: &Series) -> Vec<String> {
    let name = of.map_or_else(|| source.prefix().to_owned(), |of| format!("{} {of}", source.prefix()));
    let mut concerns = Vec::new();
    let mut gaps: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for gap in &series.gaps {
        gaps.entry(gap.reason.words()).or_insert((0, gap.at_ns.as_secs_f64())).0 += 1;
    }
    for (reason, (n, first)) in gaps {
        let samples = if n == 1 { "sample is" } else { "samples are" };
        concerns.push(format!("{name}: {n} {samples} missing ({reason}), the first at {first:.1} s"));
    }
    for mark in series.marks.iter().take(LISTED) {
        let what = families::mark_words(mark.kind);
        concerns.push(format!("{name} {what} at {:.1} s", mark.at_ns.as_secs_f64()));
    }
    if series.partial {
        concerns.push(format!("{name}: the record breaks off, memwatch died"));
    }
    concerns
}

/// Counters of Redis that should stand still.
fn counters(run: &JudgedRun<'_>) -> Vec<String> {
    const WATCHED: [(&str, &str); 3] = [
        ("redis.oom_errors", "commands were refused by Redis because its memory was full"),
        ("redis.evicted_keys", "keys were evicted by Redis because its memory was full"),
        ("redis.rejected_connections", "connections were rejected by Redis because it had too many"),
    ];
    let rise = |(name, what): &(&str, &str)| {
        let stats = run.facts.redis.as_ref()?.stats(metric::Metric::find(name)?, None)?;
        let rise = stats.last - stats.first;
        (rise > 0.0).then(|| format!("{} {what}", Unit::Count.show(rise)))
    };
    WATCHED.iter().filter_map(rise).collect()
}

fn memory_steps(run: &JudgedRun<'_>, criteria: &[Criterion]) -> Vec<String> {
    let mut concerns = Vec::new();
    for criterion in criteria {
        let Metric::Series { function: Function::Slope, metric, of } = &criterion.expression.metric else { continue };
        let place = Place::of(run, &criterion.scope);
        if metric.unit != Unit::Bytes || place.missing.is_some() {
            continue;
        }
        for (at, change) in families::steps(run, &place, metric, of.as_deref(), memory::limit(criterion)) {
            let way = if change > 0.0 { "up" } else { "down" };
            let step = format!(
                "{} stepped {way} by {} at {at:.0} s",
                metric.name_of(of.as_deref()),
                Unit::Bytes.show(change.abs())
            );
            if !concerns.contains(&step) {
                concerns.push(step);
            }
        }
    }
    concerns
}

fn logs(run: &JudgedRun<'_>, criteria: &[Criterion]) -> Vec<String> {
    let Some(logs) = &run.facts.logs else { return Vec::new() };
    let mut concerns = Vec::new();
    for followed in &logs.header.body.logs {
        let name = &followed.name;
        let lines: u64 = logs
            .facts
            .iter()
            .map(|fact| match fact {
                LogFact::Counts(row) if row.log == *name => row.lines,
                _ => 0,
            })
            .sum();
        let gap = logs.facts.iter().find_map(|fact| match fact {
            LogFact::Gap { at_ns, log, reason } if log == name => Some((at_ns.as_secs_f64(), reason)),
            _ => None,
        });
        match gap {
            Some((at, reason)) => concerns.push(format!("log {name}: {reason} at {at:.1} s")),
            None if lines == 0 && expected(run, name) && !judged(criteria, name) => {
                concerns.push(format!("log {name} had no lines"));
            }
            None => {}
        }
    }
    concerns.extend(log_errors(run));
    if logs.is_partial() {
        concerns.push("logs: the record breaks off, memwatch died".to_owned());
    }
    concerns
}

/// Somebody who set a limit on a log's lines expects few or none of them.
/// A log without lines is odd only where the plan counts on an event in it.
fn expected(run: &JudgedRun<'_>, name: &str) -> bool {
    let watched = run.plan.watch.as_ref().map_or(&[][..], |watch| &watch.logs);
    watched.iter().any(|log| log.name == name && log.event.is_some())
}

fn judged(criteria: &[Criterion], name: &str) -> bool {
    criteria.iter().any(|criterion| matches!(&criterion.expression.metric, Metric::Log { log, .. } if log == name))
}

/// Lines that the built-in patterns found: everything that is not an event the plan asked for.
fn log_errors(run: &JudgedRun<'_>) -> Vec<String> {
    let watched = run.plan.watch.as_ref().map_or(&[][..], |watch| &watch.logs);
    let asked = |log: &str, event: &str| watched.iter().any(|w| w.name == log && w.event.as_deref() == Some(event));
    let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (key, n) in run.facts.log_counts() {
        if !asked(&key.log, &key.event) {
            *found.entry((key.log, key.event)).or_default() += n;
        }
    }
    let say = |((log, event), n)| {
        format!(
            "log {log}: {} about {event}",
            if n == 1 { "1 line".to_owned() } else { format!("{} lines", words::count(n)) }
        )
    };
    found.into_iter().map(say).collect()
}

#[cfg(test)]
mod tests {
    use plimsoll_record::Offset;
    use plimsoll_record::ledger::Outcome;
    use plimsoll_record::traffic::{GeneratorInterval, SlowInterval, SlowRequest};

    use crate::testing::{SECOND, Script};

    #[test]
    fn slow_requests_and_rows_that_were_dropped_are_worth_knowing() {
        let mut script = Script::healthy(30);
        let slowest = SlowRequest {
            phase: 0,
            operation: 0,
            user: 17,
            iteration: 0,
            intended_ns: Offset(2_000_000_000),
            response_ns: 3_420_000_000,
            service_ns: 3_000_000_000,
            outcome: Some(Outcome::Ok),
            status: 200,
        };
        script.slow = vec![SlowInterval { at_ns: Offset(0), len_ns: SECOND, count: 1_234, slowest: vec![slowest] }];
        script.generator.push(GeneratorInterval {
            len_ns: SECOND,
            log_rows_dropped: 5,
            ..GeneratorInterval::default()
        });
        let concerns = script.judge().concerns.join("\n");
        assert!(
            concerns
                .contains("1,234 requests were slower than the plan's `slow`, the slowest check with 3.42 s at 5.4 s"),
            "{concerns}"
        );
        assert!(concerns.contains("5 rows of the request log were dropped"), "{concerns}");
    }
}
