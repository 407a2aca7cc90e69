//! Path and query of a request: as a request line of HTTP/1.1 has them, and with scheme and authority for HTTP/2.

use bytes::{Bytes, BytesMut};
use hyper::Uri;
use hyper::http::uri::{Authority, Parts, PathAndQuery, Scheme};
use plimsoll_plan::{Target, Template};

use super::CompileError;
use super::headers::{Headers, host_of};
use crate::names::Names;
use crate::text::{Text, Unfilled};
use crate::visit::Visit;

/// A compiled path.
#[derive(Debug)]
pub(super) struct Path {
    scheme: Scheme,
    authority: Authority,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// The same for every user: without and with scheme and authority.
    Fixed {
        origin: Uri,
        whole: Uri,
    },
    Filled(Text),
}

impl Path {
    /// A host that the plan gives by itself is the authority; else it is the target's.
    pub(super) fn compile(
        path: &Template,
        step: &str,
        headers: &Headers,
        target: &Target,
        names: &Names,
    ) -> Result<Self, CompileError> {
        let scheme = if target.url.scheme() == "https" { Scheme::HTTPS } else { Scheme::HTTP };
        let stated = headers.fixed_host().and_then(|host| Authority::try_from(host.as_bytes()).ok());
        let of_target = || Authority::try_from(host_of(target).as_bytes()).expect("a parsed URL has a host");
        let authority = stated.unwrap_or_else(of_target);
        let text = Text::path(path, names, &target.url);
        let invalid = |source| CompileError::Path { step: step.to_owned(), source };
        let origin = origin_form(text.sample()).map_err(invalid)?;
        let form = match text {
            Text::Fixed(_) => Form::Fixed { whole: around(&scheme, &authority, origin.clone()), origin },
            text @ Text::Filled(_) => Form::Filled(text),
        };
        Ok(Self { scheme, authority, form })
    }

    /// Only path and query, as a request line to an origin server has them (RFC 9112, section 3.2.1).
    pub(super) fn origin_form(&self, visit: &Visit, scratch: &mut BytesMut) -> Result<Uri, Unfilled> {
        match &self.form {
            Form::Fixed { origin, .. } => Ok(origin.clone()),
            Form::Filled(text) => origin_form(text.fill(visit, scratch)?).map_err(|_| Unfilled::Path),
        }
    }

    /// With scheme and authority in front.
    pub(super) fn whole(&self, visit: &Visit, scratch: &mut BytesMut) -> Result<Uri, Unfilled> {
        match &self.form {
            Form::Fixed { whole, .. } => Ok(whole.clone()),
            Form::Filled(_) => Ok(around(&self.scheme, &self.authority, self.origin_form(visit, scratch)?)),
        }
    }
}

fn around(scheme: &Scheme, authority: &Authority, path: Uri) -> Uri {
    let mut parts = Parts::from(path);
    parts.scheme = Some(scheme.clone());
    parts.authority = Some(authority.clone());
    Uri::from_parts(parts).expect("scheme, authority and path make a URI")
}

fn origin_form(path: Bytes) -> Result<Uri, hyper::http::Error> {
    let path = if path.is_empty() { Bytes::from_static(b"/") } else { path };
    Ok(Uri::from(PathAndQuery::from_maybe_shared(path)?))
}
