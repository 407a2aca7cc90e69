//! Writes the report of a synthetic, eventful run, to look at while working on the page:
//! `cargo run -p plimsoll-report --example synthetic_report -- DIRECTORY`. Not a measurement of anything.

#[expect(dead_code, clippy::unwrap_used, reason = "shared with the tests, which use all of it and may panic")]
#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "synthetic-run".to_owned()));
    let facts = fixture::run(&dir, &fixture::Shape::eventful());
    let verdict = fixture::verdict();
    std::fs::write(dir.join("report.html"), plimsoll_report::html(&facts, &verdict))?;
    std::fs::write(dir.join("report.md"), plimsoll_report::markdown(&facts, &verdict))?;
    let style = plimsoll_report::TerminalStyle { width: 100, color: false };
    std::fs::write(dir.join("verdict.txt"), plimsoll_report::terminal(&verdict, style))
}
