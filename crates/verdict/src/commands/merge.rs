//! `verdict merge`: the segments of one load as one run.

use std::process::ExitCode;

use crate::args::Merge;
use crate::judging::Trouble;
use crate::{outcome, output};

pub(crate) fn run(args: &Merge) -> anyhow::Result<ExitCode> {
    let producer = concat!("verdict ", env!("CARGO_PKG_VERSION"));
    let whole = plimsoll_record::merge::merge(&args.parts, &args.out, producer).map_err(Trouble::Merge)?;
    output::print(&format!("{}\n", whole.path().display()))?;
    Ok(outcome::done())
}
