//! `verdict lint`: which criteria a plan can decide at its rate and duration, said before it runs.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use plimsoll_criteria::forecast::{Forecast, planned};
use plimsoll_criteria::{Outlook, Prospect};
use plimsoll_plan::{Criterion, Override, Plan, SourceText, Surroundings};
use plimsoll_record::verdict::Severity;
use serde_json::json;

use super::table::Table;
use crate::args::{Lint, TableFormat};
use crate::judging::Trouble;
use crate::{outcome, output};

/// What users of closed phases are taken to wait for an answer.
const ANSWER: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &Lint) -> anyhow::Result<ExitCode> {
    let plan = read(args)?;
    let forecast = Forecast::of(&plan, planned(&plan), &|all| all, ANSWER);
    let outlooks = forecast.outlooks(&plan);
    match args.format {
        TableFormat::Text => output::print(&text(&plan, &outlooks, forecast.is_estimate))?,
        TableFormat::Json => output::print(&json(&plan, &outlooks))?,
    }
    let undecidable = |(criterion, outlook): &(&Criterion, Outlook)| {
        outlook.prospect == Prospect::Undecidable && criterion.severity == Severity::Require
    };
    let decides = !outlooks.is_empty() && !outlooks.iter().any(undecidable);
    Ok(if decides { outcome::done() } else { outcome::undecided() })
}

fn read(args: &Lint) -> Result<Plan, Trouble> {
    let text =
        std::fs::read_to_string(&args.plan).map_err(|source| Trouble::Criteria { path: args.plan.clone(), source })?;
    let overrides = args.overrides.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>, _>>();
    let overrides = overrides.map_err(|error| Trouble::Override { reason: error.to_string() })?;
    let directory = args.plan.parent().unwrap_or(Path::new(""));
    let file = |name: &str| std::fs::read(directory.join(name));
    let surroundings = Surroundings { environment: &environment, file: &file };
    let parse = if args.quick { plimsoll_plan::parse_quick } else { plimsoll_plan::parse };
    let source = SourceText { name: args.plan.display().to_string(), text };
    parse(&source, &overrides, &surroundings).map_err(Trouble::Plan)
}

#[expect(clippy::disallowed_methods, reason = "a binary reads the environment and hands the library a lookup")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn text(plan: &Plan, outlooks: &[(&Criterion, Outlook)], is_estimate: bool) -> String {
    if outlooks.is_empty() {
        return "the plan has no criteria, so nothing of it can pass; add [criteria]\n".to_owned();
    }
    let mut table = Table::new(&["can it decide?", "", "criterion", "why"]);
    for (criterion, outlook) in outlooks {
        let severity = if criterion.severity == Severity::Require { "require" } else { "prefer" };
        let id = if criterion.id == criterion.text { String::new() } else { format!(" ({})", criterion.id) };
        table.row(&[
            word(outlook.prospect).to_owned(),
            severity.to_owned(),
            format!("{}{id}", criterion.text),
            outlook.reason.clone(),
        ]);
    }
    let estimate = if is_estimate { "\nwhat users do is an estimate, with answers of 100 ms\n" } else { "" };
    format!("{}\n\n{}{estimate}", plimsoll_report::plain(&plan.name), table.text())
}

fn json(plan: &Plan, outlooks: &[(&Criterion, Outlook)]) -> String {
    let of = |(criterion, outlook): &(&Criterion, Outlook)| {
        json!({
            "id": criterion.id, "expression": criterion.text, "required": criterion.severity == Severity::Require,
            "decidable": word(outlook.prospect), "requests_needed": outlook.requests_needed, "reason": outlook.reason,
        })
    };
    format!(
        "{:#}\n",
        json!({ "format": 1, "plan": plan.name, "criteria": outlooks.iter().map(of).collect::<Vec<_>>() })
    )
}

fn word(prospect: Prospect) -> &'static str {
    match prospect {
        Prospect::Decidable => "yes",
        Prospect::Doubtful => "perhaps",
        Prospect::Undecidable => "no",
    }
}
