//! How TLS is spoken with what is watched: what is trusted, and what memwatch shows of itself.

use std::path::Path;
use std::sync::Arc;

use plimsoll_plan::{Identity, Tls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Why TLS cannot be spoken as the plan says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file is not what it should be.
    #[error("`tls.{key}`, {path}, cannot be used: {cause}")]
    File {
        /// Which one, in the plan's words.
        key: &'static str,
        /// Its path.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The system trusts nobody.
    #[error("this system has no authorities to trust: name them with `tls = {{ ca = \"ca.pem\" }}`")]
    NoAuthorities,
    /// Certificate and key of the client do not make an identity.
    #[error("`tls.certificate` and `tls.key` do not go together")]
    Identity(#[source] rustls::Error),
    /// The authorities cannot be checked against.
    #[error("certificates cannot be checked: {0}")]
    Verifier(String),
    /// The cryptography is not what TLS needs.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// The client's side of TLS, as the plan has it.
pub(crate) fn config(settings: &Tls) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
    let builder = if settings.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider)))
    } else {
        builder.with_root_certificates(roots(settings.ca.as_deref())?)
    };
    with_identity(builder, settings.identity.as_ref())
}

/// The same, but any name in the server's certificate will do: an authority vouches for it, that is all that is asked.
pub(crate) fn config_of_any_name(settings: &Tls) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(roots(settings.ca.as_deref())?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
    let verifier = verifier.map_err(|error| TlsError::Verifier(error.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyName(verifier)));
    with_identity(builder, settings.identity.as_ref())
}

/// The authorities of the file, else the system's.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates("ca", path)? {
            roots.add(certificate).map_err(|error| file("ca", path, error))?;
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
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| file("key", key, error))?;
    builder.with_client_auth_cert(chain, secret).map_err(TlsError::Identity)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| file(key, path, error))?.collect();
    match found {
        Ok(found) if found.is_empty() => Err(file(key, path, "it holds no certificate in PEM form")),
        found => found.map_err(|error| file(key, path, error)),
    }
}

fn file(key: &'static str, path: &Path, cause: impl std::fmt::Display) -> TlsError {
    TlsError::File { key, path: path.display().to_string(), cause: cause.to_string() }
}

/// Accepts any name in a certificate that is otherwise sound.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        match self.0.verify_server_cert(certificate, others, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
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
