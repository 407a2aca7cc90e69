//! `verdict compare`: what got slower between runs, and what else differs between them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use plimsoll_criteria::comparison::{
    Change, FEWEST_BASES, Finding, Tolerance, against_history, against_one, differences,
};
use plimsoll_record::summary::Facts;
use plimsoll_record::units::Unit;
use serde_json::json;

use super::runs;
use super::table::Table;
use crate::args::{Compare, TableFormat};
use crate::judging::Trouble;
use crate::{outcome, output};

/// What was compared, and how.
struct Compared {
    base: String,
    candidate: String,
    method: String,
    changes: Vec<Change>,
    environment: Vec<String>,
}

pub(crate) fn run(args: &Compare) -> anyhow::Result<ExitCode> {
    let (candidate, bases) = args.runs.split_last().ok_or(Trouble::NothingLeft)?;
    let compared = compare(args, bases, candidate)?;
    match args.format {
        TableFormat::Text => output::print(&text(&compared))?,
        TableFormat::Json => output::print(&json(&compared))?,
    }
    let worst = compared.changes.iter().map(|change| change.finding).max();
    // Another machine or plan explains more than the code does: that is worth a look, and no failure.
    let failed = worst == Some(Finding::MuchWorse) && compared.environment.is_empty();
    Ok(if failed { outcome::failed() } else { outcome::done() })
}

fn compare(args: &Compare, bases: &[PathBuf], candidate: &Path) -> anyhow::Result<Compared> {
    let tolerance = Tolerance { relative: args.tolerance, ..Tolerance::default() };
    let last = bases.last().ok_or(Trouble::NothingLeft)?;
    let (before, after) = (Facts::load(last).map_err(Trouble::Load)?, Facts::load(candidate).map_err(Trouble::Load)?);
    let id = |facts: &Facts| facts.run.info().id.clone();
    let environment = differences(&before, &after);
    if bases.len() >= FEWEST_BASES && args.phase.is_none() {
        let history = bases.iter().map(|dir| runs::digest(dir, false)).collect::<anyhow::Result<Vec<_>>>()?;
        let now = runs::digest(candidate, false)?;
        return Ok(Compared {
            base: format!("{} runs up to {}", history.len(), id(&before)),
            candidate: id(&after),
            method: format!(
                "phase {}; each metric against the 95 % prediction interval of {} runs; changes up to {} are none",
                now.phase,
                history.len(),
                Unit::Share.show(args.tolerance)
            ),
            changes: against_history(&history, &now, tolerance),
            environment,
        });
    }
    let phase = match &args.phase {
        Some(phase) => phase.clone(),
        None => longest_phase(&before).unwrap_or_default(),
    };
    Ok(Compared {
        base: id(&before),
        candidate: id(&after),
        method: format!(
            "phase {phase}; one run each, 95 % intervals from blocks of time; changes up to {} are none. \
             What runs differ by from day to day takes {FEWEST_BASES} base runs or more",
            Unit::Share.show(args.tolerance)
        ),
        changes: against_one(&before, &after, &phase, tolerance).map_err(Trouble::Compare)?,
        environment,
    })
}

fn longest_phase(facts: &Facts) -> Option<String> {
    let index = facts.longest_phase()? as usize;
    facts.traffic.as_ref()?.header.body.phases.get(index).map(|phase| phase.name.clone())
}

fn text(compared: &Compared) -> String {
    let mut table = Table::new(&["endpoint", "metric", ">base", ">candidate", ">change", "95 % interval", ""]);
    for change in &compared.changes {
        let endpoint = if change.endpoint.is_empty() { "(all)" } else { &change.endpoint };
        let [size, low, high] = [change.change, change.range.low, change.range.high].map(|part| shown(change, part));
        table.row(&[
            endpoint.to_owned(),
            change.metric.to_owned(),
            change.unit.show(change.base),
            change.unit.show(change.candidate),
            size,
            format!("{low} to {high}"),
            change.finding.word().to_owned(),
        ]);
    }
    let mut out = format!(
        "{}\n{} -> {}\n{}\n\n{}",
        sentence(compared),
        plimsoll_report::plain(&compared.base),
        plimsoll_report::plain(&compared.candidate),
        plimsoll_report::plain(&compared.method),
        table.text()
    );
    if !compared.environment.is_empty() {
        out += "\nwhat else differs\n";
        compared.environment.iter().for_each(|line| out += &format!("  - {}\n", plimsoll_report::plain(line)));
    }
    out
}

/// What got worse, the worst first; else what the comparison says of it.
fn sentence(compared: &Compared) -> String {
    let mut worse: Vec<&Change> = compared.changes.iter().filter(|change| change.finding >= Finding::Worse).collect();
    worse.sort_by(|a, b| b.finding.cmp(&a.finding).then(b.change.abs().total_cmp(&a.change.abs())));
    let of = |change: &Change| {
        let endpoint = if change.endpoint.is_empty() { String::new() } else { format!(" of {}", change.endpoint) };
        format!("{}{endpoint} {}", change.metric, shown(change, change.change))
    };
    let unclear = compared.changes.iter().filter(|change| change.finding == Finding::Unclear).count();
    let text = match worse.as_slice() {
        [] if compared.changes.is_empty() => "nothing could be compared".to_owned(),
        [] if unclear > 0 => format!("nothing is surely worse; {unclear} of {} are unclear", compared.changes.len()),
        [] => "nothing is worse".to_owned(),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
            let doubt = if compared.environment.is_empty() { "" } else { ", but the environment differs too" };
            format!("worse: {}{more}{doubt}", of(first))
        }
    };
    plimsoll_report::plain(&text)
}

/// A change with its sign: percent, or points for shares.
fn shown(change: &Change, size: f64) -> String {
    let unit = if change.unit == Unit::Share { "points" } else { "%" };
    format!("{:+.1} {unit}", size * 100.0)
}

fn json(compared: &Compared) -> String {
    let change = |change: &Change| {
        json!({
            "endpoint": change.endpoint, "metric": change.metric, "unit": change.unit.word(),
            "base": change.base, "candidate": change.candidate, "change": change.change,
            "low": change.range.low, "high": change.range.high, "finding": change.finding.word(),
        })
    };
    let document = json!({
        "format": 1,
        "base": compared.base,
        "candidate": compared.candidate,
        "sentence": sentence(compared),
        "method": compared.method,
        "changes": compared.changes.iter().map(change).collect::<Vec<_>>(),
        "environment": compared.environment,
    });
    format!("{document:#}\n")
}
