//! Requests compiled from a plan's steps: what to send, and what its answer means.
//!
//! Everything that is the same for every user is built once. Nothing here opens a connection or keeps time.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::uri::{Authority, Parts, PathAndQuery, Scheme};
use hyper::{Method, Request, Uri};
use plimsoll_plan::{Body as PlanBody, Expect, HealthCheck, Plan, Request as Step, Target, Template, UserPattern};
use plimsoll_record::ledger::Outcome;

use crate::text::{Place, Text};

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
}

/// One operation of a plan, ready to be sent for any user.
#[derive(Debug)]
pub(crate) struct Operation {
    method: Method,
    path: CompiledPath,
    /// The same with scheme and authority in front, as HTTP/2 has it.
    whole: CompiledUri,
    headers: Vec<(HeaderName, CompiledValue)>,
    /// How many of them, the first ones, HTTP/2 does without.
    of_connection: usize,
    body: Option<Text>,
    expect: Expect,
}

#[derive(Debug)]
enum CompiledPath {
    Fixed(Uri),
    Filled(Text),
}

#[derive(Debug)]
struct CompiledUri {
    scheme: Scheme,
    authority: Authority,
    /// The whole, when it is the same for every user.
    fixed: Option<Uri>,
}

#[derive(Debug)]
enum CompiledValue {
    Fixed(HeaderValue),
    Filled(Text),
}

impl Operation {
    /// Compiles every step of `plan`, flow by flow: the index is the operation's index in the record.
    pub(crate) fn compile_all(plan: &Plan, target: &Target) -> Result<Vec<Self>, CompileError> {
        let named = plan.requests().into_iter().zip(plan.operations());
        named.map(|(step, name)| Self::compile(step, &name, target, &plan.users.id)).collect()
    }

    fn compile(step: &Step, name: &str, target: &Target, users: &UserPattern) -> Result<Self, CompileError> {
        let path = compile_path(&step.path, name, target, users)?;
        let headers = compile_headers(target, &step.headers, name, users)?;
        let body = step.body.as_ref().and_then(|body| match body {
            PlanBody::Json(text) => Some(Text::compile(text, users, Place::Json)),
            PlanBody::Text(text) => Some(Text::compile(text, users, Place::Plain)),
            PlanBody::Form(_) | PlanBody::Multipart(_) | PlanBody::File(_) => None,
        });
        let (method, expect) = (method_of(step.method), step.expect.clone());
        Ok(Self::of(method, path, headers, body, expect, target))
    }

    /// The request that says whether the target is healthy.
    pub(crate) fn health(check: &HealthCheck, target: &Target, users: &UserPattern) -> Result<Self, CompileError> {
        let path = compile_path(&Template::literal(&check.path), "health", target, users)?;
        let headers = compile_headers(target, &[], "health", users)?;
        Ok(Self::of(method_of(check.method), path, headers, None, Expect::default(), target))
    }

    fn of(
        method: Method,
        path: CompiledPath,
        mut headers: Vec<(HeaderName, CompiledValue)>,
        body: Option<Text>,
        expect: Expect,
        target: &Target,
    ) -> Self {
        let whole = CompiledUri::compile(&path, &headers, target);
        headers.sort_by_key(|(name, _)| !of_connection(name));
        let of_connection = headers.iter().filter(|(name, _)| of_connection(name)).count();
        Self { method, path, whole, headers, of_connection, body, expect }
    }

    /// The request of user `user`. `headers` is an emptied map of an earlier answer, whose memory is used again.
    pub(crate) fn request(&self, user: u64, mut headers: HeaderMap, scratch: &mut BytesMut) -> Request<RequestBody> {
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.fill(user, scratch));
        }
        let body = RequestBody(self.body.as_ref().map(|body| body.fill(user, scratch)));
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.fill(user, scratch);
        *request.headers_mut() = headers;
        request
    }

    /// The same for HTTP/2: the host is the request's authority, and nothing is said about the connection (RFC 9113,
    /// sections 8.2.2 and 8.3.1).
    pub(crate) fn request_with_authority(&self, user: u64, scratch: &mut BytesMut) -> Request<RequestBody> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers[self.of_connection..] {
            headers.append(name.clone(), value.fill(user, scratch));
        }
        let body = self.body.as_ref().map(|body| body.fill(user, scratch));
        if let Some(body) = &body {
            headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(body.len()));
        }
        let mut request = Request::new(RequestBody(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = match &self.whole.fixed {
            Some(uri) => uri.clone(),
            None => self.whole.around(self.path.fill(user, scratch)),
        };
        *request.headers_mut() = headers;
        request
    }

    /// What an answer with this status code means.
    pub(crate) fn judge(&self, status: u16) -> Outcome {
        if self.expect.limited == Some(status) {
            Outcome::Limited
        } else if self.expect.status.contains(&status)
            || (self.expect.status.is_empty() && (200..400).contains(&status))
        {
            Outcome::Ok
        } else {
            Outcome::UnexpectedStatus
        }
    }
}

impl CompiledPath {
    fn fill(&self, user: u64, scratch: &mut BytesMut) -> Uri {
        match self {
            Self::Fixed(uri) => uri.clone(),
            Self::Filled(text) => {
                origin_form(text.fill(user, scratch)).expect("the path of user 1 was valid, and users differ in digits")
            }
        }
    }
}

impl CompiledUri {
    /// A host that the plan gives by itself is the authority; else it is the target's.
    fn compile(path: &CompiledPath, headers: &[(HeaderName, CompiledValue)], target: &Target) -> Self {
        let scheme = if target.url.scheme() == "https" { Scheme::HTTPS } else { Scheme::HTTP };
        let stated = headers.iter().find_map(|(name, value)| match value {
            CompiledValue::Fixed(value) if *name == HOST => Authority::try_from(value.as_bytes()).ok(),
            _ => None,
        });
        let of_target = || Authority::try_from(host_of(target).as_bytes()).expect("a parsed URL has a host");
        let mut uri = Self { scheme, authority: stated.unwrap_or_else(of_target), fixed: None };
        if let CompiledPath::Fixed(path) = path {
            uri.fixed = Some(uri.around(path.clone()));
        }
        uri
    }

    fn around(&self, path: Uri) -> Uri {
        let mut parts = Parts::from(path);
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        Uri::from_parts(parts).expect("scheme, authority and path make a URI")
    }
}

/// Headers that belong to a connection of HTTP/1.1, or that HTTP/2 says in another way.
fn of_connection(name: &HeaderName) -> bool {
    const OTHERS: [&str; 2] = ["keep-alive", "proxy-connection"];
    [HOST, CONNECTION, TE, TRANSFER_ENCODING, UPGRADE].contains(name) || OTHERS.contains(&name.as_str())
}

impl CompiledValue {
    fn fill(&self, user: u64, scratch: &mut BytesMut) -> HeaderValue {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Filled(text) => HeaderValue::from_maybe_shared(text.fill(user, scratch))
                .expect("the value of user 1 was valid, and users differ in digits"),
        }
    }
}

fn compile_path(
    path: &Template,
    step: &str,
    target: &Target,
    users: &UserPattern,
) -> Result<CompiledPath, CompileError> {
    let base = target.url.path().trim_end_matches('/');
    let mut parts = vec![plimsoll_plan::Part::Literal(base.to_owned())];
    parts.extend(path.parts.iter().cloned());
    let text = Text::compile(&Template { parts }, users, Place::Path);
    let invalid = |source| CompileError::Path { step: step.to_owned(), source };
    let uri = origin_form(text.fill(1, &mut BytesMut::new())).map_err(invalid)?;
    Ok(match text {
        Text::Fixed(_) => CompiledPath::Fixed(uri),
        text @ Text::Filled(_) => CompiledPath::Filled(text),
    })
}

/// Only path and query, as a request line to an origin server has them (RFC 9112, section 3.2.1).
fn origin_form(path: Bytes) -> Result<Uri, hyper::http::Error> {
    let path = if path.is_empty() { Bytes::from_static(b"/") } else { path };
    Ok(Uri::from(PathAndQuery::from_maybe_shared(path)?))
}

/// The host's, the target's, and the step's own: each replaces those of its name before it.
fn compile_headers(
    target: &Target,
    own: &[(String, Template)],
    step: &str,
    users: &UserPattern,
) -> Result<Vec<(HeaderName, CompiledValue)>, CompileError> {
    let mut headers = vec![(HOST, CompiledValue::Fixed(host_of(target)))];
    for (header, value) in target.headers.iter().chain(own) {
        let (header, value) = compile_header(header, value, step, users)?;
        headers.retain(|(earlier, _)| *earlier != header);
        headers.push((header, value));
    }
    Ok(headers)
}

fn compile_header(
    name: &str,
    value: &Template,
    step: &str,
    users: &UserPattern,
) -> Result<(HeaderName, CompiledValue), CompileError> {
    let bad_name = |_| CompileError::HeaderName { step: step.to_owned(), name: name.to_owned() };
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(bad_name)?;
    let text = Text::compile(value, users, Place::Plain);
    let bad_value = |_| CompileError::HeaderValue { step: step.to_owned(), name: name.to_owned() };
    let first = HeaderValue::from_maybe_shared(text.fill(1, &mut BytesMut::new())).map_err(bad_value)?;
    let compiled = match text {
        Text::Fixed(_) => CompiledValue::Fixed(first),
        text @ Text::Filled(_) => CompiledValue::Filled(text),
    };
    Ok((header, compiled))
}

/// The host header of requests to `target`.
fn host_of(target: &Target) -> HeaderValue {
    let host = target.url.host_str().unwrap_or("localhost");
    let text = target.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    HeaderValue::try_from(text).expect("a parsed URL's host is plain ASCII")
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
#[derive(Debug)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{plan_for, step};
    use plimsoll_plan::{Hole, Method as PlanMethod, Part};

    fn compile(change: impl FnOnce(&mut Step, &mut Target)) -> Result<Operation, CompileError> {
        let plan = plan_for("http://example.test:8080/base");
        let (mut step, mut target) = (step("only", PlanMethod::Get, "/x"), plan.target.clone().unwrap());
        change(&mut step, &mut target);
        Operation::compile(&step, "only", &target, &plan.users.id)
    }

    fn request(operation: &Operation) -> Request<RequestBody> {
        operation.request(7, HeaderMap::new(), &mut BytesMut::new())
    }

    #[test]
    fn a_step_adds_its_path_to_the_base_and_names_the_host() {
        let request = request(&compile(|_, _| {}).unwrap());
        assert_eq!(request.uri(), "/base/x");
        assert_eq!(request.headers()["host"], "example.test:8080");
    }

    #[test]
    fn a_step_header_replaces_the_targets() {
        let operation = compile(|step, target| {
            target.headers =
                vec![("x-key".to_owned(), Template::literal("base")), ("host".to_owned(), Template::literal("h"))];
            step.headers = vec![("X-Key".to_owned(), Template { parts: vec![Hole::UserId.into()] })];
        });
        let request = request(&operation.unwrap());
        assert_eq!(request.headers()["x-key"], "user-7");
        assert_eq!(request.headers().get_all("x-key").iter().count(), 1);
        assert_eq!(request.headers()["host"], "h");
    }

    #[test]
    fn http2_has_the_host_as_authority_and_nothing_about_the_connection() {
        let with_host = |host: Option<&str>| {
            let operation = compile(|step, _| {
                step.body = Some(PlanBody::Text(Template::literal("four")));
                step.headers = vec![
                    ("x-key".to_owned(), Template { parts: vec![Hole::UserId.into()] }),
                    ("connection".to_owned(), Template::literal("close")),
                ];
                step.headers.extend(host.map(|host| ("host".to_owned(), Template::literal(host))));
            });
            operation.unwrap().request_with_authority(7, &mut BytesMut::new())
        };
        let request = with_host(None);
        assert_eq!(request.uri(), "http://example.test:8080/base/x");
        let mut headers: Vec<_> = request.headers().iter().map(|(name, value)| (name.as_str(), value)).collect();
        headers.sort();
        assert_eq!(
            headers,
            [("content-length", &HeaderValue::from(4)), ("x-key", &HeaderValue::from_static("user-7"))]
        );
        assert_eq!(with_host(Some("other.test")).uri(), "http://other.test/base/x");
    }

    #[test]
    fn a_path_with_the_user_in_it_is_whole_in_http2() {
        let parts = vec![Part::Literal("/of/".to_owned()), Hole::UserNumber.into()];
        let operation = compile(|step, _| step.path = Template { parts }).unwrap();
        let request = operation.request_with_authority(7, &mut BytesMut::new());
        assert_eq!(request.uri(), "http://example.test:8080/base/of/7");
        assert_eq!(operation.request(7, HeaderMap::new(), &mut BytesMut::new()).uri(), "/base/of/7");
    }

    #[test]
    fn a_header_with_a_line_break_is_refused_without_showing_it() {
        let error =
            compile(|step, _| step.headers = vec![("x".to_owned(), Template::literal("se\r\ncret"))]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`x`") && text.contains("`only`") && !text.contains("cret"), "{text}");
    }

    #[test]
    fn answers_are_judged_as_the_step_expects() {
        let operation =
            compile(|step, _| step.expect = Expect { status: vec![200, 404], limited: Some(429), ..Expect::default() })
                .unwrap();
        assert_eq!(operation.judge(404), Outcome::Ok);
        assert_eq!(operation.judge(429), Outcome::Limited);
        assert_eq!(operation.judge(204), Outcome::UnexpectedStatus);
        let default = compile(|_, _| {}).unwrap();
        assert_eq!(default.judge(302), Outcome::Ok);
        assert_eq!(default.judge(500), Outcome::UnexpectedStatus);
    }
}
