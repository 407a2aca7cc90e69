//! Runs without sockets and without waiting: the real feed, books and collector, driven by simulated time against a
//! service whose every answer is known beforehand. Tests only.
//!
//! What a request meets depends on who sends it and when, not on what else goes on. So two half runs must meet
//! exactly what the whole run meets, and their records, merged, must equal its record bin for bin.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use plimsoll_plan::{Arrivals, Iterations, Load, Method, Phase, Plan, ThinkTime};
use plimsoll_record::files::EndReason;
use plimsoll_record::latency::Latency;
use plimsoll_record::ledger::{Ledger, Outcome};
use plimsoll_record::summary::{Facts, Scope};
use plimsoll_record::traffic::{PhaseFact, TrafficHeader, TrafficWriter};
use plimsoll_record::{Offset, RunDir};
use tokio::sync::mpsc;

use crate::collector::{Collector, CollectorSetup};
use crate::draw::Draws;
use crate::feed::{Arrival, Feed};
use crate::fixtures::{closed_phase, open_phase, plan_for, replay_phase, step};
use crate::recorder::{Message, Recorder, RecorderSetup, ended};
use crate::schedule::Share;
use crate::workload::Workload;

const EVERY: i64 = 3_000_000_000;

/// What an arrival meets: how long it waits, how long it is served, and how it ends.
fn fate(arrival: &Arrival) -> (i64, i64, Outcome) {
    let draws = Draws::new(arrival.user, arrival.intended.cast_unsigned()).of(u64::from(arrival.phase));
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

/// A run of one segment by so many workers, written down and read back.
fn play(plan: &Plan, segment: Share, workers: u32) -> Facts {
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
    let mut collector = Collector::new(setup, out, None, events);
    let (sender, inbox) = mpsc::channel(10_000);
    for index in 0..workers {
        work_through(&work, Share::of(index, workers).unwrap(), &sender);
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
    }
}

/// One worker with a connection for every arrival.
fn work_through(work: &Arc<Workload>, share: Share, out: &mpsc::Sender<Message>) {
    let worker = share.index() as usize;
    let mut feed = Feed::new(work, share);
    let mut recorder = Recorder::new(RecorderSetup {
        worker,
        work: Arc::clone(work),
        start: Offset(0),
        every: EVERY,
        max_send_lag: EVERY,
        log_requests: false,
        out: out.clone(),
    });
    let mut under_way: Vec<Arrival> = Vec::new();
    let mut ends: BinaryHeap<Reverse<(i64, usize)>> = BinaryHeap::new();
    let mut now = 0;
    loop {
        let (due, end) = (feed.next_due(), ends.peek().map(|Reverse((at, _))| *at));
        let Some(next) = due.into_iter().chain(end).min() else { break };
        now = next;
        while now >= recorder.boundary() {
            let boundary = recorder.boundary();
            recorder.turn(boundary, &mut feed, 0);
        }
        if end == Some(now) {
            let Reverse((_, index)) = ends.pop().unwrap();
            let arrival = under_way[index];
            let (lag, _, outcome) = fate(&arrival);
            let operation = work.flows[usize::from(arrival.flow)].first;
            let mut end = ended(&arrival, operation, arrival.intended, arrival.intended + lag, now);
            (end.outcome, end.status, end.body_bytes) = (outcome, 200, arrival.user);
            recorder.end(&end);
            feed.give_back(&arrival, now);
        } else {
            let arrival = feed.pop(now).unwrap();
            recorder.begin();
            let (lag, service, _) = fate(&arrival);
            ends.push(Reverse((arrival.intended + lag + service, under_way.len())));
            under_way.push(arrival);
        }
    }
    recorder.close(now, &mut feed);
    out.try_send(Message::Finished { worker, sound: true }).unwrap();
}

/// Everything a record holds of one operation in one phase in one interval, the generator's own costs apart.
#[derive(Clone, Debug, Default, PartialEq)]
struct Books {
    ledger: Ledger,
    served: Latency,
    limited: Latency,
    censored: Latency,
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
