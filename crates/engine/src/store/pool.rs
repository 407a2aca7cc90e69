//! The connections of one worker to one store: shared, so many, or one for each user.
//!
//! Who finds a free connection has it at once. Whoever must wait for one, or for one to be opened, does so with a
//! limit of time, so that a store that has no room for more clients never holds up a run. Connections that were lost,
//! or on which something was given up, are closed and opened anew by whoever needs one next.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use plimsoll_plan::{Store, StoreConnections};
use plimsoll_record::ledger::Outcome;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

use super::client::Client;
use super::reply::Fault;

/// The most connections that one worker opens at the same time.
const AT_ONCE: usize = 32;

/// Who a connection belongs to: a user of a phase, or a visit.
pub(crate) type Owner = (u16, u64);

/// The connections of one worker to one store.
pub(crate) struct Pool {
    store: Store,
    kind: Kind,
    /// Subscribers are always a user's own.
    subscribers: RefCell<HashMap<Owner, Client>>,
    /// Connections that are opened at the same time: opening one takes more memory than having it.
    opening: Semaphore,
}

enum Kind {
    Shared(Shared),
    Limited { free: RefCell<Vec<Client>>, permits: Semaphore },
    PerUser(RefCell<HashMap<Owner, Client>>),
}

#[derive(Default)]
struct Shared {
    present: RefCell<Option<Rc<Seen>>>,
    /// Held while somebody connects.
    opening: Mutex<()>,
    /// How often connecting failed, and how it did last.
    failures: Cell<u64>,
    last: RefCell<Option<Fault>>,
}

/// A shared connection, and when it last gave a reply.
struct Seen {
    client: Client,
    replied: Cell<i64>,
}

/// A connection for one operation.
pub(crate) struct Lease<'p> {
    pool: &'p Pool,
    held: Held,
}

enum Held {
    Shared(Rc<Seen>),
    Limited(Client),
    PerUser(Owner, Client),
    Subscriber(Owner, Client),
}

/// What it took to get a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Other operations had all of them.
    ForOthers,
    /// One was opened.
    Opening,
}

impl Pool {
    /// The part of one worker: `connections` of a limited pool.
    pub(crate) fn new(store: &Store, connections: usize) -> Self {
        let kind = match store.connections {
            StoreConnections::Shared => Kind::Shared(Shared::default()),
            StoreConnections::Pool(_) => {
                Kind::Limited { free: RefCell::default(), permits: Semaphore::new(connections.max(1)) }
            }
            StoreConnections::PerUser => Kind::PerUser(RefCell::default()),
        };
        Self { store: store.clone(), kind, subscribers: RefCell::default(), opening: Semaphore::new(AT_ONCE) }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A connection that is free now.
    pub(crate) fn at_once(&self, owner: Owner, subscribes: bool) -> Option<Lease<'_>> {
        let held = if subscribes {
            let client = self.subscribers.borrow_mut().remove(&owner).filter(|client| !client.is_closed())?;
            Held::Subscriber(owner, client)
        } else {
            match &self.kind {
                Kind::Shared(shared) => Held::Shared(shared.present()?),
                Kind::Limited { free, permits } => {
                    let permit = permits.try_acquire().ok()?;
                    let client = pop_open(free)?;
                    permit.forget();
                    Held::Limited(client)
                }
                Kind::PerUser(users) => {
                    let client = users.borrow_mut().remove(&owner).filter(|client| !client.is_closed())?;
                    Held::PerUser(owner, client)
                }
            }
        };
        Some(Lease { pool: self, held })
    }

    /// A connection as soon as there is one; what it took, also where it failed.
    pub(crate) async fn lease(&self, owner: Owner, subscribes: bool) -> (Result<Lease<'_>, Fault>, Wait) {
        let (held, wait) = if subscribes {
            let opened = Client::open_subscriber(&self.store).await;
            (opened.map(|client| Held::Subscriber(owner, client)), Wait::Opening)
        } else {
            match &self.kind {
                Kind::Shared(shared) => (shared.open(&self.store).await.map(Held::Shared), Wait::Opening),
                Kind::Limited { free, permits } => self.limited(free, permits).await,
                Kind::PerUser(_) => {
                    let opened = self.open().await;
                    (opened.map(|client| Held::PerUser(owner, client)), Wait::Opening)
                }
            }
        };
        (held.map(|held| Lease { pool: self, held }), wait)
    }

    async fn limited(&self, free: &RefCell<Vec<Client>>, permits: &Semaphore) -> (Result<Held, Fault>, Wait) {
        let wait = if permits.available_permits() == 0 { Wait::ForOthers } else { Wait::Opening };
        let Ok(Ok(permit)) = timeout(self.store.pool_timeout, permits.acquire()).await else {
            return (Err(Outcome::PoolTimedOut.into()), Wait::ForOthers);
        };
        let client = match pop_open(free) {
            Some(client) => Ok(client),
            None => self.open().await,
        };
        // A permit that is not forgotten goes to the next who waits: a failed attempt leaves its place free.
        (client.map(Held::Limited).inspect(|_| permit.forget()), wait)
    }

    async fn open(&self) -> Result<Client, Fault> {
        match timeout(self.store.connect_timeout, self.opening.acquire()).await {
            Ok(Ok(_turn)) => Client::open(&self.store).await,
            _ => Err(Outcome::ConnectTimedOut.into()),
        }
    }

    /// The user is gone.
    pub(crate) fn forget(&self, owner: Owner) {
        if let Kind::PerUser(users) = &self.kind {
            users.borrow_mut().remove(&owner);
        }
        self.subscribers.borrow_mut().remove(&owner);
    }

    /// How many connections are open, as far as they are not in use by somebody alone.
    pub(crate) fn is_personal(&self) -> bool {
        matches!(self.kind, Kind::PerUser(_)) || !self.subscribers.borrow().is_empty()
    }
}

/// A free connection that was not closed meanwhile.
fn pop_open(free: &RefCell<Vec<Client>>) -> Option<Client> {
    let mut free = free.borrow_mut();
    std::iter::from_fn(|| free.pop()).find(|client| !client.is_closed())
}

impl Shared {
    fn present(&self) -> Option<Rc<Seen>> {
        self.present.borrow().clone().filter(|seen| !seen.client.is_closed())
    }

    /// One opens it for all who wait. When that fails, it fails for all of them: nobody tries once more in its turn.
    async fn open(&self, store: &Store) -> Result<Rc<Seen>, Fault> {
        let before = self.failures.get();
        let _alone = self.opening.lock().await;
        if let Some(present) = self.present() {
            return Ok(present);
        }
        if self.failures.get() != before {
            return Err(self.last.borrow().clone().unwrap_or_else(|| Outcome::Closed.into()));
        }
        match Client::open(store).await {
            Ok(client) => {
                let seen = Rc::new(Seen { client, replied: Cell::new(i64::MIN) });
                *self.present.borrow_mut() = Some(Rc::clone(&seen));
                Ok(seen)
            }
            Err(fault) => {
                self.failures.set(before + 1);
                *self.last.borrow_mut() = Some(fault.clone());
                Err(fault)
            }
        }
    }

    /// Lets a connection go, unless another has taken its place already.
    fn drop_if(&self, lost: &Rc<Seen>) {
        let mut present = self.present.borrow_mut();
        if present.as_ref().is_some_and(|seen| Rc::ptr_eq(seen, lost)) {
            *present = None;
        }
    }
}

impl Lease<'_> {
    pub(crate) fn client(&self) -> &Client {
        match &self.held {
            Held::Shared(seen) => &seen.client,
            Held::Limited(client) | Held::PerUser(_, client) | Held::Subscriber(_, client) => client,
        }
    }

    /// The operation got a reply at `now`: the connection is for others again.
    pub(crate) fn give_back(self, now: i64) {
        let Self { pool, held } = self;
        match held {
            Held::Shared(seen) => seen.replied.set(now),
            Held::Limited(client) => pool.free(Some(client)),
            Held::PerUser(owner, client) => {
                if let Kind::PerUser(users) = &pool.kind {
                    users.borrow_mut().insert(owner, client);
                }
            }
            Held::Subscriber(owner, client) => {
                pool.subscribers.borrow_mut().insert(owner, client);
            }
        }
    }

    /// The operation, sent at `sent`, was given up or failed: what is still to come on the connection is not known. A
    /// shared one stays as long as others get replies on it: a lost connection is not always noticed otherwise.
    pub(crate) fn discard(self, sent: i64) {
        let Self { pool, held } = self;
        match (held, &pool.kind) {
            (Held::Shared(seen), Kind::Shared(shared)) if seen.replied.get() < sent || seen.client.is_closed() => {
                shared.drop_if(&seen);
            }
            (Held::Limited(_), _) => pool.free(None),
            // No message came: those that come later are still for the user.
            (Held::Subscriber(owner, client), _) if !client.is_closed() => {
                pool.subscribers.borrow_mut().insert(owner, client);
            }
            _ => {}
        }
    }
}

impl Pool {
    fn free(&self, client: Option<Client>) {
        if let Kind::Limited { free, permits } = &self.kind {
            free.borrow_mut().extend(client);
            permits.add_permits(1);
        }
    }
}
