//! Where there is no `/proc`: nothing is known, and nothing is claimed.

/// How long a thread waited for a core.
#[derive(Debug)]
pub(crate) struct ThreadWaits;

impl ThreadWaits {
    /// Of the calling thread.
    pub(crate) fn of_this_thread() -> Self {
        Self
    }

    /// Not known here.
    #[expect(clippy::unused_self, reason = "the twin module needs its file")]
    pub(crate) fn so_far_ns(&self) -> Option<u64> {
        None
    }
}

/// TCP connections in TIME_WAIT.
#[derive(Debug)]
pub(crate) struct TimeWaits;

impl TimeWaits {
    /// The source.
    pub(crate) fn open() -> Self {
        Self
    }

    /// Not known here.
    #[expect(clippy::unused_self, reason = "the twin module needs its file")]
    pub(crate) fn count(&self) -> Option<u64> {
        None
    }
}

/// Not known here.
pub(crate) fn open_files(_limit: Option<u64>) -> Option<u64> {
    None
}

/// Not known here.
#[must_use]
pub fn local_ports() -> Option<u64> {
    None
}
