//! Sends chunks of records to the node, several ahead of its answers, and
//! keeps account of what became of each record.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::cli::client::Client;
use crate::cli::failure::{Exit, Failure, known};
use crate::cli::import::parse::{CHUNK_RECORDS, Piece};
use crate::cli::import::report::Report;
use crate::cli::import::resume::{Resume, Tally};
use crate::cli::import::rows::{BadRow, Under};
use crate::cli::output::Progress;
use crate::cli::shape::{RecordShape, identifier_of};
use crate::model::Reason;
use crate::wire::proto::v1;
use crate::wire::proto::v1::import_records_request::OnConflict;
use crate::wire::proto::v1::import_records_response::Rejection;

/// Chunks that are sent ahead of the node's answers.
const CHUNKS_IN_FLIGHT: usize = 8;

/// One import as it goes on.
pub struct Sending<'a> {
    client: &'a Client,
    on_conflict: OnConflict,
    validate_only: bool,
    /// Records at the beginning of the stream that an import before this one
    /// may have registered without hearing of it.
    unsure_count: u64,
    window: Semaphore,
    consumed: Arc<AtomicU64>,
    books: RefCell<Books>,
}

/// What is known of the records so far.
struct Books {
    in_flight: VecDeque<Sent>,
    /// Records sent on this stream.
    sent_count: u64,
    /// Whether the file has no more.
    all_sent: bool,
    /// Records that the node acknowledged on this stream.
    acknowledged_count: u64,
    /// Those of the imports before this one included.
    tally: Tally,
    /// Records of the file that are none.
    bad_count: u64,
    report: Report,
    progress: Progress,
    /// `None` if nothing is to be kept: a dry run.
    resume: Option<Resume>,
    under: Option<Arc<Under>>,
}

/// A chunk that is not yet acknowledged.
struct Sent {
    first_position: u64,
    rows: Vec<u64>,
    /// The records, where it may be asked whether they are there already.
    records: Vec<v1::Record>,
}

/// What an import came to.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What became of the records that were sent.
    pub tally: Tally,
    /// Records of the file that are none.
    pub bad_count: u64,
}

/// How records are sent.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What happens to identifiers that are registered already.
    pub on_conflict: OnConflict,
    /// Judge them, and change nothing.
    pub validate_only: bool,
    /// The template that they stand under.
    pub under: Option<Arc<Under>>,
}

impl<'a> Sending<'a> {
    /// An import over `client` that goes on from the tally of `resume`.
    pub fn new(
        client: &'a Client,
        terms: Terms,
        resume: Option<Resume>,
        consumed: Arc<AtomicU64>,
        (report, progress): (Report, Progress),
    ) -> Self {
        let tally = resume.as_ref().map(|r| r.tally().clone());
        let tally = tally.unwrap_or_default();
        let unsure_count = match resume.as_ref().is_some_and(Resume::goes_on) {
            false => 0,
            true => u64::try_from(CHUNKS_IN_FLIGHT * CHUNK_RECORDS).unwrap_or(u64::MAX),
        };
        Self {
            client,
            on_conflict: terms.on_conflict,
            validate_only: terms.validate_only,
            unsure_count,
            window: Semaphore::new(CHUNKS_IN_FLIGHT),
            consumed,
            books: RefCell::new(Books {
                in_flight: VecDeque::new(),
                sent_count: 0,
                all_sent: false,
                acknowledged_count: 0,
                tally,
                bad_count: 0,
                report,
                progress,
                resume,
                under: terms.under,
            }),
        }
    }

    /// Sends all that `pieces` give.
    ///
    /// # Errors
    /// What the node answered, or why it did not; if the file cannot be read
    /// further. What was acknowledged until then is kept.
    pub async fn run(self, mut pieces: mpsc::Receiver<Piece>) -> Result<Ended, Failure> {
        let outcome = match self.next(&mut pieces).await {
            Ok(Some(first)) => {
                let (requests, stream) = mpsc::channel(1);
                let fed = self.feed(first, pieces, requests);
                let collected = self.collect(stream);
                tokio::try_join!(fed, collected).map(|_| ())
            }
            Ok(None) => Ok(()),
            Err(failure) => Err(failure),
        };
        let books = self.books.into_inner();
        books.progress.finish();
        books.report.finish()?;
        outcome?;
        if books.acknowledged_count < books.sent_count {
            let text = format!(
                "the node acknowledged {} of {} records, and no more",
                books.acknowledged_count, books.sent_count
            );
            return Err(Failure::new(Exit::Unavailable, text).hint("go on: add --resume"));
        }
        if let Some(resume) = books.resume {
            resume.remove()?;
        }
        Ok(Ended {
            tally: books.tally,
            bad_count: books.bad_count,
        })
    }

    /// The next chunk; what comes before it goes to the report.
    async fn next(
        &self,
        pieces: &mut mpsc::Receiver<Piece>,
    ) -> Result<Option<(Vec<v1::Record>, Vec<u64>)>, Failure> {
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Records(records, rows) => return Ok(Some((records, rows))),
                Piece::Failed(failure) => return Err(failure),
                Piece::Bad(bad) => {
                    let books = &mut *self.books.borrow_mut();
                    books.bad_count += 1;
                    bad.iter().try_for_each(|bad| books.report.add(bad))?;
                    books.tell(&self.consumed);
                }
            }
        }
        Ok(None)
    }

    async fn feed(
        &self,
        first: (Vec<v1::Record>, Vec<u64>),
        mut pieces: mpsc::Receiver<Piece>,
        requests: mpsc::Sender<v1::ImportRecordsRequest>,
    ) -> Result<(), Failure> {
        let mut next = Some(first);
        while let Some((records, rows)) = next {
            match self.window.acquire().await {
                Ok(permit) => permit.forget(),
                // The node ended the stream; `run` tells what it left out.
                Err(_) => return Ok(()),
            }
            self.books
                .borrow_mut()
                .note(rows, &records, self.unsure_count);
            let request = v1::ImportRecordsRequest {
                on_conflict: self.on_conflict.into(),
                validate_only: self.validate_only,
                records,
            };
            if requests.send(request).await.is_err() {
                // The call ended; its own outcome says why.
                return Ok(());
            }
            next = self.next(&mut pieces).await?;
        }
        self.books.borrow_mut().all_sent = true;
        Ok(())
    }

    async fn collect(
        &self,
        stream: mpsc::Receiver<v1::ImportRecordsRequest>,
    ) -> Result<(), Failure> {
        let mut registry = self.client.registry();
        let call = registry.import_records(ReceiverStream::new(stream));
        let mut answers = self.client.answer(call).await?;
        loop {
            let waited = tokio::time::timeout(self.client.timeout(), answers.message()).await;
            match waited {
                Ok(Ok(Some(answer))) => self.acknowledge(answer).await?,
                Ok(Ok(None)) => {
                    self.window.close();
                    return Ok(());
                }
                Ok(Err(status)) => {
                    return Err(Failure::from_status(&status).hint("go on: add --resume"));
                }
                Err(_) if self.books.borrow().awaits_nothing() => {}
                Err(_) => return Err(self.client.too_late().hint("go on: add --resume")),
            }
        }
    }

    async fn acknowledge(&self, answer: v1::ImportRecordsResponse) -> Result<(), Failure> {
        let v1::ImportRecordsResponse {
            covered_count,
            created_count,
            updated_count,
            unchanged_count,
            skipped_count,
            rejections,
        } = answer;
        let mut done_before = 0;
        let mut rejected = Vec::with_capacity(rejections.len());
        for rejection in rejections {
            if self.was_done_before(&rejection).await? {
                done_before += 1;
            } else {
                rejected.push(rejection);
            }
        }
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let books = &mut *self.books.borrow_mut();
        for rejection in &rejected {
            for bad in books.bad_rows(rejection) {
                books.report.add(&bad)?;
            }
        }
        let covered_count = count(covered_count);
        let tally = &mut books.tally;
        tally.covered_count += covered_count.saturating_sub(books.acknowledged_count);
        tally.created_count += count(created_count) + done_before;
        tally.updated_count += count(updated_count);
        tally.unchanged_count += count(unchanged_count);
        tally.skipped_count += count(skipped_count);
        tally.rejected_count += u64::try_from(rejected.len()).unwrap_or(0);
        books.acknowledged_count = covered_count;
        while let Some(sent) = books.in_flight.front() {
            let length = u64::try_from(sent.rows.len()).unwrap_or(u64::MAX);
            if sent.first_position + length > covered_count {
                break;
            }
            books.in_flight.pop_front();
            self.window.add_permits(1);
        }
        if let Some(resume) = &mut books.resume {
            resume.keep(&books.tally)?;
        }
        books.tell(&self.consumed);
        Ok(())
    }

    /// Whether a record exists because the import before this one registered
    /// it, and was ended before it heard so.
    async fn was_done_before(&self, rejection: &Rejection) -> Result<bool, Failure> {
        let reason = rejection.error.as_ref().and_then(|e| known(&e.reason));
        let position = u64::try_from(rejection.position).unwrap_or(u64::MAX);
        if reason != Some(Reason::RecordExists) || position >= self.unsure_count {
            return Ok(false);
        }
        let Some(sent) = self.books.borrow().record(position).cloned() else {
            return Ok(false);
        };
        let name = sent.name.clone();
        let request = self.client.request(v1::GetRecordRequest { name });
        let there = self
            .client
            .answer(self.client.registry().get_record(request))
            .await?;
        let (there, sent) = (RecordShape::kept(there), RecordShape::kept(sent));
        Ok(there.values == sent.values && there.readers == sent.readers)
    }
}

impl Books {
    /// Whether it is not the node's turn: the file is read slowly.
    fn awaits_nothing(&self) -> bool {
        self.in_flight.is_empty() && !self.all_sent
    }

    /// Notes a chunk that is about to be sent.
    fn note(&mut self, rows: Vec<u64>, records: &[v1::Record], unsure_count: u64) {
        let first_position = self.sent_count;
        self.sent_count += u64::try_from(rows.len()).unwrap_or(0);
        self.in_flight.push_back(Sent {
            first_position,
            rows,
            records: if first_position < unsure_count {
                records.to_vec()
            } else {
                Vec::new()
            },
        });
    }

    fn sent(&self, position: u64) -> Option<(&Sent, usize)> {
        self.in_flight.iter().find_map(|sent| {
            let offset = position.checked_sub(sent.first_position)?;
            let offset = usize::try_from(offset).ok()?;
            (offset < sent.rows.len()).then_some((sent, offset))
        })
    }

    fn record(&self, position: u64) -> Option<&v1::Record> {
        let (sent, offset) = self.sent(position)?;
        sent.records.get(offset)
    }

    /// A refusal of the node, at the row that it is about: each of its faults.
    fn bad_rows(&self, rejection: &Rejection) -> Vec<BadRow> {
        let position = u64::try_from(rejection.position).unwrap_or(u64::MAX);
        let row = self.sent(position).and_then(|(sent, at)| sent.rows.get(at));
        let row = row.copied().unwrap_or_default();
        let error = rejection.error.clone().unwrap_or_default();
        let errors = if error.faults.is_empty() {
            vec![error]
        } else {
            error.faults
        };
        let bad = |error: v1::ItemError| BadRow {
            row,
            // `name` is the API's word for the identifier; a file may have a
            // column of that name that is something else.
            column: match (error.field.as_str(), &self.under) {
                ("" | "name", _) => "identifier".to_owned(),
                (field, Some(under)) => under.column(field),
                (_, None) => error.field,
            },
            value: identifier_of(&rejection.name).to_owned(),
            reason: error.reason,
            english: error.message,
            chinese: error.message_zh,
        };
        errors.into_iter().map(bad).collect()
    }

    fn tell(&mut self, consumed: &AtomicU64) {
        let refused_count = self.bad_count + self.tally.rejected_count;
        let message = format!(
            "{} records, {refused_count} refused",
            self.tally.covered_count
        );
        self.progress
            .update(consumed.load(Ordering::Relaxed), &message);
    }
}

impl std::fmt::Debug for Sending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
