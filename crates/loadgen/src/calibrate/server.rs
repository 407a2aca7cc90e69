//! The server loadgen is calibrated against: one thread that answers as fast as it can, or late in a way that is known
//! exactly. It runs as a process of its own, so that neither side borrows the other's core.
//!
//! It answers every request head it reads with the same few bytes: not a web server. Time is that of the machine's
//! monotonic clock, which every process shares.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;

use plimsoll_record::RunClock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// The last part of a wait is spent awake: the system's own wake-ups may come this late.
const AWAKE_NS: i64 = 200_000;
/// Connections that may wait to be accepted: a crowd comes all at once after a freeze.
const CROWD: i32 = 4_096;

/// When requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// At once.
    Instant,
    /// At once, but not while it stands still. Times in nanoseconds.
    Freezing {
        /// From the first request to the first freeze.
        first: i64,
        /// How long each lasts.
        hold: i64,
        /// From one to the next.
        every: i64,
    },
    /// One after the other, each taking so many nanoseconds.
    OneAtATime(i64),
}

/// What the server says when it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerReport {
    /// Requests read.
    pub(crate) requests: u64,
    /// The most an answer was later than it should have been, in nanoseconds.
    pub(crate) late_ns: u64,
    /// Freezes in which requests were held, as (from, to) in nanoseconds of the machine's monotonic clock. One ends
    /// when its first answer was given, should that have been late, else as planned.
    pub(crate) freezes: Vec<(i64, i64)>,
}

/// Serves on a free port of loopback, whose URL it prints, until its standard input ends; then prints its report.
pub(crate) fn serve(behaviour: Behaviour) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    rustix::net::listen(&listener, CROWD)?;
    listener.set_nonblocking(true)?;
    say(&format!("http://{}/", listener.local_addr()?))?;
    let mut server = Server::new(behaviour);
    while server.turn(&listener)? {}
    let report = serde_json::to_string(&server.report).map_err(io::Error::other)?;
    say(&report)
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

struct Server {
    behaviour: Behaviour,
    clock: RunClock,
    /// When the first request came.
    first: Option<i64>,
    /// When the one server of a queue is free.
    free_at: i64,
    connections: Vec<Option<Connection>>,
    /// Answers to give, the next one first.
    due: VecDeque<Due>,
    report: ServerReport,
}

struct Connection {
    stream: TcpStream,
    /// How much of the end of a head was read.
    matched: usize,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    at: i64,
    connection: usize,
    /// Whether a freeze holds it.
    held: bool,
}

impl Server {
    fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            clock: RunClock::start(),
            first: None,
            free_at: i64::MIN,
            connections: Vec::new(),
            due: VecDeque::new(),
            report: ServerReport::default(),
        }
    }

    /// Answers what is due, waits for something to happen, and reads it. False when the parent has had enough.
    fn turn(&mut self, listener: &TcpListener) -> io::Result<bool> {
        self.answer();
        let (goes_on, accepts, readable) = self.wait(listener)?;
        for index in readable {
            self.read(index);
        }
        if accepts {
            self.accept(listener);
        }
        Ok(goes_on)
    }

    fn now(&self) -> i64 {
        self.clock.now().as_nanos()
    }

    fn wait(&self, listener: &TcpListener) -> io::Result<(bool, bool, Vec<usize>)> {
        let stdin = io::stdin();
        let (stdin, listening) = (stdin.as_fd(), listener.as_fd());
        let open: Vec<(usize, &Connection)> =
            self.connections.iter().enumerate().filter_map(|(i, slot)| Some((i, slot.as_ref()?))).collect();
        let fixed = [stdin, listening].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let streams = open.iter().map(|(_, connection)| PollFd::new(&connection.stream, PollFlags::IN));
        let mut watched: Vec<PollFd<'_>> = fixed.into_iter().chain(streams).collect();
        match poll(&mut watched, self.timeout().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let readable = open.iter().zip(&watched[2..]).filter(|(_, fd)| ready(fd)).map(|((i, _), _)| *i).collect();
        Ok((!ready(&watched[0]) || parent_speaks(), ready(&watched[1]), readable))
    }

    fn timeout(&self) -> Option<Timespec> {
        let wait = (self.due.front()?.at - self.now() - AWAKE_NS).max(0);
        Some(Timespec { tv_sec: wait / 1_000_000_000, tv_nsec: wait % 1_000_000_000 })
    }

    fn accept(&mut self, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            let ready = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
            if ready.is_ok() {
                let connection = Some(Connection { stream, matched: 0 });
                match self.connections.iter().position(Option::is_none) {
                    Some(free) => self.connections[free] = connection,
                    None => self.connections.push(connection),
                }
            }
        }
    }

    fn read(&mut self, index: usize) {
        let Some(connection) = &mut self.connections[index] else { return };
        let mut buffer = [0; 16 * 1024];
        match connection.stream.read(&mut buffer) {
            Ok(n) if n > 0 => {
                for _ in 0..connection.heads(&buffer[..n]) {
                    self.take(index);
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Ok(_) | Err(_) => self.close(index),
        }
    }

    /// Forgets a connection and what it was owed: its number may soon be another's.
    fn close(&mut self, index: usize) {
        self.connections[index] = None;
        self.due.retain(|due| due.connection != index);
    }

    fn take(&mut self, connection: usize) {
        self.report.requests += 1;
        let now = self.now();
        let first = *self.first.get_or_insert(now);
        let mut due = Due { at: now, connection, held: false };
        match self.behaviour {
            Behaviour::Instant => {}
            Behaviour::OneAtATime(service) => {
                self.free_at = self.free_at.max(now) + service;
                due.at = self.free_at;
            }
            Behaviour::Freezing { first: until, hold, every } => {
                if let Some((from, to)) = freeze(now - first - until, hold, every) {
                    due.at = first + until + to;
                    due.held = true;
                    self.note_freeze(first + until + from, due.at);
                }
            }
        }
        self.due.push_back(due);
    }

    fn answer(&mut self) {
        while let Some(due) = self.due.front().copied() {
            let now = self.now();
            if due.at > now {
                break;
            }
            self.due.pop_front();
            self.note_answer(due, now);
            // A client that does not read a few bytes has gone away.
            let gone = self.connections[due.connection].as_mut().is_some_and(|to| to.stream.write_all(ANSWER).is_err());
            if gone {
                self.close(due.connection);
            }
        }
    }

    /// Remembers that a request is held; how long, as planned.
    fn note_freeze(&mut self, from: i64, to: i64) {
        let (from, to) = (self.monotonic(from), self.monotonic(to));
        if self.report.freezes.last().is_none_or(|(begun, _)| *begun != from) {
            self.report.freezes.push((from, to));
        }
    }

    fn note_answer(&mut self, due: Due, now: i64) {
        let late_ns = (now - due.at).unsigned_abs();
        match self.behaviour {
            Behaviour::Instant => {}
            Behaviour::OneAtATime(_) => self.report.late_ns = self.report.late_ns.max(late_ns),
            Behaviour::Freezing { .. } => {
                // Only the first answer after a freeze tells when it ended; the others wait for one another.
                let (planned, thawed) = (self.monotonic(due.at), self.monotonic(now));
                let first = self.report.freezes.last_mut().filter(|(_, to)| due.held && *to == planned);
                if let Some((_, to)) = first {
                    *to = thawed;
                    self.report.late_ns = self.report.late_ns.max(late_ns);
                }
            }
        }
    }

    fn monotonic(&self, at: i64) -> i64 {
        self.clock.anchor().monotonic_ns + at
    }
}

/// True when the parent said something, which it never does: what can be read is the end of its pipe.
fn parent_speaks() -> bool {
    io::stdin().lock().read(&mut [0]).is_ok_and(|n| n > 0)
}

/// The freeze that holds `at`, counted from the start of the first one.
fn freeze(at: i64, hold: i64, every: i64) -> Option<(i64, i64)> {
    let from = at.div_euclid(every) * every;
    (at >= 0 && at < from + hold).then_some((from, from + hold))
}

impl Connection {
    /// How many heads end in `bytes`.
    fn heads(&mut self, bytes: &[u8]) -> usize {
        let mut heads = 0;
        for byte in bytes {
            self.matched = match *byte {
                byte if byte == END_OF_HEAD[self.matched] => self.matched + 1,
                b'\r' => 1,
                _ => 0,
            };
            if self.matched == END_OF_HEAD.len() {
                self.matched = 0;
                heads += 1;
            }
        }
        heads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_holds_what_comes_in_it_and_nothing_else() {
        let held = |at| freeze(at, 10, 50);
        assert_eq!(held(-1), None);
        assert_eq!((held(0), held(9)), (Some((0, 10)), Some((0, 10))));
        assert_eq!((held(10), held(49)), (None, None));
        assert_eq!(held(105), Some((100, 110)));
    }

    #[test]
    fn heads_are_counted_however_they_are_cut() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut connection = Connection { stream, matched: 0 };
        let text = b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n\r\r\n\r\n";
        assert_eq!(connection.heads(text), 2);
        assert_eq!(text.iter().map(|byte| connection.heads(&[*byte])).sum::<usize>(), 2);
    }

    #[test]
    fn one_at_a_time_means_that_a_request_waits_for_the_one_before_it() {
        let mut server = Server::new(Behaviour::OneAtATime(1_000_000_000));
        for _ in 0..3 {
            server.take(0);
        }
        let due: Vec<i64> = server.due.iter().map(|due| due.at).collect();
        assert_eq!((due[1] - due[0], due[2] - due[1]), (1_000_000_000, 1_000_000_000));
        assert_eq!(server.report.requests, 3);
    }
}
