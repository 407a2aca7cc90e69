//! Reading back: after the load, every key that had a write acknowledged is read, and compared with it.
//!
//! Reads that fail are tried again until the plan's patience is over: a store that was just broken may take a while.
//! Nothing of it is load, so nothing of it is in the books of the run.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use plimsoll_record::integrity::{Defect, ReadBack};

use super::{Book, Reading};
use crate::answer::Answer;
use crate::exchange::{Errand, Line};
use crate::feed::Arrival;
use crate::heart::{Delay, Heart};
use crate::journey::Journey;

/// Reads at once.
const AT_ONCE: usize = 32;
const PAUSE: Duration = Duration::from_millis(100);

/// What is read back, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadBackSetup {
    /// The set.
    pub(crate) set: u16,
    /// The operation that reads a key.
    pub(crate) operation: u16,
    /// How long all of it may take, in nanoseconds.
    pub(crate) patience: i64,
}

/// Reads every acknowledged key of a set.
pub(crate) async fn read_back(heart: &Rc<Heart>, setup: ReadBackSetup) -> ReadBack {
    let began = heart.now();
    let book = std::sync::Arc::clone(&heart.work.integrity.books[usize::from(setup.set)]);
    let keys = {
        let book = std::sync::Arc::clone(&book);
        // Found as they are read: all of them at once could be a hundred million.
        let next = Cell::new(1_u64);
        move || {
            let (key, floor) = book.next_acknowledged(next.get())?;
            next.set(key + 1);
            Some((key, floor))
        }
    };
    let back = RefCell::new(ReadBack { set: u32::from(setup.set), ..ReadBack::default() });
    let reader = Reader { heart, book: &book, setup, give_up_at: began.saturating_add(setup.patience) };
    let work = || async {
        let mut line = Line::of_branch();
        while let Some((key, floor)) = keys() {
            let (defect, was_read) = reader.read(&mut line, key, floor).await;
            count(&mut back.borrow_mut(), defect, was_read);
        }
    };
    join_all((0..AT_ONCE).map(|_| work()).collect()).await;
    let took_ns = heart.now().saturating_sub(began).max(0).cast_unsigned();
    ReadBack { took_ns, ..back.into_inner() }
}

fn count(back: &mut ReadBack, defect: Option<Defect>, was_read: bool) {
    back.keys += 1;
    match defect {
        _ if !was_read => back.unreadable += 1,
        None => back.intact += 1,
        Some(Defect::Missing) => back.missing += 1,
        Some(Defect::Stale) => back.stale += 1,
        Some(Defect::Corrupted) => back.corrupted += 1,
        Some(Defect::Duplicated) => {
            back.intact += 1;
            back.duplicated += 1;
        }
    }
}

struct Reader<'a> {
    heart: &'a Rc<Heart>,
    book: &'a Book,
    setup: ReadBackSetup,
    give_up_at: i64,
}

impl Reader<'_> {
    /// What is wrong with a key, and whether it could be read at all.
    async fn read(&self, line: &mut Line, key: u64, floor: u32) -> (Option<Defect>, bool) {
        loop {
            if let Some(answer) = self.ask(line, key).await {
                let (defect, found) = self.book.judge(key, floor, &answer.content());
                if let Some(defect) = defect {
                    self.book.keep(Reading { key, floor, at: self.heart.now() }, defect, found, true);
                }
                return (defect, true);
            }
            if self.heart.now() >= self.give_up_at {
                return (None, false);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One try; `None` when nothing came that says what is there.
    async fn ask(&self, line: &mut Line, key: u64) -> Option<Answer> {
        let heart = self.heart;
        let arrival =
            Arrival { intended: heart.now(), user: key, session: 0, phase: 0, flow: 0, number: 1, ordinal: key };
        let journey = Journey::new(&heart.work, arrival, None);
        let since = heart.now();
        let errand = Errand {
            intended: since,
            operation: self.setup.operation,
            delay: Delay::Own { since },
            deadline: self.give_up_at,
        };
        let answer = line.exchange(heart, &journey, errand).await.result.ok()?;
        // A service that is not itself yet says nothing of its store.
        let says_something = answer.fault.is_none() && answer.status < 500 && answer.status != 429;
        says_something.then_some(answer)
    }
}

/// Runs futures at once until all are over.
async fn join_all<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut futures: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    std::future::poll_fn(|cx| {
        for slot in &mut futures {
            if slot.as_mut().is_some_and(|future| future.as_mut().poll(cx).is_ready()) {
                *slot = None;
            }
        }
        if futures.iter().all(Option::is_none) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
