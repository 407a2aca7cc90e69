//! Texts with holes, compiled once per plan: what remains per request is copying segments and one number.
//!
//! Every value that fills a hole is escaped for where it stands: percent-encoding in a path, JSON escapes in a JSON
//! body, nothing in a header or a plain body. A user's identity is a fixed pattern around a number, so its escaping
//! is done here too, at compile time.

use bytes::{BufMut, Bytes, BytesMut};
use plimsoll_plan::{Hole, Part, Template, UserPattern};

/// Where a text stands, which decides how values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Path and query of a request.
    Path,
    /// A header's value, or a body that is not JSON.
    Plain,
    /// A JSON body; values stand inside its strings.
    Json,
}

/// A compiled text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// The same for every user.
    Fixed(Bytes),
    /// Different for every user.
    Filled(Vec<Segment>),
}

/// One segment of a text that differs by user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Copied as it is.
    Literal(Bytes),
    /// The user's number in decimal.
    Number,
}

impl Text {
    /// Compiles `template` for its place.
    pub(crate) fn compile(template: &Template, users: &UserPattern, place: Place) -> Self {
        let mut builder = Builder::default();
        for part in &template.parts {
            match part {
                Part::Literal(text) => builder.literal(&place.keep(text)),
                Part::Environment { value, .. } => builder.literal(&place.escape_value(value.reveal())),
                Part::Hole(Hole::UserNumber, _) => builder.number(),
                Part::Hole(Hole::UserId, _) => {
                    builder.literal(&place.escape(&users.prefix));
                    builder.number();
                    builder.literal(&place.escape(&users.suffix));
                }
                Part::Hole(hole, _) => unreachable!("`{{{hole}}}` was refused before anything was compiled"),
            }
        }
        builder.finish()
    }

    /// The text for user `number`. A fixed text costs a reference count, a filled one goes through `scratch`.
    pub(crate) fn fill(&self, number: u64, scratch: &mut BytesMut) -> Bytes {
        match self {
            Self::Fixed(text) => text.clone(),
            Self::Filled(segments) => {
                for segment in segments {
                    match segment {
                        Segment::Literal(text) => scratch.extend_from_slice(text),
                        Segment::Number => put_number(scratch, number),
                    }
                }
                scratch.split().freeze()
            }
        }
    }
}

fn put_number(out: &mut BytesMut, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&digits[first..]);
}

#[derive(Default)]
struct Builder {
    done: Vec<Segment>,
    literal: Vec<u8>,
}

impl Builder {
    fn literal(&mut self, text: &str) {
        self.literal.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self) {
        self.close_literal();
        self.done.push(Segment::Number);
    }

    fn close_literal(&mut self) {
        if !self.literal.is_empty() {
            self.done.push(Segment::Literal(Bytes::from(std::mem::take(&mut self.literal))));
        }
    }

    fn finish(mut self) -> Text {
        if self.done.is_empty() {
            return Text::Fixed(Bytes::from(self.literal));
        }
        self.close_literal();
        Text::Filled(self.done)
    }
}

impl Place {
    /// Plain text of the plan: kept, but for characters that cannot stand in a request line.
    fn keep(self, text: &str) -> String {
        match self {
            Self::Path => percent_encode(text, |byte| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte)),
            Self::Plain | Self::Json => text.to_owned(),
        }
    }

    /// A configured value: in a path it may be several segments or a query.
    fn escape_value(self, text: &str) -> String {
        match self {
            Self::Path | Self::Plain => self.keep(text),
            Self::Json => json_escape(text),
        }
    }

    /// A user's identity: data, never syntax.
    fn escape(self, text: &str) -> String {
        match self {
            Self::Path => percent_encode(text, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
            Self::Plain => text.to_owned(),
            Self::Json => json_escape(text),
        }
    }
}

fn percent_encode(text: &str, keep: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if keep(byte) {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// Escapes what RFC 8259, section 7, demands inside a string.
fn json_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_plan::Secret;
    use proptest::prelude::*;

    fn users(prefix: &str, suffix: &str) -> UserPattern {
        UserPattern { prefix: prefix.to_owned(), suffix: suffix.to_owned() }
    }

    fn template(parts: &[Part]) -> Template {
        Template { parts: parts.to_vec() }
    }

    fn literal(text: &str) -> Part {
        Part::Literal(text.to_owned())
    }

    #[track_caller]
    fn check(parts: &[Part], users: &UserPattern, place: Place, expected: &str) {
        let text = Text::compile(&template(parts), users, place).fill(42, &mut BytesMut::new());
        assert_eq!(std::str::from_utf8(&text).unwrap(), expected);
    }

    #[test]
    fn a_user_fills_path_body_and_header() {
        let tenant = users("tenant-", "");
        check(
            &[literal("/u/"), Hole::UserId.into(), literal("?n="), Hole::UserNumber.into()],
            &tenant,
            Place::Path,
            "/u/tenant-42?n=42",
        );
        check(
            &[literal(r#"{"id":""#), Hole::UserId.into(), literal(r#""}"#)],
            &tenant,
            Place::Json,
            r#"{"id":"tenant-42"}"#,
        );
        check(&[Hole::UserId.into()], &tenant, Place::Plain, "tenant-42");
    }

    #[test]
    fn an_identity_never_becomes_syntax() {
        let odd = users("a/b?\"c\\", " d");
        check(&[literal("/"), Hole::UserId.into()], &odd, Place::Path, "/a%2Fb%3F%22c%5C42%20d");
        check(&[Hole::UserId.into()], &odd, Place::Json, r#"a/b?\"c\\42 d"#);
    }

    #[test]
    fn configured_values_are_escaped_in_json_and_plain_elsewhere() {
        let key = Part::Environment { name: "KEY".to_owned(), value: Secret::new("a\"b/c".to_owned()) };
        check(std::slice::from_ref(&key), &users("", ""), Place::Json, r#"a\"b/c"#);
        check(std::slice::from_ref(&key), &users("", ""), Place::Plain, "a\"b/c");
        check(&[key], &users("", ""), Place::Path, "a%22b/c");
    }

    #[test]
    fn a_text_without_holes_is_compiled_to_itself() {
        let text = Text::compile(&template(&[literal("/a b"), literal("/c%20d")]), &users("", ""), Place::Path);
        assert_eq!(text, Text::Fixed(Bytes::from("/a%20b/c%20d")));
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_people_write_them(number: u64) {
            let mut out = BytesMut::new();
            put_number(&mut out, number);
            let expected = number.to_string();
            prop_assert_eq!(out.as_ref(), expected.as_bytes());
        }
    }
}
