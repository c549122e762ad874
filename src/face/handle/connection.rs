//! What is known of a TCP connection: who logged in on it, and the logins that
//! wait for their proofs (the dialect of the industrial-Internet SDKs).
//!
//! A client may put a session number of its own choice into its messages; a
//! login then is of that number.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::face::handle::challenges::{LIFETIME, NONCE_BYTES};
use crate::face::handle::reply::Digest;
use crate::face::handle::standing::Standing;
use crate::model::{Caller, Reference};
use crate::node::Node;

/// Session numbers under which one connection may be logged in.
const LOGINS_MAX: usize = 16;

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Whether anybody ever logged in: most connections only resolve, and take
    /// no lock.
    has_logins: AtomicBool,
    logins: Mutex<Vec<Numbered>>,
}

/// What is known of one session number of the client's.
#[derive(Debug)]
struct Numbered {
    session_id: u32,
    login: Option<Login>,
    standing: Option<Standing>,
    /// Whether whoever logged in no longer has the key.
    is_expired: bool,
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
    /// When it was asked for.
    pub(super) since: Duration,
}

/// Who asks on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Visitor {
    /// Nobody logged in.
    Unknown,
    /// Who did.
    Known(Caller),
    /// Who did, with a key that is another now, or gone.
    Expired,
}

impl Connection {
    /// Who logged in under a session number.
    pub(super) fn visitor(&self, session_id: u32, node: &Node) -> Visitor {
        if !self.has_logins.load(Ordering::Acquire) {
            return Visitor::Unknown;
        }
        let mut logins = self.logins.lock();
        let Some(numbered) = logins.iter_mut().find(|n| n.session_id == session_id) else {
            return Visitor::Unknown;
        };
        if let Some(standing) = numbered.standing.take() {
            numbered.standing = standing.renewed(node);
            numbered.is_expired = numbered.standing.is_none();
        }
        match &numbered.standing {
            Some(standing) => Visitor::Known(standing.caller().clone()),
            None if numbered.is_expired => Visitor::Expired,
            None => Visitor::Unknown,
        }
    }

    /// Somebody logged in under a session number.
    pub(super) fn stand(&self, session_id: u32, standing: Standing) {
        self.change(session_id, |numbered| {
            numbered.standing = Some(standing);
            numbered.is_expired = false;
        });
    }

    /// A login waits for its proof; whoever was logged in under its session
    /// number no longer is.
    pub(super) fn begin_login(&self, session_id: u32, login: Login) {
        self.change(session_id, |numbered| {
            numbered.login = Some(login);
            numbered.standing = None;
            numbered.is_expired = false;
        });
    }

    /// The login that waits under a session number, which then is used up.
    pub(super) fn take_login(&self, session_id: u32, now: Duration) -> Option<Login> {
        if !self.has_logins.load(Ordering::Acquire) {
            return None;
        }
        let mut logins = self.logins.lock();
        let numbered = logins.iter_mut().find(|n| n.session_id == session_id)?;
        let login = numbered.login.take()?;
        (now.saturating_sub(login.since) < LIFETIME).then_some(login)
    }

    fn change(&self, session_id: u32, change: impl FnOnce(&mut Numbered)) {
        let mut logins = self.logins.lock();
        let at = logins.iter().position(|n| n.session_id == session_id);
        let mut numbered = match at {
            Some(at) => logins.remove(at),
            None => Numbered {
                session_id,
                login: None,
                standing: None,
                is_expired: false,
            },
        };
        change(&mut numbered);
        if logins.len() >= LOGINS_MAX {
            // The one that changed longest ago.
            logins.remove(0);
        }
        logins.push(numbered);
        self.has_logins.store(true, Ordering::Release);
    }
}
