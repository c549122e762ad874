//! Pages of a list: sizes, and tokens bound to the query that they continue
//! (Google AIP-158).
//!
//! ```text
//! token = base64url( version u8 = 1 | digest of the query [16] | canonical key of the last item )
//! ```
//! A token is no capability: it says where to go on, and every page is
//! authorised anew. The digest keeps clients from mixing up queries.

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;

use crate::model::limits::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX};
use crate::model::{Caller, Reason, Refusal, Who};

const VERSION: u8 = 1;
const DIGEST_BYTES: usize = 16;

/// A list query, as far as it must stay the same from page to page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a> {
    /// The method's name.
    pub(super) method: &'a str,
    /// The collection that is listed, in canonical form.
    pub(super) parent: &'a str,
    /// Whether deleted items are listed.
    pub(super) show_deleted: bool,
    /// Who asks: an identity, or whether with an operator's key or without.
    pub(super) caller: &'a Caller,
}

impl Query<'_> {
    /// The token of the page behind the item with `key`.
    pub(super) fn token(&self, key: &[u8]) -> String {
        let digest = self.digest();
        let mut bytes = Vec::with_capacity(1 + DIGEST_BYTES + key.len());
        bytes.push(VERSION);
        bytes.extend(digest.as_ref().iter().take(DIGEST_BYTES));
        bytes.extend_from_slice(key);
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// The key behind which the page of `token` begins; `None` if it is empty.
    ///
    /// # Errors
    /// `PageTokenInvalid` if it is malformed or belongs to another query.
    pub(super) fn after(&self, token: &str) -> Result<Option<Vec<u8>>, Refusal> {
        if token.is_empty() {
            return Ok(None);
        }
        let refuse = || Refusal::new(Reason::PageTokenInvalid).field("page_token");
        let bytes = BASE64URL_NOPAD
            .decode(token.as_bytes())
            .map_err(|_| refuse())?;
        let key = bytes
            .strip_prefix(&[VERSION])
            .and_then(|rest| rest.split_at_checked(DIGEST_BYTES))
            .filter(|(digest, _)| self.digest().as_ref().starts_with(digest))
            .map(|(_, key)| key.to_vec());
        key.map(Some).ok_or_else(refuse)
    }

    fn digest(&self) -> digest::Digest {
        let Self {
            method,
            parent,
            show_deleted,
            caller,
        } = self;
        let class = match &caller.who {
            Who::Anonymous => "anonymous",
            Who::Operator(_) => "operator",
            Who::Identity(_) => "identity",
            Who::Member(_) => "member",
            Who::Guest(_) => "guest",
        };
        let name = match &caller.who {
            Who::Operator(_) => "",
            Who::Anonymous | Who::Identity(_) | Who::Member(_) | Who::Guest(_) => caller.name(),
        };
        let text = format!("{method}\n{parent}\n{show_deleted}\n{class}\n{name}");
        digest::digest(&digest::SHA256, text.as_bytes())
    }
}

/// The items of a page for the size that the client asked for: 0 is
/// [`PAGE_ITEMS_DEFAULT`], more than [`PAGE_ITEMS_MAX`] is that.
///
/// # Errors
/// `PageSizeInvalid` if it is negative.
pub(super) fn size(asked: i32) -> Result<usize, Refusal> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAGE_ITEMS_DEFAULT),
        Ok(size) => Ok(size.min(PAGE_ITEMS_MAX)),
        Err(_) => Err(Refusal::new(Reason::PageSizeInvalid)
            .field("page_size")
            .value(asked)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: Query<'static> = Query {
        method: "ListRecords",
        parent: "88.118.7",
        show_deleted: false,
        caller: &Caller::ANONYMOUS,
    };

    fn check(query: Query<'_>, token: &str, expected: Result<Option<&[u8]>, Reason>) {
        let seen = query.after(token).map_err(|refusal| refusal.reason());
        assert_eq!(seen, expected.map(|key| key.map(<[u8]>::to_vec)));
    }

    #[test]
    fn continues_only_its_own_query() {
        let token = QUERY.token(b"88.118.7/a");
        check(QUERY, &token, Ok(Some(b"88.118.7/a")));
        check(QUERY, "", Ok(None));
        let operator = Caller::system_administrator("k");
        for other in [
            Query {
                method: "ListPrefixes",
                ..QUERY
            },
            Query {
                parent: "88.118.8",
                ..QUERY
            },
            Query {
                show_deleted: true,
                ..QUERY
            },
            Query {
                caller: &operator,
                ..QUERY
            },
        ] {
            check(other, &token, Err(Reason::PageTokenInvalid));
        }
        let cut = token.get(1..).expect("long enough");
        for bad in ["x", "AQ", "!!!!", cut] {
            check(QUERY, bad, Err(Reason::PageTokenInvalid));
        }
    }

    #[test]
    fn bounds_the_size() {
        let size = |asked| size(asked).map_err(|refusal| refusal.reason());
        assert_eq!(size(0), Ok(100));
        assert_eq!(size(7), Ok(7));
        assert_eq!(size(5000), Ok(1000));
        assert_eq!(size(-1), Err(Reason::PageSizeInvalid));
    }
}
