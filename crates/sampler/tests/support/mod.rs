//! A real Redis for one test: on a free loopback port, in a directory of its own, killed by its handle.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use plimsoll_plan::{HostPort, Login, RedisPlace, RedisServer as Planned, RedisSource, Secret, Watch};
use rustix::process::{Pid, Signal};

/// A running server.
pub(crate) struct RedisServer {
    child: Child,
    pub(crate) port: u16,
    dir: tempfile::TempDir,
}

impl RedisServer {
    /// Starts a server with these further arguments, and waits until it answers.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_at(free_port(), arguments)
    }

    /// The same on this port, unless the arguments say otherwise.
    pub(crate) fn start_at(port: u16, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let child = spawn(dir.path(), port, arguments);
        let server = Self { child, port, dir };
        server.wait_until_it_answers();
        server
    }

    /// Starts a sentinel that watches this primary under this name, and decides alone.
    pub(crate) fn sentinel(name: &str, primary: u16) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let path = dir.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {name} 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds {name} 1000\nsentinel failover-timeout {name} 3000\n",
            dir.path().display()
        );
        std::fs::write(&path, text).unwrap();
        let mut command = Command::new(program());
        command.arg(&path).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
        let server = Self { child: command.spawn().unwrap(), port, dir };
        server.wait_until_it_answers();
        server
    }

    /// Kills the server at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, empty, where it was.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.dir.path(), self.port, &[]);
        self.wait_until_it_answers();
    }

    /// Sends the server a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Runs a command; gives the first line of the answer.
    pub(crate) fn command(&self, line: &str) -> String {
        let mut stream = self.connect().unwrap();
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// Runs a command that answers with text.
    pub(crate) fn text(&self, line: &str) -> String {
        let mut answer = BufReader::new(self.begin(line));
        let mut head = String::new();
        answer.read_line(&mut head).unwrap();
        let length = head.trim_end().strip_prefix('$').unwrap_or_else(|| panic!("{line}: {head}")).parse().unwrap();
        let mut text = vec![0; length];
        answer.read_exact(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Sends a command and does not wait for its answer.
    pub(crate) fn begin(&self, line: &str) -> TcpStream {
        let mut stream = self.connect().unwrap();
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        stream
    }

    /// Writes `count` keys of `bytes` each, as one pipeline.
    pub(crate) fn fill(&self, count: u32, bytes: usize) {
        let value = "x".repeat(bytes);
        let batch: String = (0..count).map(|i| format!("SET key:{i} {value}\r\n")).collect();
        self.pipeline(&batch, count as usize);
    }

    /// Sends so many commands at once and waits until all are answered, each by a line.
    pub(crate) fn pipeline(&self, commands: &str, count: usize) {
        let mut stream = self.connect().unwrap();
        stream.write_all(commands.as_bytes()).unwrap();
        // A server that finds the connection half closed may reset it instead.
        let answers = BufReader::new(stream).lines().take(count);
        assert_eq!(answers.map(Result::unwrap).count(), count, "the server answers every command");
    }

    /// The server as a plan names it.
    pub(crate) fn source(&self, user: &str, password: Option<&str>) -> RedisSource {
        let user = user.strip_suffix('@').map(str::to_owned);
        let password = password.map(|password| Secret::new(password.to_owned()));
        let server = Planned::at(RedisPlace::Tcp(HostPort { host: "127.0.0.1".to_owned(), port: self.port }));
        RedisSource::Server(Planned { login: Login { user, password }, ..server })
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(stream)
    }

    fn wait_until_it_answers(&self) {
        for _ in 0..200 {
            if self.connect().is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("redis-server did not come up on port {}", self.port);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(dir: &std::path::Path, port: u16, arguments: &[&str]) -> Child {
    let mut command = Command::new(program());
    command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"]).arg(dir);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().expect("redis-server must be on PATH, or named by PLIMSOLL_REDIS_SERVER")
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the server is")]
fn program() -> String {
    std::env::var("PLIMSOLL_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A watch of this Redis alone, ten times a second.
pub(crate) fn watch(redis: RedisSource) -> Watch {
    Watch { every: Duration::from_millis(100), redis: Some(redis), host: false, ..Watch::default() }
}
