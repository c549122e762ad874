//! Import over gRPC. Every answer stands for synced writes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;

use crate::bench::clock;
use crate::bench::error::Error;
use crate::bench::histogram::Tally;
use crate::bench::process::Watch;
use crate::bench::report::Report;
use crate::bench::target::Target;
use crate::bench::workload::Bound;
use crate::bench::write::Source;
use crate::demo::Demo;
use crate::wire::proto::v1::import_records_request::OnConflict;
use crate::wire::proto::{Codec, Encoded, v1};

/// How the data is imported.
#[derive(Clone, Debug)]
pub struct Importing {
    /// Records in a message.
    pub batch: usize,
    /// Messages outstanding on each stream; one stream for each connection.
    pub window: usize,
    /// Records that are made and encoded before the clock runs; the rest is while it
    /// does.
    pub prepared: u64,
    /// Replace what is there; else what is there is an error.
    pub update: bool,
    /// Have the server write very many together.
    pub bulk: bool,
    /// In the order of the identifiers.
    pub sorted: bool,
    /// Processes of the server, to be watched.
    pub pids: Vec<u32>,
}

/// Registers prefixes, then imports all of `demo`.
///
/// # Errors
/// As [`register`](super::register); [`Error::Refused`] if a stream breaks.
pub async fn import(target: &Target, demo: Demo, how: &Importing) -> Result<Report, Error> {
    target.create_prefixes(&demo).await?;
    let unbound = Bound {
        requests: None,
        time: None,
    };
    let source = Source::new(demo, 0, how.batch, unbound);
    let source = match how.sorted {
        true => source.sorted(),
        false => source,
    };
    let messages = Arc::new(Messages::new(source, how).await);
    let watch = Watch::new(&how.pids);
    let before = watch.used()?;
    let start = clock::now();
    let mut workers = JoinSet::new();
    for channel in target.channels() {
        let (messages, target) = (Arc::clone(&messages), target.clone());
        let (channel, window) = (channel.clone(), how.window);
        workers.spawn(async move { import_some(&messages, &target, channel, window).await });
    }
    let mut sum = Tally::new();
    while let Some(ended) = workers.join_next().await {
        sum.add(ended.map_err(|_| Error::Worker)??);
    }
    let time = clock::now().saturating_duration_since(start);
    let used = before.zip(watch.used()?);
    let mut report = Report::new("import", &sum, time, used);
    report.disk_bytes_per_identifier = target.disk_bytes_per_identifier().await?;
    Ok(report)
}

/// A message that is ready to go.
struct Message {
    octets: Encoded<v1::ImportRecordsRequest>,
    records: i64,
}

/// Gives out the messages of the data, each once.
struct Messages {
    source: Source,
    on_conflict: OnConflict,
    bulk: bool,
    prepared: Mutex<VecDeque<Message>>,
}

impl Messages {
    async fn new(source: Source, how: &Importing) -> Self {
        let on_conflict = match how.update {
            true => OnConflict::Update,
            false => OnConflict::Fail,
        };
        let mut messages = Self {
            source,
            on_conflict,
            bulk: how.bulk,
            prepared: Mutex::default(),
        };
        let mut prepared = VecDeque::new();
        let mut left = i64::try_from(how.prepared).unwrap_or(i64::MAX);
        while left > 0
            && let Some(message) = messages.made().await
        {
            left -= message.records;
            prepared.push_back(message);
        }
        messages.prepared = Mutex::new(prepared);
        messages
    }

    /// One that was prepared, or the next one of the data.
    async fn next(&self) -> Option<Message> {
        let prepared = self.prepared.lock().pop_front();
        match prepared {
            Some(message) => Some(message),
            None => self.made().await,
        }
    }

    async fn made(&self) -> Option<Message> {
        let (_, records) = self.source.records().await;
        let count = i64::try_from(records.len()).unwrap_or(i64::MAX);
        let request = v1::ImportRecordsRequest {
            on_conflict: self.on_conflict.into(),
            validate_only: false,
            records,
            bulk: self.bulk,
        };
        (count > 0).then(|| Message {
            octets: Encoded::new(request.encode_to_vec()),
            records: count,
        })
    }
}

async fn import_some(
    messages: &Messages,
    target: &Target,
    channel: Channel,
    window: usize,
) -> Result<Tally, Error> {
    let window = window.max(1);
    let (sender, receiver) = mpsc::channel(window);
    let mut feed = Feed {
        messages,
        sender,
        waiting: VecDeque::with_capacity(window),
        sent_count: 0,
    };
    for _ in 0..window {
        feed.send().await;
    }
    let mut tally = Tally::new();
    let mut client = Grpc::new(channel);
    let ready = client.ready().await;
    ready.map_err(|error| Status::unavailable(error.to_string()))?;
    let codec = Codec::<Encoded<v1::ImportRecordsRequest>, v1::ImportRecordsResponse>::default();
    let path = PathAndQuery::from_static("/idnode.v1.Registry/ImportRecords");
    let request = target.request(ReceiverStream::new(receiver));
    let answers = client.streaming(request, path, codec).await?;
    let mut answers = answers.into_inner();
    while !feed.waiting.is_empty() {
        let Some(answer) = answers.message().await? else {
            return Err(Status::unavailable("the stream ended early").into());
        };
        let now = clock::now();
        let taken = answer.created_count + answer.updated_count + answer.unchanged_count;
        let taken = u64::try_from(taken).unwrap_or_default();
        tally.answered += taken;
        tally.found += taken;
        for rejection in answer.rejections {
            let error = rejection.error.unwrap_or_default();
            tally.wrong(|| format!("{}: {}", rejection.name, error.message));
        }
        while let Some((end, sent)) = feed.waiting.front().copied() {
            if end > answer.covered_count {
                break;
            }
            feed.waiting.pop_front();
            tally.took(now.saturating_duration_since(sent));
            feed.send().await;
        }
    }
    Ok(tally)
}

/// What goes into one import stream.
struct Feed<'a> {
    messages: &'a Messages,
    sender: mpsc::Sender<Encoded<v1::ImportRecordsRequest>>,
    /// Of each message that is not answered: the count of items up to its
    /// end, and when it was sent.
    waiting: VecDeque<(i64, Instant)>,
    sent_count: i64,
}

impl Feed<'_> {
    /// Sends the next message, while there is one.
    async fn send(&mut self) {
        let Some(message) = self.messages.next().await else {
            return;
        };
        self.sent_count += message.records;
        // A stream that is gone shows when its answers are read.
        if self.sender.send(message.octets).await.is_ok() {
            self.waiting.push_back((self.sent_count, clock::now()));
        }
    }
}
