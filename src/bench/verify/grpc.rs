//! The comparison over gRPC: one resolution stream for each connection.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Channel;

use super::Differences;
use crate::bench::error::Error;
use crate::bench::proto::{record_name, same_value};
use crate::bench::question::zone_bytes;
use crate::bench::target::{Target, resolution};
use crate::demo::Demo;
use crate::model::{OwnerName, SuffixCase};
use crate::wire::proto::v1;
use crate::wire::proto::v1::resolve_result::Outcome;

/// Identifiers in a message.
const BATCH: u64 = 500;
/// Messages outstanding on a stream.
const WINDOW: usize = 4;

pub(super) async fn compare(
    target: &Target,
    demo: &Arc<Demo>,
    zone: &str,
    differences: &Arc<Differences>,
) -> Result<(), Error> {
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for channel in target.channels() {
        let comparer = Comparer {
            demo: Arc::clone(demo),
            zone: zone.to_owned(),
            differences: Arc::clone(differences),
            next: Arc::clone(&next),
        };
        let channel = channel.clone();
        workers.spawn(async move { comparer.run(&channel).await });
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(|_| Error::Worker)??;
    }
    Ok(())
}

struct Comparer {
    demo: Arc<Demo>,
    zone: String,
    differences: Arc<Differences>,
    next: Arc<AtomicU64>,
}

impl Comparer {
    async fn run(&self, channel: &Channel) -> Result<(), Error> {
        let (sender, receiver) = mpsc::channel(WINDOW);
        let mut waiting = VecDeque::with_capacity(WINDOW);
        for _ in 0..WINDOW {
            self.ask(&sender, &mut waiting).await;
        }
        // Without the key: as anyone sees it.
        let stream = ReceiverStream::new(receiver);
        let mut answers = resolution(channel)
            .resolve_stream(stream)
            .await?
            .into_inner();
        while let Some(positions) = waiting.pop_front() {
            let Some(answer) = answers.message().await? else {
                return Err(Status::unavailable("the stream ended early").into());
            };
            self.ask(&sender, &mut waiting).await;
            let mut results = answer.results.into_iter();
            for position in positions {
                let outcome = results.next().and_then(|result| result.outcome);
                if let Some(what) = self.difference(position, outcome) {
                    self.differences.note(position, what)?;
                }
            }
        }
        Ok(())
    }

    async fn ask(
        &self,
        sender: &mpsc::Sender<v1::ResolveStreamRequest>,
        waiting: &mut VecDeque<Range<u64>>,
    ) {
        let first = self.next.fetch_add(BATCH, Ordering::Relaxed);
        let positions = first..(first + BATCH).min(self.demo.identifiers());
        if positions.is_empty() {
            return;
        }
        let identifiers = positions
            .clone()
            .map(|at| self.demo.identifier(at).to_string());
        let message = v1::ResolveStreamRequest {
            identifiers: identifiers.collect(),
            ..v1::ResolveStreamRequest::default()
        };
        waiting.push_back(positions);
        // A stream that is gone shows when its answers are read.
        let _gone = sender.send(message).await.is_err();
    }

    /// In what the answer differs from the generated record.
    fn difference(&self, position: u64, outcome: Option<Outcome>) -> Option<String> {
        let (identifier, values) = self.demo.record(position);
        let record = match outcome {
            Some(Outcome::Record(record)) => record,
            Some(Outcome::Error(error)) => {
                return Some(format!("gRPC: {identifier}: {}", error.message));
            }
            None => return Some(format!("gRPC: {identifier}: no outcome")),
        };
        let name = OwnerName::of(&identifier, SuffixCase::Folded, zone_bytes(&self.zone));
        let dns_name = name.map_or_else(String::new, |name| name.below(&self.zone));
        let same = record.name == record_name(&identifier)
            && record.dns_name == dns_name
            && record.values.len() == values.len()
            && values
                .iter()
                .zip(&record.values)
                .all(|(value, seen)| same_value(value, seen));
        (!same).then(|| format!("gRPC: {identifier}: {values:?} expected, {record:?}"))
    }
}
