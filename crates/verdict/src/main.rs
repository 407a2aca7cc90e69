//! `verdict`: judges a recorded run and renders its report. Arguments, files and exit codes; the logic lives in
//! `plimsoll-criteria`, the looks in `plimsoll-report`.

mod args;
mod judging;
mod outcome;
mod output;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use plimsoll_record::run::{HTML_FILE, MARKDOWN_FILE, VERDICT_FILE};
use plimsoll_report::{html, markdown, terminal};

use crate::args::{Action, Check, Command, Format, Report};
use crate::judging::judge;

fn main() -> ExitCode {
    let done = match Command::parse().action {
        Action::Check(args) => check(&args),
        Action::Report(args) => report(&args),
    };
    done.unwrap_or_else(|error| {
        output::error(&error);
        outcome::of_error(&error)
    })
}

fn check(args: &Check) -> anyhow::Result<ExitCode> {
    let judged = judge(&args.run, args.criteria.as_deref())?;
    let json = output::json(&judged.verdict);
    match args.format {
        Format::Text => output::print(&terminal(&judged.verdict, output::style()))?,
        Format::Json => output::print(&json)?,
    }
    if let Err(error) = judged.facts.run.write_derived(VERDICT_FILE, &json) {
        // A record on a read-only disk can be judged all the same.
        output::warn(&error.into());
    }
    Ok(outcome::of_verdict(judged.verdict.judgement, args.strict))
}

fn report(args: &Report) -> anyhow::Result<ExitCode> {
    let judged = judge(&args.run, args.criteria.as_deref())?;
    let both = args.html.is_none() && args.md.is_none();
    let write = |file: Option<&Path>, name: &str, content: String| -> anyhow::Result<()> {
        let path: PathBuf = match file {
            Some(path) => output::write(path, &content)?,
            None => judged.facts.run.write_derived(name, &content)?,
        };
        output::print(&format!("{}\n", path.display()))
    };
    if both || args.html.is_some() {
        write(
            args.html.iter().flatten().next().map(PathBuf::as_path),
            HTML_FILE,
            html(&judged.facts, &judged.verdict),
        )?;
    }
    if both || args.md.is_some() {
        let text = markdown(&judged.facts, &judged.verdict);
        write(args.md.iter().flatten().next().map(PathBuf::as_path), MARKDOWN_FILE, text)?;
    }
    Ok(outcome::done())
}
