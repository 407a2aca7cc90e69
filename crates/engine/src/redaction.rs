//! Takes the plan's secrets out of what a service answered, before any of it is written down.
//!
//! A service may send back what it was sent, in the encoding it got it in: each secret is looked for as it is, as JSON
//! writes it, percent-encoded and as the field of a form, and user and password in base64. What the service makes of
//! them beyond that, and what it hands out itself, is not known here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use plimsoll_plan::{Plan, Secret};

/// What stands in the place of a secret.
const HIDDEN: &[u8] = b"***";

/// What must not be shown.
#[derive(Clone, Default)]
pub(crate) struct Redaction {
    /// The longest first, so that a secret that holds another one goes as a whole.
    needles: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redaction").field("needles", &self.needles.len()).finish_non_exhaustive()
    }
}

impl Redaction {
    /// Hides the secrets of `plan`.
    pub(crate) fn of(plan: &Plan) -> Self {
        let encoded = plan.basic_credentials().iter().map(|pair| STANDARD.encode(pair.reveal())).collect::<Vec<_>>();
        let plain = plan.secrets().into_iter().map(Secret::reveal).collect::<Vec<_>>();
        Self::new(plain.into_iter().chain(encoded.iter().map(String::as_str)))
    }

    fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let mut needles: Vec<Vec<u8>> = secrets.flat_map(spellings).filter(|needle| !needle.is_empty()).collect();
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        needles.dedup();
        Self { needles }
    }

    /// The text without secrets. Where it was cut at its end, what may be the beginning of one goes too.
    pub(crate) fn apply(&self, text: &[u8], cut: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            if let Some(needle) = self.needles.iter().find(|needle| rest.starts_with(needle)) {
                out.extend_from_slice(HIDDEN);
                at += needle.len();
            } else if cut && self.needles.iter().any(|needle| needle.starts_with(rest)) {
                out.extend_from_slice(HIDDEN);
                break;
            } else {
                out.push(rest[0]);
                at += 1;
            }
        }
        out
    }
}

/// The ways in which a secret may be written.
fn spellings(secret: &str) -> Vec<Vec<u8>> {
    // In a query the plan has it encoded already.
    let decoded = percent_decode_str(secret).decode_utf8_lossy();
    let mut spellings = Vec::new();
    for plain in [secret, &*decoded] {
        let json = serde_json::Value::from(plain).to_string();
        let percent = utf8_percent_encode(plain, NON_ALPHANUMERIC).to_string();
        let unreserved = [("%2D", "-"), ("%2E", "."), ("%5F", "_"), ("%7E", "~")];
        let sparing = unreserved.iter().fold(percent.clone(), |text, (code, c)| text.replace(code, c));
        let form = sparing.replace("%20", "+");
        let json = json[1..json.len() - 1].to_owned();
        spellings
            .extend([plain.to_owned(), json, percent.to_lowercase(), percent, sparing, form].map(String::into_bytes));
    }
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(secrets: &[&str], text: &str, cut: bool, expected: &str) {
        let redaction = Redaction::new(secrets.iter().copied());
        assert_eq!(String::from_utf8(redaction.apply(text.as_bytes(), cut)).unwrap(), expected);
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands() {
        check(&["s3cret"], "s3cret, as3cretb and s3cret", false, "***, a***b and ***");
        check(&["s3cret", "s3cret-longer"], "s3cret-longer", false, "***");
        check(&[""], "nothing to hide", false, "nothing to hide");
        check(&[], "nothing to hide", true, "nothing to hide");
    }

    #[test]
    fn a_secret_is_hidden_in_each_encoding_it_may_have_been_sent_in() {
        let secret = "a\"b/c d-e";
        for spelling in ["a\"b/c d-e", r#"a\"b/c d-e"#, "a%22b%2Fc%20d-e", "a%22b%2fc%20d%2de", "a%22b%2Fc+d-e"] {
            check(&[secret], &format!("<{spelling}>"), false, "<***>");
        }
        check(&["a%22b"], "<a\"b> <a%22b>", false, "<***> <***>");
    }

    #[test]
    fn a_secret_that_was_cut_off_with_the_body_is_hidden_too() {
        check(&["s3cret"], "key=s3cr", true, "key=***");
        check(&["s3cret"], "key=s3cr", false, "key=s3cr");
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let redaction = Redaction::new(["key"].into_iter());
        assert_eq!(redaction.apply(b"\xff\x00key\xfe", false), b"\xff\x00***\xfe");
    }
}
