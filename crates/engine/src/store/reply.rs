//! What a store replied: its content, in the few kinds that conditions and captures know.

use bytes::Bytes;
use plimsoll_record::ledger::Outcome;
use serde_json::Value;

/// A complete reply.
#[derive(Debug)]
pub(crate) struct Reply {
    /// `Nothing` as well when nobody looks at it.
    pub(crate) content: Content,
    /// How many rows it has.
    pub(crate) rows: u64,
    /// The size of its values.
    pub(crate) bytes: u64,
    /// How often a transaction was begun anew.
    pub(crate) retries: u32,
}

/// The content of a reply.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// What Redis calls nil, and SQL null or no row.
    Nothing,
    /// Text or any bytes.
    Text(Bytes),
    /// Numbers, lists, rows: `value` for what the reply is worth by itself, `whole` for what paths look at.
    Json { value: Option<Value>, whole: Value },
}

/// Why there is no reply to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) outcome: Outcome,
    /// What the store said. It may hold what it was sent.
    pub(crate) text: String,
    pub(crate) retries: u32,
}

impl Fault {
    pub(crate) fn new(outcome: Outcome, text: impl Into<String>) -> Self {
        Self { outcome, text: text.into(), retries: 0 }
    }
}

impl From<Outcome> for Fault {
    fn from(outcome: Outcome) -> Self {
        Self::new(outcome, "")
    }
}

impl Reply {
    /// A reply that nobody looks at.
    pub(crate) fn unseen(bytes: u64) -> Self {
        Self { content: Content::Nothing, rows: 0, bytes, retries: 0 }
    }
}

impl Content {
    /// Bytes that conditions on `body` and `size` look at.
    pub(crate) fn body(&self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::Text(text) => text.clone(),
            Self::Json { whole, .. } => whole.to_string().into(),
        }
    }

    /// What paths look at; `None` for text, which is parsed when it is asked for.
    pub(crate) fn json(&self) -> Option<Value> {
        match self {
            Self::Nothing => Some(Value::Null),
            Self::Text(_) => None,
            Self::Json { whole, .. } => Some(whole.clone()),
        }
    }

    /// What the reply is worth by itself.
    pub(crate) fn value(&self) -> Option<Value> {
        match self {
            Self::Nothing => None,
            Self::Text(text) => Some(Value::from(String::from_utf8_lossy(text))),
            Self::Json { value, .. } => value.clone(),
        }
    }
}
