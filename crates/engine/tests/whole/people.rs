//! Flows as people go through them: pauses, polls, several things at once, sessions, redirects, and bad manners of the
//! service. Reading a record back checks that its books balance.

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_engine::StopHandle;
use plimsoll_plan::{Plan, SourceText, Surroundings, parse};
use plimsoll_record::ledger::Outcome;
use plimsoll_record::summary::{Facts, Scope, Totals};
use plimsoll_record::traffic::TrafficFact;

use crate::service::Service;
use crate::support::{record, record_with, totals};

/// A plan of one flow, `body` and everything else as given.
fn plan(service: &Service, rest: &str, steps: &str) -> Plan {
    let text = format!(
        "name = \"people\"\nseed = 3\ntarget.url = \"{}\"\ntarget.headers = {{ x-user = \"{{user.id}}\" }}\n{rest}\n\
         flows.f.steps = [{steps}]\n",
        service.url()
    );
    let source = SourceText { name: "people.toml".to_owned(), text };
    parse(&source, &[], &Surroundings::NONE).unwrap_or_else(|problems| panic!("{problems}"))
}

fn once(users: u32) -> String {
    format!("phases = [{{ name = \"once\", users = {users}, iterations = {users} }}]")
}

/// The totals of one operation.
fn of(plan: &Plan, facts: &Facts, operation: &str) -> Totals {
    let index = plan.operations().iter().position(|name| name == operation).unwrap() as u32;
    let scope = Scope { operation: Some(index), ..Scope::default() };
    facts.totals(&scope)
}

/// What the record says in words.
fn notes(facts: &Facts) -> Vec<String> {
    let facts = &facts.traffic.as_ref().unwrap().facts;
    let notes = facts.iter().filter_map(|fact| match fact {
        TrafficFact::Note { text, .. } => Some(text.clone()),
        _ => None,
    });
    notes.collect()
}

#[track_caller]
fn check(plan: &Plan, facts: &Facts, expected: &[(&str, Outcome, u64)]) {
    let mut found = BTreeMap::new();
    for name in plan.operations() {
        let ledger = of(plan, facts, &name).ledger;
        assert_eq!(ledger.scheduled(), ledger.finished(), "{name}");
        found.extend(ledger.outcomes().map(|(outcome, n)| ((name.clone(), outcome), n)));
    }
    let expected: BTreeMap<_, _> =
        expected.iter().map(|(name, outcome, n)| (((*name).to_owned(), *outcome), *n)).collect();
    assert_eq!(found, expected);
}

#[test]
fn users_who_think_leave_their_connection_to_others() {
    let service = Service::start();
    let steps = r#"{ name = "a", get = "/a" }, { think = "200ms" }, { name = "b", get = "/b" }"#;
    let mut plan = plan(&service, &once(50), steps);
    plan.target.as_mut().unwrap().connections = std::num::NonZeroU32::MIN;
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("a", Outcome::Ok, 50), ("b", Outcome::Ok, 50)]);
    let seen = service.seen();
    assert_eq!(seen.connections, 1);
    // Whoever pauses is overtaken: the first one comes back when others have begun.
    let first_back = seen.order.iter().position(|request| request == "GET /b").unwrap();
    assert!(first_back > 5, "{first_back}");
}

#[test]
fn a_poll_counts_its_tries_and_itself() {
    let service = Service::start();
    let poll = r#"{ name = "wait", get = "/jobs/x{user.n}", poll = { until = "$.state == 'done'", every = "20ms" } }"#;
    let steps = format!(r#"{poll}, {{ name = "after", get = "/after" }}"#);
    let plan = plan(&service, &format!("users.count = 4\n{}", once(4)), &steps);
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("wait", Outcome::Ok, 12), ("wait.poll", Outcome::Ok, 4), ("after", Outcome::Ok, 4)]);
    // Two pauses at least.
    assert!(of(&plan, &facts, "wait.poll").served.response.quantile(0.01).unwrap() > 35_000_000);
}

#[test]
fn a_poll_without_end_ends() {
    let service = Service::start();
    let poll = r#"poll = { until = "$.state == 'done'", every = "20ms", timeout = "130ms" }"#;
    let steps = format!(r#"{{ name = "wait", get = "/jobs/never", {poll} }}, {{ name = "after", get = "/after" }}"#);
    let plan = plan(&service, &once(2), &steps);
    let (_, facts) = record(&plan);
    let tries = of(&plan, &facts, "wait").ledger;
    assert_eq!(tries.scheduled(), tries.count(Outcome::Ok));
    assert!((2..=14).contains(&tries.scheduled()), "{tries:?}");
    assert_eq!(of(&plan, &facts, "wait.poll").ledger.count(Outcome::TimedOut), 2);
    assert_eq!(of(&plan, &facts, "after").ledger.scheduled(), 0);
}

#[test]
fn ten_at_once_are_ten_at_once_and_then_it_goes_on() {
    let service = Service::start();
    let inside = r#"{ name = "slow", get = "/slow/{turn}" }, { think = "5ms" }, { name = "more", get = "/more" }"#;
    let steps = format!(r#"{{ parallel = 10, steps = [{inside}] }}, {{ name = "after", get = "/after" }}"#);
    let steps = steps.replace("/{turn}", "");
    let plan = plan(&service, &once(3), &steps);
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("slow", Outcome::Ok, 30), ("more", Outcome::Ok, 30), ("after", Outcome::Ok, 3)]);
    assert!(service.seen().most_at_once >= 10, "{}", service.seen().most_at_once);
}

#[test]
fn branches_run_beside_each_other_and_one_that_fails_ends_the_iteration() {
    let service = Service::start();
    let steps = r#"
        { parallel = [
            [{ name = "a", get = "/slow/a" }],
            [{ name = "cut", get = "/cut" }, { name = "never", get = "/never" }],
            [{ think = "10ms" }, { repeat = 2, steps = [{ parallel = 2, steps = [{ name = "inner", get = "/inner" }] }] }],
        ] },
        { name = "after", get = "/after" }"#;
    let plan = plan(&service, &once(2), steps);
    let (_, facts) = record(&plan);
    let mut expected = vec![("a", Outcome::Ok, 2), ("inner", Outcome::Ok, 8)];
    let cut = of(&plan, &facts, "cut").ledger;
    let (outcome, n) = cut.outcomes().next().unwrap();
    assert!(n == 2 && matches!(outcome, Outcome::Closed | Outcome::Reset), "{cut:?}");
    expected.push(("cut", outcome, 2));
    check(&plan, &facts, &expected);
}

#[test]
fn a_body_that_never_ends_is_given_up_in_time() {
    let service = Service::start();
    let plan = plan(&service, &once(2), r#"{ name = "endless", get = "/endless", timeout = "150ms" }"#);
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("endless", Outcome::TimedOut, 2)]);
}

#[test]
fn redirects_are_followed_as_far_as_the_plan_says() {
    let service = Service::start();
    let steps = r#"
        { name = "down", get = "/down/3", redirects = 3, expect = { status = 200, that = ["body contains 'bottom'"] } },
        { name = "far", get = "/down/3", redirects = 2, expect = { status = 302 } },
        { name = "not", get = "/down/3", expect = { status = 302 } },
        { name = "round", get = "/round", redirects = 5, expect = { status = 200 } },
        { name = "never", get = "/never" }"#;
    let plan = plan(&service, &once(1), steps);
    let (_, facts) = record(&plan);
    let ok = |name| (name, Outcome::Ok, 1);
    check(&plan, &facts, &[ok("down"), ok("far"), ok("not"), ("round", Outcome::UnexpectedStatus, 1)]);
    assert_eq!((service.count("GET /down/0"), service.count("GET /round")), (1, 6));
}

#[test]
fn a_session_ends_and_the_next_user_takes_its_place() {
    let service = Service::start();
    let rest = "users = { count = 9, session = { iterations = 2 } }\n\
                phases = [{ name = \"a\", users = 3, iterations = 18 }]";
    let plan = plan(&service, rest, r#"{ name = "a", get = "/a" }"#);
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("a", Outcome::Ok, 18)]);
    let users: std::collections::BTreeSet<String> = service.seen().users.values().flatten().cloned().collect();
    assert!(users.len() > 3, "{users:?}");
}

#[test]
fn users_who_are_not_replaced_are_gone() {
    let service = Service::start();
    let rest = "users = { count = 9, session = { requests = 3 }, replace = false }\n\
                phases = [{ name = \"a\", users = 3, duration = \"300ms\" }]";
    let plan = plan(&service, rest, r#"{ name = "a", get = "/a" }, { name = "b", get = "/b" }"#);
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("a", Outcome::Ok, 6), ("b", Outcome::Ok, 6)]);
}

#[test]
fn a_user_may_have_its_own_connection() {
    let service = Service::start();
    let rest = "users = { count = 5, connections = \"per_user\" }\n\
                phases = [{ name = \"a\", users = 5, iterations = { each = 4 }, think = \"10ms\" }]";
    let rest = rest.replace("iterations = { each = 4 }", "iterations = 20");
    let plan = plan(&service, &rest, r#"{ name = "a", get = "/a" }, { think = "5ms" }, { name = "b", get = "/b" }"#);
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("a", Outcome::Ok, 20), ("b", Outcome::Ok, 20)]);
    let seen = service.seen();
    assert_eq!((seen.connections, seen.users.len()), (5, 5));
    assert!(seen.users.values().all(|users| users.len() == 1), "{:?}", seen.users);
}

#[test]
fn a_request_may_have_its_own_connection() {
    let service = Service::start();
    let rest = format!("users.connections = \"new\"\n{}", once(4));
    let plan = plan(&service, &rest, r#"{ name = "a", get = "/a" }, { name = "b", get = "/b" }"#);
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("a", Outcome::Ok, 4), ("b", Outcome::Ok, 4)]);
    assert_eq!(service.seen().connections, 8);
}

#[test]
fn iterations_are_paced_from_start_to_start() {
    let service = Service::start();
    let rest = "phases = [{ name = \"a\", users = 1, duration = \"1400ms\", pacing = \"300ms\" }]";
    let plan = plan(&service, rest, r#"{ name = "slow", get = "/slow" }"#);
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("slow", Outcome::Ok, 5)]);
}

#[test]
fn a_run_that_is_stopped_in_the_middle_balances() {
    let service = Service::start();
    let poll = r#"{ name = "wait", get = "/jobs/never", poll = { until = "$.state == 'done'", every = "30ms" } }"#;
    let steps = format!(
        r#"{{ name = "a", get = "/slow" }}, {{ think = "10ms..2s" }}, {{ parallel = 3, steps = [{{ name = "b", get = "/slow" }}] }}, {poll}"#
    );
    let rest = "phases = [{ name = \"open\", duration = \"30s\", rate = \"40/s\" }]";
    let plan = plan(&service, rest, &steps);
    let stop = StopHandle::new();
    let stopper = stop.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(900));
        stopper.request();
    });
    let (_, facts) = record_with(&plan, &stop);
    thread.join().unwrap();
    let ledger = totals(&facts).ledger;
    assert_eq!(ledger.scheduled(), ledger.finished());
    assert!(ledger.count(Outcome::Ok) > 20, "{ledger:?}");
}

#[test]
fn a_closed_user_who_pauses_when_its_phase_ends_does_not_go_on() {
    let service = Service::start();
    let rest = "phases = [{ name = \"a\", users = 4, duration = \"200ms\" }]";
    let plan = plan(&service, rest, r#"{ name = "a", get = "/a" }, { think = "3s" }, { name = "b", get = "/b" }"#);
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("a", Outcome::Ok, 4)]);
}

#[test]
fn what_a_user_captures_goes_into_its_next_requests() {
    let service = Service::start();
    let steps = r#"
        { name = "start", post = "/jobs", expect = { status = 202, that = ["$.state == 'queued'"] }, capture = { id = "$.id" } },
        { name = "wait", get = "/jobs/{id}", poll = { until = "$.state == 'done'", every = "10ms" }, capture = { state = "$.state" } },
        { set = { copy = "{state}-{user.n}" } },
        { name = "after", get = "/after/{copy}", when = "{state} == 'done'" },
        { name = "never", get = "/never", when = "{state} != 'done'" }"#;
    let plan = plan(&service, &format!("users.count = 3\n{}", once(3)), steps);
    let (_, facts) = record(&plan);
    let ok = |name, n| (name, Outcome::Ok, n);
    check(&plan, &facts, &[ok("start", 3), ok("wait", 9), ok("wait.poll", 3), ok("after", 3)]);
    assert_eq!((service.count("GET /jobs/j2"), service.count("GET /after/done-3")), (3, 1));
}

#[test]
fn a_closed_user_keeps_its_cookies_and_variables_from_one_iteration_to_the_next() {
    let service = Service::start();
    let rest = "users = { count = 2, cookies = true }\nphases = [{ name = \"a\", users = 2, iterations = 8 }]";
    let steps = r#"
        { name = "login", post = "/login", when = "not {token} exists", capture = { token = "$.token" } },
        { name = "me", get = "/me" }"#;
    let plan = plan(&service, rest, steps);
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("login", Outcome::Ok, 2), ("me", Outcome::Ok, 8)]);
}

#[test]
fn a_capture_that_finds_nothing_is_a_failure_of_its_own() {
    let service = Service::start();
    let steps = r#"
        { name = "a", get = "/a", capture = { x = { json = "$.nothing", on_missing = "continue" } } },
        { name = "b", get = "/b", capture = { y = { json = "$.nothing", default = "none" } } },
        { name = "c", get = "/c/{y}", capture = { z = { regex = "nothing(.)" } } },
        { name = "never", get = "/never" }"#;
    let plan = plan(&service, &once(1), steps);
    let (_, facts) = record(&plan);
    let missing = |name| (name, Outcome::MissingCapture, 1);
    check(&plan, &facts, &[missing("a"), ("b", Outcome::Ok, 1), missing("c")]);
    assert_eq!(service.count("GET /c/none"), 1);
}

#[test]
fn setup_and_teardown_run_once_and_are_no_load() {
    let service = Service::start();
    let rest = format!(
        "target.auth = {{ bearer = \"{{token}}\" }}\nusers.count = 3\n{}\nsetup.steps = [{{ name = \"log-in\", post = \"/login\", capture = {{ token = \"$.token\" }} }}]\n\
         teardown.steps = [{{ name = \"clean\", delete = \"/all/{{token}}\" }}, {{ name = \"bad\", get = \"/me\" }}]",
        once(3)
    );
    let plan = plan(&service, &rest, r#"{ name = "a", get = "/a/{token}" }"#);
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("a", Outcome::Ok, 3)]);
    let counts = ["POST /login", "GET /a/t-1", "DELETE /all/t-1"].map(|request| service.count(request));
    assert_eq!(counts, [1, 3, 1]);
    // What the setup captures is sent by everybody but the setup.
    assert_eq!(service.seen().tokens, ["", "Bearer t-1", "Bearer t-1", "Bearer t-1", "Bearer t-1", "Bearer t-1"]);
    let notes = notes(&facts);
    assert!(notes.iter().any(|note| note.starts_with("[setup] took")), "{notes:?}");
    let failed = |note: &String| note.contains("`bad` ended as unexpected_status with status 401");
    assert!(notes.iter().any(failed), "{notes:?}");
}

#[test]
fn a_setup_that_fails_ends_the_run_before_any_load() {
    let service = Service::start();
    let rest = format!("{}\nsetup.steps = [{{ name = \"me\", get = \"/me\" }}]", once(1));
    let plan = plan(&service, &rest, r#"{ name = "a", get = "/a" }"#);
    let directory = tempfile::tempdir().unwrap();
    let run = plimsoll_record::RunDir::create_or_join(directory.path(), &plan.name, "test 1.0").unwrap();
    let (events, _shown) = std::sync::mpsc::sync_channel(1);
    let error = plimsoll_engine::Run::prepare(&plan, &run, "test 1.0").unwrap().run(&StopHandle::new(), events);
    let text = error.unwrap_err().to_string();
    assert!(text.contains("[setup] failed: its step `me` ended as unexpected_status with status 401"), "{text}");
    assert_eq!(service.count("GET /a"), 0);
}

#[test]
fn a_loop_that_reaches_its_limit_ends_the_iteration_and_the_record_says_so() {
    let service = Service::start();
    let steps = r#"{ while = "{turn} >= 1", limit = 3, steps = [{ name = "a", get = "/a" }] }, { name = "never", get = "/never" }"#;
    let plan = plan(&service, &once(2), steps);
    let (_, facts) = record(&plan);
    check(&plan, &facts, &[("a", Outcome::Ok, 6)]);
    let notes = notes(&facts);
    assert!(notes.iter().any(|note| note.starts_with("2 iterations ended before")), "{notes:?}");
}

#[test]
fn people_are_served_over_http2_as_well() {
    use crate::server::{Manner, Server};
    let server = Server::start(Manner { two: true, ..Manner::default() });
    let rest = "target.http = \"2\"";
    let text = format!(
        "name = \"two\"\ntarget.url = \"{}\"\n{rest}\n{}\nflows.f.steps = [{{ parallel = 3, steps = [{{ name = \"a\", get = \"/a\", \
         expect = {{ that = [\"size > 0B\"] }} }}] }}, {{ think = \"20ms\" }}, {{ name = \"b\", get = \"/b\" }}]\n",
        server.url(),
        once(5)
    );
    for connections in ["pool", "per_user", "new"] {
        let text = format!("{text}users.connections = \"{connections}\"\n");
        let source = SourceText { name: "two.toml".to_owned(), text };
        let plan = parse(&source, &[], &Surroundings::NONE).unwrap_or_else(|problems| panic!("{problems}"));
        let (_, facts) = record(&plan);
        check(&plan, &facts, &[("a", Outcome::Ok, 15), ("b", Outcome::Ok, 5)]);
    }
}
