//! Endpoints that answer exactly what they are asked for: for trying out a client's redirects, cookies,
//! decompression and templates. Errors and broken bodies are not injected here, so that what a test
//! asks for is what it gets.

use std::{collections::BTreeMap, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use hyper::{
    StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    body::Body,
    replies::{self, Answer, Failure, Reply},
    routes::Call,
};

const MAX_REDIRECTS: u32 = 1000;
const MAX_BYTES: u64 = 1 << 30;
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");

#[derive(Serialize)]
struct EchoBody<'a> {
    method: &'a str,
    path: &'a str,
    version: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<&'a str, String>,
    body: String,
    body_bytes: usize,
    /// The body once more, where it is JSON.
    json: Option<Value>,
}

#[derive(Serialize)]
struct Arrived {
    arrived: bool,
}

#[derive(Serialize)]
struct Cookies {
    cookies: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct GzipBody {
    gzipped: bool,
    text: String,
}

/// `/echo`, whatever the method. A name that comes twice is shown with its last value.
pub(crate) fn echo(call: &Call<'_>) -> Reply {
    let headers = call.head.headers.iter();
    let body = EchoBody {
        method: call.head.method.as_str(),
        path: call.head.uri.path(),
        version: format!("{:?}", call.head.version),
        query: call.query_pairs().collect(),
        headers: headers.map(|(name, value)| (name.as_str(), lossy(value))).collect(),
        body: String::from_utf8_lossy(call.body).into_owned(),
        body_bytes: call.body.len(),
        json: serde_json::from_slice(call.body).ok(),
    };
    replies::json(StatusCode::OK, &body)
}

/// `GET /redirect/{n}`: n redirects, and then a 200.
pub(crate) fn redirect(call: &Call<'_>) -> Answer {
    match call.number(0, MAX_REDIRECTS)? {
        0 => Ok(replies::json(StatusCode::OK, &Arrived { arrived: true })),
        left => redirect_to(&format!("/redirect/{}", left - 1)),
    }
}

/// `GET /redirect/loop`: to itself.
pub(crate) fn redirect_loop() -> Answer {
    redirect_to("/redirect/loop")
}

/// `GET /cookies/set?name=value`: one cookie for each pair of the query.
pub(crate) fn set_cookies(call: &Call<'_>) -> Answer {
    let mut reply = replies::json(StatusCode::OK, &Cookies { cookies: call.query_pairs().collect() });
    for (name, value) in call.query_pairs() {
        if name.is_empty() || !name.bytes().chain(value.bytes()).all(fits_in_cookie) {
            let message = format!("`{name}={value}` cannot be a cookie: use letters, digits and -._");
            return Err(Failure::bad_request(&message));
        }
        let cookie = HeaderValue::from_str(&format!("{name}={value}; Path=/")).expect("checked just before");
        reply.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(reply)
}

/// `GET /cookies`: the cookies that came.
pub(crate) fn cookies(call: &Call<'_>) -> Reply {
    let lines = call.head.headers.get_all(COOKIE).iter().map(lossy).collect::<Vec<_>>().join("; ");
    let pairs = lines.split(';').filter_map(|pair| pair.trim().split_once('='));
    let cookies = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    replies::json(StatusCode::OK, &Cookies { cookies })
}

/// `GET /bytes/{n}`: so many, made as they are sent.
pub(crate) fn bytes(call: &Call<'_>) -> Answer {
    let length = call.number(0, MAX_BYTES)?;
    Ok(replies::with_body(StatusCode::OK, OCTETS, Body::filler(length)))
}

/// `GET /gzip`: JSON, compressed whatever the client accepts.
pub(crate) fn gzip() -> Reply {
    let body = GzipBody { gzipped: true, text: "to be read once unpacked; ".repeat(20) };
    let text = serde_json::to_vec(&body).expect("a plain struct");
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = packer.write_all(&text).and_then(|()| packer.finish()).expect("writing to memory does not fail");
    let mut reply = replies::with_body(StatusCode::OK, replies::JSON, Body::whole(packed.into()));
    reply.headers_mut().insert(CONTENT_ENCODING, GZIP);
    reply
}

/// `GET /status/{code}`
pub(crate) fn status(call: &Call<'_>) -> Answer {
    let code = call.number(200, 599)?;
    let status = StatusCode::from_u16(code).map_err(|_| Failure::bad_request("no status has this number"))?;
    let mut reply = replies::error(status, status.canonical_reason().unwrap_or("a status without a name"));
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) {
        *reply.body_mut() = Body::whole(bytes::Bytes::new());
        reply.headers_mut().remove(CONTENT_TYPE);
    }
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(reply)
}

fn redirect_to(path: &str) -> Answer {
    let mut reply = replies::error(StatusCode::FOUND, "see Location");
    reply.headers_mut().insert(LOCATION, HeaderValue::from_str(path).expect("a path of letters and digits"));
    Ok(reply)
}

fn lossy(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn fits_in_cookie(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}
