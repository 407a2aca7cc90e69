//! Runs without sockets and without waiting: the real feed, books and collector, driven by simulated time against a
//! service whose every answer is known beforehand. Tests only.
//!
//! What a request meets depends on who sends it and when, not on what else goes on. So two half runs must meet
//! exactly what the whole run meets, and their records, merged, must equal its record bin for bin.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use plimsoll_plan::{Arrivals, Iterations, Load, Method, Phase, Plan, SourceText, Surroundings, ThinkTime, parse};
use plimsoll_record::files::EndReason;
use plimsoll_record::latency::Latency;
use plimsoll_record::ledger::{Ledger, Outcome};
use plimsoll_record::summary::{Facts, Scope};
use plimsoll_record::timings::{Opening, Timings};
use plimsoll_record::traffic::{PhaseFact, TrafficHeader, TrafficWriter};
use plimsoll_record::{Offset, RunDir};
use tokio::sync::mpsc;

use crate::collector::{Collector, CollectorSetup};
use crate::draw::Draws;
use crate::feed::{Arrival, Due, Ending, Feed};
use crate::fixtures::{closed_phase, open_phase, plan_for, replay_phase, step};
use crate::journey::{Journey, Polling};
use crate::program::Next;
use crate::recorder::{Ended, Message, Parts, Recorder, RecorderSetup, ended};
use crate::schedule::Share;
use crate::workload::Workload;

const EVERY: i64 = 3_000_000_000;

/// What a request meets that is intended at `intended`: how long it waits, how long it is served, and how it ends.
fn fate(arrival: &Arrival, intended: i64) -> (i64, i64, Outcome) {
    let draws = Draws::new(arrival.user, intended.cast_unsigned()).of(u64::from(arrival.phase));
    let lag = (draws.unit(0) * 2e6) as i64;
    let service = (draws.unit(1).powi(4) * 3e9) as i64;
    let outcome = match draws.bits(2) % 20 {
        0 => Outcome::Limited,
        1 => Outcome::TimedOut,
        2 => Outcome::UnexpectedStatus,
        _ => Outcome::Ok,
    };
    (lag, service, outcome)
}

/// Every third user opens a connection.
fn opening(arrival: &Arrival) -> Option<Opening> {
    let connect_ns = 1_000 * arrival.user;
    arrival.user.is_multiple_of(3).then_some(Opening { connect_ns, tls_ns: Some(2 * connect_ns) })
}

/// A run of one segment by so many workers, written down and read back.
fn play(plan: &Plan, segment: Share, workers: u32) -> Facts {
    play_until(plan, segment, workers, i64::MAX)
}

/// The same for a run that is stopped at `stop`.
fn play_until(plan: &Plan, segment: Share, workers: u32, stop: i64) -> Facts {
    let directory = tempfile::tempdir().unwrap();
    let run = RunDir::create_or_join(directory.path(), &plan.name, "test 1.0").unwrap();
    let work = Arc::new(Workload::compile(plan, segment).unwrap());
    let out = TrafficWriter::create(run.path(), "test 1.0", Offset(0), header(plan, &work, workers)).unwrap();
    let (events, _shown) = std::sync::mpsc::sync_channel(1);
    let setup = CollectorSetup {
        work: Arc::clone(&work),
        workers: workers as usize,
        start: Offset(0),
        every: EVERY,
        max_send_lag: EVERY,
        process_cpu_ns: 0,
        local_addresses: 1,
    };
    let mut collector = Collector::new(setup, out, crate::collector::Files::default(), events);
    let (sender, inbox) = mpsc::channel(10_000);
    for index in 0..workers {
        work_through(&work, Share::of(index, workers).unwrap(), stop, &sender);
    }
    drop(sender);
    collector.run(inbox).unwrap();
    collector.finish(Offset(work.end()), EndReason::Completed).unwrap();
    Facts::load(directory.path()).unwrap()
}

fn header(plan: &Plan, work: &Workload, workers: u32) -> TrafficHeader {
    let phase = |phase: &crate::workload::Phase| PhaseFact {
        name: phase.name.clone(),
        start_ns: Offset(phase.start),
        end_ns: Some(Offset(phase.end)),
        planned_arrivals: phase.planned,
    };
    TrafficHeader {
        start_ns: Offset(0),
        every_ns: EVERY.cast_unsigned(),
        phases: work.phases.iter().map(phase).collect(),
        operations: plan.operations(),
        checks: Vec::new(),
        workers,
        segment: None,
        tick_ns: None,
        max_send_lag_ns: 1,
        lookup_ns: None,
    }
}

/// One worker with a connection for every arrival, up to `stop`, when the run is stopped. Polls are over with their
/// third try; groups are not played here.
fn work_through(work: &Arc<Workload>, share: Share, stop: i64, out: &mpsc::Sender<Message>) {
    let worker = share.index() as usize;
    let feed = Feed::new(work, share);
    let recorder = Recorder::new(RecorderSetup {
        worker,
        work: Arc::clone(work),
        start: Offset(0),
        every: EVERY,
        max_send_lag: EVERY,
        journal: crate::journal::JournalSetup::default(),
        out: out.clone(),
    });
    let mut player = Player { work, feed, recorder, under_way: BTreeMap::new(), begun: 0 };
    let mut now = 0;
    loop {
        let end = player.under_way.keys().next().copied();
        let Some(next) = player.feed.next_due().into_iter().chain(end.map(|(at, _)| at)).min() else { break };
        if next >= stop && now < stop {
            player.turn(stop);
            let polls = player.feed.close(stop);
            player.recorder.give_up_polls(polls);
        }
        now = now.max(next);
        player.turn(now);
        match end {
            Some(end) if end.0 <= now => player.end(end, now >= stop),
            _ => player.begin(now),
        }
    }
    // Nothing is under way any more: whatever begins here ends here.
    player.recorder.close(now.max(work.end()), &mut player.feed, &[]);
    out.try_send(Message::Finished { worker, sound: true }).unwrap();
}

/// A worker in simulated time.
struct Player<'a> {
    work: &'a Workload,
    feed: Feed,
    recorder: Recorder,
    /// What is under way by its end, and in the order it was begun.
    under_way: BTreeMap<(i64, u64), (Box<Journey>, i64)>,
    begun: u64,
}

impl Player<'_> {
    fn turn(&mut self, now: i64) {
        while now >= self.recorder.boundary() {
            let boundary = self.recorder.boundary();
            self.recorder.turn(boundary, &mut self.feed, 0);
        }
    }

    fn begin(&mut self, now: i64) {
        // What was due may turn out to have nothing to do.
        let Some(due) = self.feed.pop(now) else { return };
        self.recorder.begin(due.begun());
        let intended = due.intended();
        let journey = match due {
            Due::Fresh(arrival) => Box::new(Journey::new(self.work, arrival, None)),
            Due::Journey { journey, .. } => journey,
        };
        self.send(journey, intended);
    }

    fn send(&mut self, journey: Box<Journey>, intended: i64) {
        let (lag, service, _) = fate(&journey.arrival, intended);
        self.begun += 1;
        self.under_way.insert((intended + lag + service, self.begun), (journey, intended));
    }

    fn end(&mut self, key: (i64, u64), stopping: bool) {
        let (mut journey, intended) = self.under_way.remove(&key).unwrap();
        let (now, arrival) = (key.0, journey.arrival);
        let (operation, poll) = match journey.next(self.work) {
            Next::Request(operation) => (operation, false),
            Next::Poll(operation) => (operation, true),
            other => panic!("nothing to send at {other:?}"),
        };
        let (lag, _, outcome) = fate(&arrival, intended);
        let mut end = ended(&arrival, operation, intended, intended + lag, now);
        (end.outcome, end.status, end.body_bytes) = (outcome, 200, arrival.user);
        end.parts = Parts { waited: Some(lag), opening: opening(&arrival), first_byte: Some(intended + lag) };
        self.recorder.end(&end);
        journey.requests += 1;
        if poll {
            let polling = journey.polling.unwrap_or(Polling { intended, sent: intended + lag });
            let again = !outcome.is_failure() && now < polling.intended + 2_000_000_000;
            if again && !stopping {
                journey.polling = Some(polling);
                self.pause(now, now + 500_000_000, journey);
                return;
            }
            journey.polling = None;
            let whole = if again { Outcome::Unfinished } else { outcome };
            self.recorder.end_poll(&Ended {
                operation: operation + 1,
                intended: polling.intended,
                outcome: whole,
                ..end
            });
        }
        if outcome.is_failure() || stopping {
            self.give_back(now, now, *journey);
            return;
        }
        let ahead = journey.go_on(self.work, now);
        if !ahead.next.is_work() {
            self.give_back(now, ahead.at, *journey);
        } else if ahead.at > now {
            self.pause(now, ahead.at, journey);
        } else {
            let (phase, recorder) = (arrival.phase, &mut self.recorder);
            journey.each_due(self.work, &mut |entry| recorder.begin_step(phase, entry));
            self.send(journey, now);
        }
    }

    fn pause(&mut self, now: i64, at: i64, journey: Box<Journey>) {
        self.feed.pause(now, at, journey);
    }

    fn give_back(&mut self, now: i64, at: i64, journey: Journey) {
        let Journey { arrival, requests, visit, .. } = journey;
        self.feed.end(&arrival, Ending { now, at, requests, visit: Some(visit) });
    }
}

/// Everything a record holds of one operation in one phase in one interval, the generator's own costs apart.
#[derive(Clone, Debug, Default, PartialEq)]
struct Books {
    ledger: Ledger,
    served: Latency,
    limited: Latency,
    censored: Latency,
    timings: Timings,
    statuses: BTreeMap<u16, u64>,
    body_bytes: u64,
    slowest_ns: u64,
}

type Record = BTreeMap<(i64, u32, u32), Books>;

fn merged<'a>(parts: impl IntoIterator<Item = &'a Facts>) -> Record {
    let mut record = Record::new();
    for facts in parts {
        for row in facts.intervals(&Scope::default()) {
            let books = record.entry((row.at_ns.as_nanos(), row.phase, row.operation)).or_default();
            books.ledger.merge(&row.ledger);
            books.served.merge(&row.served);
            books.limited.merge(&row.limited);
            books.censored.merge(&row.censored);
            books.timings.merge(&row.timings);
            row.statuses.iter().for_each(|(status, n)| *books.statuses.entry(*status).or_default() += n);
            books.body_bytes += row.body_bytes;
            books.slowest_ns = books.slowest_ns.max(row.worst.as_ref().map_or(0, |worst| worst.response_ns));
        }
    }
    record
}

/// All models, two flows, phases one after the other and beside each other. Iterations that users share are left out:
/// who gets them depends on who is ready first, and that on who else is there.
fn plan() -> Plan {
    let seconds = Duration::from_secs;
    let think = ThinkTime::Uniform { min: Duration::from_millis(50), max: Duration::from_millis(400) };
    let mut plan = plan_for("http://127.0.0.1:1");
    plan.users.count = NonZeroU64::new(17).unwrap();
    let mut rare = plan.flows[0].clone();
    (rare.name, rare.weight, rare.steps) = ("rare".to_owned(), 0.3, vec![step("other", Method::Get, "/other").into()]);
    plan.flows.push(rare);
    let mut poisson = open_phase("poisson", 80.0, seconds(4));
    let Load::Open { arrivals, .. } = &mut poisson.load else { unreachable!() };
    *arrivals = Arrivals::Poisson;
    let mut crowd = closed_phase("crowd", 23, think, None, Some(seconds(7)));
    let Load::Closed { spawn_rate, ramp_down, .. } = &mut crowd.load else { unreachable!() };
    (*spawn_rate, *ramp_down) = (plimsoll_plan::Rate::per_second(11.0), Some(seconds(3)));
    let mut counted = closed_phase("counted", 9, think, None, Some(seconds(60)));
    let Load::Closed { iterations, .. } = &mut counted.load else { unreachable!() };
    *iterations = NonZeroU32::new(6).map(Iterations::PerUser);
    let times: Vec<u64> = (0..300).map(|n| n * n * 50_000).collect();
    let beside = Phase { start: Some(seconds(2)), ..replay_phase("replay", &times, 0.5, seconds(8)) };
    plan.phases = vec![open_phase("uniform", 101.0, seconds(3)), poisson, crowd, counted, beside];
    plan
}

#[test]
fn two_half_runs_merged_are_the_whole_run_bin_for_bin() {
    let plan = plan();
    let whole = play(&plan, Share::WHOLE, 1);
    let halves = [0, 1].map(|index| play(&plan, Share::of(index, 2).unwrap(), 1));
    let expected = merged([&whole]);
    assert!(expected.len() > 15 && whole.totals(&Scope::default()).censored.response.count() > 10);
    assert_eq!(merged(&halves), expected);
    let planned = |facts: &Facts| -> u64 {
        let phases = &facts.traffic.as_ref().unwrap().header.body.phases;
        phases.iter().filter_map(|phase| phase.planned_arrivals).sum()
    };
    assert_eq!(halves.iter().map(planned).sum::<u64>(), planned(&whole));
}

#[test]
fn how_many_workers_play_a_part_does_not_matter() {
    let plan = plan();
    let parts = [(0, 3), (1, 2)].map(|(index, workers)| play(&plan, Share::of(index, 2).unwrap(), workers));
    assert_eq!(merged(&parts), merged([&play(&plan, Share::WHOLE, 4)]));
}

/// Steps that pause, repeat, choose and poll.
fn people() -> Plan {
    let text = r#"
name = "people"
seed = 5
target = { url = "http://127.0.0.1:1" }
users = { count = 40, session = { requests = 9 } }
phases = [
  { name = "open", duration = "9s", rate = "30/s" },
  { name = "closed", duration = "20s", users = 25, think = "lognormal(300ms, p95 = 2s)" },
  { name = "paced", duration = "8s", users = 5, pacing = "1s", iterations = 33 },
]

[[flows.read.steps]]
repeat = "0..3"
steps = [{ name = "list", get = "/list" }, { think = "exponential(400ms)" }]

[[flows.read.steps]]
name = "read"
get = "/read"

[[flows.work.steps]]
think = "100ms..2s"

[[flows.work.steps]]
choose = [
  { weight = 2, steps = [{ name = "start", post = "/jobs" }, { name = "wait", get = "/jobs/1", poll = { until = "status == 200" } }] },
  { steps = [] },
]
"#;
    let source = SourceText { name: "people.toml".to_owned(), text: text.to_owned() };
    parse(&source, &[], &Surroundings::NONE).unwrap()
}

/// Reading a record checks that every arrival has one end.
#[test]
fn flows_that_pause_leave_books_that_balance() {
    let facts = play(&people(), Share::WHOLE, 2);
    let totals = facts.totals(&Scope::default()).ledger;
    assert_eq!(totals.scheduled(), totals.finished());
    let done = totals.count(Outcome::Ok);
    assert!(done > 500 && totals.count(Outcome::Unfinished) == 0, "{totals:?}");
}

#[test]
fn a_run_that_is_stopped_anywhere_balances() {
    for stop in (0..38).map(|second| second * 1_000_000_000 + 137_000_000) {
        let totals = play_until(&people(), Share::WHOLE, 1, stop).totals(&Scope::default());
        assert_eq!(totals.ledger.scheduled(), totals.ledger.finished(), "stopped at {stop}");
        let waits = totals.censored.response.count();
        assert_eq!(waits, totals.ledger.censored(), "whatever never ended was waited for; stopped at {stop}");
    }
}

#[test]
fn parts_of_people_make_the_whole_but_for_shared_iterations() {
    let mut plan = people();
    plan.phases.truncate(2);
    let halves = [0, 1].map(|index| play(&plan, Share::of(index, 2).unwrap(), 1));
    assert_eq!(merged(&halves), merged([&play(&plan, Share::WHOLE, 3)]));
}
