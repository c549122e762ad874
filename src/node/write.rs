//! Writing: from a request to a command in the log, and the writer behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Histogram, describe_histogram, histogram};

use crate::access::{Action, permit};
use crate::cluster;
use crate::model::limits::{BATCH_ITEMS_MAX, BULK_ITEMS};
use crate::model::{Caller, Reason, Refusal, Who};
use crate::node::refused::{Attempt, Attempts, Subject, is_kept};
use crate::node::sign_ins::SignIns;
use crate::node::trace::Keeper;
use crate::node::{Clock, Node, Write, told};
use crate::registry::{
    Applied, Change, Command, Origin, Outcome, Request, Touched, Undecided, apply, audit, decide,
    fingerprint, precheck, prepare,
};
use crate::resolve::{Slot, Stamps};
use crate::store::{Batch, Error, Held, Ready, Store};

/// What one change came to.
type Judged = Result<Applied, Refusal>;

/// What the node measures: its writer, and who signs in.
pub struct Metrics {
    sync_seconds: Histogram,
    group_size: Histogram,
    pub(super) sign_ins: SignIns,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("node::Metrics")
    }
}

impl Metrics {
    /// Registers the metrics with the recorder in force.
    pub fn new() -> Self {
        describe_histogram!(
            "idnode_wal_sync_duration_seconds",
            "time to write and sync a group of changes"
        );
        describe_histogram!("idnode_commit_group_size", "changes that shared one sync");
        Self {
            sync_seconds: histogram!("idnode_wal_sync_duration_seconds"),
            group_size: histogram!("idnode_commit_group_size"),
            sign_ins: SignIns::new(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Node {
    /// Makes one change; durable once it returns.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`, `RateLimited`, every rule of the registry,
    /// `DiskFull`, `StoreUnavailable`, `Overloaded`, `ShuttingDown`.
    pub async fn execute(&self, caller: &Caller, write: Write) -> Judged {
        self.permit_write(caller, &write)?;
        self.take_writes(caller, 1)?;
        let command = self.command(caller, write)?;
        let outcomes = self.inner.log.append(vec![command]).await;
        let outcomes = outcomes.map_err(|error| error.refusal())?;
        self.wake_for(&outcomes);
        outcomes
            .into_iter()
            .next()
            .unwrap_or_else(|| Err(Refusal::new(Reason::Internal)))
    }

    /// Makes changes in order, each for itself, sharing one sync; durable once
    /// it returns. At most [`BATCH_ITEMS_MAX`]; an outcome for each.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`, `BatchEmpty`, `BatchTooLarge`,
    /// `RateLimited`, `ShuttingDown`.
    pub async fn execute_many(
        &self,
        caller: &Caller,
        writes: Vec<Write>,
    ) -> Result<Vec<Judged>, Refusal> {
        let count = writes.len();
        let prepared = self.prepared(caller, writes, BATCH_ITEMS_MAX)?;
        self.take_writes(caller, count)?;
        self.append(prepared).await
    }

    /// Makes changes as [`Node::execute_many`] does that were counted before, by
    /// [`Node::take_writes`]; as many as a bulk import writes together.
    ///
    /// # Errors
    /// As [`Node::execute_many`], but for `RateLimited`.
    pub async fn execute_counted(
        &self,
        caller: &Caller,
        writes: Vec<Write>,
    ) -> Result<Vec<Judged>, Refusal> {
        let prepared = self.prepared(caller, writes, BULK_ITEMS + BATCH_ITEMS_MAX)?;
        self.append(prepared).await
    }

    async fn append(
        &self,
        prepared: Vec<Result<Command, Refusal>>,
    ) -> Result<Vec<Judged>, Refusal> {
        let mut commands = Vec::with_capacity(prepared.len());
        let mut places = Vec::with_capacity(prepared.len());
        for outcome in prepared {
            places.push(outcome.map(|command| commands.push(command)));
        }
        let mut outcomes = Vec::new();
        if !commands.is_empty() {
            let appended = self.inner.log.append_when_room(commands).await;
            outcomes = appended.map_err(|error| error.refusal())?;
            self.wake_for(&outcomes);
        }
        let mut outcomes = outcomes.into_iter();
        let missing = || Err(Refusal::new(Reason::Internal));
        let place = |place: Result<(), Refusal>| {
            place.and_then(|()| outcomes.next().unwrap_or_else(missing))
        };
        Ok(places.into_iter().map(place).collect())
    }

    /// Judges changes in order as if they were made, and changes nothing.
    /// Each sees those before it. Blocks on the store.
    ///
    /// # Errors
    /// As [`Node::execute_many`].
    pub fn validate(&self, caller: &Caller, writes: Vec<Write>) -> Result<Vec<Judged>, Refusal> {
        let prepared = self.prepared(caller, writes, BATCH_ITEMS_MAX)?;
        let mut batch = Batch::new(&self.inner.store);
        let mut outcomes = Vec::with_capacity(prepared.len());
        for command in prepared {
            let outcome = match command {
                Ok(command) => {
                    step(&mut batch, command, &self.inner.attempts).map_err(|error| told(&error))?
                }
                Err(refusal) => Err(refusal),
            };
            outcomes.push(outcome.map(|outcome| outcome.applied));
        }
        self.wake_for(&outcomes);
        Ok(outcomes)
    }

    /// Judges a change of a record by every rule but who may make it, for nobody
    /// in particular, and changes nothing. Blocks on the store.
    ///
    /// # Errors
    /// Every rule of the registry but those of permission; `Internal`.
    pub fn precheck(&self, change: Change) -> Result<(), Refusal> {
        let change = prepare(change)?;
        match precheck(&Batch::new(&self.inner.store), self.now(), change) {
            Ok(()) => Ok(()),
            Err(Undecided::Refused(refusal)) => Err(refusal),
            Err(Undecided::Store(error)) => Err(told(&error)),
        }
    }

    fn prepared(
        &self,
        caller: &Caller,
        writes: Vec<Write>,
        count_max: usize,
    ) -> Result<Vec<Result<Command, Refusal>>, Refusal> {
        if writes.is_empty() {
            return Err(Refusal::new(Reason::BatchEmpty).field("items"));
        }
        if writes.len() > count_max {
            return Err(Refusal::new(Reason::BatchTooLarge)
                .field("items")
                .value(writes.len())
                .limit(count_max));
        }
        for write in &writes {
            self.permit_write(caller, write)?;
        }
        Ok(writes
            .into_iter()
            .map(|write| self.command(caller, write))
            .collect())
    }

    /// Checks that a caller of this class may ask for `write`.
    fn permit_write(&self, caller: &Caller, write: &Write) -> Result<(), Refusal> {
        permit(caller, action(&write.change)).inspect_err(|refusal| {
            let action = audit::Action::asked(&write.change);
            self.note(caller, action, Subject::of(&write.change), refusal);
        })
    }

    /// Has the writer take what `outcomes` left for the audit trail.
    fn wake_for(&self, outcomes: &[Judged]) {
        let is_kept = |outcome: &Judged| outcome.as_ref().is_err_and(is_kept);
        if outcomes.iter().any(is_kept) {
            self.inner.log.wake();
        }
    }

    fn command(&self, caller: &Caller, write: Write) -> Result<Command, Refusal> {
        let Write { change, request_id } = write;
        let change = prepare(change)?;
        let request = request_id.map(|id| Request {
            id: match &caller.who {
                Who::Operator(_) | Who::Anonymous => id,
                Who::Identity(_) | Who::Member(_) | Who::Guest(_) => id.of(caller.name()),
            },
            body: fingerprint(&change),
        });
        let origin = Origin {
            now: self.now(),
            caller: caller.clone(),
            request,
            salt: self.inner.salts.next(),
        };
        Ok(Command { origin, change })
    }
}

fn action(change: &Change) -> Action {
    match change {
        Change::Record { .. } => Action::Write,
        Change::Prefix { .. } => Action::ManagePrefixes,
        Change::Link(_) => Action::Write,
        // Who may is decided with the change alone: `access::Office` says it.
        Change::Office(_) => Action::ReadPublic,
    }
}

/// What the writer works with.
pub(super) struct Writer {
    pub(super) store: Arc<Store>,
    pub(super) stamps: Arc<Stamps>,
    pub(super) attempts: Arc<Attempts>,
    pub(super) graph: Arc<Keeper>,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    /// Nanoseconds that the last group took to be written.
    pub(super) last_took: AtomicU64,
}

/// Decides commands, in the order of the log.
pub(super) struct Decider {
    writer: Arc<Writer>,
    /// The group that is open.
    open: Option<Open>,
    /// What the group before holds, which may be being written.
    before: Option<Arc<Held>>,
    /// Commands of that group: this one will likely have as many.
    count_before: usize,
}

/// A group of commands of which some are decided.
struct Open {
    batch: Result<Batch<'static>, Error>,
    /// Whether the attempts that wait are due.
    is_woken: bool,
    told: Told,
}

/// What a group came to.
#[derive(Default)]
struct Told {
    count: usize,
    outcomes: Vec<Judged>,
    /// What is stale once it is there.
    touched: Vec<Slot>,
    /// Refused attempts that a failure would leave untold.
    untold: u64,
    /// Those that are left to tell of in any case.
    left: u64,
}

/// A group that was decided.
pub(super) struct Decided {
    writer: Arc<Writer>,
    ready: Result<Ready, Error>,
    told: Told,
}

impl Decider {
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            writer: Arc::new(writer),
            open: None,
            before: None,
            count_before: 0,
        }
    }

    /// A new group, of so many commands at least.
    fn begin(&self, count: usize) -> Open {
        let Writer {
            store, attempts, ..
        } = &*self.writer;
        let mut told = Told::default();
        let batch = store.check_writable().map(|()| {
            let mut batch = Batch::behind(Arc::clone(store), self.before.clone());
            batch.reserve(count.max(self.count_before));
            told.untold = attempts.take_omitted();
            batch.omit(told.untold);
            batch
        });
        Open {
            batch,
            is_woken: false,
            told,
        }
    }
}

impl cluster::Decide<Command> for Decider {
    type Group = Decided;

    fn decide(&mut self, commands: Vec<Command>) {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(commands.len()),
        };
        open.is_woken |= commands.is_empty();
        open.told.count += commands.len();
        if let Ok(batch) = &mut open.batch
            && let Err(error) = open.told.put(batch, commands, &self.writer.attempts)
        {
            // Nothing of the group will be there.
            open.batch = Err(error);
        }
        self.open = Some(open);
    }

    fn close(&mut self) -> Decided {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin(0),
        };
        let Open {
            batch,
            is_woken,
            mut told,
        } = open;
        let ready = batch.and_then(|mut batch| {
            // Whoever was refused waits for no sync of the attempt.
            if is_woken || batch.has_moved() {
                told.put_attempts(&mut batch, &self.writer.attempts)?;
            }
            told.left = batch.omitted();
            batch.ready()
        });
        self.before = ready.as_ref().ok().and_then(Ready::held);
        self.count_before = told.count;
        if told.count > 0 {
            let count = u32::try_from(told.count).unwrap_or(u32::MAX);
            self.writer.metrics.group_size.record(f64::from(count));
        }
        Decided {
            writer: Arc::clone(&self.writer),
            ready,
            told,
        }
    }

    fn last_took(&self) -> Duration {
        Duration::from_nanos(self.writer.last_took.load(Ordering::Relaxed))
    }
}

impl Told {
    /// Puts what the commands come to into the batch.
    fn put(
        &mut self,
        batch: &mut Batch<'_>,
        commands: Vec<Command>,
        attempts: &Attempts,
    ) -> Result<(), Error> {
        self.outcomes.reserve(commands.len());
        for command in commands {
            let is_import = command.is_import();
            let stepped = step(batch, command, attempts)?;
            let touched = &mut self.touched;
            self.outcomes.push(stepped.map(|outcome| {
                touched.extend(outcome.touched.iter().flat_map(slots));
                match outcome.applied {
                    // Nobody is told the record: it is freed while it is at hand.
                    Applied::Record { effect, .. } if is_import => Applied::Imported(effect),
                    applied => applied,
                }
            }));
        }
        Ok(())
    }

    /// Puts the attempts that wait for the audit trail.
    fn put_attempts(&mut self, batch: &mut Batch<'_>, attempts: &Attempts) -> Result<(), Error> {
        for attempt in attempts.take() {
            self.untold = self.untold.saturating_add(1);
            batch.advance(attempt.time);
            batch.put_audit(&attempt.into_entry())?;
        }
        Ok(())
    }
}

impl cluster::Group for Decided {
    type Outcome = Judged;

    fn may_be_followed(&self) -> bool {
        self.ready
            .as_ref()
            .is_ok_and(|ready| ready.held().is_some())
    }

    fn commit(self) -> Vec<Judged> {
        let Self {
            writer,
            ready,
            told: group,
        } = self;
        let began = (writer.clock.elapsed)();
        match ready.and_then(|ready| ready.write(&writer.store)) {
            Ok(changes) => {
                writer.attempts.give_back(group.left);
                writer.graph.publish(changes);
                let took = (writer.clock.elapsed)().saturating_sub(began);
                writer.metrics.sync_seconds.record(took.as_secs_f64());
                let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
                writer.last_took.store(nanos, Ordering::Relaxed);
                for slot in &group.touched {
                    writer.stamps.touch(*slot);
                }
                group.outcomes
            }
            // Nothing of the group is there. A refusal in it may rest on an
            // entry before it that is not there either: all fail alike.
            Err(error) => {
                writer.attempts.give_back(group.untold);
                vec![Err(told(&error)); group.count]
            }
        }
    }
}

/// Decides and applies one command; the inner error is a refusal.
fn step(
    batch: &mut Batch<'_>,
    command: Command,
    attempts: &Attempts,
) -> Result<Result<Outcome, Refusal>, Error> {
    let Command { origin, change } = command;
    let (action, subject) = (audit::Action::asked(&change), Subject::of(&change));
    match decide(batch, &origin, change) {
        Ok(decision) => Ok(Ok(apply(batch, &origin, decision)?)),
        Err(Undecided::Refused(refusal)) => {
            if is_kept(&refusal) {
                let _waits = attempts.add(Attempt::new(origin, action, subject, &refusal));
            }
            Ok(Err(refusal))
        }
        // Nothing was put: it is this command's own record that cannot be read.
        Err(Undecided::Store(error)) => Ok(Err(told(&error))),
    }
}

/// The slots of what a change touched. Taken where it was decided: the texts are freed
/// by the thread that made them.
fn slots(touched: &Touched) -> impl Iterator<Item = Slot> {
    let Touched {
        prefixes,
        prefix,
        subjects,
    } = touched;
    let of_subject = |subject: &String| Slot::of_subject(prefix, subject.as_bytes());
    let prefixes = prefixes.iter().map(|prefix| Slot::of_prefix(prefix));
    prefixes.chain(subjects.iter().map(of_subject))
}
