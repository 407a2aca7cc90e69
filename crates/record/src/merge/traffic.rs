//! The traffic of all parts as one: rows of the same interval, phase and operation become one row.

use std::collections::BTreeMap;

use super::{MergeError, Part};
use crate::clock::Offset;
use crate::files::{EndReason, FactFile};
use crate::run::RunDir;
use crate::traffic::{
    Exemplar, GeneratorInterval, Interval, PhaseFact, SlowInterval, SlowRequest, Traffic, TrafficFact, TrafficHeader,
    TrafficWriter,
};

/// What all parts did in one interval.
#[derive(Default)]
struct Slot<'a> {
    rows: BTreeMap<(u32, u32), Vec<(usize, &'a Interval)>>,
    generators: Vec<&'a GeneratorInterval>,
    slow: Vec<(&'a Part, &'a SlowInterval)>,
    others: Vec<TrafficFact>,
}

/// Pending arrivals of each part, by phase and operation: a part that wrote no row still has what it had.
type Pending = BTreeMap<(u32, u32), BTreeMap<usize, u64>>;

/// Writes the whole's traffic.
pub(super) fn write(parts: &[Part], run: &RunDir, producer: &str, notes: Vec<String>) -> Result<(), MergeError> {
    let first = &parts[0].traffic.header;
    let mut writer = TrafficWriter::create(run.path(), producer, first.at_ns, header(parts))?;
    let mut pending = Pending::new();
    for (at, slot) in slots(parts) {
        for (key, rows) in slot.rows {
            let waiting = pending.entry(key).or_default();
            writer.write(&TrafficFact::Interval(Box::new(row(parts, at, &rows, waiting))))?;
        }
        if let Some(generator) = generator(at, &slot.generators) {
            writer.write(&TrafficFact::Generator(generator))?;
        }
        if let Some(slow) = slow(at, &slot.slow) {
            writer.write(&TrafficFact::Slow(slow))?;
        }
        for fact in slot.others {
            writer.write(&fact)?;
        }
    }
    let at_ns = parts.iter().map(|part| part.moved(end(&part.traffic))).max().unwrap_or_default();
    for fact in phase_ends(parts).into_iter().chain(notes.into_iter().map(|text| TrafficFact::Note { at_ns, text })) {
        writer.write(&fact)?;
    }
    match reason(parts) {
        Some(reason) => Ok(writer.finish(at_ns, reason)?),
        // One part is partial, and so is the whole.
        None => Ok(writer.flush()?),
    }
}

/// When a part's traffic ended: its end row, or its last interval.
pub(super) fn end(traffic: &FactFile<Traffic>) -> Offset {
    let intervals = traffic.facts.iter().filter_map(|fact| match fact {
        TrafficFact::Interval(row) => Some(Offset(row.at_ns.0.saturating_add_unsigned(row.len_ns))),
        _ => None,
    });
    traffic.end.as_ref().map(|end| end.at_ns).or_else(|| intervals.max()).unwrap_or(traffic.header.body.start_ns)
}

fn header(parts: &[Part]) -> TrafficHeader {
    let first = parts[0].traffic.header.body.clone();
    let bodies = || parts.iter().map(|part| &part.traffic.header.body);
    let phase = |(index, phase): (usize, PhaseFact)| PhaseFact {
        planned_arrivals: bodies().map(|body| body.phases[index].planned_arrivals).sum(),
        ..phase
    };
    TrafficHeader {
        phases: first.phases.into_iter().enumerate().map(phase).collect(),
        workers: bodies().map(|body| body.workers).sum(),
        segment: None,
        lookup_ns: bodies().filter_map(|body| body.lookup_ns).max(),
        tick_ns: bodies().filter_map(|body| body.tick_ns).max(),
        max_send_lag_ns: bodies().map(|body| body.max_send_lag_ns).max().unwrap_or(first.max_send_lag_ns),
        ..first
    }
}

/// The rows of all parts by the beginning of their intervals.
fn slots(parts: &[Part]) -> BTreeMap<Offset, Slot<'_>> {
    let mut slots: BTreeMap<Offset, Slot<'_>> = BTreeMap::new();
    for (index, part) in parts.iter().enumerate() {
        for fact in &part.traffic.facts {
            match fact {
                TrafficFact::Interval(row) => {
                    let rows = &mut slots.entry(part.moved(row.at_ns)).or_default().rows;
                    rows.entry((row.phase, row.operation)).or_default().push((index, row));
                }
                TrafficFact::Generator(row) => {
                    slots.entry(part.moved(row.at_ns)).or_default().generators.push(row);
                }
                TrafficFact::Slow(row) => slots.entry(part.moved(row.at_ns)).or_default().slow.push((part, row)),
                TrafficFact::Note { at_ns, text } => {
                    let at_ns = part.moved(*at_ns);
                    let text = format!("segment {}: {text}", part.segment.number);
                    slots.entry(at_ns).or_default().others.push(TrafficFact::Note { at_ns, text });
                }
                // One row for all parts, at the end.
                TrafficFact::PhaseEnded { .. } => {}
            }
        }
    }
    slots
}

fn row(parts: &[Part], at_ns: Offset, rows: &[(usize, &Interval)], waiting: &mut BTreeMap<usize, u64>) -> Interval {
    let mut whole = Interval { at_ns, ..rows[0].1.clone() };
    for (_, part) in &rows[1..] {
        whole.len_ns = whole.len_ns.max(part.len_ns);
        whole.ledger.merge(&part.ledger);
        whole.served.merge(&part.served);
        whole.limited.merge(&part.limited);
        whole.censored.merge(&part.censored);
        whole.timings.merge(&part.timings);
        whole.body_bytes += part.body_bytes;
        whole.retries += part.retries;
        part.statuses.iter().for_each(|(status, n)| *whole.statuses.entry(*status).or_insert(0) += n);
        part.checks.iter().for_each(|(check, n)| whole.checks.entry(*check).or_default().merge(*n));
    }
    let worst = rows.iter().filter_map(|(index, row)| {
        let worst = row.worst.clone()?;
        Some(Exemplar { intended_ns: parts[*index].moved(worst.intended_ns), ..worst })
    });
    whole.worst = worst.max_by_key(|worst| worst.response_ns);
    waiting.extend(rows.iter().map(|(index, part)| (*index, part.pending)));
    whole.pending = waiting.values().sum();
    whole
}

/// All generators as one: what they did adds up, what they lacked is the worst of them.
fn generator(at_ns: Offset, rows: &[&GeneratorInterval]) -> Option<GeneratorInterval> {
    let sum = |of: fn(&GeneratorInterval) -> u64| rows.iter().map(|row| of(row)).sum();
    let most = |of: fn(&GeneratorInterval) -> u64| rows.iter().map(|row| of(row)).max().unwrap_or(0);
    let known = |of: fn(&GeneratorInterval) -> Option<u64>| rows.iter().filter_map(move |row| of(row));
    // The one that is nearest to its own limit.
    let fullest = rows.iter().filter(|row| row.open_files.is_some() && row.open_files_limit.is_some());
    let fullest =
        fullest.min_by_key(|row| row.open_files_limit.unwrap_or(0).saturating_sub(row.open_files.unwrap_or(0)));
    (!rows.is_empty()).then(|| GeneratorInterval {
        at_ns,
        len_ns: most(|row| row.len_ns),
        sent: sum(|row| row.sent),
        sent_late: sum(|row| row.sent_late),
        send_lag_max_ns: most(|row| row.send_lag_max_ns),
        // Of the whole it is at most the largest of the parts.
        send_lag_p99_ns: most(|row| row.send_lag_p99_ns),
        cpu_s: rows.iter().map(|row| row.cpu_s).sum(),
        busiest_worker: rows.iter().map(|row| row.busiest_worker).fold(0.0, f64::max),
        waited_for_connection: sum(|row| row.waited_for_connection),
        connections: sum(|row| row.connections),
        log_rows_dropped: sum(|row| row.log_rows_dropped),
        loop_delay_max_ns: known(|row| row.loop_delay_max_ns).max(),
        loop_delay_p99_ns: known(|row| row.loop_delay_p99_ns).max(),
        workers: rows.iter().flat_map(|row| row.workers.iter().copied()).collect(),
        open_files: fullest.and_then(|row| row.open_files),
        open_files_limit: fullest.and_then(|row| row.open_files_limit),
        free_ports: known(|row| row.free_ports).min(),
    })
}

fn slow(at_ns: Offset, rows: &[(&Part, &SlowInterval)]) -> Option<SlowInterval> {
    let of_part = |(part, row): &(&Part, &SlowInterval)| {
        let moved =
            |request: &SlowRequest| SlowRequest { intended_ns: part.moved(request.intended_ns), ..request.clone() };
        row.slowest.iter().map(moved).collect::<Vec<_>>()
    };
    let mut slowest: Vec<SlowRequest> = rows.iter().flat_map(of_part).collect();
    slowest.sort_by_key(|request| (std::cmp::Reverse(request.response_ns), request.intended_ns));
    slowest.truncate(SlowInterval::MOST);
    let len_ns = rows.iter().map(|(_, row)| row.len_ns).max()?;
    Some(SlowInterval { at_ns, len_ns, count: rows.iter().map(|(_, row)| row.count).sum(), slowest })
}

/// A phase ended when the last part left it.
fn phase_ends(parts: &[Part]) -> Vec<TrafficFact> {
    let mut ends: BTreeMap<u32, Offset> = BTreeMap::new();
    for part in parts {
        for fact in &part.traffic.facts {
            if let TrafficFact::PhaseEnded { phase, at_ns } = fact {
                let end = ends.entry(*phase).or_insert(Offset(i64::MIN));
                *end = (*end).max(part.moved(*at_ns));
            }
        }
    }
    ends.into_iter().map(|(phase, at_ns)| TrafficFact::PhaseEnded { phase, at_ns }).collect()
}

/// The worst way in which a part ended; `None` when one has no end.
fn reason(parts: &[Part]) -> Option<EndReason> {
    let reasons: Option<Vec<EndReason>> =
        parts.iter().map(|part| part.traffic.end.as_ref().map(|end| end.reason)).collect();
    let worst = [EndReason::Failed, EndReason::Stopped, EndReason::Interrupted];
    let reasons = reasons?;
    Some(worst.into_iter().find(|reason| reasons.contains(reason)).unwrap_or(EndReason::Completed))
}
