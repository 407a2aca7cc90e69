//! `verdict check`, `report` and `schema`: one run, judged and rendered.

use std::path::PathBuf;
use std::process::ExitCode;

use plimsoll_record::run::{CSV_FILE, HTML_FILE, JUNIT_FILE, MARKDOWN_FILE, VERDICT_FILE};
use plimsoll_report::{annotations, csv, html, junit, markdown, terminal};

use crate::args::{Check, Format, Report};
use crate::judging::{Judged, judge};
use crate::{outcome, output};

/// Judges a run, prints the verdict and keeps it.
pub(crate) fn check(args: &Check) -> anyhow::Result<ExitCode> {
    let judged = judge(&args.run, &args.by)?;
    let (facts, verdict) = (&judged.facts, &judged.verdict);
    let json = output::json(verdict);
    output::print(&match args.format {
        Format::Text => terminal(verdict, output::style()),
        Format::Json => json.clone(),
        Format::Markdown => markdown(facts, verdict),
        Format::Github => annotations(verdict),
        Format::Junit => junit(verdict),
        Format::Csv => csv(verdict),
    })?;
    if let Err(error) = facts.run.write_derived(VERDICT_FILE, &json) {
        // A record on a read-only disk can be judged all the same.
        output::warn(&error.into());
    }
    Ok(outcome::of_verdict(verdict.judgement, args.strict))
}

/// Writes what was asked for; without a word, the page and the summary.
pub(crate) fn report(args: &Report) -> anyhow::Result<ExitCode> {
    let judged = judge(&args.run, &args.by)?;
    let usual = [&args.html, &args.md, &args.junit, &args.csv].iter().all(|asked| asked.is_none());
    let by_default = |asked: &Option<Option<PathBuf>>| if usual { Some(None) } else { asked.clone() };
    write(&judged, by_default(&args.html), HTML_FILE, |judged| html(&judged.facts, &judged.verdict))?;
    write(&judged, by_default(&args.md), MARKDOWN_FILE, |judged| markdown(&judged.facts, &judged.verdict))?;
    write(&judged, args.junit.clone(), JUNIT_FILE, |judged| junit(&judged.verdict))?;
    write(&judged, args.csv.clone(), CSV_FILE, |judged| csv(&judged.verdict))?;
    Ok(outcome::done())
}

/// Prints the schema of `verdict.json`.
pub(crate) fn schema() -> anyhow::Result<ExitCode> {
    output::print(&plimsoll_record::verdict::schema())?;
    Ok(outcome::done())
}

/// Writes one rendering, if it was asked for, to its file or to the one that was named.
#[expect(clippy::option_option, reason = "absent, given, given with a file: as clap has it")]
fn write(
    judged: &Judged,
    asked: Option<Option<PathBuf>>,
    name: &str,
    render: fn(&Judged) -> String,
) -> anyhow::Result<()> {
    let Some(file) = asked else { return Ok(()) };
    let content = render(judged);
    let path: PathBuf = match file {
        Some(path) => output::write(&path, &content)?,
        None => judged.facts.run.write_derived(name, &content)?,
    };
    output::print(&format!("{}\n", path.display()))
}
