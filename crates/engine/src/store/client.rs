//! A client of a store, whichever it is.

use plimsoll_plan::{Store, StoreKind};

use super::call::Filled;
use super::postgres;
use super::redis;
use super::reply::{Fault, Reply};

/// One connection to a store.
pub(crate) enum Client {
    Redis(Box<redis::Client>),
    Postgres(Box<postgres::Client>),
}

impl Client {
    /// Connects; gives up after the store's patience.
    pub(crate) async fn open(store: &Store) -> Result<Self, Fault> {
        Ok(match store.kind {
            StoreKind::Redis { .. } => Self::Redis(Box::new(redis::Client::open(store).await?)),
            StoreKind::Postgres => Self::Postgres(Box::new(postgres::Client::open(store).await?)),
        })
    }

    /// The same for a client that will take messages.
    pub(crate) async fn open_subscriber(store: &Store) -> Result<Self, Fault> {
        Ok(Self::Redis(Box::new(redis::Client::open_subscriber(store).await?)))
    }

    /// True when nothing more can be asked.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Redis(client) => client.is_closed(),
            Self::Postgres(client) => client.is_closed(),
        }
    }

    /// Asks, and waits for the reply as long as it takes. Without `wanted`, of its content only the size is told.
    pub(crate) async fn ask(&self, asked: Filled<'_>, wanted: bool) -> Result<Reply, Fault> {
        match self {
            Self::Redis(client) => client.ask(asked, wanted).await,
            // On the heap: a round trip to PostgreSQL costs more, and its many steps would make room in everything.
            Self::Postgres(client) => Box::pin(client.ask(asked, wanted)).await,
        }
    }
}
