//! Changes of templates: each makes a version, none changes one.

use std::sync::Arc;

use serde::Serialize;

use crate::access::{Office, permit_office};
use crate::model::limits::{SECTOR_TEMPLATES_MAX, TEMPLATES_PER_FIRM_MAX};
use crate::model::template::{Template, Version};
use crate::model::{Firm, FirmId, Reason, Refusal, TemplateId};
use crate::registry::audit::Action;
use crate::registry::command::Origin;
use crate::registry::decide::{Decision, Undecided, check_etag};
use crate::registry::office::OfficeDecision;
use crate::store::{AnyEntry, Batch};

/// What happens to a template. An `etag` is the revision that it must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum TemplateAction {
    /// Makes it, with its first version.
    Create {
        /// Whose it is; `None` is a sector's.
        firm: Option<FirmId>,
        /// What its first version says.
        version: Box<Version>,
    },
    /// Makes its next version.
    Revise {
        /// What it says.
        version: Box<Version>,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// Makes its next version, without one of the items for new records.
    DisableItem {
        /// The item's index.
        index: u32,
        /// The revision that it must have.
        etag: Option<u64>,
    },
}

/// The template named `id`, of the directory or as it came with the node.
pub(super) fn find(batch: &Batch<'_>, id: &str) -> Option<Arc<Template>> {
    let kept = batch.entry::<Template>(id);
    kept.or_else(|| Template::shipped(id).cloned())
}

/// Decides a change of a template.
///
/// # Errors
/// As [`super::decide`].
pub(super) fn decide(
    batch: &Batch<'_>,
    origin: &Origin,
    id: TemplateId,
    action: TemplateAction,
) -> Result<Decision, Undecided> {
    let decision = match action {
        TemplateAction::Create { firm, version } => {
            let template = created(batch, origin, id, (firm, *version))?;
            let entry = AnyEntry::Template(Arc::new(template));
            OfficeDecision::put(Action::CreateTemplate, None, entry)
        }
        TemplateAction::Revise { version, etag } => {
            let before = kept(batch, origin, &id)?;
            check_etag(etag, before.revision())?;
            let within = |refusal: Refusal| refusal.within("template");
            let revised = before.revised(*version, origin.now).map_err(within)?;
            put(Action::ReviseTemplate, before, revised)
        }
        TemplateAction::DisableItem { index, etag } => {
            let before = kept(batch, origin, &id)?;
            check_etag(etag, before.revision())?;
            let (_, latest) = before.latest();
            let revised = before.revised(latest.without(index)?, origin.now)?;
            put(Action::DisableTemplateItem, before, revised)
        }
    };
    Ok(Decision::Office(Box::new(decision)))
}

fn put(action: Action, before: Arc<Template>, revised: Template) -> OfficeDecision {
    // What came with the node was not stored until now.
    let stored = (before.revision() > 0).then(|| AnyEntry::Template(before));
    OfficeDecision::put(action, stored, AnyEntry::Template(Arc::new(revised)))
}

fn created(
    batch: &Batch<'_>,
    origin: &Origin,
    id: TemplateId,
    (firm, version): (Option<FirmId>, Version),
) -> Result<Template, Undecided> {
    permit_keeping(origin, firm.as_ref())?;
    if let Some(firm) = &firm
        && batch.entry::<Firm>(firm.as_str()).is_none()
    {
        let refusal = Refusal::new(Reason::FirmNotFound).field("template.firm");
        return Err(refusal.value(firm).into());
    }
    let template = Template::new(id, firm, version, origin.now)?;
    if find(batch, template.id().as_str()).is_some() {
        let refusal = Refusal::new(Reason::TemplateExists).field("template.name");
        return Err(refusal.value(template.id()).into());
    }
    let beside = batch.entries::<Template>(|other| other.firm() == template.firm());
    let (owner, limit) = match template.firm() {
        Some(firm) => (firm.as_str(), TEMPLATES_PER_FIRM_MAX),
        None => ("the node", SECTOR_TEMPLATES_MAX),
    };
    if beside.len() >= limit {
        let refusal = Refusal::new(Reason::TemplatesTooMany);
        return Err(refusal.value(owner).limit(limit).into());
    }
    Ok(template)
}

/// The template if the caller may keep it. One that the caller may not know of is
/// not there.
fn kept(batch: &Batch<'_>, origin: &Origin, id: &TemplateId) -> Result<Arc<Template>, Refusal> {
    let found = find(batch, id.as_str()).filter(|template| {
        let firm = template.firm();
        firm.is_none_or(|firm| permit_office(&origin.caller, Office::ReadFirm(firm)).is_ok())
    });
    let Some(template) = found else {
        // Who proved nothing is told to do that first, whatever there is.
        permit_keeping(origin, None).or_else(|refusal| match refusal.reason() {
            Reason::KeyRequired => Err(refusal),
            _ => Ok(()),
        })?;
        return Err(Refusal::new(Reason::TemplateNotFound)
            .field("name")
            .value(id));
    };
    permit_keeping(origin, template.firm())?;
    Ok(template)
}

fn permit_keeping(origin: &Origin, firm: Option<&FirmId>) -> Result<(), Refusal> {
    let office = firm.map_or(Office::KeepSectorTemplates, Office::KeepTemplates);
    permit_office(&origin.caller, office)
}
