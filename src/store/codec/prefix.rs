//! Prefix entries and their counts.
//!
//! ```text
//! entry  = 1  rest                              held by no firm that the node knows
//!        | 2  holder  rest
//! rest   = spelling  firm  case  state  [suspend reason]  (0 | 1)  quota  revision  created_ms  changed_ms
//! counts = active u64 BE  deleted u64 BE
//! ```

use crate::model::{FirmId, Prefix, PrefixEntry, PrefixState, SuffixCase, Timestamp};
use crate::store::Error;
use crate::store::codec::{Cursor, put_bytes, put_number};

const VERSION: u8 = 1;
const VERSION_HELD: u8 = 2;

/// Appends the encoding of `entry`.
pub(crate) fn encode(entry: &PrefixEntry, out: &mut Vec<u8>) {
    let PrefixEntry {
        prefix,
        firm,
        holder,
        state,
        case,
        quota,
        revision,
        created,
        changed,
    } = entry;
    match holder {
        None => out.push(VERSION),
        Some(holder) => {
            out.push(VERSION_HELD);
            put_bytes(out, holder.as_str().as_bytes());
        }
    }
    put_bytes(out, prefix.as_str().as_bytes());
    put_bytes(out, firm.as_bytes());
    out.push(match case {
        SuffixCase::Folded => 0,
        SuffixCase::Sensitive => 1,
    });
    match state {
        PrefixState::Registered => out.push(0),
        PrefixState::Active => out.push(1),
        PrefixState::Suspended { reason } => {
            out.push(2);
            put_bytes(out, reason.as_bytes());
        }
    }
    put_number(out, u64::from(quota.is_some()));
    put_number(out, quota.unwrap_or_default());
    put_number(out, *revision);
    put_number(out, created.millis());
    put_number(out, changed.millis());
}

/// Decodes an entry.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Version`].
pub(crate) fn decode(bytes: &[u8]) -> Result<PrefixEntry, Error> {
    let is_held = bytes.first() == Some(&VERSION_HELD);
    let version = if is_held { VERSION_HELD } else { VERSION };
    let mut cursor = Cursor::new(bytes, version, "prefix")?;
    let holder = match is_held {
        true => Some(FirmId::parse(cursor.text()?).map_err(|_| cursor.corrupt())?),
        false => None,
    };
    let prefix = Prefix::parse(cursor.text()?).map_err(|_| cursor.corrupt())?;
    let firm = cursor.text()?.to_owned();
    let case = match cursor.byte()? {
        0 => SuffixCase::Folded,
        1 => SuffixCase::Sensitive,
        _ => return Err(cursor.corrupt()),
    };
    let state = match cursor.byte()? {
        0 => PrefixState::Registered,
        1 => PrefixState::Active,
        2 => PrefixState::Suspended {
            reason: cursor.text()?.to_owned(),
        },
        _ => return Err(cursor.corrupt()),
    };
    let has_quota = cursor.number()? == 1;
    let quota = Some(cursor.number()?).filter(|_| has_quota);
    let revision = cursor.number()?;
    let created = Timestamp::from_millis(cursor.number()?);
    let changed = Timestamp::from_millis(cursor.number()?);
    cursor.end()?;
    Ok(PrefixEntry {
        prefix,
        firm,
        holder,
        state,
        case,
        quota,
        revision,
        created,
        changed,
    })
}

/// Encodes a prefix's counts.
pub(crate) fn encode_counts(active: u64, deleted: u64) -> [u8; 16] {
    (u128::from(active) << 64 | u128::from(deleted)).to_be_bytes()
}

/// Decodes a prefix's counts: active, deleted.
///
/// # Errors
/// [`Error::Corrupt`] unless there are 16 bytes.
pub(crate) fn decode_counts(bytes: &[u8]) -> Result<(u64, u64), Error> {
    let both = <[u8; 16]>::try_from(bytes).map_err(|_| Error::Corrupt { what: "counts" })?;
    let both = u128::from_be_bytes(both);
    let active = u64::try_from(both >> 64).unwrap_or_default();
    let deleted = u64::try_from(both & u128::from(u64::MAX)).unwrap_or_default();
    Ok((active, deleted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_counts_go_there_and_back() {
        for state in [
            PrefixState::Registered,
            PrefixState::Active,
            PrefixState::Suspended {
                reason: "欠费".into(),
            },
        ] {
            for quota in [None, Some(0), Some(u64::MAX)] {
                let holder = quota.map(|_| FirmId::parse("91330300").expect("an id"));
                let entry = PrefixEntry {
                    prefix: Prefix::parse("0.NA").expect("prefix"),
                    firm: "温州".into(),
                    holder,
                    state: state.clone(),
                    case: SuffixCase::Sensitive,
                    quota,
                    revision: 300,
                    created: Timestamp::from_millis(1),
                    changed: Timestamp::from_millis(2),
                };
                let mut bytes = Vec::new();
                encode(&entry, &mut bytes);
                assert_eq!(decode(&bytes).expect("decodes"), entry);
                assert!(decode(&bytes[..bytes.len() - 1]).is_err());
            }
        }
        let counts = encode_counts(u64::MAX, 7);
        assert_eq!(decode_counts(&counts).expect("decodes"), (u64::MAX, 7));
    }
}
