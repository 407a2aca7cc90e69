//! A service with jobs, cookies and redirects, and some bad manners, that keeps count of what it sees.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use url::Url;

/// What it has seen.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) connections: u64,
    /// Requests by method and path.
    pub(crate) requests: BTreeMap<String, u64>,
    /// Values of `x-user` by connection.
    pub(crate) users: BTreeMap<u64, BTreeSet<String>>,
    /// The same in the order they came.
    pub(crate) order: Vec<String>,
    /// Values of `authorization`, empty where there was none, in the order they came.
    pub(crate) tokens: Vec<String>,
    /// The most requests that were being answered at once.
    pub(crate) most_at_once: u64,
    at_once: u64,
    jobs: BTreeMap<String, u32>,
}

/// The service, on a thread of its own.
pub(crate) struct Service {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

type Body = BoxBody<Bytes, std::io::Error>;

impl Service {
    pub(crate) fn start() -> Self {
        let (stop, stopped) = oneshot::channel();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(TcpListener::from_std(listener).unwrap(), shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, seen, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://{}", self.address)).unwrap()
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// How many requests of this method and path it has seen.
    pub(crate) fn count(&self, request: &str) -> u64 {
        self.seen().requests.get(request).copied().unwrap_or(0)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(listener: TcpListener, seen: Arc<Mutex<Seen>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.connections += 1;
            seen.connections
        };
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(request, number, Arc::clone(&seen)));
            // A connection that breaks is the client's affair, or was meant to.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    connection: u64,
    seen: Arc<Mutex<Seen>>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let _ = body.collect().await;
    let path = head.uri.path().to_owned();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    seen.lock().unwrap().tokens.push(header("authorization").unwrap_or_default());
    note(&seen, &format!("{} {path}", head.method), connection, header("x-user"));
    if path.starts_with("/slow") {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    seen.lock().unwrap().at_once -= 1;
    let mut words = path.split('/').skip(1);
    Ok(match (words.next().unwrap_or_default(), words.next()) {
        ("login", _) => {
            let set = format!("session={}; Path=/", header("x-user").unwrap_or_default());
            with(Response::builder().header("set-cookie", set), r#"{"token":"t-1"}"#)
        }
        ("me", _) => match header("cookie") {
            Some(cookie)
                if Some(cookie.as_str()) == header("x-user").map(|user| format!("session={user}")).as_deref() =>
            {
                with(Response::builder(), "{}")
            }
            _ => with(Response::builder().status(401), "{}"),
        },
        ("jobs", None) => {
            let id = format!("j{}", seen.lock().unwrap().jobs.len());
            seen.lock().unwrap().jobs.insert(id.clone(), 0);
            let text = format!(r#"{{"id":"{id}","state":"queued"}}"#);
            with(Response::builder().status(202).header("content-type", "application/json"), &text)
        }
        ("jobs", Some(id)) => job(&seen, id),
        ("down", Some(n)) => match n.parse::<u32>().unwrap() {
            0 => with(Response::builder(), "bottom"),
            n => with(Response::builder().status(302).header("location", format!("/down/{}", n - 1)), ""),
        },
        ("round", _) => with(Response::builder().status(302).header("location", "/round"), ""),
        ("endless", _) => Response::new(endless()),
        ("cut", _) => Response::new(cut()),
        _ => with(Response::builder(), "ok"),
    })
}

fn note(seen: &Mutex<Seen>, request: &str, connection: u64, user: Option<String>) {
    let mut seen = seen.lock().unwrap();
    *seen.requests.entry(request.to_owned()).or_default() += 1;
    seen.users.entry(connection).or_default().extend(user);
    seen.order.push(request.to_owned());
    seen.at_once += 1;
    seen.most_at_once = seen.most_at_once.max(seen.at_once);
}

/// A job is done when it is asked for the third time. The job `never` never is.
fn job(seen: &Mutex<Seen>, id: &str) -> Response<Body> {
    let mut seen = seen.lock().unwrap();
    let asked = seen.jobs.entry(id.to_owned()).or_default();
    *asked += 1;
    let state = if *asked >= 3 && id != "never" { "done" } else { "running" };
    with(Response::builder(), &format!(r#"{{"id":"{id}","state":"{state}"}}"#))
}

fn with(head: hyper::http::response::Builder, text: &str) -> Response<Body> {
    head.body(Full::new(Bytes::from(text.to_owned())).map_err(|never| match never {}).boxed()).unwrap()
}

/// A chunk now and then, and no last one.
fn endless() -> Body {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        while sender.send(Ok(Frame::data(Bytes::from_static(b"more")))).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    body_of(receiver)
}

/// A chunk, and then the end of the connection.
fn cut() -> Body {
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        let _ = sender.send(Ok(Frame::data(Bytes::from_static(b"half")))).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let _ = sender.send(Err(std::io::Error::other("cut"))).await;
    });
    body_of(receiver)
}

fn body_of(receiver: mpsc::Receiver<Result<Frame<Bytes>, std::io::Error>>) -> Body {
    BoxBody::new(Pieces(receiver))
}

/// A body as it comes.
struct Pieces(mpsc::Receiver<Result<Frame<Bytes>, std::io::Error>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx)
    }
}
