//! Who a client proved to be, and whether that still holds: a key that was
//! replaced or removed proves nothing any more, however long ago it did.

use crate::model::{Caller, Reference, Who};
use crate::node::{KeyDigest, Node, Stamp};

/// A proven caller.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    caller: Caller,
    /// The key that it was proven with, and a mark of its record; `None` for a
    /// principal's key.
    key: Option<(Stamp, KeyDigest)>,
}

impl Standing {
    /// The standing of who proved to be `caller` after `mark` was taken of the
    /// identity's record; `None` if the record changed in between.
    pub(super) fn of(node: &Node, caller: Caller, mark: Stamp) -> Option<Self> {
        let Who::Identity(identity) = &caller.who else {
            return Some(Self::of_operator(caller));
        };
        let digest = node.key_digest(identity.reference())?;
        node.is_current(&mark).then_some(Self {
            caller,
            key: Some((mark, digest)),
        })
    }

    /// The standing of a principal by its key.
    pub(super) const fn of_operator(caller: Caller) -> Self {
        Self { caller, key: None }
    }

    /// Who it is.
    pub(super) const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The standing as it is: `None` once the key is another or gone, or the
    /// principal counts no longer.
    pub(super) fn renewed(self, node: &Node) -> Option<Self> {
        let (Who::Identity(identity), Some((mark, digest))) = (&self.caller.who, self.key) else {
            return node.renewed(&self.caller).map(Self::of_operator);
        };
        if node.is_current(&mark) {
            return Some(self);
        }
        // Something that shares its mark changed, seldom the record itself.
        let mark = mark_of(node, identity.reference());
        let is_same = node.key_digest(identity.reference()) == Some(digest);
        is_same.then_some(Self {
            key: Some((mark, digest)),
            ..self
        })
    }
}

/// A mark of the record that an identity stands in.
pub(super) fn mark_of(node: &Node, reference: &Reference) -> Stamp {
    let identifier = &reference.identifier;
    let suffix = identifier.suffix().as_str().as_bytes();
    node.stamp(&identifier.prefix().canonical(), suffix)
}
