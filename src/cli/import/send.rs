//! Sends chunks of a file to the node, several ahead of its answers, and
//! keeps account of what became of each item.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Semaphore, mpsc};

use crate::cli::client::Client;
use crate::cli::failure::{Exit, Failure, known};
use crate::cli::import::parse::{CHUNK_ITEMS, Piece};
use crate::cli::import::report::Report;
use crate::cli::import::resume::{Resume, Tally};
use crate::cli::import::rows::BadRow;
use crate::cli::import::subject::{Rejected, Subject};
use crate::cli::output::Progress;
use crate::wire::proto::v1::ItemError;
use crate::wire::proto::v1::import_records_request::OnConflict;

/// Chunks that are sent ahead of the node's answers.
pub const CHUNKS_IN_FLIGHT: usize = 32;
/// As above, in bulk: three groups of what the node writes together.
pub const BULK_CHUNKS_IN_FLIGHT: usize = 100;

/// One import as it goes on.
pub struct Sending<'a, S: Subject> {
    client: &'a Client,
    on_conflict: OnConflict,
    validate_only: bool,
    /// Items at the beginning of the stream that an import before this one
    /// may have brought without hearing of it.
    unsure_count: u64,
    window: Semaphore,
    consumed: Arc<AtomicU64>,
    books: RefCell<Books<S>>,
}

/// What is known of the items so far.
struct Books<S: Subject> {
    in_flight: VecDeque<Sent<S::Item>>,
    /// Items sent on this stream.
    sent_count: u64,
    /// Whether the file has no more.
    all_sent: bool,
    /// Items that the node acknowledged on this stream.
    acknowledged_count: u64,
    /// Those of the imports before this one included.
    tally: Tally,
    /// Items of the file that are none.
    bad_count: u64,
    report: Report,
    progress: Progress,
    /// `None` if nothing is to be kept: a dry run.
    resume: Option<Resume>,
    subject: S,
}

/// A chunk that is not yet acknowledged.
struct Sent<T> {
    first_position: u64,
    rows: Vec<u64>,
    /// The items, where it may be asked whether they are there already.
    items: Vec<T>,
}

/// What an import came to.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What became of the items that were sent.
    pub tally: Tally,
    /// Items of the file that are none.
    pub bad_count: u64,
}

/// How items are sent.
#[derive(Clone, Debug)]
pub struct Terms<S> {
    /// What happens to those that are there already.
    pub on_conflict: OnConflict,
    /// Judge them, and change nothing.
    pub validate_only: bool,
    /// What they are.
    pub subject: S,
}

impl<'a, S: Subject> Sending<'a, S> {
    /// An import over `client` that goes on from the tally of `resume`.
    pub fn new(
        client: &'a Client,
        terms: Terms<S>,
        resume: Option<Resume>,
        consumed: Arc<AtomicU64>,
        (report, progress): (Report, Progress),
    ) -> Self {
        let tally = resume.as_ref().map(|r| r.tally().clone());
        let tally = tally.unwrap_or_default();
        let unsure_count = match resume.as_ref().is_some_and(Resume::goes_on) {
            false => 0,
            // Whichever way that one went.
            true => u64::try_from(BULK_CHUNKS_IN_FLIGHT * CHUNK_ITEMS).unwrap_or(u64::MAX),
        };
        Self {
            client,
            on_conflict: terms.on_conflict,
            validate_only: terms.validate_only,
            unsure_count,
            window: Semaphore::new(terms.subject.chunks_in_flight()),
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
                subject: terms.subject,
            }),
        }
    }

    /// Sends all that `pieces` give.
    ///
    /// # Errors
    /// What the node answered, or why it did not; if the file cannot be read
    /// further. What was acknowledged until then is kept.
    pub async fn run(self, mut pieces: mpsc::Receiver<Piece<S::Item>>) -> Result<Ended, Failure> {
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
                "the node acknowledged {} of {} {}, and no more",
                books.acknowledged_count,
                books.sent_count,
                S::WORD
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
        pieces: &mut mpsc::Receiver<Piece<S::Item>>,
    ) -> Result<Option<(Vec<S::Item>, Vec<u64>)>, Failure> {
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Items(items, rows) => return Ok(Some((items, rows))),
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
        first: (Vec<S::Item>, Vec<u64>),
        mut pieces: mpsc::Receiver<Piece<S::Item>>,
        requests: mpsc::Sender<S::Request>,
    ) -> Result<(), Failure> {
        let mut next = Some(first);
        while let Some((items, rows)) = next {
            match self.window.acquire().await {
                Ok(permit) => permit.forget(),
                // The node ended the stream; `run` tells what it left out.
                Err(_) => return Ok(()),
            }
            self.books
                .borrow_mut()
                .note(rows, &items, self.unsure_count);
            let request = {
                let subject = &self.books.borrow().subject;
                subject.request(items, self.on_conflict, self.validate_only)
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

    async fn collect(&self, stream: mpsc::Receiver<S::Request>) -> Result<(), Failure> {
        let call = S::begin(self.client, stream);
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

    async fn acknowledge(&self, answer: S::Answer) -> Result<(), Failure> {
        let answer = S::acknowledged(answer);
        let mut done_before = 0;
        let mut rejected = Vec::with_capacity(answer.rejected.len());
        for rejection in answer.rejected {
            if self.was_done_before(&rejection).await? {
                done_before += 1;
            } else {
                rejected.push(rejection);
            }
        }
        let books = &mut *self.books.borrow_mut();
        for rejection in &rejected {
            for bad in books.bad_rows(rejection) {
                books.report.add(&bad)?;
            }
        }
        let covered_count = answer.covered_count;
        let tally = &mut books.tally;
        tally.covered_count += covered_count.saturating_sub(books.acknowledged_count);
        tally.created_count += answer.created_count + done_before;
        tally.updated_count += answer.updated_count;
        tally.unchanged_count += answer.unchanged_count;
        tally.skipped_count += answer.skipped_count;
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

    /// Whether an item exists because the import before this one brought it, and
    /// was ended before it heard so.
    async fn was_done_before(&self, rejection: &Rejected) -> Result<bool, Failure> {
        let reason = known(&rejection.error.reason);
        if reason != Some(S::EXISTS) || rejection.position >= self.unsure_count {
            return Ok(false);
        }
        let sent = self.books.borrow().item(rejection.position).cloned();
        match sent {
            Some(sent) => S::is_there(self.client, sent).await,
            None => Ok(false),
        }
    }
}

impl<S: Subject> Books<S> {
    /// Whether it is not the node's turn: the file is read slowly.
    fn awaits_nothing(&self) -> bool {
        self.in_flight.is_empty() && !self.all_sent
    }

    /// Notes a chunk that is about to be sent.
    fn note(&mut self, rows: Vec<u64>, items: &[S::Item], unsure_count: u64) {
        let first_position = self.sent_count;
        self.sent_count += u64::try_from(rows.len()).unwrap_or(0);
        self.in_flight.push_back(Sent {
            first_position,
            rows,
            items: if first_position < unsure_count {
                items.to_vec()
            } else {
                Vec::new()
            },
        });
    }

    fn sent(&self, position: u64) -> Option<(&Sent<S::Item>, usize)> {
        self.in_flight.iter().find_map(|sent| {
            let offset = position.checked_sub(sent.first_position)?;
            let offset = usize::try_from(offset).ok()?;
            (offset < sent.rows.len()).then_some((sent, offset))
        })
    }

    fn item(&self, position: u64) -> Option<&S::Item> {
        let (sent, offset) = self.sent(position)?;
        sent.items.get(offset)
    }

    /// A refusal of the node, at the row that it is about: each of its faults.
    fn bad_rows(&self, rejection: &Rejected) -> Vec<BadRow> {
        let sent = self.sent(rejection.position);
        let row = sent.and_then(|(sent, at)| sent.rows.get(at));
        let row = row.copied().unwrap_or_default();
        let error = rejection.error.clone();
        let errors = if error.faults.is_empty() {
            vec![error]
        } else {
            error.faults
        };
        let bad = |error: ItemError| BadRow {
            row,
            column: self.subject.column(&error.field),
            value: rejection.name.clone(),
            reason: error.reason,
            english: error.message,
            chinese: error.message_zh,
        };
        errors.into_iter().map(bad).collect()
    }

    fn tell(&mut self, consumed: &AtomicU64) {
        let refused_count = self.bad_count + self.tally.rejected_count;
        let message = format!(
            "{} {}, {refused_count} refused",
            self.tally.covered_count,
            S::WORD
        );
        self.progress
            .update(consumed.load(Ordering::Relaxed), &message);
    }
}

impl<S: Subject> std::fmt::Debug for Sending<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
