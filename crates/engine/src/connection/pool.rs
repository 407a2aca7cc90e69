//! The connections of one worker: which protocol they speak, how many there may be, and who shares which.
//!
//! With HTTP/2, and where only the first handshake tells the protocol, a worker begins with a single connection. When
//! that is open it knows how many slots there may be; further connections are opened as slots need them, and each is
//! filled before the next.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_plan::ConnectionUse;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::timings::Opening;

use super::dial::{Route, Stream};
use super::http2::{self, Seat, Shared};
use super::{Connection, http1};
use crate::heart::Heart;

/// How requests and answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    One,
    /// HTTP/2.
    Two,
}

/// The connections of one worker.
pub(crate) struct Pool {
    route: Arc<Route>,
    /// The most connections.
    connections: usize,
    uses: ConnectionUse,
    /// The most slots that may share one, if the server allows as many.
    streams: usize,
    /// `None` until the first handshake.
    protocol: Cell<Option<Protocol>>,
    /// How many slots share a connection; `None` until a server has said how many it allows.
    share: Cell<Option<usize>>,
    /// The first connection could not be opened: it is not waited for any longer.
    blind: Cell<bool>,
    shared: RefCell<Vec<Rc<Shared>>>,
    /// Whose turn it is among the local addresses, and how far it is to this worker's next.
    turn: Cell<usize>,
    step: usize,
}

/// What a pool is made of.
pub(crate) struct PoolSetup {
    pub(crate) route: Arc<Route>,
    pub(crate) connections: usize,
    pub(crate) streams: u32,
    pub(crate) uses: ConnectionUse,
    pub(crate) worker: u32,
    pub(crate) workers: u32,
}

impl Pool {
    pub(crate) fn new(setup: PoolSetup) -> Self {
        let PoolSetup { route, connections, streams, uses, worker, workers } = setup;
        let protocol = Cell::new(route.protocol());
        Self {
            route,
            connections,
            uses,
            streams: if uses == ConnectionUse::Pool { streams as usize } else { 1 },
            protocol,
            share: Cell::new(None),
            blind: Cell::new(false),
            shared: RefCell::default(),
            turn: Cell::new(worker as usize),
            step: workers as usize,
        }
    }

    /// How many slots there may be at present.
    pub(crate) fn slots(&self) -> usize {
        match (self.protocol.get(), self.share.get()) {
            (Some(Protocol::One), _) => self.connections,
            (Some(Protocol::Two), Some(share)) => self.connections.saturating_mul(share),
            _ if self.blind.get() => self.connections,
            _ => self.connections.min(1),
        }
    }

    /// How many connections are open that slots share; `None` when each has its own.
    pub(crate) fn shared(&self) -> Option<usize> {
        let shares = self.protocol.get() == Some(Protocol::Two);
        shares.then(|| self.shared.borrow().iter().filter(|shared| !shared.is_over()).count())
    }

    async fn dial(&self) -> Result<(Stream, Opening), Outcome> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(self.step));
        self.route.open_timed(turn).await.map_err(|error| error.outcome())
    }

    /// A seat on a connection that has one free, else on a new one.
    fn seat(&self, heart: &Rc<Heart>) -> Seat {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|shared| !shared.is_over());
        let most = self.share.get().unwrap_or(1);
        if let Some(free) = shared.iter().find(|shared| shared.seats() < most) {
            return Seat::on(free);
        }
        let least = shared.iter().min_by_key(|shared| shared.seats());
        match least {
            // The server allows fewer streams than it used to: h2 lets the request wait for its turn.
            Some(least) if shared.len() >= self.connections && self.uses == ConnectionUse::Pool => Seat::on(least),
            _ => {
                let new = open_shared(heart, None);
                shared.push(Rc::clone(&new));
                Seat::on(&new)
            }
        }
    }
}

/// A connection for one slot: its own, or a seat on one that it shares. How it was opened is told to one slot only.
pub(crate) async fn connect(heart: &Rc<Heart>) -> Result<(Connection, Option<Opening>), Outcome> {
    let pool = &heart.pool;
    if pool.protocol.get() == Some(Protocol::Two) {
        return seated(pool.seat(heart)).await;
    }
    let (stream, opening) = pool.dial().await?;
    let protocol = pool.protocol.get().unwrap_or_else(|| stream.negotiated());
    if pool.protocol.replace(Some(protocol)).is_none() {
        heart.make_room();
    }
    match protocol {
        Protocol::One => {
            let own = http1::Connection::over(stream).await;
            let own = own.map_err(|error| super::outcome::outcome_of(&error))?;
            Ok((Connection::Own(Box::new(own)), Some(opening)))
        }
        Protocol::Two => {
            let shared = open_shared(heart, Some((stream, opening)));
            pool.shared.borrow_mut().push(Rc::clone(&shared));
            seated(Seat::on(&shared)).await
        }
    }
}

async fn seated(seat: Seat) -> Result<(Connection, Option<Opening>), Outcome> {
    let seat = seat.ready().await?;
    let opening = seat.take_opening();
    Ok((Connection::Shared(seat), opening))
}

/// The slot found no connection.
pub(crate) fn connect_failed(heart: &Heart) {
    if !heart.pool.blind.replace(true) {
        heart.make_room();
    }
}

/// Begins a connection that slots share, over `stream` or a new one.
fn open_shared(heart: &Rc<Heart>, stream: Option<(Stream, Opening)>) -> Rc<Shared> {
    let shared = Shared::opening();
    let task = carry(Rc::clone(heart), Rc::clone(&shared), stream);
    tokio::task::spawn_local(tokio::task::unconstrained(task));
    shared
}

/// The task of a shared connection, from its opening to its end.
async fn carry(heart: Rc<Heart>, shared: Rc<Shared>, stream: Option<(Stream, Opening)>) {
    let patience = Duration::from_nanos(heart.connect_timeout.max(0).cast_unsigned());
    let opening = async {
        let (stream, opening) = match stream {
            Some(stream) => stream,
            None => heart.pool.dial().await?,
        };
        shared.note_opening(opening);
        let secured = stream.is_secured();
        let (sender, driver, allowed) = http2::begin(stream).await?;
        Ok((sender, driver, allowed, secured))
    };
    let opened = tokio::time::timeout(patience, opening).await.unwrap_or(Err(Outcome::ConnectTimedOut));
    let outcome = match opened {
        Ok((sender, driver, allowed, secured)) => {
            heart.pool.share.set(Some(heart.pool.streams.min(allowed)));
            shared.opened(sender, secured);
            heart.make_room();
            http2::drive(driver, secured).await
        }
        Err(outcome) => outcome,
    };
    shared.end(outcome);
}
