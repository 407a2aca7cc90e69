//! Users that behave like people: what such a plan becomes, in memory and in the run directory.

use std::time::Duration;

use plimsoll_plan::{
    Action, Auth, Body, Form, Hole, Missing, Part, Plan, RequestLogging, SessionLength, Source, SourceText,
    Surroundings, Take, Template, ThinkTime, parse, parse_recorded,
};

const PEOPLE: &str = include_str!("people.toml");

fn environment(name: &str) -> Option<String> {
    (name == "PASSWORD").then(|| "hunter2&x".to_owned())
}

fn file(path: &str) -> std::io::Result<Vec<u8>> {
    match path {
        "users.csv" => Ok("\u{feff}name, plan\nann,free\n\"bob, jr\",paid\n".as_bytes().to_vec()),
        "photo.jpg" => Ok(vec![0xff, 0xd8, 0x00]),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    }
}

#[track_caller]
fn read(text: &str) -> Plan {
    let source = SourceText { name: "people.toml".to_owned(), text: text.to_owned() };
    parse(&source, &[], &Surroundings { environment: &environment, file: &file }).expect("a sound plan")
}

#[track_caller]
fn step(steps: &str) -> Plan {
    read(&format!(
        "name = \"x\"\ntarget.url = \"http://h\"\nphases = [{{ name = \"a\", duration = \"1s\", users = 1 }}]\n\
         [flows.f]\nsteps = [{steps}]\n"
    ))
}

#[test]
fn the_written_plan_says_everything_but_secrets_and_files() {
    let plan = read(PEOPLE);
    let written = plan.to_toml();
    assert!(!written.contains("hunter2"), "{written}");
    insta::assert_snapshot!("people", written);
    let again = parse_recorded(&written).unwrap();
    assert_eq!(again.to_toml(), written);
    assert_eq!(again.operations(), plan.operations());
    assert!(again.data[0].rows().is_none() && again.data[0].count() == 2);
}

#[test]
fn operations_are_the_requests_depth_first_with_whole_polls_behind_theirs() {
    let operations =
        ["create", "read", "wait", "wait.poll", "extra", "profile", "cart", "chat.search", "browse.search"];
    assert_eq!(read(PEOPLE).operations(), operations);
}

#[test]
fn users_have_a_life() {
    let plan = read(PEOPLE);
    let session = plan.users.session.unwrap();
    assert!(plan.users.cookies && !session.replace);
    assert_eq!(session.length, SessionLength::Requests(std::num::NonZeroU64::new(50).unwrap()));
    assert_eq!(plan.generator.requests, RequestLogging::Share(0.1));
    assert_eq!(plan.generator.failed_bodies.unwrap().get(), 4_000);
    assert_eq!(plan.flows[1].pacing, Some(Duration::from_secs(10)));
}

#[test]
fn data_comes_from_the_file_with_its_columns_and_hash() {
    let plan = read(PEOPLE);
    let users = &plan.data[0];
    assert_eq!(
        (users.columns.as_slice(), users.column("plan")),
        (&["name".to_owned(), "plan".to_owned()][..], Some(1))
    );
    assert_eq!(users.rows().unwrap().row(1).unwrap()[0], "bob, jr");
    assert!(matches!(users.take, Take::Unique(_)));
}

#[test]
fn a_query_is_encoded_and_a_captured_path_may_stand_raw() {
    let plan = step(
        r#"{ name = "a", get = "/s", query = { "q&" = "a b{user.n}", pw = "${PASSWORD}", n = 3 }, capture = { next = "header.location" } },
           { name = "b", get = "{next:raw}" }"#,
    );
    let first = plan.flows[0].steps[0].request().unwrap();
    let text: Vec<String> = first
        .path
        .parts
        .iter()
        .map(|part| match part {
            Part::Literal(text) => text.clone(),
            Part::Environment { value, .. } => value.reveal().to_owned(),
            Part::Hole(hole, _) => format!("{{{hole}}}"),
        })
        .collect();
    assert_eq!(text.concat(), "/s?q%26=a%20b{user.n}&pw=hunter2%26x&n=3");
    let second = plan.flows[0].steps[1].request().unwrap();
    assert_eq!(second.path.parts, [Part::Hole(Hole::Captured("next".to_owned()), Form::Raw)]);
}

#[test]
fn a_whole_json_value_may_keep_its_kind() {
    let plan = step(r#"{ set = { x = "1" } }, { name = "a", post = "/", json = { n = "{user.n:json}", s = "{x}" } }"#);
    let Some(Body::Json(body)) = &plan.flows[0].steps[1].request().unwrap().body else { panic!("{plan:?}") };
    let literal = |text: &str| Part::Literal(text.to_owned());
    let hole = Part::Hole(Hole::UserNumber, Form::Json);
    let x = Part::from(Hole::Captured("x".to_owned()));
    assert_eq!(body.parts, [literal("{\"n\":"), hole, literal(",\"s\":\""), x, literal("\"}")]);
}

#[test]
fn text_with_a_json_content_type_is_json() {
    let plan = step(
        r#"{ name = "a", post = "/", body = '{"a": "{user.id}"}', headers = { Content-Type = "application/json" } }"#,
    );
    assert!(matches!(plan.flows[0].steps[0].request().unwrap().body, Some(Body::Json(_))));
}

#[test]
fn every_key_of_expect_is_a_check_with_a_name() {
    let plan = step(
        r#"{ name = "a", get = "/", expect = { status = 200, header = { Content-Type = "json" }, body = "it's", regex = "a+",
             size = "1kB..1MB", json = { "$.state" = "done", "$.n" = 3 }, latency = "1.5s", that = ["not ($.a exists and $.b == null)"] },
             soft = { latency = "100ms", that = { fresh = "{user.n} > 1 or status in [201, 3xx]" } } }"#,
    );
    let expect = &plan.flows[0].steps[0].request().unwrap().expect;
    let names: Vec<&str> = expect.checks.iter().map(|check| check.name.as_str()).collect();
    let expected = [
        "header.content-type contains 'json'",
        "body contains \"it's\"",
        "body matches 'a+'",
        "size >= 1kB",
        "size <= 1MB",
        "$.state == 'done'",
        "$.n == 3",
        "latency <= 1500ms",
        "not ($.a exists and $.b == null)",
    ];
    assert_eq!(names, expected);
    assert_eq!(expect.soft[1].name, "fresh");
    assert!(expect.soft[1].condition.to_string().ends_with("status in [3xx, 201]"));
    assert!(expect.checks[5].condition.reads_body() && !expect.checks[0].condition.reads_body());
}

#[test]
fn captures_come_from_anywhere_in_an_answer() {
    let plan = step(
        r#"{ name = "a", get = "/", on_missing = "continue", capture = { id = "$.id", csrf = { regex = "c=(\\w+)" },
             whole = { regex = "c=(\\w+)", group = 0, on_missing = "end" }, s = { cookie = "session", default = 7 }, code = "status" } }"#,
    );
    let captures = &plan.flows[0].steps[0].request().unwrap().captures;
    let groups: Vec<_> = captures
        .iter()
        .filter_map(|one| match one.from {
            Source::Regex { group, .. } => Some(group),
            _ => None,
        })
        .collect();
    assert_eq!(groups, [1, 0]);
    let missing: Vec<_> = captures.iter().map(|one| one.missing.clone()).collect();
    let seven = Missing::Default("7".to_owned());
    assert_eq!(missing, [Missing::Continue, Missing::Continue, Missing::End, seven, Missing::Continue]);
}

#[test]
fn a_sigma_and_a_percentile_say_the_same() {
    let think = |text: &str| match step(&format!("{{ name = \"a\", get = \"/\" }}, {{ think = \"{text}\" }}")).flows[0]
        .steps[1]
        .action
    {
        Action::Think(think) => think,
        _ => panic!("a pause"),
    };
    let ThinkTime::LogNormal { median, p95 } = think("lognormal(8s, 0.5)") else { panic!("log-normal") };
    assert_eq!((median, p95.as_millis()), (Duration::from_secs(8), 18_208));
    assert_eq!(
        think("lognormal(8s, p95 = 18.208s)"),
        ThinkTime::LogNormal { median, p95: Duration::from_millis(18_208) }
    );
}

#[test]
fn a_value_that_a_step_may_skip_is_there_afterwards() {
    let plan = step(
        r#"{ name = "log-in", when = "not {token} exists", post = "/login", capture = { token = "$.token" } },
           { name = "use", get = "/", auth = { bearer = "{token}" } }"#,
    );
    let token = Template { parts: vec![Hole::Captured("token".to_owned()).into()] };
    assert_eq!(plan.flows[0].steps[1].request().unwrap().auth, Some(Auth::Bearer(token)));
}

#[test]
fn the_examples_of_the_reference_are_sound() {
    let reference = include_str!("../../../docs/plans.md");
    let blocks: Vec<&str> = reference.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 5, "{blocks:?}");
    for block in blocks {
        let (steps, block) =
            if block.starts_with('{') { (block, "") } else { ("{ name = \"a\", get = \"/\" }", block) };
        let without = |table: &str, line: &'static str| if block.contains(table) { "" } else { line };
        read(&format!(
            "name = \"x\"\n{}{}{}data.rows.rows = [{{ a = 1 }}]\n\
             [flows.f]\nsteps = [{{ set = {{ id = \"1\" }} }}, {}]\n{block}",
            without("[target]", "target.url = \"http://h\"\n"),
            without(
                "[[phases]]",
                "phases = [{ name = \"a\", duration = \"1s\", users = 1 }, { name = \"small\", duration = \"1s\", users = 1 }, \
                 { name = \"large\", duration = \"1s\", users = 1 }]\n",
            ),
            without("[targets.redis]", "targets.redis = { url = \"redis://h\", connections = \"per_user\" }\n"),
            steps.trim_end(),
        ));
    }
}
