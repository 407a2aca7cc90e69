//! The slots of one worker: which there are, which are idle, and how many there may be.

use std::rc::Rc;

use crate::slot::Slot;

/// The slots of one worker.
#[derive(Default)]
pub(crate) struct Slots {
    pub(crate) all: Vec<Option<Rc<Slot>>>,
    unused: Vec<usize>,
    /// The most recently used last: it is used first.
    pub(crate) idle: Vec<usize>,
    /// Slots that exist.
    pub(crate) open: usize,
    /// Slots that may exist.
    pub(crate) limit: usize,
    pub(crate) next_sweep: i64,
}

impl Slots {
    /// None yet, and `limit` at most.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// True when an arrival need not wait: for a slot there is, or may be.
    pub(crate) fn have_room(&self) -> bool {
        !self.idle.is_empty() || self.open < self.limit
    }

    /// The idle slot to use next.
    pub(crate) fn take_idle(&mut self) -> Option<Rc<Slot>> {
        let id = self.idle.pop()?;
        self.all[id].clone()
    }

    /// A new slot.
    pub(crate) fn add(&mut self) -> Rc<Slot> {
        let id = self.unused.pop().unwrap_or(self.all.len());
        let slot = Rc::new(Slot::new(id));
        if id == self.all.len() {
            self.all.push(Some(Rc::clone(&slot)));
        } else {
            self.all[id] = Some(Rc::clone(&slot));
        }
        self.open += 1;
        slot
    }

    /// A slot is no more.
    pub(crate) fn remove(&mut self, id: usize) {
        self.all[id] = None;
        self.unused.push(id);
        self.open -= 1;
    }
}
