//! Firms: what a caller may see of them, and changes whose secrets are sealed
//! before they enter the log.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::access::{NewSecret, Office, permit_office};
use crate::crypto::{DataKey, SEAL_KEY_BYTES, Unsealed};
use crate::model::firm::{
    Document, DocumentKind, Facts, Firm, FirmState, MediaType, Personal, Text,
};
use crate::model::limits::DOCUMENT_NAME_CHARS_MAX;
use crate::model::{
    Caller, Credential, FirmId, FirmRole, Party, Prefix, Principal, PrincipalId, PrincipalState,
    Reason, Refusal, Scope,
};
use crate::node::{Applied, Change, Node, OfficeChange, Page, Write, told};
use crate::registry::firm::{FirmAction, FirmKey, FirmSecret, Opened, Sealed};
use crate::store::AnyEntry;

/// The version of the people's encoding.
const PEOPLE_VERSION: u8 = 1;

/// A firm, as far as a caller may see it.
#[derive(Clone, Debug)]
pub struct FirmView {
    /// The firm.
    pub firm: Arc<Firm>,
    /// The prefixes that it holds, in canonical order.
    pub prefixes: Vec<Prefix>,
    /// Whether the caller may see all of it but its people, or only its name,
    /// state and prefixes.
    pub is_whole: bool,
}

/// An application to begin.
#[derive(Clone, Debug)]
pub struct Application {
    /// What the firm says of itself.
    pub facts: Facts,
    /// Its people.
    pub people: Personal,
}

/// A paper to attach.
#[derive(Clone)]
pub struct Paper {
    /// What it is.
    pub kind: DocumentKind,
    /// The name of its file.
    pub name: Text<DOCUMENT_NAME_CHARS_MAX>,
    /// What is in it.
    pub contents: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Paper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Paper")
            .field("kind", &self.kind)
            .field("byte_count", &self.contents.len())
            .finish_non_exhaustive()
    }
}

impl Node {
    /// The firm `id`, as far as `caller` may see it. Others see a firm once it is
    /// active; until then it is as if there were none.
    ///
    /// # Errors
    /// `FirmNotFound`.
    pub fn firm(&self, caller: &Caller, id: &FirmId) -> Result<FirmView, Refusal> {
        let found = self
            .inner
            .store
            .directory()
            .find::<Firm>(id.as_str())
            .cloned();
        found
            .and_then(|firm| self.seen(caller, firm))
            .ok_or_else(|| Refusal::new(Reason::FirmNotFound).field("name").value(id))
    }

    /// The firms that `caller` may see, in the order of their ids, from behind
    /// the id `after`: at most `count`, and only those in a state that `wanted`
    /// takes.
    pub fn firms(
        &self,
        caller: &Caller,
        (after, count): (Option<&str>, usize),
        wanted: impl Fn(&FirmState) -> bool,
    ) -> Page<FirmView> {
        let directory = self.inner.store.directory();
        let behind = |firm: &&Arc<Firm>| after.is_none_or(|after| firm.id.as_str() > after);
        let firms: Vec<_> = directory
            .all::<Firm>()
            .filter(behind)
            .filter(|firm| wanted(&firm.state) && sight(caller, firm).is_some())
            .take(count.saturating_add(1))
            .cloned()
            .collect();
        drop(directory);
        let next = firms
            .get(count.saturating_sub(1))
            .filter(|_| firms.len() > count)
            .map(|last| last.id.as_str().as_bytes().to_vec());
        let items = firms
            .into_iter()
            .take(count)
            .filter_map(|firm| self.seen(caller, firm))
            .collect();
        Page { items, next }
    }

    fn seen(&self, caller: &Caller, firm: Arc<Firm>) -> Option<FirmView> {
        let is_whole = sight(caller, &firm)?;
        let prefixes = self.inner.store.prefixes();
        let held = prefixes
            .after(None)
            .filter(|(_, row)| row.entry.holder.as_ref() == Some(&firm.id))
            .map(|(_, row)| row.entry.prefix.clone())
            .collect();
        Some(FirmView {
            firm,
            prefixes: held,
            is_whole,
        })
    }

    /// Begins an application, and gives the key of the firm's owner, which is
    /// shown this once and kept nowhere. Durable once it returns.
    ///
    /// # Errors
    /// `ApplicationsTooMany`, `PrefixExists`, and those of [`Node::execute`].
    pub async fn apply_firm(
        &self,
        caller: &Caller,
        application: Application,
    ) -> Result<(Arc<Firm>, Zeroizing<String>), Refusal> {
        let (write, key) = self.application(application)?;
        let firm = firm_of(self.execute(caller, write).await?)?;
        Ok((firm, key))
    }

    /// Judges an application as [`Node::apply_firm`] would, and keeps nothing of
    /// it. Blocks on the store.
    ///
    /// # Errors
    /// As [`Node::apply_firm`].
    pub fn judge_firm(
        &self,
        caller: &Caller,
        application: Application,
    ) -> Result<Arc<Firm>, Refusal> {
        let (write, _) = self.application(application)?;
        let outcomes = self.validate(caller, vec![write])?;
        let missing = || Err(Refusal::new(Reason::Internal));
        firm_of(outcomes.into_iter().next().unwrap_or_else(missing)?)
    }

    fn application(
        &self,
        Application { facts, people }: Application,
    ) -> Result<(Write, Zeroizing<String>), Refusal> {
        let id = FirmId::parse(&self.new_id())?;
        let owner_id = PrincipalId::parse(&self.new_id())?;
        let key = NewSecret::new(&owner_id, &Zeroizing::new(self.random()));
        let now = self.now();
        let owner = Principal {
            id: owner_id,
            party: Party::Firm {
                firm: id.clone(),
                role: FirmRole::Owner,
            },
            name: "application".to_owned(),
            credential: Credential::Key {
                hash: key.hash,
                previous: None,
            },
            scope: Scope::default(),
            state: PrincipalState::Active,
            revision: 0,
            created: now,
            changed: now,
        };
        let (data_key, under) = self.new_firm_key(&id);
        let people = self.sealed_people(&id, (&data_key, under), &people)?;
        let change = Change::Office(OfficeChange::Firm {
            id,
            action: FirmAction::Apply {
                facts: Box::new(facts),
                people,
                owner: Box::new(owner),
            },
        });
        let write = Write {
            change,
            request_id: None,
        };
        Ok((write, key.text))
    }

    /// The change that gives a firm other facts or people. Reads the store.
    ///
    /// # Errors
    /// `PermissionDenied`, `KeyRequired`, `FieldRequired` if neither is given,
    /// `SealUnreadable`.
    pub fn firm_edit(
        &self,
        caller: &Caller,
        id: FirmId,
        (facts, people): (Option<Facts>, Option<&Personal>),
        etag: Option<u64>,
    ) -> Result<Change, Refusal> {
        self.permit_office(caller, Office::EditFirm(&id))?;
        if facts.is_none() && people.is_none() {
            return Err(Refusal::new(Reason::FieldRequired).field("facts"));
        }
        let people = match people {
            Some(people) => {
                let (key, under) = self.firm_key(&id)?;
                Some(self.sealed_people(&id, (&key, under), people)?)
            }
            None => None,
        };
        let action = FirmAction::Edit {
            facts: facts.map(Box::new),
            people,
            etag,
        };
        Ok(Change::Office(OfficeChange::Firm { id, action }))
    }

    /// The change that adds a paper. Reads the store, and takes milliseconds.
    ///
    /// # Errors
    /// `PermissionDenied`, `KeyRequired`, `DocumentTooLarge`,
    /// `DocumentTypeInvalid`, `SealUnreadable`.
    pub fn firm_attachment(
        &self,
        caller: &Caller,
        id: FirmId,
        paper: Paper,
        etag: Option<u64>,
    ) -> Result<Change, Refusal> {
        self.permit_office(caller, Office::EditFirm(&id))?;
        let Paper {
            kind,
            name,
            contents,
        } = paper;
        let media_type = MediaType::of(&contents)?;
        let document = Document {
            number: 0,
            kind,
            name,
            media_type,
            byte_count: u64::try_from(contents.len()).unwrap_or(u64::MAX),
            sha256: sha256(&contents),
            added: self.now(),
            contents: u64::from_be_bytes(self.random()),
        };
        let (key, under) = self.firm_key(&id)?;
        let name = FirmSecret::Document(&document).name(&id);
        let contents = Sealed {
            code: document.sha256,
            bytes: key.seal(&contents, &name, self.random()),
            under,
        };
        let action = FirmAction::Attach {
            document: Box::new(document),
            contents,
            etag,
        };
        Ok(Change::Office(OfficeChange::Firm { id, action }))
    }

    /// A firm's people. That they were looked at is in the audit trail before
    /// they are given.
    ///
    /// # Errors
    /// `FirmNotFound`, `PersonalErased`, `SealUnreadable`, and those of
    /// [`Node::execute`].
    pub async fn firm_people(&self, caller: &Caller, id: &FirmId) -> Result<Personal, Refusal> {
        self.look(caller, id, Opened::People).await?;
        let plain = self.opened(id, FirmSecret::People)?;
        let people = plain
            .split_first()
            .filter(|(version, _)| **version == PEOPLE_VERSION)
            .and_then(|(_, rest)| postcard::from_bytes(rest).ok());
        people.ok_or_else(|| unreadable(id, "the people cannot be decoded"))
    }

    /// A paper of a firm. That it was looked at is in the audit trail before it is
    /// given.
    ///
    /// # Errors
    /// `FirmNotFound`, `DocumentNotFound`, `SealUnreadable`, and those of
    /// [`Node::execute`].
    pub async fn firm_document(
        &self,
        caller: &Caller,
        id: &FirmId,
        number: u32,
    ) -> Result<(Document, Zeroizing<Vec<u8>>), Refusal> {
        let firm = self.look(caller, id, Opened::Document(number)).await?;
        let document = firm.document(number)?.clone();
        let contents = self.opened(id, FirmSecret::Document(&document))?;
        Ok((document, contents))
    }

    /// Takes what was erased of a firm off the disk: its key above all, with which
    /// older files could still be read. Blocks.
    ///
    /// # Errors
    /// `Internal`.
    pub fn scrub_firm(&self, id: &FirmId) -> Result<(), Refusal> {
        let scrubbed = self.inner.store.scrub_sealed(&FirmSecret::all(id));
        scrubbed.map_err(|error| told(&error))
    }

    async fn look(
        &self,
        caller: &Caller,
        id: &FirmId,
        opened: Opened,
    ) -> Result<Arc<Firm>, Refusal> {
        let write = Write {
            change: Change::Office(OfficeChange::Firm {
                id: id.clone(),
                action: FirmAction::Open(opened),
            }),
            request_id: None,
        };
        firm_of(self.execute(caller, write).await?)
    }

    fn opened(&self, id: &FirmId, secret: FirmSecret<'_>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let name = secret.name(id);
        let sealed = self.inner.store.sealed(&name);
        // Erased since the look was allowed.
        let erased = || Refusal::new(Reason::PersonalErased).field("name").value(id);
        let sealed = sealed.map_err(|error| told(&error))?.ok_or_else(erased)?;
        let (key, _) = self.kept_firm_key(id)?.ok_or_else(erased)?;
        key.open(&sealed, &name)
            .map_err(|why| unreadable(id, &why.to_string()))
    }

    /// The key of a firm, and how a change names it: that which is kept, or a new
    /// one.
    fn firm_key(&self, id: &FirmId) -> Result<(DataKey, FirmKey), Refusal> {
        let kept = self.kept_firm_key(id)?;
        Ok(kept.unwrap_or_else(|| self.new_firm_key(id)))
    }

    fn kept_firm_key(&self, id: &FirmId) -> Result<Option<(DataKey, FirmKey)>, Refusal> {
        let name = FirmSecret::Key.name(id);
        let wrapped = self.inner.store.sealed(&name);
        let Some(wrapped) = wrapped.map_err(|error| told(&error))? else {
            return Ok(None);
        };
        let key = self.inner.sealing.unwrap(&wrapped, &name);
        let key = key.map_err(|why| unreadable(id, &why.to_string()))?;
        Ok(Some((key, FirmKey::Kept(sha256(&wrapped)))))
    }

    fn new_firm_key(&self, id: &FirmId) -> (DataKey, FirmKey) {
        let key = DataKey::new(&Zeroizing::new(self.random::<SEAL_KEY_BYTES>()));
        let name = FirmSecret::Key.name(id);
        let wrapped = self.inner.sealing.wrap(&key, &name, self.random());
        (key, FirmKey::New(wrapped))
    }

    fn sealed_people(
        &self,
        id: &FirmId,
        (key, under): (&DataKey, FirmKey),
        people: &Personal,
    ) -> Result<Sealed, Refusal> {
        let plain = postcard::to_extend(people, vec![PEOPLE_VERSION]);
        let plain = plain.map_err(|_| Refusal::new(Reason::Internal))?;
        let plain = Zeroizing::new(plain);
        let name = FirmSecret::People.name(id);
        Ok(Sealed {
            code: self.inner.sealing.code(&[&plain]),
            bytes: key.seal(&plain, &name, self.random()),
            under,
        })
    }

    /// Warns if the first firm's people were sealed by another node, or before the
    /// key file was lost.
    pub(super) fn check_sealing_key(&self) {
        let directory = self.inner.store.directory();
        let ids: Vec<_> = directory
            .all::<Firm>()
            .map(|firm| firm.id.clone())
            .collect();
        drop(directory);
        let is_foreign = |id: &FirmId| {
            let name = FirmSecret::Key.name(id);
            let wrapped = self.inner.store.sealed(&name).ok().flatten();
            wrapped.map(|wrapped| {
                let opened = self.inner.sealing.unwrap(&wrapped, &name);
                matches!(opened, Err(Unsealed::OtherKey))
            })
        };
        if ids.iter().find_map(is_foreign) == Some(true) {
            tracing::warn!(
                "personal data is sealed under another key: put the file personal-data-key of the node that sealed it back"
            );
        }
    }
}

/// Whether `caller` may see a firm in whole or in part; `None` if not at all.
fn sight(caller: &Caller, firm: &Firm) -> Option<bool> {
    let is_whole = permit_office(caller, Office::ReadFirm(&firm.id)).is_ok();
    (is_whole || firm.state.is_public()).then_some(is_whole)
}

/// The firm that a change came to.
///
/// # Errors
/// `Internal` if it is something else.
pub fn firm_of(applied: Applied) -> Result<Arc<Firm>, Refusal> {
    match applied {
        Applied::Entry(AnyEntry::Firm(firm)) => Ok(firm),
        Applied::Entry(_)
        | Applied::Record { .. }
        | Applied::Imported(_)
        | Applied::Link { .. }
        | Applied::Prefix(_) => Err(Refusal::new(Reason::Internal)),
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    out.copy_from_slice(digest.as_ref());
    out
}

fn unreadable(id: &FirmId, why: &str) -> Refusal {
    tracing::error!(firm = %id, why, "sealed data cannot be opened");
    Refusal::new(Reason::SealUnreadable).value(id)
}
