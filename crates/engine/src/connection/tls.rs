//! TLS with the target: what is trusted, what the client shows, and how many handshakes were resumed.
//!
//! The configuration is made once per run and shared by all workers, and with it the sessions that later connections
//! resume. That costs a lock per handshake; a request does not touch it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use plimsoll_plan::{HttpVersion, Identity, Target};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, HandshakeKind,
    RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why TLS cannot be spoken as the plan says.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file cannot be read.
    #[error("cannot read `target.tls.{key}`, {path}; paths are relative to the working directory", path = path.display())]
    File {
        /// Which one, in the plan's words.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file has nothing of what it should have.
    #[error("`target.tls.{key}`, {path}, holds no {what} in PEM form; it begins with `-----BEGIN {begin}-----`", path = path.display())]
    NotPem {
        /// Which one, in the plan's words.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// How such a thing begins.
        begin: &'static str,
    },
    /// The system trusts nobody.
    #[error("this system has no authorities to trust; name them with `target.tls.ca`")]
    NoAuthorities,
    /// A certificate of an authority is not one.
    #[error("`target.tls.ca`, {path}, holds a certificate that cannot be used", path = path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rustls::Error,
    },
    /// Certificate and key of the client do not make an identity.
    #[error("`target.tls.certificate` and `target.tls.key` do not go together; give the key of the first certificate")]
    Identity(#[source] rustls::Error),
    /// The name to look for in the server's certificate is not one.
    #[error("`{name}` cannot be the name in a certificate; give a host name with `target.tls.server_name`")]
    ServerName {
        /// The name.
        name: String,
    },
    /// The cryptography is not what TLS needs.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// Why TLS failed with this server, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {advice}")]
pub struct TlsFailure {
    what: String,
    advice: &'static str,
}

/// How many connections began with a handshake of which kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshakes {
    /// Keys agreed on anew.
    pub full: u64,
    /// Continuations of an earlier session: less cryptography for both sides.
    pub resumed: u64,
}

/// How TLS is spoken with the target.
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    full: AtomicU64,
    resumed: AtomicU64,
    first_failure: OnceLock<TlsFailure>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// TLS as this system does it: its authorities, and no identity.
pub(crate) fn system_tls() -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
    Ok(builder.with_root_certificates(roots(None)?).with_no_client_auth())
}

impl Tls {
    pub(super) fn prepare(target: &Target) -> Result<Self, TlsError> {
        let settings = &target.tls;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
        let builder = if settings.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider)))
        } else {
            builder.with_root_certificates(roots(settings.ca.as_deref())?)
        };
        let mut config = with_identity(builder, settings.identity.as_ref())?;
        config.alpn_protocols = protocols(target.http).iter().map(|name| name.to_vec()).collect();
        if !settings.resume {
            config.resumption = Resumption::disabled();
        }
        let host = target.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let name = settings.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName { name })?;
        let (full, resumed) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { config: Arc::new(config), name, full, resumed, first_failure: OnceLock::new() })
    }

    /// Shakes hands over `stream`.
    pub(super) async fn secure(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let secured = connector.connect(self.name.clone(), stream).await.inspect_err(|error| self.note(error))?;
        let counter = match secured.get_ref().1.handshake_kind() {
            Some(HandshakeKind::Resumed) => &self.resumed,
            Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest) | None => &self.full,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(secured)
    }

    /// Remembers the first failure of TLS, for people.
    #[cold]
    pub(super) fn note(&self, error: &io::Error) {
        if let Some(failure) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            // A later failure is most likely the same.
            let _ = self.first_failure.set(TlsFailure { what: failure.to_string(), advice: advice(failure) });
        }
    }

    /// The same, for a server that does not speak the HTTP version of the plan.
    #[cold]
    pub(super) fn note_version(&self) {
        let what = "the server does not offer HTTP/2 over TLS (ALPN)".to_owned();
        let _ = self.first_failure.set(TlsFailure { what, advice: OTHER_VERSION });
    }

    pub(crate) fn failure(&self) -> Option<&TlsFailure> {
        self.first_failure.get()
    }

    pub(crate) fn handshakes(&self) -> Handshakes {
        let (full, resumed) = (self.full.load(Ordering::Relaxed), self.resumed.load(Ordering::Relaxed));
        Handshakes { full, resumed }
    }
}

const OTHER_VERSION: &str = "let `target.http = \"auto\"` choose what the server speaks";

fn advice(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(error) => certificate_advice(error),
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | rustls::Error::NoApplicationProtocol => OTHER_VERSION,
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::HandshakeFailure,
        ) => "if the server asks for a client certificate, give one it accepts: `target.tls.certificate` and `key`",
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "give the name the server goes by with `target.tls.server_name`"
        }
        rustls::Error::InvalidMessage(_) => "does this port speak TLS at all? if not, write the url with `http://`",
        _ => "the server's log may say more",
    }
}

fn certificate_advice(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "give the name in the certificate with `target.tls.server_name`"
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            "renew the certificate, or check none with `target.tls.insecure = true`"
        }
        _ => "name its authority with `target.tls.ca`, or check no certificate with `target.tls.insecure = true`",
    }
}

/// What is offered to the server, best first.
fn protocols(http: HttpVersion) -> &'static [&'static [u8]] {
    match http {
        HttpVersion::Auto => &[b"h2", b"http/1.1"],
        HttpVersion::One => &[b"http/1.1"],
        HttpVersion::Two => &[b"h2"],
    }
}

/// The authorities of the file, else the system's.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates("ca", path)? {
            roots.add(certificate).map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
        }
        return Ok(roots);
    }
    // Systems have some that nobody can use; what counts is that there are others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(roots) }
}

fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    identity: Option<&Identity>,
) -> Result<ClientConfig, TlsError> {
    let Some(Identity { certificate, key }) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates("certificate", certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key);
    let secret = secret.map_err(|error| unreadable("key", key, "private key", "PRIVATE KEY", error))?;
    builder.with_client_auth_cert(chain, secret).map_err(TlsError::Identity)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error| unreadable(key, path, "certificate", "CERTIFICATE", error);
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect();
    match found {
        Ok(found) if found.is_empty() => Err(unreadable(pem::Error::NoItemsFound)),
        found => found.map_err(unreadable),
    }
}

fn unreadable(key: &'static str, path: &Path, what: &'static str, begin: &'static str, error: pem::Error) -> TlsError {
    match error {
        pem::Error::Io(source) => TlsError::File { key, path: path.to_owned(), source },
        _ => TlsError::NotPem { key, path: path.to_owned(), what, begin },
    }
}

/// Accepts whatever certificate the server shows, because the plan says so.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
