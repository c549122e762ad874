//! The client's end of TLS, for our own clients.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;
use tower::Service;

use rustls::client::ClientConfig;
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::ServerName;

use crate::net::tls::files::{self, Error};

/// Where systems keep the authorities that they trust.
const SYSTEM_BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];
const PORT: u16 = 443;

/// Which authorities are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those of the system.
    System,
    /// Those of a PEM file and no other.
    File(PathBuf),
}

/// The certificate that the client shows, and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate and those above it.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// Connects by TCP and TLS to the host of a URL: what a gRPC channel is made of.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    /// A connector that trusts `trust`, shows `identity` if there is one, and
    /// speaks the first of `protocols` that the server knows.
    ///
    /// # Errors
    /// [`Error`], by what is wrong with which file.
    pub fn new(
        trust: &Trust,
        identity: Option<&Identity>,
        protocols: &[&[u8]],
    ) -> Result<Self, Error> {
        let bundle = match trust {
            Trust::File(path) => path.clone(),
            Trust::System => {
                let mut known = SYSTEM_BUNDLES.iter().map(PathBuf::from);
                known.find(|path| path.exists()).unwrap_or_default()
            }
        };
        let unfit = |path: &PathBuf| {
            let path = path.clone();
            move |source| Error::Unfit { path, source }
        };
        let roots = files::roots(&bundle)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(provider::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unfit(&bundle))?
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(Identity {
                certificate_file,
                key_file,
            }) => {
                let chain = files::certificates(certificate_file)?;
                let key = files::key(key_file)?;
                let built = builder.with_client_auth_cert(chain, key);
                built.map_err(unfit(certificate_file))?
            }
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// Connects to `host`, a name or an address, and shakes hands.
    ///
    /// # Errors
    /// Those of the system and of the handshake.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<TlsStream<TcpStream>> {
        let host = host.trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(name, stream).await
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let host = url.host().unwrap_or_default();
            let port = url.port_u16().unwrap_or(PORT);
            connector.connect(host, port).await.map(TokioIo::new)
        })
    }
}
