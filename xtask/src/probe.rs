//! The smallest clients that tell whether a server is up and let one in: one HTTP request, one Redis PING. Not for
//! measuring anything.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::wait::{Attempt, until};

const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: u64 = 8192;

/// A port that was free a moment ago. Another process may take it first, so the caller has to be ready to retry.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot bind a loopback port")?;
    Ok(listener.local_addr()?.port())
}

/// Waits until GET /health says 200. `alive` is asked in between, so that a dead server ends the wait at once.
pub(crate) fn wait_healthy(
    address: SocketAddr,
    limit: Duration,
    alive: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    until(&format!("http://{address}/health"), limit, || {
        alive()?;
        Ok(match http_status(address, "/health") {
            Ok(200) => Attempt::Done(()),
            Ok(status) => Attempt::NotYet(format!("it answers with status {status}")),
            Err(error) => Attempt::NotYet(format!("{error:#}")),
        })
    })
}

/// Waits until Redis answers PING with PONG, that is: its data set is loaded and it takes commands.
pub(crate) fn wait_redis(
    address: SocketAddr,
    limit: Duration,
    alive: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    until(&format!("Redis at {address}"), limit, || {
        alive()?;
        Ok(match redis_ping(address) {
            Ok(()) => Attempt::Done(()),
            Err(error) => Attempt::NotYet(format!("{error:#}")),
        })
    })
}

/// The address in a URL such as `http://127.0.0.1:8080`, as the example service prints it.
pub(crate) fn address_of(url: &str) -> anyhow::Result<SocketAddr> {
    let host = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    host.parse().with_context(|| format!("no address with a port in `{url}`"))
}

/// What the service answers with 200 to a JSON body.
pub(crate) fn post_json(address: SocketAddr, path: &str, json: &str) -> anyhow::Result<String> {
    let head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}", json.len());
    let (status, body) = exchange(address, &head, json)?;
    if status != 200 {
        bail!("it answers with status {status}");
    }
    Ok(body)
}

fn http_status(address: SocketAddr, path: &str) -> anyhow::Result<u16> {
    Ok(exchange(address, &format!("GET {path} HTTP/1.1"), "")?.0)
}

/// Status and body of one answer on a connection of its own.
fn exchange(address: SocketAddr, head: &str, body: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = connect(address)?;
    // In one piece: a server that answers after the first words and closes would break the pipe under the rest.
    let request = format!("{head}\r\nHost: {address}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status.context("the answer is not HTTP")?, body.to_owned()))
}

fn redis_ping(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = connect(address)?;
    stream.write_all(b"*1\r\n$4\r\nPING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).context("it closed the connection")?;
    if &answer != b"+PONG\r\n" {
        bail!("it answers {:?}", String::from_utf8_lossy(&answer));
    }
    Ok(())
}

fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, ATTEMPT_LIMIT)?;
    stream.set_read_timeout(Some(ATTEMPT_LIMIT))?;
    stream.set_write_timeout(Some(ATTEMPT_LIMIT))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn answer_once(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
        });
        address
    }

    #[test]
    fn the_status_is_read_from_the_first_line() {
        let address = answer_once(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(http_status(address, "/health").unwrap(), 503);
    }

    #[test]
    fn an_answer_to_json_is_its_body_unless_it_is_refused() {
        let address = answer_once(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        assert_eq!(post_json(address, "/login", "{}").unwrap(), "{}");
        let address = answer_once(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}");
        assert_eq!(post_json(address, "/login", "{}").unwrap_err().to_string(), "it answers with status 401");
    }

    #[test]
    fn another_protocol_is_not_taken_for_http() {
        assert!(http_status(answer_once(b"-ERR unknown command\r\n"), "/health").is_err());
    }

    #[test]
    fn a_redis_that_is_still_loading_is_not_ready() {
        let error = redis_ping(answer_once(b"-LOADING Redis is loading\r\n")).unwrap_err();
        assert!(error.to_string().contains("-LOADIN"), "{error}");
        redis_ping(answer_once(b"+PONG\r\n")).unwrap();
    }

    #[test]
    fn a_server_that_died_ends_the_wait() {
        let port = free_port().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let error = wait_healthy(address, Duration::from_secs(60), || bail!("the service died")).unwrap_err();
        assert_eq!(error.to_string(), "the service died");
    }

    #[test]
    fn the_address_is_read_from_the_printed_url() {
        assert_eq!(address_of("http://127.0.0.1:8080").unwrap().port(), 8080);
        assert!(address_of("http://127.0.0.1").is_err());
    }
}
