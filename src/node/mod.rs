//! The one API that faces call. Whatever a face can do, it does through here.

mod account;
mod answers;
mod audit;
pub mod config;
mod firm;
mod identity;
mod limits;
mod links;
mod operate;
mod principals;
mod read;
mod refused;
mod salts;
mod sharing;
mod sign_ins;
mod site;
mod template;
mod trace;
mod write;

use std::fmt;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use data_encoding::BASE32_NOPAD;

pub use account::{SignIn, SignedIn};
pub use answers::{Answers, Kept, KeyHash, Marks};
pub use audit::{AuditPart, AuditQuery, Audited, Consistency, Inclusion, Proven, Signed};

pub use firm::{Application, FirmView, Paper, firm_of};
pub use identity::KeyDigest;
pub use links::{Finding, LinkCheck, LinkFilter, LinkView, Matter};
pub use principals::{Account, WithSecret};

pub use crate::access::limits::{Exhausted, Source};
pub use crate::access::{Challenge, NewSession, Presented, Proof};
pub use crate::registry::firm::{FirmAction, Opened};
pub use crate::registry::group::GroupAction;
pub use crate::registry::link::{LinkAction, LinkChange};
pub use crate::registry::template::TemplateAction;
pub use crate::registry::{
    Applied, Change, Effect, NewPrincipal, OfficeChange, OnConflict, PrefixAction, PrincipalAction,
    RecordAction, RequestId, etag, parse_etag,
};
pub use crate::resolve::{Query, Stamp, TypeFilter};
pub use crate::store::AnyEntry;
pub use crate::store::backup::BackupInfo;

use crate::access::limits::Limits;
use crate::access::{self, Action, permit};
use crate::cluster::{Config, Log};
use crate::crypto::SealingKey;
use crate::model::{Caller, PrefixEntry, Reason, Record, Reference, Refusal, Timestamp, Tombstone};
use crate::node::account::Desk;
use crate::node::audit::Notary;
use crate::node::refused::{Attempts, Subject};
use crate::node::salts::Salts;
use crate::node::sign_ins::SignIns;
use crate::node::trace::Keeper;
use crate::node::write::{Decider, Writer};
use crate::registry::Command;
use crate::registry::audit::Action as Attempted;
use crate::resolve::{Site, Stamps};
use crate::store::{Error, Store};
pub use sharing::{Asked, MadeShare, ShareInput};
pub use site::Referral;
pub use template::template_faults;
pub use trace::{
    Failure, FarEnd, FarRow, FarTerms, Found, FoundPaths, FoundRow, Group, GroupBy, Grouped,
    KeptTrace, Onward, OnwardAsk, OnwardEnd, OnwardRow, OtherNodes, TraceDifference,
    TraceDirection, TraceEnd, TraceLimit, TracePath, TraceProgress, TraceQuery, TraceRow,
    TraceTaker, Tracing,
};
pub use write::Metrics;

/// The file below the data folder with the key of personal data: made at the
/// first start. Backups do not hold it.
const SEALING_KEY_FILE: &str = "personal-data-key";

/// One change asked of the node.
#[derive(Clone, Debug)]
pub struct Write {
    /// What is to change.
    pub change: Change,
    /// Makes a retry get the first answer.
    pub request_id: Option<RequestId>,
}

/// A prefix with its counts.
#[derive(Clone, Debug)]
pub struct PrefixView {
    /// The prefix.
    pub entry: Arc<PrefixEntry>,
    /// Identifiers below it that resolve; 0 for who may not know.
    pub active_count: u64,
    /// Identifiers below it that were deleted; 0 for who may not know.
    pub deleted_count: u64,
}

/// One row of a list of records.
#[derive(Clone, Debug)]
pub enum Listed {
    /// A registered identifier.
    Active(Record),
    /// A deleted one.
    Deleted(Tombstone),
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Where the next page begins: the canonical key of the last item. `None`
    /// on the last page.
    pub next: Option<Vec<u8>>,
}

/// How the node is.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// Log position of the last applied change.
    pub applied_position: u64,
    /// When it started.
    pub started: Timestamp,
    /// Prefixes it knows.
    pub prefix_count: u64,
    /// Identifiers that resolve.
    pub active_count: u64,
    /// Identifiers that were deleted.
    pub deleted_count: u64,
    /// Bytes of live table files.
    pub disk_bytes: u64,
    /// Bytes free on the store's volume.
    pub disk_free_bytes: u64,
    /// Whether writes are accepted.
    pub writable: bool,
}

/// Where the node reads the time: given by `server`, so that tests can stop it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The time of day.
    pub now: fn() -> Timestamp,
    /// Time since some fixed moment, which never goes back.
    pub elapsed: fn() -> Duration,
}

/// Fills a buffer with random octets: given by `server`, like the time.
pub type Chance = fn(&mut [u8]);

/// The node. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    stamps: Arc<Stamps>,
    log: Log<Command, Result<Applied, Refusal>>,
    /// Sessions, lock-outs and the like.
    desk: ArcSwap<Desk>,
    /// Identities that operate the node.
    admins: ArcSwap<Vec<Reference>>,
    /// Where it answers, once that is known.
    site: ArcSwapOption<Site>,
    /// How much may be asked for, once that is known.
    limits: OnceLock<Limits>,
    clock: Clock,
    chance: Chance,
    salts: Salts,
    /// Refused attempts that wait for the writer.
    attempts: Arc<Attempts>,
    /// The links between identifiers, in memory.
    graph: Arc<Keeper>,
    /// Speaks to other nodes, once that is known.
    other_nodes: OnceLock<Arc<dyn OtherNodes>>,
    /// What other nodes know this one by while it runs.
    name: String,
    notary: ArcSwapOption<Notary>,
    sign_ins: SignIns,
    /// Seals personal data.
    sealing: SealingKey,
    started: Timestamp,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node(at {})", self.inner.store.position())
    }
}

impl Node {
    /// A node on `store`, and the thread of its writer, which ends after
    /// [`Node::close`].
    ///
    /// # Errors
    /// [`Error::File`] if the key of personal data cannot be had, or no thread.
    pub fn start(
        store: Arc<Store>,
        config: &Config,
        (clock, chance): (Clock, Chance),
        metrics: Metrics,
    ) -> Result<(Self, JoinHandle<()>), Error> {
        let path = store.data_dir().join(SEALING_KEY_FILE);
        let sealing = SealingKey::load_or_create(&path, chance);
        let sealing = sealing.map_err(|error| Error::File {
            path,
            source: io::Error::other(error),
        })?;
        let started = (clock.now)();
        let desk = Desk::new(&access::Config::default());
        let stamps = Arc::new(Stamps::default());
        let attempts = Arc::new(Attempts::default());
        let graph = Arc::new(Keeper::default());
        let sign_ins = metrics.sign_ins.clone();
        let writer = Writer {
            store: Arc::clone(&store),
            stamps: Arc::clone(&stamps),
            attempts: Arc::clone(&attempts),
            graph: Arc::clone(&graph),
            clock,
            metrics,
            last_took: AtomicU64::new(0),
        };
        let decider = Decider::new(writer);
        let (log, writer) =
            Log::start(config, Command::byte_count, decider).map_err(|source| Error::File {
                path: "writer thread".into(),
                source,
            })?;
        let inner = Inner {
            store,
            stamps,
            log,
            desk: ArcSwap::from_pointee(desk),
            admins: ArcSwap::default(),
            site: ArcSwapOption::empty(),
            limits: OnceLock::new(),
            clock,
            chance,
            salts: Salts::new(chance),
            attempts,
            graph,
            other_nodes: OnceLock::new(),
            name: name(chance),
            notary: ArcSwapOption::empty(),
            sign_ins,
            sealing,
            started,
        };
        let node = Self {
            inner: Arc::new(inner),
        };
        node.check_sealing_key();
        Ok((node, writer))
    }

    /// The time, as `server` gives it.
    pub fn now(&self) -> Timestamp {
        (self.inner.clock.now)()
    }

    /// Time since some fixed moment, for durations.
    pub fn elapsed(&self) -> Duration {
        (self.inner.clock.elapsed)()
    }

    /// Random octets, for ids, secrets and nonces.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut octets = [0; N];
        (self.inner.chance)(&mut octets);
        octets
    }

    /// A new id for an entry of the directory: 13 letters and digits.
    pub fn new_id(&self) -> String {
        BASE32_NOPAD
            .encode(&self.random::<8>())
            .to_ascii_lowercase()
    }

    /// Checks that `caller` may operate the node.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`.
    pub fn permit_operation(&self, caller: &Caller) -> Result<(), Refusal> {
        permit(caller, Action::Operate).inspect_err(|refusal| {
            self.note(
                caller,
                Attempted::Operate,
                Subject::Other(Vec::new()),
                refusal,
            );
        })
    }

    /// Takes no further changes and lets the writer finish those that wait.
    pub async fn close(&self) {
        self.inner.log.close().await;
        self.inner.graph.close();
    }
}

/// A name that no other node has.
fn name(chance: Chance) -> String {
    let mut octets = [0; 16];
    chance(&mut octets);
    BASE32_NOPAD.encode(&octets).to_ascii_lowercase()
}

/// What a caller is told of a failure of the store; the operator's log gets the
/// failure itself.
fn told(error: &Error) -> Refusal {
    let refusal = error.refusal();
    if refusal.reason() == Reason::Internal {
        tracing::error!(%error, "the store failed");
    }
    refusal
}
