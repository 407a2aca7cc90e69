//! Real servers for one test each: on a free loopback port, with their own directory, gone when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::command::binary;

const PATIENCE: usize = 200;
const PAUSE: Duration = Duration::from_millis(25);

/// A port that was free a moment ago.
///
/// # Panics
/// When loopback has no port left.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// A `redis-server` of one test's own.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    port: u16,
    dir: TempDir,
    options: Vec<String>,
}

impl Redis {
    /// Starts one without persistence.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with further options, e.g. `["--requirepass", "secret"]`.
    ///
    /// # Panics
    /// When there is no redis-server, or it does not answer.
    #[must_use]
    pub fn with(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("the temporary directory is writable");
        let port = free_port();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let child = spawn_redis(port, dir.path(), &options);
        let redis = Self { child, port, dir, options };
        redis.wait_until_it_answers();
        redis
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, as a crash would.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn kill(&mut self) {
        self.child.kill().expect("the child is ours");
        self.child.wait().expect("the child is ours");
    }

    /// Starts it again on the same port, empty.
    pub fn restart(&mut self) {
        self.child = spawn_redis(self.port, self.dir.path(), &self.options);
        self.wait_until_it_answers();
    }

    /// Sends one inline command and gives the first line of the answer.
    ///
    /// # Panics
    /// When Redis does not answer.
    #[must_use]
    pub fn ask(&self, command: &str) -> String {
        self.try_ask(command).expect("redis answers")
    }

    fn try_ask(&self, command: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn wait_until_it_answers(&self) {
        for _ in 0..PATIENCE {
            if self.try_ask("PING").is_ok_and(|answer| !answer.is_empty()) {
                return;
            }
            sleep(PAUSE);
        }
        panic!("redis-server on port {} does not answer", self.port);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn_redis(port: u16, dir: &Path, options: &[String]) -> Child {
    let server = std::env::var_os("PLIMSOLL_REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
    let port = port.to_string();
    let spawned = Command::new(&server)
        .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(dir)
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    spawned.unwrap_or_else(|error| panic!("cannot start {}: {error}; use `cargo xtask test`", server.display()))
}

/// The example service of one test's own.
#[derive(Debug)]
pub struct Service {
    child: Child,
    url: String,
    logs: TempDir,
}

impl Service {
    /// Starts it on this Redis with faults, e.g. `["leak=100x1000"]`.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(redis: &Redis, faults: &[&str]) -> Self {
        let logs = tempfile::tempdir().expect("the temporary directory is writable");
        let mut command = Command::new(binary("example-service"));
        command.args(["--listen", "127.0.0.1:0", "--redis", &redis.url(), "--log-dir"]).arg(logs.path());
        for fault in faults {
            command.args(["--fault", fault]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary was found just before");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("stdout is readable");
        let url = line.trim().strip_prefix("listening on ").expect("the service says where it listens").to_owned();
        Self { child, url, logs }
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills it, as a crash would.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn kill(&mut self) {
        self.child.kill().expect("the child is ours");
        self.child.wait().expect("the child is ours");
    }

    /// Where it writes its logs.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.logs.path().to_path_buf()
    }

    /// Asks one path and gives the whole answer as text.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn get(&self, path: &str) -> String {
        let address = self.url.strip_prefix("http://").expect("the service speaks http");
        let mut stream = TcpStream::connect(address).expect("the service listens");
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the service reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the service answers in text");
        answer
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
