//! Connections that no slot has at the moment: those that belong to users, and those that branches leave behind.
//!
//! Nobody looks after them meanwhile: whoever takes one finds out whether the server has closed it.

use std::cell::RefCell;
use std::collections::HashMap;

use super::Connection;

/// More spare connections than these are closed.
const MOST_SPARE: usize = 1_000;

/// Whose a connection is: a phase, and a user or visit of it.
pub(crate) type Owner = (u16, u64);

/// Connections of one worker that no slot has.
#[derive(Default)]
pub(crate) struct Idle {
    owned: RefCell<HashMap<Owner, Connection>>,
    spare: RefCell<Vec<Connection>>,
}

impl Idle {
    /// Keeps a connection until its owner comes again.
    pub(crate) fn leave(&self, owner: Owner, connection: Connection) {
        self.owned.borrow_mut().insert(owner, connection);
    }

    /// The connection of `owner`, if it left one.
    pub(crate) fn fetch(&self, owner: Owner) -> Option<Connection> {
        self.owned.borrow_mut().remove(&owner)
    }

    /// Keeps a connection for the next branch that needs one. A seat on a shared connection is given up: taking one
    /// costs nothing.
    pub(crate) fn spare(&self, connection: Option<Connection>) {
        let mut spare = self.spare.borrow_mut();
        if let Some(own @ Connection::Own(_)) = connection
            && spare.len() < MOST_SPARE
        {
            spare.push(own);
        }
    }

    /// The spare connection that was used last.
    pub(crate) fn take_spare(&self) -> Option<Connection> {
        self.spare.borrow_mut().pop()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.owned.borrow().len() + self.spare.borrow().len()
    }
}
