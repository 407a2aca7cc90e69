//! A run from end to end: prepare, start the workers, collect, say how it ended.

mod key_sets;

use std::io;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use plimsoll_plan::{ConnectionUse, Plan, Target};
use plimsoll_record::checks::CheckFact;
use plimsoll_record::files::{EndReason, WriteError};
use plimsoll_record::integrity::KeySet;
use plimsoll_record::traffic::{PhaseFact, SegmentFact, TrafficHeader, TrafficWriter};
use plimsoll_record::units::show_duration;
use plimsoll_record::{Offset, RunClock, RunDir};
use tokio::sync::mpsc;

use crate::answer::check_facts;
use crate::coded::{Code, CodeSetup, Context, FlowError, User, WithFlowError};
use crate::collector::{Collected, Collector, CollectorSetup, Files};
use crate::connection::{Handshakes, PoolSetup, Route, RouteError, Tls};
use crate::event::{Event, PhaseSpan};
use crate::heart::HeartSetup;
use crate::integrity::ReadBackSetup;
use crate::journal::JournalSetup;
use crate::recorder::{Message, RecorderSetup, process_cpu_ns};
use crate::redaction::Redaction;
use crate::schedule::Share;
use crate::stage::{Stage, Staged};
use crate::stop::{Stop, StopHandle};
use crate::tick::Tick;
use crate::visit::Known;
use crate::worker::Worker;
use crate::workload::{NEVER, PhaseLoad, Workload, WorkloadError, nanos, traffic_target};

/// Between the decision to start and the first intended time: threads start, runtimes are made.
const LEAD: Duration = Duration::from_millis(20);
/// Reports a worker may be ahead of the collector.
const REPORTS_AHEAD: usize = 16;
/// Arrivals per second that one worker takes care of without being noticed.
const RATE_PER_WORKER: f64 = 20_000.0;
/// Closed users with a request each that one worker takes care of.
const USERS_PER_WORKER: f64 = 64.0;

const INSECURE: &str = "no certificate was checked (`target.tls.insecure`): whoever answered may not be the target";

/// Why a run could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The plan makes no traffic that can be sent.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// There is no way to the target.
    #[error(transparent)]
    Route(#[from] RouteError),
}

/// Why a run has no complete record.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The record could not be written: the disk is full, or the directory went away.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The plan's `[setup]` failed, so there was no load.
    #[error("[setup] failed: {what}; nothing was loaded, see whether the service and the step are right")]
    Setup {
        /// Which step, and what came of it.
        what: String,
    },
    /// A thread or its runtime could not be made.
    #[error("cannot start {workers} workers; give `generator.workers` a smaller number")]
    Start {
        /// How many were wanted.
        workers: u32,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// How a run ended, in a few counts. Everything else is in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOutcome {
    /// Completed, interrupted, or failed.
    pub reason: EndReason,
    /// Arrivals whose intended time came.
    pub scheduled: u64,
    /// Arrivals that got a complete answer.
    pub answered: u64,
    /// Arrivals that count as failures.
    pub failures: u64,
    /// TLS handshakes of the connections; `None` for a target without TLS.
    pub handshakes: Option<Handshakes>,
}

/// A run that is ready: the plan is compiled, the target's name resolved, nothing sent.
#[derive(Debug)]
pub struct Run {
    work: Arc<Workload>,
    setup: Option<Stage>,
    teardown: Option<Stage>,
    operations: Vec<String>,
    /// What functions in the place of flows are made of.
    flows: Vec<CodeSetup>,
    checks: Vec<CheckFact>,
    key_sets: Vec<KeySet>,
    read_backs: Vec<ReadBackSetup>,
    route: Arc<Route>,
    target: Target,
    uses: ConnectionUse,
    connections: u64,
    generator: plimsoll_plan::Generator,
    journal: JournalSetup,
    redaction: Redaction,
    workers: u32,
    tick: Tick,
    directory: RunDir,
    producer: String,
}

impl Run {
    /// Compiles `plan` and resolves its target. The record will be written to `directory` in the name of `producer`,
    /// e.g. `loadgen 0.1.0`.
    ///
    /// # Errors
    /// [`PrepareError`] when the plan makes no traffic that can be sent, or the target has no address.
    pub fn prepare(plan: &Plan, directory: &RunDir, producer: &str) -> Result<Self, PrepareError> {
        Self::prepare_segment(plan, Share::WHOLE, directory, producer)
    }

    /// The same for one part of the plan's arrivals, users, iterations and connections, when several generators share
    /// the load. Each of them needs a record of its own. The parts together are exactly the whole; only connections
    /// may be more than planned, because each part has at least one.
    ///
    /// # Errors
    /// As [`Run::prepare`].
    pub fn prepare_segment(
        plan: &Plan,
        segment: Share,
        directory: &RunDir,
        producer: &str,
    ) -> Result<Self, PrepareError> {
        let work = Arc::new(Workload::compile(plan, segment)?);
        let target = traffic_target(plan)?.into_owned();
        work.make_payloads();
        let route = Arc::new(Route::prepare(&target)?);
        let connections = segment.part_of(u64::from(target.connections.get())).max(1);
        let workers = workers(plan, &work, connections);
        let tick = Tick::choose(plan.generator.precision, &work, workers);
        let (setup, teardown) = (Stage::setup(plan)?, Stage::teardown(plan)?);
        let flows = CodeSetup::of_plan(plan, &work.slots);
        Ok(Self {
            work,
            flows,
            setup,
            teardown,
            operations: plan.operations(),
            checks: check_facts(plan),
            key_sets: key_sets::of(plan),
            read_backs: key_sets::read_backs(plan),
            route,
            target,
            uses: plan.users.connections,
            connections,
            generator: plan.generator.clone(),
            journal: JournalSetup::of(plan),
            redaction: Redaction::of(plan),
            workers,
            tick,
            directory: directory.clone(),
            producer: producer.to_owned(),
        })
    }

    /// Lets an async function go through the flow of this name, in place of its steps. What the plan says of the flow
    /// stays: its weight and pacing, and the requests of its steps, which the function asks for by their names. Which of
    /// them, in which order, and with which pauses between them, is the function's: the steps' own order, pauses, loops
    /// and conditions are passed over. It begins with the first of them, which is due when the arrival is.
    ///
    /// The function is called once per iteration, on the thread of the worker that runs it. It may await anything, and
    /// keeps its connection from others while it awaits something other than [`Context::think`]. What it returns as an
    /// error is in the record's notes; when it panics or asks for what the plan does not have, the run goes on and ends
    /// as failed. When the run is stopped, the next thing it asks for is [`FlowError::Stopped`].
    ///
    /// # Errors
    /// [`WithFlowError`] when the plan has no flow of this name.
    pub fn with_flow<F, Fut>(mut self, name: &str, function: F) -> Result<Self, WithFlowError>
    where
        F: Fn(User, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), FlowError>> + 'static,
    {
        let unknown = || {
            let known: Vec<String> = self.flows.iter().map(|setup| format!("`{}`", setup.flow)).collect();
            WithFlowError::UnknownFlow { name: name.to_owned(), known: known.join(", ") }
        };
        let index = self.flows.iter().position(|setup| setup.flow == name).ok_or_else(unknown)?;
        let setup = self.flows[index].clone();
        let operations = setup.operations();
        if let Some(code) = Code::new(setup, function) {
            let work = Arc::get_mut(&mut self.work).expect("workers get it when the run begins");
            work.run_code(index, code, operations.into_iter());
        }
        Ok(self)
    }

    /// Runs the setup; what it says for the record, and what every user knows from it.
    fn prepare_stage(
        &mut self,
        clock: RunClock,
        stop: &StopHandle,
    ) -> Result<(Option<Known>, Option<String>), RunError> {
        let Some(setup) = self.setup.take() else { return Ok((None, None)) };
        let began = clock.now();
        let staged = setup.run(&self.route, clock, None, stop);
        match staged.map_err(|source| RunError::Start { workers: 1, source })? {
            Staged::Done(known) => {
                let work = Arc::get_mut(&mut self.work).expect("workers get it when the setup is over");
                work.know(&known);
                let took = Duration::from_nanos(clock.now().since(began));
                Ok((Some(known), Some(format!("[setup] took {}", show_duration(took)))))
            }
            Staged::Stopped => Ok((None, Some("[setup] was stopped".to_owned()))),
            Staged::Failed(failure) => Err(RunError::Setup { what: failure.to_string() }),
        }
    }

    /// Makes the traffic, and returns when it has ended. Events are offered to `events` and skipped when it is full.
    ///
    /// When a worker thread breaks down (no descriptors for its runtime, or a bug), the others stop gracefully; the record balances, ends as failed and says
    /// so in a note. What the broken worker counted since its last interval is lost.
    ///
    /// # Errors
    /// [`RunError`] when the plan's setup fails, the workers cannot start, or the record cannot be written.
    pub fn run(mut self, stop: &StopHandle, events: SyncSender<Event>) -> Result<RunOutcome, RunError> {
        let clock = self.directory.clock();
        let (known, prepared) = self.prepare_stage(clock, stop)?;
        let start = clock.now().after(LEAD);
        let (out, files) = self.open_record(&clock, start)?;
        let (sender, inbox) = mpsc::channel(REPORTS_AHEAD * self.workers as usize);
        // An event that nobody takes is no reason to stop.
        let _ = events.try_send(Event::Started { phases: self.phase_spans() });
        let setup = CollectorSetup {
            work: Arc::clone(&self.work),
            workers: self.workers as usize,
            start,
            every: nanos(self.generator.interval).max(1),
            max_send_lag: nanos(self.generator.max_send_lag),
            process_cpu_ns: process_cpu_ns(),
            local_addresses: self.route.local_addresses(),
        };
        let mut collector = Collector::new(setup, out, files, events);
        if self.route.tls().is_some() && self.target.tls.insecure {
            collector.note(start, INSECURE.to_owned())?;
        }
        if let Some(text) = prepared {
            collector.note(start, text)?;
        }
        let started = self.start_workers(&clock, start, stop, &sender);
        drop(sender);
        let threads = started.map_err(|source| RunError::Start { workers: self.workers, source })?;
        let collected = collector.run(inbox);
        if collected.is_err() {
            stop.at_once();
        }
        for thread in threads {
            thread.join().expect("a worker reports its own panic and returns");
        }
        collected?;
        let back = self.read_back(clock, start, stop).map_err(|source| RunError::Start { workers: 1, source })?;
        collector.read_back(&back, clock.now())?;
        if let Some(teardown) = self.teardown.filter(|_| stop.wish() != Stop::Now) {
            let text = clean_up(teardown, &self.route, clock, known.as_ref());
            collector.note(clock.now(), text)?;
        }
        finish(collector, &clock, stop, &self.route, &self.work)
    }

    fn open_record(&self, clock: &RunClock, start: Offset) -> Result<(TrafficWriter, Files), WriteError> {
        let path = self.directory.path();
        let on_clock = |at: i64| Offset(start.as_nanos().saturating_add(at));
        let header = TrafficHeader {
            start_ns: start,
            every_ns: nanos(self.generator.interval).max(1).cast_unsigned(),
            phases: self
                .phase_spans()
                .into_iter()
                .map(|phase| PhaseFact {
                    name: phase.name,
                    start_ns: on_clock(phase.start_ns),
                    end_ns: phase.end_ns.map(on_clock),
                    planned_arrivals: phase.planned_arrivals,
                })
                .collect(),
            operations: self.operations.clone(),
            checks: self.checks.clone(),
            workers: self.workers,
            segment: segment_fact(self.work.segment),
            tick_ns: self.tick.length_ns(),
            max_send_lag_ns: nanos(self.generator.max_send_lag).cast_unsigned(),
            lookup_ns: self.route.lookup_ns(),
        };
        let out = TrafficWriter::create(path, &self.producer, clock.now(), header)?;
        let files =
            Files::create(path, &self.journal, self.redaction.clone(), &self.checks, &self.producer, clock.now())?;
        Ok((out, files.with_integrity(self.integrity_file(clock.now())?)))
    }

    fn phase_spans(&self) -> Vec<PhaseSpan> {
        let spans = self.work.phases.iter().map(|phase| PhaseSpan {
            name: phase.name.clone(),
            start_ns: phase.start,
            end_ns: (phase.end != NEVER).then_some(phase.end),
            planned_arrivals: phase.planned,
        });
        spans.collect()
    }

    fn start_workers(
        &self,
        clock: &RunClock,
        start: Offset,
        stop: &StopHandle,
        out: &mpsc::Sender<Message>,
    ) -> io::Result<Vec<std::thread::JoinHandle<()>>> {
        let threads = (0..self.workers).map(|index| {
            let worker = self.worker(index, *clock, start, stop, out);
            let (out, index) = (out.clone(), index as usize);
            let stop = stop.clone();
            let body = move || {
                let sound = matches!(catch_unwind(AssertUnwindSafe(|| worker.run())), Ok(Ok(())));
                if !sound {
                    stop.request();
                }
                // A collector that is gone has told its reason already.
                let _ = out.blocking_send(Message::Finished { worker: index, sound });
            };
            std::thread::Builder::new().name(format!("worker-{index}")).spawn(body)
        });
        let threads: io::Result<Vec<_>> = threads.collect();
        if threads.is_err() {
            stop.at_once();
        }
        threads
    }

    fn worker(
        &self,
        index: u32,
        clock: RunClock,
        start: Offset,
        stop: &StopHandle,
        out: &mpsc::Sender<Message>,
    ) -> Worker {
        let share = Share::of(index, self.workers).expect("index runs below the number of workers");
        let recorder = RecorderSetup {
            worker: index as usize,
            work: Arc::clone(&self.work),
            start,
            every: nanos(self.generator.interval).max(1),
            max_send_lag: nanos(self.generator.max_send_lag),
            journal: self.journal.clone(),
            out: out.clone(),
        };
        let connections = usize::try_from(share.part_of(self.connections)).unwrap_or(usize::MAX);
        let (route, streams) = (Arc::clone(&self.route), self.target.streams.get());
        let pool = PoolSetup { route, connections, streams, worker: index, workers: self.workers, uses: self.uses };
        let heart = HeartSetup {
            work: Arc::clone(&self.work),
            pool,
            timeout: nanos(self.target.timeout),
            connect_timeout: nanos(self.target.connect_timeout),
            first_byte_timeout: self.target.first_byte_timeout.map_or(i64::MAX, nanos),
            connections: self.uses,
            clock,
            start,
            tick: self.tick,
        };
        Worker { heart, recorder, share, drain: nanos(self.generator.drain), stop: stop.clone() }
    }
}

fn segment_fact(segment: Share) -> Option<SegmentFact> {
    (segment != Share::WHOLE).then(|| SegmentFact { number: segment.index() + 1, of: segment.count() })
}

/// Runs the teardown, also of a run that was stopped. What goes wrong there changes no number, and is only said.
fn clean_up(teardown: Stage, route: &Arc<Route>, clock: RunClock, known: Option<&Known>) -> String {
    let began = clock.now();
    let staged = teardown.run(route, clock, known, &StopHandle::new());
    let took = show_duration(Duration::from_nanos(clock.now().since(began)));
    match staged {
        Ok(Staged::Done(_) | Staged::Stopped) => format!("[teardown] took {took}"),
        Ok(Staged::Failed(failure)) => format!("[teardown] failed after {took}: {failure}"),
        Err(error) => format!("[teardown] could not be run: {error}"),
    }
}

fn finish(
    mut collector: Collector,
    clock: &RunClock,
    stop: &StopHandle,
    route: &Route,
    work: &Workload,
) -> Result<RunOutcome, RunError> {
    let now = clock.now();
    let broken = collector.broken();
    let faults: Vec<_> = work.flows.iter().filter_map(|flow| flow.code.as_ref()?.faults()).collect();
    let reason = match stop.wish() {
        _ if broken > 0 || faults.iter().any(|(_, mistaken)| *mistaken) => EndReason::Failed,
        Stop::No => EndReason::Completed,
        Stop::Gracefully | Stop::Now if stop.reason().is_some() => EndReason::Stopped,
        Stop::Gracefully | Stop::Now => EndReason::Interrupted,
    };
    if let Some(reason) = stop.reason() {
        collector.note(now, format!("given up: {reason}"))?;
    }
    if broken > 0 {
        let text = format!("{broken} worker threads broke down; their last interval is lost");
        collector.note(now, text)?;
    }
    for (text, _) in faults {
        collector.note(now, text)?;
    }
    if let Some(failure) = route.tls().and_then(Tls::failure) {
        collector.note(now, format!("TLS with the target failed: {failure}"))?;
    }
    let handshakes = route.tls().map(Tls::handshakes);
    let Collected { scheduled, answered, failures, .. } = collector.finish(now, reason)?;
    Ok(RunOutcome { reason, scheduled, answered, failures, handshakes })
}

/// How many workers: what the plan says, else one per core, at most what the load needs and as many as connections.
fn workers(plan: &Plan, work: &Workload, connections: u64) -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let needed = (work.most_at_once(needed).ceil() as u32).max(1);
    let wanted = plan.generator.workers.map_or_else(|| cores.min(needed), NonZeroU32::get);
    wanted.clamp(1, u32::try_from(connections).unwrap_or(u32::MAX))
}

/// How many workers, in fractions of one, take care of a load without being noticed.
fn needed(load: &PhaseLoad) -> f64 {
    match load {
        PhaseLoad::Open { peak, .. } => peak / RATE_PER_WORKER,
        PhaseLoad::Closed(crowd) => crowd.users as f64 / USERS_PER_WORKER,
    }
}
