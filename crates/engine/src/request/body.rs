//! The body of a request: JSON, text, the fields of a form, parts, or a file.

use bytes::{Bytes, BytesMut};
use hyper::header::HeaderValue;
use plimsoll_plan::{Attachment, Body};

use super::CompileError;
use super::multipart::Multipart;
use crate::names::Names;
use crate::text::{Place, Text, Unfilled};
use crate::visit::Visit;

/// A compiled body.
#[derive(Debug)]
pub(super) enum CompiledBody {
    None,
    Text(Text),
    Multipart(Multipart),
}

/// The body of one request.
#[derive(Debug)]
pub(super) enum Filled {
    None,
    Plain(Bytes),
    /// With the content type that goes with it.
    Typed(HeaderValue, Bytes),
}

impl CompiledBody {
    pub(super) fn compile(body: Option<&Body>, step: &str, names: &Names) -> Result<Self, CompileError> {
        Ok(match body {
            None => Self::None,
            Some(Body::Json(text)) => Self::Text(Text::compile(text, names, Place::Json)),
            Some(Body::Text(text)) => Self::Text(Text::compile(text, names, Place::Plain)),
            Some(Body::Form(fields)) => Self::Text(Text::form(fields, names)),
            Some(Body::Multipart(parts)) => Self::Multipart(Multipart::compile(parts, step, names)?),
            Some(Body::File(file)) => Self::Text(Text::Fixed(content(file, step)?)),
        })
    }

    pub(super) fn fill(&self, visit: &Visit, scratch: &mut BytesMut) -> Result<Filled, Unfilled> {
        match self {
            Self::None => Ok(Filled::None),
            Self::Text(text) => text.fill(visit, scratch).map(Filled::Plain),
            Self::Multipart(parts) => parts.fill(visit, scratch),
        }
    }
}

/// The content of a file, shared by all requests that send it.
pub(super) fn content(file: &Attachment, step: &str) -> Result<Bytes, CompileError> {
    let content = file.content.as_ref().map(|content| Bytes::from_owner(std::sync::Arc::clone(content)));
    content.ok_or_else(|| CompileError::NoContent { step: step.to_owned(), file: file.file.path.clone() })
}
