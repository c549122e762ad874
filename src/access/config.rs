//! Settings of who may: section `[access]`.

use serde::{Deserialize, Serialize};

use crate::model::{Reference, Refusal};

/// Settings of who may.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Handle identities that operate the node, as `300:0.NA/88.118`; index 0
    /// stands for every key of the record.
    pub admins: Vec<String>,
    /// Failed sign-ins after which a person is locked out.
    pub sign_in_failures_max: u32,
    /// Seconds that a lock-out lasts.
    pub lockout_secs: u64,
    /// Seconds after which an unused session ends.
    pub session_idle_secs: u64,
    /// Seconds after which a session ends however much it is used.
    pub session_lifetime_secs: u64,
    /// Sessions open at once; the longest unused gives way.
    pub sessions_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            admins: Vec::new(),
            sign_in_failures_max: 5,
            lockout_secs: 1800,
            session_idle_secs: 900,
            session_lifetime_secs: 43_200,
            sessions_max: 65_536,
        }
    }
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
