//! Golden runs: records of the shipped plans, made by real runs and kept in `tests/runs/`, must be read and judged
//! forever. Every renderer's output of each is compared with what it was.
//!
//! After a deliberate change of criteria or looks: `INSTA_UPDATE=always cargo test -p verdict --test golden`, then
//! read the difference.

#![expect(clippy::unwrap_used, reason = "a test may panic; what it panics with says why")]

use std::path::{Path, PathBuf};

use plimsoll_record::summary::Facts;
use plimsoll_record::verdict::Verdict;
use plimsoll_report::{TerminalStyle, annotations, csv, html, junit, markdown, terminal};

/// Most bytes of a kept run: dozens of them fit into the repository.
const MOST_BYTES: u64 = 100_000;

fn runs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/runs");
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut runs: Vec<PathBuf> = entries.filter(|path| path.join("run.json").is_file()).collect();
    runs.sort();
    assert!(runs.len() >= 8, "the golden runs are gone: {runs:?}");
    runs
}

fn judged(run: &Path) -> (Facts, Verdict) {
    let facts = Facts::load(run).unwrap_or_else(|error| panic!("{}: {error}", run.display()));
    let plan = plimsoll_plan::parse_recorded(facts.plan.as_deref().unwrap());
    let plan = plan.unwrap_or_else(|problems| panic!("{}: {problems}", run.display()));
    let verdict = plimsoll_criteria::judge(&facts, &plan, &plan.criteria).unwrap();
    (facts, verdict)
}

fn name(run: &Path) -> String {
    run.file_name().unwrap().to_string_lossy().into_owned()
}

fn json(verdict: &Verdict) -> String {
    serde_json::to_string_pretty(verdict).unwrap()
}

fn keep(run: &Path, what: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(run.join("expected"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(what, text));
}

/// The words of a page, block by block: what a reader sees, without the looks.
fn words(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    let mut out = String::new();
    let mut rest = body;
    while let Some((text, tail)) = rest.split_once('<') {
        out.push_str(text);
        let (tag, tail) = tail.split_once('>').unwrap();
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        // A picture's words stand in the table behind it; a script says nothing.
        rest = match tag.split(' ').next().unwrap() {
            skipped @ ("svg" | "script" | "style") => tail.split_once(&format!("</{skipped}>")).unwrap().1,
            _ => tail,
        };
        if !["a", "b", "em", "strong", "span", "code", "small", "abbr", "br"].contains(&name) {
            out.push('\n');
        }
    }
    let lines = out.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_kept_run_is_judged_and_rendered_as_it_was() {
    for run in runs() {
        let (facts, verdict) = judged(&run);
        keep(&run, "verdict.json", &json(&verdict));
        keep(&run, "terminal", &terminal(&verdict, TerminalStyle { width: 100, color: false }));
        keep(&run, "markdown", &markdown(&facts, &verdict));
        keep(&run, "junit", &junit(&verdict));
        keep(&run, "annotations", &annotations(&verdict));
        keep(&run, "csv", &csv(&verdict));
        keep(&run, "page", &words(&html(&facts, &verdict)));
    }
}

#[test]
fn a_verdict_computed_again_is_the_same_to_the_byte_and_so_is_the_page() {
    for run in runs() {
        let ((facts, first), (again, second)) = (judged(&run), judged(&run));
        assert_eq!(json(&first), json(&second), "{}", name(&run));
        assert_eq!(html(&facts, &first), html(&again, &second), "{}", name(&run));
        let read: Verdict = serde_json::from_str(&json(&first)).unwrap();
        assert_eq!(json(&read), json(&first), "{}", name(&run));
    }
}

#[test]
fn a_kept_run_is_small_and_holds_nothing_that_is_derived() {
    for run in runs() {
        let files = std::fs::read_dir(&run).unwrap().map(|entry| entry.unwrap());
        let files: Vec<_> = files.filter(|entry| entry.path().is_file()).collect();
        let bytes: u64 = files.iter().map(|entry| entry.metadata().unwrap().len()).sum();
        assert!(bytes < MOST_BYTES, "{} has {bytes} bytes", name(&run));
        let derived = ["verdict.json", "report.html", "report.md", "digest.json"];
        let found = files.iter().any(|entry| derived.iter().any(|name| entry.file_name() == *name));
        assert!(!found, "{} holds derived files; delete them", name(&run));
    }
}
