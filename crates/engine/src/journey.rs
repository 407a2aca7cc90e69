//! An iteration under way: where it stands in its flow, and who goes through it.
//!
//! It can be put away while its user thinks and goes on on any slot. Between requests it runs ahead: what comes after
//! a pause depends on nothing but the visit, so that a paused iteration always stands before the request it will make,
//! and what is waited for has a name in the books. Nothing here sends anything or looks at a clock.

use plimsoll_plan::ThinkTime;

use crate::coded::Running;
use crate::feed::Arrival;
use crate::program::{Cursor, Failure, Mind, Next};
use crate::visit::{Iteration, Visit};
use crate::workload::{PhaseLoad, Workload};

/// An iteration under way.
#[derive(Debug)]
pub(crate) struct Journey {
    pub(crate) arrival: Arrival,
    pub(crate) visit: Visit,
    cursor: Cursor,
    /// The poll it is in the middle of.
    pub(crate) polling: Option<Polling>,
    /// How many requests it has sent.
    pub(crate) requests: u32,
    /// It is one of the branches of a group: phases' think times are left out there.
    inside: bool,
    /// The function that says how it goes on, where the flow is one, once it was called.
    pub(crate) code: Option<Box<Running>>,
}

/// A poll whose first try was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Polling {
    /// When the first try was intended.
    pub(crate) intended: i64,
    /// When it was sent.
    pub(crate) sent: i64,
}

/// Where an iteration that was moved on has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ahead {
    pub(crate) next: Next,
    /// When.
    pub(crate) at: i64,
}

/// Something that is due, and has an end of its own in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) operation: u16,
    /// It is a whole poll rather than a request.
    pub(crate) is_poll: bool,
}

/// What is under way since something was handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) requests: u64,
    pub(crate) polls: u64,
}

impl Begun {
    /// One request.
    pub(crate) const REQUEST: Self = Self { requests: 1, polls: 0 };

    pub(crate) fn add(&mut self, entry: Entry) {
        self.requests += u64::from(!entry.is_poll);
        self.polls += u64::from(entry.is_poll);
    }
}

impl Arrival {
    /// Which iteration it begins.
    fn iteration(&self) -> Iteration {
        let Self { user, phase, number, ordinal, .. } = *self;
        Iteration { user, phase, number, ordinal }
    }
}

impl Journey {
    /// The iteration that begins with `arrival`; of a user who was here before with what it remembers.
    #[inline]
    pub(crate) fn new(work: &Workload, arrival: Arrival, memory: Option<Visit>) -> Self {
        let iteration = arrival.iteration();
        let visit = match memory {
            Some(visit) => work.origin.next(visit, iteration),
            None => work.origin.visit(iteration),
        };
        Self { arrival, visit, cursor: Cursor::default(), polling: None, requests: 0, inside: false, code: None }
    }

    /// What it stands before.
    #[inline]
    pub(crate) fn next(&mut self, work: &Workload) -> Next {
        if let Some(code) = &mut self.code {
            return code.next(&mut self.visit);
        }
        self.advance(work, &mut None)
    }

    /// Lets its function run; see [`Running::poll`].
    pub(crate) fn poll_code(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        let Self { code, visit, .. } = self;
        code.as_mut().map_or(std::task::Poll::Ready(()), |code| code.poll(visit, cx))
    }

    /// Its function, which was called.
    pub(crate) fn running(&mut self) -> &mut Running {
        self.code.as_mut().expect("the function of a flow is called before anything else is done with it")
    }

    /// It does not go on.
    pub(crate) fn stop(&mut self) {
        if let Some(code) = self.code.take() {
            code.stop(&mut self.visit);
        }
    }

    /// Runs ahead from its beginning to the first request, which is due when its pauses are over.
    pub(crate) fn begin(&mut self, work: &Workload) -> Ahead {
        if self.visit.lacks_a_row(&work.flow_of(&self.arrival).ends_with) {
            return Ahead { next: Next::End, at: self.arrival.intended };
        }
        let mut pause = None;
        let next = self.advance(work, &mut pause);
        Ahead { next, at: self.arrival.intended.saturating_add(pause.unwrap_or(0)) }
    }

    /// Goes past what it stood before, which ended at `now`, and runs ahead to the next request.
    #[inline]
    pub(crate) fn go_on(&mut self, work: &Workload, now: i64) -> Ahead {
        work.program(self.arrival.flow).pass(&mut self.cursor);
        let mut pause = None;
        let next = self.advance(work, &mut pause);
        let pause = pause.unwrap_or_else(|| if next.is_work() { self.habit(work) } else { 0 });
        Ahead { next, at: now.saturating_add(pause) }
    }

    /// The pause of a closed phase's users between two requests, where the flow has none of its own.
    #[inline]
    pub(crate) fn habit(&self, work: &Workload) -> i64 {
        match &work.phases[usize::from(self.arrival.phase)].load {
            PhaseLoad::Closed(crowd) if !self.inside && crowd.think != ThinkTime::None => {
                self.visit.draw().think_ns(crowd.think, 0)
            }
            PhaseLoad::Closed(_) | PhaseLoad::Open { .. } => 0,
        }
    }

    #[inline]
    fn advance(&mut self, work: &Workload, pause: &mut Option<i64>) -> Next {
        let Self { cursor, visit, .. } = self;
        let next = work.program(self.arrival.flow).advance(cursor, &mut Thoughts { work, visit }, pause);
        visit.turn = cursor.turn();
        next
    }

    /// The branches of the group that it stands before, each at its beginning. Asked again, they are the same.
    pub(crate) fn branches(&self, work: &Workload, group: u16) -> Vec<Self> {
        let group = work.program(self.arrival.flow).group(group);
        // The draws of the group are the visit's next ones, whoever looks.
        let visits = self.visit.clone().group();
        let branch = |(index, cursor): (u32, Cursor)| {
            let visit = if group.forgets() { visits.copy(index + 1) } else { visits.branch(index) };
            Self { arrival: self.arrival, visit, cursor, polling: None, requests: 0, inside: true, code: None }
        };
        (0..).zip(group.branches(&self.cursor)).map(branch).collect()
    }

    /// Goes on with what the branches of a group have learned.
    pub(crate) fn join(&mut self, work: &Workload, group: u16, branches: Vec<Self>) {
        let forgets = work.program(self.arrival.flow).group(group).forgets();
        // The draws that the branches' own came from are used up.
        let _ = self.visit.draw();
        for branch in branches {
            self.requests += branch.requests;
            if !forgets {
                self.visit.join(branch.visit);
            }
        }
    }

    /// Names the operations that come due together with what it stands before.
    pub(crate) fn each_due(&mut self, work: &Workload, each: &mut dyn FnMut(Entry)) {
        match self.next(work) {
            Next::Request(operation) => each(Entry { operation, is_poll: false }),
            Next::Poll(operation) => {
                each(Entry { operation, is_poll: false });
                if self.polling.is_none() {
                    each(Entry { operation: operation + 1, is_poll: true });
                }
            }
            Next::Group(group) => {
                for mut branch in self.branches(work, group) {
                    let ahead = branch.begin(work);
                    if ahead.at == branch.arrival.intended {
                        branch.each_due(work, each);
                    }
                }
            }
            Next::End | Next::Failed(_) => {}
        }
    }
}

impl Next {
    /// True when something is to be sent.
    pub(crate) fn is_work(self) -> bool {
        matches!(self, Self::Request(_) | Self::Poll(_) | Self::Group(_))
    }

    /// Why the iteration cannot go on.
    pub(crate) fn failure(self) -> Option<Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

/// A visit that goes through a program.
struct Thoughts<'a> {
    work: &'a Workload,
    visit: &'a mut Visit,
}

impl Mind for Thoughts<'_> {
    fn holds(&mut self, condition: u16, turn: u32) -> bool {
        self.visit.turn = turn;
        self.work.texts.holds(condition, self.visit)
    }

    fn set(&mut self, set: u16, turn: u32) -> bool {
        self.visit.turn = turn;
        self.work.texts.set(set, self.visit)
    }

    fn draw(&mut self) -> f64 {
        self.visit.draw().unit(0)
    }

    fn think(&mut self, think: ThinkTime) -> i64 {
        self.visit.draw().think_ns(think, 0)
    }
}
