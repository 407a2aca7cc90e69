//! The Markdown summary and the lines for a terminal: what they look like, and that hostile text is inert in both.

#![expect(clippy::unwrap_used, reason = "a test may panic; what it panics with says why")]

mod fixture;

use fixture::Shape;
use plimsoll_record::checks::CheckFact;
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{Judgement, Verdict};
use plimsoll_report::{TerminalStyle, markdown, terminal};

const HOSTILE: &str = "a|b `c` <script>alert(1)</script> [x](http://evil.example) @everyone\u{1b}[31m\r\n# big\u{202e}";

fn summary(verdict: &Verdict) -> String {
    let dir = tempfile::tempdir().unwrap();
    let checks = vec![
        CheckFact { operation: 0, name: "$.state == 'done'".into(), soft: false },
        CheckFact { operation: 1, name: HOSTILE.into(), soft: true },
    ];
    markdown(&fixture::run(dir.path(), &Shape { checks, ..Shape::calm(10) }), verdict)
}

fn plain(width: usize) -> TerminalStyle {
    TerminalStyle { width, color: false }
}

fn hostile() -> Verdict {
    let mut verdict = fixture::verdict();
    verdict.plan = HOSTILE.into();
    verdict.run = HOSTILE.into();
    verdict.sentence = HOSTILE.into();
    verdict.concerns = vec![HOSTILE.into()];
    verdict.recommendations = vec![HOSTILE.into()];
    for result in &mut verdict.criteria {
        result.expression = format!("p99 {HOSTILE} < 1");
        result.scope = HOSTILE.into();
        result.reason = HOSTILE.into();
        result.hint = Some(HOSTILE.into());
    }
    verdict
}

#[test]
fn the_terminal_shows_the_sentence_then_each_criterion() {
    insta::assert_snapshot!("terminal", terminal(&fixture::verdict(), plain(100)));
}

#[test]
fn a_narrow_terminal_gets_more_lines_not_longer_ones() {
    insta::assert_snapshot!("narrow_terminal", terminal(&fixture::verdict(), plain(50)));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for verdict in [fixture::verdict(), hostile()] {
        for width in [40, 57, 72, 80, 100, 120] {
            for line in terminal(&verdict, plain(width)).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn a_terminal_is_not_steered_by_what_a_run_recorded() {
    let text = terminal(&hostile(), plain(80));
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(!text.contains('\u{202e}') && text.contains(r"\u{1b}[31m"), "{text:?}");
}

#[test]
fn colour_adds_codes_and_changes_nothing_else() {
    let coloured = terminal(&fixture::verdict(), TerminalStyle { width: 100, color: true });
    let mut stripped = coloured.clone();
    for code in ["\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;33m", "\u{1b}[1;35m", "\u{1b}[0m"] {
        assert!(coloured.contains(code), "{code:?}");
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, terminal(&fixture::verdict(), plain(100)));
}

#[test]
fn a_generator_that_cannot_be_trusted_comes_before_the_criteria() {
    let mut verdict = fixture::verdict();
    verdict.generator.judgement = Judgement::Inconclusive;
    let text = terminal(&verdict, plain(100));
    let (generator, criterion) =
        (text.find("the measurement itself").unwrap(), text.find("slope(redis.used_memory) <"));
    assert!(generator < criterion.unwrap(), "{text}");
}

#[test]
fn the_summary_has_the_sentence_the_criteria_and_the_numbers() {
    insta::assert_snapshot!("markdown", summary(&fixture::verdict()));
}

#[test]
fn markup_of_a_run_does_not_reach_the_summary() {
    let text = summary(&hostile());
    for markup in ["<script", "[x](", "http://", "@everyone", "\u{1b}", "\u{202e}", "\n# big"] {
        assert!(!text.contains(markup), "{markup:?} in {text}");
    }
}

#[test]
fn hostile_text_does_not_break_the_table() {
    let text = summary(&hostile());
    let cells = |line: &str| line.replace(r"\|", "").matches('|').count();
    let rows: Vec<&str> = text.lines().filter(|line| line.contains(" fail |") || line.contains(" pass |")).collect();
    assert!(rows.len() >= 3, "{text}");
    assert!(rows.iter().all(|row| cells(row) == 8), "{rows:?}");
}

#[test]
fn the_summary_stays_below_its_limit_and_says_what_it_left_out() {
    let mut verdict = fixture::verdict();
    let mut endless = fixture::criterion("p99 < 500ms", Unit::Seconds, 0.5);
    endless.reason = HOSTILE.repeat(20);
    verdict.criteria = vec![endless; 3000];
    verdict.concerns = vec![HOSTILE.repeat(20); 3000];
    let text = summary(&verdict);
    assert!(text.len() < 100_000, "{}", text.len());
    assert!(text.contains("more criteria are in the HTML report") && text.contains("more entries are in the HTML"));
}
