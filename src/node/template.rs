//! Templates: reading them, and judging records by them without registering any.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::access::{Office, permit_office};
use crate::model::template::{Before, Template, Version};
use crate::model::{Caller, FirmId, Reason, Refusal, TemplateId, Value};
use crate::node::{Node, Page};

impl Node {
    /// Templates in the order of their ids, from behind `after`, at most `limit`:
    /// those of `firm`, or those of sectors.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied` if the caller may not read the firm's.
    pub fn list_templates(
        &self,
        caller: &Caller,
        firm: Option<&FirmId>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Arc<Template>>, Refusal> {
        if let Some(firm) = firm {
            self.permit_office(caller, Office::ReadFirm(firm))
                .map_err(|r| r.field("parent"))?;
        }
        let directory = self.inner.store.directory();
        let kept = directory.all::<Template>();
        let mut found: BTreeMap<&str, &Arc<Template>> = kept
            .filter(|template| template.firm() == firm)
            .map(|template| (template.id().as_str(), template))
            .collect();
        if firm.is_none() {
            for template in Template::all_shipped() {
                found.entry(template.id().as_str()).or_insert(template);
            }
        }
        let is_behind = |(id, _): &(&&str, &&Arc<Template>)| after.is_none_or(|after| **id > after);
        let mut rest = found.iter().filter(is_behind);
        let items: Vec<Arc<Template>> = rest
            .by_ref()
            .take(limit)
            .map(|(_, template)| Arc::clone(template))
            .collect();
        let last = items
            .last()
            .map(|last| last.id().as_str().as_bytes().to_vec());
        let next = last.filter(|_| rest.next().is_some());
        Ok(Page { items, next })
    }

    /// A template, and the number and content of the version asked for; the latest
    /// if `version` is `None`.
    ///
    /// # Errors
    /// `TemplateNotFound`, also if the caller may not read it;
    /// `TemplateVersionUnknown`.
    pub fn template(
        &self,
        caller: &Caller,
        id: &TemplateId,
        version: Option<u32>,
    ) -> Result<(Arc<Template>, u32), Refusal> {
        let kept = self
            .inner
            .store
            .directory()
            .find::<Template>(id.as_str())
            .cloned();
        let found = kept.or_else(|| Template::shipped(id.as_str()).cloned());
        let may_read = |template: &Arc<Template>| {
            let firm = template.firm();
            firm.is_none_or(|firm| permit_office(caller, Office::ReadFirm(firm)).is_ok())
        };
        let template = found.filter(may_read).ok_or_else(|| {
            Refusal::new(Reason::TemplateNotFound)
                .field("name")
                .value(id)
        })?;
        let number = version.unwrap_or_else(|| template.latest().0);
        if template.version(number).is_none() {
            return Err(Refusal::new(Reason::TemplateVersionUnknown)
                .field("version")
                .value(number)
                .limit(id));
        }
        Ok((template, number))
    }
}

/// What of a record's values breaks the rules of a version. Whether a value is
/// unique only registering the record tells.
pub fn template_faults(version: &Version, values: &[Value]) -> Vec<Refusal> {
    version
        .check(values, Before::default())
        .err()
        .unwrap_or_default()
}
