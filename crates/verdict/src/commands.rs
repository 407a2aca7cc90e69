//! What `verdict` does besides judging and rendering one run: a file per command.

pub(crate) mod compare;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod lint;
pub(crate) mod merge;
pub(crate) mod replay;
pub(crate) mod suggest;
pub(crate) mod trend;

mod runs;
mod table;
