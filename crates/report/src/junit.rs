//! The verdict as JUnit XML, which CI systems show as tests: a case per criterion, the whole reasoning in its body.
//!
//! A miss of a requirement is a failure; what could not be decided is an error, because the run has to be looked at or
//! made again. JUnit knows no warning: a missed preference passes, and its body says so. The measurement itself is a
//! case too. Text of the record is data here: quick-junit escapes it, and drops what XML cannot hold.

use plimsoll_record::verdict::{CriterionResult, Judgement, Severity, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::criterion;
use crate::text;

/// The verdict as a JUnit document.
#[must_use]
pub fn junit(verdict: &Verdict) -> String {
    let mut suite = TestSuite::new(plain(&verdict.plan));
    suite.add_property(("run", plain(&verdict.run).as_str()));
    suite.add_property(("verdict", verdict.judgement.word()));
    suite.add_test_case(measurement(verdict));
    if verdict.criteria.is_empty() {
        let class = plain(&verdict.plan);
        let sentence = plain(&verdict.sentence);
        suite.add_test_case(case("criteria", &class, status(Shown::Error, &sentence, &sentence)));
    }
    for result in &verdict.criteria {
        suite.add_test_case(criterion_case(verdict, result));
    }
    let mut report = Report::new(format!("plimsoll: {}", plain(&verdict.plan)));
    report.add_test_suite(suite);
    report.to_string().expect("a document in memory can be written")
}

/// Text as XML can hold it: no control character, and neither of the two code points that are no characters.
fn plain(text: &str) -> String {
    text::plain(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

/// How JUnit shows a judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Success,
    Failure,
    Error,
}

impl Shown {
    fn of(judgement: Judgement, severity: Severity) -> Self {
        match (judgement, severity) {
            (Judgement::Pass | Judgement::Warn, _) => Self::Success,
            (Judgement::Fail, _) => Self::Failure,
            (Judgement::Inconclusive, _) => Self::Error,
        }
    }
}

fn measurement(verdict: &Verdict) -> TestCase {
    let generator = &verdict.generator;
    let body = format!("{}\n{}", plain(&generator.reason), plain(&generator.calibration));
    let shown = Shown::of(generator.judgement, Severity::Require);
    case("the measurement itself", &plain(&verdict.plan), status(shown, &plain(&generator.reason), body.trim_end()))
}

fn criterion_case(verdict: &Verdict, result: &CriterionResult) -> TestCase {
    let class = format!("{}.{}", plain(&verdict.plan), plain(criterion::scope(result)));
    let message = format!(
        "{}: {} is {}, limit {}",
        result.judgement.word(),
        plain(&result.id),
        criterion::value(result),
        criterion::limit(result)
    );
    let shown = Shown::of(result.judgement, result.severity);
    case(&plain(&result.id), &class, status(shown, &message, &reasoning(result)))
}

/// A case with the reasoning as its output when it passed: a success has no body of its own.
fn case(name: &str, class: &str, (status, body): (TestCaseStatus, Option<String>)) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(class);
    if let Some(body) = body {
        case.set_system_out(body);
    }
    case
}

fn status(shown: Shown, message: &str, body: &str) -> (TestCaseStatus, Option<String>) {
    let kind = match shown {
        Shown::Success => return (TestCaseStatus::success(), Some(body.to_owned())),
        Shown::Failure => NonSuccessKind::Failure,
        Shown::Error => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message).set_type(if shown == Shown::Failure { "missed" } else { "inconclusive" });
    status.set_description(body);
    (status, None)
}

/// Everything that is known about a criterion, line by line.
fn reasoning(result: &CriterionResult) -> String {
    let mut lines = vec![
        format!(
            "{}: {} ({})",
            result.judgement.word().to_uppercase(),
            plain(&result.expression),
            criterion::severity(result)
        ),
        format!("where: {}", plain(criterion::scope(result))),
        format!("measured: {}, limit {}", criterion::value(result), criterion::limit(result)),
    ];
    lines.extend(criterion::interval(result).map(|interval| format!("interval: {interval}")));
    lines.extend(criterion::margin(result).map(|margin| format!("margin: {margin}")));
    lines.push(format!("based on: {}", criterion::samples(result)));
    lines.push(format!("why: {}", plain(&result.reason)));
    lines.extend(result.hint.iter().map(|hint| format!("hint: {}", plain(hint))));
    lines.join("\n")
}
