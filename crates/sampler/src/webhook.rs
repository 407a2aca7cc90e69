//! Posts an alarm to an address on this machine. One attempt, bounded in time; nothing is repeated.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;

/// Why an alarm could not be delivered.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// Nobody took it.
    #[error("cannot post to {url}: {detail}; is the program there running?")]
    Undelivered {
        /// Where to.
        url: Url,
        /// What went wrong.
        detail: String,
    },
    /// It was answered with something else than success.
    #[error("{url} answered {status}")]
    Refused {
        /// Where to.
        url: Url,
        /// The status.
        status: u16,
    },
}

/// Posts a JSON text.
///
/// # Errors
/// [`PostError`] when it was not taken within `patience`.
pub async fn post(url: &Url, json: String, patience: Duration) -> Result<(), PostError> {
    let undelivered = |detail: String| PostError::Undelivered { url: url.clone(), detail };
    let exchange = tokio::time::timeout(patience, send(url, json)).await;
    let status = match exchange {
        Ok(answer) => answer.map_err(|error| undelivered(error.to_string()))?,
        Err(_) => return Err(undelivered(format!("no answer within {} ms", patience.as_millis()))),
    };
    if status.is_success() { Ok(()) } else { Err(PostError::Refused { url: url.clone(), status: status.as_u16() }) }
}

async fn send(url: &Url, json: String) -> Result<hyper::StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let host = url.host_str().unwrap_or("127.0.0.1").trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, url.port_or_known_default().unwrap_or(80))).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = Request::post(path).header(HOST, authority).header(CONTENT_TYPE, "application/json");
    let exchange = sender.send_request(request.body(Full::new(Bytes::from(json)))?);
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => Ok(answer?.status()),
        // The connection may close once the answer is on its way; the exchange then still finds its end.
        _ = connection => Ok(exchange.await?.status()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn posted(answer: &'static str) -> (Result<(), PostError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/alarm?from=memwatch", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut got = String::new();
            while !got.contains("full\"}") {
                let mut chunk = [0; 1024];
                let n = stream.read(&mut chunk).await.unwrap();
                got.push_str(std::str::from_utf8(&chunk[..n]).unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            got
        });
        let json = r#"{"message":"full"}"#.to_owned();
        let outcome = post(&Url::parse(&url).unwrap(), json, Duration::from_secs(5)).await;
        (outcome, served.await.unwrap())
    }

    #[tokio::test]
    async fn an_alarm_is_posted_as_json() {
        let (outcome, request) = posted("HTTP/1.1 204 No Content\r\n\r\n").await;
        outcome.unwrap();
        assert!(request.starts_with("POST /alarm?from=memwatch HTTP/1.1\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\n{\"message\":\"full\"}"), "{request}");
    }

    #[tokio::test]
    async fn whoever_does_not_take_it_is_named() {
        let (outcome, _) = posted("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n").await;
        assert!(outcome.unwrap_err().to_string().ends_with("answered 500"));
        let nobody = Url::parse("http://127.0.0.1:1/alarm").unwrap();
        let error = post(&nobody, String::new(), Duration::from_secs(5)).await.unwrap_err();
        assert!(error.to_string().contains("is the program there running?"), "{error}");
    }
}
