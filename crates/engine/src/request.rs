//! Requests compiled from a plan's steps: what to send, and what its answer means.
//!
//! Everything that is the same for every user is built once; the rest is filled in for a visit, or the request is not
//! built at all. Nothing here opens a connection or keeps time.

mod body;
mod headers;
mod multipart;
mod path;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Uri};
use plimsoll_plan::{Flow, HealthCheck, Plan, Request as Step, Target, Template};
use url::Url;

use self::body::{CompiledBody, Filled};
use self::headers::Headers;
use self::path::Path;
use crate::names::Names;
use crate::text::Unfilled;
use crate::visit::Visit;
use crate::workload::nanos;

/// Why a step cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The path does not make a URL.
    #[error("the path of step `{step}` is not valid in a URL; write it as `/path?query`")]
    Path {
        /// The operation.
        step: String,
        /// The cause.
        #[source]
        source: hyper::http::Error,
    },
    /// A header's name has characters that HTTP does not allow.
    #[error("`{name}` in step `{step}` is not a header name; use letters, digits and hyphens")]
    HeaderName {
        /// The operation.
        step: String,
        /// The name.
        name: String,
    },
    /// A header's value has characters that HTTP does not allow. The value is not shown: it may be secret.
    #[error(
        "the value of header `{name}` in step `{step}` has characters that HTTP does not allow, such as line breaks"
    )]
    HeaderValue {
        /// The operation.
        step: String,
        /// The name.
        name: String,
    },
    /// Only path and hash of a file are known.
    #[error("step `{step}` sends {file}, but the plan of a run directory does not hold its content; run the plan file")]
    NoContent {
        /// The operation.
        step: String,
        /// The file.
        file: String,
    },
}

/// One operation of a plan, ready to be sent for any user.
#[derive(Debug)]
pub(crate) struct Operation {
    method: Method,
    path: Path,
    headers: Headers,
    body: CompiledBody,
    /// How long to wait for the complete answer, in nanoseconds; `None`: as long as the target's timeout says.
    pub(crate) timeout: Option<i64>,
    /// The target, for cookies.
    base: Url,
}

/// What a step is compiled with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) target: &'a Target,
    /// Headers of the flow.
    pub(crate) flow: &'a [(String, Template)],
    pub(crate) names: &'a Names,
}

impl Operation {
    /// Compiles the request of every operation of `plan`: the index is the operation's in the record. A whole poll has
    /// that of its tries.
    pub(crate) fn compile_all(plan: &Plan, target: &Target, names: &Names) -> Result<Vec<Self>, CompileError> {
        let flows = plan.flows.iter().flat_map(|flow| {
            let with_poll = |request: &Step| 1 + usize::from(request.poll.is_some());
            let requests = plimsoll_plan::flow::requests(&flow.steps).into_iter();
            requests.flat_map(move |request| std::iter::repeat_n(flow, with_poll(request)))
        });
        let compile = |(operation, flow): (plimsoll_plan::Operation<'_>, &Flow)| {
            let around = Surroundings { target, flow: &flow.headers, names };
            Self::compile(operation.request, &operation.name, around)
        };
        plan.operation_list().into_iter().zip(flows).map(compile).collect()
    }

    /// Compiles one request; `name` stands for it in messages.
    pub(crate) fn compile(step: &Step, name: &str, around: Surroundings<'_>) -> Result<Self, CompileError> {
        let Surroundings { target, names, .. } = around;
        let headers = headers::compile(step, name, around)?;
        Ok(Self {
            method: method_of(step.method),
            path: Path::compile(&step.path, name, &headers, target, names)?,
            body: CompiledBody::compile(step.body.as_ref(), name, names)?,
            headers,
            timeout: step.timeout.map(nanos),
            base: target.url.clone(),
        })
    }

    /// The request that says whether the target is healthy.
    pub(crate) fn health(check: &HealthCheck, target: &Target, names: &Names) -> Result<Self, CompileError> {
        let step = Step::new("health", check.method, Template::literal(&check.path));
        Self::compile(&step, "health", Surroundings { target, flow: &[], names })
    }

    /// The request of a visit. `headers` is an emptied map of an earlier answer, whose memory is used again.
    pub(crate) fn request(
        &self,
        visit: &Visit,
        mut headers: HeaderMap,
        scratch: &mut BytesMut,
    ) -> Result<Request<RequestBody>, Unfilled> {
        let path = self.path.origin_form(visit, scratch)?;
        self.headers.fill(visit, scratch, &mut headers)?;
        self.finish(visit, path, headers, scratch)
    }

    /// The same for HTTP/2: the host is the request's authority, and nothing is said about the connection (RFC 9113,
    /// sections 8.2.2 and 8.3.1).
    pub(crate) fn request_with_authority(
        &self,
        visit: &Visit,
        scratch: &mut BytesMut,
    ) -> Result<Request<RequestBody>, Unfilled> {
        let (path, mut headers) = (self.path.whole(visit, scratch)?, HeaderMap::new());
        self.headers.fill_without_connection(visit, scratch, &mut headers)?;
        let mut request = self.finish(visit, path, headers, scratch)?;
        if let Some(length) = request.body().0.as_ref().map(Bytes::len) {
            request.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
        Ok(request)
    }

    fn finish(
        &self,
        visit: &Visit,
        uri: Uri,
        mut headers: HeaderMap,
        scratch: &mut BytesMut,
    ) -> Result<Request<RequestBody>, Unfilled> {
        let body = match self.body.fill(visit, scratch)? {
            Filled::None => None,
            Filled::Plain(body) => Some(body),
            Filled::Typed(content_type, body) => {
                headers.insert(CONTENT_TYPE, content_type);
                Some(body)
            }
        };
        if visit.has_cookies() {
            headers::add_cookies(visit, &self.url(&uri), &mut headers);
        }
        let mut request = Request::new(RequestBody(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The whole URL of a request that was built: what its cookies are for.
    pub(crate) fn url(&self, uri: &Uri) -> Url {
        let mut url = self.base.clone();
        url.set_path(uri.path());
        url.set_query(uri.query());
        url
    }
}

/// The method in hyper's words.
pub(crate) fn method_of(method: plimsoll_plan::Method) -> Method {
    match method {
        plimsoll_plan::Method::Get => Method::GET,
        plimsoll_plan::Method::Head => Method::HEAD,
        plimsoll_plan::Method::Post => Method::POST,
        plimsoll_plan::Method::Put => Method::PUT,
        plimsoll_plan::Method::Patch => Method::PATCH,
        plimsoll_plan::Method::Delete => Method::DELETE,
        plimsoll_plan::Method::Options => Method::OPTIONS,
    }
}

/// A body that is known whole, or none.
#[derive(Clone, Debug)]
pub(crate) struct RequestBody(pub(crate) Option<Bytes>);

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
