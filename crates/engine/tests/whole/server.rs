//! A server of HTTP/1.1 and HTTP/2, with and without TLS, that keeps count of what it sees.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use url::Url;

/// How it behaves.
#[derive(Clone, Default)]
pub(crate) struct Manner {
    /// Speaks TLS; the protocol is what it says there (ALPN). Without, HTTP/2 is spoken if `two` says so.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) two: bool,
    /// From a request to its answer.
    pub(crate) service: Duration,
    /// Streams it allows on a connection.
    pub(crate) streams: Option<u32>,
    pub(crate) quirk: Quirk,
}

/// What it does beside answering.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Quirk {
    #[default]
    None,
    /// HTTP/1.1: closes the connection after each answer, as it says.
    CloseEach,
    /// HTTP/2: says that it goes away after this many requests of a connection, and answers those under way.
    GoAwayAfter(u64),
    /// HTTP/2: the same, and closes the connection at once.
    BreakOffAfter(u64),
    /// HTTP/2: every third stream is reset with this reason.
    ResetThird(Reason),
    /// HTTP/2: no request is answered.
    Silence,
}

/// What it has seen.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) connections: u64,
    pub(crate) resumed: u64,
    pub(crate) requests: u64,
    pub(crate) requests_of_two: u64,
    pub(crate) body_bytes: u64,
    /// The most requests that were under way at once on one connection.
    pub(crate) peak: u64,
    pub(crate) peers: Vec<IpAddr>,
    pub(crate) authorities: BTreeSet<String>,
}

/// A running server on a free port of 127.0.0.1. Dropping it stops it.
pub(crate) struct Server {
    address: SocketAddr,
    secured: bool,
    seen: Arc<Mutex<Seen>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, secured) = (listener.local_addr().unwrap(), manner.tls.is_some());
        let (stop, stopped) = oneshot::channel();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let book = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async {
                let serving = serve(TcpListener::from_std(listener).unwrap(), Rc::new(manner), book);
                tokio::select! { () = serving => (), _ = stopped => () }
            });
        });
        Self { address, secured, seen, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> Url {
        let scheme = if self.secured { "https" } else { "http" };
        format!("{scheme}://{}/", self.address).parse().unwrap()
    }

    pub(crate) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().unwrap().join();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap()
}

async fn serve(listener: TcpListener, manner: Rc<Manner>, seen: Arc<Mutex<Seen>>) {
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        {
            let mut seen = lock(&seen);
            seen.connections += 1;
            seen.peers.push(peer.ip());
        }
        tokio::task::spawn_local(connection(stream, Rc::clone(&manner), Arc::clone(&seen)));
    }
}

async fn connection(stream: TcpStream, manner: Rc<Manner>, seen: Arc<Mutex<Seen>>) {
    stream.set_nodelay(true).unwrap();
    let Some(config) = &manner.tls else {
        return speak(stream, manner.two, &manner, seen).await;
    };
    // A client that does not like the certificate hangs up.
    let Ok(stream) = TlsAcceptor::from(Arc::clone(config)).accept(stream).await else { return };
    let session = stream.get_ref().1;
    lock(&seen).resumed += u64::from(session.handshake_kind() == Some(HandshakeKind::Resumed));
    let two = session.alpn_protocol() == Some(b"h2");
    speak(stream, two, &manner, seen).await;
}

async fn speak<S>(stream: S, two: bool, manner: &Rc<Manner>, seen: Arc<Mutex<Seen>>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    // How a connection ends is the client's business; what it got out of it is in the book.
    if two {
        let _ = speak_two(stream, manner, seen).await;
    } else {
        let service = service_fn(|request| answer_one(request, Rc::clone(manner), Arc::clone(&seen)));
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }
}

async fn answer_one(
    request: Request<Incoming>,
    manner: Rc<Manner>,
    seen: Arc<Mutex<Seen>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let bytes = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
    {
        let mut seen = lock(&seen);
        seen.requests += 1;
        seen.body_bytes += bytes as u64;
    }
    let mut response = Response::new(Full::from("ok"));
    if manner.quirk == Quirk::CloseEach {
        response.headers_mut().insert("connection", "close".parse().unwrap());
    }
    Ok(response)
}

async fn speak_two<S>(stream: S, manner: &Rc<Manner>, seen: Arc<Mutex<Seen>>) -> Result<(), h2::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut builder = h2::server::Builder::new();
    if let Some(streams) = manner.streams {
        builder.max_concurrent_streams(streams);
    }
    let mut connection = builder.handshake::<_, Bytes>(stream).await?;
    let under_way = Rc::new(());
    let mut requests = 0;
    while let Some(request) = connection.accept().await {
        let (request, respond) = request?;
        requests += 1;
        note(&seen, &request, Rc::strong_count(&under_way) as u64);
        let place = Rc::clone(&under_way);
        tokio::task::spawn_local(answer_two(request, respond, requests, Rc::clone(manner), Arc::clone(&seen), place));
        match manner.quirk {
            Quirk::GoAwayAfter(most) if requests == most => connection.graceful_shutdown(),
            Quirk::BreakOffAfter(most) if requests == most => connection.abrupt_shutdown(Reason::NO_ERROR),
            _ => {}
        }
    }
    Ok(())
}

fn note(seen: &Mutex<Seen>, request: &Request<h2::RecvStream>, under_way: u64) {
    let mut seen = lock(seen);
    seen.requests += 1;
    seen.requests_of_two += 1;
    seen.peak = seen.peak.max(under_way);
    seen.authorities.extend(request.uri().authority().map(ToString::to_string));
}

async fn answer_two(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    number: u64,
    manner: Rc<Manner>,
    seen: Arc<Mutex<Seen>>,
    _place: Rc<()>,
) {
    let mut body = request.into_body();
    while let Some(Ok(data)) = body.data().await {
        lock(&seen).body_bytes += data.len() as u64;
        let _ = body.flow_control().release_capacity(data.len());
    }
    match manner.quirk {
        Quirk::ResetThird(reason) if number.is_multiple_of(3) => return respond.send_reset(reason),
        Quirk::Silence => std::future::pending().await,
        _ => tokio::time::sleep(manner.service).await,
    }
    // A client that has given up takes no answer.
    if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
        let _ = stream.send_data(Bytes::from_static(b"ok"), true);
    }
}
