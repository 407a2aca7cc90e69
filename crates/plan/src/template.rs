//! Text with holes: paths, headers and bodies that differ by user, and values that must never be shown.

use std::fmt;
use std::num::NonZeroU16;

/// A value from the environment or a password. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself: for the wire only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Text with holes, compiled once per plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Its parts, in order.
    pub parts: Vec<Part>,
}

/// One part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Plain text.
    Literal(String),
    /// The value of an environment variable: sent, never shown. In a stored plan only the name remains.
    Environment {
        /// The variable.
        name: String,
        /// Its value.
        value: Secret,
    },
    /// A value that is known when the request is made: `{hole}` or `{hole:form}`.
    Hole(Hole, Form),
}

/// A value that is known when the request is made. Templates and conditions name it alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hole {
    /// The user's identity: `{user.id}`.
    UserId,
    /// The user's number, from 1: `{user.n}`.
    UserNumber,
    /// Which of its iterations the user is in, from 1: `{iteration}`.
    Iteration,
    /// Which turn of the innermost `repeat` or `while`, or which copy of the innermost `parallel`, from 1: `{turn}`.
    Turn,
    /// A random value, drawn anew for each hole and each time; a function of the seed, the user and the iteration.
    Random(Random),
    /// A column of the row the iteration took: `{data.SET.column}`. The name of the set, then of the column.
    Data(String, String),
    /// What a step captured or set under this name, or `[setup]` did: `{name}`.
    Captured(String),
    /// Content of this payload: `{payload.NAME}`. One of those that were made for the phase, drawn anew each time.
    Payload(String),
    /// The number of the key that the step writes or reads, from 1: `{integrity.key}`.
    IntegrityKey,
    /// What the step writes: `{integrity.value}`, which says which key and which write it is.
    IntegrityValue,
    /// When the request is made: `{now}`, in nanoseconds of the machine's monotonic clock, which is the same for all
    /// programs that run on it.
    Now,
}

/// How a value is put into its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Escaped for its place, so that it can never become syntax: percent-encoded in a path, with JSON escapes in a
    /// JSON body, as it is elsewhere. A captured list or table becomes its JSON text.
    Text,
    /// `{name:json}`: as JSON of its own kind: numbers bare, text quoted, lists and tables whole.
    Json,
    /// `{name:raw}`: as it is; in paths only. A whole URL of the target loses scheme and host, one of another
    /// server is a failure of the request.
    Raw,
}

/// A random value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Random {
    /// `{random.int(1, 100)}`: a whole number, evenly between the two, both included.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// `{random.choice(a, b)}`: one of these, each as likely. At least one; none holds `,` `(` `)` `{` `}`, is empty
    /// or has space around it.
    Choice(Vec<String>),
    /// `{random.uuid}`: a random UUID (RFC 9562, version 4).
    Uuid,
    /// `{random.text(20)}`: so many letters and digits.
    Text(NonZeroU16),
}

impl Template {
    /// Plain text without holes.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self { parts: vec![Part::Literal(text.to_owned())] }
    }

    /// True when it is the same for every user, so that it can be rendered once.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.holes().next().is_none()
    }

    /// Its holes, in order.
    pub fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole(hole, _) => Some(hole),
            Part::Literal(_) | Part::Environment { .. } => None,
        })
    }
}

/// As plain as it is written most: `{hole}`.
impl From<Hole> for Part {
    fn from(hole: Hole) -> Self {
        Self::Hole(hole, Form::Text)
    }
}

/// As it is written between braces.
impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserId => f.write_str("user.id"),
            Self::UserNumber => f.write_str("user.n"),
            Self::Iteration => f.write_str("iteration"),
            Self::Turn => f.write_str("turn"),
            Self::Random(Random::Integer { min, max }) => write!(f, "random.int({min}, {max})"),
            Self::Random(Random::Choice(words)) => write!(f, "random.choice({})", words.join(", ")),
            Self::Random(Random::Uuid) => f.write_str("random.uuid"),
            Self::Random(Random::Text(length)) => write!(f, "random.text({length})"),
            Self::Data(set, column) => write!(f, "data.{set}.{column}"),
            Self::Captured(name) => f.write_str(name),
            Self::Payload(name) => write!(f, "payload.{name}"),
            Self::IntegrityKey => f.write_str("integrity.key"),
            Self::IntegrityValue => f.write_str("integrity.value"),
            Self::Now => f.write_str("now"),
        }
    }
}

/// How users are named: a text with one `{n}`, e.g. `tenant-{n}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPattern {
    /// The text before the number.
    pub prefix: String,
    /// The text after it.
    pub suffix: String,
}

impl UserPattern {
    /// The identity of user `n`, n from 1.
    #[must_use]
    pub fn id(&self, n: u64) -> String {
        format!("{}{n}{}", self.prefix, self.suffix)
    }
}
