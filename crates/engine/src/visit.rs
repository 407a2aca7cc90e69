//! Who goes through a flow: the user, which iteration it is, and everything the user knows meanwhile.
//!
//! A visit is a small value of its own: it is kept while its user thinks and needs no task. Without variables, data
//! and cookies it has no heap. Nothing here sends anything or knows a clock.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use hyper::header::HeaderMap;
use serde_json::Value;
use url::Url;

use crate::cookies::Jar;
use crate::data::{Asking, Set};
use crate::draw::Draws;
use crate::integrity::Touching;
use crate::names::{CompiledHole, Slot};

/// What is drawn within iterations, apart from the phases' own streams.
const VISITS: u64 = 0x7669_7369_7473;

/// Values by slot that several visits begin with: what `[setup]` captured, or what a user knew before a group.
pub(crate) type Known = Arc<[Option<Value>]>;

/// What every visit of a run begins with.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    draws: Draws,
    known: Option<Known>,
    cookies: bool,
}

/// Which iteration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Iteration {
    /// The user's number, from 1.
    pub(crate) user: u64,
    pub(crate) phase: u16,
    /// Which of the user's iterations it is, from 1.
    pub(crate) number: u64,
    /// The number of the iteration in its phase, from 0, over all users, workers and generators: the index of the
    /// arrival in an open phase, [`Iteration::ordinal`] in a closed one. Draws and rows follow from it.
    pub(crate) ordinal: u64,
}

/// One iteration of a user, from its start to its end.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// Which iteration it is.
    pub(crate) iteration: Iteration,
    /// Which turn of the innermost loop, or which copy of the innermost group, from 1; 0 outside of them. Whoever
    /// runs the loop sets it, and puts the outer one back.
    pub(crate) turn: u32,
    /// The draws of the run. Those of the iteration are made of them where something is drawn: most visits draw
    /// nothing.
    run: Draws,
    /// The draws of a copy or branch, and how many were made.
    branch: Option<Draws>,
    drawn: Cell<u64>,
    /// What was known before, and what was learned since: by slot, as long as the highest one that was set.
    known: Option<Known>,
    learned: Vec<Option<Value>>,
    cookies: Option<Rc<RefCell<Jar>>>,
    /// The key of a set that the step under way writes or reads.
    pub(crate) touching: Touching,
}

/// What copies or branches of a visit begin with.
#[derive(Debug)]
pub(crate) struct Group {
    of: Visit,
}

impl Iteration {
    /// The ordinal of iteration `begun` (from 0) of seat `seat` (from 0, in the whole plan) of a closed phase of so
    /// many users. A seat is what one user after another takes when sessions end.
    pub(crate) fn ordinal(seat: u64, begun: u64, users: u64) -> u64 {
        begun.saturating_mul(users).saturating_add(seat)
    }
}

impl Origin {
    /// Visits of a plan with this seed; each has cookies of its own if it has any.
    pub(crate) fn new(seed: u64, cookies: bool) -> Self {
        Self { draws: Draws::new(seed, VISITS), known: None, cookies }
    }

    /// The same for visits that begin with these values.
    pub(crate) fn knowing(self, known: Known) -> Self {
        let known = known.iter().any(Option::is_some).then_some(known);
        Self { known, ..self }
    }

    /// The first iteration of a user, who knows nothing else.
    pub(crate) fn visit(&self, iteration: Iteration) -> Visit {
        Visit {
            iteration,
            turn: 0,
            run: self.draws,
            branch: None,
            drawn: Cell::new(0),
            known: self.known.clone(),
            learned: Vec::new(),
            cookies: self.cookies.then(Rc::default),
            touching: Touching::default(),
        }
    }

    /// The next iteration of the same user, who keeps variables and cookies.
    pub(crate) fn next(&self, visit: Visit, iteration: Iteration) -> Visit {
        Visit { iteration, turn: 0, run: self.draws, branch: None, drawn: Cell::new(0), ..visit }
    }
}

impl Visit {
    /// The value of a hole; `None` when it is not there. A random hole is drawn anew with every call.
    pub(crate) fn value<'a>(&'a self, hole: &'a CompiledHole) -> Option<Cow<'a, Value>> {
        Some(match hole {
            CompiledHole::UserId(users) => Cow::Owned(Value::String(users.id(self.iteration.user))),
            CompiledHole::UserNumber => Cow::Owned(Value::from(self.iteration.user)),
            CompiledHole::Iteration => Cow::Owned(Value::from(self.iteration.number)),
            CompiledHole::Turn => Cow::Owned(Value::from(self.turn)),
            CompiledHole::Random(drawn) => Cow::Owned(drawn.value(self.draw())),
            CompiledHole::Data(column) => Cow::Borrowed(column.value(&self.asking())?),
            CompiledHole::Variable(slot) => Cow::Borrowed(self.variable(*slot)?),
            CompiledHole::Payload(payload) => {
                Cow::Owned(Value::String(String::from_utf8_lossy(&payload.content(self)).into_owned()))
            }
            CompiledHole::Now => Cow::Owned(Value::from(plimsoll_record::clock::monotonic_ns())),
            CompiledHole::IntegrityKey => Cow::Owned(Value::from(self.touching.key()?)),
            CompiledHole::IntegrityValue => Cow::Owned(Value::String(self.touching.value(self)?)),
            CompiledHole::Nowhere => return None,
        })
    }

    /// A variable.
    pub(crate) fn variable(&self, slot: Slot) -> Option<&Value> {
        let learned = self.learned.get(usize::from(slot)).and_then(Option::as_ref);
        learned.or_else(|| self.known.as_ref()?.get(usize::from(slot))?.as_ref())
    }

    /// Gives a variable a value.
    pub(crate) fn set(&mut self, slot: Slot, value: Value) {
        let slot = usize::from(slot);
        if self.learned.len() <= slot {
            self.learned.resize(slot + 1, None);
        }
        self.learned[slot] = Some(value);
    }

    /// A stream of draws that was not used before: for a random value, a choice, a think time, a boundary.
    pub(crate) fn draw(&self) -> Draws {
        let number = self.drawn.get();
        self.drawn.set(number + 1);
        self.branch.unwrap_or_else(|| self.draws()).of(number)
    }

    /// Goes on with the draws where a clone of it has come to.
    pub(crate) fn has_drawn_as(&self, clone: &Self) {
        self.drawn.set(clone.drawn.get());
    }

    /// True when a set has no row left for this iteration, which must then not start: see
    /// [`Sets::that_end`](crate::data::Sets::that_end).
    pub(crate) fn lacks_a_row(&self, of: &[Arc<Set>]) -> bool {
        !of.is_empty() && of.iter().any(|set| set.row(&self.asking()).is_none())
    }

    /// Everything known now, by slot: what a run begins with once `[setup]` is over.
    pub(crate) fn knowledge(&self) -> Known {
        let length = self.learned.len().max(self.known.as_ref().map_or(0, |known| known.len()));
        let length = Slot::try_from(length).expect("a plan has fewer than 65,536 variables");
        (0..length).map(|slot| self.variable(slot).cloned()).collect()
    }

    /// What copies or branches begin with. Their draws differ from those of any other group of this visit.
    pub(crate) fn group(&self) -> Group {
        let branch = Some(self.draw());
        let knows = self.known.is_some() || !self.learned.is_empty();
        let known = knows.then(|| self.knowledge());
        let of = Self { branch, known, ..self.clone_without_values() };
        Group { of }
    }

    /// Takes over what a branch has learned. Branches are joined in their order.
    pub(crate) fn join(&mut self, branch: Self) {
        for (slot, value) in (0..).zip(branch.learned) {
            if let Some(value) = value {
                self.set(slot, value);
            }
        }
    }

    /// True when the user keeps cookies.
    pub(crate) fn has_cookies(&self) -> bool {
        self.cookies.is_some()
    }

    /// Keeps the cookies that an answer from `url` sets, if this user keeps any.
    pub(crate) fn receive_cookies(&self, headers: &HeaderMap, url: &Url) {
        if let Some(jar) = &self.cookies {
            jar.borrow_mut().receive(headers, url);
        }
    }

    /// Appends the value of `Cookie` for a request to `url`, behind what `out` holds of it.
    pub(crate) fn write_cookies(&self, url: &Url, out: &mut Vec<u8>) {
        if let Some(jar) = &self.cookies {
            jar.borrow().write(url, out);
        }
    }

    /// What asks for rows.
    pub(crate) fn asking(&self) -> Asking {
        let Iteration { user, phase, ordinal, .. } = self.iteration;
        Asking { user, phase, ordinal, draws: self.draws() }
    }

    /// The iteration's draws, the same in all branches.
    fn draws(&self) -> Draws {
        self.run.of(u64::from(self.iteration.phase)).of(self.iteration.ordinal)
    }

    /// Takes it away for a while, and leaves one behind that knows nothing.
    pub(crate) fn lend(&mut self) -> Self {
        let hollow = Self { cookies: None, ..self.clone_without_values() };
        std::mem::replace(self, hollow)
    }

    fn clone_without_values(&self) -> Self {
        let Self { iteration, turn, run, branch, .. } = *self;
        let (drawn, cookies) = (Cell::new(0), self.cookies.clone());
        let touching = Touching::default();
        Self { iteration, turn, run, branch, drawn, known: None, learned: Vec::new(), cookies, touching }
    }
}

impl Group {
    /// Copy `number`, from 1: variables and cookies of its own, which begin as the user's.
    pub(crate) fn copy(&self, number: u32) -> Visit {
        let own = self.of.cookies.as_ref().map(|jar| Rc::new(RefCell::new(jar.borrow().clone())));
        Visit { turn: number, branch: self.draws(number), cookies: own, ..self.of.clone() }
    }

    /// Branch `index`, from 0: cookies are the user's; variables go on with [`Visit::join`].
    pub(crate) fn branch(&self, index: u32) -> Visit {
        Visit { branch: self.draws(index), ..self.of.clone() }
    }

    fn draws(&self, number: u32) -> Option<Draws> {
        self.of.branch.map(|draws| draws.of(u64::from(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::plan_for;
    use crate::names::Names;
    use crate::random::Drawn;
    use hyper::header::{HeaderValue, SET_COOKIE};
    use plimsoll_plan::{AtEnd, DataSet, DataSource, Hole, Rows, Take};

    fn iteration(ordinal: u64) -> Iteration {
        Iteration { user: 7, phase: 0, number: ordinal + 1, ordinal }
    }

    fn visit() -> Visit {
        Origin::new(1, true).visit(iteration(0))
    }

    fn text(visit: &Visit, slot: Slot) -> Option<&str> {
        visit.variable(slot).and_then(Value::as_str)
    }

    fn uuid(visit: &Visit) -> Value {
        visit.value(&CompiledHole::Random(Drawn::Uuid)).unwrap().into_owned()
    }

    #[test]
    fn a_visit_without_variables_has_no_heap() {
        let visit = Origin::new(1, false).visit(iteration(0));
        assert_eq!((visit.learned.capacity(), visit.cookies.is_none(), visit.known.is_none()), (0, true, true));
        assert!(size_of::<Visit>() <= 128, "{}", size_of::<Visit>());
    }

    #[test]
    fn every_draw_is_new_and_the_same_in_another_run() {
        let (a, b) = (visit(), visit());
        let drawn = [uuid(&a), uuid(&a), uuid(&a)];
        assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2]);
        assert_eq!(drawn, [uuid(&b), uuid(&b), uuid(&b)]);
        assert_ne!(uuid(&Origin::new(1, true).visit(iteration(1))), drawn[0]);
        assert_ne!(uuid(&Origin::new(2, true).visit(iteration(0))), drawn[0]);
    }

    #[test]
    fn a_user_begins_with_what_setup_knew_and_keeps_what_it_learns() {
        let mut setup = visit();
        setup.set(1, "token".into());
        let origin = Origin::new(1, false).knowing(setup.knowledge());
        let mut user = origin.visit(iteration(0));
        assert_eq!((text(&user, 0), text(&user, 1), text(&user, 9)), (None, Some("token"), None));
        user.set(1, "own".into());
        user.set(2, "id".into());
        let user = origin.next(user, iteration(1));
        assert_eq!((text(&user, 1), text(&user, 2), user.iteration.number), (Some("own"), Some("id"), 2));
        assert_eq!(text(&origin.visit(iteration(2)), 1), Some("token"));
    }

    #[test]
    fn branches_go_on_in_their_order_and_copies_leave_nothing_behind() {
        let mut user = visit();
        user.set(0, "before".into());
        user.set(1, "before".into());
        let group = user.group();
        let mut branches = [group.branch(0), group.branch(1)];
        assert_eq!(text(&branches[1], 0), Some("before"));
        branches[0].set(0, "first".into());
        branches[1].set(2, "second".into());
        branches[0].set(2, "first".into());
        let mut copy = group.copy(3);
        copy.set(1, "copy".into());
        assert_eq!(copy.turn, 3);
        branches.into_iter().for_each(|branch| user.join(branch));
        assert_eq!([0, 1, 2].map(|slot| text(&user, slot)), [Some("first"), Some("before"), Some("second")]);
    }

    #[test]
    fn a_group_inside_a_branch_hands_everything_out() {
        let mut user = visit();
        let mut outer = user.group().branch(0);
        outer.set(0, "outer".into());
        let mut inner = outer.group().branch(0);
        inner.set(1, "inner".into());
        outer.join(inner);
        user.join(outer);
        assert_eq!([0, 1].map(|slot| text(&user, slot)), [Some("outer"), Some("inner")]);
    }

    #[test]
    fn groups_copies_and_branches_draw_apart() {
        let user = visit();
        let (one, other) = (user.group(), user.group());
        let mut drawn: Vec<String> = [one.copy(1), one.copy(2), other.copy(1), other.copy(2), user]
            .iter()
            .map(|visit| uuid(visit).to_string())
            .collect();
        drawn.sort();
        drawn.dedup();
        assert_eq!(drawn.len(), 5);
    }

    #[test]
    fn a_visit_lacks_a_row_when_the_data_has_ended() {
        let source = DataSource::Plan(Rows::new(1, vec!["ann".into(), "bob".into()]).unwrap());
        let take = Take::InOrder(AtEnd::Stop);
        let set = DataSet { name: "users".to_owned(), columns: vec!["name".to_owned()], source, take };
        let mut plan = plan_for("http://localhost:1");
        plan.data = vec![set];
        let names = Names::compile(&plan, &[Some(3)]).unwrap();
        let hole = Hole::Data("users".to_owned(), "name".to_owned());
        let ending = names.sets().that_end([&hole]);
        let seen = [0, 1, 2].map(|ordinal| {
            let visit = Origin::new(1, false).visit(iteration(ordinal));
            let name = visit.value(&names.hole(&hole)).map(|name| name.as_str().unwrap().to_owned());
            (name, visit.lacks_a_row(&ending), visit.lacks_a_row(&[]))
        });
        let expected = [(Some("ann"), false), (Some("bob"), false), (None, true)];
        assert_eq!(seen, expected.map(|(name, lacks)| (name.map(str::to_owned), lacks, false)));
    }

    #[test]
    fn branches_share_the_users_cookies_and_copies_have_their_own() {
        let url = Url::parse("http://example.test/").unwrap();
        let user = visit();
        let group = user.group();
        let sent = |visit: &Visit| {
            let mut out = Vec::new();
            visit.write_cookies(&url, &mut out);
            String::from_utf8(out).unwrap()
        };
        let set = |visit: &Visit, cookie| {
            let headers = HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static(cookie))]);
            visit.receive_cookies(&headers, &url);
        };
        set(&group.branch(0), "a=1");
        let copy = group.copy(1);
        set(&copy, "b=2");
        assert_eq!((sent(&user), sent(&group.branch(1)), sent(&copy)), ("a=1".into(), "a=1".into(), "a=1; b=2".into()));
    }
}
