//! Goes through the steps of a plan and of its masked twin side by side.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::BytesMut;
use hyper::Request as HttpRequest;
use hyper::header::HeaderMap;
use plimsoll_plan::{Action, Flow, Plan, Request, Step, Target, Template};
use plimsoll_record::RunClock;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::units::show_duration;
use serde_json::Value;

use super::{Received, Sent, TrialError, TriedStep};
use crate::answer::{Answer, Examination, Keeping, Next, Test};
use crate::connection::{Broken, Route, build, send_only};
use crate::names::{Names, Slot};
use crate::redirects;
use crate::request::{Operation, RequestBody, Surroundings};
use crate::schedule::Share;
use crate::stage::before_setup;
use crate::store::{Call, ask_once};
use crate::text::{Place, Text};
use crate::visit::{Iteration, Known, Origin, Visit};
use crate::workload::{Phase, Workload, nanos, traffic_target};

/// So much of each body is handed out.
const MOST_BODY: NonZeroU32 = NonZeroU32::new(64 * 1024).expect("64 kiB are not 0");
/// A poll is tried no longer than that, whatever patience it has under load.
const LONGEST_POLL: Duration = Duration::from_secs(30);
/// The first user's first iteration of the first phase.
const FIRST: Iteration = Iteration { user: 1, phase: 0, number: 1, ordinal: 0 };

/// Tries setup, flows and teardown.
pub(super) async fn all(plan: &Plan, masked: &Plan, each: &mut dyn FnMut(TriedStep)) -> Result<(), TrialError> {
    let target = &*traffic_target(plan)?;
    let shown = masked.target.as_ref().unwrap_or(target);
    let work = Workload::compile(plan, Share::WHOLE)?;
    let iterations: Vec<_> = work.phases.iter().map(Phase::iterations).collect();
    let names = Names::compile(plan, &iterations)?;
    let trial = Trial { names: &names, route: Route::prepare(target)?, clock: RunClock::start(), plan };
    let (early, shown_early) = (before_setup(target.clone()), before_setup(shown.clone()));
    let mut walk = trial.walk("setup", [&early, &shown_early], [&[], &[]], &Memory::default());
    walk.steps([&plan.setup, &masked.setup], each).await?;
    let memory = Memory { known: Some(walk.visit.knowledge()), hidden: walk.hidden, failed: walk.failed };
    for (flow, twin) in plan.flows.iter().zip(&masked.flows) {
        let Flow { name, headers, steps, .. } = flow;
        let mut walk = trial.walk(name, [target, shown], [headers, &twin.headers], &memory);
        walk.steps([steps, &twin.steps], each).await?;
    }
    let mut walk = trial.walk("teardown", [target, shown], [&[], &[]], &memory);
    walk.steps([&plan.teardown, &masked.teardown], each).await
}

/// What all steps share.
struct Trial<'p> {
    names: &'p Names,
    route: Route,
    clock: RunClock,
    plan: &'p Plan,
}

/// What setup hands on.
#[derive(Default)]
struct Memory {
    known: Option<Known>,
    hidden: Vec<(Slot, Value)>,
    failed: Option<String>,
}

/// One list of steps. Of two things the first is real and the second masked.
struct Walk<'t> {
    trial: &'t Trial<'t>,
    place: &'t str,
    targets: [&'t Target; 2],
    headers: [&'t [(String, Template)]; 2],
    visit: Visit,
    /// What is shown of values that were made of secrets.
    hidden: Vec<(Slot, Value)>,
    /// The first step that failed: what it should have captured is missing since.
    failed: Option<String>,
}

impl<'p> Trial<'p> {
    fn walk<'t>(
        &'t self,
        place: &'t str,
        targets: [&'t Target; 2],
        headers: [&'t [(String, Template)]; 2],
        memory: &Memory,
    ) -> Walk<'t>
    where
        'p: 't,
    {
        let origin = Origin::new(self.plan.seed, self.plan.users.cookies);
        let origin = if let Some(known) = &memory.known { origin.knowing(known.clone()) } else { origin };
        let (visit, hidden, failed) = (origin.visit(FIRST), memory.hidden.clone(), memory.failed.clone());
        Walk { trial: self, place, targets, headers, visit, hidden, failed }
    }
}

impl Walk<'_> {
    async fn steps(&mut self, steps: [&[Step]; 2], each: &mut dyn FnMut(TriedStep)) -> Result<(), TrialError> {
        for (step, twin) in steps[0].iter().zip(steps[1]) {
            let holds = |condition| Test::compile(condition, self.trial.names).holds_without_answer(&self.visit);
            if !step.when.as_ref().is_none_or(holds) {
                skip(self.place, step, each);
                continue;
            }
            match (&step.action, &twin.action) {
                (Action::Request(request), Action::Request(twin)) => each(self.request([request, twin]).await?),
                (Action::Set(values), Action::Set(twin)) => self.set(values, twin),
                _ => {
                    self.visit.turn = 1;
                    for (inside, twin) in step.inside().into_iter().zip(twin.inside()) {
                        Box::pin(self.steps([inside, twin], each)).await?;
                    }
                    self.visit.turn = 0;
                }
            }
        }
        Ok(())
    }

    /// A value that cannot be made is missing where it is used, and said there.
    fn set(&mut self, values: &[(String, Template)], twins: &[(String, Template)]) {
        let mut scratch = BytesMut::new();
        let text = |template: &Template| Text::compile(template, self.trial.names, Place::Plain);
        for ((name, template), (_, twin)) in values.iter().zip(twins) {
            let shown = text(twin).value(&self.shown_visit(), &mut scratch);
            let value = text(template).value(&self.visit, &mut scratch);
            let (Some(slot), Ok(value)) = (self.trial.names.slot(name), value) else { continue };
            self.hidden.retain(|(hidden, _)| *hidden != slot);
            self.hidden.extend(shown.ok().filter(|shown| *shown != value).map(|shown| (slot, shown)));
            self.visit.set(slot, value);
        }
    }

    /// The same visit as far as it may be shown; it draws what the real one is about to draw.
    fn shown_visit(&self) -> Visit {
        let mut visit = self.visit.clone();
        self.hidden.iter().for_each(|(slot, value)| visit.set(*slot, value.clone()));
        visit
    }

    async fn request(&mut self, [request, twin]: [&Request; 2]) -> Result<TriedStep, TrialError> {
        let names = self.trial.names;
        if let Some(call) = Call::compile(request, self.trial.plan, names) {
            return self.store(&call, [request, twin]).await;
        }
        let compile = |request: &Request, which: usize| {
            let around = Surroundings { target: self.targets[which], flow: self.headers[which], names };
            Operation::compile(request, &request.name, around)
        };
        let operations = [compile(request, 0)?, compile(twin, 1)?];
        let keeping = Keeping { headers: true, failed_bodies: Some(MOST_BODY) };
        let examination = Examination::compile(request, names, keeping)?;
        let mut tried = TriedStep { name: request.name.clone(), ..nothing(self.place) };
        let began = self.trial.clock.now();
        while self.once(request, &operations, &examination, &mut tried).await {
            let Some(poll) = &request.poll else { break };
            let patience = poll.timeout.min(LONGEST_POLL);
            let waited = Duration::from_nanos(self.trial.clock.now().since(began));
            if waited.saturating_add(poll.every) >= patience {
                tried.outcome = Some(Outcome::TimedOut);
                tried.reason = Some(format!("what it waits for did not come within {}", show_duration(patience)));
                break;
            }
            tokio::time::sleep(poll.every).await;
        }
        self.note_failure(&mut tried);
        Ok(tried)
    }

    /// Where an earlier step failed, one that lacks a value has not failed itself: a user would not have come to it.
    fn note_failure(&mut self, tried: &mut TriedStep) {
        match (&self.failed, tried.outcome) {
            (Some(failed), Some(Outcome::NotBuilt)) => {
                let missing = tried.reason.as_deref().and_then(|reason| reason.split(';').next()).unwrap_or_default();
                (tried.outcome, tried.reason) = (None, Some(format!("`{failed}` failed before it: {missing}")));
            }
            (None, Some(outcome)) if outcome.is_failure() => self.failed = Some(tried.name.clone()),
            _ => {}
        }
    }

    /// One try. True when it is one of a poll that goes on.
    async fn once(
        &mut self,
        request: &Request,
        [operation, shown]: &[Operation; 2],
        examination: &Examination,
        tried: &mut TriedStep,
    ) -> bool {
        let own = operation.timeout.unwrap_or_else(|| nanos(self.targets[0].timeout));
        let patience = Duration::from_nanos(own.unsigned_abs()).saturating_add(self.targets[0].connect_timeout);
        tried.tries += 1;
        let began = self.trial.clock.now();
        let asking = self.ask([operation, shown], request.redirects, examination.wants(), tried);
        let answer = match tokio::time::timeout(patience, asking).await {
            Ok(answer) => answer,
            Err(_) => {
                tried.reason = Some(format!("no complete answer within {}", show_duration(patience)));
                Err(Outcome::TimedOut)
            }
        };
        let took = self.trial.clock.now().since(began);
        match answer {
            Ok((mut answer, redirects)) => {
                answer.latency_ns = took;
                tried.received = Some(received(&answer, took, redirects));
                self.examine(request, examination, &answer, tried)
            }
            Err(outcome) => {
                tried.outcome = Some(outcome);
                false
            }
        }
    }

    /// A step that asks a store, on a connection of its own.
    async fn store(&mut self, call: &Call, [request, twin]: [&Request; 2]) -> Result<TriedStep, TrialError> {
        let store = &self.trial.plan.stores[call.store];
        let examination = Examination::compile(request, self.trial.names, Keeping::default())?;
        let mut tried = TriedStep { name: request.name.clone(), ..nothing(self.place) };
        let shown = Call::compile(twin, self.trial.plan, self.trial.names);
        let shown_visit = self.shown_visit();
        tried.sent = shown.and_then(|call| call.show(&shown_visit)).map(|body| Sent {
            method: store.kind.name().to_owned(),
            path: store.name.clone(),
            headers: Vec::new(),
            body: body.into_bytes(),
        });
        let began = self.trial.clock.now().as_nanos();
        let answer = ask_once(store, call, &self.visit).await;
        let took = (self.trial.clock.now().as_nanos() - began).unsigned_abs();
        match answer {
            Ok(mut answer) => {
                answer.latency_ns = took;
                tried.received = Some(received(&answer, took, 0));
                self.examine(request, &examination, &answer, &mut tried);
            }
            Err((outcome, reason)) => {
                tried.outcome = Some(outcome);
                tried.reason = Some(reason).filter(|reason| !reason.is_empty());
            }
        }
        Ok(tried)
    }

    /// The last answer, and how many redirects led to it.
    async fn ask(
        &self,
        [operation, shown]: [&Operation; 2],
        most: u8,
        wants: crate::answer::Wants,
        tried: &mut TriedStep,
    ) -> Result<(Answer, u8), Outcome> {
        let route = &self.trial.route;
        let mut next: Option<HttpRequest<RequestBody>> = None;
        for turn in 0..=most {
            let stream = route.open(0).await.map_err(|error| error.outcome())?;
            let protocol = route.protocol().unwrap_or_else(|| stream.negotiated());
            let request = match next.take() {
                Some(request) => request,
                None => {
                    let twin = build(protocol, shown, &self.shown_visit());
                    tried.sent = twin.ok().map(|request| sent(&request));
                    let built = build(protocol, operation, &self.visit);
                    built.map_err(|error| {
                        tried.reason = Some(error.to_string());
                        Outcome::NotBuilt
                    })?
                }
            };
            let answer = send_only(stream, protocol, request.clone(), wants).await;
            let answer = answer.map_err(|(Broken::NotSent(outcome) | Broken::Sent(outcome))| outcome)?;
            if let Some(kept) = &answer.kept {
                self.visit.receive_cookies(&kept.headers, &operation.url(request.uri()));
                let to = redirects::follow(&request, answer.status, &kept.headers, &self.targets[0].url);
                if let Some(mut to) = to.filter(|_| turn < most) {
                    let url = operation.url(to.uri());
                    if self.visit.has_cookies() {
                        redirects::send_cookies(&mut to, &self.visit, &url);
                    }
                    next = Some(to);
                    continue;
                }
            }
            return Ok((answer, turn));
        }
        Err(Outcome::NotBuilt)
    }

    /// What the answer means. True when the poll it is for goes on.
    fn examine(
        &mut self,
        request: &Request,
        examination: &Examination,
        answer: &Answer,
        tried: &mut TriedStep,
    ) -> bool {
        let judged = examination.examine(&mut self.visit, answer);
        tried.outcome = Some(judged.outcome);
        let mut counts = Vec::new();
        judged.checks.count_into(&mut counts);
        let checks = request.expect.checks.iter().chain(&request.expect.soft);
        tried.checks = checks.zip(&counts).map(|(check, count)| (check.name.clone(), count.passed > 0)).collect();
        if judged.outcome == Outcome::UnexpectedStatus {
            tried.reason = Some(format!("{} is not {}", answer.status, expected(&request.expect.status)));
        }
        if judged.next == Next::TryAgain {
            return true;
        }
        if matches!(judged.outcome, Outcome::Ok | Outcome::MissingCapture) {
            let value = |name: &str| self.trial.names.slot(name).and_then(|slot| self.visit.variable(slot)).cloned();
            tried.captures = request.captures.iter().map(|one| (one.name.clone(), value(&one.name))).collect();
        }
        false
    }
}

/// The statuses that are right, as ranges.
fn expected(codes: &[u16]) -> String {
    if codes.is_empty() {
        return "a 2xx or 3xx".to_owned();
    }
    let runs = codes.chunk_by(|a, b| a + 1 == *b).filter_map(|run| Some((*run.first()?, *run.last()?)));
    let shown = runs.map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    format!("among {}", shown.collect::<Vec<_>>().join(", "))
}

/// Hands out the requests of a step whose `when` does not hold.
fn skip(place: &str, step: &Step, each: &mut dyn FnMut(TriedStep)) {
    for request in plimsoll_plan::flow::requests(std::slice::from_ref(step)) {
        each(TriedStep { name: request.name.clone(), ..nothing(place) });
    }
}

fn nothing(place: &str) -> TriedStep {
    TriedStep {
        place: place.to_owned(),
        name: String::new(),
        sent: None,
        received: None,
        outcome: None,
        reason: None,
        tries: 0,
        checks: Vec::new(),
        captures: Vec::new(),
    }
}

fn sent(request: &HttpRequest<RequestBody>) -> Sent {
    let uri = request.uri();
    Sent {
        method: request.method().to_string(),
        path: uri.path_and_query().map_or_else(|| uri.to_string(), ToString::to_string),
        headers: headers(request.headers()),
        body: request.body().0.as_ref().map_or_else(Vec::new, |body| body.to_vec()),
    }
}

fn received(answer: &Answer, took: u64, redirects: u8) -> Received {
    let kept = answer.kept.as_deref();
    Received {
        status: answer.status,
        headers: kept.map_or_else(Vec::new, |kept| headers(&kept.headers)),
        body: kept.map_or_else(Vec::new, |kept| kept.excerpt(MOST_BODY.get() as usize).to_vec()),
        body_bytes: answer.body_bytes,
        took: Duration::from_nanos(took),
        redirects,
    }
}

fn headers(map: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    map.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}
