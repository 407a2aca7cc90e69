//! What is said about plans that are wrong: every file in `tests/problems` against its snapshot, and the overrides.
//!
//! To accept changed messages: `INSTA_UPDATE=always cargo test -p plimsoll-plan --test problems`, and read the diff.

use std::path::Path;

use plimsoll_plan::{Override, Plan, SourceText, Surroundings, parse, parse_criteria, parse_quick};

const SECRETS: [&str; 4] = ["hunter2", "t0ken", "s3cret", "fast-and"];

fn environment(name: &str) -> Option<String> {
    match name {
        "TOKEN" => Some("t0ken".to_owned()),
        "TWO_LINES" => Some("s3cret\nline".to_owned()),
        "RATE" => Some("5 fast-and-furious".to_owned()),
        "REDIS_WITH_PASSWORD" => Some("memcached://:hunter2@127.0.0.1".to_owned()),
        _ => None,
    }
}

fn file(name: &str) -> std::io::Result<Vec<u8>> {
    match name {
        "broken.log" => Ok(b"time\n0.5\nhunter2\n1.5\n-\n".to_vec()),
        "empty.log" => Ok(Vec::new()),
        "ten-years.log" => Ok(b"0.5\n315360000.5\n".to_vec()),
        "users.csv" | "users.xml" => Ok(b"id, name\n1,ann\n2,bob\n".to_vec()),
        "ragged.csv" => Ok(b"id,name\n1\n".to_vec()),
        "lines.jsonl" => Ok(b"{\"a\": 1}\n{\"b\": 2}\n".to_vec()),
        _ => Err(std::io::Error::new(std::io::ErrorKind::NotFound, "no such file")),
    }
}

const SURROUNDINGS: Surroundings<'static> = Surroundings { environment: &environment, file: &file };

fn read(name: &str, text: &str, overrides: &[&str]) -> Result<Plan, String> {
    let source = SourceText { name: name.to_owned(), text: text.to_owned() };
    let overrides: Vec<Override> =
        overrides.iter().map(|text| Override::parse(text).expect("it has a key and a value")).collect();
    parse(&source, &overrides, &SURROUNDINGS).map_err(|problems| problems.render(false))
}

#[test]
fn every_wrong_plan_is_answered_with_all_its_problems_and_no_secret() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/problems");
    let mut files: Vec<_> = directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 13, "{files:?}");
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let rendered = read(&format!("{name}.toml"), &text, &[]).unwrap_err();
        for secret in SECRETS {
            assert!(!rendered.contains(secret), "{name} shows {secret}:\n{rendered}");
        }
        insta::assert_snapshot!(name, rendered);
    }
}

const SMALL: &str = r#"
name = "small"
target = { url = "http://127.0.0.1:8080" }
phases = [{ name = "steady", duration = "10s", rate = "5/s" }]
flows.home.steps = [{ name = "home", get = "/" }]
"#;

#[test]
fn problems_of_overrides_name_the_override() {
    let overrides = [
        "phases.stedy.duration=10s",
        "targt.url=http://127.0.0.1",
        "phases.steady.duraton=10s",
        "phases.steady.rate=fast",
        "phases.steady=1",
        "users.count=many",
        "generator.precision=corse",
        "name.first=x",
        "a..b=1",
        "target.url=https://me:hunter2@host",
    ];
    let rendered = read("small.toml", SMALL, &overrides).unwrap_err();
    assert!(!rendered.contains("hunter2"), "{rendered}");
    insta::assert_snapshot!("overrides", rendered);
}

#[test]
fn a_tick_is_as_short_as_a_timer_and_no_longer_than_its_error() {
    for tick in ["1us", "0ms", "1s"] {
        let rendered = read("small.toml", SMALL, &[&format!("generator.precision={tick}")]).unwrap_err();
        assert!(rendered.contains("from 10us to 10ms"), "{rendered}");
    }
}

#[test]
fn problems_of_a_quick_form_are_told_whether_or_not_it_is_asked_for() {
    let text = format!(
        "{SMALL}[quick]\nphases.stedy.duration = \"1s\"\nphases.steady.duraton = \"1s\"\nusers.count = \"few\"\ntargt = 1\n"
    );
    let rendered = read("small.toml", &text, &[]).unwrap_err();
    insta::assert_snapshot!("quick-form", rendered);
    let quick = |text: &str| {
        let source = SourceText { name: "small.toml".to_owned(), text: text.to_owned() };
        parse_quick(&source, &[], &SURROUNDINGS).map_err(|problems| problems.render(false))
    };
    assert_eq!(quick(&text).unwrap_err(), rendered);
    insta::assert_snapshot!("quick-form-missing", quick(SMALL).unwrap_err());
    assert!(quick(&format!("{SMALL}[quick]\n")).unwrap_err().contains("`[quick]` is empty"));
    assert!(quick(&format!("quick = 1\n{SMALL}")).unwrap_err().contains("`quick` is a number"));
}

#[test]
fn criteria_of_a_file_of_their_own_are_checked_against_the_plan() {
    let plan = read("small.toml", SMALL, &[]).unwrap();
    let text =
        "[criteria]\nphase = \"stead\"\nrequire = [\"p99 < 1s\", \"log.errors.lines == 0\", \"${A}\"]\n\n[target]\n";
    let source = SourceText { name: "criteria.toml".to_owned(), text: text.to_owned() };
    insta::assert_snapshot!("criteria-file", parse_criteria(&source, &plan).unwrap_err().render(false));
}

#[test]
fn colour_is_only_used_when_asked_for() {
    let source = SourceText { name: "empty.toml".to_owned(), text: String::new() };
    let problems = parse(&source, &[], &SURROUNDINGS).unwrap_err();
    assert_eq!(problems.count(), 2);
    assert!(problems.render(true).contains("\u{1b}["));
    assert!(!problems.render(false).contains('\u{1b}'));
    assert_eq!(problems.to_string(), problems.render(false));
}

#[test]
fn an_override_is_a_key_and_a_value() {
    let parsed = Override::parse(" a.b = c=d ").unwrap();
    assert_eq!((parsed.key.as_str(), parsed.value.as_str()), ("a.b", "c=d"));
    assert!(Override::parse("a.b").unwrap_err().to_string().contains("`a.b` has no `=`"));
    assert!(Override::parse("=1").is_err());
    assert!(!format!("{:?}", Override::parse("key=hunter2").unwrap()).contains("hunter2"));
}
