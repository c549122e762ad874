//! Links and their terms.
//!
//! A row's key names the two nodes, the kind and the owner; its value is a version
//! byte and the rest as postcard.

use serde::{Deserialize, Serialize};

use crate::model::link::{Behind, Facts};
use crate::model::{Link, LinkName, LinkState, Terms, Timestamp, Visibility};
use crate::store::Error;

const VERSION: u8 = 1;
const WHAT: &str = "link";
const TERMS: &str = "terms of links";

/// What stands in a row beside its key.
#[derive(Serialize, Deserialize)]
struct Body {
    facts: Facts,
    state: LinkState,
    visibility: Visibility,
    behind: Behind,
    note: String,
    revision: u64,
    created: Timestamp,
    changed: Timestamp,
}

/// The key of the link `name` between two nodes.
pub(crate) fn key(source: u32, target: u32, name: &LinkName) -> Vec<u8> {
    let owner = name.owner.as_ref().map_or("", |owner| owner.as_str());
    let kind = name.kind.as_str();
    let mut key = Vec::with_capacity(9 + kind.len() + owner.len());
    key.extend_from_slice(&source.to_be_bytes());
    key.extend_from_slice(&target.to_be_bytes());
    key.extend_from_slice(kind.as_bytes());
    key.push(0);
    key.extend_from_slice(owner.as_bytes());
    key
}

/// Source, target, kind and owner of a key.
pub(crate) fn key_parts(key: &[u8]) -> Result<(u32, u32, &str, &str), Error> {
    let parts = || {
        let (source, rest) = key.split_first_chunk::<4>()?;
        let (target, rest) = rest.split_first_chunk::<4>()?;
        let (kind, owner) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
        Some((
            u32::from_be_bytes(*source),
            u32::from_be_bytes(*target),
            kind,
            owner,
        ))
    };
    parts().ok_or(Error::Corrupt { what: WHAT })
}

pub(crate) fn encode(link: &Link) -> Result<Vec<u8>, Error> {
    let body = Body {
        facts: link.facts.clone(),
        state: link.state,
        visibility: link.visibility.clone(),
        behind: link.behind,
        note: link.note.clone(),
        revision: link.revision,
        created: link.created,
        changed: link.changed,
    };
    postcard::to_extend(&body, vec![VERSION]).map_err(|_| Error::Corrupt { what: WHAT })
}

pub(crate) fn decode(name: LinkName, bytes: &[u8]) -> Result<Link, Error> {
    let Body {
        facts,
        state,
        visibility,
        behind,
        note,
        revision,
        created,
        changed,
    } = exactly(bytes, WHAT)?;
    Ok(Link {
        name,
        facts,
        state,
        visibility,
        behind,
        note,
        revision,
        created,
        changed,
    })
}

/// Terms, and how many links have them.
pub(crate) fn encode_terms(terms: &Terms, count: u64) -> Result<Vec<u8>, Error> {
    postcard::to_extend(&(count, terms), vec![VERSION]).map_err(|_| Error::Corrupt { what: TERMS })
}

pub(crate) fn decode_terms(bytes: &[u8]) -> Result<(u64, Terms), Error> {
    exactly(bytes, TERMS)
}

fn exactly<'b, T: Deserialize<'b>>(bytes: &'b [u8], what: &'static str) -> Result<T, Error> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => match postcard::take_from_bytes(rest) {
            Ok((value, [])) => Ok(value),
            Ok(_) | Err(_) => Err(Error::Corrupt { what }),
        },
        Some((&version, _)) => Err(Error::Version { what, version }),
        None => Err(Error::Corrupt { what }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::link::Quantity;
    use crate::model::{FirmId, Identifier, LinkKind};

    #[test]
    fn links_go_there_and_back() {
        let identifier = |text| Identifier::parse(text).expect("an identifier");
        let name = LinkName {
            source: identifier("88.118.7/box"),
            kind: LinkKind::parse("contains").expect("a kind"),
            target: identifier("88.118.8/部件"),
            owner: Some(FirmId::parse("wenzhou").expect("an id")),
        };
        let link = Link {
            name: name.clone(),
            facts: Facts {
                quantity: Some(Quantity::parse("2.5", "kg").expect("a quantity")),
                batch: "B1".into(),
                valid_from: Some(Timestamp::from_millis(5)),
                valid_until: None,
                evidence: vec!["https://example.com/1".into()],
            },
            state: LinkState::Disputed,
            visibility: Visibility::Ends,
            behind: Behind::Through,
            note: "数量不符".into(),
            revision: 300,
            created: Timestamp::from_millis(1),
            changed: Timestamp::from_millis(2),
        };
        let bytes = encode(&link).expect("encodes");
        assert_eq!(decode(name.clone(), &bytes).expect("decodes"), link);
        let key = key(7, 8, &name);
        assert_eq!(
            key_parts(&key).expect("a key"),
            (7, 8, "contains", "wenzhou")
        );
        for cut in [0, 3, 8, 12] {
            assert!(key_parts(&key[..cut]).is_err());
        }
        let longer = [&bytes[..], b"x"].concat();
        for bad in [&b""[..], &bytes[..bytes.len() - 1], &longer] {
            assert!(decode(name.clone(), bad).is_err());
        }
        let terms = link.terms();
        let bytes = encode_terms(&terms, 9).expect("encodes");
        assert_eq!(decode_terms(&bytes).expect("decodes"), (9, terms));
    }
}
