//! Audit entries: who changed what, when, from where, and what came of it.
//!
//! ```text
//! entry   = 2  time_ms  actor  action  subject  request-id  digests  [before 32]  [after 32]
//!           [public 32]  source  refused  omitted  salt 16  chain 32
//!         | 1  time_ms  actor  action  subject  request-id  digests  [before 32]  [after 32]
//!         | 3  salt 16  leaf  SHA-256 of these
//!                              what stays of an entry that is older than the retention
//! digests = bit 0: before  bit 1: after         SHA-256 of the stored value
//!           bit 2: public  bit 3: public is after
//! source  = length, 4 or 16 octets of an address; length 0 if unknown
//! refused = length, code of the reason; length 0 if it was done
//! omitted = refused attempts since the entry before that have no entry of their own
//! chain   = SHA-256(2 ‖ chain of the entry before ‖ entry without its chain)
//! ```
//!
//! The chain before the first entry is zeros. Entries of version 1 do not hold
//! theirs; it is computed alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::merkle::{HASH_BYTES, Hash, Leaf, sha256};
use crate::model::Timestamp;
use crate::store::Error;
use crate::store::codec::{Cursor, put_bytes, put_number};

const VERSION: u8 = 2;
/// What the first release wrote: neither salt nor chain.
const VERSION_BARE: u8 = 1;
const VERSION_REMAINS: u8 = 3;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;
const PUBLIC: u8 = 4;
const PUBLIC_IS_AFTER: u8 = 8;
/// What a link of the chain is hashed behind: neither a leaf nor a node.
const CHAIN: u8 = 2;
/// Octets of the salt of an entry.
pub const SALT_BYTES: usize = 16;
const WHAT: &str = "audit entry";

/// SHA-256 of a stored value.
pub type Digest = Hash;

/// Random octets in an entry, so that its hash tells nobody what it may hold.
pub type Salt = [u8; SALT_BYTES];

/// One entry of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When the change was taken in.
    pub time: Timestamp,
    /// The caller's name.
    pub actor: Box<str>,
    /// What was done: a small number that `registry::audit` names.
    pub action: u8,
    /// Canonical key of the record, canonical prefix, or what else it is about.
    pub subject: Box<[u8]>,
    /// The caller's request id; empty if none.
    pub request_id: Box<str>,
    /// Digest of the subject's stored value before; `None` if there was none.
    pub before: Option<Digest>,
    /// Digest of the subject's stored value after; `None` if there is none.
    pub after: Option<Digest>,
    /// Digest of what anybody may read of it after; `None` if nothing.
    pub public: Option<Digest>,
    /// The address from which it was asked for, if it is known.
    pub source: Option<IpAddr>,
    /// The code of the reason for which it was refused; empty if it was done.
    pub refused: Box<str>,
    /// Refused attempts since the entry before that have no entry of their own.
    pub omitted: u64,
    /// Random octets.
    pub salt: Salt,
}

/// What the column holds at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// An entry with its chain, if it holds it.
    Entry(Box<AuditEntry>, Option<Hash>),
    /// What stays of an old one: its salt, and the octets of its leaf.
    Remains(Salt, Box<[u8]>),
}

/// Whether an entry is of the first release.
pub(crate) fn is_bare(bytes: &[u8]) -> bool {
    bytes.first() == Some(&VERSION_BARE)
}

/// The leaf of `entry`, which is at `position` and ends its chain with `chain`.
pub(crate) fn leaf(position: u64, entry: &AuditEntry, chain: Hash) -> Leaf<'_> {
    let private = entry.after.map(|after| sha256(&[&entry.salt, &after]));
    Leaf {
        position,
        time_millis: entry.time.millis(),
        action: entry.action,
        outcome: u8::from(!entry.refused.is_empty()),
        subject: &entry.subject,
        public: entry.public.unwrap_or_default(),
        private: private.unwrap_or_default(),
        chain,
    }
}

/// The chain that ends with an entry, from its stored bytes. `None` for what is
/// no entry.
pub(crate) fn chain(before: &Hash, bytes: &[u8]) -> Option<Hash> {
    let entry = match *bytes.first()? {
        VERSION => {
            bytes
                .split_at_checked(bytes.len().checked_sub(HASH_BYTES)?)?
                .0
        }
        VERSION_BARE => bytes,
        _ => return None,
    };
    Some(sha256(&[&[CHAIN], before, entry]))
}

/// Puts the encoding of `entry`, which tells of further `omitted` attempts, behind
/// the chain `before` into `out`, in place of what it holds, and returns the chain
/// with it.
pub(crate) fn encode(entry: &AuditEntry, omitted: u64, before: &Hash, out: &mut Vec<u8>) -> Hash {
    let AuditEntry {
        time,
        actor,
        action,
        subject,
        request_id,
        before: digest_before,
        after,
        public,
        source,
        refused,
        omitted: omitted_before,
        salt,
    } = entry;
    out.clear();
    // What is hashed in one piece; the front is cut off below.
    out.push(CHAIN);
    out.extend_from_slice(before);
    out.push(VERSION);
    put_number(out, time.millis());
    put_bytes(out, actor.as_bytes());
    out.push(*action);
    put_bytes(out, subject);
    put_bytes(out, request_id.as_bytes());
    let public = match public {
        Some(public) if Some(*public) == *after => (PUBLIC_IS_AFTER, None),
        Some(public) => (PUBLIC, Some(public)),
        None => (0, None),
    };
    let before_bit = if digest_before.is_some() { BEFORE } else { 0 };
    let after_bit = if after.is_some() { AFTER } else { 0 };
    out.push(before_bit | after_bit | public.0);
    for digest in [digest_before.as_ref(), after.as_ref(), public.1] {
        out.extend_from_slice(digest.map_or(&[], |digest| digest));
    }
    match source {
        None => out.push(0),
        Some(IpAddr::V4(address)) => put_bytes(out, &address.octets()),
        Some(IpAddr::V6(address)) => put_bytes(out, &address.octets()),
    }
    put_bytes(out, refused.as_bytes());
    put_number(out, omitted_before.saturating_add(omitted));
    out.extend_from_slice(salt);
    let chain = sha256(&[out]);
    out.drain(..1 + HASH_BYTES);
    out.extend_from_slice(&chain);
    chain
}

/// Encodes what stays of an entry that is older than the retention.
pub(crate) fn encode_remains(salt: &Salt, leaf: &Leaf<'_>) -> Vec<u8> {
    let mut out = vec![VERSION_REMAINS];
    out.extend_from_slice(salt);
    leaf.encode(&mut out);
    // The leaf stands in the tree; the salt is in no hash once the entry is gone.
    let sum = sha256(&[&out]);
    out.extend_from_slice(&sum);
    out
}

/// Decodes what the column holds.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Version`].
pub(crate) fn decode(bytes: &[u8]) -> Result<Stored, Error> {
    match bytes.first() {
        Some(&VERSION_REMAINS) => {
            let corrupt = || Error::Corrupt { what: WHAT };
            let (kept, sum) = bytes.split_last_chunk().ok_or_else(corrupt)?;
            if sha256(&[kept]) != *sum {
                return Err(corrupt());
            }
            let rest = kept.get(1..).unwrap_or_default();
            let (salt, leaf) = rest.split_first_chunk().ok_or_else(corrupt)?;
            Leaf::decode(leaf).map_err(|_| corrupt())?;
            Ok(Stored::Remains(*salt, leaf.into()))
        }
        Some(&VERSION_BARE) => {
            let mut cursor = Cursor::new(bytes, VERSION_BARE, WHAT)?;
            let (entry, _) = fields(&mut cursor)?;
            cursor.end()?;
            Ok(Stored::Entry(Box::new(entry), None))
        }
        _ => {
            let mut cursor = Cursor::new(bytes, VERSION, WHAT)?;
            let (mut entry, digests) = fields(&mut cursor)?;
            entry.public = match digests & (PUBLIC | PUBLIC_IS_AFTER) {
                0 => None,
                PUBLIC => Some(digest(&mut cursor)?),
                PUBLIC_IS_AFTER => Some(entry.after.ok_or_else(|| cursor.corrupt())?),
                _ => return Err(cursor.corrupt()),
            };
            entry.source = source(&mut cursor)?;
            entry.refused = cursor.text()?.into();
            entry.omitted = cursor.number()?;
            let salt = Salt::try_from(cursor.take(SALT_BYTES)?);
            entry.salt = salt.map_err(|_| cursor.corrupt())?;
            let chain = digest(&mut cursor)?;
            cursor.end()?;
            Ok(Stored::Entry(Box::new(entry), Some(chain)))
        }
    }
}

/// The fields that both versions begin with, and which digests there are.
fn fields(cursor: &mut Cursor<'_>) -> Result<(AuditEntry, u8), Error> {
    let time = Timestamp::from_millis(cursor.number()?);
    let actor = cursor.text()?.into();
    let action = cursor.byte()?;
    let subject = cursor.bytes()?.into();
    let request_id = cursor.text()?.into();
    let digests = cursor.byte()?;
    let mut digest_at = |bit| match digests & bit {
        0 => Ok(None),
        _ => digest(cursor).map(Some),
    };
    let entry = AuditEntry {
        time,
        actor,
        action,
        subject,
        request_id,
        before: digest_at(BEFORE)?,
        after: digest_at(AFTER)?,
        public: None,
        source: None,
        refused: "".into(),
        omitted: 0,
        salt: Salt::default(),
    };
    Ok((entry, digests))
}

fn digest(cursor: &mut Cursor<'_>) -> Result<Digest, Error> {
    Digest::try_from(cursor.take(HASH_BYTES)?).map_err(|_| cursor.corrupt())
}

fn source(cursor: &mut Cursor<'_>) -> Result<Option<IpAddr>, Error> {
    let octets = cursor.bytes()?;
    if octets.is_empty() {
        return Ok(None);
    }
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Ok(Some(Ipv4Addr::from(octets).into()));
    }
    let octets = <[u8; 16]>::try_from(octets).map_err(|_| cursor.corrupt())?;
    Ok(Some(Ipv6Addr::from(octets).into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> AuditEntry {
        AuditEntry {
            time: Timestamp::from_millis(1_800_000_000_000),
            actor: "key-1".into(),
            action: 3,
            subject: b"88.118.7/a".as_slice().into(),
            request_id: "r".into(),
            before: Some([1; 32]),
            after: Some([7; 32]),
            public: Some([8; 32]),
            source: Some([192, 0, 2, 1].into()),
            refused: "".into(),
            omitted: 0,
            salt: [9; SALT_BYTES],
        }
    }

    fn check(entry: &AuditEntry) {
        let before = [5; 32];
        let mut bytes = vec![0xff; 3];
        let link = encode(entry, 0, &before, &mut bytes);
        let stored = Stored::Entry(Box::new(entry.clone()), Some(link));
        assert_eq!(decode(&bytes).expect("decodes"), stored);
        assert_eq!(chain(&before, &bytes), Some(link));
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        bytes.push(0);
        assert!(decode(&bytes).is_err());
    }

    #[test]
    fn entries_go_there_and_back() {
        check(&entry());
        for (before, after) in [(None, Some([7; 32])), (Some([1; 32]), None), (None, None)] {
            check(&AuditEntry {
                before,
                after,
                public: after,
                ..entry()
            });
        }
        let refused = AuditEntry {
            source: Some(Ipv6Addr::LOCALHOST.into()),
            refused: "PERMISSION_DENIED".into(),
            omitted: 12_345,
            public: None,
            ..entry()
        };
        check(&refused);
        check(&AuditEntry {
            source: None,
            ..entry()
        });
    }

    /// Written by the first release: a later one must still read it.
    #[test]
    fn reads_version_1() {
        let bytes = [
            &b"\x01\x80\x90\xb3\xd0\xb1\x34\x05key-1\x03\x0a88.118.7/a\x01r\x02"[..],
            &[7; 32],
        ]
        .concat();
        let Stored::Entry(found, None) = decode(&bytes).expect("decodes") else {
            panic!("another version");
        };
        assert_eq!((&*found.actor, found.action), ("key-1", 3));
        assert_eq!((found.before, found.after), (None, Some([7; 32])));
        assert_eq!((found.public, found.source, found.omitted), (None, None, 0));
        assert_eq!(
            chain(&[0; 32], &bytes),
            Some(sha256(&[&[2], &[0; 32], &bytes]))
        );
    }

    #[test]
    fn what_stays_is_the_leaf() {
        let entry = entry();
        let leaf = leaf(7, &entry, [3; 32]);
        let bytes = encode_remains(&entry.salt, &leaf);
        let mut octets = Vec::new();
        leaf.encode(&mut octets);
        let stored = Stored::Remains(entry.salt, octets.into());
        assert_eq!(decode(&bytes).expect("decodes"), stored);
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
        assert_eq!(chain(&[0; 32], &bytes), None);
        for bit in 8..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_bit_of_an_entry_counts() {
        let before = [5; 32];
        let mut bytes = Vec::new();
        let link = encode(&entry(), 0, &before, &mut bytes);
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Either the chain is another, or the entry holds another.
            let holds = match decode(&flipped) {
                Ok(Stored::Entry(_, Some(holds))) => holds,
                Ok(Stored::Entry(_, None) | Stored::Remains(..)) | Err(_) => continue,
            };
            let is_sound = chain(&before, &flipped) == Some(holds) && holds == link;
            assert!(!is_sound, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_on_other_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200), version in 1u8..4) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            let _ = decode(&bytes).is_ok();
            let _ = chain(&[0; 32], &bytes);
        }
    }
}
