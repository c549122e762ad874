//! Writing: from a request to a command in the log, and the writer behind it.

use std::sync::Arc;

use metrics::{Histogram, describe_histogram, histogram};

use crate::access::{Action, permit};
use crate::model::limits::BATCH_ITEMS_MAX;
use crate::model::{Caller, Reason, Refusal, Who};
use crate::node::{Clock, Node, Write, told};
use crate::registry::{
    Applied, Change, Command, Origin, Outcome, Request, Touched, Undecided, apply, decide,
    fingerprint, prepare,
};
use crate::resolve::Stamps;
use crate::store::{Batch, Error, Store};

/// What one change came to.
type Judged = Result<Applied, Refusal>;

/// What the writer measures.
pub struct Metrics {
    sync_seconds: Histogram,
    group_size: Histogram,
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
    /// `KeyRequired`, `PermissionDenied`, every rule of the registry, `DiskFull`,
    /// `StoreUnavailable`, `Overloaded`, `ShuttingDown`.
    pub async fn execute(&self, caller: &Caller, write: Write) -> Judged {
        permit(caller, action(&write.change))?;
        let command = self.command(caller, write)?;
        let outcomes = self.inner.log.append(vec![command]).await;
        let outcomes = outcomes.map_err(|error| error.refusal())?;
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
    /// `ShuttingDown`.
    pub async fn execute_many(
        &self,
        caller: &Caller,
        writes: Vec<Write>,
    ) -> Result<Vec<Judged>, Refusal> {
        let prepared = self.prepared(caller, writes)?;
        let mut commands = Vec::with_capacity(prepared.len());
        let mut places = Vec::with_capacity(prepared.len());
        for outcome in prepared {
            places.push(outcome.map(|command| commands.push(command)));
        }
        let mut outcomes = Vec::new();
        if !commands.is_empty() {
            let appended = self.inner.log.append_when_room(commands).await;
            outcomes = appended.map_err(|error| error.refusal())?;
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
                Ok(command) => step(&mut batch, command).map_err(|error| told(&error))?,
                Err(refusal) => Err(refusal),
            };
            outcomes.push(outcome.map(|outcome| outcome.applied));
        }
        Ok(outcomes)
    }

    /// Judges a change by every rule but who may make it, and changes nothing.
    /// Blocks on the store.
    ///
    /// # Errors
    /// Every rule of the registry but those of permission; `Internal`.
    pub fn precheck(&self, change: Change) -> Result<(), Refusal> {
        let anyone = Caller::system_administrator("");
        let write = Write {
            change,
            request_id: None,
        };
        let Command { origin, change } = self.command(&anyone, write)?;
        match decide(&Batch::new(&self.inner.store), &origin, change) {
            Ok(_) => Ok(()),
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
            permit(caller, action(&write.change))?;
        }
        Ok(writes
            .into_iter()
            .map(|write| self.command(caller, write))
            .collect())
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
        };
        Ok(Command { origin, change })
    }
}

fn action(change: &Change) -> Action {
    match change {
        Change::Record { .. } => Action::Write,
        Change::Prefix { .. } => Action::ManagePrefixes,
        // Who may is decided with the change alone: `access::Office` says it.
        Change::Office(_) => Action::ReadPublic,
    }
}

/// The writer's work on one group of commands.
pub(super) fn applier(
    store: Arc<Store>,
    stamps: Arc<Stamps>,
    clock: Clock,
    metrics: Metrics,
) -> impl FnMut(Vec<Command>) -> Vec<Judged> + Send + 'static {
    move |commands| {
        let count = u32::try_from(commands.len()).unwrap_or(u32::MAX);
        metrics.group_size.record(f64::from(count));
        let entry_count = commands.len();
        match apply_group(&store, &stamps, clock, &metrics, commands) {
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

fn apply_group(
    store: &Store,
    stamps: &Stamps,
    clock: Clock,
    metrics: &Metrics,
    commands: Vec<Command>,
) -> Result<Vec<Judged>, Error> {
    store.check_writable()?;
    let mut batch = Batch::new(store);
    let mut outcomes = Vec::with_capacity(commands.len());
    let mut touched = Vec::new();
    for command in commands {
        outcomes.push(step(&mut batch, command)?.map(|outcome| {
            touched.extend(outcome.touched);
            outcome.applied
        }));
    }
    let began = (clock.elapsed)();
    batch.commit()?;
    metrics
        .sync_seconds
        .record((clock.elapsed)().saturating_sub(began).as_secs_f64());
    for touched in &touched {
        touch(stamps, touched);
    }
    Ok(outcomes)
}

/// Decides and applies one command; the inner error is a refusal.
fn step(batch: &mut Batch<'_>, command: Command) -> Result<Result<Outcome, Refusal>, Error> {
    let Command { origin, change } = command;
    match decide(batch, &origin, change) {
        Ok(decision) => Ok(Ok(apply(batch, &origin, decision)?)),
        Err(Undecided::Refused(refusal)) => Ok(Err(refusal)),
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
