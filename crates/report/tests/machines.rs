//! What machines read of a verdict: JUnit, annotations of a CI job, CSV. What they look like, and that hostile text
//! stays data in each.

#![expect(clippy::unwrap_used, reason = "a test may panic; what it panics with says why")]

#[expect(dead_code, reason = "shared with tests that use all of it")]
mod fixture;

use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{Judgement, Verdict};
use plimsoll_report::{annotations, csv, junit};

const HOSTILE: &str =
    "=cmd|' /C calc'!A1\n::error::x %0A, \"q\" ]]> </testsuites><script>&amp;\u{1}\u{1b}[31m\u{ffff}\r\u{202e}";

fn hostile() -> Verdict {
    let mut verdict = fixture::verdict();
    verdict.plan = HOSTILE.into();
    verdict.run = HOSTILE.into();
    verdict.sentence = HOSTILE.into();
    verdict.generator.reason = HOSTILE.into();
    verdict.generator.calibration = HOSTILE.into();
    for result in &mut verdict.criteria {
        result.id = HOSTILE.into();
        result.expression = format!("{HOSTILE} < 1");
        result.scope = HOSTILE.into();
        result.reason = HOSTILE.into();
        result.hint = Some(HOSTILE.into());
    }
    verdict
}

#[test]
fn junit_has_a_case_per_criterion_with_its_reasoning() {
    insta::assert_snapshot!("junit", junit(&fixture::verdict()));
}

#[test]
fn annotations_name_what_is_not_met() {
    insta::assert_snapshot!("annotations", annotations(&fixture::verdict()));
}

#[test]
fn csv_has_a_row_per_criterion() {
    insta::assert_snapshot!("csv", csv(&fixture::verdict()));
}

#[test]
fn what_could_not_be_decided_is_an_error_and_a_preference_that_was_missed_is_none() {
    let text = junit(&fixture::verdict());
    let head = text.lines().find(|line| line.contains("<testsuite ")).unwrap();
    assert!(
        head.contains(r#"tests="6""#) && head.contains(r#"errors="1""#) && head.contains(r#"failures="1""#),
        "{head}"
    );
    let mut none = fixture::verdict();
    none.criteria.clear();
    assert!(junit(&none).contains(r#"errors="1""#), "a verdict without criteria proves nothing");
}

#[test]
fn hostile_text_is_text_in_junit() {
    let text = junit(&hostile());
    assert_eq!(text.matches("</testsuites>").count(), 1, "{text}");
    assert!(!text.contains("<script") && !text.contains("]]> <"), "{text}");
    let forbidden =
        |c: char| matches!(c, '\u{0}'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' | '\u{202e}');
    assert!(!text.contains(forbidden), "{text:?}");
    let tags = |kind: &str| text.matches(kind).count();
    assert_eq!((tags("<testcase "), tags("</testcase>")), (6, 6));
}

#[test]
fn hostile_text_gives_no_command_to_the_runner() {
    let text = annotations(&hostile());
    assert!(
        text.lines().all(|line| line.starts_with("::error title=") || line.starts_with("::warning title=")),
        "{text}"
    );
    for line in text.lines() {
        let (properties, message) = line[2..].split_once("::").unwrap();
        assert!(!properties.contains(',') && !message.contains("\u{1b}"), "{line}");
        // What looked like an escape stays what it was: its percent sign is escaped.
        assert!(line.contains("%250A") && !line.contains(" %0A"), "{line}");
    }
}

#[test]
fn hostile_text_is_no_formula_and_ends_no_cell() {
    let text = csv(&hostile());
    let mut lines = text.lines();
    let columns = lines.next().unwrap().split(',').count();
    for line in lines {
        let cells = cells(line);
        assert_eq!(cells.len(), columns, "{line}");
        assert!(cells.iter().all(|cell| !cell.starts_with(['=', '@', '|', '%'])), "{cells:?}");
        assert!(cells[0].starts_with("'=cmd") && !line.contains('\u{1}'), "{line}");
    }
}

/// The cells of a line, as RFC 4180 reads them.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => cell.extend(rest.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

#[test]
fn no_more_annotations_than_a_step_shows_and_the_rest_is_counted() {
    let mut verdict = fixture::verdict();
    let mut missed = fixture::criterion("p99 < 500ms", Unit::Seconds, 0.5);
    missed.judgement = Judgement::Fail;
    verdict.criteria = vec![missed; 30];
    let text = annotations(&verdict);
    assert_eq!(text.lines().count(), 10);
    assert!(text.contains("22 more criteria are not met"), "{text}");
}
