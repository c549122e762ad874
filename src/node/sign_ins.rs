//! How often somebody proved who it is, and how often that was refused.

use metrics::{Counter, counter, describe_counter};

use crate::model::Reason;

/// The name of the counters.
const NAME: &str = "idnode_sign_ins_total";

/// Counters by `kind`, what somebody proves itself with, and `result`.
#[derive(Clone)]
pub(super) struct SignIns {
    /// People who signed in.
    password_ok: Counter,
    /// Names, passwords and codes that were wrong, or locked out.
    password_failed: Counter,
    /// Sign-ins from addresses that are locked out.
    password_locked: Counter,
    /// Sign-ins that were refused for another reason.
    password_other: Counter,
    /// Handle identities that were proven.
    handle_ok: Counter,
    /// Proofs of Handle identities that do not stand.
    handle_failed: Counter,
    /// Keys, certificates and sessions that do not count. Those that do are shown
    /// with every call: these are no sign-ins.
    key_failed: Counter,
}

impl SignIns {
    /// Registers the counters with the recorder in force.
    pub(super) fn new() -> Self {
        describe_counter!(
            NAME,
            "proofs of who somebody is: of people, of Handle identities, and keys that do not count"
        );
        let counter = |kind, result| counter!(NAME, "kind" => kind, "result" => result);
        Self {
            password_ok: counter("password", "ok"),
            password_failed: counter("password", "failed"),
            password_locked: counter("password", "locked"),
            password_other: counter("password", "other"),
            handle_ok: counter("handle", "ok"),
            handle_failed: counter("handle", "failed"),
            key_failed: counter("key", "failed"),
        }
    }

    /// A person signed in, or was refused for a reason.
    pub(super) fn person(&self, outcome: Result<(), Reason>) {
        let counter = match outcome {
            Ok(()) => &self.password_ok,
            Err(Reason::SignInFailed) => &self.password_failed,
            Err(Reason::SignInLocked) => &self.password_locked,
            Err(_) => &self.password_other,
        };
        counter.increment(1);
    }

    /// A Handle identity was proven.
    pub(super) fn identity(&self) {
        self.handle_ok.increment(1);
    }

    /// A Handle identity was not proven, or a key does not count. Other reasons, as
    /// that the store cannot be read, say nothing of who asks.
    pub(super) fn unproven(&self, reason: Reason) {
        match reason {
            Reason::AuthenticationFailed | Reason::IdentityUnknown => {
                self.handle_failed.increment(1);
            }
            Reason::KeyInvalid => self.key_failed.increment(1),
            _ => {}
        }
    }
}
