//! What the generator can find out about itself: waits for a core, descriptors, local ports.
//!
//! Asked once per interval, by whoever closes it. What a system does not tell is absent, never 0: the twin modules
//! have the same signatures. Nothing here judges.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::local_ports;
#[cfg(target_os = "linux")]
pub(crate) use linux::{ThreadWaits, TimeWaits, open_files};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::local_ports;
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{ThreadWaits, TimeWaits, open_files};

use rustix::process::{Resource, getrlimit};

/// What the whole process holds, and what is left to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) open_files: Option<u64>,
    pub(crate) open_files_limit: Option<u64>,
    pub(crate) free_ports: Option<u64>,
}

/// Looks at what the process holds. Its sources are opened once: a process without descriptors could not open them.
#[derive(Debug)]
pub(crate) struct Inventory {
    /// Local ports for outgoing connections, over all local addresses.
    ports: Option<u64>,
    time_waits: TimeWaits,
}

impl Inventory {
    /// For connections from this many local addresses.
    pub(crate) fn open(local_addresses: u64) -> Self {
        let ports = local_ports().map(|ports| ports.saturating_mul(local_addresses));
        Self { ports, time_waits: TimeWaits::open() }
    }

    /// What is held while this many connections are open.
    pub(crate) fn take(&self, connections: u64) -> Holdings {
        let limit = getrlimit(Resource::Nofile).current;
        let left = |(ports, waiting): (u64, u64)| ports.saturating_sub(connections).saturating_sub(waiting);
        Holdings {
            open_files: open_files(limit),
            open_files_limit: limit,
            free_ports: self.ports.zip(self.time_waits.count()).map(left),
        }
    }
}
