//! Steps tried against a server that says what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

use plimsoll_plan::{SourceText, Surroundings};

use super::*;

/// Answers every request with JSON that quotes its path, and `/old` with a redirect to `/new`.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut first, mut length, mut line) = (String::new(), 0, String::new());
            reader.read_line(&mut first).unwrap();
            while reader.read_line(&mut line).unwrap() > 2 {
                let head = line.to_ascii_lowercase();
                length = head.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap());
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let path = first.split(' ').nth(1).unwrap_or_default();
            let answer = format!("{{\"path\": \"{path}\", \"id\": 7}}");
            let head = if path == "/old" { "302 Found\r\nlocation: /new" } else { "200 OK\r\nset-cookie: a=1" };
            let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", answer.len());
            // A client that has heard enough is no concern of the server.
            let _ = reader.get_mut().write_all(format!("{head}{answer}").as_bytes());
        }
    });
    format!("http://{address}")
}

fn tried(steps: &str) -> Vec<TriedStep> {
    let text = format!(
        "schema = 1\nname = \"p\"\n[target]\nurl = \"{}\"\nheaders = {{ x-key = \"${{KEY}}\" }}\n[[phases]]\nname = \"a\"\n\
         duration = \"1s\"\nrate = \"1/s\"\n{steps}\n",
        echo()
    );
    let environment = |name: &str| Some(format!("s3cret-{name}"));
    let surroundings = Surroundings { environment: &environment, ..Surroundings::NONE };
    let plan = plimsoll_plan::parse(&SourceText { name: "test".to_owned(), text }, &[], &surroundings).unwrap();
    let mut list = Vec::new();
    try_steps(&plan, &mut |step| list.push(step)).unwrap();
    list
}

#[test]
fn each_step_is_sent_once_in_order_with_what_was_captured_before() {
    let list = tried(
        r#"
[setup]
steps = [{ name = "log-in", post = "/login", capture = { room = "$.id" } }]
[flows.f]
steps = [
  { name = "list", get = "/rooms/{room}", capture = { path = "$.path" }, expect = { json = { "$.id" = 7 } }, soft = { body = "no" } },
  { think = "1h" },
  { repeat = 3, steps = [{ name = "again", get = "/{path:raw}/{turn}" }] },
  { name = "never", when = "{room} == 8", get = "/" },
  { choose = [{ steps = [{ name = "left", get = "/l" }] }, { steps = [{ name = "right", get = "/r" }] }] },
]"#,
    );
    let names: Vec<(&str, &str)> = list.iter().map(|step| (step.place.as_str(), step.name.as_str())).collect();
    let flow = ["list", "again", "never", "left", "right"].map(|name| ("f", name));
    assert_eq!(names, [&[("setup", "log-in")][..], &flow].concat());
    assert_eq!(list[0].captures, [("room".to_owned(), Some(Value::from(7)))]);
    assert_eq!(list[1].sent.as_ref().unwrap().path, "/rooms/7");
    assert_eq!(list[1].checks.iter().map(|(_, held)| *held).collect::<Vec<_>>(), [true, false]);
    assert_eq!(list[1].outcome, Some(Outcome::Ok), "soft checks fail nothing");
    assert_eq!(list[2].sent.as_ref().unwrap().path, "//rooms/7/1");
    assert_eq!((list[3].outcome, &list[3].sent), (None, &None));
}

#[test]
fn no_value_of_the_environment_is_handed_out() {
    let list = tried(
        r#"
[flows.f]
steps = [
  { set = { mine = "v-${SET}" } },
  { name = "one", post = "/{mine}/${PATH_KEY}", query = { q = "${QUERY}" }, json = { a = "${BODY}", m = "{mine}" }, auth = { bearer = "${TOKEN}" } },
]"#,
    );
    let sent = list[0].sent.as_ref().unwrap();
    let shown = format!("{sent:?} {}", String::from_utf8_lossy(&sent.body));
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(sent.headers.contains(&("x-key".to_owned(), "***".to_owned())), "{shown}");
    assert_eq!(String::from_utf8_lossy(&sent.body), r#"{"a":"***","m":"v-***"}"#);
    let got = String::from_utf8_lossy(&list[0].received.as_ref().unwrap().body).into_owned();
    assert!(got.contains("s3cret-SET"), "what is sent has the value: {got}");
}

#[test]
fn what_cannot_be_built_says_why_and_the_rest_is_tried() {
    let list = tried(
        r#"
[flows.f]
steps = [
  { name = "one", get = "/a", capture = { id = "$.nothing" } },
  { name = "two", get = "/{id}" },
  { name = "three", get = "/c", expect = { status = 404 } },
]"#,
    );
    let outcomes: Vec<_> = list.iter().map(|step| step.outcome).collect();
    assert_eq!(outcomes, [Some(Outcome::MissingCapture), None, Some(Outcome::UnexpectedStatus)]);
    assert_eq!(list[1].reason.as_deref(), Some("`one` failed before it: `{id}` has no value"));
    assert_eq!(list[2].reason.as_deref(), Some("200 is not among 404"));
    assert_eq!(list[0].captures, [("id".to_owned(), None)]);
}

#[test]
fn a_value_that_no_step_gives_is_the_steps_own_failure() {
    let list = tried(
        r#"
[flows.f]
steps = [
  { name = "one", when = "{user.n} == 2", get = "/a", capture = { id = "$.id" } },
  { name = "two", get = "/{id}" },
]"#,
    );
    assert_eq!((list[0].outcome, list[1].outcome), (None, Some(Outcome::NotBuilt)));
    assert!(list[1].reason.as_ref().unwrap().contains("`{id}` has no value; let"));
}

#[test]
fn a_poll_goes_on_until_what_it_waits_for_holds() {
    let list = tried(
        r#"
[flows.f]
steps = [
  { name = "soon", get = "/{random.int(1, 3)}", poll = { until = "$.path == '/2'", every = "1ms" }, capture = { path = "$.path" } },
  { name = "never", get = "/", poll = { until = "$.id == 8", every = "2ms", timeout = "7ms" }, capture = { id = "$.id" } },
]"#,
    );
    assert_eq!(list[0].captures, [("path".to_owned(), Some(Value::from("/2")))], "after {} tries", list[0].tries);
    assert_eq!((list[1].outcome, list[1].captures.len()), (Some(Outcome::TimedOut), 0));
    assert!(list[1].tries >= 1);
    assert_eq!(list[1].reason.as_deref(), Some("what it waits for did not come within 7.00 ms"));
}

#[test]
fn redirects_are_followed_as_the_step_says() {
    let list = tried(
        "[flows.f]\nsteps = [{ name = \"go\", get = \"/old\", redirects = 2 }, { name = \"stay\", get = \"/old\" }]",
    );
    let seen = |step: &TriedStep| step.received.as_ref().map(|received| (received.status, received.redirects));
    assert_eq!((seen(&list[0]), seen(&list[1])), (Some((200, 1)), Some((302, 0))));
}
