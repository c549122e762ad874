//! Settings of who may: section `[access]`.

use serde::{Deserialize, Serialize};

use crate::model::{Reference, Refusal};

/// Settings of who may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Handle identities that operate the node, as `300:0.NA/88.118`; index 0
    /// stands for every key of the record.
    pub admins: Vec<String>,
}

impl Config {
    /// The identities of `admins`.
    ///
    /// # Errors
    /// That of the first which is none.
    pub fn references(&self) -> Result<Vec<Reference>, Refusal> {
        self.admins
            .iter()
            .map(|text| Reference::parse(text))
            .collect()
    }
}
