//! Redis seen through an HTTP endpoint of the service that answers with fields of INFO as JSON.
//!
//! For services whose Redis cannot be reached from here. Each reading opens its own connection: at the pace of
//! sampling that is cheap, and a half-dead connection cannot survive.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::header::{ACCEPT, HOST};
use hyper_util::rt::TokioIo;
use plimsoll_record::series::GapReason;
use tokio::net::TcpStream;
use url::Url;

use super::Interpreter;
use crate::info::Info;
use crate::probe::{Failure, Probe, ReadingFuture};

/// Longer answers are not about a handful of INFO fields.
const MAX_ANSWER_BYTES: usize = 1_000_000;

/// Samples Redis through an HTTP endpoint.
pub struct EndpointProbe {
    url: Url,
    interpreter: Interpreter,
}

impl EndpointProbe {
    /// A probe of the endpoint at `url`, scheme `http`.
    #[must_use]
    pub fn new(url: &Url) -> Self {
        Self { url: url.clone(), interpreter: Interpreter::default() }
    }

    pub(super) async fn fields(&self) -> Result<Info, Failure> {
        let body = self.get().await?;
        let json = serde_json::from_slice(&body)
            .map_err(|error| Failure::new(GapReason::Malformed, format!("the answer is not JSON: {error}")))?;
        Ok(Info::from_json(&json))
    }

    async fn get(&self) -> Result<Bytes, Failure> {
        let unreachable = |error: &dyn std::error::Error| Failure::new(GapReason::Unreachable, innermost(error));
        let host = self.url.host_str().unwrap_or("127.0.0.1").trim_matches(['[', ']']);
        let port = self.url.port_or_known_default().unwrap_or(80);
        let stream = TcpStream::connect((host, port)).await.map_err(|error| unreachable(&error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
        let request = self.request()?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
            let status = response.status();
            if !status.is_success() {
                return Err(Failure::new(GapReason::Refused, format!("the endpoint answered {status}")));
            }
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
            body.map(http_body_util::Collected::to_bytes)
                .map_err(|error| Failure::new(GapReason::Malformed, format!("the answer could not be read: {error}")))
        };
        tokio::pin!(exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            // The connection may close once the answer is on its way; the exchange then still finds its end.
            _ = connection => exchange.await,
        }
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, Failure> {
        let path = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        let authority = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
        let request = Request::get(path).header(HOST, authority).header(ACCEPT, "application/json");
        request.body(Empty::new()).map_err(|error| Failure::new(GapReason::Unreachable, error.to_string()))
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

impl Probe for EndpointProbe {
    fn source(&self) -> String {
        let mut shown = self.url.clone();
        let _ = shown.set_password(None);
        // A query may hold a token; it says nothing about where the numbers come from.
        shown.set_query(None);
        shown.to_string()
    }

    fn identity(&self) -> BTreeMap<String, String> {
        self.interpreter.identity.clone()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(async {
            let fields = self.fields().await.inspect_err(|failure| self.interpreter.refused(failure))?;
            self.interpreter.reading(&fields)
        })
    }
}
