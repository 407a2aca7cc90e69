//! JSONPath queries and regular expressions: checked when they are made, kept as the text people wrote.
//!
//! The engine compiles the text again; it cannot fail there.

use std::fmt;

/// A JSONPath query (RFC 9535) that is known to be one.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonPath(String);

/// A regular expression in the syntax of the `regex` crate that is known to be one.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// Why a text is no query or expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Not JSONPath.
    #[error("this is not JSONPath: {message}")]
    JsonPath {
        /// The byte at which it stops to be.
        at: usize,
        /// What is wrong there.
        message: String,
    },
    /// Not a regular expression.
    #[error("this is not a regular expression: {0}")]
    Regex(String),
}

impl JsonPath {
    /// Reads a query such as `$.items[0].id`.
    ///
    /// # Errors
    /// [`PatternError::JsonPath`] with the place.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        match serde_json_path::JsonPath::parse(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(PatternError::JsonPath { at: error.position(), message: message(error.message()) }),
        }
    }

    /// The query.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Pattern {
    /// Reads an expression such as `token=(\w+)`.
    ///
    /// # Errors
    /// [`PatternError::Regex`] with the reason.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        match regex::Regex::new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(regex::Error::Syntax(text)) => Err(PatternError::Regex(reason(&text))),
            Err(error) => Err(PatternError::Regex(error.to_string())),
        }
    }

    /// The expression.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many groups it has beside the whole match.
    #[must_use]
    pub fn groups(&self) -> usize {
        regex::Regex::new(&self.0).map_or(0, |regex| regex.captures_len() - 1)
    }
}

/// The parser's word for most mistakes says nothing.
fn message(text: &str) -> String {
    if text == "parser error" { "it breaks off or goes wrong here".to_owned() } else { text.to_owned() }
}

/// The last line of the crate's message: the ones before draw the expression.
fn reason(text: &str) -> String {
    let last = text.lines().last().unwrap_or(text);
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

impl fmt::Debug for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_sound() {
        assert_eq!(JsonPath::new("$.items[?@.price < 10].id").unwrap().as_str(), "$.items[?@.price < 10].id");
        assert_eq!(Pattern::new(r"a(\d)(b)?").unwrap().groups(), 2);
    }

    #[test]
    fn what_is_wrong_says_where_or_why() {
        let error = JsonPath::new("$.items[").unwrap_err();
        assert!(matches!(error, PatternError::JsonPath { at: 1.., .. }), "{error:?}");
        let error = Pattern::new("a(b").unwrap_err();
        assert_eq!(error, PatternError::Regex("unclosed group".to_owned()));
    }
}
