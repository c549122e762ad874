//! Loads the graph into a node, over one stream.

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::bench::chain::{DAY_SECS, FIRST_DAY_SECS, day};
use crate::bench::clock;
use crate::bench::error::Error;
use crate::bench::target::{Target, links};
use crate::demo::ChainGraph;
use crate::wire::proto::v1;

/// Messages on the way.
const MESSAGES: usize = 8;
/// Links in a message.
const LINKS: usize = 2_000;

/// What a load came to.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Loaded {
    /// Identifiers of the graph.
    pub nodes: u32,
    /// Links taken in.
    pub links: u64,
    /// How long it took, from the first message to the last answer.
    pub seconds: f64,
    /// Bytes of the node's tables for each link, after the load.
    pub disk_bytes_per_link: f64,
}

/// Registers the prefixes of the graph and takes in its links.
///
/// # Errors
/// [`Error::Refused`] if anything is refused.
pub async fn load_chain(target: &Target, nodes: u32) -> Result<Loaded, Error> {
    let graph = ChainGraph::new(nodes);
    target.create_chain_prefixes(&graph).await?;
    let before = target.disk_bytes().await?;
    let Some(channel) = target.channels().first() else {
        return Err(Error::NoQuestions);
    };
    let (sender, receiver) = mpsc::channel(MESSAGES);
    let started = clock::now();
    let whole = graph.clone();
    let feeding = tokio::task::spawn_blocking(move || feed(&whole, &sender));
    let request = target.request(ReceiverStream::new(receiver));
    let answers = links(channel).import_links(request).await?;
    let mut answers = answers.into_inner();
    let mut covered = 0;
    while let Some(answer) = answers.message().await? {
        if let Some(rejection) = answer.rejections.first() {
            let text = rejection.error.as_ref().map(|error| error.message.clone());
            return Err(tonic::Status::unknown(text.unwrap_or_default()).into());
        }
        covered = answer.covered_count;
    }
    feeding.await.map_err(|_| Error::Worker)?;
    let seconds = clock::now()
        .saturating_duration_since(started)
        .as_secs_f64();
    let links = u64::try_from(covered).unwrap_or_default();
    let bytes = target.disk_bytes().await?.saturating_sub(before);
    Ok(Loaded {
        nodes: graph.node_count(),
        links,
        seconds,
        disk_bytes_per_link: crate::bench::report::float(bytes)
            / crate::bench::report::float(links.max(1)),
    })
}

fn feed(graph: &ChainGraph, sender: &mpsc::Sender<v1::ImportLinksRequest>) {
    let mut message = v1::ImportLinksRequest::default();
    for edge in graph.edges() {
        message.links.push(link(graph, edge));
        if message.links.len() == LINKS
            && sender.blocking_send(std::mem::take(&mut message)).is_err()
        {
            return;
        }
    }
    if !message.links.is_empty() {
        // An import that ended says why.
        let _ended = sender.blocking_send(message);
    }
}

/// The link that an edge stands for: below the finished goods things are made of
/// others, above them they are packed.
pub(super) fn link(graph: &ChainGraph, (input, output): (u32, u32)) -> v1::Link {
    let name = |node| {
        let (prefix, suffix) = graph.identifier(node);
        format!("{prefix}/{suffix}")
    };
    let is_packed = graph.level_of(output) > 8;
    let (source, kind, target) = match is_packed {
        true => (name(input), "packed_in", name(output)),
        false => (name(output), "made_from", name(input)),
    };
    v1::Link {
        name: Some(v1::LinkName {
            source,
            kind: kind.to_owned(),
            target,
            owner: String::new(),
        }),
        visibility: v1::link::Visibility::Public.into(),
        valid_from: Some(prost_types::Timestamp {
            seconds: FIRST_DAY_SECS + i64::from(day(output)) * DAY_SECS,
            nanos: 0,
        }),
        ..v1::Link::default()
    }
}
