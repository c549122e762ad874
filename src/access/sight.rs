//! What a caller reads that not everyone may: which restricted records it sees,
//! and which values of a record.
//!
//! ```text
//! who                                     restricted records        values not for all
//! system administrator                    all                       all
//! members of the holder, within scope     all                       all; secrets from registrar up
//! members of a firm named as a reader     those that name it        those that name it
//! identities                              all, by READ_VALUE of     by READ_VALUE
//!                                         the prefix's HS_ADMIN
//! guests of a share of the holder         those it reaches          those it reaches; no secrets
//! everyone else                           none                      none
//! ```
//!
//! Members count while their firm is active, and shares while the firm is that
//! made them. A firm is named itself, or by a group of the holder's that it belongs to. A
//! value must let administrators read where no reader is named. Which restricted
//! records a caller sees follows from the caller, the prefix and the identifier:
//! it is known before any is read, so that nothing of one that it does not see is
//! ever looked at.

use std::borrow::Cow;

use crate::access::renewed;
use crate::access::rights::{Denied, Operation, Records, permit_record};
use crate::model::{
    Caller, Firm, FirmId, FirmRole, FirmState, Guest, Identifier, Member, PrefixEntry, Reader,
    Record, Share, Timestamp, Value, Verb, Who,
};
use crate::store::{Error, Sight, Store};

/// The type whose data is a secret.
const SECRET_TYPE: &str = "HS_SECKEY";

/// What somebody reads of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// What everyone may.
    Public,
    /// Also the values that name one of these.
    Shared(Vec<Reader>),
    /// Also what a share shows: at these indices, or at all if there are none.
    Guest(Vec<u32>),
    /// Also what administrators may.
    Whole {
        /// Secrets too.
        secrets: bool,
    },
}

impl Reading {
    /// Whether it shows `value` of `record`.
    pub fn shows(&self, record: &Record, value: &Value) -> bool {
        let is_public = value.permissions.public_read();
        let is_secret = value.value_type.is(SECRET_TYPE);
        let for_administrators = value.permissions.admin_read();
        match self {
            Self::Public => is_public,
            Self::Shared(readers) => {
                let named = value.readers.as_ref();
                is_public || named.is_some_and(|named| readers.iter().any(|one| named.names(one)))
            }
            Self::Guest(indices) => {
                let is_meant = indices.is_empty() || indices.contains(&value.index);
                // Of a record that is not there for all, no more than is shared.
                is_public && (is_meant || !record.is_restricted())
                    || is_meant && for_administrators && !is_secret
            }
            Self::Whole { secrets } => is_public || for_administrators && (*secrets || !is_secret),
        }
    }

    /// Whether it shows who else may read.
    pub const fn shows_readers(&self) -> bool {
        matches!(self, Self::Whole { .. })
    }
}

/// Which restricted records below `entry` a list for `caller` shows.
///
/// # Errors
/// [`Error`] if the store cannot be read.
pub fn sight_below(
    caller: &Caller,
    store: &Store,
    now: Timestamp,
    entry: &PrefixEntry,
) -> Result<Sight, Error> {
    sight_for(Verb::List, caller, (store, now), entry)
}

/// Whether `caller` sees `identifier` below `entry` if it is restricted.
///
/// # Errors
/// [`Error`] if the store cannot be read.
pub fn sight(
    caller: &Caller,
    (store, now): (&Store, Timestamp),
    entry: &PrefixEntry,
    identifier: &Identifier,
) -> Result<Sight, Error> {
    if let Who::Guest(guest) = &caller.who {
        let share = share_for(guest, (store, now), entry);
        let reaches = share.is_some_and(|share| share.reaches(identifier, entry.case));
        return Ok(match reaches {
            true => Sight::Everything,
            false => Sight::Nothing,
        });
    }
    sight_for(Verb::Read, caller, (store, now), entry)
}

fn sight_for(
    verb: Verb,
    caller: &Caller,
    (store, now): (&Store, Timestamp),
    entry: &PrefixEntry,
) -> Result<Sight, Error> {
    if caller.is_anonymous() {
        return Ok(Sight::Nothing);
    }
    let Some(caller) = standing(caller, (store, now)) else {
        return Ok(Sight::Nothing);
    };
    match permit_record(&caller, store, Operation::ReadBelow(&entry.prefix, verb)) {
        Ok(()) => Ok(Sight::Everything),
        Err(Denied::Store(error)) => Err(error),
        Err(Denied::Refused(_)) => Ok(match &caller.who {
            Who::Member(member) => Sight::Shared(readers_of(member, verb, store, entry)),
            Who::Anonymous | Who::Operator(_) | Who::Identity(_) | Who::Guest(_) => Sight::Nothing,
        }),
    }
}

/// What `caller` reads of `record`, which is there for it.
///
/// # Errors
/// [`Error`] if the store cannot be read.
pub fn reading(
    caller: &Caller,
    (store, now): (&Store, Timestamp),
    record: &Record,
) -> Result<Reading, Error> {
    let Some(caller) = standing(caller, (store, now)) else {
        return Ok(Reading::Public);
    };
    match permit_record(&caller, store, Operation::Read(record)) {
        Ok(()) => {
            let secrets = match &caller.who {
                // Who holds the secret of an identity may do what it may.
                Who::Member(member) => member.role >= FirmRole::Registrar,
                Who::Anonymous | Who::Operator(_) | Who::Identity(_) | Who::Guest(_) => true,
            };
            return Ok(Reading::Whole { secrets });
        }
        Err(Denied::Store(error)) => return Err(error),
        Err(Denied::Refused(_)) => {}
    }
    let canonical = record.identifier.prefix().canonical();
    let row = store.prefixes().get(&canonical).cloned();
    let Some(entry) = row.map(|row| row.entry) else {
        return Ok(Reading::Public);
    };
    Ok(match &caller.who {
        Who::Member(member) => Reading::Shared(readers_of(member, Verb::Read, store, &entry)),
        Who::Guest(guest) => match share_for(guest, (store, now), &entry) {
            Some(share) if share.reaches(&record.identifier, entry.case) => {
                Reading::Guest(share.indices)
            }
            Some(_) | None => Reading::Public,
        },
        Who::Anonymous | Who::Operator(_) | Who::Identity(_) => Reading::Public,
    })
}

/// The caller as it stands now: a right that was taken away meanwhile is gone.
/// `None` for one that counts no longer, and for a member of a firm that is not
/// active.
pub(super) fn standing<'c>(
    caller: &'c Caller,
    (store, now): (&Store, Timestamp),
) -> Option<Cow<'c, Caller>> {
    let caller = renewed(caller, store, now).ok()?;
    let counts = match &caller.who {
        Who::Member(member) => is_active(store, &member.firm),
        Who::Anonymous | Who::Operator(_) | Who::Identity(_) | Who::Guest(_) => true,
    };
    counts.then_some(caller)
}

fn is_active(store: &Store, firm: &FirmId) -> bool {
    let directory = store.directory();
    let firm = directory.find::<Firm>(firm.as_str());
    firm.is_some_and(|firm| firm.state == FirmState::Active)
}

/// As what `member` may be named as a reader below `entry`: its firm, and groups
/// of the holder. Nothing once its scope confines it to its own firm's prefixes.
fn readers_of(member: &Member, verb: Verb, store: &Store, entry: &PrefixEntry) -> Vec<Reader> {
    let scope = &member.scope;
    let is_confined = !scope.prefixes.is_empty();
    if is_confined || !scope.verbs.is_empty() && !scope.verbs.contains(&verb) {
        return Vec::new();
    }
    let mut readers = vec![Reader::Firm(member.firm.clone())];
    if let Some(holder) = &entry.holder {
        let directory = store.directory();
        let groups = directory.groups_with(&member.firm);
        let own = groups.filter(|group| group.owner == *holder);
        readers.extend(own.map(|group| Reader::Group(group.id.clone())));
    }
    readers
}

/// The share of a guest, if it counts and is one of the holder's.
fn share_for(
    guest: &Guest,
    (store, now): (&Store, Timestamp),
    entry: &PrefixEntry,
) -> Option<Share> {
    let share = store
        .directory()
        .find::<Share>(guest.share.as_str())
        .cloned()?;
    let is_holders = |holder: &FirmId| *holder == share.owner;
    let is_own = entry.holder.as_ref().is_some_and(is_holders);
    let counts = is_own && share.is_in_force(now) && is_active(store, &share.owner);
    counts.then(|| Share::clone(&share))
}

/// Whether `caller` sees the restricted records below `entry` when it changes one:
/// whoever may change each of them, as a member of the holder may, or know of each.
///
/// # Errors
/// [`Error`] if the store cannot be read.
pub fn sees_to_change(
    caller: &Caller,
    records: &dyn Records,
    entry: &PrefixEntry,
) -> Result<bool, Error> {
    let operation = match &caller.who {
        Who::Member(_) => Operation::WriteBelow(&entry.prefix),
        Who::Anonymous | Who::Operator(_) | Who::Identity(_) | Who::Guest(_) => {
            Operation::ReadBelow(&entry.prefix, Verb::Read)
        }
    };
    match permit_record(caller, records, operation) {
        Ok(()) => Ok(true),
        Err(Denied::Refused(_)) => Ok(false),
        Err(Denied::Store(error)) => Err(error),
    }
}
