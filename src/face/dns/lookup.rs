//! What the node knows of a place in the DNS, and the marks under which that
//! stays true.
//!
//! One identifier has one name: another spelling of it does not exist. A name
//! with something below it exists, without records (RFC 8020 §2).

use std::sync::Arc;

use crate::face::dns::place::Place;
use crate::face::dns::status::status;
use crate::model::owner_name::suffix_from_labels;
use crate::model::{Caller, Identifier, OwnerName, PrefixEntry, PrefixState, Record, Refusal};
use crate::node::{Marks, Node, Query};
use crate::wire::dns::{ExtendedError, Name, Rcode};

/// What there is at a place.
#[derive(Debug)]
pub(super) enum Reply {
    /// The zone's own records.
    Apex,
    /// The Handle service of a prefix that is hosted here.
    Service,
    /// An identifier, with what anyone may read of it.
    Found(Record),
    /// A name without records.
    Empty,
    /// Nothing, and nothing below.
    Missing(Option<ExtendedError>),
    /// The node could not tell.
    Failed(Rcode),
}

/// A reply and how long it may be kept.
#[derive(Debug)]
pub(super) struct Looked {
    /// The reply.
    pub(super) reply: Reply,
    /// Marks taken before anything was read.
    pub(super) marks: Marks,
    /// Whether the marks cover all that the reply depends on, and keeping it
    /// saves something.
    pub(super) keeps: bool,
}

/// Looks up `place` below `zone`.
pub(super) fn look(node: &Node, zone: Name<'_>, place: &Place) -> Looked {
    let of_prefix = |prefix: &str| [Some(node.stamp(prefix, b"")), None];
    match place {
        Place::Apex => Looked {
            reply: Reply::Apex,
            marks: [None, None],
            keeps: true,
        },
        Place::Nowhere => Looked {
            reply: Reply::Missing(None),
            marks: [None, None],
            keeps: false,
        },
        Place::Prefix(prefix) => {
            let marks = of_prefix(prefix);
            kept(marks, prefix_reply(node, prefix))
        }
        Place::Marker(prefix) => {
            let marks = of_prefix(prefix);
            let reply = match serving(node, prefix) {
                Err(reply) => reply,
                Ok(entry) if node.has_identifiers(&entry) => Reply::Empty,
                Ok(_) => Reply::Missing(None),
            };
            kept(marks, reply)
        }
        Place::ServiceParent(prefix) => {
            let marks = of_prefix(prefix);
            kept(
                marks,
                serving(node, prefix).map_or_else(|r| r, |_| Reply::Empty),
            )
        }
        Place::Service(prefix) => {
            let marks = of_prefix(prefix);
            kept(
                marks,
                serving(node, prefix).map_or_else(|r| r, |_| Reply::Service),
            )
        }
        Place::Plain(prefix, labels) => look_plain(node, zone, prefix, labels),
        Place::Escaped(prefix, labels) => look_escaped(node, zone, prefix, labels),
    }
}

fn look_plain(node: &Node, zone: Name<'_>, prefix: &str, labels: &[String]) -> Looked {
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let Some(suffix) = suffix_from_labels(&labels, false) else {
        // No suffix below it can be spelled either.
        return Looked {
            reply: Reply::Missing(None),
            marks: [None, None],
            keeps: false,
        };
    };
    let marks = [Some(node.stamp(prefix, suffix.as_bytes())), None];
    let reply = serving(node, prefix).and_then(|entry| {
        let found = identifier_at(zone, &entry, &suffix, &labels, false);
        let below = || node.has_plain_below(&entry, &suffix);
        found.map_or_else(|| Ok(absent(below())), |id| Ok(resolve(node, id, below)))
    });
    kept(marks, reply.unwrap_or_else(|reply| reply))
}

fn look_escaped(node: &Node, zone: Name<'_>, prefix: &str, labels: &[String]) -> Looked {
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let suffix = suffix_from_labels(&labels, true);
    // A change is marked by the suffix; names above a name of several labels
    // by those labels.
    let marks = [
        Some(node.stamp(prefix, labels.join(".").as_bytes())),
        suffix
            .as_ref()
            .map(|suffix| node.stamp(prefix, suffix.as_bytes())),
    ];
    let reply = serving(node, prefix).and_then(|entry| {
        let found = suffix
            .as_ref()
            .and_then(|suffix| identifier_at(zone, &entry, suffix, &labels, true));
        let below = || node.has_escaped_below(&entry, &labels);
        found.map_or_else(|| Ok(absent(below())), |id| Ok(resolve(node, id, below)))
    });
    kept(marks, reply.unwrap_or_else(|reply| reply))
}

/// The identifier whose one owner name below `zone` has these labels.
fn identifier_at(
    zone: Name<'_>,
    entry: &PrefixEntry,
    suffix: &str,
    labels: &[&str],
    escaped: bool,
) -> Option<Identifier> {
    let text = format!("{}/{suffix}", entry.prefix.canonical());
    let identifier = Identifier::parse(&text).ok()?;
    let name = OwnerName::of(&identifier, entry.case, zone.as_bytes().len())?;
    (name.is_escaped() == escaped && name.suffix_labels() == labels).then_some(identifier)
}

fn resolve(
    node: &Node,
    identifier: Identifier,
    below: impl FnOnce() -> Result<bool, Refusal>,
) -> Reply {
    let query = Query {
        identifier,
        types: Vec::new(),
        indices: Vec::new(),
    };
    match node.resolve(&Caller::ANONYMOUS, &query) {
        Ok(record) => Reply::Found(record),
        Err(refusal) => match status(refusal.fault()) {
            (Rcode::NxDomain, None) => absent(below()),
            (Rcode::NxDomain, error) => Reply::Missing(error),
            (rcode, _) => Reply::Failed(rcode),
        },
    }
}

/// No record at the name; whether it exists depends on what is below.
fn absent(below: Result<bool, Refusal>) -> Reply {
    match below {
        Ok(true) => Reply::Empty,
        Ok(false) => Reply::Missing(None),
        Err(refusal) => Reply::Failed(status(refusal.fault()).0),
    }
}

/// The prefix if its identifiers are served, or the reply if they are not.
fn serving(node: &Node, prefix: &str) -> Result<Arc<PrefixEntry>, Reply> {
    let entry = node.prefix(prefix).ok_or(Reply::Missing(None))?;
    match &entry.state {
        PrefixState::Active => Ok(entry),
        PrefixState::Registered => Err(Reply::Missing(None)),
        PrefixState::Suspended { .. } => Err(Reply::Missing(Some(ExtendedError::Prohibited))),
    }
}

fn prefix_reply(node: &Node, prefix: &str) -> Reply {
    match serving(node, prefix) {
        Ok(_) => Reply::Empty,
        Err(_) if node.has_prefix_below(prefix) => Reply::Empty,
        Err(reply) => reply,
    }
}

const fn kept(marks: Marks, reply: Reply) -> Looked {
    let keeps = !matches!(reply, Reply::Failed(_));
    Looked {
        reply,
        marks,
        keeps,
    }
}
