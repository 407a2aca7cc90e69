//! The ways in: TLS with certificates of both sides, sockets, and mismatches that are explained.

use std::path::{Path, PathBuf};

use plimsoll_plan::RedisSource;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::super::{Session, named};
use crate::support::{RedisServer, free_port, watch};

/// An authority, and a certificate of its that serves both sides.
struct Certificates {
    dir: tempfile::TempDir,
}

impl Certificates {
    fn make() -> Self {
        let certificates = Self { dir: tempfile::tempdir().unwrap() };
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        std::fs::write(certificates.path("ca.pem"), authority.pem()).unwrap();
        std::fs::write(certificates.path("leaf.pem"), leaf.pem()).unwrap();
        std::fs::write(certificates.path("leaf.key"), key.serialize_pem()).unwrap();
        certificates
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

fn secured(port: u16, tls: &str) -> RedisSource {
    named(&format!("{{ url = \"rediss://127.0.0.1:{port}\", tls = {{ {tls} }} }}"))
}

async fn refusal(source: RedisSource) -> String {
    Session::start(&watch(source), None).await.err().unwrap().to_string()
}

#[tokio::test]
async fn tls_is_spoken_with_certificates_of_both_sides_and_every_mismatch_is_explained() {
    let files = Certificates::make();
    let (port, plain) = (free_port(), free_port());
    let [ca, leaf, key] = ["ca.pem", "leaf.pem", "leaf.key"].map(|name| files.text(name));
    let tls = ["--port", &plain.to_string(), "--tls-port", &port.to_string(), "--tls-ca-cert-file", &ca];
    let tls = [&tls[..], &["--tls-cert-file", &leaf, "--tls-key-file", &key]].concat();
    let _server = RedisServer::start_at(port, &tls);
    let identity = format!("certificate = \"{leaf}\", key = \"{key}\"");

    for accepted in [format!("ca = \"{ca}\", {identity}"), format!("insecure = true, {identity}")] {
        let mut session = Session::start(&watch(secured(port, &accepted)), None).await.unwrap();
        assert!(session.sample().await.values["used_memory"] > 0.0);
        session.finish().await;
    }
    let without_own = refusal(secured(port, &format!("ca = \"{ca}\""))).await;
    assert!(without_own.contains("certificate = "), "{without_own}");
    let unknown = refusal(secured(port, &identity)).await;
    assert!(unknown.contains("ca = "), "{unknown}");
    let no_file = refusal(secured(port, "ca = \"/nowhere/ca.pem\"")).await;
    assert!(no_file.contains("tls.ca") && no_file.contains("/nowhere/ca.pem"), "{no_file}");
    let plainly = refusal(named(&format!("redis://127.0.0.1:{port}"))).await;
    assert!(plainly.contains("rediss://"), "{plainly}");
    let secretly = refusal(secured(plain, &format!("ca = \"{ca}\""))).await;
    assert!(secretly.contains("use redis://"), "{secretly}");
}

#[tokio::test]
async fn a_socket_is_a_way_in() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("redis.sock");
    let _server = RedisServer::start(&["--unixsocket", &path.display().to_string(), "--requirepass", "hunter2"]);
    let source = |password: &str| socket(&path, password);
    let mut session = Session::start(&watch(source("hunter2")), None).await.unwrap();
    assert!(session.sample().await.values["used_memory"] > 0.0);
    session.finish().await;
    let refused = refusal(source("hunter3")).await;
    assert!(refused.contains("WRONGPASS") && refused.contains("unix:/"), "{refused}");
    let missing = refusal(socket(Path::new("/nowhere/redis.sock"), "x")).await;
    assert!(missing.contains("No such file"), "{missing}");
}

fn socket(path: &Path, password: &str) -> RedisSource {
    named(&format!("{{ url = \"unix:{}\", password = \"{password}\" }}", path.display()))
}
