//! The audit trail and the tree over it: lists, checkpoints, proofs, retention.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::access::Office;
use crate::merkle::{Checkpoint, Hash, Signer, TilePath, sha256};
use crate::model::limits::PAGE_ITEMS_MAX;
use crate::model::{
    Caller, FirmId, Identifier, Member, Party, PrefixEntry, Principal, Reason, Record, Reference,
    Refusal, Share, SuffixCase, Timestamp, Who,
};
use crate::node::{Node, Page, told};
use crate::registry::audit::Action;
use crate::store::codec_types::{AuditEntry, Salt};
use crate::store::{Batch, EntryKey, Error, Provable, Tree};

/// Entries that one page looks at: one that selects few is not full.
const LOOKED_AT_MAX: usize = 20_000;
/// Milliseconds of a day.
const DAY_MILLIS: u64 = 86_400_000;
/// What a firm is told of an operator of the node.
const OPERATOR: &str = "operator";
/// What a firm is told of somebody of another firm, or of nobody's.
const STRANGER: &str = "other";

/// The log's key, and the checkpoint that was signed last.
#[derive(Debug)]
pub(super) struct Notary {
    signer: Signer,
    latest: Mutex<Option<(u64, Arc<str>)>>,
}

/// What is asked of the audit trail.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only entries about this subject.
    pub subject: Option<String>,
    /// Only entries of this actor.
    pub actor: Option<String>,
    /// Only refused attempts.
    pub refused_only: bool,
    /// The latest first.
    pub descending: bool,
}

/// One entry of the audit trail, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Its position in the log.
    pub position: u64,
    /// When it was asked for.
    pub time: Timestamp,
    /// Who asked.
    pub actor: String,
    /// From which address, if that is known.
    pub source: Option<IpAddr>,
    /// What was asked for.
    pub action: String,
    /// What it was about.
    pub subject: String,
    /// The caller's request id; empty if none.
    pub request_id: String,
    /// The code of the reason for which it was refused; empty if it was done.
    pub refused_reason: String,
    /// SHA-256 of the subject's stored value before.
    pub before: Option<Hash>,
    /// SHA-256 of the subject's stored value after.
    pub after: Option<Hash>,
    /// Refused attempts since the entry before that have no entry.
    pub omitted: u64,
}

impl Audited {
    fn new(position: u64, entry: AuditEntry) -> Self {
        let AuditEntry {
            time,
            actor,
            action,
            subject,
            request_id,
            before,
            after,
            public: _,
            source,
            refused,
            omitted,
            salt: _,
        } = entry;
        let name = Action::from_number(action).map(Action::name);
        Self {
            position,
            time,
            actor: actor.into(),
            source,
            action: name.map_or_else(|| format!("action-{action}"), str::to_owned),
            subject: EntryKey::shown(&subject),
            request_id: request_id.into(),
            refused_reason: refused.into(),
            before,
            after,
            omitted,
        }
    }
}

/// A signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The note.
    pub note: Arc<str>,
    /// The key that signed it, as text.
    pub log_key: String,
    /// How many changes its tree has.
    pub size: u64,
}

/// That a position is in the tree of a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The position.
    pub position: u64,
    /// The tree's size.
    pub size: u64,
    /// The hash of the position's leaf.
    pub leaf_hash: Hash,
    /// From the leaf upward.
    pub hashes: Vec<Hash>,
}

/// That the tree of a size begins with an older one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// The older tree's size.
    pub older_size: u64,
    /// The tree's size.
    pub size: u64,
    /// The proof.
    pub hashes: Vec<Hash>,
}

/// The proof of a record.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The record, as the caller may read it.
    pub record: Record,
    /// The octets of the leaf of its last change.
    pub leaf: Vec<u8>,
    /// The stored form of its public part; empty if nothing of it is public.
    pub public_form: Vec<u8>,
    /// The stored form of all of it, and the salt; for whoever may read it.
    pub whole: Option<(Vec<u8>, Salt)>,
    /// The proof that the leaf is in the tree.
    pub inclusion: Inclusion,
    /// The checkpoint of the tree.
    pub checkpoint: Signed,
}

/// Part of an export of the audit trail.
#[derive(Clone, Debug)]
pub enum AuditPart {
    /// The log's key, and chain and tree at what fell to the retention.
    Start(String, Vec<u8>),
    /// Stored forms of entries.
    Entries(Vec<Vec<u8>>),
    /// The checkpoint at the last entry.
    Checkpoint(Signed),
}

impl Node {
    /// Has checkpoints signed with `signer`'s key; without one there are none.
    pub fn set_log_key(&self, signer: Signer) {
        let latest = Mutex::new(None);
        let notary = Notary { signer, latest };
        self.inner.notary.store(Some(Arc::new(notary)));
    }

    /// The signed checkpoint of the log as it is. Blocks on the store.
    ///
    /// # Errors
    /// `Internal`.
    pub fn checkpoint(&self) -> Result<Signed, Refusal> {
        self.signed(&mut self.inner.store.tree())
    }

    /// Signs the tree, if it was not the last to be signed.
    fn signed(&self, tree: &mut Tree<'_>) -> Result<Signed, Refusal> {
        let notary = self.inner.notary.load_full();
        let notary = notary.ok_or_else(|| Refusal::new(Reason::Internal))?;
        let (size, verifier) = (tree.size(), notary.signer.verifier());
        let log_key = verifier.to_string();
        let kept = notary.latest.lock().clone();
        if let Some((_, note)) = kept.filter(|(signed, _)| *signed == size) {
            return Ok(Signed {
                note,
                log_key,
                size,
            });
        }
        let checkpoint = Checkpoint {
            origin: verifier.name().to_owned(),
            size,
            root: tree.root(size).map_err(|error| told(&error))?,
        };
        let signed = notary.signer.sign(&checkpoint.text());
        let note: Arc<str> = signed.map_err(|_| Refusal::new(Reason::Internal))?.into();
        *notary.latest.lock() = Some((size, Arc::clone(&note)));
        Ok(Signed {
            note,
            log_key,
            size,
        })
    }

    /// The proof that `position` is in the tree of `size` changes, or of all.
    /// Blocks on the store.
    ///
    /// # Errors
    /// `LogRangeInvalid`, `Internal`.
    pub fn inclusion(&self, position: u64, size: Option<u64>) -> Result<Inclusion, Refusal> {
        let mut tree = self.inner.store.tree();
        let size = size.unwrap_or_else(|| tree.size());
        included(&mut tree, position, size).map_err(|error| told(&error))
    }

    /// The proof that the tree of `size` changes, or of all, begins with that of
    /// `older_size`. Blocks on the store.
    ///
    /// # Errors
    /// `LogRangeInvalid`, `Internal`.
    pub fn consistency(&self, older_size: u64, size: Option<u64>) -> Result<Consistency, Refusal> {
        let mut tree = self.inner.store.tree();
        let size = size.unwrap_or_else(|| tree.size());
        let hashes = tree.consistency(older_size, size);
        Ok(Consistency {
            older_size,
            size,
            hashes: hashes.map_err(|error| told(&error))?,
        })
    }

    /// The octets of the tile at `path`, which follows `tile/` in its address, and
    /// `None` if the tree has no such tile. Blocks on the store.
    ///
    /// # Errors
    /// `Internal`.
    pub fn tile(&self, path: &str) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(path) = TilePath::parse(path) else {
            return Ok(None);
        };
        let tile = self.inner.store.tree().tile(path);
        tile.map_err(|error| told(&error))
    }

    /// Proves the record of `identifier`, as it is stored, to whoever may read it.
    /// Blocks on the store.
    ///
    /// # Errors
    /// As [`Node::stored`].
    pub fn prove_record(
        &self,
        caller: &Caller,
        identifier: &Identifier,
    ) -> Result<Proven, Refusal> {
        let whole = self.whole(caller, identifier)?;
        let record = self.visible(caller, whole.clone());
        self.proven(record, &whole)
    }

    /// Proves `whole`, of which `record` is what the caller may read.
    fn proven(&self, record: Record, whole: &Record) -> Result<Proven, Refusal> {
        let store = &self.inner.store;
        let position = whole.revision;
        let prefix = self.prefix(&whole.identifier.prefix().canonical());
        let case = prefix.map_or_else(SuffixCase::default, |entry| entry.case);
        let key = whole.identifier.key(case);
        let Provable { leaf, salt } = store.provable(position).map_err(|error| told(&error))?;
        let part = whole.public_part();
        let is_all = matches!(part, Some(Cow::Borrowed(_)));
        let form = part.map(|part| Batch::encoding(&key, &part));
        // A change of the first release has no public part in its leaf.
        let public_form = form.filter(|form| leaf.public == sha256(&[form]));
        // Of values and of readers.
        let may_read_all = record == *whole;
        let is_needed = may_read_all && !(is_all && public_form.is_some());
        let mut tree = store.tree();
        let checkpoint = self.signed(&mut tree)?;
        let inclusion = included(&mut tree, position, checkpoint.size);
        Ok(Proven {
            record,
            leaf: leaf.octets,
            public_form: public_form.unwrap_or_default(),
            whole: is_needed.then(|| (Batch::encoding(&key, whole), salt)),
            inclusion: inclusion.map_err(|error| told(&error))?,
            checkpoint,
        })
    }

    /// Entries that `caller` may read and `query` selects, from behind `after`, at
    /// most `limit`. Looks at some thousand entries: a page may be empty and not
    /// the last. Blocks on the store.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`, `Internal`.
    pub fn list_audit(
        &self,
        caller: &Caller,
        query: &AuditQuery,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Page<Audited>, Refusal> {
        let reader = self.audit_reader(caller)?;
        let mut page = Page {
            items: Vec::new(),
            next: None,
        };
        let mut looked_at = 0;
        let mut take = |position: u64, entry: AuditEntry| {
            looked_at += 1;
            if let Some(audited) = self.audited(&reader, position, entry)
                && query.selects(&audited)
            {
                page.items.push(audited);
            }
            if page.items.len() == limit.min(PAGE_ITEMS_MAX) || looked_at == LOOKED_AT_MAX {
                page.next = Some(position.to_be_bytes().to_vec());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        let store = &self.inner.store;
        let scanned = if query.descending {
            store.each_audit_back(after, &mut take)
        } else {
            store.each_audit(after.unwrap_or(0), &mut take)
        };
        scanned.map_err(|error| told(&error))?;
        Ok(page)
    }

    /// Gives the whole audit trail to `sink`, in parts, until it breaks. Blocks on
    /// the store.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`, `Internal`.
    pub fn export_audit(
        &self,
        caller: &Caller,
        sink: &mut dyn FnMut(AuditPart) -> ControlFlow<()>,
    ) -> Result<(), Refusal> {
        self.permit_office(caller, Office::ReadAudit)?;
        let store = &self.inner.store;
        let mut tree = store.tree();
        let checkpoint = self.signed(&mut tree)?;
        let start = store.pruned_end().map_err(|error| told(&error))?;
        let first = start.edge().size();
        if sink(AuditPart::Start(checkpoint.log_key.clone(), start.encode())).is_break() {
            return Ok(());
        }
        let mut is_broken = false;
        let mut give = |entries| {
            let flow = sink(AuditPart::Entries(entries));
            is_broken = flow.is_break();
            flow
        };
        let given = store.each_stored_audit(first, checkpoint.size, &mut give);
        given.map_err(|error| told(&error))?;
        if !is_broken {
            let _done = sink(AuditPart::Checkpoint(checkpoint));
        }
        Ok(())
    }

    /// Removes entries that are older than `retention_days`; keeps all if that is
    /// 0. Returns how many fell: call it again until none did. Blocks on the store.
    ///
    /// # Errors
    /// `Internal`.
    pub fn prune_audit(&self, retention_days: u32) -> Result<u64, Refusal> {
        if retention_days == 0 {
            return Ok(0);
        }
        let age = u64::from(retention_days).saturating_mul(DAY_MILLIS);
        let limit = Timestamp::from_millis(self.now().millis().saturating_sub(age));
        let pruned = self.inner.store.prune_audit(limit);
        let count = pruned.map_err(|error| told(&error))?;
        if count > 0 {
            // A space is in no prefix: no firm takes it for its own.
            let end = self
                .inner
                .store
                .pruned_end()
                .map_err(|error| told(&error))?;
            let end = end.edge().size();
            let subject = format!("entries {}-{end}", end.saturating_sub(count) + 1);
            self.note_done(Action::PruneAudit, subject);
        }
        Ok(count)
    }

    /// Which part of the audit trail `caller` may read.
    fn audit_reader(&self, caller: &Caller) -> Result<AuditReader, Refusal> {
        match &caller.who {
            Who::Member(member) => {
                self.permit_office(caller, Office::ReadAuditOf(&member.firm))?;
                Ok(AuditReader::Firm(member.clone()))
            }
            Who::Anonymous | Who::Operator(_) | Who::Identity(_) | Who::Guest(_) => {
                self.permit_office(caller, Office::ReadAudit)?;
                Ok(AuditReader::All)
            }
        }
    }

    /// The entry as `reader` may read it. A firm reads what is about it, what is
    /// below its prefixes, and who of its own did that: of others only whether they
    /// are the node's operators.
    fn audited(&self, reader: &AuditReader, position: u64, entry: AuditEntry) -> Option<Audited> {
        let member = match reader {
            AuditReader::All => return Some(Audited::new(position, entry)),
            AuditReader::Firm(member) => member,
        };
        let firm = &member.firm;
        if !self.is_of_firm(&entry.subject, member) {
            return None;
        }
        let mut audited = Audited::new(position, entry);
        audited.omitted = 0;
        let stranger = self.stranger(&audited.actor, firm);
        if let Some(stranger) = stranger {
            stranger.clone_into(&mut audited.actor);
            audited.source = None;
            audited.request_id.clear();
        }
        Some(audited)
    }

    /// Whether a subject of the audit trail is the firm of `member`, belongs to it, or
    /// is below a prefix that it holds; of a member that is confined to prefixes,
    /// whether it is below one of these.
    fn is_of_firm(&self, subject: &[u8], member: &Member) -> bool {
        let (firm, confined) = (&member.firm, &member.scope.prefixes);
        let prefix = subject.split(|byte| *byte == b'/').next();
        let prefix = std::str::from_utf8(prefix.unwrap_or_default()).unwrap_or_default();
        if !confined.is_empty() && confined.iter().all(|within| within != prefix) {
            return false;
        }
        self.holds(firm, prefix) || self.inner.store.directory().is_of_firm(subject, firm)
    }

    fn holds(&self, firm: &FirmId, canonical: &str) -> bool {
        let held = |entry: Arc<PrefixEntry>| entry.holder.as_ref() == Some(firm);
        self.prefix(canonical).is_some_and(held)
    }

    /// What `firm` is told of an actor who is not of it; `None` of its own.
    fn stranger(&self, actor: &str, firm: &FirmId) -> Option<&'static str> {
        if let Ok(identity) = Reference::parse(actor) {
            let prefix = identity.identifier.prefix().canonical();
            return (!self.holds(firm, &prefix)).then_some(STRANGER);
        }
        let directory = self.inner.store.directory();
        if let Some(principal) = directory.find::<Principal>(actor) {
            return match &principal.party {
                Party::Firm { firm: of, .. } if of == firm => None,
                Party::Firm { .. } => Some(STRANGER),
                Party::Node(_) => Some(OPERATOR),
            };
        }
        let key = EntryKey::of::<Share>(actor).to_bytes();
        if directory.is_of_firm(&key, firm) {
            return None;
        }
        let is_known =
            directory.find::<Share>(actor).is_some() || actor == Caller::ANONYMOUS.name();
        // Keys that are in the settings, or from before there were principals.
        Some(if is_known { STRANGER } else { OPERATOR })
    }
}

/// Which part of the audit trail somebody may read.
enum AuditReader {
    All,
    Firm(Member),
}

impl AuditQuery {
    /// Whether it asks for `audited`, which is as the caller may read it: nobody
    /// learns by asking what is not shown.
    fn selects(&self, audited: &Audited) -> bool {
        let Self {
            subject,
            actor,
            refused_only,
            descending: _,
        } = self;
        let is_subject = |subject: &String| audited.subject.eq_ignore_ascii_case(subject);
        subject.as_ref().is_none_or(is_subject)
            && actor.as_ref().is_none_or(|actor| *actor == audited.actor)
            && (!refused_only || !audited.refused_reason.is_empty())
    }
}

fn included(tree: &mut Tree<'_>, position: u64, size: u64) -> Result<Inclusion, Error> {
    let hashes = tree.inclusion(position, size)?;
    Ok(Inclusion {
        position,
        size,
        leaf_hash: tree.leaf_hash(position)?,
        hashes,
    })
}
