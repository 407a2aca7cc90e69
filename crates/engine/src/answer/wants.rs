//! What is kept of an answer, and the keeper that collects it while the body arrives.
//!
//! A body that nothing looks at is counted and let go, however large it is.

use std::num::NonZeroU32;

use bytes::{Bytes, BytesMut};
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use plimsoll_plan::{Condition, Operand, Request, Source, Touch};

use super::contents::{Kept, Raw};
use super::{Answer, MAX_BODY};

/// What is to be kept of the answers to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wants {
    headers: bool,
    body: BodyWish,
    /// So many bytes of each body are kept in any case, for the log of failures.
    head: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum BodyWish {
    Nothing,
    /// Only its size is asked for: the wire tells it unless the body is compressed.
    IfEncoded,
    Whole,
}

impl Wants {
    /// The status and the size on the wire are enough.
    pub(crate) const NOTHING: Self = Self { headers: false, body: BodyWish::Nothing, head: 0 };

    /// What the checks and captures of `request` look at, what redirects and cookies need (`headers`), and so many
    /// bytes for the log of failures.
    pub(crate) fn of(request: &Request, headers: bool, failed_bodies: Option<NonZeroU32>) -> Self {
        let head = failed_bodies.map_or(0, |most| usize::try_from(most.get()).unwrap_or(MAX_BODY).min(MAX_BODY));
        let mut wants = Self { headers: headers || request.redirects > 0 || head > 0, head, ..Self::NOTHING };
        let checks = request.expect.checks.iter().chain(&request.expect.soft).map(|check| &check.condition);
        checks
            .chain(request.poll.as_ref().map(|poll| &poll.until))
            .for_each(|condition| wants.add_condition(condition));
        request.captures.iter().for_each(|capture| wants.add_source(&capture.from));
        if matches!(request.integrity, Some((Touch::Reads, _))) {
            wants.add_body(BodyWish::Whole);
        }
        request.store.iter().filter_map(|call| call.since.as_ref()).for_each(|since| wants.add_source(since));
        wants
    }

    /// Everything.
    pub(crate) fn all(self) -> Self {
        Self { headers: true, body: BodyWish::Whole, ..self }
    }

    /// True when neither headers nor body need be kept.
    pub(crate) fn is_nothing(self) -> bool {
        self == Self::NOTHING
    }

    fn add_condition(&mut self, condition: &Condition) {
        for operand in condition.operands() {
            match operand {
                Operand::Status | Operand::Latency | Operand::Hole(_) => {}
                Operand::Header(_) => self.headers = true,
                Operand::Size => self.add_body(BodyWish::IfEncoded),
                Operand::Body | Operand::Json(_) | Operand::Count(_) | Operand::Value | Operand::Rows => {
                    self.add_body(BodyWish::Whole);
                }
            }
        }
    }

    fn add_source(&mut self, source: &Source) {
        match source {
            Source::Status => {}
            Source::Header(_) | Source::Cookie(_) => self.headers = true,
            Source::Json(_) | Source::Regex { .. } | Source::Body | Source::Value | Source::Rows => {
                self.add_body(BodyWish::Whole);
            }
        }
    }

    /// The headers say how a body is compressed.
    fn add_body(&mut self, wish: BodyWish) {
        self.headers = true;
        self.body = self.body.max(wish);
    }
}

/// An answer whose head has arrived.
#[derive(Debug)]
pub(crate) struct Keeper {
    status: u16,
    body_bytes: u64,
    /// `None` when nothing is wanted.
    kept: Option<Keeping>,
}

#[derive(Debug)]
struct Keeping {
    headers: HeaderMap,
    whole: bool,
    /// How many bytes are kept at most.
    limit: usize,
    head: usize,
    pieces: Pieces,
    over: bool,
}

impl Keeper {
    /// Begins an answer. The headers come back when they are not wanted, so that their memory can be used again.
    pub(crate) fn begin(wants: Wants, status: u16, headers: HeaderMap) -> (Self, Option<HeaderMap>) {
        if wants.is_nothing() {
            return (Self { status, body_bytes: 0, kept: None }, Some(headers));
        }
        let looked_at = wants.body != BodyWish::Nothing || wants.head > 0;
        let whole = wants.body == BodyWish::Whole || looked_at && headers.contains_key(CONTENT_ENCODING);
        let (limit, head) = (if whole { MAX_BODY } else { wants.head }, wants.head);
        let kept = Keeping { headers, whole, limit, head, pieces: Pieces::default(), over: false };
        (Self { status, body_bytes: 0, kept: Some(kept) }, None)
    }

    /// The next piece of the body.
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.body_bytes += piece.len() as u64;
        if let Some(kept) = &mut self.kept {
            kept.push(piece);
        }
    }

    /// The body is complete.
    pub(crate) fn finish(self) -> Answer {
        let kept = self.kept.map(|kept| Box::new(kept.finish()));
        Answer { status: self.status, body_bytes: self.body_bytes, latency_ns: 0, kept, fault: None, retries: 0 }
    }
}

impl Keeping {
    fn push(&mut self, mut piece: Bytes) {
        if self.over {
            return;
        }
        let room = self.limit - self.pieces.len();
        if piece.len() > room {
            self.over = true;
            piece.truncate(room);
        }
        self.pieces.push(piece);
        if self.over && self.whole {
            self.pieces.shorten(self.head);
        }
    }

    fn finish(self) -> Kept {
        let bytes = self.pieces.join();
        let raw = match (self.whole, self.over) {
            (true, false) => Raw::Whole(bytes),
            (true, true) => Raw::TooLarge(bytes),
            (false, _) => Raw::Head(bytes),
        };
        Kept::new(self.headers, raw)
    }
}

/// Pieces of a body. A single one, as most are, is not copied.
#[derive(Debug, Default)]
struct Pieces {
    first: Bytes,
    all: BytesMut,
}

impl Pieces {
    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.all.is_empty() {
            self.all.reserve(self.first.len() + piece.len());
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&piece);
    }

    /// Keeps a copy of the first bytes, so that the memory of all others is free.
    fn shorten(&mut self, most: usize) {
        let bytes = std::mem::take(self).join();
        self.first = Bytes::copy_from_slice(&bytes[..most.min(bytes.len())]);
    }

    fn join(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use plimsoll_plan::{Capture, Check, JsonPath, Missing, Operator, Template, Value};

    fn request() -> Request {
        Request::new("one", plimsoll_plan::Method::Get, Template::literal("/"))
    }

    fn with_check(left: Operand) -> Request {
        let condition = Condition::Compare { left, operator: Operator::Equal, right: Value::Null };
        let mut request = request();
        request.expect.soft.push(Check { name: "x".to_owned(), condition });
        request
    }

    fn encoded() -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))])
    }

    fn kept(wants: Wants, headers: HeaderMap, pieces: &[&'static [u8]]) -> (u64, Option<Raw>) {
        let (mut keeper, _) = Keeper::begin(wants, 200, headers);
        pieces.iter().for_each(|piece| keeper.push(Bytes::from_static(piece)));
        let answer = keeper.finish();
        (answer.body_bytes, answer.kept.map(|kept| kept.raw().clone()))
    }

    #[test]
    fn a_request_that_looks_at_its_status_only_keeps_nothing() {
        let wants = Wants::of(&request(), false, None);
        assert!(wants.is_nothing() && Wants::of(&with_check(Operand::Latency), false, None).is_nothing());
        let (_, spare) = Keeper::begin(wants, 200, encoded());
        assert_eq!(spare, Some(encoded()));
        assert_eq!(kept(wants, encoded(), &[b"abc", b"de"]), (5, None));
    }

    #[test]
    fn what_is_kept_follows_from_what_is_looked_at() {
        let header = Operand::Header("x".to_owned());
        assert_eq!(
            kept(Wants::of(&with_check(header), false, None), encoded(), &[b"abc"]).1,
            Some(Raw::Head("".into()))
        );
        let path = || JsonPath::new("$.a").unwrap();
        let whole = Some(Raw::Whole("abcde".into()));
        for left in [Operand::Body, Operand::Json(path()), Operand::Count(path())] {
            assert_eq!(kept(Wants::of(&with_check(left), false, None), HeaderMap::new(), &[b"abc", b"de"]).1, whole);
        }
        let mut captures = request();
        let from = Source::Json(path());
        captures.captures.push(Capture { name: "a".to_owned(), from, missing: Missing::End });
        assert_eq!(kept(Wants::of(&captures, false, None), HeaderMap::new(), &[b"abcde"]).1, whole);
        let mut redirects = request();
        redirects.redirects = 1;
        assert!(!Wants::of(&redirects, false, None).is_nothing() && !Wants::of(&request(), true, None).is_nothing());
    }

    #[test]
    fn a_size_needs_the_body_only_when_it_is_compressed() {
        let wants = Wants::of(&with_check(Operand::Size), false, None);
        assert_eq!(kept(wants, HeaderMap::new(), &[b"abc"]), (3, Some(Raw::Head("".into()))));
        assert_eq!(kept(wants, encoded(), &[b"abc"]), (3, Some(Raw::Whole("abc".into()))));
    }

    #[test]
    fn a_body_beyond_the_limit_is_counted_and_let_go() {
        const MEGABYTE: &[u8] = &[7; 1_000_000];
        let wants = Wants::of(&with_check(Operand::Body), false, NonZeroU32::new(4));
        let all = [MEGABYTE; 10];
        let (bytes, raw) = kept(wants, HeaderMap::new(), &all);
        assert!(bytes == 10_000_000 && matches!(raw, Some(Raw::Whole(body)) if body.len() == MAX_BODY));
        let more: Vec<&[u8]> = all.iter().copied().chain([&b"x"[..], &b"y"[..]]).collect();
        assert_eq!(kept(wants, HeaderMap::new(), &more), (10_000_002, Some(Raw::TooLarge(vec![7; 4].into()))));
    }

    #[test]
    fn the_log_of_failures_gets_the_first_bytes() {
        let wants = Wants::of(&request(), false, NonZeroU32::new(4));
        assert_eq!(kept(wants, HeaderMap::new(), &[b"abc", b"def", b"g"]), (7, Some(Raw::Head("abcd".into()))));
        assert_eq!(kept(wants, encoded(), &[b"abc", b"def"]), (6, Some(Raw::Whole("abcdef".into()))));
    }
}
