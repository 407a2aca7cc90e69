//! Flows that are functions: the same arrivals, draws and books as flows of steps, and what a program can do wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plimsoll_engine::fake::{FakeServer, Reply, Script};
use plimsoll_engine::{Context, FlowError, Run, RunOutcome, StopHandle, User};
use plimsoll_plan::{Plan, SourceText, Surroundings, ThinkTime, parse};
use plimsoll_record::RunDir;
use plimsoll_record::files::EndReason;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::requests::RequestRow;
use plimsoll_record::summary::{Facts, Scope};
use plimsoll_record::traffic::TrafficFact;

use crate::support::{count, totals};

const STEPS: &str = r#"
[[flows.buy.steps]]
name = "order"
post = "/orders"
json = { by = "{user.id}", gift = "{random.uuid}" }
expect = { that = ["$.id == 7"] }
capture = { id = "$.id" }
[[flows.buy.steps]]
think = "2ms..9ms"
[[flows.buy.steps]]
name = "look"
get = "/orders/{id}"
[[flows.buy.steps]]
name = "again"
get = "/orders/{id}"
"#;

fn server(replies: &[Reply]) -> FakeServer {
    FakeServer::start(Script { replies: replies.to_vec(), ..Script::default() }).unwrap()
}

fn shop() -> FakeServer {
    server(&[Reply::Body(r#"{"id": 7}"#)])
}

fn plan(server: &FakeServer, rest: &str, steps: &str) -> Plan {
    let head = format!("name = \"coded\"\nseed = 5\ntarget.url = \"{}\"\ngenerator.requests = \"all\"", server.url());
    let source = SourceText { name: "coded.toml".to_owned(), text: format!("{head}\n{rest}\n{steps}") };
    parse(&source, &[], &Surroundings::NONE).unwrap_or_else(|problems| panic!("{problems}"))
}

fn each(users: u32, iterations: u32) -> String {
    let phase = format!("{{ name = \"people\", users = {users}, iterations = {{ per_user = {iterations} }} }}");
    format!("users.count = {users}\nphases = [{phase}]")
}

/// What a run left behind.
struct Played {
    outcome: RunOutcome,
    facts: Facts,
    rows: Vec<RequestRow>,
}

/// Runs `plan` as `change` has it.
fn play_as(plan: &Plan, stop: &StopHandle, change: impl FnOnce(Run) -> Run) -> Played {
    let directory = tempfile::tempdir().unwrap();
    let run = RunDir::create_or_join(directory.path(), &plan.name, "test 1.0").unwrap();
    let (events, _shown) = std::sync::mpsc::sync_channel(1);
    let outcome = change(Run::prepare(plan, &run, "test 1.0").unwrap()).run(stop, events).unwrap();
    let facts = Facts::load(directory.path()).unwrap();
    Played { outcome, rows: facts.requests().unwrap().unwrap().rows, facts }
}

/// Runs `plan` with a function in the place of its flow `buy`.
fn play<F, Fut>(plan: &Plan, stop: &StopHandle, function: F) -> Played
where
    F: Fn(User, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), FlowError>> + 'static,
{
    play_as(plan, stop, |run| run.with_flow("buy", function).unwrap())
}

fn notes(facts: &Facts) -> String {
    let facts = &facts.traffic.as_ref().unwrap().facts;
    let texts = facts.iter().filter_map(|fact| match fact {
        TrafficFact::Note { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// What each iteration did: its operations, each with the pause before it; the first one with when it was intended, in
/// an open phase, or the pause since the user's last iteration.
type Story = BTreeMap<(u16, u64, u32), Vec<(u16, u16, i64)>>;

fn story(played: &Played) -> Story {
    let start = played.facts.traffic.as_ref().unwrap().header.body.start_ns;
    let mut rows = played.rows.clone();
    rows.sort_by_key(|row| (row.phase, row.user, row.iteration, row.intended));
    let mut story = Story::new();
    let mut before: Option<RequestRow> = None;
    for row in rows {
        let same = |before: &RequestRow| {
            let closed = row.phase == 1;
            (before.phase, before.user) == (row.phase, row.user) && (closed || before.iteration == row.iteration)
        };
        let since = before.filter(same).map_or(start, |before| before.done());
        let first_of_closed = row.phase == 1 && since == start;
        let pause = if first_of_closed { 0 } else { row.intended.as_nanos() - since.as_nanos() };
        let iteration = story.entry((row.phase, row.user, row.iteration)).or_default();
        iteration.push((row.operation, row.status, pause));
        before = Some(row);
    }
    story
}

#[test]
fn a_function_makes_the_arrivals_draws_and_record_of_its_twin_in_steps() {
    let server = shop();
    let phases = r#"users.count = 6
phases = [
  { name = "open", duration = "300ms", rate = "60/s", arrivals = "poisson" },
  { name = "closed", duration = "20s", users = 6, think = "1ms..4ms", iterations = { per_user = 5 } },
]"#;
    let plan = plan(&server, phases, STEPS);
    let stated = play_as(&plan, &StopHandle::new(), |run| run);
    let coded = play(&plan, &StopHandle::new(), |_, mut cx| async move {
        cx.request("order").await?;
        cx.think(ThinkTime::Uniform { min: Duration::from_millis(2), max: Duration::from_millis(9) }).await?;
        cx.request("look").await?;
        cx.request("again").await?;
        Ok(())
    });
    assert_eq!(coded.outcome.reason, EndReason::Completed);
    let stories = [&stated, &coded].map(story);
    assert!(stories[0].len() > 40 && stories[0].values().all(|steps| steps.len() == 3), "{:?}", stories[0]);
    assert_eq!(stories[0], stories[1]);
    for operation in [0, 1, 2] {
        let scope = Scope { operation: Some(operation), ..Scope::default() };
        let [stated, coded] = [&stated, &coded].map(|played| played.facts.totals(&scope));
        assert_eq!((stated.ledger, stated.checks, stated.statuses), (coded.ledger, coded.checks, coded.statuses));
    }
    let headers = [&stated, &coded].map(|played| {
        let header = &played.facts.traffic.as_ref().unwrap().header.body;
        (header.operations.clone(), header.checks.clone())
    });
    assert_eq!(headers[0], headers[1]);
}

#[test]
fn a_function_decides_by_what_it_reads_and_by_what_it_draws() {
    let server = server(&[Reply::Body(r#"{"id": 7}"#), Reply::Body(r#"{"id": 7, "price": 3}"#)]);
    let plan = plan(&server, &each(1, 4), STEPS);
    let Played { outcome, facts, .. } = play(&plan, &StopHandle::new(), |user, mut cx| async move {
        let order = cx.request("order").await?;
        assert_eq!((order.status(), order.json()?["id"].as_u64()), (200, Some(7)));
        assert_eq!((cx.get("id")?, user.id(), user.number()), (Some(7.into()), "user-1", 1));
        assert!(order.header("content-length").is_some() && !order.is_limited() && order.text()?.len() == 9);
        cx.set("id", "other")?;
        let (a, b) = (cx.random(), cx.random());
        assert!(a != b && (0.0..1.0).contains(&a));
        tokio::time::sleep(Duration::from_millis(2)).await;
        if cx.request("look").await?.json()?["price"].as_u64() == Some(3) && user.iteration() % 2 == 0 {
            cx.request("order").await?;
            cx.request("look").await?;
        }
        Ok(())
    });
    assert_eq!((outcome.reason, outcome.answered), (EndReason::Completed, 12), "{}", notes(&facts));
}

#[test]
fn a_request_that_fails_ends_the_flow_unless_it_says_otherwise() {
    let server = server(&[Reply::Body(r#"{"id": 7}"#), Reply::Status(500)]);
    let plan = plan(&server, &each(1, 6), STEPS);
    let Played { facts, .. } = play(&plan, &StopHandle::new(), |user, mut cx| async move {
        cx.request("order").await?;
        let look = cx.request("look").await;
        assert!(matches!(look, Err(FlowError::Failed { outcome: Outcome::UnexpectedStatus, status: 500, .. })));
        if user.iteration() > 2 {
            look?;
        }
        drop(cx.request("again").await);
        assert!(cx.request("again").await.is_err());
        Ok(())
    });
    let counts = [0, 1, 2].map(|operation| {
        let totals = facts.totals(&Scope { operation: Some(operation), ..Scope::default() });
        (totals.ledger.count(Outcome::Ok), totals.ledger.failures())
    });
    assert_eq!(counts, [(6, 0), (0, 6), (2, 2)], "{}", notes(&facts));
    assert_eq!(notes(&facts), "");
}

#[test]
fn users_who_think_leave_their_connections_to_others() {
    let server = shop();
    let mut plan = plan(&server, &each(60, 2), STEPS);
    plan.target.as_mut().unwrap().connections = 2.try_into().unwrap();
    plan.generator.interval = Duration::from_millis(20);
    let played = play(&plan, &StopHandle::new(), |_, mut cx| async move {
        cx.request("order").await?;
        cx.think(Duration::from_millis(10)).await?;
        cx.think(Duration::from_millis(30)).await?;
        cx.request("look").await.map(drop)
    });
    assert_eq!(played.outcome.answered, 240);
    assert!(played.facts.generator().all(|row| row.connections <= 2));
    let (first, looks) = (story(&played), |steps: &Vec<(u16, u16, i64)>| steps[1].2);
    assert!(first.values().all(|steps| looks(steps) == 40_000_000), "{first:?}");
}

#[test]
fn a_run_that_is_stopped_tells_its_functions() {
    let server = shop();
    let plan = plan(&server, "users.count = 8\nphases = [{ name = \"people\", users = 8, duration = \"1h\" }]", STEPS);
    let (told, asked) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (teller, asker, stop) = (Arc::clone(&told), Arc::clone(&asked), StopHandle::new());
    let stopper = stop.clone();
    let Played { outcome, facts, .. } = play(&plan, &stop, move |user, mut cx| {
        let (told, asked, stop) = (Arc::clone(&teller), Arc::clone(&asker), stopper.clone());
        async move {
            cx.request("order").await?;
            if asked.fetch_add(1, Ordering::Relaxed) == 7 {
                stop.request();
            }
            // Half of them are away when it comes, half are here.
            let rest = match user.number() % 2 {
                0 => cx.think(Duration::from_secs(3_600)).await,
                _ => loop {
                    if let Err(error) = cx.request("look").await {
                        break Err(error);
                    }
                },
            };
            assert!(matches!(rest, Err(FlowError::Stopped)));
            told.fetch_add(1, Ordering::Relaxed);
            // One that does not listen is dropped.
            while user.number() == 1 {
                let _ = cx.request("look").await;
            }
            rest
        }
    });
    assert_eq!((outcome.reason, told.load(Ordering::Relaxed)), (EndReason::Interrupted, 8), "{}", notes(&facts));
    assert_eq!(totals(&facts).ledger.failures(), 0, "{:?}", totals(&facts).ledger);
    assert_eq!(notes(&facts), "");
}

/// The note of a run whose only iteration goes wrong, and what became of the arrival.
fn mistake<F, Fut>(function: F) -> (EndReason, String, Vec<(Outcome, u64)>)
where
    F: Fn(User, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), FlowError>> + 'static,
{
    let server = shop();
    let Played { outcome, facts, .. } = play(&plan(&server, &each(1, 1), STEPS), &StopHandle::new(), function);
    (outcome.reason, notes(&facts), totals(&facts).ledger.outcomes().collect())
}

#[test]
fn what_a_program_does_wrong_is_said_and_the_run_has_failed() {
    let unsent = vec![(Outcome::NotBuilt, 1)];
    let (reason, note, outcomes) = mistake(|_, mut cx| async move { cx.request("look").await.map(drop) });
    assert_eq!((reason, &outcomes), (EndReason::Failed, &unsent));
    assert!(note.contains("flow `buy` begins with `look`, but the arrival of `order` is scheduled"), "{note}");
    let (reason, note, outcomes) = mistake(|_, mut cx| async move { cx.think(Duration::ZERO).await });
    assert!((reason, &outcomes) == (EndReason::Failed, &unsent) && note.contains("begins with a pause"), "{note}");
    let (reason, note, outcomes) = mistake(|_, _| async { Ok(()) });
    assert!((reason, &outcomes) == (EndReason::Failed, &unsent) && note.contains("begins with nothing"), "{note}");
    let (reason, note, outcomes) = mistake(|_, mut cx| async move {
        cx.request("order").await?;
        cx.request("typo").await.map(drop)
    });
    assert_eq!((reason, outcomes), (EndReason::Failed, vec![(Outcome::Ok, 1)]));
    assert!(note.contains("flow `buy` has no step `typo`"), "{note}");
    let (reason, note, _) = mistake(|_, cx| async move { cx.get("nobody").map(drop) });
    assert!(reason == EndReason::Failed && note.contains("captures or sets `nobody`"), "{note}");
}

#[test]
fn a_function_that_panics_is_counted_and_the_others_go_on() {
    let server = shop();
    let Played { outcome, facts, .. } =
        play(&plan(&server, &each(5, 4), STEPS), &StopHandle::new(), |user, mut cx| async move {
            cx.request("order").await?;
            assert!(user.number() != 3, "user 3 is out of luck");
            cx.request("look").await.map(drop)
        });
    assert_eq!((outcome.reason, count(&facts, Outcome::Ok)), (EndReason::Failed, 20 + 16));
    let expected =
        "4 iterations of flow `buy` ended with an error of their own; the first: the function panicked: user 3";
    assert!(notes(&facts).contains(expected), "{}", notes(&facts));
}

#[test]
fn a_reason_of_its_own_is_told_and_spoils_nothing() {
    let (reason, note, outcomes) = mistake(|_, mut cx| async move {
        cx.request("order").await?;
        Err(FlowError::own("sold out"))
    });
    assert_eq!((reason, outcomes), (EndReason::Completed, vec![(Outcome::Ok, 1)]));
    assert!(note.ends_with("the first: sold out"), "{note}");
}

#[test]
fn a_poll_is_asked_for_like_any_request() {
    let server = server(&[
        Reply::Body(r#"{"id": 7}"#),
        Reply::Body(r#"{"state": "new"}"#),
        Reply::Body(r#"{"state": "new"}"#),
        Reply::Body(r#"{"state": "sent"}"#),
    ]);
    let poll = "[[flows.buy.steps]]\nname = \"wait\"\nget = \"/orders/{id}\"\npoll = { until = \"$.state == 'sent'\", every = \"3ms\" }";
    let plan = plan(&server, &each(1, 3), &format!("{STEPS}\n{poll}"));
    let Played { facts, .. } = play(&plan, &StopHandle::new(), |_, mut cx| async move {
        cx.request("order").await?;
        let last = cx.request("wait").await?;
        assert_eq!(last.json()?["state"], "sent");
        Ok(())
    });
    let scheduled =
        |operation| facts.totals(&Scope { operation: Some(operation), ..Scope::default() }).ledger.scheduled();
    assert_eq!([0, 3, 4].map(scheduled), [3, 9, 3], "{}", notes(&facts));
}

#[test]
fn a_flow_that_the_plan_lacks_is_told_from_those_it_has() {
    let server = shop();
    let directory = tempfile::tempdir().unwrap();
    let run = RunDir::create_or_join(directory.path(), "coded", "test 1.0").unwrap();
    let prepared = Run::prepare(&plan(&server, &each(1, 1), STEPS), &run, "test 1.0").unwrap();
    let error = prepared.with_flow("sell", |_, _| async { Ok(()) }).unwrap_err().to_string();
    assert_eq!(error, "the plan has no flow `sell`, which says the requests there are; it has `buy`");
}
