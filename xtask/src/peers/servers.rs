//! The servers that are loaded: the example service, well or with a fault, nghttpd for HTTP/2, the server of arrivals,
//! or the user's own. Each one has cores of its own and is gone when dropped.

use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::native;
use crate::platform;
use crate::probe;
use crate::process::Running;
use crate::wait::{Attempt, until};

use super::EXAMPLE_SERVICE;
use super::bench::Bench;
use super::cores::Cores;

/// Nobody listens there: the static page needs no Redis, so the service counts as unhealthy and serves it all the same.
const NO_REDIS: &str = "redis://127.0.0.1:1";
const START_LIMIT: Duration = Duration::from_secs(10);
/// The body that the example service sends, too.
const BODY: &str = "hello\n";

/// What is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The example service: a body of a few bytes at once, or with this fault.
    Example { fault: Option<&'static str> },
    /// A server that speaks HTTP/2 from the first byte.
    Http2,
    /// The server that keeps the time of each request.
    Arrivals,
}

/// A server that answers at `url`, which ends with a slash unless the user wrote another.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) url: String,
    _running: Option<Running>,
    _dir: Option<TempDir>,
}

impl Server {
    pub(super) fn start(bench: &Bench<'_>, kind: Kind, cores: &Cores) -> anyhow::Result<Server> {
        let healthy = matches!(kind, Kind::Example { fault: None } | Kind::Http2);
        if let Some(url) = bench.url.as_ref().filter(|_| healthy) {
            return Ok(Server { url: url.clone(), _running: None, _dir: None });
        }
        let dir = bench.workspace.scratch_dir("peers")?;
        let (running, url) = match kind {
            Kind::Example { fault } => example(bench, fault, cores, dir.path())?,
            Kind::Arrivals => {
                let mut command = cores.service(&env::current_exe().context("cannot find this program's own file")?);
                native::start_listening(command.arg("peers-arrivals"), dir.path())?
            }
            Kind::Http2 => nghttpd(cores, dir.path())?,
        };
        Ok(Server { url: format!("{url}/"), _running: Some(running), _dir: Some(dir) })
    }

    pub(super) fn address(&self) -> anyhow::Result<SocketAddr> {
        probe::address_of(&self.url)
    }
}

fn example(bench: &Bench<'_>, fault: Option<&str>, cores: &Cores, dir: &Path) -> anyhow::Result<(Running, String)> {
    let mut command = cores.service(&bench.binaries.program(EXAMPLE_SERVICE));
    command.args(["--listen", "127.0.0.1:0", "--redis", NO_REDIS]).arg("--log-dir").arg(dir);
    command.args(["--threads", &cores.service_threads().to_string()]);
    command.args(fault.iter().flat_map(|fault| ["--fault", fault]));
    native::start_listening(&mut command, dir)
}

/// nghttpd cannot choose a port itself, nor say that it listens.
fn nghttpd(cores: &Cores, dir: &Path) -> anyhow::Result<(Running, String)> {
    let program = platform::find_program("nghttpd").context(
        "there is no HTTP/2 server to load: apt-get install nghttp2-server, or name one that speaks HTTP/2 without TLS \
         with --url",
    )?;
    std::fs::write(dir.join("index.html"), BODY)?;
    let address = SocketAddr::from(([127, 0, 0, 1], probe::free_port()?));
    let mut command: Command = cores.service(&program);
    command.args(["--no-tls", "--address", "127.0.0.1", "--workers", &cores.service_threads().to_string()]);
    command.arg("--htdocs").arg(dir).arg(address.port().to_string());
    let running = Running::start("nghttpd", &mut command)?;
    until("nghttpd to listen", START_LIMIT, || {
        Ok(match std::net::TcpStream::connect(address) {
            Ok(_) => Attempt::Done(()),
            Err(error) => Attempt::NotYet(error.to_string()),
        })
    })?;
    Ok((running, format!("http://{address}")))
}
