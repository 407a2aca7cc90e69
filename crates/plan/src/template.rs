//! Text with holes: paths, headers and bodies that differ by user, and values that must never be shown.

use std::fmt;

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
    /// The user's identity: `{user.id}`.
    UserId,
    /// The user's number, from 1: `{user.n}`.
    UserNumber,
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
        !self.parts.iter().any(|part| matches!(part, Part::UserId | Part::UserNumber))
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
