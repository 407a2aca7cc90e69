//! What the benchmarks in `benches/` need of the engine's insides. No part of the interface: it changes with what it
//! measures, and no program should call it.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use plimsoll_plan::{Load, Part, Phase, Plan, ThinkTime, UserPattern};
use plimsoll_record::Offset;
use plimsoll_record::ledger::Outcome;
use tokio::sync::mpsc;

use crate::answer::CheckResults;
use crate::feed::Feed;
use crate::journey::Entry;
use crate::names::Names;
use crate::quick_plan;
use crate::recorder::{Ended, Message, Parts, Recorder, RecorderSetup};
use crate::schedule::Share;
use crate::text::{Place, Text};
use crate::visit::{Iteration, Origin};
use crate::workload::Workload;

const MS: i64 = 1_000_000;
/// Longer than any benchmark runs.
const FOR_EVER: Duration = Duration::from_secs(1_000_000_000);

/// A path, filled once per request.
#[derive(Debug)]
pub struct Template {
    text: Text,
    origin: Origin,
    scratch: BytesMut,
}

impl Template {
    /// Compiles the parts of a path.
    #[must_use]
    pub fn path(parts: &[Part]) -> Self {
        let mut plan = plan(1, ThinkTime::None);
        plan.users.id = UserPattern { prefix: "tenant-".to_owned(), suffix: String::new() };
        let names = Names::compile(&plan, &[]).expect("the plan has no data");
        let template = plimsoll_plan::Template { parts: parts.to_vec() };
        let text = Text::compile(&template, &names, Place::Path);
        Self { text, origin: Origin::new(1, false), scratch: BytesMut::new() }
    }

    /// The path of one user.
    pub fn fill(&mut self, user: u64) -> Bytes {
        let visit = self.origin.visit(Iteration { user, phase: 0, number: 1, ordinal: user });
        self.text.fill(&visit, &mut self.scratch).expect("users have identities")
    }
}

/// The books of a worker.
#[derive(Debug)]
pub struct Books {
    recorder: Recorder,
    _reports: mpsc::Receiver<Message>,
}

impl Books {
    /// Books of one operation in one phase.
    #[must_use]
    pub fn new() -> Self {
        let (out, reports) = mpsc::channel(1);
        let recorder = Recorder::new(RecorderSetup {
            worker: 0,
            work: compile(&plan(1, ThinkTime::None)),
            start: Offset(0),
            every: 1000 * MS,
            max_send_lag: 10 * MS,
            journal: crate::journal::JournalSetup::default(),
            out,
        });
        Self { recorder, _reports: reports }
    }

    /// Everything that is written down about one request that was answered.
    pub fn request(&mut self, intended: i64, sent: i64, done: i64) {
        self.recorder.begin_step(0, Entry { operation: 0, is_poll: false });
        self.recorder.send(Some(sent - intended), false);
        self.recorder.end(&Ended {
            retries: 0,
            user: 1,
            iteration: 0,
            phase: 0,
            operation: 0,
            intended,
            sent,
            done,
            outcome: Outcome::Ok,
            status: 200,
            body_bytes: 6,
            checks: CheckResults::NONE,
            parts: Parts { first_byte: Some(done), ..Parts::NONE },
        });
    }
}

impl Default for Books {
    fn default() -> Self {
        Self::new()
    }
}

/// Closed users who think for 60 to 120 s, all of whom have been here once.
#[derive(Debug)]
pub struct Users {
    feed: Feed,
}

impl Users {
    /// So many of them.
    #[must_use]
    pub fn new(users: NonZeroU32) -> Self {
        let think = ThinkTime::Uniform { min: Duration::from_secs(60), max: Duration::from_secs(120) };
        let feed = Feed::new(&compile(&plan(users.get(), think)), Share::WHOLE);
        let mut crowd = Self { feed };
        for _ in 0..users.get() {
            crowd.turn();
        }
        crowd
    }

    /// The next user comes, is answered within a millisecond, and thinks again.
    pub fn turn(&mut self) -> i64 {
        let due = self.feed.next_due().expect("somebody always thinks");
        let arrival = self.feed.pop(due).expect("the user who is due");
        self.feed.give_back(arrival.arrival(), due + MS);
        due
    }
}

fn plan(users: u32, think: ThinkTime) -> Plan {
    let url = "http://127.0.0.1:1/".parse().expect("a URL");
    let mut plan = quick_plan(&url, users, 1);
    let users = NonZeroU32::new(users).expect("there are users");
    plan.users.count = NonZeroU64::from(users);
    let load = Load::Closed { users, spawn_rate: None, think, pacing: None, ramp_down: None, iterations: None };
    plan.phases = vec![Phase { name: "load".to_owned(), start: None, duration: Some(FOR_EVER), load }];
    plan
}

fn compile(plan: &Plan) -> Arc<Workload> {
    Arc::new(Workload::compile(plan, Share::WHOLE).expect("the plan can be run"))
}
