//! One GET over HTTP/1.1, on a connection of its own: at the pace of sampling that is cheap, and a half-dead connection
//! cannot survive. Over TCP, TLS and unix sockets. What the answer means is for those who asked.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::header::{ACCEPT, HOST};
use hyper_util::rt::TokioIo;
use plimsoll_plan::Tls;
use plimsoll_record::series::GapReason;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use url::Url;

use crate::probe::Failure;
use crate::tls;

/// Longer answers are not read: nothing that is sampled fills this.
const MAX_ANSWER_BYTES: usize = 4_000_000;

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body of an answer that is a success.
    pub(crate) fn success(self) -> Result<Bytes, Failure> {
        match self.status {
            200..=299 => Ok(self.body),
            status => Err(Failure::new(GapReason::Refused, format!("the endpoint answered {status}"))),
        }
    }
}

/// A URL that is asked again and again.
pub(crate) struct Endpoint {
    url: Url,
    security: Option<Result<(TlsConnector, ServerName<'static>), String>>,
}

impl Endpoint {
    /// Prepares to ask `url`. That TLS cannot be spoken as the plan says is told at each reading.
    pub(crate) fn new(url: &Url, settings: &Tls) -> Self {
        let security = (url.scheme() == "https").then(|| secure(url, settings));
        Self { url: url.clone(), security }
    }

    /// Where it is, without its query.
    pub(crate) fn shown(&self) -> String {
        let mut shown = self.url.clone();
        shown.set_query(None);
        shown.to_string()
    }

    /// Asks once.
    pub(crate) async fn get(&self) -> Result<Answer, Failure> {
        let host = self.url.host_str().unwrap_or("127.0.0.1").trim_matches(['[', ']']);
        let port = self.url.port_or_known_default().unwrap_or(80);
        let authority = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
        let request = request(authority, &self.url[url::Position::BeforePath..url::Position::AfterQuery])?;
        let stream = TcpStream::connect((host, port)).await.map_err(|error| unreachable(&error))?;
        match &self.security {
            None => exchange(stream, request).await,
            Some(Err(why)) => Err(Failure::new(GapReason::Unreachable, why.clone())),
            Some(Ok((connector, name))) => {
                let secured = connector.connect(name.clone(), stream).await.map_err(|error| unreachable(&error))?;
                exchange(secured, request).await
            }
        }
    }
}

fn secure(url: &Url, settings: &Tls) -> Result<(TlsConnector, ServerName<'static>), String> {
    let config = tls::config(settings).map_err(|error| error.to_string())?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let name = settings.server_name.as_deref().unwrap_or(host).to_owned();
    let server =
        ServerName::try_from(name.clone()).map_err(|_| format!("`{name}` cannot be the name in a certificate"))?;
    Ok((TlsConnector::from(Arc::new(config)), server))
}

/// Asks a server behind a unix socket once.
pub(crate) async fn get_through(socket: &Path, path: &str) -> Result<Answer, Failure> {
    let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(&error))?;
    exchange(stream, request("localhost", path)?).await
}

fn request(authority: &str, path: &str) -> Result<Request<Empty<Bytes>>, Failure> {
    let request = Request::get(path).header(HOST, authority).header(ACCEPT, "*/*");
    request.body(Empty::new()).map_err(|error| Failure::new(GapReason::Unreachable, error.to_string()))
}

async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| unreachable(&error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body =
            body.map_err(|error| Failure::new(GapReason::Malformed, format!("the answer could not be read: {error}")));
        Ok(Answer { status, body: body?.to_bytes() })
    };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        // The connection may close once the answer is on its way; the exchange then still finds its end.
        _ = connection => exchange.await,
    }
}

fn unreachable(error: &dyn Error) -> Failure {
    Failure::new(GapReason::Unreachable, innermost(error))
}

/// The cause at the bottom, which says most: "Connection refused", "invalid peer certificate".
pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
