//! Headers of a request: the host's, the target's, the flow's and the step's, who asks, and a user's cookies.
//!
//! A header replaces those of its name that stand further out. Who asks is decided where it is said last: a step that
//! says it replaces every `Authorization` of flow and target, also with nobody.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use hyper::header::{
    AUTHORIZATION, CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use plimsoll_plan::{Auth, Part, Request as Step, Target, Template};
use url::Url;

use super::{CompileError, Surroundings};
use crate::names::Names;
use crate::text::{Place, Text, Unfilled};
use crate::visit::Visit;

/// The compiled headers of a request.
#[derive(Debug)]
pub(super) struct Headers {
    all: Vec<(HeaderName, Value)>,
    /// How many of them, the first ones, HTTP/2 does without.
    of_connection: usize,
}

#[derive(Debug)]
enum Value {
    Fixed(HeaderValue),
    Filled(Text),
    /// User and password, still to be encoded (RFC 7617).
    Basic(Box<(Text, Text)>),
}

/// Compiles the headers of a step.
pub(super) fn compile(step: &Step, name: &str, around: Surroundings<'_>) -> Result<Headers, CompileError> {
    let Surroundings { target, flow, names } = around;
    let mut builder = Builder { step: name, names, all: vec![(HOST, Value::Fixed(host_of(target)))] };
    if let (None, Some(auth)) = (&step.auth, &target.auth) {
        builder.authorize(auth)?;
    }
    builder.add(&target.headers)?;
    builder.add(flow)?;
    if let Some(auth) = &step.auth {
        builder.authorize(auth)?;
    }
    builder.add(&step.headers)?;
    let mut all = builder.all;
    all.sort_by_key(|(name, _)| !of_connection(name));
    let of_connection = all.iter().filter(|(name, _)| of_connection(name)).count();
    Ok(Headers { all, of_connection })
}

impl Headers {
    /// Adds all of them to `to`.
    pub(super) fn fill(&self, visit: &Visit, scratch: &mut BytesMut, to: &mut HeaderMap) -> Result<(), Unfilled> {
        fill(&self.all, visit, scratch, to)
    }

    /// Adds those to `to` that HTTP/2 has as headers.
    pub(super) fn fill_without_connection(
        &self,
        visit: &Visit,
        scratch: &mut BytesMut,
        to: &mut HeaderMap,
    ) -> Result<(), Unfilled> {
        fill(&self.all[self.of_connection..], visit, scratch, to)
    }

    /// The host, if it is the same for every user.
    pub(super) fn fixed_host(&self) -> Option<&HeaderValue> {
        self.all.iter().find_map(|(name, value)| match value {
            Value::Fixed(value) if *name == HOST => Some(value),
            _ => None,
        })
    }
}

fn fill(
    headers: &[(HeaderName, Value)],
    visit: &Visit,
    scratch: &mut BytesMut,
    to: &mut HeaderMap,
) -> Result<(), Unfilled> {
    for (name, value) in headers {
        to.append(name.clone(), value.fill(visit, scratch)?);
    }
    Ok(())
}

impl Value {
    fn fill(&self, visit: &Visit, scratch: &mut BytesMut) -> Result<HeaderValue, Unfilled> {
        match self {
            Self::Fixed(value) => Ok(value.clone()),
            Self::Filled(text) => {
                HeaderValue::from_maybe_shared(text.fill(visit, scratch)?).map_err(|_| unreachable_value())
            }
            Self::Basic(pair) => basic(&pair.0.fill(visit, scratch)?, &pair.1.fill(visit, scratch)?),
        }
    }
}

/// Plain text was tested when it was compiled, and values are tested as they are put in.
fn unreachable_value() -> Unfilled {
    Unfilled::Unfit("header".into())
}

/// A colon ends the user (RFC 7617, section 2): one in a value would move text into the password.
fn basic(user: &[u8], password: &[u8]) -> Result<HeaderValue, Unfilled> {
    if user.contains(&b':') {
        return Err(Unfilled::Colon);
    }
    let value = format!("Basic {}", STANDARD.encode([user, b":", password].concat()));
    Ok(HeaderValue::try_from(value).expect("letters, digits and a few signs make a header"))
}

/// Headers that belong to a connection of HTTP/1.1, or that HTTP/2 says in another way.
fn of_connection(name: &HeaderName) -> bool {
    const OTHERS: [&str; 2] = ["keep-alive", "proxy-connection"];
    [HOST, CONNECTION, TE, TRANSFER_ENCODING, UPGRADE].contains(name) || OTHERS.contains(&name.as_str())
}

struct Builder<'a> {
    step: &'a str,
    names: &'a Names,
    all: Vec<(HeaderName, Value)>,
}

impl Builder<'_> {
    fn add(&mut self, headers: &[(String, Template)]) -> Result<(), CompileError> {
        headers.iter().try_for_each(|(name, value)| {
            let bad = |_| CompileError::HeaderName { step: self.step.to_owned(), name: name.clone() };
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(bad)?;
            self.replace(header, value)
        })
    }

    fn authorize(&mut self, auth: &Auth) -> Result<(), CompileError> {
        match auth {
            Auth::None => self.remove(&AUTHORIZATION),
            Auth::Bearer(token) => {
                let scheme = Part::Literal("Bearer ".to_owned());
                let parts = std::iter::once(scheme).chain(token.parts.iter().cloned()).collect();
                return self.replace(AUTHORIZATION, &Template { parts });
            }
            Auth::Basic { user, password } => {
                let text = |template| Text::compile(template, self.names, Place::Plain);
                let pair = (text(user), text(password));
                let value = match (pair.0.fixed(), pair.1.fixed()) {
                    (Some(user), Some(password)) => Value::Fixed(self.tested(&AUTHORIZATION, basic(user, password))?),
                    _ => Value::Basic(Box::new(pair)),
                };
                self.put(AUTHORIZATION, value);
            }
        }
        Ok(())
    }

    fn replace(&mut self, header: HeaderName, value: &Template) -> Result<(), CompileError> {
        let text = Text::compile(value, self.names, Place::Header);
        let sample = self.tested(&header, HeaderValue::from_maybe_shared(text.sample()))?;
        let value = match text {
            Text::Fixed(_) => Value::Fixed(sample),
            text @ Text::Filled(_) => Value::Filled(text),
        };
        self.put(header, value);
        Ok(())
    }

    fn tested<E>(&self, header: &HeaderName, value: Result<HeaderValue, E>) -> Result<HeaderValue, CompileError> {
        value.map_err(|_| CompileError::HeaderValue { step: self.step.to_owned(), name: header.to_string() })
    }

    fn put(&mut self, header: HeaderName, value: Value) {
        self.remove(&header);
        self.all.push((header, value));
    }

    fn remove(&mut self, header: &HeaderName) {
        self.all.retain(|(earlier, _)| earlier != header);
    }
}

/// The host header of requests to `target`.
pub(super) fn host_of(target: &Target) -> HeaderValue {
    let host = target.url.host_str().unwrap_or("localhost");
    let text = target.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    HeaderValue::try_from(text).expect("a parsed URL's host is plain ASCII")
}

/// Sends the user's cookies along, behind those the plan states: a request has one `Cookie` (RFC 6265, section 5.4).
pub(super) fn add_cookies(visit: &Visit, url: &Url, headers: &mut HeaderMap) {
    let mut cookies = headers.get(COOKIE).map(|stated| stated.as_bytes().to_vec()).unwrap_or_default();
    visit.write_cookies(url, &mut cookies);
    if let (false, Ok(value)) = (cookies.is_empty(), HeaderValue::from_maybe_shared(Bytes::from(cookies))) {
        headers.insert(COOKIE, value);
    }
}
