//! The probes of the host and of a process where there is no `/proc`: every reading is a gap that says so.

use plimsoll_plan::ProcessWatch;
use plimsoll_record::RunClock;
use plimsoll_record::series::GapReason;

use crate::probe::{Failure, Probe, ReadingFuture};

const UNAVAILABLE: &str = "not available on this operating system";

/// Would sample CPU, memory, swap, disks and network of the host.
#[derive(Debug)]
pub struct HostProbe {}

impl HostProbe {
    /// A probe of this host.
    #[must_use]
    pub fn new(_clock: RunClock) -> Self {
        Self {}
    }
}

impl Probe for HostProbe {
    fn source(&self) -> String {
        "this host".to_owned()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(async { Err(Failure::new(GapReason::Unreachable, UNAVAILABLE)) })
    }
}

/// Would sample memory, CPU, threads and open files of a process.
#[derive(Debug)]
pub struct ProcessProbe {
    watch: ProcessWatch,
}

impl ProcessProbe {
    /// A probe of the process that `watch` names.
    #[must_use]
    pub fn new(watch: &ProcessWatch, _clock: RunClock) -> Self {
        Self { watch: watch.clone() }
    }
}

impl Probe for ProcessProbe {
    fn source(&self) -> String {
        self.watch.to_string()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(async { Err(Failure::new(GapReason::Unreachable, UNAVAILABLE)) })
    }
}
