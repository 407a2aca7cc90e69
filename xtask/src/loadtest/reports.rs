//! The folder of `--report-dir`: what a pipeline keeps of a load test. Reports and verdicts are copied as the tools wrote
//! them; `summary.json` lists all plans in one place.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::say;

use super::summary::Row;

const VERDICT: &str = "verdict.json";
const FILES: [&str; 3] = ["report.html", "report.md", VERDICT];
const SUMMARY: &str = "summary.json";

pub(super) fn write(dir: &Path, rows: &[Row]) -> anyhow::Result<()> {
    for row in rows {
        copy(&row.dir, &dir.join(row.plan.replace('/', "-")))?;
    }
    let path = dir.join(SUMMARY);
    let tests: Vec<Value> = rows.iter().map(entry).collect();
    let summary = json!({ "timestamp": jiff::Timestamp::now().to_string(), "tests": tests });
    let text = serde_json::to_string_pretty(&summary).expect("it is JSON already");
    fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    say::result(format!("reports: {}", dir.display()));
    Ok(())
}

/// A plan that did not come to its end lacks some of them.
fn copy(from: &Path, into: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(into).with_context(|| format!("cannot create {}", into.display()))?;
    for file in FILES.iter().filter(|file| from.join(file).is_file()) {
        fs::copy(from.join(file), into.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    Ok(())
}

/// What became of one plan. What is not known is null, never zero.
fn entry(row: &Row) -> Value {
    let verdict = fs::read_to_string(row.dir.join(VERDICT)).ok().and_then(|text| serde_json::from_str(&text).ok());
    let verdict: Value = verdict.unwrap_or_default();
    let traffic = &verdict["traffic"];
    let executed = traffic["finished"].as_u64();
    let failed = executed.zip(traffic["error_rate"].as_f64()).map(|(all, share)| (all as f64 * share).round() as u64);
    let criteria = verdict["criteria"].as_array().map(Vec::as_slice).unwrap_or_default();
    let missed = criteria.iter().filter(|result| result["judgement"] == "fail" || result["judgement"] == "warn");
    json!({
        "test": row.plan,
        "judgement": row.word(),
        "exit_code": row.code,
        "seconds": row.seconds,
        "executed": executed,
        "succeeded": executed.zip(failed).map(|(all, failed)| all - failed),
        "p95_ns": traffic["p95_ns"],
        "measured": criteria.iter().map(measured).collect::<Vec<_>>(),
        "sla_violations": missed.map(|result| result["reason"].clone()).collect::<Vec<_>>(),
    })
}

fn measured(result: &Value) -> Value {
    let words = ["expression", "scope", "judgement", "value", "unit"];
    words.into_iter().map(|word| (word.to_owned(), result[word].clone())).collect::<serde_json::Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_copied_and_summed_up_and_what_is_not_known_is_null() {
        let (run, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let verdict = json!({
            "judgement": "fail", "sentence": "p95 is high", "traffic": { "finished": 200, "error_rate": 0.015, "p95_ns": 7, "p95_at_least": false },
            "criteria": [
                { "expression": "p95 < 1s", "scope": "", "judgement": "fail", "value": 2e9, "unit": "nanoseconds", "reason": "p95 is 2.00 s" },
                { "expression": "p99 < 3s", "scope": "", "judgement": "pass", "value": 2.5e9, "unit": "nanoseconds", "reason": "fine" },
            ],
        });
        fs::write(run.path().join(VERDICT), verdict.to_string()).unwrap();
        let row = |plan: &str, dir: &Path| Row {
            plan: plan.to_owned(),
            dir: dir.to_owned(),
            code: 1,
            seconds: 3,
            verdict: super::super::summary::verdict_in(dir),
            report: None,
        };
        write(out.path(), &[row("group/slow", run.path()), row("none", out.path())]).unwrap();
        assert!(out.path().join("group-slow").join(VERDICT).is_file());
        let text = fs::read_to_string(out.path().join(SUMMARY)).unwrap();
        let tests = &serde_json::from_str::<Value>(&text).unwrap()["tests"];
        let slow = &tests[0];
        assert_eq!(
            (&slow["executed"], &slow["succeeded"], &slow["judgement"]),
            (&json!(200), &json!(197), &json!("fail"))
        );
        assert_eq!(slow["sla_violations"], json!(["p95 is 2.00 s"]));
        assert_eq!(slow["measured"][1]["value"], 2.5e9);
        assert!(tests[1]["executed"].is_null() && tests[1]["succeeded"].is_null(), "{text}");
    }
}
