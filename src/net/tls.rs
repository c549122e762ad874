//! TLS beneath HTTP: versions 1.2 and 1.3, and the certificates of clients.
//!
//! What a client's certificate entitles to is not known here: it is proven that
//! the client holds its key, and the certificate's digest is passed on. The files
//! are read again when told to; connections that are open keep what they began
//! with.

mod client;
pub mod config;
mod files;

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::server::TlsStream;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs as provider, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, ServerConfig, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};

pub use client::{Connector, Identity, Trust};
pub use config::Config;
pub use files::Error;

/// What is spoken above TLS, the preferred first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// SHA-256 of the certificate (DER) whose key a client proved to hold: an
/// extension of each of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientCertificate(pub [u8; 32]);

/// Accepts TLS on connections.
pub struct Acceptor {
    config: Config,
    current: ArcSwap<ServerConfig>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Reads the files that `config` names.
    ///
    /// # Errors
    /// [`Error`], by what is wrong with which file.
    pub fn load(config: Config) -> Result<Self, Error> {
        let current = ArcSwap::from_pointee(server_config(&config)?);
        Ok(Self { config, current })
    }

    /// Reads the files again, for connections that are accepted from here on.
    ///
    /// # Errors
    /// [`Error`]; then everything stays as it was.
    pub fn reload(&self) -> Result<(), Error> {
        self.current.store(Arc::new(server_config(&self.config)?));
        Ok(())
    }

    /// Shakes hands on `stream`. Not bounded in time: callers do that.
    ///
    /// # Errors
    /// How the handshake failed.
    pub async fn accept<S>(
        &self,
        stream: S,
    ) -> io::Result<(TlsStream<S>, Option<ClientCertificate>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(self.current.load_full());
        let stream = acceptor.accept(stream).await?;
        let chain = stream.get_ref().1.peer_certificates();
        let certificate = chain.and_then(<[_]>::first).map(fingerprint);
        Ok((stream, certificate))
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> ClientCertificate {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest(&SHA256, certificate).as_ref());
    ClientCertificate(octets)
}

fn server_config(config: &Config) -> Result<ServerConfig, Error> {
    let chain = files::certificates(&config.certificate_file)?;
    let key = files::key(&config.key_file)?;
    let provider = Arc::new(provider::default_provider());
    let unfit = |source| Error::Unfit {
        path: config.certificate_file.clone(),
        source,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?;
    let mut built = builder
        .with_client_cert_verifier(verifier(config, &provider)?)
        .with_single_cert(chain, key)
        .map_err(unfit)?;
    built.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(built)
}

fn verifier(
    config: &Config,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    if !config.client_certificates {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let path = &config.client_ca_file;
    if path.as_os_str().is_empty() {
        return Ok(Arc::new(AnyProven(
            provider.signature_verification_algorithms,
        )));
    }
    let roots = Arc::new(files::roots(path)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let verifier = builder.allow_unauthenticated().build();
    verifier.map_err(|error| Error::Unfit {
        path: path.clone(),
        source: rustls::Error::General(error.to_string()),
    })
}

/// Takes any certificate whose key the client proves to hold: what counts is
/// whether a principal with its digest is registered, and until when, which is
/// looked up with each request (as RFC 8705 §2.2 has it for self-signed ones).
#[derive(Debug)]
struct AnyProven(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyProven {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        ParsedCertificate::try_from(end_entity).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
