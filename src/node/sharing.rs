//! With whom a firm shares: its groups of firms, and its share links.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE32_NOPAD;

use crate::access::{Office, permit_office};
use crate::model::{
    Caller, FirmId, Group, GroupId, Guest, Reason, Refusal, Share, ShareId, Target, Timestamp, Who,
};
use crate::node::{Node, Page, RequestId, Write};
use crate::registry::group::GroupAction;
use crate::registry::share::{NewShare, ShareAction};
use crate::registry::{Applied, Change, OfficeChange};
use crate::store::{AnyEntry, Entry};

/// What the token of a share begins with.
const SHARE_MARK: &str = "idnode_share_";
/// Random octets of a share's secret.
const SECRET_BYTES: usize = 32;

/// How a change of a group or a share is to be made.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Makes a retry get the first answer.
    pub request_id: Option<RequestId>,
    /// Judge it only.
    pub validate_only: bool,
}

/// What a share is to be.
#[derive(Clone, Debug)]
pub struct ShareInput {
    /// Whose records it shares.
    pub owner: FirmId,
    /// What it is for.
    pub purpose: String,
    /// What it reaches.
    pub targets: Vec<Target>,
    /// The values that it shows; all if there are none.
    pub indices: Vec<u32>,
    /// Until when it counts.
    pub expires: Timestamp,
}

/// A share that was made, and its token.
pub struct MadeShare {
    /// The share.
    pub share: Arc<Share>,
    /// What its holders present: shown once, and kept nowhere. `None` where the
    /// share was only judged, or made by an earlier request.
    pub token: Option<String>,
}

impl std::fmt::Debug for MadeShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MadeShare({})", self.share.id)
    }
}

impl Node {
    /// The guest who presents `bearer`, if that is the token of a share at all.
    /// Nobody if the share is unknown, withdrawn or has expired, or its secret is
    /// another.
    pub(super) fn guest(&self, bearer: &str) -> Option<Option<Caller>> {
        let token = bearer.strip_prefix(SHARE_MARK)?;
        Some(self.known_guest(token))
    }

    fn known_guest(&self, token: &str) -> Option<Caller> {
        let (id, secret) = token.split_once('_')?;
        let secret = BASE32_NOPAD
            .decode(secret.to_ascii_uppercase().as_bytes())
            .ok()?;
        let directory = self.inner.store.directory();
        let share = directory.find::<Share>(id)?;
        verify_slices_are_equal(&share.hash, digest(&SHA256, &secret).as_ref()).ok()?;
        let guest = Guest {
            share: share.id.clone(),
        };
        share
            .is_in_force(self.now())
            .then(|| Caller::of(Who::Guest(guest)))
    }

    /// Makes a group of firms.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`, `FirmNotFound`, `FieldInvalid`,
    /// `TooManyOwned`, and those of every change.
    pub async fn create_group(
        &self,
        caller: &Caller,
        (owner, name, members): (FirmId, String, BTreeSet<FirmId>),
        asked: Asked,
    ) -> Result<Arc<Group>, Refusal> {
        self.permit_office(caller, Office::KeepGroups(&owner))?;
        let id = GroupId::parse(&self.new_id())?;
        let action = GroupAction::Create {
            owner,
            name,
            members,
        };
        self.group_change(caller, (id, action), asked).await
    }

    /// Changes a group.
    ///
    /// # Errors
    /// `GroupNotFound`, also if the caller may not know of it, `StaleEtag`, and
    /// those of [`Node::create_group`].
    pub async fn change_group(
        &self,
        caller: &Caller,
        (id, action): (GroupId, GroupAction),
        asked: Asked,
    ) -> Result<Arc<Group>, Refusal> {
        self.group_change(caller, (id, action), asked).await
    }

    async fn group_change(
        &self,
        caller: &Caller,
        (id, action): (GroupId, GroupAction),
        asked: Asked,
    ) -> Result<Arc<Group>, Refusal> {
        let change = OfficeChange::Group { id, action };
        match self.office(caller, change, asked).await? {
            Applied::Entry(AnyEntry::Group(group)) => Ok(group),
            _ => Err(Refusal::new(Reason::Internal)),
        }
    }

    /// One group.
    ///
    /// # Errors
    /// `GroupNotFound`, also if the caller may not know of it.
    pub fn group(&self, caller: &Caller, id: &GroupId) -> Result<Arc<Group>, Refusal> {
        let found = self
            .inner
            .store
            .directory()
            .find::<Group>(id.as_str())
            .cloned();
        let may_know =
            |group: &Arc<Group>| permit_office(caller, Office::ReadFirm(&group.owner)).is_ok();
        found
            .filter(may_know)
            .ok_or_else(|| Refusal::new(Reason::GroupNotFound).field("name").value(id))
    }

    /// The groups of a firm in the order of their ids, from behind `after`, at
    /// most `limit`.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`.
    pub fn list_groups(
        &self,
        caller: &Caller,
        owner: &FirmId,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<Arc<Group>>, Refusal> {
        self.permit_office(caller, Office::ReadFirm(owner))?;
        Ok(self.owned(&|group: &Group| group.owner == *owner, after, limit))
    }

    /// Makes a share link.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`, `FieldInvalid`, `TooManyOwned`, and those
    /// of every change.
    pub async fn create_share(
        &self,
        caller: &Caller,
        input: ShareInput,
        asked: Asked,
    ) -> Result<MadeShare, Refusal> {
        let ShareInput {
            owner,
            purpose,
            targets,
            indices,
            expires,
        } = input;
        self.permit_office(caller, Office::KeepShares(&owner))?;
        let id = ShareId::parse(&self.new_id())?;
        let secret = self.random::<SECRET_BYTES>();
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &secret).as_ref());
        let action = ShareAction::Create(NewShare {
            owner,
            hash,
            purpose,
            targets,
            indices,
            expires,
        });
        let change = OfficeChange::Share { id, action };
        let is_judged = asked.validate_only;
        let share = self.share_change(caller, change, asked).await?;
        let is_first = share.hash == hash && !is_judged;
        let token = is_first.then(|| {
            let secret = BASE32_NOPAD.encode(&secret).to_ascii_lowercase();
            format!("{SHARE_MARK}{}_{secret}", share.id)
        });
        Ok(MadeShare { share, token })
    }

    /// Withdraws a share link: whoever holds it reads by it no longer.
    ///
    /// # Errors
    /// `ShareNotFound`, also if the caller may not know of it, `StaleEtag`,
    /// `PermissionDenied`, and those of every change.
    pub async fn withdraw_share(
        &self,
        caller: &Caller,
        (id, etag): (ShareId, Option<u64>),
        asked: Asked,
    ) -> Result<Arc<Share>, Refusal> {
        let action = ShareAction::Withdraw { etag };
        let change = OfficeChange::Share { id, action };
        self.share_change(caller, change, asked).await
    }

    async fn share_change(
        &self,
        caller: &Caller,
        change: OfficeChange,
        asked: Asked,
    ) -> Result<Arc<Share>, Refusal> {
        match self.office(caller, change, asked).await? {
            Applied::Entry(AnyEntry::Share(share)) => Ok(share),
            _ => Err(Refusal::new(Reason::Internal)),
        }
    }

    /// One share.
    ///
    /// # Errors
    /// `ShareNotFound`, also if the caller may not know of it.
    pub fn share(&self, caller: &Caller, id: &ShareId) -> Result<Arc<Share>, Refusal> {
        let found = self
            .inner
            .store
            .directory()
            .find::<Share>(id.as_str())
            .cloned();
        let may_know =
            |share: &Arc<Share>| permit_office(caller, Office::ReadFirm(&share.owner)).is_ok();
        found
            .filter(may_know)
            .ok_or_else(|| Refusal::new(Reason::ShareNotFound).field("name").value(id))
    }

    /// The shares of a firm in the order of their ids, from behind `after`, at
    /// most `limit`.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`.
    pub fn list_shares(
        &self,
        caller: &Caller,
        owner: &FirmId,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<Arc<Share>>, Refusal> {
        self.permit_office(caller, Office::ReadFirm(owner))?;
        Ok(self.owned(&|share: &Share| share.owner == *owner, after, limit))
    }

    fn owned<T: Entry>(
        &self,
        is_owned: &dyn Fn(&T) -> bool,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Page<Arc<T>> {
        let directory = self.inner.store.directory();
        let behind = |entry: &&Arc<T>| after.is_none_or(|after| entry.id().as_bytes() > after);
        let mut found = directory
            .all::<T>()
            .filter(|entry| is_owned(entry))
            .filter(behind);
        let items: Vec<_> = found.by_ref().take(limit).cloned().collect();
        let last = items.last().map(|entry| entry.id().as_bytes().to_vec());
        let next = last.filter(|_| found.next().is_some());
        Page { items, next }
    }

    /// Makes, or only judges, an office change.
    async fn office(
        &self,
        caller: &Caller,
        change: OfficeChange,
        asked: Asked,
    ) -> Result<Applied, Refusal> {
        let Asked {
            request_id,
            validate_only,
        } = asked;
        let write = Write {
            change: Change::Office(change),
            request_id,
        };
        if !validate_only {
            return self.execute(caller, write).await;
        }
        // Few entries, all in memory: nothing here waits for the disk.
        let outcomes = self.validate(caller, vec![write])?;
        let outcome = outcomes.into_iter().next();
        outcome.unwrap_or_else(|| Err(Refusal::new(Reason::Internal)))
    }
}
