//! What a Handle identity may do with a record: what the `HS_ADMIN` values of
//! the record, or of its prefix's record, grant it (RFC 3651 §3.2.1, RFC 3652
//! §3.5; Handle protocol as deployed).
//!
//! ```text
//! operation                      one HS_ADMIN of            grants
//! create P/s                     0.NA/P                     ADD_HANDLE
//! create 0.NA/A.B                0.NA/A (nearest), 0.NA/0.NA  ADD_NA
//! delete P/s                     P/s, 0.NA/P                DELETE_HANDLE
//! delete 0.NA/A.B                itself, as for its creation  DELETE_NA
//! change values of P/s           P/s, 0.NA/P                …_VALUE, …_ADMIN
//! replace P/s                    P/s, 0.NA/P                as to delete, or as to change
//! read what the public may not   P/s, 0.NA/P                READ_VALUE
//! list P                         0.NA/P                     LIST_HANDLES
//! know of all below P            0.NA/P                     READ_VALUE
//! ```
//!
//! An `HS_ADMIN` names one key, every key of a record (index 0), or an `HS_VLIST`
//! whose members it names, which may be lists themselves. Pure but for the
//! records that it reads: registry and node give theirs.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::model::data::{Admin, AdminPermissions, ReferenceList};
use crate::model::{
    Caller, FirmId, FirmRole, Identifier, Identity, Key, Member, Prefix, Reason, Record, Reference,
    Refusal, Scope, Value, Verb, Who,
};
use crate::store::{Batch, Error, Store};

/// Lists within lists that are followed.
const DEPTH_MAX: usize = 8;
/// Members of lists that one question follows, lest they be lists themselves;
/// those beyond may still be the identity itself.
const LISTS_MAX: usize = 256;
/// Members of lists that one question looks at; those beyond are not named.
const MEMBERS_MAX: usize = 16_384;
/// Bytes of records with lists that one question reads; once passed, no further
/// list is followed.
const LIST_BYTES_MAX: usize = 4 << 20;

/// Records as they are when a question is asked.
pub trait Records {
    /// The key of an identifier whose prefix is served here.
    fn key(&self, identifier: &Identifier) -> Option<Key>;

    /// The record under `key`.
    ///
    /// # Errors
    /// As [`Store::record`].
    fn record(&self, key: &Key) -> Result<Option<Arc<Record>>, Error>;

    /// The firm that holds a prefix.
    fn holder(&self, prefix: &Prefix) -> Option<FirmId>;
}

impl Records for Batch<'_> {
    fn key(&self, identifier: &Identifier) -> Option<Key> {
        let row = self.prefix(&identifier.prefix().canonical())?;
        row.entry.serving().ok()?;
        Some(identifier.key(row.entry.case))
    }

    fn record(&self, key: &Key) -> Result<Option<Arc<Record>>, Error> {
        Batch::record(self, key)
    }

    fn holder(&self, prefix: &Prefix) -> Option<FirmId> {
        self.prefix(&prefix.canonical())?.entry.holder.clone()
    }
}

impl Records for Store {
    fn key(&self, identifier: &Identifier) -> Option<Key> {
        let canonical = identifier.prefix().canonical();
        let prefixes = self.prefixes();
        let entry = &prefixes.get(&canonical)?.entry;
        entry.serving().ok()?;
        Some(identifier.key(entry.case))
    }

    fn record(&self, key: &Key) -> Result<Option<Arc<Record>>, Error> {
        Ok(Self::record(self, key)?.map(Arc::new))
    }

    fn holder(&self, prefix: &Prefix) -> Option<FirmId> {
        let prefixes = self.prefixes();
        prefixes.get(&prefix.canonical())?.entry.holder.clone()
    }
}

/// What a caller wants to do with one record or prefix.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// Register the identifier.
    Create(&'a Identifier),
    /// Delete the record.
    Delete(&'a Record),
    /// Change values of the record, as [`value_bits`] says of each.
    Change(&'a Record, u16),
    /// Replace all values of the record by these.
    Replace(&'a Record, &'a [Value]),
    /// Read what the public may not read of the record.
    Read(&'a Record),
    /// List the identifiers below the prefix.
    List(&'a Prefix),
    /// Know of every identifier below the prefix, to read or to list it.
    ReadBelow(&'a Prefix, Verb),
    /// Change identifiers below the prefix, as far as not each record decides.
    WriteBelow(&'a Prefix),
}

/// Why a caller may not.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// Nothing grants it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Whether `reference` names the key `named`: the same index, or 0 for every key
/// of its record, and identifiers that are one under a prefix served here.
pub fn is_named_by(records: &dyn Records, named: &Reference, reference: &Reference) -> bool {
    let is_index = reference.index == 0 || reference.index == named.index;
    let key = records.key(&reference.identifier);
    is_index && key.is_some() && key == records.key(&named.identifier)
}

/// Whether `caller` may do `operation`. Default: no.
///
/// # Errors
/// [`Reason::KeyRequired`] for anonymous callers, [`Reason::NotAdmin`] if no
/// `HS_ADMIN` that counts names the identity, [`Reason::PermissionDenied`] if
/// those that do grant too little; [`Denied::Store`].
pub fn permit_record(
    caller: &Caller,
    records: &dyn Records,
    operation: Operation<'_>,
) -> Result<(), Denied> {
    if caller.is_operator() {
        return Ok(());
    }
    match &caller.who {
        Who::Anonymous => Err(Refusal::new(Reason::KeyRequired).into()),
        Who::Identity(identity) => Question::new(identity, records).permit(operation),
        Who::Member(member) => Ok(permit_member(member, records, operation)?),
        Who::Operator(_) | Who::Guest(_) => Err(denied(NOT_HOLDER).into()),
    }
}

/// Who may not, since the prefix is another firm's or nobody's.
const NOT_HOLDER: &str = "only members of the firm that holds the prefix may";

fn denied(who_may: &'static str) -> Refusal {
    Refusal::new(Reason::PermissionDenied).limit(who_may)
}

/// Whether a member of a firm may: below the firm's own prefixes, as its role and
/// scope say.
fn permit_member(
    member: &Member,
    records: &dyn Records,
    operation: Operation<'_>,
) -> Result<(), Refusal> {
    let (prefix, role, verb) = match operation {
        Operation::Create(identifier) => (identifier.prefix(), FirmRole::Registrar, Verb::Write),
        Operation::Delete(record)
        | Operation::Change(record, _)
        | Operation::Replace(record, _) => {
            (record.identifier.prefix(), FirmRole::Registrar, Verb::Write)
        }
        Operation::Read(record) => (record.identifier.prefix(), FirmRole::Reader, Verb::Read),
        Operation::List(prefix) => (prefix, FirmRole::Reader, Verb::List),
        Operation::ReadBelow(prefix, verb) => (prefix, FirmRole::Reader, verb),
        Operation::WriteBelow(prefix) => (prefix, FirmRole::Registrar, Verb::Write),
    };
    if records.holder(prefix).as_ref() != Some(&member.firm) {
        return Err(denied(NOT_HOLDER));
    }
    let Scope {
        prefixes, verbs, ..
    } = &*member.scope;
    if !prefixes.is_empty() && !prefixes.contains(&prefix.canonical()) {
        return Err(denied("the key's scope does not hold the prefix"));
    }
    if !verbs.is_empty() && !verbs.contains(&verb) {
        return Err(denied("the key's scope does not allow it"));
    }
    if member.role < role {
        return Err(denied("a reader may not write"));
    }
    Ok(())
}

/// The rights that it takes to make `after` of `before`, at one index.
pub fn value_bits(before: Option<&Value>, after: Option<&Value>) -> u16 {
    let add = |value: &Value| match is_admin(value) {
        true => AdminPermissions::ADD_ADMIN,
        false => AdminPermissions::ADD_VALUE,
    };
    let remove = |value: &Value| match is_admin(value) {
        true => AdminPermissions::REMOVE_ADMIN,
        false => AdminPermissions::REMOVE_VALUE,
    };
    match (before, after) {
        (None, None) => 0,
        (None, Some(after)) => add(after),
        (Some(before), None) => remove(before),
        (Some(before), Some(after)) => match (is_admin(before), is_admin(after)) {
            (true, true) => AdminPermissions::MODIFY_ADMIN,
            (false, false) => AdminPermissions::MODIFY_VALUE,
            _ => remove(before) | add(after),
        },
    }
}

/// The rights that it takes to replace all values of `record` by `values`.
///
/// What the public may not read counts as changed although it is not: or else a
/// guess that is let through would tell it.
fn replace_bits(record: &Record, values: &[Value]) -> u16 {
    let after: HashMap<u32, &Value> = values.iter().map(|value| (value.index, value)).collect();
    let mut bits = 0;
    for before in &record.values {
        let after = after.get(&before.index).copied();
        let is_kept = after.is_some_and(|after| after.same_content(before));
        if !is_kept || !before.permissions.public_read() {
            bits |= value_bits(Some(before), after);
        }
    }
    for value in values {
        if record.value(value.index).is_none() {
            bits |= value_bits(None, Some(value));
        }
    }
    if bits == 0 {
        return AdminPermissions::MODIFY_VALUE;
    }
    bits
}

fn is_admin(value: &Value) -> bool {
    value.value_type.is("HS_ADMIN")
}

/// One question about an identity, and what was read to answer it.
struct Question<'a> {
    identity: &'a Identity,
    /// `None` once its prefix is no longer served: then nothing names it.
    identity_key: Option<Key>,
    records: &'a dyn Records,
    /// The few records whose `HS_ADMIN` values count; lists often stand there.
    sources: HashMap<Key, Option<Arc<Record>>>,
    lists_left: usize,
    members_left: usize,
    bytes_left: usize,
}

/// Where an `HS_ADMIN` may stand that counts.
enum Source<'a> {
    Held(&'a Record),
    Stored(Identifier),
}

/// How an identity stands towards some `HS_ADMIN` values.
enum Standing {
    Granted,
    /// Named, but without these.
    Lacks(u16),
    NotNamed,
}

impl<'a> Question<'a> {
    fn new(identity: &'a Identity, records: &'a dyn Records) -> Self {
        Self {
            identity,
            identity_key: records.key(&identity.reference().identifier),
            records,
            sources: HashMap::new(),
            lists_left: LISTS_MAX,
            members_left: MEMBERS_MAX,
            bytes_left: LIST_BYTES_MAX,
        }
    }

    fn permit(&mut self, operation: Operation<'_>) -> Result<(), Denied> {
        match operation {
            Operation::Create(identifier) => {
                let (sources, bits) = match identifier.prefix().holds_prefix_records() {
                    true => (
                        self.above(identifier)?,
                        AdminPermissions::ADD_DERIVED_PREFIX,
                    ),
                    false => (
                        vec![prefix_record(identifier)],
                        AdminPermissions::ADD_HANDLE,
                    ),
                };
                self.grant(&sources, bits)
            }
            Operation::Delete(record) => self.permit_delete(record),
            Operation::Change(record, bits) => self.grant(&own(record), bits),
            Operation::Replace(record, values) => match self.permit_delete(record) {
                Err(Denied::Refused(_)) => self.grant(&own(record), replace_bits(record, values)),
                settled => settled,
            },
            Operation::Read(record) => self.grant(&own(record), AdminPermissions::READ_VALUE),
            Operation::List(prefix) => {
                let source = Source::Stored(Identifier::of_prefix(prefix));
                self.grant(&[source], AdminPermissions::LIST_HANDLES)
            }
            Operation::ReadBelow(prefix, _) => {
                let source = Source::Stored(Identifier::of_prefix(prefix));
                self.grant(&[source], AdminPermissions::READ_VALUE)
            }
            // Each record decides.
            Operation::WriteBelow(_) => Ok(()),
        }
    }

    fn permit_delete(&mut self, record: &Record) -> Result<(), Denied> {
        let identifier = &record.identifier;
        if !identifier.prefix().holds_prefix_records() {
            return self.grant(&own(record), AdminPermissions::DELETE_HANDLE);
        }
        let mut sources = self.above(identifier)?;
        sources.insert(0, Source::Held(record));
        self.grant(&sources, AdminPermissions::DELETE_DERIVED_PREFIX)
    }

    /// Whose `HS_ADMIN` decides on a prefix's record being there: the nearest
    /// stored record of a prefix above it, and that of all prefixes.
    fn above(&mut self, identifier: &Identifier) -> Result<Vec<Source<'static>>, Error> {
        let mut sources = Vec::with_capacity(2);
        let mut parent = identifier.as_prefix().and_then(|prefix| prefix.parent());
        while let Some(prefix) = parent {
            let above = Identifier::of_prefix(&prefix);
            if self.stored(&above)?.is_some() {
                sources.push(Source::Stored(above));
                break;
            }
            parent = prefix.parent();
        }
        sources.push(prefix_record(identifier));
        Ok(sources)
    }

    /// Refuses unless one `HS_ADMIN` of `sources` grants all of `needed`.
    fn grant(&mut self, sources: &[Source<'_>], needed: u16) -> Result<(), Denied> {
        let mut lacking: Option<u16> = None;
        for source in sources {
            let stored;
            let record = match source {
                Source::Held(record) => record,
                Source::Stored(identifier) => match self.stored(identifier)? {
                    Some(record) => {
                        stored = record;
                        &*stored
                    }
                    None => continue,
                },
            };
            match self.standing(record, needed)? {
                Standing::Granted => return Ok(()),
                Standing::Lacks(bits) => {
                    lacking = lacking
                        .filter(|least| least.count_ones() <= bits.count_ones())
                        .or(Some(bits));
                }
                Standing::NotNamed => {}
            }
        }
        Err(self.refusal(sources, lacking).into())
    }

    fn refusal(&self, sources: &[Source<'_>], lacking: Option<u16>) -> Refusal {
        if let Some(bits) = lacking {
            let needs = format!("needs {}", names(bits));
            return Refusal::new(Reason::PermissionDenied).limit(needs);
        }
        let name = |source: &Source<'_>| match source {
            Source::Held(record) => record.identifier.to_string(),
            Source::Stored(identifier) => identifier.to_string(),
        };
        let names: Vec<_> = sources.iter().map(name).collect();
        Refusal::new(Reason::NotAdmin)
            .value(self.identity.name())
            .limit(names.join(", "))
    }

    /// What the `HS_ADMIN` values of `record` make of `needed`. Those that grant
    /// all come first: the others matter only for what a refusal says.
    fn standing(&mut self, record: &Record, needed: u16) -> Result<Standing, Error> {
        let decode = |value: &Value| Admin::decode(&value.data).ok();
        let admins = record.values.iter().filter(|value| is_admin(value));
        let (enough, less): (Vec<_>, Vec<_>) = admins
            .filter_map(decode)
            .partition(|admin| admin.permissions.allow(needed));
        for admin in &enough {
            if self.names(&admin.reference)? {
                return Ok(Standing::Granted);
            }
        }
        let mut lacking: Option<u16> = None;
        for admin in &less {
            let bits = needed & !admin.permissions.bits();
            let is_less = lacking.is_none_or(|least| bits.count_ones() < least.count_ones());
            if is_less && self.names(&admin.reference)? {
                lacking = Some(bits);
            }
        }
        Ok(lacking.map_or(Standing::NotNamed, Standing::Lacks))
    }

    /// Whether `reference` is the identity, or a list that names it. Nearest
    /// members first, so that no list is met deeper than it need be.
    fn names(&mut self, reference: &Reference) -> Result<bool, Error> {
        let mut seen = HashSet::new();
        let mut waiting = VecDeque::from([(reference.clone(), 0)]);
        while let Some((reference, depth)) = waiting.pop_front() {
            let Some(key) = self.records.key(&reference.identifier) else {
                continue;
            };
            if self.is_identity(&key, reference.index) {
                return Ok(true);
            }
            if depth == DEPTH_MAX || !seen.insert((key.clone(), reference.index)) {
                continue;
            }
            let members = self.members(&key, reference.index)?;
            waiting.extend(members.into_iter().map(|member| (member, depth + 1)));
        }
        Ok(false)
    }

    fn is_identity(&self, key: &Key, index: u32) -> bool {
        let is_index = index == 0 || index == self.identity.reference().index;
        is_index && self.identity_key.as_ref() == Some(key)
    }

    /// The members of the list at `index` of the record under `key`, as far as
    /// they may still be looked at; none if there is no list.
    fn members(&mut self, key: &Key, index: u32) -> Result<Vec<Reference>, Error> {
        if index == 0 || self.lists_left == 0 || self.bytes_left == 0 {
            return Ok(Vec::new());
        }
        self.lists_left -= 1;
        let record = match self.sources.get(key) {
            Some(record) => record.clone(),
            None => self.records.record(key)?,
        };
        let Some(record) = record else {
            return Ok(Vec::new());
        };
        let bytes: usize = record.values.iter().map(|value| value.data.len()).sum();
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        let list = record
            .value(index)
            .filter(|value| value.value_type.is("HS_VLIST"))
            .and_then(|value| ReferenceList::decode(&value.data).ok());
        let Some(ReferenceList { mut references }) = list else {
            return Ok(Vec::new());
        };
        references.truncate(self.members_left);
        self.members_left -= references.len();
        Ok(references)
    }

    /// The record of `identifier`, if there is one and it is served here.
    fn stored(&mut self, identifier: &Identifier) -> Result<Option<Arc<Record>>, Error> {
        let Some(key) = self.records.key(identifier) else {
            return Ok(None);
        };
        if let Some(record) = self.sources.get(&key) {
            return Ok(record.clone());
        }
        let record = self.records.record(&key)?;
        self.sources.insert(key, record.clone());
        Ok(record)
    }
}

/// The record itself and that of its prefix.
fn own(record: &Record) -> [Source<'_>; 2] {
    [Source::Held(record), prefix_record(&record.identifier)]
}

fn prefix_record(identifier: &Identifier) -> Source<'static> {
    Source::Stored(Identifier::of_prefix(identifier.prefix()))
}

/// The names of some rights, as administrators know them.
fn names(bits: u16) -> String {
    const NAMES: [(u16, &str); 12] = [
        (AdminPermissions::ADD_HANDLE, "ADD_HANDLE"),
        (AdminPermissions::DELETE_HANDLE, "DELETE_HANDLE"),
        (AdminPermissions::ADD_DERIVED_PREFIX, "ADD_NA"),
        (AdminPermissions::DELETE_DERIVED_PREFIX, "DELETE_NA"),
        (AdminPermissions::MODIFY_VALUE, "MODIFY_VALUE"),
        (AdminPermissions::REMOVE_VALUE, "REMOVE_VALUE"),
        (AdminPermissions::ADD_VALUE, "ADD_VALUE"),
        (AdminPermissions::MODIFY_ADMIN, "MODIFY_ADMIN"),
        (AdminPermissions::REMOVE_ADMIN, "REMOVE_ADMIN"),
        (AdminPermissions::ADD_ADMIN, "ADD_ADMIN"),
        (AdminPermissions::READ_VALUE, "READ_VALUE"),
        (AdminPermissions::LIST_HANDLES, "LIST_HANDLES"),
    ];
    let named = NAMES.iter().filter(|(bit, _)| bits & bit != 0);
    named.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
