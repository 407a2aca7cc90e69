//! The generator's own numbers: of one interval, and at their worst over a run. Whether they matter is judged elsewhere.

use super::Facts;
use crate::traffic::{GeneratorInterval, WorkerInterval};

/// What the generator lacked and held at its worst. `None`: not recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GeneratorPeaks {
    /// The most by which a worker's event loop woke later than it meant to, in nanoseconds.
    pub loop_delay_ns: Option<u64>,
    /// Seconds that workers waited for a core in the whole run: in each interval those of the worker that waited most.
    pub waited_s: Option<f64>,
    /// The most file descriptors held at the end of an interval.
    pub open_files: Option<u64>,
    /// How many it may hold.
    pub open_files_limit: Option<u64>,
    /// The fewest local ports left towards the target at the end of an interval.
    pub free_ports: Option<u64>,
    /// Request-log rows that were dropped.
    pub log_rows_dropped: u64,
}

impl Facts {
    /// The generator's resources at their worst.
    #[must_use]
    pub fn generator_peaks(&self) -> GeneratorPeaks {
        let rows = || self.generator();
        GeneratorPeaks {
            loop_delay_ns: rows().filter_map(|row| row.loop_delay_max_ns).max(),
            waited_s: rows().filter_map(GeneratorInterval::waited_most_s).reduce(|a, b| a + b),
            open_files: rows().filter_map(|row| row.open_files).max(),
            open_files_limit: rows().filter_map(|row| row.open_files_limit).min(),
            free_ports: rows().filter_map(|row| row.free_ports).min(),
            log_rows_dropped: rows().map(|row| row.log_rows_dropped).sum(),
        }
    }
}

impl GeneratorInterval {
    /// CPU the generator process used: 1 is one whole core. `None` when no time passed.
    #[must_use]
    pub fn cpu_cores(&self) -> Option<f64> {
        (self.len_ns > 0).then(|| self.cpu_s / (self.len_ns as f64 / 1e9))
    }

    /// Seconds that the worker that waited most for a core waited. `None` where the system does not tell.
    #[must_use]
    pub fn waited_most_s(&self) -> Option<f64> {
        self.workers.iter().filter_map(|worker| worker.waited_s).reduce(f64::max)
    }

    /// The same as a share of the interval.
    #[must_use]
    pub fn waited_share(&self) -> Option<f64> {
        self.waited_most_s().filter(|_| self.len_ns > 0).map(|waited| waited / (self.len_ns as f64 / 1e9))
    }

    /// The share of the interval in which the worker with the most to do ran or waited for its core. `None` where the
    /// system does not tell waits.
    #[must_use]
    pub fn busiest_with_waits(&self) -> Option<f64> {
        let wanted = |worker: &WorkerInterval| Some((worker.cpu_s + worker.waited_s?) / (self.len_ns as f64 / 1e9));
        self.workers.iter().filter_map(wanted).reduce(f64::max).filter(|_| self.len_ns > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn waits_for_a_core_are_the_worst_workers_and_unknown_is_not_zero() {
        let worker = |cpu_s, waited_s| WorkerInterval { cpu_s, waited_s };
        let row = |workers| GeneratorInterval { len_ns: 2 * SECOND, workers, ..GeneratorInterval::default() };
        let known = row(vec![worker(1.5, Some(0.1)), worker(0.2, Some(0.5))]);
        assert_eq!(known.waited_most_s(), Some(0.5));
        assert_eq!(known.waited_share(), Some(0.25));
        assert_eq!(known.busiest_with_waits(), Some(0.8));
        let unknown = row(vec![worker(1.5, None)]);
        assert_eq!((unknown.waited_share(), unknown.busiest_with_waits()), (None, None));
    }
}
