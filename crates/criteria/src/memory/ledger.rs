//! The step ledger: what moved memory and is no growth, because it has a size that is known and an end.
//!
//! - A hash table doubles when the number of keys crosses a power of two: Redis allocates 16 bytes for each key, and
//!   frees the old table, half of that, when all keys have moved.
//! - Clients cost memory, and buffers of the append-only file and of replicas do. Their rise is a step only once it has
//!   ended: connections that go on piling up are growth.
//!
//! Explained steps are subtracted before a line is laid, and listed. Other steps that last are findings.

use std::time::Duration;

use plimsoll_record::Offset;
use plimsoll_record::metric::{Metric, Source};
use plimsoll_record::summary::{Series, Window};
use plimsoll_record::verdict::{MemoryStep, StepKind};

use crate::statistics::{median, theil_sen};

/// Bytes per slot of a hash table: one pointer.
const SLOT: f64 = 8.0;
/// What an idle client costs where Redis does not tell what its clients do, in bytes (measured with 1,000 of them).
const IDLE_CLIENT: f64 = 2_300.0;
/// Smaller explained steps are not worth a line, in bytes.
const SMALLEST_EXPLAINED: f64 = 250e3;
/// A table whose step is not this many times the usual change between samples cannot be seen.
const CLEAR_OF_NOISE: f64 = 3.0;
/// A jump is the expected one when it is this share of it.
const ALIKE: std::ops::Range<f64> = 0.4..1.5;
/// Samples on either side of a crossing whose medians are compared.
const NEIGHBOURS: usize = 3;
/// The old table is gone this many seconds after its keys began to move, at the latest.
const LONGEST_REHASH_S: f64 = 120.0;
/// A component has come to rest when its slope in the last half would not matter: this share of the limit.
const AT_REST: f64 = 0.25;
/// An unexplained step counts from this size, in bytes, and this many times the usual scatter.
const SMALLEST_STEP: f64 = 1e6;
const STEP_SCATTER: f64 = 5.0;

/// Series that hash tables, clients and buffers are part of.
const WITH_TABLES: [&str; 3] = ["used_memory", "used_memory_overhead", "allocator_allocated"];
const BUFFERS: [&str; 3] = ["mem_aof_buffer", "mem_clients_slaves", "mem_replication_backlog"];

/// Steps of one series in one window.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    /// The steps in order of time.
    pub(crate) steps: Vec<MemoryStep>,
    /// The values less what is explained, as (seconds since the window began, value).
    pub(crate) points: Points,
    window: Window,
}

type Points = Vec<(f64, f64)>;

impl Ledger {
    /// Explains what can be explained; `limit` is the growth per second that matters.
    pub(super) fn of(series: &Series, metric: &Metric, window: Window, limit: f64) -> Self {
        let points = seconds_into(window, series.values(metric, Some(window)));
        let mut ledger = Self { points, steps: Vec::new(), window };
        if metric.source == Source::Redis && WITH_TABLES.contains(&metric.key) {
            ledger.tables(series, "keys", StepKind::HashTable);
            ledger.tables(series, "expires", StepKind::ExpiryTable);
            ledger.component(&clients(series, window), StepKind::Clients, limit);
            for buffer in BUFFERS {
                ledger.component(&values(series, window, buffer), StepKind::Buffers, limit);
            }
        }
        ledger.steps.sort_by_key(|step| step.at_ns);
        ledger
    }

    /// Adds the steps that `buckets` show and nothing explains.
    pub(super) fn add_unexplained(&mut self, buckets: &[(f64, f64)]) {
        let levels: Vec<f64> = buckets.iter().map(|(_, y)| *y).collect();
        for (index, bytes) in lasting_steps(&levels) {
            self.add(buckets[index].0, bytes, StepKind::Unexplained);
        }
        self.steps.sort_by_key(|step| step.at_ns);
    }

    fn tables(&mut self, series: &Series, count: &str, kind: StepKind) {
        let counts = values(series, self.window, count);
        for pair in counts.windows(2) {
            let large = |slots: &f64| 2.0 * SLOT * slots >= SMALLEST_EXPLAINED;
            let Some(slots) = crossed(pair[0].1, pair[1].1).filter(large) else { continue };
            if self.take_jump(pair[1].0, 0.0, 2.0 * SLOT * slots, kind) {
                self.take_jump(pair[1].0, LONGEST_REHASH_S, -SLOT * slots, StepKind::Rehashed);
            }
        }
    }

    /// Takes a jump of about `expected` bytes out of the series, if there is one within `patience` seconds of `x`.
    fn take_jump(&mut self, x: f64, patience: f64, expected: f64, kind: StepKind) -> bool {
        let first = self.points.partition_point(|(at, _)| *at < x);
        let last = self.points.partition_point(|(at, _)| *at <= x + patience);
        // A sample is read in parts, so memory may be seen to jump one sample before or after the count does.
        let near = first.saturating_sub(1)..(last + 1).min(self.points.len());
        let jumps = near.filter_map(|index| Some((index, jump_at(&self.points, index)?)));
        // Medians jump the same for a few samples around the step: the largest single change tells which one it is.
        let towards = |(index, bytes): &(usize, f64)| {
            let single = self.points[*index].1 - self.points[index.saturating_sub(1)].1;
            (bytes * expected.signum(), single * expected.signum())
        };
        let found = jumps.max_by(|a, b| {
            let (a, b) = (towards(a), towards(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        let Some((index, bytes)) = found else { return false };
        let share = bytes / expected;
        if expected.abs() < CLEAR_OF_NOISE * usual_change(&self.points) || !ALIKE.contains(&share) {
            return false;
        }
        let taken = expected * share.min(1.0);
        self.points[index..].iter_mut().for_each(|(_, y)| *y -= taken);
        self.add(self.points[index].0, taken, kind);
        true
    }

    /// Takes the changes of a component out, once they have come to an end.
    fn component(&mut self, part: &[(f64, f64)], kind: StepKind, limit: f64) {
        let (Some((_, start)), Some((_, end))) = (part.first(), part.last()) else { return };
        let late = theil_sen(&thinned(&part[part.len() / 2..])).unwrap_or(0.0);
        let largest = part.iter().map(|(_, y)| (y - start).abs()).fold(0.0, f64::max);
        if largest < SMALLEST_EXPLAINED || late.abs() > AT_REST * limit.abs() {
            return;
        }
        for (x, y) in &mut self.points {
            let index = part.partition_point(|(at, _)| at <= x).saturating_sub(1);
            *y -= part[index].1 - start;
        }
        let halfway = part.iter().find(|(_, y)| (y - start).abs() >= largest / 2.0);
        self.add(halfway.map_or(0.0, |(x, _)| *x), end - start, kind);
    }

    fn add(&mut self, x: f64, bytes: f64, kind: StepKind) {
        if bytes.abs() >= SMALLEST_EXPLAINED {
            let at_ns = self.window.from.after(Duration::from_secs_f64(x.max(0.0)));
            self.steps.push(MemoryStep { at_ns, bytes, kind });
        }
    }
}

/// The values of one key of the samples in a window, as (seconds since it began, value).
pub(super) fn values(series: &Series, window: Window, key: &str) -> Points {
    let inside = series.samples.iter().filter(|sample| window.contains(sample.at_ns));
    let read = inside.filter_map(|sample| Some((sample.at_ns, *sample.values.get(key)?)));
    seconds_into(window, read)
}

fn seconds_into(window: Window, values: impl IntoIterator<Item = (Offset, f64)>) -> Points {
    values.into_iter().map(|(at, value)| (at.since(window.from) as f64 / 1e9, value)).collect()
}

/// What clients cost: as Redis tells, or else from their number.
fn clients(series: &Series, window: Window) -> Points {
    let told = values(series, window, "mem_clients_normal");
    if !told.is_empty() {
        return told;
    }
    let count = values(series, window, "connected_clients");
    count.into_iter().map(|(x, count)| (x, IDLE_CLIENT * count)).collect()
}

/// The size a table had that overflows between two counts, in slots: the largest power of two that was crossed.
fn crossed(before: f64, after: f64) -> Option<f64> {
    if before < 1.0 || after <= before {
        return None;
    }
    // A table of 2^k slots holds 2^k keys and doubles with the next one.
    let (before, after) = ((before).log2().ceil(), (after).log2().ceil());
    (after > before).then(|| (after - 1.0).exp2())
}

/// The difference between the medians of a few values from `index` on and of a few before.
fn jump_at(points: &[(f64, f64)], index: usize) -> Option<f64> {
    let level = |part: &[(f64, f64)]| median(part.iter().map(|(_, y)| *y).collect());
    let before = level(&points[index.saturating_sub(NEIGHBOURS)..index])?;
    Some(level(&points[index..points.len().min(index + NEIGHBOURS)])? - before)
}

fn usual_change(points: &[(f64, f64)]) -> f64 {
    median(points.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs()).collect()).unwrap_or(0.0)
}

/// At most about a hundred of the points: a slope of all pairs of an hour's samples costs millions.
fn thinned(points: &[(f64, f64)]) -> Points {
    points.iter().step_by(points.len() / 100 + 1).copied().collect()
}

/// Sudden changes that last: a bucket whose difference to the one before stands out from the usual difference by more
/// than 5 median absolute deviations and 1 MB, and whose neighbours on either side confirm it.
fn lasting_steps(levels: &[f64]) -> Vec<(usize, f64)> {
    let changes: Vec<f64> = levels.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let Some(usual) = median(changes.clone()) else { return Vec::new() };
    let scatter = median(changes.iter().map(|change| (change - usual).abs()).collect()).unwrap_or(0.0);
    let threshold = SMALLEST_STEP.max(STEP_SCATTER * scatter);
    let mut found = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        let before = median(levels[index.saturating_sub(2)..=index].to_vec()).unwrap_or(0.0);
        let after = median(levels[index + 1..levels.len().min(index + 4)].to_vec()).unwrap_or(0.0);
        if (change - usual).abs() > threshold && (after - before - usual).abs() > threshold {
            found.push((index + 1, *change));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::testing::{series, window};

    const LIMIT: f64 = 1e6 / 60.0;

    fn ledger(values: impl Fn(f64) -> Vec<(&'static str, f64)>) -> Ledger {
        let used = Metric::find("redis.used_memory").unwrap();
        Ledger::of(&series(600, values), used, window(0.0, 600.0), LIMIT)
    }

    fn spread(ledger: &Ledger) -> f64 {
        let values = ledger.points.iter().map(|(_, y)| *y);
        values.clone().fold(f64::MIN, f64::max) - values.fold(f64::MAX, f64::min)
    }

    #[test]
    fn a_doubled_table_and_the_freeing_of_the_old_one_are_taken_out_and_listed() {
        // 2^19 keys: 16 bytes for each are 8.39 MB, half of which goes back when all keys have moved.
        let full = 524_288.0;
        let ledger = ledger(|t| {
            let table = if t < 200.0 {
                0.0
            } else if t < 212.0 {
                16.0 * full
            } else {
                8.0 * full
            };
            vec![("keys", full - 200.0 + t.floor()), ("used_memory", 60e6 + table)]
        });
        let steps: Vec<_> = ledger.steps.iter().map(|step| (step.kind, (step.bytes / 1e4).round() / 100.0)).collect();
        assert_eq!(steps, [(StepKind::HashTable, 8.39), (StepKind::Rehashed, -4.19)]);
        assert!(spread(&ledger) < 1.0, "{}", spread(&ledger));
    }

    #[test]
    fn a_table_that_did_not_double_explains_nothing() {
        let ledger = ledger(|t| vec![("keys", 524_088.0 + t.floor()), ("used_memory", 60e6)]);
        assert_eq!(ledger.steps, []);
    }

    #[test]
    fn clients_that_came_and_stay_are_a_step_and_clients_that_go_on_coming_are_growth() {
        let came = ledger(|t| {
            let clients = (10.0 * (t - 100.0)).clamp(0.0, 1_000.0);
            vec![("connected_clients", 10.0 + clients), ("used_memory", 20e6 + 2_300.0 * clients)]
        });
        assert_eq!(came.steps.iter().map(|step| step.kind).collect::<Vec<_>>(), [StepKind::Clients]);
        assert!(spread(&came) < 1.0, "{}", spread(&came));
        let coming = ledger(|t| vec![("mem_clients_normal", 2e5 * t), ("used_memory", 20e6 + 2e5 * t)]);
        assert_eq!(coming.steps, []);
        assert!(spread(&coming) > 1e8);
    }

    #[test]
    fn a_table_overflows_with_the_key_after_a_power_of_two() {
        assert_eq!(crossed(524_288.0, 524_289.0), Some(524_288.0));
        assert_eq!(crossed(524_287.0, 524_288.0), None);
        assert_eq!(crossed(1_000.0, 5_000.0), Some(4_096.0));
        assert_eq!(crossed(5_000.0, 1_000.0), None);
        assert_eq!(crossed(0.0, 0.0), None);
    }

    #[test]
    fn a_step_that_lasts_is_found_and_a_spike_is_not() {
        let mut levels: Vec<f64> = (0..20).map(|i| 10e6 + f64::from(i % 3) * 1e4).collect();
        levels[5] += 4e6;
        assert_eq!(lasting_steps(&levels), vec![]);
        levels.iter_mut().skip(12).for_each(|level| *level += 3e6);
        let found = lasting_steps(&levels);
        assert_eq!(found.iter().map(|(index, _)| *index).collect::<Vec<_>>(), vec![12], "{found:?}");
    }

    #[test]
    fn steady_growth_is_not_a_step() {
        let levels: Vec<f64> = (0..20).map(|i| f64::from(i) * 5e6).collect();
        assert_eq!(lasting_steps(&levels), vec![]);
    }
}
