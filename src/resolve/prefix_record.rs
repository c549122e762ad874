//! The records of prefixes, `0.NA/88.118.7`: how a client finds the servers of a
//! prefix (RFC 3651 §3.3; Handle protocol as deployed).
//!
//! They are ordinary records. Beside what is stored, each prefix that is active
//! here has one, and each of those tells the site of this node; and each prefix of
//! an active firm that serves it itself has one with the firm's site.

use std::borrow::Cow;
use std::sync::Arc;

use crate::model::firm::{Firm, FirmState, Hosting};
use crate::model::{
    Identifier, Permissions, PrefixEntry, PrefixState, Reason, Record, Timestamp, Ttl, Value,
    ValueType,
};
use crate::resolve::{Unresolved, stored};
use crate::store::Store;

/// The type of the values that tell where a prefix is served.
const SITE_TYPE: &str = "HS_SITE";

/// The site of this node: what its prefixes' records tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Data of the `HS_SITE`.
    pub data: Vec<u8>,
    /// Since when it is so.
    pub since: Timestamp,
}

impl Site {
    fn value(&self, index: u32, value_type: ValueType) -> Value {
        Value {
            index,
            value_type,
            data: self.data.clone(),
            ttl: Ttl::DEFAULT,
            permissions: Permissions::DEFAULT,
            readers: None,
            changed: self.since,
            references: Vec::new(),
        }
    }
}

/// The record of a prefix: the one stored, if any, and the site if the prefix is
/// active here and the record tells none of its own.
pub(super) fn prefix_record(
    store: &Store,
    site: Option<&Site>,
    identifier: &Identifier,
) -> Result<Record, Unresolved> {
    let found = stored(store, identifier);
    let Some((entry, site)) = served(store, site, identifier) else {
        return found;
    };
    match found {
        Ok(record) => Ok(with_site(record, &site)),
        Err(Unresolved::Refused(refusal))
            if matches!(
                refusal.reason(),
                Reason::PrefixNotHomed | Reason::RecordNotFound
            ) =>
        {
            Ok(with_site(bare(&entry), &site))
        }
        Err(error) => Err(error),
    }
}

/// The prefix whose record `identifier` names, and the site that serves it: this
/// node's if the prefix is active here, that of the firm that holds it if the
/// firm serves it itself.
fn served<'a>(
    store: &Store,
    site: Option<&'a Site>,
    identifier: &Identifier,
) -> Option<(Arc<PrefixEntry>, Cow<'a, Site>)> {
    let canonical = identifier.as_prefix()?.canonical();
    let entry = Arc::clone(&store.prefixes().get(&canonical)?.entry);
    let site = match entry.state {
        PrefixState::Active => Cow::Borrowed(site?),
        PrefixState::Registered => Cow::Owned(routed(store, &entry)?),
        PrefixState::Suspended { .. } => return None,
    };
    Some((entry, site))
}

/// The site of the firm that holds a prefix and serves it itself, while the firm
/// is active.
fn routed(store: &Store, entry: &PrefixEntry) -> Option<Site> {
    let holder = entry.holder.as_ref()?;
    let firm = store.directory().find::<Firm>(holder.as_str()).cloned()?;
    match (&firm.state, &firm.facts.hosting) {
        (FirmState::Active, Hosting::Routed(servers)) => {
            // The low bits: the serial wraps, and clients ask for no order.
            let serial = u16::try_from(entry.revision & 0xffff).unwrap_or_default();
            Some(Site {
                data: servers.site(serial),
                since: entry.changed,
            })
        }
        (
            FirmState::Draft
            | FirmState::Submitted
            | FirmState::Verified
            | FirmState::Approved
            | FirmState::Rejected { .. }
            | FirmState::Active
            | FirmState::Suspended { .. }
            | FirmState::Retired,
            Hosting::Hosted | Hosting::Routed(_),
        ) => None,
    }
}

/// A record without values for a prefix that has none stored.
fn bare(entry: &PrefixEntry) -> Record {
    Record {
        identifier: Identifier::of_prefix(&entry.prefix),
        values: Vec::new(),
        readers: None,
        revision: entry.revision,
        created: entry.created,
        changed: entry.changed,
    }
}

/// `record` with the site at its lowest free index, unless it tells one.
fn with_site(mut record: Record, site: &Site) -> Record {
    if record
        .values
        .iter()
        .any(|value| value.value_type.is(SITE_TYPE))
    {
        return record;
    }
    let Ok(value_type) = ValueType::parse(SITE_TYPE) else {
        return record;
    };
    // The values ascend by index, from 1.
    let taken = |(index, value): &(u32, &Value)| value.index == *index;
    let place = (1..).zip(&record.values).take_while(taken).count();
    let index = u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1);
    record.values.insert(place, site.value(index, value_type));
    record.changed = record.changed.max(site.since);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stored: &[(u32, &str)], expected: &[(u32, &str)]) {
        let site = Site {
            data: b"here".to_vec(),
            since: Timestamp::from_millis(5),
        };
        let value = |(index, value_type): &(u32, &str)| Value {
            data: Vec::new(),
            ..site.value(*index, ValueType::parse(value_type).expect("a type"))
        };
        let record = Record {
            identifier: Identifier::parse("0.NA/88.118.7").expect("an identifier"),
            values: stored.iter().map(value).collect(),
            readers: None,
            revision: 1,
            created: Timestamp::default(),
            changed: Timestamp::default(),
        };
        let record = with_site(record, &site);
        let seen = record.values.iter();
        let seen: Vec<_> = seen.map(|v| (v.index, v.value_type.as_str())).collect();
        assert_eq!(seen, expected);
        let told = record.values.iter().filter(|v| v.data == b"here").count();
        assert_eq!(told, expected.len() - stored.len());
    }

    #[test]
    fn tells_the_site_at_the_lowest_free_index() {
        check(&[], &[(1, "HS_SITE")]);
        check(&[(100, "HS_ADMIN")], &[(1, "HS_SITE"), (100, "HS_ADMIN")]);
        check(
            &[(1, "DESC"), (2, "URL"), (4, "URL")],
            &[(1, "DESC"), (2, "URL"), (3, "HS_SITE"), (4, "URL")],
        );
        check(
            &[(1, "DESC"), (2, "URL")],
            &[(1, "DESC"), (2, "URL"), (3, "HS_SITE")],
        );
    }

    #[test]
    fn leaves_a_site_that_is_stored() {
        check(&[(7, "HS_SITE")], &[(7, "HS_SITE")]);
        check(&[(7, "HS_SITE.6")], &[(1, "HS_SITE"), (7, "HS_SITE.6")]);
    }
}
