//! What is known of a TCP connection: who logged in on it, and the login that
//! waits for its proof (the dialect of the industrial-Internet SDKs).

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::face::handle::challenges::NONCE_BYTES;
use crate::face::handle::reply::Digest;
use crate::model::{Caller, Reference};

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    logged_in: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    caller: Option<Caller>,
    login: Option<Login>,
}

/// A login that waits for its proof.
#[derive(Clone, Debug)]
pub(super) struct Login {
    /// Who says to be there.
    pub(super) identity: Reference,
    /// What the proof must cover.
    pub(super) nonce: [u8; NONCE_BYTES],
    /// Digest of the login, as it was sent.
    pub(super) digest: Digest,
}

impl Connection {
    /// Who logged in, if anybody did.
    pub(super) fn caller(&self) -> Option<Caller> {
        // Most connections only resolve: they take no lock.
        if !self.logged_in.load(Ordering::Acquire) {
            return None;
        }
        self.state.lock().caller.clone()
    }

    /// `caller` logged in.
    pub(super) fn set_caller(&self, caller: Caller) {
        self.state.lock().caller = Some(caller);
        self.logged_in.store(true, Ordering::Release);
    }

    /// A login waits for its proof; whoever was logged in no longer is.
    pub(super) fn begin_login(&self, login: Login) {
        let mut state = self.state.lock();
        self.logged_in.store(false, Ordering::Release);
        state.caller = None;
        state.login = Some(login);
    }

    /// The login that waits, which then is used up.
    pub(super) fn take_login(&self) -> Option<Login> {
        self.state.lock().login.take()
    }
}
