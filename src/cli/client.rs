//! The way to a node: where it is, whose key is shown, how long to wait.

use std::future::Future;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::codec::CompressionEncoding;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use crate::cli::dev;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::session::session_file;
use crate::net::tls::{Connector, Identity, Trust};
use crate::wire::proto::v1;

/// Bytes of one frame: as many as the node writes at once. By default an answer comes in
/// pieces of 16 KiB, each of which is written and read by itself (RFC 9113 section 4.2).
const FRAME_BYTES_MAX: u32 = 64 << 10;
/// Bytes of one answer; an exported chunk of records is the largest.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Bytes of a key file; a larger one is none.
const KEY_BYTES_MAX: u64 = 4096;
const KEY_ROOM_BYTES: usize = 4096;
/// How long to try to connect, if `--timeout` allows as much.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);
/// Bytes in flight on one stream, so that bulk work fills a fast line.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;

/// Options of every command that asks a node.
#[derive(Clone, Debug, clap::Args)]
pub struct Connection {
    /// The node to ask
    #[arg(
        long,
        global = true,
        env = "IDNODE_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:8480",
        help_heading = "Node"
    )]
    pub server: String,
    /// File that holds a key; "-" reads it from the standard input. Without it
    /// the key is that of IDNODE_KEY, else that of `login`, else of `idnode dev`
    #[arg(
        long,
        global = true,
        env = "IDNODE_KEY_FILE",
        value_name = "FILE",
        help_heading = "Node"
    )]
    pub key_file: Option<PathBuf>,
    /// How long to wait for an answer: 500ms, 30s, 2m
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        default_value = "30s",
        value_parser = duration,
        help_heading = "Node"
    )]
    pub timeout: Duration,
    /// How an https:// URL is spoken with.
    #[command(flatten)]
    pub tls: TlsOptions,
}

/// Options of TLS, for an https:// URL.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TlsOptions {
    /// PEM file with the authorities to trust, instead of the system's
    #[arg(
        long,
        global = true,
        env = "IDNODE_CA_FILE",
        value_name = "FILE",
        help_heading = "Node"
    )]
    pub ca_file: Option<PathBuf>,
    /// PEM file with the certificate to show; it proves who asks, as a key does
    #[arg(
        long,
        global = true,
        env = "IDNODE_CERTIFICATE_FILE",
        value_name = "FILE",
        requires = "certificate_key_file",
        help_heading = "Node"
    )]
    pub certificate_file: Option<PathBuf>,
    /// PEM file with the private key of --certificate-file
    #[arg(
        long,
        global = true,
        env = "IDNODE_CERTIFICATE_KEY_FILE",
        value_name = "FILE",
        requires = "certificate_file",
        help_heading = "Node"
    )]
    pub certificate_key_file: Option<PathBuf>,
}

/// Shows the key, if there is one, with every call.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// A channel that shows the key.
pub type Service = InterceptedService<Channel, Bearer>;

/// A node that answers.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    service: Service,
    timeout: Duration,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`Exit::Usage`] for an address or key that cannot be one,
    /// [`Exit::Unavailable`] where no node answers.
    pub async fn client(&self, output: &Output) -> Result<Client, Failure> {
        let (_, host) = host(&self.server)?;
        let key = self.key(is_loopback(&host))?;
        self.client_with(key, output).await
    }

    /// Connects and shows no key.
    ///
    /// # Errors
    /// As [`Connection::client`].
    pub async fn client_without_key(&self, output: &Output) -> Result<Client, Failure> {
        self.client_with(None, output).await
    }

    /// Connects and shows the key that the file at `path` holds.
    ///
    /// # Errors
    /// As [`Connection::client`].
    pub async fn client_with_key_of(
        &self,
        path: &Path,
        output: &Output,
    ) -> Result<Client, Failure> {
        let key = header(&read_key(path)?)?;
        self.client_with(Some(key), output).await
    }

    async fn client_with(
        &self,
        key: Option<MetadataValue<Ascii>>,
        output: &Output,
    ) -> Result<Client, Failure> {
        let (scheme, host) = host(&self.server)?;
        let loopback = is_loopback(&host);
        if key.is_some() && !loopback && scheme == Scheme::Http {
            output.say("warning: the key travels to the node without encryption");
        }
        let endpoint = Endpoint::from_shared(self.server.clone())
            .map_err(|_| server_syntax(&self.server))?
            .connect_timeout(self.timeout.min(CONNECT_TIMEOUT_MAX))
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(STREAM_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .tcp_nodelay(true);
        let connected = match scheme {
            Scheme::Http => endpoint.connect().await,
            Scheme::Https => endpoint.connect_with_connector(self.tls(&[b"h2"])?).await,
        };
        let channel = connected.map_err(|error| {
            let cause = innermost(&error);
            let text = format!("no node answers at {}: {cause}", self.server);
            Failure::new(Exit::Unavailable, text)
                .hint("is it running? start one with: idnode dev; another address: --server URL")
        })?;
        Ok(Client {
            service: InterceptedService::new(channel.clone(), Bearer(key)),
            channel,
            timeout: self.timeout,
        })
    }

    /// The key that would be shown, for clients of their own.
    ///
    /// # Errors
    /// [`Exit::Usage`] for an address or key that cannot be one.
    pub fn bearer(&self) -> Result<Option<MetadataValue<Ascii>>, Failure> {
        let (_, host) = host(&self.server)?;
        self.key(is_loopback(&host))
    }

    /// What an https:// URL is connected to with.
    ///
    /// # Errors
    /// [`Exit::Usage`] for files that cannot be used.
    pub fn tls(&self, protocols: &[&[u8]]) -> Result<Connector, Failure> {
        let TlsOptions {
            ca_file,
            certificate_file,
            certificate_key_file,
        } = &self.tls;
        let trust = ca_file.clone().map_or(Trust::System, Trust::File);
        let files = certificate_file.clone().zip(certificate_key_file.clone());
        let identity = files.map(|(certificate_file, key_file)| Identity {
            certificate_file,
            key_file,
        });
        Connector::new(&trust, identity.as_ref(), protocols)
            .map_err(|error| Failure::chained(Exit::Usage, &error))
    }

    /// How the node's URL says to speak to it.
    ///
    /// # Errors
    /// [`Exit::Usage`] for an address that cannot be one.
    pub fn scheme(&self) -> Result<Scheme, Failure> {
        host(&self.server).map(|(scheme, _)| scheme)
    }

    /// The key to show: of `--key-file`, else of `IDNODE_KEY`; none beside a
    /// certificate; else that of the session which `login` began; else, to this
    /// machine only, that which `idnode dev` wrote.
    fn key(&self, loopback: bool) -> Result<Option<MetadataValue<Ascii>>, Failure> {
        let text = if let Some(path) = &self.key_file {
            read_key(path)?
        } else if let Some(key) = std::env::var_os("IDNODE_KEY") {
            Zeroizing::new(key.to_string_lossy().into_owned())
        } else if self.tls.certificate_file.is_some() {
            return Ok(None);
        } else if let Some(path) = session_file(&self.server).filter(|path| path.exists()) {
            read_key(&path)?
        } else {
            match dev::key_file().filter(|path| loopback && path.exists()) {
                Some(path) => read_key(&path)?,
                None => return Ok(None),
            }
        };
        header(&text).map(Some)
    }

    /// Host and port of the node.
    ///
    /// # Errors
    /// [`Exit::Usage`] if the URL has none.
    pub fn authority(&self) -> Result<String, Failure> {
        let uri: tonic::transport::Uri =
            (self.server.parse()).map_err(|_| server_syntax(&self.server))?;
        let host = uri.host().ok_or_else(|| server_syntax(&self.server))?;
        let port = match self.scheme()? {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        Ok(format!("{host}:{}", uri.port_u16().unwrap_or(port)))
    }
}

/// How a URL says to speak to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// As it is.
    Http,
    /// Over TLS.
    Https,
}

impl Client {
    /// The same way with another key.
    ///
    /// # Errors
    /// [`Exit::Usage`] for a text that cannot be a key.
    pub fn with_key(&self, key: &str) -> Result<Self, Failure> {
        Ok(Self {
            service: InterceptedService::new(self.channel.clone(), Bearer(Some(header(key)?))),
            channel: self.channel.clone(),
            timeout: self.timeout,
        })
    }

    /// The service of firms.
    pub fn firms(&self) -> v1::firms_client::FirmsClient<Service> {
        v1::firms_client::FirmsClient::new(self.service.clone())
            .accept_compressed(CompressionEncoding::Zstd)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The service that registers.
    pub fn registry(&self) -> v1::registry_client::RegistryClient<Service> {
        v1::registry_client::RegistryClient::new(self.service.clone())
            .accept_compressed(CompressionEncoding::Zstd)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The service that resolves.
    pub fn resolution(&self) -> v1::resolution_client::ResolutionClient<Service> {
        v1::resolution_client::ResolutionClient::new(self.service.clone())
            .accept_compressed(CompressionEncoding::Zstd)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The service that keeps principals.
    pub fn accounts(&self) -> v1::accounts_client::AccountsClient<Service> {
        v1::accounts_client::AccountsClient::new(self.service.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The service that keeps templates.
    pub fn templates(&self) -> v1::templates_client::TemplatesClient<Service> {
        v1::templates_client::TemplatesClient::new(self.service.clone())
            .accept_compressed(CompressionEncoding::Zstd)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The service of groups and share links.
    pub fn sharing(&self) -> v1::sharing_client::SharingClient<Service> {
        v1::sharing_client::SharingClient::new(self.service.clone())
            .accept_compressed(CompressionEncoding::Zstd)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The service of links and traces.
    pub fn links(&self) -> v1::links_client::LinksClient<Service> {
        v1::links_client::LinksClient::new(self.service.clone())
            .accept_compressed(CompressionEncoding::Zstd)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The service that proves.
    pub fn audit(&self) -> v1::audit_client::AuditClient<Service> {
        v1::audit_client::AuditClient::new(self.service.clone())
            .accept_compressed(CompressionEncoding::Zstd)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The service that watches and keeps the node.
    pub fn node(&self) -> v1::node_client::NodeClient<Service> {
        v1::node_client::NodeClient::new(self.service.clone())
    }

    /// How long to wait for an answer.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A request of one answer, whose deadline the node knows too.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }

    /// Waits for what a call gives, `--timeout` at most.
    ///
    /// # Errors
    /// What the node answered; [`Exit::Unavailable`] if it did not in time.
    pub async fn wait<T>(
        &self,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer.map_err(|status| Failure::from_status(&status)),
            Err(_) => Err(self.too_late()),
        }
    }

    /// Waits for an answer, `--timeout` at most, and opens it.
    ///
    /// # Errors
    /// As [`Client::wait`].
    pub async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        Ok(self.wait(call).await?.into_inner())
    }

    /// The node did not answer in time.
    pub fn too_late(&self) -> Failure {
        let text = format!("the node did not answer within {:?}", self.timeout);
        Failure::new(Exit::Unavailable, text).hint("allow more time: --timeout 2m")
    }
}

fn host(server: &str) -> Result<(Scheme, String), Failure> {
    let uri: tonic::transport::Uri = server.parse().map_err(|_| server_syntax(server))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(host)) => Ok((Scheme::Http, host.to_owned())),
        (Some("https"), Some(host)) => Ok((Scheme::Https, host.to_owned())),
        _ => Err(server_syntax(server)),
    }
}

/// Whether `host` is this machine and nobody between can listen.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
}

fn server_syntax(server: &str) -> Failure {
    Failure::usage(format!(
        "--server {server}: must be a URL as http://127.0.0.1:8480"
    ))
}

/// What is sent to show the key in `text`.
fn header(text: &str) -> Result<MetadataValue<Ascii>, Failure> {
    let text = Zeroizing::new(format!("Bearer {}", text.trim()));
    let mut value: MetadataValue<Ascii> = text
        .parse()
        .map_err(|_| Failure::usage("the key has characters that no key has"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The key that the file at `path` holds; "-" is the standard input.
///
/// # Errors
/// [`Exit::Usage`] if it cannot be read.
pub fn read_key(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let what = format!("cannot read the key file {}", path.display());
    let fail = |error: std::io::Error| Failure::new(Exit::Usage, format!("{what}: {error}"));
    // All at once, so that growing leaves no copy of the key behind.
    let mut text = Zeroizing::new(String::with_capacity(KEY_ROOM_BYTES));
    if path == Path::new("-") {
        let mut stdin = std::io::stdin().lock().take(KEY_BYTES_MAX);
        stdin.read_to_string(&mut text).map_err(fail)?;
    } else {
        let file = std::fs::File::open(path).map_err(fail)?;
        file.take(KEY_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(fail)?;
    }
    if text.trim().is_empty() {
        return Err(Failure::usage(format!("{what}: it is empty")));
    }
    Ok(text)
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Parses a time to wait: `500ms`, `30s`, `2m`, `1h`; seconds without a unit.
///
/// # Errors
/// For anything else, and unless above zero and at most a day.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let millis_per_unit = match unit {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("unknown unit {unit:?}: use ms, s, m or h")),
    };
    let number: u64 = number.parse().map_err(|_| "no number".to_owned())?;
    match number.checked_mul(millis_per_unit) {
        Some(millis @ 1..=86_400_000) => Ok(Duration::from_millis(millis)),
        _ => Err("must be above 0 and at most 24h".to_owned()),
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bearer").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "0s", "s", "25h", "5d", "-1s", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn refuses_addresses_that_are_none() {
        for (server, scheme) in [
            ("http://[::1]:8480", Scheme::Http),
            ("https://[::1]", Scheme::Https),
        ] {
            let found = host(server).expect("an address");
            assert_eq!(found, (scheme, "[::1]".to_owned()));
        }
        for wrong in ["127.0.0.1:8480", "ftp://a", "", "http://"] {
            let failure = host(wrong).expect_err("no address");
            assert_eq!(failure.exit(), Exit::Usage, "{wrong}");
        }
    }
}
