//! Where identifiers are served: the node's own site, and referrals to others.

use std::sync::Arc;

use crate::model::{Identifier, Prefix, PrefixState, Record, Refusal, Value};
use crate::node::{Node, told};
use crate::resolve::{Site, Slot, Unresolved, resolve};
use crate::store::Sight;

/// What tells where the identifiers of a prefix are served.
const SERVICE_TYPES: &[&str] = &["HS_SITE", "HS_SITE.6", "HS_SERV"];
/// What tells where the prefixes below a prefix are kept.
const PREFIX_TYPES: &[&str] = &["HS_SITE.PREFIX", "HS_SERV.PREFIX", "HS_NA_DELEGATE"];

/// Where to ask instead of here (RFC 3652 §2.2.3, response codes 302 and 303).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Referral {
    /// The identifier's prefix is served elsewhere.
    Service {
        /// The prefix's record, `0.NA/88.118.9`, in the spelling registered.
        prefix_record: Identifier,
        /// Its `HS_SITE`, `HS_SITE.6` and `HS_SERV` values that anyone may read;
        /// at least one.
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
        let since = self.now();
        self.inner.site.store(Some(Arc::new(Site { data, since })));
        let all = Prefix::of_prefixes().canonical();
        self.inner.stamps.touch(Slot::of_prefix(&all));
    }

    /// The data of the node's `HS_SITE`, once it is set.
    pub fn site(&self) -> Option<Vec<u8>> {
        self.inner
            .site
            .load()
            .as_ref()
            .map(|site| site.data.clone())
    }

    /// Where to ask for an identifier that this node refuses as
    /// `PrefixNotHomed` or `RecordNotFound`; `None` if it knows no place. Reads
    /// the disk.
    ///
    /// # Errors
    /// `Internal`.
    pub fn referral(&self, identifier: &Identifier) -> Result<Option<Referral>, Refusal> {
        if identifier.prefix().holds_prefix_records() {
            return self.prefix_referral(identifier);
        }
        if self.is_homed(identifier.prefix()) {
            return Ok(None);
        }
        let prefix_record = Identifier::of_prefix(identifier.prefix());
        let Some(record) = self.routes(&prefix_record)? else {
            return Ok(None);
        };
        let values = told_by(record.values, SERVICE_TYPES);
        Ok((!values.is_empty()).then_some(Referral::Service {
            prefix_record: record.identifier,
            values,
        }))
    }

    fn prefix_referral(&self, identifier: &Identifier) -> Result<Option<Referral>, Refusal> {
        let Some(prefix) = identifier.as_prefix() else {
            return Ok(None);
        };
        if self.is_homed(&prefix) || self.routes(identifier)?.is_some() {
            return Ok(None);
        }
        let mut above = prefix.parent();
        while let Some(prefix) = above {
            if let Some(record) = self.routes(&Identifier::of_prefix(&prefix))? {
                let values = told_by(record.values, PREFIX_TYPES);
                if !values.is_empty() {
                    return Ok(Some(Referral::Prefix { values }));
                }
            }
            above = prefix.parent();
        }
        Ok(None)
    }

    /// Whether a prefix is homed here, suspended or not.
    pub(super) fn is_homed(&self, prefix: &Prefix) -> bool {
        let entry = self.prefix(&prefix.canonical());
        entry.is_some_and(|entry| entry.state != PrefixState::Registered)
    }

    /// The record of a prefix that may be told: what is stored of it, and the site
    /// of the firm that serves it itself.
    fn routes(&self, prefix_record: &Identifier) -> Result<Option<Record>, Refusal> {
        match resolve(
            &self.inner.store,
            None,
            &|_| Ok(Sight::Nothing),
            prefix_record,
        ) {
            Ok(record) => Ok(Some(record)),
            Err(Unresolved::Refused(_)) => Ok(None),
            Err(Unresolved::Store(error)) => Err(told(&error)),
        }
    }
}

/// The values of these types that anyone may read.
fn told_by(mut values: Vec<Value>, types: &[&str]) -> Vec<Value> {
    values.retain(|value| {
        let is_told = types.iter().any(|told| value.value_type.is(told));
        is_told && value.permissions.public_read()
    });
    values
}
