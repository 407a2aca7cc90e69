//! Ctrl-C, SIGTERM and SIGHUP as a count that waiting code looks at. Nothing is torn down in the handler: the waits
//! end with an error, and the owners of processes take them down as they go out of scope.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;

static COUNT: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

pub(crate) fn install() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        COUNT.fetch_add(1, Ordering::SeqCst);
    })
    .context("cannot listen for Ctrl-C")
}

/// How often the user has asked to stop, so far.
pub(crate) fn count() -> usize {
    COUNT.load(Ordering::SeqCst)
}

/// An error once the user has asked to stop: call it before anything that takes long.
pub(crate) fn check() -> Result<(), Interrupted> {
    if count() == 0 { Ok(()) } else { Err(Interrupted) }
}
