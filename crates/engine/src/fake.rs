//! An HTTP server whose behaviour is known exactly: the truth that measurements are compared with.
//!
//! It has unlimited capacity: every request is answered its service time later, however many there are. Freezes hold
//! every reply that would come in their time until their end. What it cannot do is be slow by accident for long:
//! it runs on a thread of its own and does next to nothing per request. Not a web server: it reads heads and
//! `content-length` bodies, nothing else.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use plimsoll_record::{Offset, RunClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use url::Url;

/// How a [`FakeServer`] behaves.
#[derive(Clone, Debug)]
pub struct Script {
    /// From the last byte of a request to its answer, where no freeze is in the way.
    pub service: Duration,
    /// Holds every reply for some time, again and again.
    pub freeze: Option<Freeze>,
    /// What is answered: request k gets reply k modulo the length. Empty: always 200.
    pub replies: Vec<Reply>,
}

/// All replies due in the first `hold` of each `every` come at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// How long replies are held.
    pub hold: Duration,
    /// From one freeze to the next. The first one comes after `every - hold`.
    pub every: Duration,
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A complete answer with this status and a body of a few bytes.
    Status(u16),
    /// A complete answer with status 200 and this body.
    Body(&'static str),
    /// A complete answer with status 200 after which the server closes the connection, as it says.
    LastOne,
    /// Status 200 and half a body, then the connection is closed.
    CutOff,
    /// Status 200 and half a body, the other half so much later.
    LateBody(Duration),
    /// The connection is closed without an answer.
    HangUp,
    /// Something that is not HTTP.
    Garbage,
    /// Nothing, ever; the connection stays open.
    Silence,
}

impl Default for Script {
    /// Answers 200 at once.
    fn default() -> Self {
        Self { service: Duration::ZERO, freeze: None, replies: Vec::new() }
    }
}

/// A running server on a free port of 127.0.0.1. Dropping it stops it.
#[derive(Debug)]
pub struct FakeServer {
    url: Url,
    seen: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeServer {
    /// Starts a server.
    ///
    /// # Errors
    /// When there is no port, thread or descriptor left for it.
    pub fn start(script: Script) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}/", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let seen = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&seen);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("fake-server".to_owned()).spawn(move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, serve(listener, Rc::new(script), counter, stopped));
        })?;
        let url = url.parse().expect("an address makes a URL");
        Ok(Self { url, seen, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whole requests it has received so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A server that broke down has failed its test already.
            let _ = thread.join();
        }
    }
}

/// What all connections of a server share.
struct Stage {
    script: Rc<Script>,
    clock: RunClock,
    seen: Arc<AtomicU64>,
    next: Cell<usize>,
}

async fn serve(
    listener: std::net::TcpListener,
    script: Rc<Script>,
    seen: Arc<AtomicU64>,
    stopped: oneshot::Receiver<()>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let stage = Rc::new(Stage { script, clock: RunClock::start(), seen, next: Cell::new(0) });
    let accepting = async {
        // Ends with the listener, or when the server is dropped.
        while let Ok((stream, _)) = listener.accept().await {
            let stage = Rc::clone(&stage);
            tokio::task::spawn_local(async move {
                // A client that goes away is no failure of the server.
                let _ = stage.converse(stream).await;
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = stopped => {}
    }
}

impl Stage {
    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = Vec::with_capacity(4096);
        while read_request(&mut stream, &mut buffer).await? {
            let received = self.clock.now();
            self.seen.fetch_add(1, Ordering::Relaxed);
            self.wait(received).await?;
            match self.next_reply() {
                Reply::Status(status) => stream.write_all(answer(status).as_bytes()).await?,
                Reply::Body(body) => {
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                    stream.write_all((head + body).as_bytes()).await?;
                }
                Reply::LastOne => {
                    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
                    return stream.write_all(head.as_bytes()).await;
                }
                Reply::CutOff => return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await,
                Reply::LateBody(late) => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf").await?;
                    tokio::time::sleep(late).await;
                    stream.write_all(b"half").await?;
                }
                Reply::HangUp => return Ok(()),
                Reply::Garbage => return stream.write_all(b"SSH-2.0-nonsense\r\n\r\n").await,
                Reply::Silence => std::future::pending().await,
            }
        }
        Ok(())
    }

    fn next_reply(&self) -> Reply {
        let number = self.next.replace(self.next.get() + 1);
        let replies = &self.script.replies;
        if replies.is_empty() { Reply::Status(200) } else { replies[number % replies.len()] }
    }

    async fn wait(&self, received: Offset) -> io::Result<()> {
        let mut due = received.after(self.script.service);
        if let Some(freeze) = self.script.freeze {
            due = Offset(due.as_nanos() + freeze.remaining(due.as_nanos()));
        }
        if due > received {
            tokio::time::sleep(Duration::from_nanos(due.since(self.clock.now()))).await;
        }
        Ok(())
    }
}

impl Freeze {
    /// How long a reply that would come at `at` nanoseconds is held.
    fn remaining(&self, at: i64) -> i64 {
        let (hold, every) = (self.hold.as_nanos() as i64, self.every.as_nanos() as i64);
        let since_thaw = at.rem_euclid(every);
        if since_thaw < every - hold { 0 } else { every - since_thaw }
    }
}

fn answer(status: u16) -> String {
    format!("HTTP/1.1 {status} Scripted\r\ncontent-length: 2\r\n\r\nok")
}

/// Reads one request and leaves what follows it in `buffer`; false when the client closed the connection.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        if let Some(head) = find(buffer, b"\r\n\r\n") {
            let whole = head + 4 + content_length(&buffer[..head]);
            if buffer.len() >= whole {
                buffer.drain(..whole);
                return Ok(true);
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(false);
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.split("\r\n").find_map(|line| line.strip_prefix("content-length:"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_holds_replies_to_its_end() {
        let freeze = Freeze { hold: Duration::from_millis(200), every: Duration::from_secs(1) };
        assert_eq!(freeze.remaining(799_999_999), 0);
        assert_eq!(freeze.remaining(800_000_000), 200_000_000);
        assert_eq!(freeze.remaining(3_900_000_000), 100_000_000);
        assert_eq!(freeze.remaining(4_000_000_000), 0);
    }
}
