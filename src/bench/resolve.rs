//! Resolution over gRPC, in its three ways.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::bench::clock;
use crate::bench::error::Error;
use crate::bench::histogram::Tally;
use crate::bench::process::Watch;
use crate::bench::proto::record_name;
use crate::bench::report::Report;
use crate::bench::target::{Target, resolution};
use crate::bench::workload::{Bound, Workload};
use crate::model::Identifier;
use crate::wire::proto::v1;
use crate::wire::proto::v1::resolve_result::Outcome;

/// How identifiers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One in a call.
    Unary,
    /// Many in a call.
    Batch,
    /// Many in a message, on one call that stays open.
    Stream,
}

/// How a node is asked over gRPC.
#[derive(Clone, Debug)]
pub struct Resolving {
    /// In which way.
    pub mode: Mode,
    /// Calls, or messages of a stream, that are outstanding on each connection.
    pub window: usize,
    /// Identifiers in a message; 1 in [`Mode::Unary`].
    pub batch: usize,
    /// When it ends.
    pub bound: Bound,
    /// Processes of the server, to be watched.
    pub pids: Vec<u32>,
}

/// Resolves identifiers of `workload` until the bound.
///
/// # Errors
/// [`Error::Refused`] if a stream breaks, [`Error::Process`],
/// [`Error::Worker`].
pub async fn resolve(
    target: &Target,
    workload: Workload,
    how: &Resolving,
) -> Result<Report, Error> {
    let watch = Watch::new(&how.pids);
    let before = watch.used()?;
    let start = clock::now();
    let batch = match how.mode {
        Mode::Unary => 1,
        Mode::Batch | Mode::Stream => how.batch.max(1),
    };
    let asker = Arc::new(Asker {
        target: target.clone(),
        workload,
        bound: how.bound,
        batch: u64::try_from(batch).unwrap_or(1),
        window: how.window.max(1),
        start,
        next: AtomicU64::new(0),
    });
    let mut workers = JoinSet::new();
    for channel in target.channels() {
        let lanes = match how.mode {
            Mode::Unary | Mode::Batch => asker.window,
            Mode::Stream => 1,
        };
        for _ in 0..lanes {
            let (asker, channel, mode) = (Arc::clone(&asker), channel.clone(), how.mode);
            workers.spawn(async move {
                match mode {
                    Mode::Unary => Ok(asker.unary(&channel).await),
                    Mode::Batch => Ok(asker.batches(&channel).await),
                    Mode::Stream => asker.stream(&channel).await,
                }
            });
        }
    }
    let mut sum = Tally::new();
    while let Some(ended) = workers.join_next().await {
        sum.add(ended.map_err(|_| Error::Worker)??);
    }
    let time = clock::now().saturating_duration_since(start);
    let after = watch.used()?;
    let name = match how.mode {
        Mode::Unary => "grpc-resolve unary",
        Mode::Batch => "grpc-resolve batch",
        Mode::Stream => "grpc-resolve stream",
    };
    Ok(Report::new(name, &sum, time, before.zip(after)))
}

/// One identifier that was asked for.
struct Question {
    identifier: Identifier,
    exists: bool,
}

struct Asker {
    target: Target,
    workload: Workload,
    bound: Bound,
    batch: u64,
    window: usize,
    start: Instant,
    next: AtomicU64,
}

impl Asker {
    /// The next questions; none once the bound is reached.
    fn questions(&self) -> Vec<Question> {
        if self.bound.over(self.start, clock::now()) {
            return Vec::new();
        }
        let first = self.next.fetch_add(self.batch, Ordering::Relaxed);
        let end = (first + self.batch).min(self.bound.requests_max());
        let numbers = first..end;
        let question = |number| {
            let asked = self.workload.asked(number);
            Question {
                identifier: self.workload.demo.identifier(asked.position),
                exists: asked.exists,
            }
        };
        numbers.map(question).collect()
    }

    async fn unary(&self, channel: &Channel) -> Tally {
        let mut client = resolution(channel);
        let mut tally = Tally::new();
        while let Some(question) = self.questions().pop() {
            let sent = clock::now();
            let request = self.target.request(v1::ResolveRequest {
                identifier: question.identifier.to_string(),
                ..v1::ResolveRequest::default()
            });
            let answer = client.resolve(request).await;
            tally.took(clock::now().saturating_duration_since(sent));
            match answer {
                Ok(answer) => {
                    let record = answer.into_inner().record;
                    judge(&mut tally, &question, record.map(Outcome::Record));
                }
                Err(status) => judge(&mut tally, &question, Some(outcome_of(&status))),
            }
        }
        tally
    }

    async fn batches(&self, channel: &Channel) -> Tally {
        let mut client = resolution(channel);
        let mut tally = Tally::new();
        loop {
            let questions = self.questions();
            if questions.is_empty() {
                return tally;
            }
            let sent = clock::now();
            let request = self.target.request(v1::BatchResolveRequest {
                identifiers: names(&questions),
                ..v1::BatchResolveRequest::default()
            });
            let answer = client.batch_resolve(request).await;
            tally.took(clock::now().saturating_duration_since(sent));
            match answer {
                Ok(answer) => judge_all(&mut tally, &questions, answer.into_inner().results),
                Err(status) => questions.iter().for_each(|question| {
                    judge(&mut tally, question, Some(outcome_of(&status)));
                }),
            }
        }
    }

    async fn stream(&self, channel: &Channel) -> Result<Tally, Error> {
        let (sender, receiver) = mpsc::channel(self.window);
        let mut waiting = VecDeque::with_capacity(self.window);
        let mut tally = Tally::new();
        for _ in 0..self.window {
            self.ask(&sender, &mut waiting).await;
        }
        let request = self.target.request(ReceiverStream::new(receiver));
        let mut answers = resolution(channel)
            .resolve_stream(request)
            .await?
            .into_inner();
        while let Some((sent, questions)) = waiting.pop_front() {
            let Some(answer) = answers.message().await? else {
                let cut = Status::unavailable("the stream ended early");
                return Err(cut.into());
            };
            tally.took(clock::now().saturating_duration_since(sent));
            self.ask(&sender, &mut waiting).await;
            judge_all(&mut tally, &questions, answer.results);
        }
        Ok(tally)
    }

    /// Puts the next message on a stream, while there is one.
    async fn ask(
        &self,
        sender: &mpsc::Sender<v1::ResolveStreamRequest>,
        waiting: &mut VecDeque<(Instant, Vec<Question>)>,
    ) {
        let questions = self.questions();
        if questions.is_empty() {
            return;
        }
        let message = v1::ResolveStreamRequest {
            identifiers: names(&questions),
            ..v1::ResolveStreamRequest::default()
        };
        // A stream that is gone shows when its answers are read.
        if sender.send(message).await.is_ok() {
            waiting.push_back((clock::now(), questions));
        }
    }
}

fn names(questions: &[Question]) -> Vec<String> {
    let identifiers = questions.iter().map(|q| q.identifier.to_string());
    identifiers.collect()
}

fn outcome_of(status: &Status) -> Outcome {
    Outcome::Error(v1::ItemError {
        code: i32::from(status.code()),
        message: status.message().to_owned(),
        ..v1::ItemError::default()
    })
}

fn judge_all(tally: &mut Tally, questions: &[Question], results: Vec<v1::ResolveResult>) {
    let mut results = results.into_iter();
    for question in questions {
        judge(
            tally,
            question,
            results.next().and_then(|result| result.outcome),
        );
    }
}

fn judge(tally: &mut Tally, question: &Question, outcome: Option<Outcome>) {
    let wrong = match outcome {
        Some(Outcome::Record(record)) if question.exists => {
            (record.name != record_name(&question.identifier)).then_some(record.name)
        }
        Some(Outcome::Record(record)) => Some(format!("{} exists", record.name)),
        Some(Outcome::Error(error)) if !question.exists => {
            (error.code != i32::from(Code::NotFound)).then_some(error.message)
        }
        Some(Outcome::Error(error)) => Some(error.message),
        None => Some("no outcome".to_owned()),
    };
    match wrong {
        None => {
            tally.answered += 1;
            tally.found += u64::from(question.exists);
        }
        Some(what) => tally.wrong(|| format!("{}: {what}", question.identifier)),
    }
}
