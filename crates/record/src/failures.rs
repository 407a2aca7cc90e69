//! `failures.jsonl`: answers that failed, with their bodies, when the plan asks for them. One writer: `loadgen`.
//!
//! A few per operation, each cut to the plan's cap. Values that the plan took from the environment are gone before
//! anything comes here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::clock::Offset;
use crate::files::FactKind;
use crate::ledger::Outcome;

/// What kind of file this is, for the reader and the writer.
#[derive(Debug)]
pub enum Failures {}

impl FactKind for Failures {
    const FILE: &'static str = "failures.jsonl";
    type Header = FailuresHeader;
    type Fact = FailureFact;
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailuresHeader {
    /// The most bytes of a body.
    pub body_cap: u32,
    /// The most answers of an operation.
    pub most_per_operation: u32,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureFact {
    /// An answer that failed.
    Failed(Box<FailedAnswer>),
    /// Answers that failed beyond the most that are kept, or that came faster than they could be written.
    LeftOut {
        /// The operation's index in `traffic.jsonl`.
        operation: u32,
        /// How many.
        count: u64,
    },
}

/// An answer that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailedAnswer {
    /// When it was complete.
    pub at_ns: Offset,
    /// The intended time of its request; with user and operation it finds the row of the request log.
    pub intended_ns: Offset,
    /// The phase's index.
    pub phase: u32,
    /// The operation's index.
    pub operation: u32,
    /// The number of the user.
    pub user: u64,
    /// Which of the user's iterations, from 1; 0 where that is not known.
    pub iteration: u32,
    /// How it counts.
    pub outcome: Outcome,
    /// The status code.
    pub status: u16,
    /// The name of the check that failed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Bytes of the whole body.
    pub body_bytes: u64,
    /// The body, or its beginning, when it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The same in base64 when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

impl FailedAnswer {
    /// Puts the body, or its beginning, where it belongs. A character of UTF-8 that was cut at the end is no reason to
    /// call it binary.
    pub fn set_body(&mut self, body: &[u8]) {
        let (valid, is_text) = match std::str::from_utf8(body) {
            Ok(text) => (text, true),
            Err(error) => {
                let valid = std::str::from_utf8(&body[..error.valid_up_to()]).expect("valid up to there");
                (valid, error.error_len().is_none())
            }
        };
        (self.body, self.body_base64) =
            if is_text { (Some(valid.to_owned()), None) } else { (None, Some(STANDARD.encode(body))) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> FailedAnswer {
        FailedAnswer {
            at_ns: Offset(9),
            intended_ns: Offset(4),
            phase: 0,
            operation: 1,
            user: 3,
            iteration: 2,
            outcome: Outcome::UnexpectedStatus,
            status: 500,
            detail: None,
            body_bytes: 2_000,
            body: None,
            body_base64: None,
        }
    }

    #[track_caller]
    fn check(body: &[u8], text: Option<&str>, base64: Option<&str>) {
        let mut answer = answer();
        answer.set_body(body);
        assert_eq!((answer.body.as_deref(), answer.body_base64.as_deref()), (text, base64));
        let fact = FailureFact::Failed(Box::new(answer));
        let stored = serde_json::to_string(&fact).unwrap();
        assert_eq!(serde_json::from_str::<FailureFact>(&stored).unwrap(), fact);
    }

    #[test]
    fn text_stays_text_even_when_a_character_was_cut() {
        check("größer".as_bytes(), Some("größer"), None);
        check(&"größe".as_bytes()[..4], Some("grö"), None);
        check(&"größe".as_bytes()[..3], Some("gr"), None);
        check(b"", Some(""), None);
    }

    #[test]
    fn what_is_no_text_is_kept_in_base64() {
        check(b"\xff\x00\x01", None, Some("/wAB"));
    }
}
