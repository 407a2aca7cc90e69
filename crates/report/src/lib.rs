//! Renders a recorded run and its verdict: one HTML page, a Markdown summary, lines for a terminal; the verdict alone as
//! JUnit, annotations of a CI job and CSV.
//!
//! Renderers format, they never compute: every number comes from [`plimsoll_record::summary`] or the verdict.
//! Strings of a record were written by others (endpoint names, log lines, error texts), so each renderer makes
//! them inert for its medium. Judging lives in `plimsoll-criteria`; choosing files and streams in the binaries.
//!
//! To add a section to the page: one file under `page/` with a `section(&View) -> Markup`, and one line in
//! `page.rs`. A chart is data handed to `chart`, which knows axes, gaps, labels, the shared cursor and the table
//! behind the picture.

mod criterion;
mod lines;
mod numbers;
mod text;
mod time;
mod view;

mod chart;
mod page;

mod markdown;
mod terminal;

mod annotations;
mod csv;
mod junit;

pub use annotations::annotations;
pub use criterion::{limit, value};
pub use csv::csv;
pub use junit::junit;
pub use markdown::{escape as markdown_text, markdown};
pub use page::html;
pub use terminal::{TerminalStyle, terminal, wrap as wrapped};
pub use text::{cut, plain};
