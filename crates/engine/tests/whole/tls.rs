//! TLS: whom the client trusts, whom the server trusts, which protocol they agree on, and sessions that go on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_engine::{Handshakes, HealthError, Run, RunOutcome, health_check};
use plimsoll_plan::{HealthCheck, HttpVersion, Identity, Method, Plan};
use plimsoll_record::RunDir;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::summary::Facts;
use plimsoll_record::traffic::TrafficFact;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;

use crate::server::{Manner, Quirk, Server};
use crate::support::{closed, count, record, totals};

/// An authority, and the certificates it signed, as files.
struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        std::fs::write(directory.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { directory, issuer: Issuer::new(params, key) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Signs a certificate for `names` and a new key: `stem.pem` and `stem.key`.
    fn sign(&self, stem: &str, names: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let signed = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let identity =
            Identity { certificate: self.file(&format!("{stem}.pem")), key: self.file(&format!("{stem}.key")) };
        std::fs::write(&identity.certificate, signed.pem()).unwrap();
        std::fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }

    /// A server for `name` that offers `protocols`, and asks clients for a certificate of `clients`.
    fn server(&self, name: &str, protocols: &[&str], clients: Option<&Authority>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let Identity { certificate, key } = self.sign("server", &[name]);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_file(authority.file("ca.pem")).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
        let mut config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

const HERE: &str = "127.0.0.1";

fn secured(config: Arc<ServerConfig>) -> Server {
    Server::start(Manner { tls: Some(config), ..Manner::default() })
}

/// Twenty requests by two users who trust `authority`.
fn plan(server: &Server, authority: &Authority) -> Plan {
    let mut plan = closed(&server.url(), 2, 20);
    let target = plan.target.as_mut().unwrap();
    target.tls.ca = Some(authority.file("ca.pem"));
    target.health = Some(HealthCheck { method: Method::Get, path: "/health".to_owned() });
    plan
}

fn notes<'a>(facts: &'a Facts) -> Vec<&'a str> {
    let facts = facts.traffic.iter().flat_map(|traffic| &traffic.facts);
    let note = |fact: &'a TrafficFact| match fact {
        TrafficFact::Note { text, .. } => Some(text.as_str()),
        _ => None,
    };
    facts.filter_map(note).collect()
}

/// Every request fails for TLS, and both the health check and the record say `advice`.
#[track_caller]
fn check_failure(plan: &Plan, advice: &str) {
    let facts = failing(plan, advice);
    assert_eq!(count(&facts, Outcome::Tls), 20, "{:?}", totals(&facts).ledger);
}

/// No request succeeds, and both the health check and the record say `advice`.
#[track_caller]
fn failing(plan: &Plan, advice: &str) -> Facts {
    let error = health_check(plan, Duration::from_secs(5)).unwrap_err();
    let HealthError::Tls { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().contains(advice), "{source}");
    let (outcome, facts) = record(plan);
    assert_eq!((outcome.scheduled, outcome.answered), (20, 0));
    let notes = notes(&facts);
    assert!(notes.iter().any(|note| note.contains(advice)), "{notes:?}");
    facts
}

/// All requests succeed; how many of them were of HTTP/2.
#[track_caller]
fn check_success(plan: &Plan, server: &Server) -> u64 {
    health_check(plan, Duration::from_secs(5)).unwrap();
    let (_, facts) = record(plan);
    assert_eq!(count(&facts, Outcome::Ok), 20, "{:?} {:?}", totals(&facts).ledger, notes(&facts));
    let seen = server.seen();
    assert_eq!(seen.requests, 21, "the health check and the run");
    seen.requests_of_two
}

#[test]
fn http2_is_spoken_if_the_server_offers_it() {
    let authority = Authority::new("ours");
    let server = secured(authority.server(HERE, &["h2", "http/1.1"], None));
    assert_eq!(check_success(&plan(&server, &authority), &server), 21);
}

#[test]
fn http1_is_spoken_if_the_server_offers_nothing_else_or_the_plan_says_so() {
    let authority = Authority::new("ours");
    for protocols in [&["http/1.1"][..], &[]] {
        let server = secured(authority.server(HERE, protocols, None));
        assert_eq!(check_success(&plan(&server, &authority), &server), 0);
    }
    let server = secured(authority.server(HERE, &["h2", "http/1.1"], None));
    let mut plan = plan(&server, &authority);
    plan.target.as_mut().unwrap().http = HttpVersion::One;
    assert_eq!(check_success(&plan, &server), 0);
}

#[test]
fn a_server_without_http2_fails_a_plan_that_insists_on_it() {
    let authority = Authority::new("ours");
    for protocols in [&["http/1.1"][..], &[]] {
        let server = secured(authority.server(HERE, protocols, None));
        let mut plan = plan(&server, &authority);
        plan.target.as_mut().unwrap().http = HttpVersion::Two;
        check_failure(&plan, "target.http = \"auto\"");
    }
}

#[test]
fn an_unknown_authority_is_a_tls_failure_unless_nothing_is_checked() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let server = secured(authority.server(HERE, &["h2"], None));
    let mut plan = plan(&server, &other);
    check_failure(&plan, "name its authority with `target.tls.ca`");
    let target = plan.target.as_mut().unwrap();
    (target.tls.ca, target.tls.insecure) = (None, true);
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::Ok), 20);
    assert!(notes(&facts).iter().any(|note| note.contains("no certificate was checked")), "{:?}", notes(&facts));
}

#[test]
fn a_certificate_for_another_name_needs_that_name() {
    let authority = Authority::new("ours");
    let server = secured(authority.server("service.test", &["http/1.1"], None));
    let mut plan = plan(&server, &authority);
    check_failure(&plan, "target.tls.server_name");
    plan.target.as_mut().unwrap().tls.server_name = Some("service.test".to_owned());
    assert_eq!(check_success(&plan, &server), 0);
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_the_plans() {
    let authority = Authority::new("ours");
    for protocol in ["http/1.1", "h2"] {
        let server = secured(authority.server(HERE, &[protocol], Some(&authority)));
        let mut plan = plan(&server, &authority);
        // The server's alert may be overtaken by the end of its connection, which is all that can be seen then.
        let facts = failing(&plan, "target.tls.certificate");
        assert!(count(&facts, Outcome::Tls) > 0, "{:?}", totals(&facts).ledger);
        plan.target.as_mut().unwrap().tls.identity = Some(authority.sign("client", &["client.test"]));
        check_success(&plan, &server);
    }
}

/// Thirty connections one after the other: how many the server resumed, and what the run says.
fn reconnecting(resume: bool) -> (u64, RunOutcome) {
    let authority = Authority::new("ours");
    let config = authority.server(HERE, &["http/1.1"], None);
    let manner = Manner { tls: Some(config), quirk: Quirk::CloseEach, ..Manner::default() };
    let server = Server::start(manner);
    let mut plan = closed(&server.url(), 2, 30);
    plan.generator.workers = std::num::NonZeroU32::new(2);
    let target = plan.target.as_mut().unwrap();
    (target.tls.ca, target.tls.resume) = (Some(authority.file("ca.pem")), resume);
    let (outcome, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::Ok), 30);
    assert_eq!(server.seen().connections, 30);
    let timings = totals(&facts).timings;
    assert_eq!((timings.connect.count(), timings.tls.count()), (30, 30));
    (server.seen().resumed, outcome)
}

#[test]
fn later_connections_resume_the_sessions_of_earlier_ones() {
    let (resumed, outcome) = reconnecting(true);
    assert!(resumed >= 20, "{resumed} of 30");
    assert_eq!(outcome.handshakes, Some(Handshakes { full: 30 - resumed, resumed }));
    let (resumed, outcome) = reconnecting(false);
    assert_eq!(resumed, 0);
    assert_eq!(outcome.handshakes, Some(Handshakes { full: 30, resumed: 0 }));
}

/// What is said about a plan whose TLS cannot be set up.
#[track_caller]
fn refusal(change: impl FnOnce(&mut plimsoll_plan::Tls)) -> String {
    let mut plan = closed(&"https://127.0.0.1:1/".parse().unwrap(), 1, 1);
    change(&mut plan.target.as_mut().unwrap().tls);
    let directory = tempfile::tempdir().unwrap();
    let run = RunDir::create_or_join(directory.path(), "tls", "test 1.0").unwrap();
    Run::prepare(&plan, &run, "test 1.0").unwrap_err().to_string()
}

#[test]
fn files_that_will_not_do_are_named_before_the_run() {
    let authority = Authority::new("ours");
    let (one, other) = (authority.sign("one", &["a.test"]), authority.sign("other", &["b.test"]));
    let missing = refusal(|tls| tls.ca = Some("no/such/ca.pem".into()));
    assert!(missing.contains("`target.tls.ca`, no/such/ca.pem"), "{missing}");
    let no_certificate = refusal(|tls| tls.ca = Some(one.key.clone()));
    assert!(no_certificate.contains("holds no certificate in PEM form"), "{no_certificate}");
    let ca = Some(authority.file("ca.pem"));
    let identity =
        |certificate: &PathBuf, key: &PathBuf| Some(Identity { certificate: certificate.clone(), key: key.clone() });
    let no_key = refusal(|tls| (tls.ca, tls.identity) = (ca.clone(), identity(&one.certificate, &one.certificate)));
    assert!(no_key.contains("`target.tls.key`") && no_key.contains("holds no private key"), "{no_key}");
    let mixed = refusal(|tls| (tls.ca, tls.identity) = (ca.clone(), identity(&one.certificate, &other.key)));
    assert!(mixed.contains("do not go together"), "{mixed}");
    let name = refusal(|tls| (tls.ca, tls.server_name) = (ca.clone(), Some("not a name".to_owned())));
    assert!(name.contains("`not a name`"), "{name}");
}

#[test]
fn a_server_that_speaks_no_tls_is_told_from_one_whose_certificate_is_wrong() {
    let plain = Server::start(Manner::default());
    let mut url = plain.url();
    url.set_scheme("https").unwrap();
    let mut plan = closed(&url, 1, 5);
    plan.target.as_mut().unwrap().tls.insecure = true;
    let error = health_check(&plan, Duration::from_millis(300)).unwrap_err();
    let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    assert!(text.contains("write the url with `http://`"), "{text}");
    let (_, facts) = record(&plan);
    assert_eq!(count(&facts, Outcome::Tls), 5, "{:?}", totals(&facts).ledger);
}
