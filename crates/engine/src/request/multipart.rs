//! Parts of a form with files (`multipart/form-data`, RFC 7578).
//!
//! The boundary is drawn for each request that has values of the user in it: a server that sends one back in a value
//! knows no later one. Parts without such values are put together once, around a boundary that none of them holds.

use bytes::{BufMut, Bytes, BytesMut};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use plimsoll_plan::{FormContent, FormPart};

use super::CompileError;
use super::body::{Filled, content};
use crate::draw::Draws;
use crate::names::Names;
use crate::random;
use crate::text::{Place, Text, Unfilled};
use crate::visit::Visit;

/// 62^32 boundaries are more than there are UUIDs.
const LETTERS: u16 = 32;

/// A compiled body of parts.
#[derive(Debug)]
pub(super) enum Multipart {
    Fixed { content_type: HeaderValue, body: Bytes },
    Filled(Vec<Part>),
}

/// A part: its head up to the empty line, and its content.
#[derive(Debug)]
pub(super) struct Part {
    head: String,
    content: Text,
}

impl Multipart {
    pub(super) fn compile(parts: &[FormPart], step: &str, names: &Names) -> Result<Self, CompileError> {
        let parts: Vec<Part> = parts.iter().map(|part| Part::compile(part, step, names)).collect::<Result<_, _>>()?;
        let fixed: Option<Vec<(&str, &Bytes)>> =
            parts.iter().map(|part| part.content.fixed().map(|content| (part.head.as_str(), content))).collect();
        let Some(fixed) = fixed else { return Ok(Self::Filled(parts)) };
        let boundary = unused_boundary(&fixed);
        let mut body = BytesMut::new();
        for (head, content) in fixed {
            put_head(&boundary, head, &mut body);
            body.put_slice(content);
            body.put_slice(b"\r\n");
        }
        put_end(&boundary, &mut body);
        Ok(Self::Fixed { content_type: content_type(&boundary), body: body.freeze() })
    }

    /// The body, and the content type that names its boundary.
    pub(super) fn fill(&self, visit: &Visit, scratch: &mut BytesMut) -> Result<Filled, Unfilled> {
        match self {
            Self::Fixed { content_type, body } => Ok(Filled::Typed(content_type.clone(), body.clone())),
            Self::Filled(parts) => {
                let boundary = boundary(visit.draw());
                match write_parts(parts, &boundary, visit, scratch) {
                    Ok(()) => Ok(Filled::Typed(content_type(&boundary), scratch.split().freeze())),
                    Err(unfilled) => {
                        scratch.clear();
                        Err(unfilled)
                    }
                }
            }
        }
    }
}

fn write_parts(parts: &[Part], boundary: &str, visit: &Visit, out: &mut BytesMut) -> Result<(), Unfilled> {
    for part in parts {
        put_head(boundary, &part.head, out);
        part.content.write(visit, out)?;
        out.put_slice(b"\r\n");
    }
    put_end(boundary, out);
    Ok(())
}

impl Part {
    fn compile(part: &FormPart, step: &str, names: &Names) -> Result<Self, CompileError> {
        let mut head = format!("Content-Disposition: form-data; name=\"{}\"", quoted(&part.name));
        let mut kind = part.content_type.as_deref();
        let content = match &part.content {
            FormContent::Value(value) => Text::compile(value, names, Place::Plain),
            FormContent::File { attachment, filename } => {
                head.push_str(&format!("; filename=\"{}\"", quoted(filename)));
                kind = kind.or(Some("application/octet-stream"));
                Text::Fixed(content(attachment, step)?)
            }
        };
        if let Some(kind) = kind {
            let bad = |_| CompileError::HeaderValue { step: step.to_owned(), name: CONTENT_TYPE.to_string() };
            HeaderValue::from_str(kind).map_err(bad)?;
            head.push_str(&format!("\r\nContent-Type: {kind}"));
        }
        Ok(Self { head, content })
    }
}

/// As browsers write names: what would end them is percent-encoded.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

fn put_head(boundary: &str, head: &str, out: &mut BytesMut) {
    for text in ["--", boundary, "\r\n", head, "\r\n\r\n"] {
        out.put_slice(text.as_bytes());
    }
}

fn put_end(boundary: &str, out: &mut BytesMut) {
    for text in ["--", boundary, "--\r\n"] {
        out.put_slice(text.as_bytes());
    }
}

fn content_type(boundary: &str) -> HeaderValue {
    let text = format!("multipart/form-data; boundary={boundary}");
    HeaderValue::try_from(text).expect("letters and digits make a header")
}

fn boundary(draws: Draws) -> String {
    let mut text = Vec::with_capacity(usize::from(LETTERS));
    random::put_letters(draws, LETTERS, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// A boundary that stands in no part. The first one that is drawn nearly always does.
fn unused_boundary(parts: &[(&str, &Bytes)]) -> String {
    let holds = |text: &[u8], boundary: &str| text.windows(boundary.len()).any(|window| window == boundary.as_bytes());
    let used = |boundary: &String| {
        parts.iter().any(|(head, content)| holds(head.as_bytes(), boundary) || holds(content, boundary))
    };
    let mut drawn = (0..).map(|stream| boundary(Draws::new(0, stream)));
    drawn.find(|boundary| !used(boundary)).expect("no body holds every boundary")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_that_stands_in_a_part_is_not_taken() {
        let first = boundary(Draws::new(0, 0));
        let content = Bytes::from(format!("x{first}x"));
        assert_ne!(unused_boundary(&[("", &content)]), first);
        assert_eq!(unused_boundary(&[("", &Bytes::from_static(b"x"))]), first);
    }

    #[test]
    fn a_name_stays_inside_its_quotes() {
        assert_eq!(quoted("a\"; filename=\"x\r\ny"), "a%22; filename=%22x%0D%0Ay");
    }
}
