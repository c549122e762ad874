//! Changes of links: stated by one side, confirmed or disputed by the other,
//! withdrawn by whose they are.
//!
//! ```text
//! state, withdraw       registrar and owner of a firm that holds an end, for that firm
//! confirm, dispute      those of the firm at the other end, if it sees the link
//! all of it             a system administrator, for any firm at an end, or for none
//! ```
//! Nobody learns of a link that it does not see: what one firm states is another
//! link than what another states, and a link to be confirmed is not there for who
//! does not see it.

use std::sync::Arc;

use serde::Serialize;

use crate::access::{Operation, Records, permit_record, sees_from_end};
use crate::model::limits::{LINK_TERMS_PER_FIRM_MAX, NOTE_CHARS_MAX};
use crate::model::link::{Behind, Facts};
use crate::model::{
    Firm, FirmId, FirmState, Identifier, Link, LinkKind, LinkName, LinkState, Prefix, Reason,
    Refusal, Visibility, Who,
};
use crate::registry::apply::{self, Digests, Outcome, audit};
use crate::registry::audit::{Action, sha256};
use crate::registry::command::{Applied, Effect, OnConflict, Origin};
use crate::registry::decide::{Decision, Undecided, check_etag, undecided};
use crate::store::codec_types::RequestRow;
use crate::store::links::check_room;
use crate::store::{Batch, Error};

/// What happens to one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkChange {
    /// Which one. The owner may be left out where the caller's firm is meant.
    pub name: LinkName,
    /// What happens to it.
    pub action: LinkAction,
}

/// What happens to a link. An `etag` is the revision that it must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum LinkAction {
    /// States it.
    State {
        /// What it states.
        facts: Facts,
        /// Who sees it beside its owner.
        visibility: Visibility,
        /// What a trace tells of it to others.
        behind: Behind,
        /// What to do when it is stated.
        on_conflict: OnConflict,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// The other side confirms it.
    Confirm {
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// The other side disputes it.
    Dispute {
        /// Why; 1 to [`NOTE_CHARS_MAX`] characters.
        reason: String,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// Its owner takes it back.
    Withdraw {
        /// Why; at most [`NOTE_CHARS_MAX`] characters.
        reason: String,
        /// The revision that it must have.
        etag: Option<u64>,
    },
}

impl LinkAction {
    fn etag(&self) -> Option<u64> {
        match self {
            Self::State { etag, .. }
            | Self::Confirm { etag }
            | Self::Dispute { etag, .. }
            | Self::Withdraw { etag, .. } => *etag,
        }
    }
}

impl LinkChange {
    /// About how many bytes it takes in memory and in a batch.
    pub(super) fn byte_count(&self) -> usize {
        let ends = self.name.source.byte_count() + self.name.target.byte_count();
        ends + postcard::experimental::serialized_size(&self.action).unwrap_or_default()
    }

    /// What tells it from another request.
    pub(super) fn fingerprint_bytes(&self) -> Vec<u8> {
        let parts = (name_parts(&self.name), &self.action);
        postcard::to_stdvec(&parts).unwrap_or_default()
    }

    /// Checks what the request alone decides.
    ///
    /// # Errors
    /// [`Reason::LinkToItself`], [`Reason::FieldInvalid`].
    pub(super) fn check(&self) -> Result<(), Refusal> {
        match &self.action {
            LinkAction::State { facts, .. } => facts.check(),
            LinkAction::Confirm { .. } => Ok(()),
            LinkAction::Dispute { reason, .. } => check_reason(reason, 1),
            LinkAction::Withdraw { reason, .. } => check_reason(reason, 0),
        }
    }
}

fn check_reason(reason: &str, chars_min: usize) -> Result<(), Refusal> {
    let chars = reason.trim().chars().count();
    let is_plain = !reason.chars().any(char::is_control);
    if is_plain && (chars_min..=NOTE_CHARS_MAX).contains(&chars) {
        return Ok(());
    }
    Err(Refusal::new(Reason::FieldInvalid)
        .field("reason")
        .value(reason)
        .limit(format!(
            "{chars_min} to {NOTE_CHARS_MAX} characters, no control characters"
        )))
}

/// Source, kind, target and owner, as they are hashed and remembered.
pub(super) fn name_parts(name: &LinkName) -> [String; 4] {
    let owner = name.owner.as_ref().map(ToString::to_string);
    [
        name.source.to_string(),
        name.kind.to_string(),
        name.target.to_string(),
        owner.unwrap_or_default(),
    ]
}

/// What a change of a link comes to.
#[derive(Clone, Debug)]
pub struct LinkDecision {
    /// What the audit trail calls it.
    pub action: Action,
    /// The link as it was, if it was stated.
    pub before: Option<Arc<Link>>,
    /// The link as it is to be; [`super::apply`] sets its revision.
    pub link: Link,
}

/// Decides a change of a link.
///
/// # Errors
/// As [`super::decide`].
pub(super) fn decide(
    batch: &Batch<'_>,
    origin: &Origin,
    change: LinkChange,
) -> Result<Decision, Undecided> {
    let LinkChange { mut name, action } = change;
    let desk = Desk { batch, origin };
    let is_own = matches!(
        action,
        LinkAction::State { .. } | LinkAction::Withdraw { .. }
    );
    if is_own {
        name.owner = desk.stating_for(&name)?;
    } else {
        desk.permit_other_end(&name)?;
    }
    if batch.node_key(&name.source) == batch.node_key(&name.target) {
        let refusal = Refusal::new(Reason::LinkToItself).field("target");
        return Err(refusal.value(&name.target).into());
    }
    let before = batch.link(&name)?;
    let is_seen = |link: &Arc<Link>| is_own || desk.sees(link);
    let before = before.filter(is_seen);
    match (action, before) {
        (action @ LinkAction::State { etag: None, .. }, None) => desk.state(name, action, None),
        (_, None) => Err(Refusal::new(Reason::LinkNotFound)
            .field("name")
            .value(&name)
            .into()),
        (action, Some(before)) => {
            check_etag(action.etag(), before.revision)?;
            match action {
                LinkAction::State { .. } => desk.state(name, action, Some(before)),
                LinkAction::Confirm { .. } => desk.judge(before, LinkState::Confirmed, ""),
                LinkAction::Dispute { reason, .. } => {
                    desk.judge(before, LinkState::Disputed, &reason)
                }
                LinkAction::Withdraw { reason, .. } => {
                    desk.judge(before, LinkState::Withdrawn, &reason)
                }
            }
        }
    }
}

/// The effect under which a link's first answer is stored.
pub(super) const LINK_ANSWER: u8 = 254;

/// Puts the link, its edges, counts, audit entry and first answer.
///
/// # Errors
/// [`Error`] if the store cannot be read.
pub(super) fn apply(
    batch: &mut Batch<'_>,
    origin: &Origin,
    decision: LinkDecision,
) -> Result<Outcome, Error> {
    let LinkDecision {
        action,
        before,
        link,
    } = decision;
    let position = batch.advance(origin.now);
    let link = Arc::new(Link {
        revision: position,
        ..link
    });
    let before_digest = match &before {
        Some(before) => Some(sha256(&Batch::link_encoding(before)?)),
        None => None,
    };
    let encoded = batch.put_link(before.as_deref(), Arc::clone(&link))?;
    // A link says who sees it: what anybody may read is in the link, not in a leaf.
    let digests = Digests {
        before: before_digest,
        after: Some(sha256(&encoded)),
        public: None,
    };
    let subject = link.name.to_string();
    audit(batch, origin, action, subject.as_bytes(), digests)?;
    let effect = match before {
        None => Effect::Created,
        Some(_) => Effect::Updated,
    };
    remember(batch, origin, effect, &link)?;
    Ok(Outcome {
        applied: Applied::Link { effect, link },
        touched: None,
    })
}

/// Remembers the answer, so that a retry gets it whatever came between.
pub(super) fn remember(
    batch: &mut Batch<'_>,
    origin: &Origin,
    effect: Effect,
    link: &Link,
) -> Result<(), Error> {
    if origin.request.is_none() {
        return Ok(());
    }
    let subject = (effect.number(), name_parts(&link.name));
    let subject = postcard::to_stdvec(&subject).map_err(|_| Error::Corrupt { what: "link" })?;
    let answer = Batch::link_encoding(link)?;
    apply::remember(batch, origin, LINK_ANSWER, &subject, Some(answer.into()))
}

/// The first answer that is remembered in `row`.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Version`].
pub(super) fn first_answer(row: &RequestRow) -> Result<Applied, Error> {
    let corrupt = || Error::Corrupt { what: "request" };
    let (effect, parts): (u8, [String; 4]) =
        postcard::from_bytes(&row.subject).map_err(|_| corrupt())?;
    let [source, kind, target, owner] = parts;
    let name = || -> Result<LinkName, Refusal> {
        Ok(LinkName {
            source: Identifier::parse(&source)?,
            kind: LinkKind::parse(&kind)?,
            target: Identifier::parse(&target)?,
            owner: match owner.as_str() {
                "" => None,
                owner => Some(FirmId::parse(owner)?),
            },
        })
    };
    let name = name().map_err(|_| corrupt())?;
    Ok(Applied::Link {
        effect: Effect::from_number(effect).ok_or_else(corrupt)?,
        link: Arc::new(Batch::answered_link(name, &row.answer)?),
    })
}

struct Desk<'a> {
    batch: &'a Batch<'a>,
    origin: &'a Origin,
}

impl Desk<'_> {
    fn holder(&self, identifier: &Identifier) -> Option<FirmId> {
        Records::holder(self.batch, identifier.prefix())
    }

    /// For whom the caller states `name`, or withdraws it.
    fn stating_for(&self, name: &LinkName) -> Result<Option<FirmId>, Undecided> {
        let ends = [&name.source, &name.target];
        let caller = &self.origin.caller;
        let owner = match &caller.who {
            _ if caller.is_operator() => match &name.owner {
                Some(owner) => Some(owner.clone()),
                None => ends.iter().find_map(|end| self.holder(end)),
            },
            Who::Member(member) => Some(member.firm.clone()),
            _ => return Err(self.refused(name.source.prefix())),
        };
        if name.owner.is_some() && name.owner != owner {
            return Err(self.not_an_end(name));
        }
        let Some(firm) = &owner else {
            self.serving(name.source.prefix())
                .or_else(|_| self.serving(name.target.prefix()))?;
            return Ok(owner);
        };
        let mut refused = None;
        for end in ends {
            if self.holder(end).as_ref() == Some(firm) {
                match self.permit(end.prefix()) {
                    Ok(()) => return Ok(owner),
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
        }
        Err(refused.unwrap_or_else(|| match caller.is_operator() {
            true => self.not_an_end(name),
            false => self.refused(name.source.prefix()),
        }))
    }

    /// Refuses unless the caller answers for the end of `name` that is not its
    /// owner's.
    fn permit_other_end(&self, name: &LinkName) -> Result<(), Undecided> {
        let caller = &self.origin.caller;
        let firm = match &caller.who {
            _ if caller.is_operator() => return Ok(()),
            Who::Member(member) => &member.firm,
            _ => return Err(self.refused(name.source.prefix())),
        };
        let mut refused = None;
        for end in [&name.source, &name.target] {
            if self.holder(end).as_ref() == Some(firm) {
                match self.permit(end.prefix()) {
                    Ok(()) if name.owner.as_ref() != Some(firm) => return Ok(()),
                    Ok(()) => {
                        let limit = "the other side confirms or disputes, not its owner";
                        let refusal = Refusal::new(Reason::PermissionDenied).field("name");
                        refused = Some(refusal.limit(limit).into());
                    }
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
        }
        Err(refused.unwrap_or_else(|| self.refused(name.source.prefix())))
    }

    /// Whether the caller, who answers for the other end, sees the link.
    fn sees(&self, link: &Link) -> bool {
        let caller = &self.origin.caller;
        match &caller.who {
            Who::Member(member) => sees_from_end(self.batch, &member.firm, link),
            _ => caller.is_operator(),
        }
    }

    /// Whether the caller may write below `prefix`, which is active, as its firm is.
    fn permit(&self, prefix: &Prefix) -> Result<(), Undecided> {
        let caller = &self.origin.caller;
        let operation = Operation::WriteBelow(prefix);
        permit_record(caller, self.batch, operation).map_err(undecided)?;
        self.serving(prefix)?;
        if let Who::Member(member) = &caller.who {
            let firm = self.batch.entry::<Firm>(member.firm.as_str());
            if firm.is_none_or(|firm| firm.state != FirmState::Active) {
                let refusal = Refusal::new(Reason::PermissionDenied).field("name");
                return Err(refusal.limit("only members of an active firm may").into());
            }
        }
        Ok(())
    }

    fn serving(&self, prefix: &Prefix) -> Result<(), Refusal> {
        match self.batch.prefix(&prefix.canonical()) {
            Some(row) => row.entry.serving(),
            None => Err(Refusal::new(Reason::PrefixNotHomed)
                .field("source")
                .value(prefix)),
        }
    }

    /// What who answers for neither end is told.
    fn refused(&self, prefix: &Prefix) -> Undecided {
        let operation = Operation::WriteBelow(prefix);
        let told = permit_record(&self.origin.caller, self.batch, operation);
        match told {
            Err(denied) => undecided(denied),
            Ok(()) => Refusal::new(Reason::PermissionDenied)
                .field("name")
                .limit("only members of a firm and system administrators state links")
                .into(),
        }
    }

    fn not_an_end(&self, name: &LinkName) -> Undecided {
        let owner = name.owner.as_ref().map_or("", |owner| owner.as_str());
        Refusal::new(Reason::FieldInvalid)
            .field("owner")
            .value(owner)
            .limit("the firm of the caller, which holds the prefix of an end")
            .into()
    }

    fn state(
        &self,
        name: LinkName,
        action: LinkAction,
        before: Option<Arc<Link>>,
    ) -> Result<Decision, Undecided> {
        let LinkAction::State {
            facts,
            visibility,
            behind,
            on_conflict,
            ..
        } = action
        else {
            return Err(Refusal::new(Reason::Internal).into());
        };
        let now = self.origin.now;
        let standing = before
            .as_ref()
            .filter(|link| link.state != LinkState::Withdrawn);
        if let Some(link) = standing {
            let is_same =
                (&link.facts, &link.visibility, link.behind) == (&facts, &visibility, behind);
            match on_conflict {
                OnConflict::Fail => {
                    let refusal = Refusal::new(Reason::LinkExists).field("name");
                    return Err(refusal.value(&name).into());
                }
                OnConflict::Skip => return Ok(kept(Effect::Skipped, link)),
                OnConflict::Update if is_same => return Ok(kept(Effect::Unchanged, link)),
                OnConflict::Update => {}
            }
        }
        // What the other side said was said of other facts.
        let keeps_state = standing.filter(|link| link.facts == facts);
        let state = match keeps_state {
            Some(link) => link.state,
            None => self.first_state(&name),
        };
        let link = Link {
            facts,
            state,
            visibility,
            behind,
            note: keeps_state.map_or_else(String::new, |link| link.note.clone()),
            revision: 0,
            created: standing.map_or(now, |link| link.created),
            changed: before.as_ref().map_or(now, |link| now.max(link.changed)),
            name,
        };
        check_room(self.batch)?;
        self.put(Action::StateLink, before, link)
    }

    /// One firm at both ends has said all there is to say.
    fn first_state(&self, name: &LinkName) -> LinkState {
        let ends = [&name.source, &name.target];
        let is_own = |end: &Identifier| {
            let holder = self.holder(end);
            holder.is_some() && holder == name.owner
        };
        match ends.into_iter().all(is_own) {
            true => LinkState::Confirmed,
            false => LinkState::Stated,
        }
    }

    /// Sets the state of a link.
    fn judge(
        &self,
        before: Arc<Link>,
        state: LinkState,
        note: &str,
    ) -> Result<Decision, Undecided> {
        if before.state == state && before.note == note {
            return Ok(kept(Effect::Unchanged, &before));
        }
        if before.state == LinkState::Withdrawn {
            return Err(Refusal::new(Reason::LinkStateConflict)
                .field("name")
                .value(&before.name)
                .limit("withdrawn")
                .into());
        }
        let action = match state {
            LinkState::Confirmed => Action::ConfirmLink,
            LinkState::Disputed => Action::DisputeLink,
            LinkState::Withdrawn | LinkState::Stated => Action::WithdrawLink,
        };
        let link = Link {
            state,
            note: note.to_owned(),
            revision: 0,
            changed: self.origin.now.max(before.changed),
            ..Link::clone(&before)
        };
        self.put(action, Some(before), link)
    }

    fn put(
        &self,
        action: Action,
        before: Option<Arc<Link>>,
        link: Link,
    ) -> Result<Decision, Undecided> {
        if self.batch.terms_count_with(&link.terms()) > LINK_TERMS_PER_FIRM_MAX {
            return Err(Refusal::new(Reason::LinksFull)
                .field("different kinds, states and visibilities of one firm's links")
                .limit(LINK_TERMS_PER_FIRM_MAX)
                .into());
        }
        Ok(Decision::Link(Box::new(LinkDecision {
            action,
            before,
            link,
        })))
    }
}

fn kept(effect: Effect, link: &Arc<Link>) -> Decision {
    Decision::Keep {
        applied: Applied::Link {
            effect,
            link: Arc::clone(link),
        },
        key: None,
    }
}
