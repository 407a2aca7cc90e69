//! What was kept of an answer: headers, and the body as bytes, text and JSON.
//!
//! Each view is made when it is first asked for, and once.

use std::borrow::Cow;
use std::cell::OnceCell;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, SET_COOKIE};
use serde_json::Value;

use super::decode::decode;
use super::{BodyFault, MAX_BODY};
use crate::store::Reply;

/// What was kept of an answer.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) headers: HeaderMap,
    raw: Raw,
    body: OnceCell<Result<Bytes, BodyFault>>,
    /// The text of a body that is not UTF-8.
    mended: OnceCell<Option<String>>,
    json: OnceCell<Option<Value>>,
    /// Of a store's reply: what it is worth by itself, and how many rows it has.
    reply: Option<(Option<Value>, u64)>,
}

/// The body as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Raw {
    /// All of it.
    Whole(Bytes),
    /// Its first bytes; nothing looks at the others.
    Head(Bytes),
    /// Its first bytes: something looks at the body, but it is too large.
    TooLarge(Bytes),
}

impl Kept {
    pub(crate) fn new(headers: HeaderMap, raw: Raw) -> Self {
        let (body, mended, json) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { headers, raw, body, mended, json, reply: None }
    }

    /// A store's reply.
    pub(crate) fn of_reply(reply: &Reply) -> Self {
        let kept = Self::new(HeaderMap::new(), Raw::Whole(reply.content.body()));
        let json = reply.content.json().map_or_else(OnceCell::new, |json| OnceCell::from(Some(json)));
        Self { json, reply: Some((reply.content.value(), reply.rows)), ..kept }
    }

    /// What a store's reply is worth by itself.
    pub(crate) fn value(&self) -> Option<&Value> {
        self.reply.as_ref().and_then(|(value, _)| value.as_ref())
    }

    /// How many rows a store's reply has.
    pub(crate) fn rows(&self) -> Option<u64> {
        self.reply.as_ref().map(|(_, rows)| *rows)
    }

    #[cfg(test)]
    pub(crate) fn raw(&self) -> &Raw {
        &self.raw
    }

    /// The body, decompressed.
    pub(crate) fn body(&self) -> Result<&Bytes, BodyFault> {
        let body = self.body.get_or_init(|| match &self.raw {
            Raw::Whole(raw) => decode(&self.headers, raw, MAX_BODY),
            Raw::Head(_) => unreachable!("a body that is looked at was wanted, and so was kept"),
            Raw::TooLarge(_) => Err(BodyFault::TooLarge),
        });
        body.as_ref().map_err(|fault| *fault)
    }

    /// The size of the body after decompression; `on_wire` is what it was on the wire.
    pub(crate) fn size(&self, on_wire: u64) -> Result<u64, BodyFault> {
        match &self.raw {
            // Nothing but its size is looked at, and it is not compressed.
            Raw::Head(_) => Ok(on_wire),
            Raw::Whole(_) | Raw::TooLarge(_) => self.body().map(|body| body.len() as u64),
        }
    }

    /// The body as text: UTF-8 whatever it says it is, with U+FFFD in place of what is none.
    pub(crate) fn text(&self) -> Result<&str, BodyFault> {
        let body = self.body()?;
        if let Some(mended) = self.mended.get() {
            return Ok(mended.as_deref().unwrap_or_else(|| unchanged(body)));
        }
        let mended = match String::from_utf8_lossy(body) {
            Cow::Borrowed(_) => None,
            Cow::Owned(text) => Some(text),
        };
        Ok(self.mended.get_or_init(|| mended).as_deref().unwrap_or_else(|| unchanged(body)))
    }

    /// The body as JSON; `None` when it is none. A byte order mark before it is passed over (RFC 8259, section 8.1).
    pub(crate) fn json(&self) -> Result<Option<&Value>, BodyFault> {
        let body = self.body()?;
        let parse = || serde_json::from_slice(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)).ok();
        Ok(self.json.get_or_init(parse).as_ref())
    }

    /// The first header of this name as text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<Cow<'_, str>> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
    }

    /// The value of a cookie that this answer sets; the last one counts (RFC 6265, section 5.3).
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all(SET_COOKIE).iter().rev();
        lines.filter_map(|line| cookie_of(&String::from_utf8_lossy(line.as_bytes()), name)).next()
    }

    /// At most so many bytes of the body, decompressed if that is possible: for the log of failures.
    pub(crate) fn excerpt(&self, most: usize) -> Bytes {
        let bytes = match &self.raw {
            Raw::Whole(raw) => self.body().unwrap_or(raw),
            Raw::Head(raw) | Raw::TooLarge(raw) => raw,
        };
        bytes.slice(..most.min(bytes.len()))
    }
}

fn unchanged(body: &[u8]) -> &str {
    std::str::from_utf8(body).expect("text that needed no mending is UTF-8")
}

/// The value in `name=value; attribute...` (RFC 6265, section 5.2).
fn cookie_of(line: &str, name: &str) -> Option<String> {
    let pair = line.split(';').next().unwrap_or_default();
    let (found, value) = pair.split_once('=')?;
    (found.trim() == name).then(|| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn body(bytes: &'static [u8]) -> Kept {
        Kept::new(HeaderMap::new(), Raw::Whole(Bytes::from_static(bytes)))
    }

    #[test]
    fn text_that_is_not_utf8_is_mended_and_is_no_json() {
        let kept = body(b"{\"a\": \"gr\xFC\xDFe\"}");
        assert_eq!(kept.text(), Ok("{\"a\": \"gr\u{FFFD}\u{FFFD}e\"}"));
        assert_eq!(kept.text(), Ok("{\"a\": \"gr\u{FFFD}\u{FFFD}e\"}"), "also when asked again");
        assert_eq!(kept.json(), Ok(None));
        assert_eq!(body("grüße".as_bytes()).text(), Ok("grüße"));
    }

    #[test]
    fn json_is_found_behind_a_byte_order_mark_and_nowhere_else() {
        assert_eq!(body(b"\xEF\xBB\xBF{}").json().unwrap(), Some(&serde_json::json!({})));
        for broken in [&b""[..], b"<html>", b"{\"a\":", b"1 2", b"NaN"] {
            assert_eq!(body(broken).json(), Ok(None), "{broken:?}");
        }
    }

    #[test]
    fn json_nested_without_end_is_none_and_takes_no_stack() {
        let deep = Kept::new(HeaderMap::new(), Raw::Whole("[".repeat(1_000_000).into()));
        assert_eq!(deep.json(), Ok(None));
    }

    #[test]
    fn a_cookie_is_the_last_one_set_under_exactly_its_name() {
        let lines = ["a=1; Path=/", "session=old", " session = new; HttpOnly", "sessions=x", "broken"];
        let headers = lines.map(|line| (SET_COOKIE, HeaderValue::from_static(line)));
        let kept = Kept::new(HeaderMap::from_iter(headers), Raw::Head(Bytes::new()));
        assert_eq!(kept.cookie("session").as_deref(), Some("new"));
        assert_eq!((kept.cookie("Session"), kept.cookie("broken"), kept.cookie("Path")), (None, None, None));
    }

    #[test]
    fn an_excerpt_is_decompressed_where_it_can_be() {
        assert_eq!(body(b"abcdef").excerpt(3), "abc");
        let headers = HeaderMap::from_iter([(hyper::header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
        assert_eq!(Kept::new(headers, Raw::Whole("no gzip".into())).excerpt(100), "no gzip");
        assert_eq!(Kept::new(HeaderMap::new(), Raw::TooLarge("begin".into())).excerpt(100), "begin");
    }
}
