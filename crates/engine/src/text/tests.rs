//! Texts of every place, with kind and with hostile values.

use super::*;
use crate::data::Sets;
use crate::fixtures::plan_for;
use crate::visit::{Iteration, Origin};
use plimsoll_plan::{Action, Random, Secret, Step, UserPattern};
use proptest::prelude::*;

const BASE: &str = "http://example.test:8080/base";

fn users(prefix: &str, suffix: &str) -> UserPattern {
    UserPattern { prefix: prefix.to_owned(), suffix: suffix.to_owned() }
}

fn literal(text: &str) -> Part {
    Part::Literal(text.to_owned())
}

fn variable(form: Form) -> Part {
    Part::Hole(Hole::Captured("v".to_owned()), form)
}

/// The names of a plan with these users and one variable.
fn names(users: &UserPattern) -> Names {
    let mut plan = plan_for(BASE);
    plan.users.id = users.clone();
    plan.setup = vec![Step::new(Action::Set(vec![("v".to_owned(), Template::literal(""))]))];
    Names::of(&plan, Sets::none())
}

/// User 42, who knows `value`.
fn visit(value: Option<Value>) -> Visit {
    let mut visit = Origin::new(1, false).visit(Iteration { user: 42, phase: 0, number: 3, ordinal: 9 });
    if let Some(value) = value {
        visit.set(0, value);
    }
    visit
}

fn fill(text: &Text, visit: &Visit) -> Result<String, Unfilled> {
    let mut scratch = BytesMut::new();
    let filled = text.fill(visit, &mut scratch);
    assert!(scratch.is_empty());
    filled.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn with(value: impl Into<Value>, parts: &[Part], place: Place) -> Result<String, Unfilled> {
    let template = Template { parts: parts.to_vec() };
    fill(&Text::compile(&template, &names(&users("", "")), place), &visit(Some(value.into())))
}

fn path(value: impl Into<Value>, parts: &[Part]) -> Result<String, Unfilled> {
    let template = Template { parts: parts.to_vec() };
    let text = Text::path(&template, &names(&users("", "")), &BASE.parse().unwrap());
    fill(&text, &visit(Some(value.into())))
}

#[track_caller]
fn check(parts: &[Part], users: &UserPattern, place: Place, expected: &str) {
    let template = Template { parts: parts.to_vec() };
    assert_eq!(fill(&Text::compile(&template, &names(users), place), &visit(None)).unwrap(), expected);
}

#[test]
fn a_user_fills_path_body_and_header() {
    let tenant = users("tenant-", "");
    let parts = [literal("/u/"), Hole::UserId.into(), literal("?n="), Hole::UserNumber.into()];
    check(&parts, &tenant, Place::Path, "/u/tenant-42?n=42");
    let parts = [literal(r#"{"id":""#), Hole::UserId.into(), literal(r#""}"#)];
    check(&parts, &tenant, Place::Json, r#"{"id":"tenant-42"}"#);
    check(&[Part::Hole(Hole::UserId, Form::Json)], &tenant, Place::Json, r#""tenant-42""#);
    check(&[Hole::UserId.into(), literal("/"), Hole::Iteration.into()], &tenant, Place::Header, "tenant-42/3");
}

#[test]
fn an_identity_never_becomes_syntax() {
    let odd = users("a/b?\"c\\", " d");
    check(&[literal("/"), Hole::UserId.into()], &odd, Place::Path, "/a%2Fb%3F%22c%5C42%20d");
    check(&[Hole::UserId.into()], &odd, Place::Json, r#"a/b?\"c\\42 d"#);
    check(&[Hole::UserId.into()], &odd, Place::Field, "a%2Fb%3F%22c%5C42+d");
}

#[test]
fn configured_values_are_escaped_in_json_and_forms_and_plain_elsewhere() {
    let key = [Part::Environment { name: "KEY".to_owned(), value: Secret::new("a\"b/c".to_owned()) }];
    check(&key, &users("", ""), Place::Json, r#"a\"b/c"#);
    check(&key, &users("", ""), Place::Field, "a%22b%2Fc");
    check(&key, &users("", ""), Place::Plain, "a\"b/c");
    check(&key, &users("", ""), Place::Path, "a%22b/c");
}

#[test]
fn a_text_without_holes_is_compiled_to_itself() {
    let template = Template { parts: vec![literal("/a b"), literal("/c%20d")] };
    let text = Text::compile(&template, &names(&users("", "")), Place::Path);
    assert_eq!(text.fixed().unwrap(), "/a%20b/c%20d");
}

#[test]
fn json_keeps_the_kind_of_a_value_and_text_does_not() {
    let list = serde_json::json!([1, "a\"b", null]);
    assert_eq!(with(list.clone(), &[variable(Form::Json)], Place::Json).unwrap(), r#"[1,"a\"b",null]"#);
    assert_eq!(with(list, &[variable(Form::Text)], Place::Json).unwrap(), r#"[1,\"a\\\"b\",null]"#);
    assert_eq!(with(-1.5, &[variable(Form::Json)], Place::Json).unwrap(), "-1.5");
    assert_eq!(with(7, &[variable(Form::Text)], Place::Field).unwrap(), "7");
}

#[test]
fn a_missing_variable_is_an_error_that_names_it_and_says_the_fix() {
    let template = Template { parts: vec![literal("begun "), variable(Form::Text)] };
    let text = Text::compile(&template, &names(&users("", "")), Place::Plain);
    let error = fill(&text, &visit(None)).unwrap_err();
    assert_eq!(error, Unfilled::Missing("v".into()));
    assert!(error.to_string().contains("`{v}`") && error.to_string().contains("{v} exists"), "{error}");
}

#[test]
fn a_variable_is_set_to_the_text_of_its_value() {
    let template = Template { parts: vec![literal("n="), variable(Form::Text)] };
    let text = Text::compile(&template, &names(&users("", "")), Place::Plain);
    let value = text.value(&visit(Some(true.into())), &mut BytesMut::new());
    assert_eq!(value.unwrap(), Value::from("n=true"));
}

#[test]
fn a_header_takes_no_line_break_and_does_not_show_the_value() {
    let error = with("a\r\nset-cookie: x", &[variable(Form::Text)], Place::Header).unwrap_err();
    assert_eq!(error, Unfilled::Unfit("v".into()));
    assert!(!error.to_string().contains("cookie"));
    assert_eq!(with("a\tb ü", &[variable(Form::Text)], Place::Header).unwrap(), "a\tb ü");
}

#[test]
fn a_captured_path_is_one_of_the_server() {
    let raw = [variable(Form::Raw)];
    for (captured, expected) in [
        ("/base/next?page=2", "/base/next?page=2"),
        ("http://example.test:8080/next?page=2#top", "/next?page=2"),
        ("HTTP://EXAMPLE.test:8080", "/"),
        ("//example.test:8080/x", "/x"),
        ("http://example.test:8080?page=2", "/?page=2"),
        ("items/3", "/base/items/3"),
        ("/a b\r\nx", "/a%20b%0D%0Ax"),
        ("/go?to=http://other.test/", "/go?to=http://other.test/"),
    ] {
        assert_eq!(path(captured, &raw).unwrap(), expected, "{captured}");
    }
    assert_eq!(path("/next", &[variable(Form::Raw), literal("?a=1")]).unwrap(), "/next?a=1");
    assert_eq!(path("a/b", &[literal("/x/"), variable(Form::Raw)]).unwrap(), "/base/x/a/b");
}

#[test]
fn a_captured_url_of_another_server_is_an_error() {
    for captured in [
        "http://other.test/x",
        "//other.test/x",
        "https://example.test:8080/x",
        "http://example.test/x",
        "http://example.test:8080\\@other.test/",
        "http://example.test:8080@other.test/",
        "ftp://example.test:8080/",
    ] {
        let error = path(captured, &[variable(Form::Raw)]).unwrap_err();
        assert_eq!(error, Unfilled::OtherServer("v".into()), "{captured}");
    }
}

#[test]
fn random_values_differ_from_hole_to_hole_and_are_the_same_again() {
    let uuid = || Part::from(Hole::Random(Random::Uuid));
    let template = Template { parts: vec![uuid(), literal(" "), uuid()] };
    for place in [Place::Plain, Place::Json] {
        let text = Text::compile(&template, &names(&users("", "")), place);
        let filled = fill(&text, &visit(None)).unwrap();
        let (one, other) = filled.split_once(' ').unwrap();
        assert_ne!(one, other);
        assert_eq!(filled, fill(&text, &visit(None)).unwrap());
    }
}

/// Anything a server might send, syntax of every place above all.
fn hostile() -> impl Strategy<Value = String> {
    let syntax = r#"["'\\\r\n\t\x00/?#&=+%{}:;, @]|[a-z]|\PC"#;
    proptest::collection::vec(proptest::string::string_regex(syntax).unwrap(), 0..30).prop_map(|list| list.concat())
}

proptest! {
    #[test]
    fn in_a_path_a_value_stays_one_segment(value in hostile()) {
        let filled = path(value.as_str(), &[literal("/u/"), variable(Form::Text), literal("/end?q=1")]).unwrap();
        let inside = filled.strip_prefix("/base/u/").and_then(|rest| rest.strip_suffix("/end?q=1")).unwrap();
        prop_assert!(inside.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(inside).collect();
        prop_assert_eq!(decoded, value.into_bytes());
    }

    #[test]
    fn in_a_query_a_value_stays_one_value(value in hostile()) {
        let filled = path(value.as_str(), &[literal("/?a="), variable(Form::Text), literal("&b=2")]).unwrap();
        let url: Url = format!("http://x{filled}").parse().unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        prop_assert_eq!(pairs, [("a".to_owned(), value), ("b".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn in_a_form_a_value_stays_one_value(value in hostile()) {
        let filled = with(value.as_str(), &[variable(Form::Text)], Place::Field).unwrap();
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(format!("a={filled}&b=2").as_bytes()).into_owned().collect();
        prop_assert_eq!(pairs, [("a".to_owned(), value), ("b".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn in_json_a_value_stays_one_string_or_one_value(value in hostile()) {
        let parts = [literal(r#"{"a":"x"#), variable(Form::Text), literal(r#"","b":"#), variable(Form::Json), literal("}")];
        let filled = with(value.as_str(), &parts, Place::Json).unwrap();
        let read: Value = serde_json::from_str(&filled).unwrap();
        prop_assert_eq!(read, serde_json::json!({ "a": format!("x{value}"), "b": value }));
    }

    #[test]
    fn in_a_header_a_value_stands_as_it_is_or_not_at_all(value in hostile()) {
        let sound = !value.contains(|c: char| c.is_ascii_control() && c != '\t');
        match with(value.as_str(), &[literal("x "), variable(Form::Text)], Place::Header) {
            Ok(filled) => {
                prop_assert!(sound);
                prop_assert_eq!(&filled, &format!("x {value}"));
                prop_assert!(hyper::header::HeaderValue::from_str(&filled).is_ok());
            }
            Err(error) => prop_assert!(!sound && error == Unfilled::Unfit("v".into())),
        }
    }

    #[test]
    fn in_a_plain_body_a_value_stands_as_it_is(value in hostile()) {
        prop_assert_eq!(with(value.as_str(), &[variable(Form::Text)], Place::Plain).unwrap(), value);
    }

    #[test]
    fn a_raw_path_is_a_path_of_the_target_or_an_error(value in hostile(), front in "|/|//|http://|http://example.test:8080") {
        let captured = format!("{front}{value}");
        if let Ok(filled) = path(captured.as_str(), &[variable(Form::Raw)]) {
            prop_assert!(filled.starts_with('/'), "{}", filled);
            prop_assert!(filled.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(hyper::http::uri::PathAndQuery::try_from(filled).is_ok());
        }
    }
}
