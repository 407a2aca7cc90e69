//! Words for the person in front: progress on stderr, results on stdout. A failed write is ignored on purpose:
//! a terminal that is gone must not keep the stack from being taken down.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};

const STEP: Style = AnsiColor::Cyan.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// What is being done now.
pub(crate) fn step(message: impl AsRef<str>) {
    let _ = writeln!(anstream::stderr(), "{STEP}xtask:{STEP:#} {}", message.as_ref());
}

/// Something the user should know, and the work goes on.
pub(crate) fn warn(message: impl AsRef<str>) {
    let _ = writeln!(anstream::stderr(), "{WARNING}xtask:{WARNING:#} {}", message.as_ref());
}

/// Why the work ended: the message and every cause under it.
pub(crate) fn error(error: &anyhow::Error) {
    let _ = writeln!(anstream::stderr(), "{ERROR}error:{ERROR:#} {error:#}");
}

/// A line of the result.
pub(crate) fn result(line: impl AsRef<str>) {
    let _ = writeln!(anstream::stdout(), "{}", line.as_ref());
}
