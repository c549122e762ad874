//! A template: the row of its versions, and whose it is.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::model::fault::{Reason, Refusal};
use crate::model::ids::{FirmId, TemplateId};
use crate::model::limits::{TEMPLATE_HISTORY_BYTES_MAX, TEMPLATE_VERSIONS_MAX};
use crate::model::template::check::refusal_of;
use crate::model::template::draft::DraftItem;
use crate::model::template::item::Item;
use crate::model::template::sector;
use crate::model::template::version::{Head, Version};
use crate::model::time::Timestamp;

/// A template, of a firm or of a sector, with all its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Template {
    id: TemplateId,
    firm: Option<FirmId>,
    first: Published,
    later: Vec<Published>,
    revision: u64,
    created: Timestamp,
}

/// A version, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// What it says.
    pub version: Arc<Version>,
    /// When it was made.
    pub at: Timestamp,
}

impl Template {
    /// A template with its first version, made at `now`; of a sector if it is of no
    /// firm.
    ///
    /// # Errors
    /// [`Reason::FieldInvalid`] if the id of a firm's template does not begin with
    /// the firm's and `-`: so no firm learns which names others gave.
    pub fn new(
        id: TemplateId,
        firm: Option<FirmId>,
        version: Version,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if let Some(firm) = &firm {
            let own = id.as_str().strip_prefix(firm.as_str());
            if own.and_then(|rest| rest.strip_prefix('-')).is_none() {
                return Err(Refusal::new(Reason::FieldInvalid)
                    .field("template.name")
                    .value(&id)
                    .limit(format!("it begins with the firm's id: {firm}-")));
            }
        }
        Ok(Self::first(id, firm, Arc::new(version), now))
    }

    /// The template of a sector as it comes with the node, if there is one.
    pub fn shipped(id: &str) -> Option<&'static Arc<Self>> {
        Self::all_shipped().find(|template| template.id.as_str() == id)
    }

    /// The templates of sectors that come with the node, in the order of their ids.
    pub fn all_shipped() -> impl Iterator<Item = &'static Arc<Self>> {
        static SHIPPED: LazyLock<Vec<Arc<Template>>> = LazyLock::new(|| {
            let template = |(id, version): (&str, &Arc<Version>)| {
                let id = TemplateId::parse(id).ok()?;
                let version = Arc::clone(version);
                let template = Template::first(id, None, version, Timestamp::default());
                Some(Arc::new(template))
            };
            sector::all().filter_map(template).collect()
        });
        SHIPPED.iter()
    }

    fn first(id: TemplateId, firm: Option<FirmId>, version: Arc<Version>, now: Timestamp) -> Self {
        Self {
            id,
            firm,
            first: Published { version, at: now },
            later: Vec::new(),
            revision: 0,
            created: now,
        }
    }

    /// The template with one more version, made at `now`.
    ///
    /// # Errors
    /// [`Reason::TemplateUnchanged`], [`Reason::VersionsTooMany`],
    /// [`Reason::VersionsTooLarge`]; those of [`Version::check_successor`], in one
    /// refusal.
    pub fn revised(&self, version: Version, now: Timestamp) -> Result<Self, Refusal> {
        let (number, latest) = self.latest();
        if version == **latest {
            return Err(Refusal::new(Reason::TemplateUnchanged).value(number));
        }
        if self.later.len() + 1 >= TEMPLATE_VERSIONS_MAX {
            return Err(Refusal::new(Reason::VersionsTooMany)
                .value(&self.id)
                .limit(TEMPLATE_VERSIONS_MAX));
        }
        if let Err(faults) = latest.check_successor(&version)
            && let Some(refusal) = refusal_of(faults)
        {
            return Err(refusal);
        }
        let mut revised = self.clone();
        revised.later.push(Published {
            version: Arc::new(version.sharing(latest)),
            at: now.max(self.changed()),
        });
        let (items, _) = pooled(revised.published());
        let bytes: usize = items.iter().map(|item| item.draft().byte_count()).sum();
        if bytes > TEMPLATE_HISTORY_BYTES_MAX {
            return Err(Refusal::new(Reason::VersionsTooLarge)
                .value(&self.id)
                .limit(TEMPLATE_HISTORY_BYTES_MAX));
        }
        Ok(revised)
    }

    /// The same template at another revision.
    #[must_use]
    pub fn at_revision(self, revision: u64) -> Self {
        Self { revision, ..self }
    }

    /// Its name for the node.
    pub const fn id(&self) -> &TemplateId {
        &self.id
    }

    /// Whose it is; `None` of a sector's.
    pub const fn firm(&self) -> Option<&FirmId> {
        self.firm.as_ref()
    }

    /// Log position of its last change: the etag. 0 as it came with the node.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// When it was made.
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// When its latest version was made.
    pub fn changed(&self) -> Timestamp {
        self.later.last().unwrap_or(&self.first).at
    }

    /// The number of the latest version, from 1, and what it says.
    pub fn latest(&self) -> (u32, &Arc<Version>) {
        let number = u32::try_from(self.later.len() + 1).unwrap_or(u32::MAX);
        let last = self.later.last().unwrap_or(&self.first);
        (number, &last.version)
    }

    /// The version of this number, from 1.
    pub fn version(&self, number: u32) -> Option<&Published> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.published().nth(at)
    }

    fn published(&self) -> impl Iterator<Item = &Published> {
        std::iter::once(&self.first).chain(&self.later)
    }
}

/// The stored form: each item once, however many versions have it.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    id: TemplateId,
    firm: Option<FirmId>,
    items: Vec<DraftItem>,
    versions: Vec<StoredVersion>,
    revision: u64,
    created: Timestamp,
}

#[derive(Clone, Serialize, Deserialize)]
struct StoredVersion {
    label: String,
    note: String,
    industry: String,
    sources: Vec<String>,
    /// Positions in the items of the template.
    items: Vec<u32>,
    at: Timestamp,
}

impl From<Template> for Stored {
    fn from(template: Template) -> Self {
        let (items, places) = pooled(template.published());
        let stored = template.published().zip(places).map(|(published, places)| {
            let Head {
                label,
                note,
                industry,
                sources,
            } = published.version.head();
            StoredVersion {
                label,
                note,
                industry,
                sources,
                items: places,
                at: published.at,
            }
        });
        Self {
            versions: stored.collect(),
            items: items.iter().map(|item| item.draft()).collect(),
            id: template.id.clone(),
            firm: template.firm.clone(),
            revision: template.revision,
            created: template.created,
        }
    }
}

/// Each item of the versions once, and for each version where its items stand
/// among them.
fn pooled<'a>(
    versions: impl Iterator<Item = &'a Published>,
) -> (Vec<&'a Arc<Item>>, Vec<Vec<u32>>) {
    let mut pool: Vec<&'a Arc<Item>> = Vec::new();
    // By index, the item of the version before and its place.
    let mut before: HashMap<u32, (&'a Arc<Item>, u32)> = HashMap::new();
    let mut places = Vec::new();
    for published in versions {
        let mut own = Vec::with_capacity(published.version.items().len());
        for item in published.version.items() {
            let known = before.get(&item.index());
            let place = match known.filter(|(known, _)| Arc::ptr_eq(known, item)) {
                Some((_, place)) => *place,
                None => {
                    pool.push(item);
                    u32::try_from(pool.len() - 1).unwrap_or(u32::MAX)
                }
            };
            before.insert(item.index(), (item, place));
            own.push(place);
        }
        places.push(own);
    }
    (pool, places)
}

impl TryFrom<Stored> for Template {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored {
            id,
            firm,
            items,
            versions,
            revision,
            created,
        } = stored;
        let items = items.iter().map(|draft| Item::new(draft).map(Arc::new));
        let items = items.collect::<Result<Vec<Arc<Item>>, _>>();
        let items = items.map_err(|_| "an item is not sound")?;
        let restored = versions.into_iter().map(|stored| stored.restored(&items));
        let versions = restored.collect::<Option<Vec<Published>>>();
        let mut versions = versions
            .ok_or("an item of a version is missing")?
            .into_iter();
        let first = versions.next().ok_or("a template has no version")?;
        Ok(Self {
            id,
            firm,
            first,
            later: versions.collect(),
            revision,
            created,
        })
    }
}

impl StoredVersion {
    fn restored(self, pool: &[Arc<Item>]) -> Option<Published> {
        let Self {
            label,
            note,
            industry,
            sources,
            items: places,
            at,
        } = self;
        let item = |place: u32| pool.get(usize::try_from(place).ok()?).map(Arc::clone);
        let items = places.into_iter().map(item).collect::<Option<Vec<_>>>()?;
        let head = Head {
            label,
            note,
            industry,
            sources,
        };
        Some(Published {
            version: Arc::new(Version::restored(head, items)),
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::template::draft::DraftKind;
    use crate::model::template::tests::{item, text, version};

    fn template() -> Template {
        let firm = FirmId::parse("f7").expect("id");
        let id = TemplateId::parse("f7-breaker").expect("id");
        let first = version(vec![
            item(2000, "name", text(10, Some("[a-z]+"))),
            item(2001, "flag", DraftKind::Boolean {}),
        ]);
        let now = Timestamp::from_millis(7);
        Template::new(id, Some(firm), first, now).expect("sound")
    }

    #[test]
    fn a_firm_names_its_templates_after_itself() {
        let firm = || Some(FirmId::parse("f7").expect("id"));
        let version = || version(vec![item(2000, "name", text(10, None))]);
        for id in ["breaker", "f7", "f77-breaker", "f8-f7-x"] {
            let id = TemplateId::parse(id).expect("id");
            let made = Template::new(id, firm(), version(), Timestamp::default());
            assert_eq!(made.map_err(|r| r.reason()), Err(Reason::FieldInvalid));
        }
    }

    #[test]
    fn keeps_every_version_and_each_item_once() {
        let first = template();
        let (_, version) = first.latest();
        let later = version.without(2001).expect("an item");
        let at = Timestamp::from_millis(5);
        let second = first
            .revised(later.clone(), at)
            .expect("sound")
            .at_revision(9);
        assert_eq!(second.latest().0, 2);
        assert_eq!(second.changed(), first.created(), "the clock was set back");
        let numbers = [0, 1, 2, 3].map(|number| second.version(number).is_some());
        assert_eq!(numbers, [false, true, true, false]);
        let again = second.revised(later, at).map_err(|r| r.reason());
        assert_eq!(again, Err(Reason::TemplateUnchanged));
        let bytes = postcard::to_stdvec(&second).expect("encodes");
        let decoded: Template = postcard::from_bytes(&bytes).expect("decodes");
        assert_eq!(decoded, second);
        let items = |number| &decoded.version(number).expect("there").version.items()[0];
        assert!(Arc::ptr_eq(items(1), items(2)));
        assert_eq!(Stored::from(second).items.len(), 3);
        for cut in 0..bytes.len() {
            assert!(
                postcard::from_bytes::<Template>(&bytes[..cut]).is_err(),
                "{cut}"
            );
        }
    }

    #[test]
    fn has_no_more_versions_than_the_limit() {
        let mut template = template();
        let mut draft = template.latest().1.draft();
        for number in 1..=TEMPLATE_VERSIONS_MAX {
            draft.note = number.to_string();
            let version = Version::new(&draft).expect("sound");
            match template.revised(version, Timestamp::default()) {
                Ok(revised) => template = revised,
                Err(refusal) => {
                    assert_eq!(number, TEMPLATE_VERSIONS_MAX);
                    assert_eq!(refusal.reason(), Reason::VersionsTooMany);
                }
            }
        }
        let bytes = postcard::to_stdvec(&template).expect("encodes");
        assert!(bytes.len() < 16 * 1024, "{} bytes", bytes.len());
    }

    #[test]
    fn sectors_have_theirs_from_the_start() {
        assert_eq!(Template::all_shipped().count(), 6);
        let valves = Template::shipped("valves").expect("shipped");
        assert_eq!((valves.firm(), valves.revision()), (None, 0));
        assert!(Template::shipped("shoes").is_none());
    }
}
