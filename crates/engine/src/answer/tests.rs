//! Answers examined from outside: kept as a connection keeps them, judged as a plan says.

use std::io::Read;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzEncoder;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderValue, LOCATION, SET_COOKIE};
use plimsoll_plan::{Plan, SourceText, Surroundings};
use plimsoll_record::checks::{CheckCount, CheckFact};
use plimsoll_record::ledger::Outcome;
use serde_json::{Value, json};

use super::{
    Answer, CheckResults, CheckTable, Examination, ExamineError, Judged, Keeper, Keeping, Kept, MAX_BODY, Next, Test,
    Wants, check_facts, merge_counts, naive,
};
use crate::data::Sets;
use crate::names::Names;
use crate::visit::Visit;

/// A plan whose only request has these keys.
fn plan(keys: &str) -> Plan {
    let text = format!(
        "name = \"x\"\n[target]\nurl = \"http://localhost:1\"\n[[phases]]\nname = \"p\"\nduration = \"1s\"\nrate = \"1/s\"\n\
         [[flows.f.steps]]\nset = {{ wanted = \"done\" }}\n[[flows.f.steps]]\nname = \"r\"\nget = \"/\"\n{keys}\n"
    );
    let plan = plimsoll_plan::parse(&SourceText { name: "test".to_owned(), text }, &[], &Surroundings::NONE);
    plan.unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A user and the request's examination.
struct Subject {
    names: Names,
    examination: Examination,
    user: Visit,
}

fn subject(keys: &str) -> Subject {
    let plan = plan(keys);
    let names = Names::of(&plan, Sets::none());
    let examination = Examination::compile(plan.requests()[0], &names, Keeping::default()).unwrap();
    Subject { names, examination, user: naive::user() }
}

impl Subject {
    fn judge(&mut self, answer: &Answer) -> Judged {
        self.examination.examine(&mut self.user, answer)
    }

    fn outcome(&mut self, status: u16, headers: HeaderMap, body: impl Into<Bytes>) -> (Outcome, Next) {
        let judged = self.judge(&self.answer(status, headers, body));
        (judged.outcome, judged.next)
    }

    /// An answer as a connection keeps it.
    fn answer(&self, status: u16, headers: HeaderMap, body: impl Into<Bytes>) -> Answer {
        let (mut keeper, _) = Keeper::begin(self.examination.wants(), status, headers);
        keeper.push(body.into());
        keeper.finish()
    }

    fn knows(&self, name: &str) -> Option<&Value> {
        self.user.variable(self.names.slot(name).unwrap())
    }
}

fn plain() -> HeaderMap {
    HeaderMap::new()
}

fn gzipped() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))])
}

fn gzip(body: impl Read) -> Bytes {
    let mut out = Vec::new();
    GzEncoder::new(body, Compression::fast()).read_to_end(&mut out).unwrap();
    out.into()
}

#[test]
fn a_request_without_wishes_is_judged_by_its_status_and_keeps_nothing() {
    let mut subject = subject("");
    assert_eq!(subject.examination.wants(), Wants::NOTHING);
    let answer = subject.answer(302, gzipped(), "not gzip");
    assert!(answer.kept.is_none() && answer.body_bytes == 8);
    assert_eq!(subject.judge(&answer).outcome, Outcome::Ok);
    assert_eq!(subject.outcome(404, plain(), ""), (Outcome::UnexpectedStatus, Next::End));
    let mut subject = self::subject("expect = { status = [404, 429], limited = 429 }");
    assert_eq!(subject.outcome(404, plain(), ""), (Outcome::Ok, Next::GoOn));
    assert_eq!(subject.outcome(429, plain(), ""), (Outcome::Limited, Next::GoOn));
    assert_eq!(subject.outcome(200, plain(), ""), (Outcome::UnexpectedStatus, Next::End));
    let mut subject = self::subject("expect.limited = [429, 503]");
    for (status, outcome) in [(429, Outcome::Limited), (503, Outcome::Limited), (204, Outcome::Ok)] {
        assert_eq!(subject.outcome(status, plain(), ""), (outcome, Next::GoOn));
    }
    assert_eq!(subject.outcome(500, plain(), ""), (Outcome::UnexpectedStatus, Next::End));
}

#[test]
fn the_first_check_that_does_not_hold_fails_the_request_and_all_are_counted() {
    let mut subject = subject(
        "expect = { body = \"hello\", json = { \"$.state\" = \"done\" }, that = \"count($.items) == 1\" }\n\
         soft = { size = \"..10B\" }",
    );
    let judged = subject.judge(&subject.answer(200, plain(), r#"{"state": "hello", "items": 1}"#));
    assert_eq!((judged.outcome, judged.failed_check, judged.next), (Outcome::FailedCheck, Some(1), Next::End));
    let mut counts = Vec::new();
    judged.checks.count_into(&mut counts);
    let (passed, failed) = (CheckCount { passed: 1, failed: 0 }, CheckCount { passed: 0, failed: 1 });
    assert_eq!(counts, [passed, failed, passed, failed]);
    assert_eq!(judged.checks.first_failed(), Some(1));
}

#[test]
fn a_soft_check_fails_nothing() {
    let mut subject = subject("soft = { body = \"welcome\", latency = \"500ms\" }");
    let mut answer = subject.answer(200, plain(), "welcome");
    answer.latency_ns = 500_000_001;
    let judged = subject.judge(&answer);
    assert_eq!((judged.outcome, judged.failed_check, judged.checks.first_failed()), (Outcome::Ok, None, Some(1)));
    let judged = subject.judge(&subject.answer(500, plain(), ""));
    assert_eq!((judged.outcome, judged.checks), (Outcome::UnexpectedStatus, CheckResults::NONE));
}

#[test]
fn captures_keep_their_kind_and_a_regex_its_group() {
    let headers = HeaderMap::from_iter([
        (LOCATION, HeaderValue::from_static("/next")),
        (SET_COOKIE, HeaderValue::from_static("session=abc; Path=/")),
    ]);
    let mut subject = subject(
        "capture = { id = \"$.id\", list = \"$.list\", key = { regex = \"\\\"k(.)\\\"\", group = 1 }, next = \
         \"header.location\", s = \"cookie.session\", code = \"status\", all = \"body\" }",
    );
    let body = r#"{"id": 7, "list": [1, null], "k1": 0}"#;
    assert_eq!(subject.outcome(201, headers, body), (Outcome::Ok, Next::GoOn));
    let wanted = [
        ("id", json!(7)),
        ("list", json!([1, null])),
        ("key", json!("1")),
        ("next", json!("/next")),
        ("s", json!("abc")),
    ];
    for (name, value) in wanted.into_iter().chain([("code", json!(201)), ("all", json!(body))]) {
        assert_eq!(subject.knows(name), Some(&value), "{name}");
    }
}

#[test]
fn a_capture_that_finds_nothing_ends_goes_on_or_has_a_default() {
    let mut ends = subject("capture = { a = \"$.a\", b = \"$.b\" }");
    assert_eq!(ends.outcome(200, plain(), r#"{"b": 1}"#), (Outcome::MissingCapture, Next::End));
    assert_eq!(ends.knows("b"), None, "what comes behind is not tried");
    let mut goes_on = subject("on_missing = \"continue\"\ncapture = { a = \"$.a\", b = \"$.b\" }");
    assert_eq!(goes_on.outcome(200, plain(), r#"{"a": 1}"#), (Outcome::MissingCapture, Next::GoOn));
    assert_eq!(goes_on.outcome(200, plain(), r#"{"b": 2}"#), (Outcome::MissingCapture, Next::GoOn));
    assert_eq!((goes_on.knows("a"), goes_on.knows("b")), (Some(&json!(1)), Some(&json!(2))), "a keeps what it had");
    let mut default = subject("capture = { a = { json = \"$.a\", default = \"none\" } }");
    assert_eq!(default.outcome(200, plain(), "{}"), (Outcome::Ok, Next::GoOn));
    assert_eq!(default.knows("a"), Some(&json!("none")));
    assert_eq!(default.outcome(200, plain(), r#"{"a": null}"#), (Outcome::Ok, Next::GoOn));
    assert_eq!(default.knows("a"), Some(&Value::Null), "null is there");
}

#[test]
fn a_query_into_what_is_no_json_finds_nothing() {
    let mut subject = subject("expect = { that = [\"not $ exists\", \"$.a != 1\"] }\ncapture = { a = \"$.a\" }");
    assert_eq!(subject.outcome(200, plain(), "<html>"), (Outcome::MissingCapture, Next::End));
    assert_eq!(subject.outcome(200, plain(), ""), (Outcome::MissingCapture, Next::End));
    let mut counted = self::subject("expect = { that = \"count($.items) == 0\" }");
    assert_eq!(counted.outcome(200, plain(), "<html>").0, Outcome::FailedCheck, "no JSON is no empty list");
}

#[test]
fn text_that_is_not_utf8_is_searched_with_replacement_characters() {
    let mut subject = subject("expect = { body = [\"gr\", \"\u{FFFD}\"], regex = \"^gr.+e$\" }");
    assert_eq!(subject.outcome(200, plain(), &b"gr\xFC\xDFe"[..]), (Outcome::Ok, Next::GoOn));
    assert_eq!(
        self::subject("expect = { json = { \"$.a\" = \"x\" } }").outcome(200, plain(), &b"{\"a\":\"\xFF\"}"[..]).0,
        Outcome::FailedCheck
    );
}

#[test]
fn a_body_that_cannot_be_looked_at_is_an_outcome_of_its_own() {
    let mut subject = subject("expect = { body = \"x\" }");
    let whole = gzip(&b"x marks the spot"[..]);
    assert_eq!(subject.outcome(200, gzipped(), whole.clone()), (Outcome::Ok, Next::GoOn));
    assert_eq!(subject.outcome(200, gzipped(), whole.slice(..whole.len() - 9)), (Outcome::BadEncoding, Next::End));
    let brotli = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("br"))]);
    assert_eq!(subject.outcome(200, brotli, whole), (Outcome::BadEncoding, Next::End));
    let bomb = gzip(std::io::repeat(b'x').take(50_000_000));
    assert!(bomb.len() < 1_000_000);
    assert_eq!(subject.outcome(200, gzipped(), bomb), (Outcome::BodyTooLarge, Next::End));
    assert_eq!(subject.outcome(200, plain(), vec![b'x'; MAX_BODY + 1]), (Outcome::BodyTooLarge, Next::End));
    assert_eq!(subject.outcome(200, plain(), vec![b'x'; MAX_BODY]), (Outcome::Ok, Next::GoOn));
    let mut captures = self::subject("capture = { a = { json = \"$.a\", default = \"x\" } }");
    assert_eq!(captures.outcome(200, gzipped(), "no gzip"), (Outcome::BadEncoding, Next::End));
    let mut soft = self::subject("soft = { body = \"x\" }");
    let judged = soft.judge(&soft.answer(200, gzipped(), "no gzip"));
    assert_eq!((judged.outcome, judged.checks.first_failed()), (Outcome::Ok, Some(0)));
}

#[test]
fn a_size_is_that_of_the_body_after_decompression_and_needs_no_limit_without() {
    let mut subject = subject("expect = { size = \"1kB..2kB\" }");
    assert_eq!(subject.outcome(200, gzipped(), gzip(&[0; 1_500][..])).0, Outcome::Ok);
    assert_eq!(subject.outcome(200, plain(), vec![0; MAX_BODY + 1]).0, Outcome::FailedCheck);
}

#[test]
fn a_poll_goes_on_until_its_condition_holds_and_captures_then() {
    let mut subject =
        subject("poll = { until = \"$.state == {wanted}\" }\nexpect = { limited = 429 }\ncapture = { id = \"$.id\" }");
    let wanted = subject.names.slot("wanted").unwrap();
    subject.user.set(wanted, json!("done"));
    assert_eq!(subject.outcome(200, plain(), r#"{"state": "busy", "id": 1}"#), (Outcome::Ok, Next::TryAgain));
    assert_eq!(subject.knows("id"), None);
    assert_eq!(subject.outcome(429, plain(), ""), (Outcome::Limited, Next::TryAgain));
    assert_eq!(subject.outcome(500, plain(), ""), (Outcome::UnexpectedStatus, Next::End));
    assert_eq!(subject.outcome(200, plain(), r#"{"state": "done", "id": 1}"#), (Outcome::Ok, Next::GoOn));
    assert_eq!(subject.knows("id"), Some(&json!(1)));
}

#[test]
fn conditions_before_a_request_see_the_user_alone() {
    let (names, user) = (naive::names(), naive::user());
    let mut known = user.clone();
    known.set(names.slot("a").unwrap(), json!("3"));
    let hole = || plimsoll_plan::Operand::Hole(plimsoll_plan::Hole::Captured("a".to_owned()));
    let exists = Test::compile(&plimsoll_plan::Condition::Exists(hole()), &names);
    assert!(exists.holds_without_answer(&known) && !exists.holds_without_answer(&user));
    let status = Test::compile(&plimsoll_plan::Condition::StatusIn(vec![200]), &names);
    assert!(!status.holds_without_answer(&known));
}

#[test]
fn an_expression_that_blows_up_elsewhere_takes_time_in_proportion_to_the_body() {
    // A backtracking engine would need 2^100000 steps, so that the test would never end.
    let mut subject = subject("expect = { regex = \"^(a+)+$\" }");
    let body = format!("{}b", "a".repeat(100_000));
    assert_eq!(subject.outcome(200, plain(), body).0, Outcome::FailedCheck);
}

#[test]
fn the_record_lists_checks_operation_by_operation_and_counts_them_there() {
    let mut plan =
        plan("expect = { latency = \"1s\" }\nsoft = { size = \"..1B\" }\npoll = { until = \"status == 200\" }");
    let more = plan.flows[0].steps[1].clone();
    plan.flows[0].steps.push(more);
    plan.flows[0].steps[2].request_mut().unwrap().name = "s".to_owned();
    let fact = |operation, name: &str, soft| CheckFact { operation, name: name.to_owned(), soft };
    let facts = check_facts(&plan);
    let (hard, soft) = ("latency <= 1s", "size <= 1B");
    assert_eq!(facts, [fact(0, hard, false), fact(0, soft, true), fact(2, hard, false), fact(2, soft, true)]);
    let counts = [CheckCount::default(), CheckCount { passed: 2, failed: 1 }];
    let counted = CheckTable::of(&plan).counted(2, &counts);
    assert_eq!(counted.into_iter().collect::<Vec<_>>(), [(3, counts[1])], "what was not checked is left out");
    let mut sum = counts[..1].to_vec();
    merge_counts(&mut sum, &counts);
    assert_eq!(sum, counts);
}

#[test]
fn more_checks_than_fit_are_refused_by_name() {
    let list: Vec<String> = (0..65).map(|n| format!("\"$.a != {n}\"")).collect();
    let plan = plan(&format!("expect = {{ that = [{}] }}", list.join(", ")));
    let refused = Examination::compile(plan.requests()[0], &Names::of(&plan, Sets::none()), Keeping::default());
    assert_eq!(refused.unwrap_err(), ExamineError::TooManyChecks { step: "r".to_owned(), count: 65 });
}

#[test]
fn what_is_kept_of_a_plain_answer_is_small() {
    assert!(size_of::<Answer>() <= 32 && size_of::<Option<Box<Kept>>>() == 8, "{}", size_of::<Answer>());
}
