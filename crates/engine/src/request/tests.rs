//! Requests as they go out, for steps of every kind.

use super::*;
use crate::data::Sets;
use crate::fixtures::{plan_for, step};
use crate::visit::{Iteration, Origin};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use plimsoll_plan::{
    Action, Attachment, Auth, Body as PlanBody, FileFact, Form, FormContent, FormPart, Hole, Method as PlanMethod, Part,
};
use serde_json::Value;

const BOUNDARY_LETTERS: usize = 32;

/// A step, with all that stands around it.
struct Stated {
    plan: Plan,
    target: Target,
    flow: Vec<(String, Template)>,
    step: Step,
}

fn compile_in(change: impl FnOnce(&mut Stated)) -> Result<Operation, CompileError> {
    let mut plan = plan_for("http://example.test:8080/base");
    plan.setup = vec![plimsoll_plan::Step::new(Action::Set(vec![("v".to_owned(), Template::literal(""))]))];
    let target = plan.target.clone().unwrap();
    let mut stated = Stated { plan, target, flow: Vec::new(), step: step("only", PlanMethod::Get, "/x") };
    change(&mut stated);
    let names = Names::of(&stated.plan, Sets::none());
    let around = Surroundings { target: &stated.target, flow: &stated.flow, names: &names };
    Operation::compile(&stated.step, "only", around)
}

fn compile(change: impl FnOnce(&mut Step, &mut Target)) -> Result<Operation, CompileError> {
    compile_in(|stated| change(&mut stated.step, &mut stated.target))
}

/// User 7.
fn visit() -> Visit {
    Origin::new(1, true).visit(Iteration { user: 7, phase: 0, number: 1, ordinal: 6 })
}

fn knowing(value: impl Into<Value>) -> Visit {
    let mut visit = visit();
    visit.set(0, value.into());
    visit
}

fn request_of(operation: &Operation, visit: &Visit) -> Result<Request<RequestBody>, Unfilled> {
    let mut scratch = BytesMut::new();
    let request = operation.request(visit, HeaderMap::new(), &mut scratch);
    assert!(scratch.is_empty());
    let other = operation.request_with_authority(&visit.clone(), &mut scratch);
    assert_eq!(request.is_ok(), other.is_ok());
    request
}

fn request(operation: &Operation) -> Request<RequestBody> {
    request_of(operation, &visit()).unwrap()
}

fn body(request: &Request<RequestBody>) -> String {
    String::from_utf8(request.body().0.as_ref().unwrap().to_vec()).unwrap()
}

fn variable() -> Template {
    Template { parts: vec![Hole::Captured("v".to_owned()).into()] }
}

fn header(name: &str, value: Template) -> (String, Template) {
    (name.to_owned(), value)
}

fn file(content: &str) -> Attachment {
    let fact = FileFact { path: "f.txt".to_owned(), bytes: content.len() as u64, sha256: String::new() };
    Attachment { file: fact, content: Some(content.as_bytes().into()) }
}

#[test]
fn a_step_adds_its_path_to_the_base_and_names_the_host() {
    let request = request(&compile(|_, _| {}).unwrap());
    assert_eq!(request.uri(), "/base/x");
    assert_eq!(request.headers()["host"], "example.test:8080");
}

#[test]
fn the_innermost_header_of_a_name_stands_alone() {
    let operation = compile_in(|stated| {
        stated.target.headers = vec![
            header("x-key", Template::literal("target")),
            header("x-flow", Template::literal("target")),
            header("host", Template::literal("h")),
        ];
        stated.flow = vec![header("X-Key", Template::literal("flow")), header("x-flow", Template::literal("flow"))];
        stated.step.headers = vec![header("X-KEY", Template { parts: vec![Hole::UserId.into()] })];
    });
    let request = request(&operation.unwrap());
    for (name, value) in [("x-key", "user-7"), ("x-flow", "flow"), ("host", "h")] {
        assert_eq!(request.headers().get_all(name).iter().collect::<Vec<_>>(), [value]);
    }
}

#[test]
fn http2_has_the_host_as_authority_and_nothing_about_the_connection() {
    let with_host = |host: Option<&str>| {
        let operation = compile(|step, _| {
            step.body = Some(PlanBody::Text(Template::literal("four")));
            step.headers = vec![
                header("x-key", Template { parts: vec![Hole::UserId.into()] }),
                header("connection", Template::literal("close")),
            ];
            step.headers.extend(host.map(|host| header("host", Template::literal(host))));
        });
        operation.unwrap().request_with_authority(&visit(), &mut BytesMut::new()).unwrap()
    };
    let request = with_host(None);
    assert_eq!(request.uri(), "http://example.test:8080/base/x");
    let mut headers: Vec<_> = request.headers().iter().map(|(name, value)| (name.as_str(), value)).collect();
    headers.sort();
    assert_eq!(headers, [("content-length", &HeaderValue::from(4)), ("x-key", &HeaderValue::from_static("user-7"))]);
    assert_eq!(with_host(Some("other.test")).uri(), "http://other.test/base/x");
}

#[test]
fn a_path_with_the_user_in_it_is_whole_in_http2() {
    let parts = vec![Part::Literal("/of/".to_owned()), Hole::UserNumber.into()];
    let operation = compile(|step, _| step.path = Template { parts }).unwrap();
    let request = operation.request_with_authority(&visit(), &mut BytesMut::new()).unwrap();
    assert_eq!(request.uri(), "http://example.test:8080/base/of/7");
    assert_eq!(super::tests::request(&operation).uri(), "/base/of/7");
}

#[test]
fn a_header_with_a_line_break_is_refused_without_showing_it() {
    let error = compile(|step, _| step.headers = vec![header("x", Template::literal("se\r\ncret"))]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`x`") && text.contains("`only`") && !text.contains("cret"), "{text}");
}

#[test]
fn a_value_that_is_missing_or_does_not_fit_makes_no_request() {
    let operation = compile(|step, _| step.headers = vec![header("x", variable())]).unwrap();
    assert_eq!(request_of(&operation, &visit()).unwrap_err(), Unfilled::Missing("v".into()));
    assert_eq!(request_of(&operation, &knowing("a\r\nb: c")).unwrap_err(), Unfilled::Unfit("v".into()));
    assert_eq!(request_of(&operation, &knowing("a b")).unwrap().headers()["x"], "a b");
    let mut parts = variable().parts;
    parts.insert(0, Part::Literal("/".to_owned()));
    let operation = compile(|step, _| step.path = Template { parts }).unwrap();
    assert_eq!(request_of(&operation, &knowing("x".repeat(70_000))).unwrap_err(), Unfilled::Path);
}

#[test]
fn a_captured_path_replaces_the_base() {
    let parts = vec![Part::Hole(Hole::Captured("v".to_owned()), Form::Raw)];
    let operation = compile(|step, _| step.path = Template { parts }).unwrap();
    let whole = knowing("http://example.test:8080/next?page=2");
    assert_eq!(request_of(&operation, &whole).unwrap().uri(), "/next?page=2");
    let elsewhere = knowing("http://other.test/");
    assert_eq!(request_of(&operation, &elsewhere).unwrap_err(), Unfilled::OtherServer("v".into()));
}

#[test]
fn who_asks_is_said_by_the_step_or_else_the_target() {
    let basic = |user: Template| Auth::Basic { user, password: Template::literal("open sesame") };
    let sent = |change: &dyn Fn(&mut Step, &mut Target), visit: &Visit| {
        let operation = compile(|step, target| {
            target.auth = Some(Auth::Bearer(Template::literal("of-target")));
            change(step, target);
        });
        let request = request_of(&operation.unwrap(), visit)?;
        let values = request.headers().get_all(AUTHORIZATION).iter().map(|value| value.to_str().unwrap().to_owned());
        Ok::<Vec<String>, Unfilled>(values.collect())
    };
    assert_eq!(sent(&|_, _| {}, &visit()).unwrap(), ["Bearer of-target"]);
    assert_eq!(sent(&|step, _| step.auth = Some(Auth::None), &visit()).unwrap(), Vec::<String>::new());
    assert_eq!(sent(&|step, _| step.auth = Some(Auth::Bearer(variable())), &knowing("t")).unwrap(), ["Bearer t"]);
    let fixed = sent(&|step, _| step.auth = Some(basic(Template::literal("Aladdin"))), &visit());
    // The example of RFC 7617, section 2.
    assert_eq!(fixed.unwrap(), ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]);
    let filled = |visit: &Visit| sent(&|step, _| step.auth = Some(basic(variable())), visit);
    assert_eq!(filled(&knowing("Aladdin")).unwrap(), ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]);
    assert_eq!(filled(&knowing("ann:")).unwrap_err(), Unfilled::Colon);
}

#[test]
fn a_form_is_encoded_and_a_file_goes_as_it_is() {
    let fields = vec![header("a b&", Template::literal("1=2 ü")), header("v", variable())];
    let operation = compile(|step, _| step.body = Some(PlanBody::Form(fields))).unwrap();
    assert_eq!(body(&request_of(&operation, &knowing("x&y=z")).unwrap()), "a+b%26=1%3D2+%C3%BC&v=x%26y%3Dz");
    let operation = compile(|step, _| step.body = Some(PlanBody::File(file("{user.id}\n")))).unwrap();
    assert_eq!(body(&request(&operation)), "{user.id}\n");
}

#[test]
fn a_file_that_is_not_at_hand_is_refused() {
    let error = compile(|step, _| step.body = Some(PlanBody::File(Attachment { content: None, ..file("x") })));
    let text = error.unwrap_err().to_string();
    assert!(text.contains("f.txt") && text.contains("run the plan file"), "{text}");
}

fn multipart(value: Template) -> Operation {
    let note = FormPart { name: "note".to_owned(), content: FormContent::Value(value), content_type: None };
    let content = FormContent::File { attachment: file("of the file"), filename: "a.txt".to_owned() };
    let text = FormPart { name: "up".to_owned(), content, content_type: Some("text/plain".to_owned()) };
    compile(|step, _| step.body = Some(PlanBody::Multipart(vec![note, text]))).unwrap()
}

fn boundary(request: &Request<RequestBody>) -> String {
    let kind = request.headers()[CONTENT_TYPE].to_str().unwrap();
    kind.strip_prefix("multipart/form-data; boundary=").unwrap().to_owned()
}

#[test]
fn parts_stand_between_boundaries() {
    let request = request(&multipart(Template::literal("hello")));
    let boundary = boundary(&request);
    assert_eq!(boundary.len(), BOUNDARY_LETTERS);
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"up\"; filename=\"a.txt\"\r\n\
         Content-Type: text/plain\r\n\r\nof the file\r\n--{boundary}--\r\n"
    );
    assert_eq!(body(&request), expected);
}

#[test]
fn a_value_that_knows_an_earlier_boundary_does_not_end_its_part() {
    let operation = multipart(variable());
    let visit = knowing("first");
    let first = boundary(&request_of(&operation, &visit).unwrap());
    let mut visit = visit;
    visit.set(0, format!("x\r\n--{first}--\r\n").into());
    let request = request_of(&operation, &visit).unwrap();
    let second = boundary(&request);
    assert_ne!(second, first);
    assert_eq!(body(&request).matches(&second).count(), 3);
    assert_eq!(boundary(&request_of(&operation, &knowing("first")).unwrap()), first);
}

#[test]
fn cookies_go_back_where_they_belong_behind_those_of_the_plan() {
    let operation = compile(|step, _| step.headers = vec![header("cookie", Template::literal("own=1"))]).unwrap();
    let visit = visit();
    let url = operation.url(request_of(&operation, &visit).unwrap().uri());
    assert_eq!(url.as_str(), "http://example.test:8080/base/x");
    let set = |cookie| HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static(cookie))]);
    visit.receive_cookies(&set("session=abc; Path=/base"), &url);
    visit.receive_cookies(&set("other=1; Path=/other"), &url);
    let request = request_of(&operation, &visit).unwrap();
    assert_eq!(request.headers().get_all(COOKIE).iter().collect::<Vec<_>>(), ["own=1; session=abc"]);
}
