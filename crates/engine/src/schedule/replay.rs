//! Arrivals at recorded times, faster or slower than they were.

use std::sync::Arc;
use std::time::Duration;

use plimsoll_plan::{Recording, Replay};

/// The span over which the peak is taken.
const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Debug)]
pub(super) struct Recorded {
    /// In nanoseconds from the start of the phase, in order, all before its end. Shared by all cursors.
    times: Arc<[u64]>,
}

impl Recorded {
    pub(super) fn new(replay: &Replay, length: Duration) -> Option<Self> {
        let Recording::Times(times) = &replay.recording else { return None };
        let end = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let mut times: Vec<u64> = times.iter().map(|at| replay.at_ns(*at)).collect();
        // A file's times are in order; a program may have collected its own.
        times.sort_unstable();
        times.truncate(times.partition_point(|at| *at < end));
        Some(Self { times: times.into() })
    }

    pub(super) fn peak(&self) -> f64 {
        let mut first = 0;
        let within = self.times.iter().enumerate().map(|(last, at)| {
            while at - self.times[first] >= SECOND {
                first += 1;
            }
            last - first + 1
        });
        within.max().unwrap_or(0) as f64
    }

    pub(super) fn count(&self) -> u64 {
        self.times.len() as u64
    }

    pub(super) fn at(&self, index: u64) -> Option<u64> {
        self.times.get(usize::try_from(index).ok()?).copied()
    }
}
