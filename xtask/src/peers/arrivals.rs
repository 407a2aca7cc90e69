//! A server that sees when requests really arrive. It answers each one at once and keeps the time, by connection, in
//! memory; asked for them, it hands the times over. It is as little of an HTTP server as generators need.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use rustix::time::ClockId;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nhello\n";
/// The path at which the times are handed over, and forgotten.
const TAKE: &[u8] = b"GET /arrivals ";
const END_OF_HEAD: &[u8; 4] = b"\r\n\r\n";
const REQUEST_BYTES: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// Arrival times of one connection, in nanoseconds of the monotonic clock.
pub(super) type Connection = Vec<i64>;

/// All connections, each with a lock that nobody else wants while requests come.
type Books = Mutex<Vec<Arc<Mutex<Connection>>>>;

/// Serves until the process is stopped. A thread per connection: it sleeps in `read`, so what wakes it is the request,
/// and nothing is looked up between that and the clock.
pub(super) fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot bind a loopback port")?;
    let mut out = anstream::stdout().lock();
    writeln!(out, "listening on http://{}", listener.local_addr()?)?;
    out.flush()?;
    listen(&listener)
}

fn listen(listener: &TcpListener) -> anyhow::Result<()> {
    let books = Arc::new(Books::default());
    loop {
        let (stream, _) = listener.accept().context("cannot accept a connection")?;
        let books = Arc::clone(&books);
        // A connection that ends in an error is a generator that went away.
        thread::Builder::new().spawn(move || drop(converse(stream, &books)))?;
    }
}

fn converse(mut stream: TcpStream, books: &Books) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let own = Arc::new(Mutex::new(Connection::new()));
    locked(books).push(Arc::clone(&own));
    let (mut buffer, mut heads) = (vec![0; REQUEST_BYTES], Heads::default());
    loop {
        let read = stream.read(&mut buffer)?;
        let now = now_ns();
        let request = &buffer[..read];
        if request.is_empty() {
            return Ok(());
        }
        if request.starts_with(TAKE) {
            return stream.write_all(&hand_over(books));
        }
        for _ in 0..heads.ended_in(request) {
            locked(&own).push(now);
            stream.write_all(ANSWER)?;
        }
    }
}

/// Counts the ends of request heads in a stream that is cut anywhere. The requests have no bodies.
#[derive(Debug, Default)]
struct Heads {
    matched: usize,
}

impl Heads {
    fn ended_in(&mut self, bytes: &[u8]) -> usize {
        let mut ended = 0;
        for byte in bytes {
            self.matched = match *byte == END_OF_HEAD[self.matched] {
                true => self.matched + 1,
                false => usize::from(*byte == END_OF_HEAD[0]),
            };
            if self.matched == END_OF_HEAD.len() {
                (ended, self.matched) = (ended + 1, 0);
            }
        }
        ended
    }
}

/// A line per connection that asked for something.
fn hand_over(books: &Books) -> Vec<u8> {
    let mut body = String::new();
    for connection in locked(books).drain(..) {
        let times = std::mem::take(&mut *locked(&connection));
        for time in &times {
            let _ = write!(body, "{time} ");
        }
        if !times.is_empty() {
            body.push('\n');
        }
    }
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

/// A thread that panicked with the lock held has lost its connection, and the times before stay true.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_ns() -> i64 {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// The times since the last call, by connection.
pub(super) fn take(address: SocketAddr) -> anyhow::Result<Vec<Connection>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // In one piece: a server that answers after the first words and closes would break the pipe under the rest.
    stream.write_all(&[TAKE, b"HTTP/1.1\r\n\r\n"].concat())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("the server of arrivals did not answer")?;
    let (_, body) = answer.split_once("\r\n\r\n").context("the server of arrivals did not answer in HTTP")?;
    let line = |line: &str| line.split_whitespace().map(str::parse).collect::<Result<Connection, _>>();
    body.lines().map(line).collect::<Result<_, _>>().context("the server of arrivals did not answer with numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || listen(&listener));
        address
    }

    fn ask(stream: &mut TcpStream) {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let mut answer = vec![0; ANSWER.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, ANSWER);
    }

    #[test]
    fn every_request_is_answered_and_its_time_is_kept_by_connection_and_handed_over_once() {
        let address = server();
        let before = now_ns();
        let mut one = TcpStream::connect(address).unwrap();
        let mut other = TcpStream::connect(address).unwrap();
        ask(&mut one);
        ask(&mut other);
        ask(&mut one);
        let mut connections = take(address).unwrap();
        connections.sort_by_key(Vec::len);
        assert_eq!(connections.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
        assert!(connections[1].is_sorted());
        assert!(connections.iter().flatten().all(|time| (before..=now_ns()).contains(time)));
        assert!(take(address).unwrap().is_empty());
    }

    #[test]
    fn a_head_that_comes_in_pieces_is_one_request() {
        let mut heads = Heads::default();
        let pieces = ["GET / HTTP/1.1\r", "\n\r", "\nGET", " /\r\n\r\n\r\r\n\r\n"];
        let counts: Vec<_> = pieces.iter().map(|piece| heads.ended_in(piece.as_bytes())).collect();
        assert_eq!(counts, [0, 0, 1, 2]);
    }
}
