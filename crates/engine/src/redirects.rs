//! Redirects: from an answer that points elsewhere to the request that follows it (RFC 9110, section 15.4).
//!
//! Only to the target itself: nobody asked for load on another server. A redirect that is not followed is an answer
//! like any other. Nothing here sends anything.

use bytes::Bytes;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, LOCATION, TRANSFER_ENCODING,
};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, StatusCode, Uri};
use url::Url;

use crate::request::RequestBody;
use crate::visit::Visit;

/// The request that follows `sent`, whose answer had this status and these headers; `None` when it is no redirect, or
/// leads away from `target`.
pub(crate) fn follow(
    sent: &Request<RequestBody>,
    status: u16,
    headers: &HeaderMap,
    target: &Url,
) -> Option<Request<RequestBody>> {
    let keeps = match StatusCode::from_u16(status).ok()? {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => false,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        _ => return None,
    };
    let to = location(sent, headers, target)?;
    let mut request = sent.clone();
    *request.uri_mut() = moved(sent.uri(), &to)?;
    if !keeps {
        if *sent.method() != Method::HEAD {
            *request.method_mut() = Method::GET;
        }
        request.body_mut().0 = None;
        for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, TRANSFER_ENCODING] {
            request.headers_mut().remove(name);
        }
    }
    Some(request)
}

/// Replaces the cookies of a redirected request by those that belong to its new address.
pub(crate) fn send_cookies(request: &mut Request<RequestBody>, visit: &Visit, url: &Url) {
    let mut cookies = Vec::new();
    visit.write_cookies(url, &mut cookies);
    request.headers_mut().remove(COOKIE);
    if let (false, Ok(value)) = (cookies.is_empty(), HeaderValue::from_maybe_shared(Bytes::from(cookies))) {
        request.headers_mut().insert(COOKIE, value);
    }
}

/// Where an answer points to, if that is the target.
fn location(sent: &Request<RequestBody>, headers: &HeaderMap, target: &Url) -> Option<Url> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let from = target.join(sent.uri().path_and_query()?.as_str()).ok()?;
    from.join(location).ok().filter(|to| to.origin() == target.origin())
}

/// The same URI with another path; in the same form.
fn moved(uri: &Uri, to: &Url) -> Option<Uri> {
    let path = to.query().map_or_else(|| to.path().to_owned(), |query| format!("{}?{query}", to.path()));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(method: Method, uri: &str) -> Request<RequestBody> {
        let body = RequestBody(Some(Bytes::from_static(b"{}")));
        let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
        request.header("x-key", "k").body(body).unwrap()
    }

    fn following(sent: &Request<RequestBody>, status: u16, location: &str) -> Option<Request<RequestBody>> {
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())]);
        follow(sent, status, &headers, &Url::parse("http://example.test:8080/base").unwrap())
    }

    #[test]
    fn a_redirect_after_a_post_is_fetched_without_its_body() {
        for status in [301, 302, 303] {
            let next = following(&sent(Method::POST, "/base/jobs"), status, "7?x=1").unwrap();
            assert_eq!((next.method(), next.uri().to_string()), (&Method::GET, "/base/7?x=1".to_owned()));
            assert!(next.body().0.is_none() && !next.headers().contains_key("content-type"));
            assert_eq!(next.headers()["x-key"], "k");
        }
        assert_eq!(following(&sent(Method::HEAD, "/"), 302, "/a").unwrap().method(), Method::HEAD);
    }

    #[test]
    fn a_temporary_redirect_keeps_method_and_body() {
        for status in [307, 308] {
            let next = following(&sent(Method::PUT, "/a"), status, "http://example.test:8080/b").unwrap();
            assert_eq!((next.method(), next.uri().path()), (&Method::PUT, "/b"));
            assert!(next.body().0.is_some());
        }
    }

    #[test]
    fn a_redirect_of_http2_keeps_scheme_and_authority() {
        let next = following(&sent(Method::GET, "http://example.test:8080/a"), 302, "/b").unwrap();
        assert_eq!(next.uri(), "http://example.test:8080/b");
    }

    #[test]
    fn what_leads_elsewhere_is_not_followed() {
        let sent = sent(Method::GET, "/a");
        for location in ["http://other.test/", "https://example.test:8080/", "//example.test:81/", "http://:/"] {
            assert!(following(&sent, 302, location).is_none(), "{location}");
        }
        assert!(following(&sent, 200, "/b").is_none() && following(&sent, 304, "/b").is_none());
        let target = Url::parse("http://example.test").unwrap();
        assert!(follow(&sent, 302, &HeaderMap::new(), &target).is_none());
    }
}
