//! The rows of the tables, worked out on all cores.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{latency, memory};

/// The lengths of runs of simulated memory, in minutes.
const MINUTES: [u64; 4] = [2, 5, 10, 30];

/// One family of runs of one length, and what became of them.
#[derive(Clone, Debug)]
pub(crate) struct Cell<F, T> {
    pub(crate) family: F,
    pub(crate) minutes: u64,
    pub(crate) tally: T,
}

pub(crate) fn memory(only: &str, seed: u64, series: u64) -> Vec<Cell<memory::Family, memory::Tally>> {
    let families = memory::FAMILIES.into_iter().filter(|family| family.name().contains(only));
    let work: Vec<_> = families.flat_map(|family| MINUTES.map(|minutes| (family, minutes))).collect();
    on_all_cores(&work, memory::Bench::in_dir, |bench, family, minutes| bench.tally(family, minutes, seed, series))
}

pub(crate) fn latency(only: &str, seed: u64, series: u64) -> Vec<Cell<latency::Load, latency::Tally>> {
    let loads = latency::LOADS.into_iter().filter(|load| load.name().contains(only));
    let work: Vec<_> = loads.flat_map(|load| latency::MINUTES.map(|minutes| (load, minutes))).collect();
    on_all_cores(&work, latency::Bench::in_dir, |bench, load, minutes| bench.tally(load, minutes, seed, series))
}

/// Each thread has a bench of its own and takes the next cell; the order of the cells stays.
fn on_all_cores<F: Copy + Send + Sync, T: Send, B>(
    work: &[(F, u64)],
    bench: impl Fn(&Path) -> B + Sync,
    tally: impl Fn(&mut B, F, u64) -> T + Sync,
) -> Vec<Cell<F, T>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let dir = tempfile::tempdir().expect("a temporary directory can be made");
                let mut bench = bench(dir.path());
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((family, minutes)) = work.get(index).copied() else { break };
                    let cell = Cell { family, minutes, tally: tally(&mut bench, family, minutes) };
                    done.lock().expect("no thread panics with the lock").push((index, cell));
                }
            });
        }
    });
    let mut cells = done.into_inner().expect("no thread panicked with the lock");
    cells.sort_by_key(|(index, _)| *index);
    cells.into_iter().map(|(_, cell)| cell).collect()
}
