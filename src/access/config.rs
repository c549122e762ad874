//! Settings of who may: section `[access]`.

use serde::{Deserialize, Serialize};

/// Settings of who may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Handle identities that operate the node, as `300:0.NA/88.118`; index 0
    /// stands for every key of the record.
    pub admins: Vec<String>,
}
