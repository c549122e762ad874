//! Registration over gRPC. Every answer stands for a synced write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::bench::clock;
use crate::bench::error::Error;
use crate::bench::histogram::Tally;
use crate::bench::pace::Pace;
use crate::bench::process::Watch;
use crate::bench::proto::record;
use crate::bench::report::Report;
use crate::bench::target::{Target, registry};
use crate::bench::workload::Bound;
use crate::demo::Demo;
use crate::model::SuffixCase;
use crate::wire::proto::v1;
use crate::wire::proto::v1::batch_write_request::{Item, item::Change};
use crate::wire::proto::v1::batch_write_response::result::Outcome;

/// How identifiers are registered, one after the other from `first` on.
#[derive(Clone, Debug)]
pub struct Registering {
    /// Position of the first one in the data. At its end or behind it, identifiers
    /// follow that the data does not have, without an end.
    pub first: u64,
    /// Calls outstanding on each connection.
    pub window: usize,
    /// Identifiers in a call: 1 is `CreateRecord`, more are `BatchWrite`.
    pub batch: usize,
    /// Identifiers a second, each call due whatever became of others; those that
    /// are due and find no call free by the end are lost. `None`: as many as are
    /// answered.
    pub per_second: Option<u64>,
    /// When it ends; at the end of the data in any case.
    pub bound: Bound,
    /// Processes of the server, to be watched.
    pub pids: Vec<u32>,
}

/// Registers prefixes, then identifiers of `demo` until the bound. Whoever begins
/// behind the first identifier has registered the prefixes with those before.
///
/// # Errors
/// [`Error::Refused`] if a prefix is, [`Error::Process`], [`Error::Worker`].
pub async fn register(target: &Target, demo: Demo, how: &Registering) -> Result<Report, Error> {
    if how.first == 0 {
        target.create_prefixes(&demo).await?;
    }
    let watch = Watch::new(&how.pids);
    let before = watch.used()?;
    let mut source = Source::new(demo, how.first, how.batch, how.bound);
    source.pace = how.per_second.map(|rate| Pace::new(source.start, rate));
    let source = Arc::new(source);
    let mut workers = JoinSet::new();
    for channel in target.channels() {
        for _ in 0..how.window.max(1) {
            let (source, target) = (Arc::clone(&source), target.clone());
            let channel = channel.clone();
            workers.spawn(async move { register_some(&source, &target, &channel).await });
        }
    }
    let mut sum = Tally::new();
    while let Some(ended) = workers.join_next().await {
        sum.add(ended.map_err(|_| Error::Worker)?);
    }
    sum.lost += source.left_over();
    let time = clock::now().saturating_duration_since(source.start);
    let used = before.zip(watch.used()?);
    let name = if how.batch > 1 {
        "register batch"
    } else {
        "register unary"
    };
    let mut report = Report::new(name, &sum, time, used);
    report.disk_bytes_per_identifier = target.disk_bytes_per_identifier().await?;
    Ok(report)
}

/// Gives out the records of the data, some at a time, each once.
pub(super) struct Source {
    demo: Demo,
    first: u64,
    next: AtomicU64,
    end: u64,
    batch: u64,
    bound: Bound,
    pub(super) start: Instant,
    /// When records are due; `None` where they go as soon as may be.
    pace: Option<Pace>,
    /// Which position comes when; `None`: as they stand in the data.
    order: Option<Vec<u32>>,
}

impl Source {
    pub(super) fn new(demo: Demo, first: u64, batch: usize, bound: Bound) -> Self {
        let data_end = demo.identifiers();
        let end = if first < data_end { data_end } else { u64::MAX };
        Self {
            demo,
            first,
            next: AtomicU64::new(first),
            end: first.saturating_add(bound.requests_max()).min(end),
            batch: u64::try_from(batch.max(1)).unwrap_or(1),
            bound,
            start: clock::now(),
            pace: None,
            order: None,
        }
    }

    /// The same records in the order of their identifiers, as the store has them.
    pub(super) fn sorted(mut self) -> Self {
        let key = |position: u64| self.demo.identifier(position).key(SuffixCase::Folded);
        let positions = (0..self.end).map_while(|position| u32::try_from(position).ok());
        let mut order: Vec<_> = positions.map(|at| (key(at.into()), at)).collect();
        order.sort_unstable();
        self.order = Some(order.into_iter().map(|(_, at)| at).collect());
        self
    }

    /// The next records, as soon as they are due; none at the end.
    pub(super) async fn records(&self) -> (Instant, Vec<v1::Record>) {
        let now = clock::now();
        if self.bound.over(self.start, now) {
            return (now, Vec::new());
        }
        let first = self.next.fetch_add(self.batch, Ordering::Relaxed);
        let positions = first..first.saturating_add(self.batch).min(self.end);
        let record = |at| {
            let place = |order: &Vec<u32>| order.get(usize::try_from(at).ok()?).copied();
            let at = self.order.as_ref().and_then(place).map_or(at, u64::from);
            let (identifier, values) = self.demo.record(at);
            record(&identifier, &values)
        };
        let Some(pace) = self.pace.filter(|_| !positions.is_empty()) else {
            return (now, positions.map(record).collect());
        };
        let due = pace.due(first.saturating_sub(self.first));
        if self.bound.over(self.start, due) {
            return (due, Vec::new());
        }
        let records = positions.map(record).collect();
        tokio::time::sleep_until(due.into()).await;
        (due, records)
    }

    /// How many records were due within the time and not taken, of calls that had
    /// none free to carry them.
    fn left_over(&self) -> u64 {
        let (Some(pace), Some(time)) = (self.pace, self.bound.time) else {
            return 0;
        };
        let due = pace
            .count_within(time)
            .min(self.end.saturating_sub(self.first));
        let taken = self.next.load(Ordering::Relaxed).saturating_sub(self.first);
        due.saturating_sub(taken)
    }
}

async fn register_some(source: &Source, target: &Target, channel: &Channel) -> Tally {
    let mut client = registry(channel);
    let mut tally = Tally::new();
    loop {
        let (due, mut records) = source.records().await;
        let count = u64::try_from(records.len()).unwrap_or_default();
        let sent = source.pace.map_or_else(clock::now, |_| due);
        let answer = match (source.batch, records.pop()) {
            (_, None) => return tally,
            (1, Some(only)) => {
                let request = target.request(create(only));
                client.create_record(request).await.map(|_| 0)
            }
            (_, Some(last)) => {
                records.push(last);
                let items = records.into_iter().map(|record| Item {
                    change: Some(Change::Create(create(record))),
                });
                let request = target.request(v1::BatchWriteRequest {
                    items: items.collect(),
                    ..v1::BatchWriteRequest::default()
                });
                let answer = client.batch_write(request).await;
                answer.map(|answer| refused(&mut tally, answer.into_inner()))
            }
        };
        tally.took(clock::now().saturating_duration_since(sent));
        match answer {
            Ok(refused) => {
                tally.answered += count.saturating_sub(refused);
                tally.found += count.saturating_sub(refused);
            }
            Err(status) => {
                tally.wrong(|| status.message().to_owned());
                tally.wrong += count.saturating_sub(1);
            }
        }
    }
}

fn create(record: v1::Record) -> v1::CreateRecordRequest {
    v1::CreateRecordRequest {
        record: Some(record),
        ..v1::CreateRecordRequest::default()
    }
}

/// How many items of a batch were refused.
fn refused(tally: &mut Tally, answer: v1::BatchWriteResponse) -> u64 {
    let before = tally.wrong;
    for result in answer.results {
        match result.outcome {
            Some(Outcome::Record(_)) => {}
            Some(Outcome::Error(error)) => tally.wrong(|| error.message),
            None => tally.wrong(|| "no outcome".to_owned()),
        }
    }
    tally.wrong - before
}
