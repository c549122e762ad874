//! Prefix entries and their counts.
//!
//! ```text
//! entry  = 1  rest                              held by no firm that the node knows
//!        | 2  holder  rest
//! rest   = spelling  firm  case  state  [suspend reason]  (0 | 1)  quota  revision  created_ms  changed_ms
//! counts = active u64 BE  deleted u64 BE  [restricted and active u64 BE  restricted and deleted u64 BE]
//!          [labels u16 BE]
//! ```

use crate::model::{FirmId, Prefix, PrefixEntry, PrefixState, SuffixCase, Timestamp};
use crate::store::Error;
use crate::store::codec::{Cursor, put_bytes, put_number};
use crate::store::prefixes::Counts;

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

/// Encodes a prefix's counts: those of restricted identifiers where there are any, and
/// the most labels if they are known.
pub(crate) fn encode_counts(counts: Counts, labels_max: Option<u16>) -> Vec<u8> {
    let Counts {
        active,
        deleted,
        restricted_active,
        restricted_deleted,
    } = counts;
    let mut bytes = [active.to_be_bytes(), deleted.to_be_bytes()].concat();
    if restricted_active > 0 || restricted_deleted > 0 {
        bytes.extend(restricted_active.to_be_bytes());
        bytes.extend(restricted_deleted.to_be_bytes());
    }
    bytes.extend(labels_max.into_iter().flat_map(u16::to_be_bytes));
    bytes
}

/// Decodes a prefix's counts, and the most labels if they are known.
///
/// # Errors
/// [`Error::Corrupt`] unless there are 16 or 32 bytes, or two more.
pub(crate) fn decode_counts(bytes: &[u8]) -> Result<(Counts, Option<u16>), Error> {
    let corrupt = || Error::Corrupt { what: "counts" };
    let mut numbers = [0; 4];
    let (chunks, rest) = bytes.as_chunks::<8>();
    let labels_max = match rest {
        [] => None,
        rest => Some(<[u8; 2]>::try_from(rest).map_err(|_| corrupt())?),
    };
    if !matches!(chunks.len(), 2 | 4) {
        return Err(corrupt());
    }
    for (number, chunk) in numbers.iter_mut().zip(chunks) {
        *number = u64::from_be_bytes(*chunk);
    }
    let [active, deleted, restricted_active, restricted_deleted] = numbers;
    let counts = Counts {
        active,
        deleted,
        restricted_active,
        restricted_deleted,
    };
    Ok((counts, labels_max.map(u16::from_be_bytes)))
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
        for (restricted_active, byte_count) in [(0, 16), (1, 32)] {
            let counts = Counts {
                active: u64::MAX,
                deleted: 7,
                restricted_active,
                restricted_deleted: 0,
            };
            for (labels_max, more) in [(None, 0), (Some(300), 2)] {
                let bytes = encode_counts(counts, labels_max);
                assert_eq!(bytes.len(), byte_count + more);
                let decoded = decode_counts(&bytes).expect("decodes");
                assert_eq!(decoded, (counts, labels_max));
                assert!(decode_counts(&bytes[1..]).is_err());
                assert!(decode_counts(&bytes[8..]).is_err());
            }
        }
    }
}
