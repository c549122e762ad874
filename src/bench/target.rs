//! The node that is put under load.

use std::collections::BTreeSet;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use crate::bench::error::Error;
use crate::bench::proto::record;
use crate::bench::report::float;
use crate::demo::{ChainGraph, Demo, Firm};
use crate::wire::proto::v1;
use crate::wire::proto::v1::links_client::LinksClient;
use crate::wire::proto::v1::node_client::NodeClient;
use crate::wire::proto::v1::registry_client::RegistryClient;
use crate::wire::proto::v1::resolution_client::ResolutionClient;

/// Bytes in flight on one stream, so that bulk work fills a fast line.
pub(super) const STREAM_WINDOW_BYTES: u32 = 8 << 20;
/// Bytes of one frame: as many as the node writes at once. By default an answer comes in
/// pieces of 16 KiB, each of which is written and read by itself (RFC 9113 section 4.2).
pub(super) const FRAME_BYTES_MAX: u32 = 64 << 10;
/// Bytes of one answer; a batch of records is the largest.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How long to try to connect.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Prefixes that are registered at once.
const PREFIXES_AT_ONCE: usize = 64;

/// A node, and connections to it. Calls are not compressed: what is measured
/// is the node.
#[derive(Clone, Debug)]
pub struct Target {
    server: String,
    channels: Vec<Channel>,
    bearer: Option<MetadataValue<Ascii>>,
}

impl Target {
    /// Connects `connections` times (at least once) to `server`, a URL as
    /// `http://127.0.0.1:8480`. `bearer` is shown with every call.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub async fn connect(
        server: &str,
        bearer: Option<MetadataValue<Ascii>>,
        connections: usize,
    ) -> Result<Self, Error> {
        let unreachable = |source| Error::Unreachable {
            server: server.to_owned(),
            source,
        };
        let endpoint = Endpoint::from_shared(server.to_owned())
            .map_err(unreachable)?
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(STREAM_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .tcp_nodelay(true);
        let mut channels = Vec::new();
        for _ in 0..connections.max(1) {
            channels.push(endpoint.connect().await.map_err(unreachable)?);
        }
        Ok(Self {
            server: server.to_owned(),
            channels,
            bearer,
        })
    }

    /// Its URL.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// What is shown with every call.
    pub(super) fn bearer(&self) -> Option<&[u8]> {
        self.bearer.as_ref().map(MetadataValue::as_bytes)
    }

    /// The connections.
    pub(super) fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// `message` with the key.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(bearer) = &self.bearer {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", bearer.clone());
        }
        request
    }

    /// Bytes on the node's disk for each identifier that it has.
    pub(super) async fn disk_bytes_per_identifier(&self) -> Result<Option<f64>, Error> {
        let Some(channel) = self.channels.first() else {
            return Ok(None);
        };
        let request = self.request(v1::GetStatusRequest {});
        let status = NodeClient::new(channel.clone()).get_status(request).await?;
        let status = status.into_inner();
        let count = |number: i64| float(u64::try_from(number).unwrap_or_default());
        let active = count(status.active_count);
        Ok((active > 0.0).then(|| count(status.disk_bytes) / active))
    }

    /// Bytes of the node's tables.
    pub(super) async fn disk_bytes(&self) -> Result<u64, Error> {
        let Some(channel) = self.channels.first() else {
            return Ok(0);
        };
        let request = self.request(v1::GetStatusRequest {});
        let status = NodeClient::new(channel.clone()).get_status(request).await?;
        Ok(u64::try_from(status.into_inner().disk_bytes).unwrap_or_default())
    }

    /// Registers and homes every prefix of the benchmark graph; those that exist
    /// are left.
    pub(super) async fn create_chain_prefixes(&self, graph: &ChainGraph) -> Result<(), Error> {
        let prefixes: BTreeSet<String> = (0..graph.levels())
            .flat_map(|level| graph.level(level).take(ChainGraph::FIRMS_OF_LEVEL))
            .map(|node| graph.identifier(node).0)
            .collect();
        let named = prefixes.into_iter().map(|prefix| {
            let firm = format!("Firm of {prefix}");
            (prefix, firm)
        });
        self.home(&named.collect::<Vec<_>>()).await
    }

    /// Registers and homes the prefix of `firm` and gives it an administrator:
    /// the record of the prefix, and that of the key. What exists is left.
    ///
    /// # Errors
    /// [`Error::Refused`] if something is refused for another reason.
    pub(super) async fn administer(&self, demo: &Demo, firm: &Firm) -> Result<(), Error> {
        let Some(channel) = self.channels.first() else {
            return Ok(());
        };
        let mut client = RegistryClient::new(channel.clone());
        let (of_prefixes, holder) = Demo::prefix_of_prefixes();
        let own = (firm.prefix(), firm.name.clone());
        for (prefix, firm) in [(of_prefixes.to_string(), holder.to_owned()), own] {
            let created = client.create_prefix(self.request(v1::CreatePrefixRequest {
                prefix: Some(v1::Prefix {
                    name: format!("prefixes/{prefix}"),
                    firm,
                    ..v1::Prefix::default()
                }),
                home: true,
                ..v1::CreatePrefixRequest::default()
            }));
            unless_there(created.await)?;
        }
        let of_firm = 2 * usize::try_from(firm.position).unwrap_or(usize::MAX);
        for (identifier, values) in demo.administration().skip(of_firm).take(2) {
            let created = client.create_record(self.request(v1::CreateRecordRequest {
                record: Some(record(&identifier, &values)),
                ..v1::CreateRecordRequest::default()
            }));
            unless_there(created.await)?;
        }
        Ok(())
    }

    /// Registers and homes every prefix of `demo`; those that exist are left.
    ///
    /// # Errors
    /// [`Error::Refused`] if one is refused for another reason.
    pub async fn create_prefixes(&self, demo: &Demo) -> Result<(), Error> {
        let prefixes = demo.prefixes();
        let named = prefixes.map(|(prefix, firm)| (prefix.to_string(), firm.to_owned()));
        self.home(&named.collect::<Vec<_>>()).await
    }

    async fn home(&self, prefixes: &[(String, String)]) -> Result<(), Error> {
        let Some(channel) = self.channels.first() else {
            return Ok(());
        };
        for some in prefixes.chunks(PREFIXES_AT_ONCE) {
            let mut calls = tokio::task::JoinSet::new();
            for (prefix, firm) in some {
                let request = self.request(v1::CreatePrefixRequest {
                    prefix: Some(v1::Prefix {
                        name: format!("prefixes/{prefix}"),
                        firm: firm.clone(),
                        ..v1::Prefix::default()
                    }),
                    home: true,
                    ..v1::CreatePrefixRequest::default()
                });
                let mut client = RegistryClient::new(channel.clone());
                calls.spawn(async move { client.create_prefix(request).await });
            }
            while let Some(ended) = calls.join_next().await {
                unless_there(ended.map_err(|_| Error::Worker)?)?;
            }
        }
        Ok(())
    }
}

/// What exists is left as it is.
fn unless_there<T>(created: Result<Response<T>, Status>) -> Result<(), Error> {
    match created {
        Ok(_) => Ok(()),
        Err(status) if status.code() == Code::AlreadyExists => Ok(()),
        Err(status) => Err(status.into()),
    }
}

/// Resolves over `channel`.
pub(super) fn resolution(channel: &Channel) -> ResolutionClient<Channel> {
    ResolutionClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
}

/// Registers over `channel`.
pub(super) fn registry(channel: &Channel) -> RegistryClient<Channel> {
    RegistryClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
}

/// Traces over `channel`.
pub(super) fn links(channel: &Channel) -> LinksClient<Channel> {
    LinksClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
}
