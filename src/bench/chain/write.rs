//! States links at a steady rate, and after each acknowledged one traces: the link
//! must be there.

use std::time::Duration;

use serde::Serialize;

use crate::bench::chain::load::link;
use crate::bench::chain::question::per_second;
use crate::bench::clock;
use crate::bench::error::Error;
use crate::bench::target::{Target, links};
use crate::demo::ChainGraph;
use crate::wire::proto::v1;
use crate::wire::proto::v1::batch_write_links_request::{Item, item::Change};
use crate::wire::proto::v1::batch_write_links_response::result::Outcome;

/// Calls a second: each carries its share of the links.
const CALLS_PER_SEC: u32 = 50;

/// What was written.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Written {
    /// Links acknowledged.
    pub links: u64,
    /// Links a second.
    pub per_second: f64,
    /// Traces that looked for one just acknowledged.
    pub looked: u64,
    /// Of these, those that missed it.
    pub missed: u64,
}

/// States `per_sec` new links a second for `time`, in 50 calls a second, from
/// pallets to pallets that come beyond the graph; after each call asks what the last
/// one leads to.
///
/// # Errors
/// [`Error::Refused`] if a link is refused.
pub async fn write_links(
    target: &Target,
    (nodes, first): (u32, u32),
    per_sec: u32,
    time: Duration,
) -> Result<Written, Error> {
    let graph = ChainGraph::new(nodes);
    let Some(channel) = target.channels().last() else {
        return Err(Error::NoQuestions);
    };
    let mut client = links(channel);
    let began = clock::now();
    let batch = (per_sec / CALLS_PER_SEC).max(1);
    let mut written = Written::default();
    let mut next = first;
    let mut calls = 0;
    while clock::now().saturating_duration_since(began) < time {
        let due = began + Duration::from_secs(1) / CALLS_PER_SEC * calls;
        tokio::time::sleep_until(due.into()).await;
        calls += 1;
        let edges: Vec<_> = (next..next + batch).map(|at| edge(&graph, at)).collect();
        next += batch;
        let items = edges.iter().map(|edge| Item {
            change: Some(Change::State(Box::new(v1::StateLinkRequest {
                link: Some(link(&graph, *edge)),
                ..v1::StateLinkRequest::default()
            }))),
        });
        let request = v1::BatchWriteLinksRequest {
            items: items.collect(),
            ..v1::BatchWriteLinksRequest::default()
        };
        let answer = client.batch_write_links(target.request(request)).await?;
        for result in answer.into_inner().results {
            match result.outcome {
                Some(Outcome::Link(_)) => written.links += 1,
                Some(Outcome::Error(error)) => {
                    return Err(tonic::Status::unknown(error.message).into());
                }
                None => {}
            }
        }
        if let Some((input, output)) = edges.last() {
            let name = |node| {
                let (prefix, suffix) = graph.identifier(node);
                format!("{prefix}/{suffix}")
            };
            let request = v1::TraceRequest {
                start: name(*output),
                direction: v1::TraceDirection::Up.into(),
                depth_max: 1,
                page_size: 10_000,
                ..v1::TraceRequest::default()
            };
            let rows = client
                .trace(target.request(request))
                .await?
                .into_inner()
                .rows;
            written.looked += 1;
            let wanted = name(*input);
            written.missed += u64::from(!rows.iter().any(|row| row.identifier == wanted));
        }
    }
    let took = clock::now().saturating_duration_since(began).as_secs_f64();
    written.per_second = per_second(written.links, took);
    Ok(written)
}

/// A new edge: from a thing of the graph to a pallet that is not in it.
fn edge(graph: &ChainGraph, at: u32) -> (u32, u32) {
    let goods = graph.level(8);
    let length = u32::try_from(goods.len()).unwrap_or(1).max(1);
    let input = goods.start + at.wrapping_mul(2_654_435_761) % length;
    (input, graph.node_count() + at / 20)
}
