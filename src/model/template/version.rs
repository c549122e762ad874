//! One version of a template: its items, which never change again.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use crate::model::fault::{Reason, Refusal};
use crate::model::limits::{
    TEMPLATE_BYTES_MAX, TEMPLATE_ITEMS_MAX, TEMPLATE_PATTERNS_MAX, TEMPLATE_SOURCES_MAX,
};
use crate::model::template::draft::{Draft, DraftItem, DraftKind};
use crate::model::template::item::{Item, ItemState, check_label, check_note};
use crate::model::template::kind_draft::Unsound;

/// What a version of a template says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "Draft")]
pub struct Version {
    label: Box<str>,
    note: Box<str>,
    industry: Box<str>,
    sources: Box<[Box<str>]>,
    items: Box<[Arc<Item>]>,
}

/// What a version says of itself, beside its items.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) label: String,
    pub(super) note: String,
    pub(super) industry: String,
    pub(super) sources: Vec<String>,
}

impl Version {
    /// Checks a draft.
    ///
    /// # Errors
    /// Each part of it that is unsound: [`Reason::FieldInvalid`], its field as
    /// `items[3].kind.pattern`.
    pub fn new(draft: &Draft) -> Result<Self, Vec<Refusal>> {
        let refusals = |unsound: Vec<Unsound>| unsound.into_iter().map(Unsound::refusal).collect();
        let mut unsound = check_head(draft);
        let count = draft.items.len();
        if count == 0 || count > TEMPLATE_ITEMS_MAX {
            let rule = format!("1 to {TEMPLATE_ITEMS_MAX} items");
            unsound.push(Unsound::new("items", count, rule));
            return Err(refusals(unsound));
        }
        check_sizes(draft, &mut unsound);
        if !unsound.is_empty() {
            return Err(refusals(unsound));
        }
        let mut items = Vec::with_capacity(count);
        for (position, item) in draft.items.iter().enumerate() {
            match Item::new(item) {
                Ok(item) => items.push(Arc::new(item)),
                Err(inner) => {
                    let place = format!("items[{position}]");
                    unsound.extend(inner.into_iter().map(|flaw| flaw.within(&place)));
                }
            }
        }
        check_repeated(draft, &mut unsound);
        if !unsound.is_empty() {
            return Err(refusals(unsound));
        }
        items.sort_by_key(|item| item.index());
        let head = Head {
            label: draft.label.clone(),
            note: draft.note.clone(),
            industry: draft.industry.clone(),
            sources: draft.sources.clone(),
        };
        Ok(Self::restored(head, items))
    }

    /// A version that was checked when it was made; its items ascend by index.
    pub(super) fn restored(head: Head, items: Vec<Arc<Item>>) -> Self {
        let Head {
            label,
            note,
            industry,
            sources,
        } = head;
        Self {
            label: label.into(),
            note: note.into(),
            industry: industry.into(),
            sources: sources.into_iter().map(Into::into).collect(),
            items: items.into(),
        }
    }

    /// What it says beside its items.
    pub(super) fn head(&self) -> Head {
        Head {
            label: self.label.as_ref().to_owned(),
            note: self.note.as_ref().to_owned(),
            industry: self.industry.as_ref().to_owned(),
            sources: self.sources().map(str::to_owned).collect(),
        }
    }

    /// What [`Version::new`] makes this version of.
    pub fn draft(&self) -> Draft {
        let Head {
            label,
            note,
            industry,
            sources,
        } = self.head();
        Draft {
            label,
            note,
            industry,
            sources,
            items: self.items.iter().map(|item| item.draft()).collect(),
        }
    }

    /// Checks that `later` may follow this version: no item is gone, and each is
    /// still the same thing at the same place.
    ///
    /// # Errors
    /// [`Reason::ItemGone`] and [`Reason::ItemChanged`], one for each such item.
    pub fn check_successor(&self, later: &Self) -> Result<(), Vec<Refusal>> {
        let refusals: Vec<Refusal> = self
            .items
            .iter()
            .filter_map(|item| {
                let refuse = |reason| Refusal::new(reason).field("items").value(item.name());
                match later.item(item.index()) {
                    None => Some(refuse(Reason::ItemGone).limit(item.index())),
                    Some(same) => {
                        let what = item.differs_in_kind(same)?;
                        Some(refuse(Reason::ItemChanged).limit(what))
                    }
                }
            })
            .collect();
        if refusals.is_empty() {
            return Ok(());
        }
        Err(refusals)
    }

    /// This version without the item at `index` for new records.
    ///
    /// # Errors
    /// [`Reason::ItemUnknown`]; [`Reason::ItemDisabled`] if it is already.
    pub fn without(&self, index: u32) -> Result<Self, Refusal> {
        let refuse = |reason| Refusal::new(reason).field("index").value(index);
        let item = self
            .item(index)
            .ok_or_else(|| refuse(Reason::ItemUnknown))?;
        if item.state() == ItemState::Disabled {
            return Err(refuse(Reason::ItemDisabled).limit(item.name()));
        }
        let disabled = Arc::new(item.disabled());
        let mut later = self.clone();
        for item in &mut later.items {
            if item.index() == index {
                *item = Arc::clone(&disabled);
            }
        }
        Ok(later)
    }

    /// Shares with `earlier` the items that are the same in both.
    #[must_use]
    pub fn sharing(mut self, earlier: &Self) -> Self {
        for item in &mut self.items {
            if let Some(same) = earlier.shared(item.index()).filter(|same| *same == item) {
                *item = Arc::clone(same);
            }
        }
        self
    }

    /// Its name for people.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What it is for, or what changed; may be empty.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// GB/T 4754-2017: a letter and up to four digits; empty for every industry.
    pub fn industry(&self) -> &str {
        &self.industry
    }

    /// Where its items are taken from.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(AsRef::as_ref)
    }

    /// The items, ascending by index.
    pub fn items(&self) -> &[Arc<Item>] {
        &self.items
    }

    /// The item at `index`.
    pub fn item(&self, index: u32) -> Option<&Item> {
        self.shared(index).map(AsRef::as_ref)
    }

    fn shared(&self, index: u32) -> Option<&Arc<Item>> {
        let at = self.items.binary_search_by_key(&index, |item| item.index());
        self.items.get(at.ok()?)
    }
}

impl From<Version> for Draft {
    fn from(version: Version) -> Self {
        version.draft()
    }
}

impl Unsound {
    /// Puts `outer` before the field.
    pub(super) fn within(mut self, outer: &str) -> Self {
        let dot = if self.field.is_empty() { "" } else { "." };
        self.field = format!("{outer}{dot}{}", self.field);
        self
    }

    fn refusal(self) -> Refusal {
        let Self { field, value, rule } = self;
        Refusal::new(Reason::FieldInvalid)
            .field(field)
            .value(value)
            .limit(rule)
    }
}

fn check_head(draft: &Draft) -> Vec<Unsound> {
    let mut unsound = Vec::new();
    check_label("label", &draft.label, &mut unsound);
    check_note("note", &draft.note, &mut unsound);
    if !is_industry(&draft.industry) {
        let rule = "a letter from A to T, and up to four digits (GB/T 4754-2017)";
        unsound.push(Unsound::new("industry", &draft.industry, rule));
    }
    if draft.sources.len() > TEMPLATE_SOURCES_MAX {
        let rule = format!("at most {TEMPLATE_SOURCES_MAX} sources");
        unsound.push(Unsound::new("sources", draft.sources.len(), rule));
    }
    for (position, source) in draft.sources.iter().enumerate().take(TEMPLATE_SOURCES_MAX) {
        check_note(&format!("sources[{position}]"), source, &mut unsound);
    }
    unsound
}

/// Refuses a draft that takes more memory than a template may.
fn check_sizes(draft: &Draft, unsound: &mut Vec<Unsound>) {
    let bytes: usize = draft.items.iter().map(DraftItem::byte_count).sum();
    if bytes > TEMPLATE_BYTES_MAX {
        let rule = format!("at most {TEMPLATE_BYTES_MAX} bytes");
        unsound.push(Unsound::new("items", format!("{bytes} bytes"), rule));
    }
    let pattern = |kind: &DraftKind| {
        matches!(
            kind,
            DraftKind::Text {
                pattern: Some(_),
                ..
            }
        )
    };
    let patterns = draft
        .items
        .iter()
        .filter(|item| pattern(&item.kind))
        .count();
    if patterns > TEMPLATE_PATTERNS_MAX {
        let rule = format!("at most {TEMPLATE_PATTERNS_MAX} patterns");
        unsound.push(Unsound::new("items", format!("{patterns} patterns"), rule));
    }
}

/// Refuses items that stand at one index or have one name.
fn check_repeated(draft: &Draft, unsound: &mut Vec<Unsound>) {
    let (mut indices, mut names) = (HashSet::new(), HashSet::new());
    for (position, item) in draft.items.iter().enumerate() {
        if !indices.insert(item.index) {
            let field = format!("items[{position}].index");
            unsound.push(Unsound::new(field, item.index, "each index once"));
        }
        // Types compare without case.
        if !names.insert(item.name.to_ascii_lowercase()) {
            let field = format!("items[{position}].name");
            unsound.push(Unsound::new(
                field,
                &item.name,
                "each name once, whatever its case",
            ));
        }
    }
}

/// Whether `code` is of the form of GB/T 4754-2017, or empty.
fn is_industry(code: &str) -> bool {
    let mut characters = code.chars();
    let Some(section) = characters.next() else {
        return true;
    };
    let digits = characters.as_str();
    ('A'..='T').contains(&section)
        && matches!(digits.len(), 0 | 2..=4)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}
