//! Writing: from a request to a command in the log, and the writer behind it.

use std::sync::Arc;

use metrics::{Histogram, describe_histogram, histogram};

use crate::access::{Action, permit};
use crate::model::limits::BATCH_ITEMS_MAX;
use crate::model::{Caller, Reason, Refusal, Who};
use crate::node::refused::{Attempt, Attempts, Subject, is_kept};
use crate::node::sign_ins::SignIns;
use crate::node::trace::Keeper;
use crate::node::{Clock, Node, Write, told};
use crate::registry::{
    Applied, Change, Command, Origin, Outcome, Request, Touched, Undecided, apply, audit, decide,
    fingerprint, precheck, prepare,
};
use crate::resolve::Stamps;
use crate::store::{Batch, Error, Store};

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
        let prepared = self.prepared(caller, writes)?;
        self.take_writes(caller, count)?;
        self.append(prepared).await
    }

    /// Makes changes as [`Node::execute_many`] does that were counted before, by
    /// [`Node::take_writes`].
    ///
    /// # Errors
    /// As [`Node::execute_many`], but for `RateLimited`.
    pub async fn execute_counted(
        &self,
        caller: &Caller,
        writes: Vec<Write>,
    ) -> Result<Vec<Judged>, Refusal> {
        let prepared = self.prepared(caller, writes)?;
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
        let prepared = self.prepared(caller, writes)?;
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
    ) -> Result<Vec<Result<Command, Refusal>>, Refusal> {
        if writes.is_empty() {
            return Err(Refusal::new(Reason::BatchEmpty).field("items"));
        }
        if writes.len() > BATCH_ITEMS_MAX {
            return Err(Refusal::new(Reason::BatchTooLarge)
                .field("items")
                .value(writes.len())
                .limit(BATCH_ITEMS_MAX));
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
}

impl Writer {
    /// Its work on one group of commands; one without any has it write what waits
    /// for the audit trail.
    pub(super) fn applier(self) -> impl FnMut(Vec<Command>) -> Vec<Judged> + Send + 'static {
        move |commands| {
            let entry_count = commands.len();
            match self.apply_group(commands) {
                Ok(outcomes) => outcomes,
                // Nothing of the group is there. A refusal in it may rest on an
                // entry before it that is not there either: all fail alike.
                Err(error) => {
                    let refusal = told(&error);
                    vec![Err(refusal); entry_count]
                }
            }
        }
    }

    fn apply_group(&self, commands: Vec<Command>) -> Result<Vec<Judged>, Error> {
        let count = commands.len();
        if count > 0 {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.metrics.group_size.record(f64::from(count));
        }
        self.store.check_writable()?;
        let mut batch = Batch::new(&self.store);
        batch.reserve(commands.len());
        let omitted = self.attempts.take_omitted();
        batch.omit(omitted);
        // What a failure would leave untold.
        let mut untold = omitted;
        let put = self.put(&mut batch, commands, &mut untold);
        let left = batch.omitted();
        let began = (self.clock.elapsed)();
        let committed = put.and_then(|put| batch.commit().map(|changes| (put, changes)));
        self.attempts
            .give_back(if committed.is_ok() { left } else { untold });
        let ((outcomes, touched), changes) = committed?;
        self.graph.publish(changes);
        let took = (self.clock.elapsed)().saturating_sub(began);
        self.metrics.sync_seconds.record(took.as_secs_f64());
        for touched in &touched {
            touch(&self.stamps, touched);
        }
        Ok(outcomes)
    }

    /// Puts what the commands come to into the batch, and the attempts that wait,
    /// whose number goes into `untold`.
    fn put(
        &self,
        batch: &mut Batch<'_>,
        commands: Vec<Command>,
        untold: &mut u64,
    ) -> Result<(Vec<Judged>, Vec<Touched>), Error> {
        let is_woken = commands.is_empty();
        let mut outcomes = Vec::with_capacity(commands.len());
        let mut touched = Vec::new();
        for command in commands {
            let stepped = step(batch, command, &self.attempts)?;
            outcomes.push(stepped.map(|outcome| {
                touched.extend(outcome.touched);
                outcome.applied
            }));
        }
        // Whoever was refused waits for no sync of the attempt.
        if is_woken || batch.position() > self.store.position() {
            for attempt in self.attempts.take() {
                *untold = untold.saturating_add(1);
                batch.advance(attempt.time);
                batch.put_audit(&attempt.into_entry())?;
            }
        }
        Ok((outcomes, touched))
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

fn touch(stamps: &Stamps, touched: &Touched) {
    let Touched {
        prefixes,
        prefix,
        subjects,
    } = touched;
    for prefix in prefixes {
        stamps.touch_prefix(prefix);
    }
    for subject in subjects {
        stamps.touch_subject(prefix, subject.as_bytes());
    }
}
