//! Setup and teardown: steps that run once, before and after the load.
//!
//! They run on a small runtime of their own, by the same rules as flows. Nothing of them is load, so none of it gets
//! into the books of the run: what they count for themselves is thrown away.

use std::num::{NonZeroU32, NonZeroU64};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_plan::{
    Auth, ConnectionUse, Flow, Hole, Iterations, Load, Phase, Plan, Step, Target, Template, ThinkTime,
};
use plimsoll_record::ledger::Outcome;
use plimsoll_record::{Offset, RunClock};
use tokio::sync::mpsc;

use crate::connection::{PoolSetup, Route};
use crate::feed::Feed;
use crate::heart::{Heart, HeartSetup};
use crate::iterate::{BranchEnd, alone};
use crate::journal::JournalSetup;
use crate::recorder::{Recorder, RecorderSetup};
use crate::schedule::Share;
use crate::stop::{Stop, StopHandle};
use crate::tick::Tick;
use crate::visit::Known;
use crate::worker;
use crate::workload::{Workload, WorkloadError, nanos, traffic_target};

/// How often the stop handle is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Setup draws other values than the first user does.
const SETUP: u64 = 0x0073_6574_7570;
const TEARDOWN: u64 = 0x7465_6172;

/// Steps that run once.
#[derive(Debug)]
pub(crate) struct Stage {
    work: Workload,
    names: Vec<String>,
    timeout: i64,
    connect_timeout: i64,
    first_byte_timeout: i64,
    connections: usize,
}

/// How the steps ended.
#[derive(Debug)]
pub(crate) enum Staged {
    /// With their last one: what is known then.
    Done(Known),
    /// The run was stopped meanwhile.
    Stopped,
    Failed(StageFailure),
}

/// What went wrong.
#[derive(Debug)]
pub(crate) struct StageFailure {
    /// The step; `None` when no request of theirs failed.
    pub(crate) step: Option<String>,
    /// What came of it.
    pub(crate) outcome: Option<Outcome>,
    /// The answer's status; 0 when there was none.
    pub(crate) status: u16,
}

impl Stage {
    /// The plan's setup, if it has one.
    pub(crate) fn setup(plan: &Plan) -> Result<Option<Self>, WorkloadError> {
        let mut plan = plan.clone();
        plan.target = plan.target.map(before_setup);
        Self::compile(&plan, &plan.setup, SETUP)
    }

    /// The plan's teardown, if it has one.
    pub(crate) fn teardown(plan: &Plan) -> Result<Option<Self>, WorkloadError> {
        Self::compile(plan, &plan.teardown, TEARDOWN)
    }

    /// The steps as the only iteration of a plan of their own. Names have the slots of the whole plan as far as
    /// `setup` gives them, which is all that is handed on.
    fn compile(plan: &Plan, steps: &[Step], draws: u64) -> Result<Option<Self>, WorkloadError> {
        if steps.is_empty() {
            return Ok(None);
        }
        let target = traffic_target(plan)?;
        let mut own = plan.clone();
        own.seed ^= draws;
        own.phases = vec![Phase {
            name: "once".to_owned(),
            start: None,
            duration: None,
            load: Load::Closed {
                users: NonZeroU32::MIN,
                spawn_rate: None,
                ramp_down: None,
                think: ThinkTime::None,
                pacing: None,
                iterations: Some(Iterations::Shared(NonZeroU64::MIN)),
            },
        }];
        let (name, headers) = ("once".to_owned(), Vec::new());
        own.flows = vec![Flow { name, weight: 1.0, pacing: None, headers, steps: steps.to_vec() }];
        (own.users.session, own.users.connections) = (None, ConnectionUse::Pool);
        Ok(Some(Self {
            work: Workload::compile(&own, Share::WHOLE)?,
            names: own.operations(),
            timeout: nanos(target.timeout),
            connect_timeout: nanos(target.connect_timeout),
            first_byte_timeout: target.first_byte_timeout.map_or(i64::MAX, nanos),
            connections: target.connections.get() as usize,
        }))
    }

    /// Runs the steps; they begin with what is `known`.
    ///
    /// # Errors
    /// When there are no descriptors left for a runtime.
    pub(crate) fn run(
        self,
        route: &Arc<Route>,
        clock: RunClock,
        known: Option<&Known>,
        stop: &StopHandle,
    ) -> std::io::Result<Staged> {
        let Self { mut work, names, .. } = self;
        if let Some(known) = known {
            work.know(known);
        }
        let work = Arc::new(work);
        let (out, _nobody) = mpsc::channel(1);
        let start = Offset(clock.now().as_nanos());
        let recorder = RecorderSetup {
            worker: 0,
            work: Arc::clone(&work),
            start,
            every: i64::MAX / 2,
            max_send_lag: i64::MAX,
            journal: JournalSetup::of_all(),
            out,
        };
        let (route, connections) = (Arc::clone(route), self.connections);
        let uses = ConnectionUse::Pool;
        let setup = HeartSetup {
            work: Arc::clone(&work),
            pool: PoolSetup { route, connections, streams: 1, uses, worker: 0, workers: 1 },
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            first_byte_timeout: self.first_byte_timeout,
            connections: uses,
            clock,
            start,
            tick: Tick::FINE,
        };
        let runtime = worker::runtime()?;
        let heart = Rc::new(Heart::new(setup, Feed::new(&work, Share::WHOLE), Recorder::new(recorder)));
        let end = runtime.block_on(async {
            tokio::select! {
                end = alone(&heart) => end,
                () = stopped(stop, Stop::Gracefully) => None,
            }
        });
        drop(runtime);
        let Some(end) = end else { return Ok(Staged::Stopped) };
        let heart = Rc::into_inner(heart).expect("the tasks are gone");
        Ok(staged(&end, heart.into_books().1, &names))
    }
}

/// The target as setup sees it: what is about to be captured cannot be sent yet.
pub(crate) fn before_setup(mut target: Target) -> Target {
    target.headers.retain(|(_, value)| !is_captured(value));
    target.auth = target.auth.take().filter(|auth| !is_captured_auth(auth));
    target
}

fn is_captured(template: &Template) -> bool {
    template.holes().any(|hole| matches!(hole, Hole::Captured(_)))
}

fn is_captured_auth(auth: &Auth) -> bool {
    match auth {
        Auth::None => false,
        Auth::Basic { user, password } => is_captured(user) || is_captured(password),
        Auth::Bearer(token) => is_captured(token),
    }
}

/// Ready when the run is asked to stop, this urgently at least.
pub(crate) async fn stopped(stop: &StopHandle, urgently: Stop) {
    while stop.wish() < urgently {
        tokio::time::sleep(LOOK).await;
    }
}

fn staged(end: &BranchEnd, recorder: Recorder, names: &[String]) -> Staged {
    if !end.failed {
        return Staged::Done(end.journey.visit.knowledge());
    }
    let rows = recorder.into_rows();
    let failed = rows.iter().rev().find(|row| row.outcome.is_failure());
    Staged::Failed(StageFailure {
        step: failed.map(|row| names[usize::from(row.operation)].clone()),
        outcome: failed.map(|row| row.outcome),
        status: failed.map_or(0, |row| row.status),
    })
}

impl std::fmt::Display for StageFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.step, self.outcome) {
            (Some(step), Some(outcome)) if self.status > 0 => {
                write!(f, "its step `{step}` ended as {} with status {}", outcome.name(), self.status)
            }
            (Some(step), Some(outcome)) => write!(f, "its step `{step}` ended as {}", outcome.name()),
            _ => f.write_str("a `while` came to its limit, or a value was missing"),
        }
    }
}
