//! `verdict replay`: runs of the past, judged by other criteria.

use std::process::ExitCode;

use plimsoll_record::verdict::{Judgement, Verdict};
use serde_json::json;

use super::runs;
use super::table::Table;
use crate::args::{By, Replay, TableFormat};
use crate::judging::{Trouble, judge};
use crate::{outcome, output};

pub(crate) fn run(args: &Replay) -> anyhow::Result<ExitCode> {
    let by = By { criteria: args.criteria.clone(), ..By::default() };
    let mut verdicts = Vec::new();
    for dir in runs::directories(&args.runs)? {
        match judge(&dir, &by) {
            Ok(judged) => verdicts.push(judged.verdict),
            // A mistake in the file of criteria is the same for all runs.
            Err(error @ (Trouble::Plan(_) | Trouble::Criteria { .. })) => return Err(error.into()),
            Err(error) => output::warn(&anyhow::Error::from(error).context(format!("{} is left out", dir.display()))),
        }
    }
    let worst = verdicts.iter().map(|verdict| verdict.judgement).max().ok_or(Trouble::NothingLeft)?;
    match args.format {
        TableFormat::Text => output::print(&text(&verdicts))?,
        TableFormat::Json => output::print(&json(&verdicts))?,
    }
    Ok(outcome::of_verdict(worst, false))
}

fn text(verdicts: &[Verdict]) -> String {
    let mut table = Table::new(&["run", "verdict", "what decided"]);
    for verdict in verdicts {
        let sentence = plimsoll_report::cut(&verdict.sentence, 100);
        table.row(&[verdict.run.clone(), verdict.judgement.word().to_owned(), sentence]);
    }
    let all = [Judgement::Pass, Judgement::Warn, Judgement::Inconclusive, Judgement::Fail];
    let counts = all.into_iter().filter_map(|judgement| {
        let n = verdicts.iter().filter(|verdict| verdict.judgement == judgement).count();
        (n > 0).then(|| format!("{n} {}", judgement.word()))
    });
    format!("{}\n{}\n", table.text(), counts.collect::<Vec<_>>().join(", "))
}

fn json(verdicts: &[Verdict]) -> String {
    format!("{:#}\n", json!({ "format": 1, "verdicts": verdicts }))
}
