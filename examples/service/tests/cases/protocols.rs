//! HTTP/2 and TLS on the same port, as the client chooses.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};

use crate::fixture::{Answer, Redis, Service, refused};

/// A certificate for `localhost` and its files.
struct Identity {
    dir: TempDir,
    certificate: CertificateDer<'static>,
}

impl Identity {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { dir, certificate: made.cert.der().clone() }
    }

    fn file(&self, name: &str) -> String {
        let path: PathBuf = self.dir.path().join(name);
        path.into_os_string().into_string().unwrap()
    }

    async fn connect(&self, service: &Service, protocol: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(service.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        stream
    }
}

async fn echo_over_http1(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Answer {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    Answer::read(sender.send_request(echo("/echo")).await.unwrap()).await.unwrap()
}

async fn echo_over_http2(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Answer {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    Answer::read(sender.send_request(echo("http://localhost/echo")).await.unwrap()).await.unwrap()
}

fn echo(uri: &str) -> Request<Full<Bytes>> {
    Request::post(uri).header("host", "localhost").body(Full::from("hi")).unwrap()
}

#[tokio::test]
async fn http2_is_spoken_to_clients_that_begin_with_it() {
    let redis = Redis::reserved();
    let service = Service::start(&redis, &[]);
    let stream = TcpStream::connect(service.address()).await.unwrap();
    let answer = echo_over_http2(stream).await.json();
    assert_eq!(
        (&answer["version"], &answer["path"], &answer["body"]),
        (&json!("HTTP/2.0"), &json!("/echo"), &json!("hi"))
    );
    let stream = TcpStream::connect(service.address()).await.unwrap();
    assert_eq!(echo_over_http1(stream).await.json()["version"], "HTTP/1.1");
}

#[tokio::test]
async fn over_tls_the_client_chooses_the_version() {
    let redis = Redis::reserved();
    let identity = Identity::new();
    let (cert, key) = (identity.file("cert.pem"), identity.file("key.pem"));
    let service = Service::start(&redis, &["--tls-cert", &cert, "--tls-key", &key]);
    let stream = identity.connect(&service, "h2").await;
    assert_eq!(echo_over_http2(stream).await.json()["version"], "HTTP/2.0");
    let stream = identity.connect(&service, "http/1.1").await;
    assert_eq!(echo_over_http1(stream).await.json()["version"], "HTTP/1.1");
}

#[tokio::test]
async fn a_certificate_or_key_that_cannot_be_used_is_named_with_its_flag() {
    let redis = Redis::reserved();
    let (identity, other) = (Identity::new(), Identity::new());
    let (cert, key) = (identity.file("cert.pem"), identity.file("key.pem"));
    let cases = [
        (vec!["--tls-cert", &cert], 2, "--tls-key"),
        (vec!["--tls-cert", "/nowhere.pem", "--tls-key", &key], 4, "cannot read a certificate from /nowhere.pem"),
        (vec!["--tls-cert", &cert, "--tls-key", &cert], 4, "cannot read a private key from"),
    ];
    for (flags, code, words) in cases {
        let (ended, message) = refused(&redis.url(), identity.dir.path(), &flags);
        assert_eq!((ended, message.contains(words)), (code, true), "{message}");
    }
    let foreign = other.file("key.pem");
    let (ended, message) = refused(&redis.url(), identity.dir.path(), &["--tls-cert", &cert, "--tls-key", &foreign]);
    assert_eq!((ended, message.contains("does not fit")), (4, true), "{message}");
}
