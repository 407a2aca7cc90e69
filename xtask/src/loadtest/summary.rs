//! The table after several plans: what became of each. The numbers are the verdict's; nothing is computed here.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use serde::Deserialize;

use crate::outcome::{self, FAIL, INCONCLUSIVE, PASS};

const VERDICT: &str = "verdict.json";

/// What became of one plan.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) plan: String,
    pub(crate) dir: PathBuf,
    pub(crate) code: u8,
    pub(crate) seconds: u64,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) report: Option<PathBuf>,
}

/// As much of a verdict as fits into a table.
#[derive(Debug, Deserialize)]
pub(crate) struct Verdict {
    judgement: String,
    sentence: String,
    traffic: Option<Traffic>,
}

#[derive(Debug, Deserialize)]
struct Traffic {
    finished: u64,
    error_rate: Option<f64>,
    p95_ns: Option<u64>,
    p95_at_least: bool,
}

/// The verdict on the run in `dir`, if there is one.
pub(crate) fn verdict_in(dir: &Path) -> Option<Verdict> {
    serde_json::from_str(&fs::read_to_string(dir.join(VERDICT)).ok()?).ok()
}

/// The table. The colour is taken out again where the stream shows none.
pub(crate) fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.plan.len()).max().unwrap_or(0).max("plan".len());
    let mut text =
        format!("{:width$}  {:<19}  {:>7}  {:>9}  {:>8}  {:>9}", "plan", "result", "time", "requests", "errors", "p95");
    for row in rows {
        let (word, style) = (row.word(), row.style());
        let traffic = row.verdict.as_ref().and_then(|verdict| verdict.traffic.as_ref());
        let cell = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
        let requests = cell(traffic.map(|traffic| traffic.finished.to_string()));
        let errors = cell(traffic.and_then(|traffic| Some(format!("{:.2} %", traffic.error_rate? * 100.0))));
        let p95 = cell(traffic.and_then(Traffic::p95));
        let time = format!("{} s", row.seconds);
        let _ = write!(
            text,
            "\n{:width$}  {style}{word:<19}{style:#}  {time:>7}  {requests:>9}  {errors:>8}  {p95:>9}\n    {}\n    {}",
            row.plan,
            row.decided(),
            row.report.as_ref().map_or_else(|| "no report".to_owned(), |path| path.display().to_string()),
        );
    }
    text
}

impl Row {
    /// The verdict, where the exit code is its own: a plan that passed may have passed with a warning.
    fn judged(&self) -> Option<&Verdict> {
        let verdict = self.verdict.as_ref()?;
        let code = match verdict.judgement.as_str() {
            "pass" | "warn" => PASS,
            "fail" => FAIL,
            _ => INCONCLUSIVE,
        };
        (code == self.code).then_some(verdict)
    }

    pub(super) fn word(&self) -> &str {
        self.judged().map_or_else(|| outcome::word(self.code), |verdict| &verdict.judgement)
    }

    fn decided(&self) -> &str {
        self.judged().map_or("see above", |verdict| &verdict.sentence)
    }

    fn style(&self) -> Style {
        let color = match self.word() {
            "pass" => AnsiColor::Green,
            "warn" | "inconclusive" => AnsiColor::Yellow,
            _ => AnsiColor::Red,
        };
        color.on_default().bold()
    }
}

impl Traffic {
    fn p95(&self) -> Option<String> {
        let millis = self.p95_ns? as f64 / 1e6;
        let bound = if self.p95_at_least { "≥ " } else { "" };
        Some(if millis < 1000.0 {
            format!("{bound}{millis:.1} ms")
        } else {
            format!("{bound}{:.2} s", millis / 1000.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(plan: &str, code: u8, verdict: Option<&str>) -> Row {
        let verdict = verdict.map(|text| serde_json::from_str(text).unwrap());
        Row { plan: plan.to_owned(), dir: PathBuf::new(), code, seconds: 7, verdict, report: None }
    }

    #[test]
    fn the_table_says_what_became_of_each_plan() {
        let warned = r#"{"judgement": "warn", "sentence": "p95 is 2.10 s, limit 2.00 s",
            "traffic": {"finished": 12345, "error_rate": 0.0125, "p95_ns": 2100000000, "p95_at_least": true}}"#;
        let quiet = r#"{"judgement": "fail", "sentence": "memory grows"}"#;
        let rows = [row("harness/mixed", 0, Some(warned)), row("quick", 1, Some(quiet)), row("spike", 4, Some(quiet))];
        let plain = anstream::adapter::strip_str(&table(&rows)).to_string();
        assert_eq!(
            plain,
            "plan           result                  time   requests    errors        p95\n\
             harness/mixed  warn                     7 s      12345    1.25 %   ≥ 2.10 s\n    \
             p95 is 2.10 s, limit 2.00 s\n    no report\n\
             quick          fail                     7 s          -         -          -\n    \
             memory grows\n    no report\n\
             spike          environment error        7 s          -         -          -\n    \
             see above\n    no report"
        );
    }

    #[test]
    fn results_are_coloured() {
        assert!(table(&[row("quick", 0, None)]).contains("\u{1b}["));
    }

    #[test]
    fn a_damaged_verdict_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(verdict_in(dir.path()).is_none());
        fs::write(dir.path().join(VERDICT), "{").unwrap();
        assert!(verdict_in(dir.path()).is_none());
    }
}
