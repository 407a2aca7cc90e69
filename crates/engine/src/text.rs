//! Texts with holes, compiled once per plan: what remains per request is copying segments and putting values in.
//!
//! A value is escaped for where it stands and never becomes syntax there. A user's identity is a fixed pattern around
//! a number, so its escaping is done at compile time; a text without holes costs a reference count.

mod escape;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use plimsoll_plan::{Form, Hole, Part, Template};
use serde_json::Value;
use url::Url;

use crate::names::{CompiledHole, Names};
use crate::visit::Visit;
pub(crate) use escape::Place;

/// Why a text could not be made for a user. It names the hole and never shows the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfilled {
    /// Nothing was captured or set under the name, or the data has no row left.
    #[error("`{{{0}}}` has no value; let an earlier step capture or set it, or ask `when = \"{{{0}}} exists\"`")]
    Missing(Arc<str>),
    /// The value has characters that cannot stand there, however it is written.
    #[error("the value of `{{{0}}}` has characters that HTTP does not allow there, such as line breaks")]
    Unfit(Arc<str>),
    /// The value leads away from the target.
    #[error("`{{{0}:raw}}` is a URL of another server; a run sends to its target only")]
    OtherServer(Arc<str>),
    /// The user of basic authentication holds a colon.
    #[error("the user of `auth.basic` has a colon; it ends the user there")]
    Colon,
    /// The whole is too long, or does not begin as a path does.
    #[error("the path does not make a URL; is it longer than 65,534 bytes?")]
    Path,
}

/// A compiled text.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    /// The same for every user.
    Fixed(Bytes),
    /// Different for every user.
    Filled(Box<[Segment]>),
}

/// One segment of a text that differs by user.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    /// Copied as it is.
    Literal(Bytes),
    /// The user's number in decimal.
    Number,
    /// Any other value.
    Value(Box<Put>),
}

/// A value and how it is put in.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    hole: CompiledHole,
    name: Arc<str>,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    Escaped(Place),
    /// As JSON of its own kind.
    Json,
    /// As it is, but for what cannot stand in a request line.
    Raw,
    /// The same at the beginning of a path: perhaps a whole URL.
    RawUrl(Arc<Url>),
}

impl Text {
    /// Compiles `template` for its place.
    pub(crate) fn compile(template: &Template, names: &Names, place: Place) -> Self {
        let mut builder = Builder::new(names, place);
        template.parts.iter().for_each(|part| builder.part(part));
        builder.finish()
    }

    /// Compiles path and query of a request to a target at `base`. Its path stands in front, but for a path that was
    /// captured: that is one of the server's own.
    pub(crate) fn path(template: &Template, names: &Names, base: &Url) -> Self {
        let mut builder = Builder::new(names, Place::Path);
        let rest = match template.parts.split_first() {
            Some((Part::Hole(hole, Form::Raw), rest)) => {
                builder.put(hole, How::RawUrl(Arc::new(base.clone())));
                rest
            }
            _ => {
                builder.literal(base.path().trim_end_matches('/'));
                template.parts.as_slice()
            }
        };
        rest.iter().for_each(|part| builder.part(part));
        builder.finish()
    }

    /// Compiles the fields of a form, whose names and values are not encoded yet.
    pub(crate) fn form(fields: &[(String, Template)], names: &Names) -> Self {
        let mut builder = Builder::new(names, Place::Field);
        for (index, (name, value)) in fields.iter().enumerate() {
            builder.syntax(if index > 0 { "&" } else { "" });
            builder.literal(name);
            builder.syntax("=");
            value.parts.iter().for_each(|part| builder.part(part));
        }
        builder.finish()
    }

    /// The text for a visit. A fixed text costs a reference count, a filled one goes through `scratch`, which is empty
    /// before and after.
    pub(crate) fn fill(&self, visit: &Visit, scratch: &mut BytesMut) -> Result<Bytes, Unfilled> {
        match self {
            Self::Fixed(text) => Ok(text.clone()),
            Self::Filled(segments) => match write_all(segments, visit, scratch) {
                Ok(()) => Ok(scratch.split().freeze()),
                Err(unfilled) => {
                    scratch.clear();
                    Err(unfilled)
                }
            },
        }
    }

    /// Writes the text behind what `out` holds.
    pub(crate) fn write(&self, visit: &Visit, out: &mut BytesMut) -> Result<(), Unfilled> {
        match self {
            Self::Fixed(text) => out.extend_from_slice(text),
            Self::Filled(segments) => write_all(segments, visit, out)?,
        }
        Ok(())
    }

    /// The text of a value, for a variable.
    pub(crate) fn value(&self, visit: &Visit, scratch: &mut BytesMut) -> Result<Value, Unfilled> {
        let text = self.fill(visit, scratch)?;
        Ok(Value::String(String::from_utf8_lossy(&text).into_owned()))
    }

    /// The text with a digit for every value: what a plan can be tested with.
    pub(crate) fn sample(&self) -> Bytes {
        let Self::Filled(segments) = self else { return self.fixed().cloned().unwrap_or_default() };
        let sample = segments.iter().map(|segment| match segment {
            Segment::Literal(text) => text.as_ref(),
            Segment::Value(put) if matches!(put.how, How::RawUrl(_)) => b"/1",
            Segment::Number | Segment::Value(_) => b"1",
        });
        Bytes::from(sample.collect::<Vec<_>>().concat())
    }

    /// The text, if it is the same for every user.
    pub(crate) fn fixed(&self) -> Option<&Bytes> {
        match self {
            Self::Fixed(text) => Some(text),
            Self::Filled(_) => None,
        }
    }
}

fn write_all(segments: &[Segment], visit: &Visit, out: &mut BytesMut) -> Result<(), Unfilled> {
    for segment in segments {
        match segment {
            Segment::Literal(text) => out.extend_from_slice(text),
            Segment::Number => escape::put_number(out, visit.iteration.user),
            Segment::Value(put) => put.write(visit, out)?,
        }
    }
    Ok(())
}

impl Put {
    fn write(&self, visit: &Visit, out: &mut BytesMut) -> Result<(), Unfilled> {
        if let (CompiledHole::Random(drawn), How::Escaped(_)) = (&self.hole, &self.how)
            && drawn.is_plain()
        {
            drawn.write(visit.draw(), out);
            return Ok(());
        }
        if let (CompiledHole::Payload(payload), How::Escaped(_)) = (&self.hole, &self.how)
            && payload.is_plain()
        {
            out.extend_from_slice(&payload.content(visit));
            return Ok(());
        }
        let value = visit.value(&self.hole).ok_or_else(|| Unfilled::Missing(Arc::clone(&self.name)))?;
        match (&self.how, value.as_ref()) {
            (How::Json, value) => put_json(value, out),
            (_, Value::Number(number)) if number.is_u64() => escape::put_number(out, number.as_u64().unwrap_or(0)),
            (how, Value::String(text)) => self.put_text(how, text, out)?,
            (how, value) => self.put_text(how, &value.to_string(), out)?,
        }
        Ok(())
    }

    fn put_text(&self, how: &How, text: &str, out: &mut BytesMut) -> Result<(), Unfilled> {
        match how {
            How::Escaped(place) if !place.can_hold(text) => return Err(Unfilled::Unfit(Arc::clone(&self.name))),
            How::Escaped(place) => place.put(text, out),
            How::Raw | How::Json => Place::Path.put_literal(text, out),
            How::RawUrl(base) => self.put_url(base, text, out)?,
        }
        Ok(())
    }

    /// A path of the server, or a URL of it without scheme and host.
    fn put_url(&self, base: &Url, text: &str, out: &mut BytesMut) -> Result<(), Unfilled> {
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let path = match of_server(base, text) {
            Where::Path(path) => {
                out.extend_from_slice(if path.starts_with('/') { b"" } else { b"/" });
                path
            }
            Where::Relative => {
                Place::Path.put_literal(base.path().trim_end_matches('/'), out);
                out.put_u8(b'/');
                text
            }
            Where::Elsewhere => return Err(Unfilled::OtherServer(Arc::clone(&self.name))),
        };
        Place::Path.put_literal(path, out);
        Ok(())
    }
}

/// Where a captured text leads.
#[derive(Debug, PartialEq, Eq)]
enum Where<'t> {
    /// To this path and query of the target.
    Path(&'t str),
    /// To a path below the target's.
    Relative,
    Elsewhere,
}

/// Whole URLs, and those without a scheme (RFC 3986, section 4.2), name their server.
fn of_server<'t>(base: &Url, text: &'t str) -> Where<'t> {
    let authority_at = match text.find("//") {
        Some(0) => Some(2),
        Some(at) if is_scheme(&text[..at]) => Some(at + 2),
        _ => None,
    };
    let Some(start) = authority_at else {
        return if text.starts_with('/') { Where::Path(text) } else { Where::Relative };
    };
    let end = text[start..].find(['/', '?', '\\']).map_or(text.len(), |at| start + at);
    let same = base.join(&text[..end]).is_ok_and(|url| url.origin() == base.origin());
    match text[end..].chars().next() {
        None | Some('/' | '?') if same => Where::Path(&text[end..]),
        _ => Where::Elsewhere,
    }
}

/// `https:` and the like.
fn is_scheme(text: &str) -> bool {
    let Some(scheme) = text.strip_suffix(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn put_json(value: &Value, out: &mut BytesMut) {
    serde_json::to_writer(out.writer(), value).expect("memory takes everything, and a value has text keys only");
}

struct Builder<'a> {
    names: &'a Names,
    place: Place,
    done: Vec<Segment>,
    literal: BytesMut,
}

impl<'a> Builder<'a> {
    fn new(names: &'a Names, place: Place) -> Self {
        Self { names, place, done: Vec::new(), literal: BytesMut::new() }
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Literal(text) => self.literal(text),
            Part::Environment { value, .. } => self.place.put_configured(value.reveal(), &mut self.literal),
            Part::Hole(Hole::UserNumber, _) => self.number(),
            Part::Hole(Hole::UserId, form) => self.user_id(*form),
            Part::Hole(hole, Form::Text) => self.put(hole, How::Escaped(self.place)),
            Part::Hole(hole, Form::Json) => self.put(hole, How::Json),
            Part::Hole(hole, Form::Raw) => self.put(hole, How::Raw),
        }
    }

    fn literal(&mut self, text: &str) {
        self.place.put_literal(text, &mut self.literal);
    }

    /// What is not to be escaped.
    fn syntax(&mut self, text: &str) {
        self.literal.extend_from_slice(text.as_bytes());
    }

    fn user_id(&mut self, form: Form) {
        let (place, quote) = match form {
            Form::Json => (Place::Json, "\""),
            Form::Text | Form::Raw => (self.place, ""),
        };
        let users = self.names.users();
        self.syntax(quote);
        place.put(&users.prefix, &mut self.literal);
        self.number();
        place.put(&users.suffix, &mut self.literal);
        self.syntax(quote);
    }

    fn number(&mut self) {
        self.close_literal();
        self.done.push(Segment::Number);
    }

    fn put(&mut self, hole: &Hole, how: How) {
        self.close_literal();
        let (name, hole) = (hole.to_string().into(), self.names.hole(hole));
        self.done.push(Segment::Value(Box::new(Put { hole, name, how })));
    }

    fn close_literal(&mut self) {
        if !self.literal.is_empty() {
            self.done.push(Segment::Literal(self.literal.split().freeze()));
        }
    }

    fn finish(mut self) -> Text {
        if self.done.is_empty() {
            return Text::Fixed(self.literal.freeze());
        }
        self.close_literal();
        Text::Filled(self.done.into())
    }
}
