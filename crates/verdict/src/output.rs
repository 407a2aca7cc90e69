//! Streams and files: results to stdout, trouble to stderr, colour where the stream shows it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use plimsoll_record::verdict::Verdict;
use plimsoll_report::TerminalStyle;

use crate::judging::Trouble;

/// Columns where the terminal does not say how many it has.
const USUAL_WIDTH: usize = 100;

/// The verdict as it stands in verdict.json.
pub(crate) fn json(verdict: &Verdict) -> String {
    let mut text = serde_json::to_string_pretty(verdict).expect("a verdict has string keys and finite numbers only");
    text.push('\n');
    text
}

/// The columns of the terminal; COLUMNS where it is set; else what suits a page.
pub(crate) fn width() -> usize {
    let stated = std::env::var_os("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
    let terminal = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    stated.or_else(terminal).filter(|columns| *columns > 0).unwrap_or(USUAL_WIDTH)
}

/// How to write to stdout. Colours are always in the text; the stream takes them out for files, pipes and NO_COLOR.
pub(crate) fn style() -> TerminalStyle {
    TerminalStyle { width: width(), color: true }
}

/// Prints a result.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // Whoever read our output has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("cannot write to stdout"),
    }
}

/// Writes a file that the user named.
pub(crate) fn write(path: &Path, content: &str) -> anyhow::Result<PathBuf> {
    std::fs::write(path, content).with_context(|| format!("cannot write {}; choose another file", path.display()))?;
    Ok(path.to_owned())
}

/// Says why there is no result.
pub(crate) fn error(error: &anyhow::Error) {
    say(&match error.downcast_ref::<Trouble>() {
        Some(Trouble::Plan(problems)) => problems.render(true),
        _ => format!("error: {error:#}"),
    });
}

/// Says what went wrong besides.
pub(crate) fn warn(error: &anyhow::Error) {
    say(&format!("warning: {error:#}"));
}

fn say(text: &str) {
    let mut stderr = anstream::stderr().lock();
    // There is nowhere left to say that stderr is closed.
    drop(writeln!(stderr, "{text}"));
}
