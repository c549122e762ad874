//! Links: messages to model and back, and requests as the changes that they ask for.

use prost_types::Timestamp as ProtoTimestamp;

use crate::face::grpc::change::Intent;
use crate::face::grpc::convert::{self, moment, time};
use crate::face::grpc::{import, name};
use crate::model::link::{Behind, Facts, Quantity};
use crate::model::{
    Identifier, Link, LinkKind, LinkName, LinkState, Reason, Refusal, Timestamp, Visibility,
};
use crate::node::{self, Change, Finding, LinkAction, LinkChange, LinkView, Matter, OnConflict};
use crate::wire::proto::v1::{self, inspect_links_response, link};

/// A link as a message.
pub(super) fn link(view: &LinkView) -> v1::Link {
    let LinkView {
        link,
        source_dangles,
        target_dangles,
    } = view;
    let Link {
        name,
        facts,
        state,
        visibility,
        behind,
        note,
        revision,
        created,
        changed,
    } = &**link;
    let Facts {
        quantity,
        batch,
        valid_from,
        valid_until,
        evidence,
    } = facts;
    let (visibility, readers) = match visibility {
        Visibility::Public => (link::Visibility::Public, None),
        Visibility::Ends => (link::Visibility::Ends, None),
        Visibility::Readers(readers) => (link::Visibility::Readers, Some(readers)),
        Visibility::Owner => (link::Visibility::Owner, None),
    };
    let behind = match behind {
        Behind::More => link::Behind::More,
        Behind::Nothing => link::Behind::Nothing,
        Behind::Through => link::Behind::Through,
    };
    v1::Link {
        name: Some(name_message(name)),
        quantity: quantity.as_ref().map(|quantity| v1::LinkQuantity {
            amount: quantity.amount().to_owned(),
            unit: quantity.unit().to_owned(),
        }),
        batch: batch.clone(),
        valid_from: valid_from.map(time),
        valid_until: valid_until.map(time),
        evidence: evidence.clone(),
        visibility: visibility.into(),
        // Whoever may not know them is shown none.
        readers: readers
            .filter(|readers| readers.count() > 0)
            .map(convert::readers),
        behind: behind.into(),
        state: state_message(*state).into(),
        note: note.clone(),
        etag: node::etag(*revision),
        create_time: Some(time(*created)),
        update_time: Some(time(*changed)),
        source_dangling: *source_dangles,
        target_dangling: *target_dangles,
    }
}

fn name_message(name: &LinkName) -> v1::LinkName {
    let LinkName {
        source,
        kind,
        target,
        owner,
    } = name;
    v1::LinkName {
        source: source.to_string(),
        kind: kind.to_string(),
        target: target.to_string(),
        owner: owner.as_ref().map(name::of_firm).unwrap_or_default(),
    }
}

/// Where a link stands, as a message.
pub(super) fn state_message(state: LinkState) -> link::State {
    match state {
        LinkState::Stated => link::State::Stated,
        LinkState::Confirmed => link::State::Confirmed,
        LinkState::Disputed => link::State::Disputed,
        LinkState::Withdrawn => link::State::Withdrawn,
    }
}

/// A finding as a message.
pub(super) fn finding(finding: &Finding) -> inspect_links_response::Finding {
    let Finding { matter, view } = finding;
    let matter = match matter {
        Matter::Dangling => inspect_links_response::Matter::Dangling,
        Matter::Asymmetric => inspect_links_response::Matter::Asymmetric,
        Matter::Contradictory => inspect_links_response::Matter::Contradictory,
        Matter::Cyclic => inspect_links_response::Matter::Cyclic,
    };
    inspect_links_response::Finding {
        matter: matter.into(),
        link: Some(link(view)),
    }
}

/// Reads which link.
///
/// # Errors
/// `FieldRequired`; the first part that breaks a rule, its field as `name.source`.
pub(super) fn link_name(name: Option<v1::LinkName>) -> Result<LinkName, Refusal> {
    let name = name.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("name"))?;
    parts(&name).map_err(|refusal| refusal.within("name"))
}

fn parts(name: &v1::LinkName) -> Result<LinkName, Refusal> {
    let v1::LinkName {
        source,
        kind,
        target,
        owner,
    } = name;
    Ok(LinkName {
        source: identifier(source, "source")?,
        kind: LinkKind::parse(kind)?,
        target: identifier(target, "target")?,
        owner: match owner.as_str() {
            "" => None,
            owner => Some(name::firm(owner, "owner")?),
        },
    })
}

/// Reads a bare identifier, given in `field`.
///
/// # Errors
/// Those of [`Identifier::parse`].
pub(super) fn identifier(text: &str, field: &'static str) -> Result<Identifier, Refusal> {
    Identifier::parse(text).map_err(|refusal| refusal.field(field))
}

/// Reads a link that is to be stated.
///
/// # Errors
/// The first rule that is broken, with its field.
pub(super) fn stated(link: v1::Link, on_conflict: OnConflict) -> Result<Change, Refusal> {
    let v1::Link {
        name,
        quantity,
        batch,
        valid_from,
        valid_until,
        evidence,
        visibility,
        readers,
        behind,
        state: _,
        note: _,
        etag,
        create_time: _,
        update_time: _,
        source_dangling: _,
        target_dangling: _,
    } = link;
    let name = link_name(name)?;
    let quantity = quantity.map(|quantity| Quantity::parse(quantity.amount.trim(), &quantity.unit));
    let facts = Facts {
        quantity: quantity.transpose()?,
        batch,
        valid_from: optional_moment(valid_from, "valid_from")?,
        valid_until: optional_moment(valid_until, "valid_until")?,
        evidence,
    };
    facts.check()?;
    let action = LinkAction::State {
        facts,
        visibility: visibility_input(visibility, readers)?,
        behind: behind_input(behind)?,
        on_conflict,
        etag: node::parse_etag(&etag)?,
    };
    Ok(Change::Link(LinkChange { name, action }))
}

/// Reads a time that may be absent, given in `field`.
///
/// # Errors
/// `FieldInvalid`.
pub(super) fn optional_moment(
    time: Option<ProtoTimestamp>,
    field: &'static str,
) -> Result<Option<Timestamp>, Refusal> {
    time.map(|time| moment(time, field)).transpose()
}

fn visibility_input(number: i32, readers: Option<v1::Readers>) -> Result<Visibility, Refusal> {
    let visibility = match link::Visibility::try_from(number) {
        Ok(link::Visibility::Public) => Visibility::Public,
        Ok(link::Visibility::Unspecified | link::Visibility::Ends) => Visibility::Ends,
        Ok(link::Visibility::Owner) => Visibility::Owner,
        Ok(link::Visibility::Readers) => {
            let readers = readers.map(convert::readers_input).transpose()?;
            let named = readers.filter(|readers| readers.count() > 0);
            let missing = || Refusal::new(Reason::FieldRequired).field("readers");
            return named
                .map(|readers| Visibility::Readers(*readers))
                .ok_or_else(missing);
        }
        Err(_) => return Err(no_such("visibility", number, "a Visibility")),
    };
    match readers {
        None => Ok(visibility),
        Some(_) => Err(Refusal::new(Reason::FieldInvalid)
            .field("readers")
            .limit("with VISIBILITY_READERS only")),
    }
}

fn behind_input(number: i32) -> Result<Behind, Refusal> {
    match link::Behind::try_from(number) {
        Ok(link::Behind::Unspecified | link::Behind::More) => Ok(Behind::More),
        Ok(link::Behind::Nothing) => Ok(Behind::Nothing),
        Ok(link::Behind::Through) => Ok(Behind::Through),
        Err(_) => Err(no_such("behind", number, "a Behind")),
    }
}

/// The refusal of a number that stands for nothing.
pub(super) fn no_such(field: &'static str, number: i32, limit: &'static str) -> Refusal {
    Refusal::new(Reason::FieldInvalid)
        .field(field)
        .value(number)
        .limit(limit)
}

/// States a link.
///
/// # Errors
/// The first field that breaks a rule; so for all functions here.
pub(super) fn state(request: v1::StateLinkRequest) -> Result<Intent, Refusal> {
    let v1::StateLinkRequest {
        link,
        on_conflict,
        request_id,
        validate_only,
    } = request;
    let link = link.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("link"))?;
    let on_conflict = import::conflict_rule(on_conflict)?;
    let change = stated(link, on_conflict).map_err(|refusal| refusal.within("link"))?;
    Ok(Intent {
        change,
        request_id,
        validate_only,
    })
}

/// Confirms a link.
pub(super) fn confirm(request: v1::ConfirmLinkRequest) -> Result<Intent, Refusal> {
    let v1::ConfirmLinkRequest {
        name,
        etag,
        request_id,
        validate_only,
    } = request;
    let name = link_name(name)?;
    let action = LinkAction::Confirm {
        etag: node::parse_etag(&etag)?,
    };
    Ok(Intent {
        change: Change::Link(LinkChange { name, action }),
        request_id,
        validate_only,
    })
}

/// Disputes a link.
pub(super) fn dispute(request: v1::DisputeLinkRequest) -> Result<Intent, Refusal> {
    let v1::DisputeLinkRequest {
        name,
        reason,
        etag,
        request_id,
        validate_only,
    } = request;
    let name = link_name(name)?;
    let action = LinkAction::Dispute {
        reason,
        etag: node::parse_etag(&etag)?,
    };
    Ok(Intent {
        change: Change::Link(LinkChange { name, action }),
        request_id,
        validate_only,
    })
}

/// Takes a link back.
pub(super) fn withdraw(request: v1::WithdrawLinkRequest) -> Result<Intent, Refusal> {
    let v1::WithdrawLinkRequest {
        name,
        reason,
        etag,
        request_id,
        validate_only,
    } = request;
    let name = link_name(name)?;
    let action = LinkAction::Withdraw {
        reason,
        etag: node::parse_etag(&etag)?,
    };
    Ok(Intent {
        change: Change::Link(LinkChange { name, action }),
        request_id,
        validate_only,
    })
}

/// The change of one item of a batch.
pub(super) fn batch_item(item: v1::batch_write_links_request::Item) -> Result<Change, Refusal> {
    use v1::batch_write_links_request::item::Change as Item;
    let v1::batch_write_links_request::Item { change } = item;
    let intent = match change {
        None => return Err(Refusal::new(Reason::FieldRequired).field("change")),
        Some(Item::State(request)) => state(*request),
        Some(Item::Confirm(request)) => confirm(request),
        Some(Item::Dispute(request)) => dispute(request),
        Some(Item::Withdraw(request)) => withdraw(request),
    };
    intent.map(|intent| intent.change)
}
