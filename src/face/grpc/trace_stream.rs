//! Traces as streams: parts as soon as there is something to tell.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Response;

use crate::face::grpc::outgoing::{Answers, End, Outgoing};
use crate::face::grpc::ready;
use crate::face::grpc::shared::{Shared, TRACE_STREAMS_MAX};
use crate::face::grpc::trace_convert::{Asked, failures, requests, until};
use crate::face::grpc::trace_part::Part;
use crate::face::grpc::traces::{WHOLE, begin, kept_message, rest};
use crate::model::{Caller, Reason, Refusal};
use crate::node::{Found, FoundRow, Node, OnwardEnd, OnwardRow, TraceQuery, TraceTaker, Tracing};
use crate::wire::proto::Encoded;
use crate::wire::proto::v1::{TraceRequest, TraceResponse};

/// Bytes of one part of a stream, about: it fits into a frame of those clients that take
/// larger ones than they must.
const PART_BYTES: usize = 48 << 10;
/// Bytes that are held back at most until a trace is done.
const HELD_BYTES_MAX: usize = 16 << 20;
/// A part is sent after that time, however few rows it has.
const PART_AFTER: Duration = Duration::from_millis(20);

/// Begins to trace and returns the parts. What is found at once goes out as one
/// part, without a thread.
///
/// # Errors
/// As [`trace`](super::traces::trace).
pub(super) async fn stream(
    shared: &Arc<Shared>,
    caller: Caller,
    request: TraceRequest,
    (deadline, as_is): (Option<Instant>, bool),
) -> Result<Response<Answers<Encoded<TraceResponse>>>, Refusal> {
    let (until, _) = until(&shared.node, deadline);
    let mut asked = Asked::new(shared, request, WHOLE, until)?;
    asked.go_on(&caller)?;
    let node = &shared.node;
    let (mut beginning, mut tracing) = (Beginning::new(node, &asked.query), None);
    let mut ended = None;
    // To look several starts up may wait for a disk.
    if !node.goes_on(&asked.onward) && asked.query.further.is_empty() {
        let mut begun = match node.find_trace(&caller, &asked.query)? {
            Found::Kept(kept) if may_have(node, &caller, kept.row_count) => {
                let (outgoing, answers) = Outgoing::new(shared, caller, deadline);
                shared.metrics.traced(true);
                if as_is {
                    return Ok(ready::response(answers, kept.octets.clone()));
                }
                outgoing.send_first(kept_message(&kept))?;
                return Ok(Response::new(answers));
            }
            Found::Kept(_) => Box::new(node.begin_trace(&caller, &asked.query)?),
            Found::New(tracing) => tracing,
        };
        let progress = begin(node, &mut begun, &mut beginning)?;
        ended = progress.filter(|progress| !progress.rests);
        tracing = Some(begun);
    }
    shared.metrics.traced(false);
    let (outgoing, answers) = Outgoing::new(shared, caller, deadline);
    let mut giving = Giving::new(node, outgoing, beginning, &asked.query);
    if let Some(progress) = ended
        && giving.full.is_empty()
        && may_have(node, giving.outgoing.caller(), giving.part.row_count)
    {
        let whole = giving.last_part(&asked, OnwardEnd::of(progress));
        if let Some(tracing) = tracing {
            let part = &giving.part;
            tracing.keep(&progress.end, (part.all_bytes(), || part.whole()));
        }
        rest(progress.quiet).await;
        giving.outgoing.send_first(whole)?;
        return Ok(Response::new(answers));
    }
    let permit = Arc::clone(&shared.trace_streams)
        .try_acquire_owned()
        .map_err(|_| Refusal::new(Reason::Overloaded).limit(TRACE_STREAMS_MAX))?;
    shared.tracker.spawn_blocking(move || {
        let _permit = permit;
        let ended = giving.run(&asked, tracing);
        giving.outgoing.end(ended);
    });
    Ok(Response::new(answers))
}

/// Whether the caller may have so many rows without waiting.
fn may_have(node: &Node, caller: &Caller, row_count: u32) -> bool {
    let count = requests(row_count.into()).max(1);
    node.admit_items(caller, count).is_ok()
}

/// What a trace finds where the call is read. It loses no row: what one part does not hold
/// is another.
struct Beginning {
    part: Part,
    full: Vec<Encoded<TraceResponse>>,
}

impl Beginning {
    fn new(node: &Node, query: &TraceQuery) -> Self {
        Self {
            part: Part::new(node, query.form),
            full: Vec::new(),
        }
    }
}

impl TraceTaker for Beginning {
    fn row(&mut self, row: FoundRow<'_>) {
        self.part.add(&row);
        if self.part.is_full() {
            self.full.push(self.part.take());
        }
    }

    fn pause(&mut self) -> ControlFlow<()> {
        match self.full.is_empty() {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }
}

/// A trace whose rows are given as they are found.
struct Giving {
    node: Node,
    outgoing: Outgoing<Encoded<TraceResponse>>,
    part: Part,
    /// Parts that are to be sent.
    full: Vec<Encoded<TraceResponse>>,
    /// Requests that the rows were counted as so far: the call itself was one.
    counted: usize,
    /// Whether nothing is told before the end: what may not be seen behind one of several
    /// starts would be told by when the others are.
    is_held: bool,
    /// When the last part left.
    sent: Option<Instant>,
    /// Why no more can be sent.
    broken: Option<End>,
}

impl Giving {
    fn new(
        node: &Node,
        outgoing: Outgoing<Encoded<TraceResponse>>,
        Beginning { part, full }: Beginning,
        query: &TraceQuery,
    ) -> Self {
        Self {
            node: node.clone(),
            is_held: !query.further.is_empty(),
            outgoing,
            part,
            full,
            counted: 1,
            sent: None,
            broken: None,
        }
    }

    fn run(&mut self, asked: &Asked, mut tracing: Option<Box<Tracing>>) -> Result<(), End> {
        let traced = match &mut tracing {
            Some(tracing) => {
                // What was found before is told first.
                let flushed = self.pause();
                let traced = match flushed {
                    ControlFlow::Continue(()) => tracing.go(asked.query.until, self),
                    ControlFlow::Break(()) => Err(Refusal::new(Reason::Internal)),
                };
                traced.map(OnwardEnd::of)
            }
            None => {
                let (node, caller) = (self.node.clone(), self.outgoing.caller().clone());
                let mut give = |rows: Vec<OnwardRow>| {
                    for row in rows {
                        self.part.add_onward(row);
                        self.part_at_limit();
                    }
                    self.pause()
                };
                node.trace_onward(&caller, (&asked.query, &asked.onward), &mut give)
            }
        };
        if let Some(end) = self.broken.take() {
            return Err(end);
        }
        let end = traced.map_err(End::Refused)?;
        if !self.outgoing.is_wanted() {
            return Err(End::Gone);
        }
        self.outgoing.rest(end.quiet);
        self.flush()?;
        self.count()?;
        let how = end.end;
        let last = self.last_part(asked, end);
        if let Some(tracing) = tracing {
            tracing.keep(&how, (self.part.all_bytes(), || self.part.whole()));
        }
        self.outgoing.send(last)
    }

    /// The part that is in the making, with how all of it ended.
    fn last_part(&mut self, asked: &Asked, ended: OnwardEnd) -> Encoded<TraceResponse> {
        let OnwardEnd {
            end,
            failures: failed,
            more_rows,
            quiet: _,
        } = ended;
        self.part.more_count += u64::try_from(more_rows.len()).unwrap_or(u64::MAX);
        let token = asked.token(self.outgoing.caller(), &end);
        let mut summary = self.part.summary(&end, token);
        summary.failures = failures(failed);
        summary.more_rows = more_rows;
        self.part.end(&summary)
    }

    /// Waits until the caller may have what is there.
    fn count(&mut self) -> Result<(), End> {
        let counted = requests(self.part.row_count.into());
        let further = counted.saturating_sub(self.counted);
        self.outgoing
            .wait_until_allowed(further.saturating_add(1))?;
        self.counted = counted.max(self.counted);
        Ok(())
    }

    fn part_at_limit(&mut self) {
        if self.part.bytes() >= PART_BYTES {
            self.full.push(self.part.take());
        }
    }

    fn flush(&mut self) -> Result<(), End> {
        if !self.full.is_empty() {
            self.count()?;
            for part in std::mem::take(&mut self.full) {
                self.outgoing.send(part)?;
            }
            self.sent = Some(Instant::now());
        }
        Ok(())
    }
}

impl TraceTaker for Giving {
    fn row(&mut self, row: FoundRow<'_>) {
        self.part.add(&row);
        self.part_at_limit();
    }

    fn pause(&mut self) -> ControlFlow<()> {
        if self.is_held && self.part.all_bytes() < HELD_BYTES_MAX {
            return match self.outgoing.is_wanted() {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            };
        }
        self.is_held = false;
        // The start is known. Told alone, it would tell how long there is to look.
        let is_told = self.part.row_count > 1 && self.part.rows > 0;
        let is_due = self.sent.is_none_or(|sent| sent.elapsed() >= PART_AFTER);
        if is_told && is_due {
            self.full.push(self.part.take());
        }
        match self.flush() {
            Ok(()) => ControlFlow::Continue(()),
            Err(end) => {
                self.broken = Some(end);
                ControlFlow::Break(())
            }
        }
    }
}
