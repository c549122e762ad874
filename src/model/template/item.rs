//! Items: what a record under a template has, each at its index.

use std::ops::RangeInclusive;

use crate::model::fault::Reason;
use crate::model::limits::{
    ITEM_INDEX_MIN, ITEM_NAME_BYTES_MAX, LABEL_CHARS_MAX, LIST_ELEMENTS_MAX, NOTE_CHARS_MAX,
    READERS_MAX,
};
use crate::model::readers::{Reader, Readers};
use crate::model::record::ValueType;
use crate::model::template::draft::{DraftItem, DraftList};
use crate::model::template::kind::{Flaw, Kind, is_plain};
use crate::model::template::kind_draft::Unsound;

/// One item of a version of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    index: u32,
    name: ValueType,
    label: Box<str>,
    note: Box<str>,
    kind: Kind,
    required: bool,
    unique: bool,
    state: ItemState,
    list: Option<RangeInclusive<u32>>,
    readers: Option<Box<Readers>>,
}

/// Whether records may still get an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemState {
    /// They may, and must where it is required.
    Active,
    /// They may not; those that have it keep it.
    Disabled,
}

impl Item {
    /// Checks a draft.
    ///
    /// # Errors
    /// Each part of it that is unsound.
    pub(super) fn new(draft: &DraftItem) -> Result<Self, Vec<Unsound>> {
        let DraftItem {
            index,
            name,
            label,
            note,
            kind,
            required,
            unique,
            disabled,
            list,
            readers,
        } = draft;
        let mut unsound = Vec::new();
        if *index < ITEM_INDEX_MIN {
            unsound.push(Unsound::new(
                "index",
                index,
                format!("at least {ITEM_INDEX_MIN}"),
            ));
        }
        let parsed_name = parse_name(name);
        if parsed_name.is_none() {
            let rule = format!(
                "1 to {ITEM_NAME_BYTES_MAX} letters, digits, \"_\", \"-\" and \".\", a letter first, and no type of the Handle System"
            );
            unsound.push(Unsound::new("name", name, rule));
        }
        check_label("label", label, &mut unsound);
        check_note("note", note, &mut unsound);
        let list = list.map(lengths).transpose();
        let list = list.unwrap_or_else(|flaw| noted(flaw, &mut unsound));
        let readers = readers.as_deref().map(parse_readers).transpose();
        let readers = readers.unwrap_or_else(|flaw| noted(flaw, &mut unsound));
        let kind = Kind::new(kind).map_err(|inner| {
            unsound.extend(inner.into_iter().map(|flaw| flaw.within("kind")));
        });
        if let Ok(Kind::Boolean | Kind::Composition) = kind
            && *unique
        {
            unsound.push(Unsound::new("unique", "true", "an item of another kind"));
        }
        match (parsed_name, kind) {
            (Some(name), Ok(kind)) if unsound.is_empty() => Ok(Self {
                index: *index,
                name,
                label: label.as_str().into(),
                note: note.as_str().into(),
                kind,
                required: *required,
                unique: *unique,
                state: if *disabled {
                    ItemState::Disabled
                } else {
                    ItemState::Active
                },
                list,
                readers: readers.map(Box::new),
            }),
            _ => Err(unsound),
        }
    }

    /// The draft of this item.
    pub fn draft(&self) -> DraftItem {
        let Self {
            index,
            name,
            label,
            note,
            kind,
            required,
            unique,
            state,
            list,
            readers,
        } = self;
        DraftItem {
            index: *index,
            name: name.as_str().to_owned(),
            label: label.as_ref().to_owned(),
            note: note.as_ref().to_owned(),
            kind: kind.draft(),
            required: *required,
            unique: *unique,
            disabled: *state == ItemState::Disabled,
            list: list.as_ref().map(|list| DraftList {
                count_min: Some(*list.start()),
                count_max: Some(*list.end()),
            }),
            readers: readers
                .as_ref()
                .map(|readers| readers.each().map(|reader| reader.to_string()).collect()),
        }
    }

    /// Index of its value, at least [`ITEM_INDEX_MIN`].
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Its English name: the type of its value.
    pub const fn name(&self) -> &ValueType {
        &self.name
    }

    /// Its Chinese name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What it says; may be empty.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// What its text is.
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether each new record has it: it is required, and not disabled.
    pub fn is_required(&self) -> bool {
        self.required && self.state == ItemState::Active
    }

    /// Whether no two records under a prefix have the same.
    pub const fn is_unique(&self) -> bool {
        self.unique
    }

    /// Whether records may still get it.
    pub const fn state(&self) -> ItemState {
        self.state
    }

    /// That it is a list, and of how many elements.
    pub const fn list(&self) -> Option<&RangeInclusive<u32>> {
        self.list.as_ref()
    }

    /// Who may read its values beside their owner; `None`: whom their permissions
    /// say.
    pub fn readers(&self) -> Option<&Readers> {
        self.readers.as_deref()
    }

    /// The same item, which new records may not have.
    #[must_use]
    pub(super) fn disabled(&self) -> Self {
        Self {
            state: ItemState::Disabled,
            ..self.clone()
        }
    }

    /// Checks the data of its value, and gives the forms by which that is the
    /// same as another's: one, or one for each element of a list.
    ///
    /// # Errors
    /// A [`Flaw`] for each rule that it breaks, at most one for each element.
    pub(super) fn check(&self, data: &[u8]) -> Result<Vec<String>, Vec<Flaw>> {
        let utf8 = std::str::from_utf8(data);
        let text = utf8.map_err(|_| vec![(Reason::ItemForm, "text in UTF-8".to_owned())])?;
        let Some(lengths) = &self.list else {
            return match self.kind.check(text) {
                Ok(form) => Ok(vec![form]),
                Err(flaw) => Err(vec![flaw]),
            };
        };
        let elements: Vec<String> = serde_json::from_str(text).map_err(|_| {
            let rule = "a list as JSON: [\"…\", \"…\"]".replace('…', "a");
            vec![(Reason::ItemForm, rule)]
        })?;
        let (mut forms, mut flaws) = (Vec::with_capacity(elements.len().min(64)), Vec::new());
        let count = u32::try_from(elements.len()).unwrap_or(u32::MAX);
        if !lengths.contains(&count) {
            let rule = format!("{} to {}", lengths.start(), lengths.end());
            // What is too long is not looked into.
            return Err(vec![(Reason::ItemCount, rule)]);
        }
        for (position, element) in elements.iter().enumerate() {
            match self.kind.check(element) {
                Ok(form) if self.unique && forms.contains(&form) => {
                    flaws.push((
                        Reason::ItemForm,
                        format!("a list with each element once, unlike [{position}]"),
                    ));
                }
                Ok(form) => forms.push(form),
                Err((reason, rule)) => flaws.push((reason, format!("{rule}, unlike [{position}]"))),
            }
        }
        if flaws.is_empty() {
            return Ok(forms);
        }
        Err(flaws)
    }

    /// What a later version may not change: a reader must find the same thing at
    /// the same place. The name of what differs, if something does.
    pub(super) fn differs_in_kind(&self, later: &Self) -> Option<&'static str> {
        if self.name != later.name {
            return Some("name");
        }
        if std::mem::discriminant(&self.kind) != std::mem::discriminant(&later.kind) {
            return Some("kind");
        }
        if self.list.is_some() != later.list.is_some() {
            return Some("list");
        }
        match (&self.kind, &later.kind) {
            (Kind::Decimal { unit, .. }, Kind::Decimal { unit: other, .. }) if unit != other => {
                Some("unit")
            }
            _ => None,
        }
    }
}

/// Checks a name for people.
pub(super) fn check_label(field: &str, label: &str, unsound: &mut Vec<Unsound>) {
    let sound = !label.trim().is_empty()
        && label.chars().count() <= LABEL_CHARS_MAX
        && !label.chars().any(char::is_control);
    if !sound {
        let rule = format!("1 to {LABEL_CHARS_MAX} characters without control characters");
        unsound.push(Unsound::new(field, label, rule));
    }
}

/// Checks an explanation.
pub(super) fn check_note(field: &str, note: &str, unsound: &mut Vec<Unsound>) {
    if note.chars().count() > NOTE_CHARS_MAX || !is_plain(note) {
        let rule = format!("at most {NOTE_CHARS_MAX} characters without control characters");
        unsound.push(Unsound::new(field, note, rule));
    }
}

fn parse_name(name: &str) -> Option<ValueType> {
    let sound = (1..=ITEM_NAME_BYTES_MAX).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    // Values of the Handle System's own types have a form of their own.
    let is_reserved = name
        .get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("HS_"));
    (sound && !is_reserved).then(|| ValueType::parse(name).ok())?
}

/// Nothing, since a flaw stands in its place.
fn noted<T>(flaw: Unsound, unsound: &mut Vec<Unsound>) -> Option<T> {
    unsound.push(flaw);
    None
}

fn parse_readers(texts: &[String]) -> Result<Readers, Unsound> {
    let mut readers = Vec::with_capacity(texts.len().min(READERS_MAX));
    for (position, text) in texts.iter().enumerate() {
        let reader = Reader::parse(text).map_err(|_| {
            let field = format!("readers[{position}]");
            Unsound::new(field, text, "firm:ID or group:ID")
        })?;
        readers.push(reader);
    }
    let count = readers.len();
    Readers::new(readers)
        .map_err(|_| Unsound::new("readers", count, format!("at most {READERS_MAX}")))
}

fn lengths(list: DraftList) -> Result<RangeInclusive<u32>, Unsound> {
    let DraftList {
        count_min,
        count_max,
    } = list;
    let (least, most) = (
        count_min.unwrap_or(1),
        count_max.unwrap_or(LIST_ELEMENTS_MAX),
    );
    if most == 0 || most > LIST_ELEMENTS_MAX {
        let rule = format!("1 to {LIST_ELEMENTS_MAX}");
        return Err(Unsound::new("list.count_max", most, rule));
    }
    if least > most {
        return Err(Unsound::new(
            "list.count_min",
            least,
            format!("at most {most}"),
        ));
    }
    Ok(least..=most)
}
