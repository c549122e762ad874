//! A node with firms: one that keeps things to itself, one that it shares with,
//! and one that has nothing to do with either.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use idnode::access::{KEY_SECRET_BYTES, NewSecret, Presented};
use idnode::model::{
    Caller, Credential, FirmId, FirmRole, FirmState, Group, GroupId, Identifier, Identity, Member,
    NodeRole, Operator, Party, Prefix, PrefixEntry, PrefixState, Principal, PrincipalId,
    PrincipalState, Reader, Readers, Reason, Record, Reference, Scope, SuffixCase, Target,
    Timestamp, Value, Who,
};
use idnode::node::{Asked, Change, MadeShare, Query, RecordAction, ShareInput};
use idnode::store::codec_types::AuditEntry;
use idnode::store::{AnyEntry, Batch, Counts, PrefixRow};

use crate::registry::{Bare, block_on, record_change};
use crate::support::wait_until;

/// The prefix of firm "a".
pub(crate) const PREFIX: &str = "88.118.7";
/// The prefix of firm "c".
pub(crate) const OTHER_PREFIX: &str = "88.118.9";
/// A prefix that no firm holds.
pub(super) const NOBODYS_PREFIX: &str = "88.118.99";
/// Every role of a firm.
pub(super) const ROLES: [FirmRole; 3] = [FirmRole::Reader, FirmRole::Registrar, FirmRole::Owner];
/// Refused attempts of one second that have audit entries.
const ATTEMPTS: usize = 100;
/// The time at which the node's clock stands.
const NOW_MILLIS: u64 = 1_800_000_000_000;

/// A node without faces, whose firms are "a", which holds [`PREFIX`], "b" and "c",
/// which holds [`OTHER_PREFIX`]. Firm "d" is an application. The group "g" is of
/// "a" with "b" in it; the group "h" is of "c" with "b" in it.
pub(super) struct World {
    pub(super) bare: Bare,
}

impl World {
    fn seed(self) -> Self {
        let mut batch = Batch::new(&self.bare.store);
        fill(&mut batch);
        batch.commit().expect("written");
        self
    }

    /// Makes a change of a record as the owner of firm "a".
    pub(super) async fn write(&self, change: Change) {
        let owner = member("a", FirmRole::Owner);
        let written = self.bare.write_as(&owner, change).await;
        written.expect("written");
    }

    /// Suspends a firm, and leaves its prefixes as they are.
    pub(super) fn suspend(&self, id: &str) {
        let state = FirmState::Suspended {
            reason: "a test".into(),
        };
        let mut batch = Batch::new(&self.bare.store);
        let entry = AnyEntry::Firm(Arc::new(crate::support::firm(id, state)));
        batch.put_entry(entry).expect("encodes");
        batch.commit().expect("written");
    }

    /// Who holds a share.
    pub(super) fn guest(&self, made: &MadeShare) -> Caller {
        let presented = Presented {
            bearer: made.token.as_deref(),
            ..Presented::default()
        };
        let guest = self.bare.node.authenticate(&presented);
        guest.expect("a guest")
    }

    /// Makes a share of firm "a".
    pub(super) async fn share(&self, targets: &[&str], indices: &[u32]) -> MadeShare {
        let targets = targets.iter().map(|text| Target::parse(text));
        let input = ShareInput {
            owner: firm("a"),
            purpose: "a recall".into(),
            targets: targets.collect::<Result<_, _>>().expect("targets"),
            indices: indices.to_vec(),
            expires: Timestamp::from_millis(NOW_MILLIS + 1000),
        };
        let owner = member("a", FirmRole::Registrar);
        let node = &self.bare.node;
        let made = node.create_share(&owner, input, Asked::default()).await;
        made.expect("shared")
    }
}

/// Runs `test` on a world, and checks that its store holds the same when it is opened
/// again, and agrees with itself. Not before it is closed: the writer may still be
/// at a refused attempt.
pub(super) fn run<F: Future<Output = World>>(test: impl FnOnce(World) -> F) {
    block_on(async {
        let folder = tempfile::tempdir().expect("folder");
        let bare = Bare::open(folder.path());
        let World { bare } = test(World { bare }.seed()).await;
        let before = rows_of(&bare);
        bare.close().await;
        let bare = Bare::open(folder.path());
        assert_eq!(rows_of(&bare), before);
        bare.close().await;
    });
}

/// As [`run`], on two worlds that are alike.
pub(super) fn twins<F: Future<Output = (World, World)>>(test: impl FnOnce(World, World) -> F) {
    block_on(async {
        let folders = [(); 2].map(|()| tempfile::tempdir().expect("folder"));
        let [one, other] = &folders;
        let open = |folder: &tempfile::TempDir| {
            let bare = Bare::open(folder.path());
            World { bare }.seed()
        };
        let (one, other) = (open(one), open(other));
        one.exhaust().await;
        other.exhaust().await;
        let (one, other) = test(one, other).await;
        for World { bare } in [one, other] {
            bare.close().await;
        }
    });
}

impl World {
    /// Has so many attempts refused that further ones have no audit entry in this
    /// second, at which the clock stands: an entry comes some time after its attempt,
    /// and the revisions of what follows would tell when.
    async fn exhaust(&self) {
        let refused = || {
            let mut count = 0;
            let mut take = |_, entry: AuditEntry| {
                count += usize::from(!entry.refused.is_empty());
                ControlFlow::Continue(())
            };
            self.bare.store.each_audit(0, &mut take).expect("reads");
            count
        };
        for _ in 0..ATTEMPTS {
            let change = record_change("88.118.7/ATTEMPT", RecordAction::Delete { etag: None });
            let refused = self.bare.write_as(&Caller::ANONYMOUS, change).await;
            refused.expect_err("nobody may");
        }
        wait_until("the attempts told", async || refused() == ATTEMPTS).await;
    }
}

fn rows_of(bare: &Bare) -> Vec<String> {
    let prefix = Prefix::parse(PREFIX).expect("a prefix");
    let operator = crate::registry::operator();
    let page = bare.node.list_records(&operator, &prefix, None, 1000, true);
    let rows = page.expect("lists").items;
    rows.iter().map(|row| format!("{row:?}")).collect()
}

/// Puts the firms, principals, groups and prefixes of a [`World`].
pub(crate) fn fill(batch: &mut Batch<'_>) {
    let now = Timestamp::from_millis(1);
    let mut put = |entry| {
        batch.put_entry(entry).expect("encodes");
    };
    for (id, state) in [
        ("a", FirmState::Active),
        ("b", FirmState::Active),
        ("c", FirmState::Active),
        ("d", FirmState::Draft),
    ] {
        put(AnyEntry::Firm(Arc::new(crate::support::firm(id, state))));
        for role in ROLES {
            let id = principal_id(id, role);
            let hash = secret_of(&id).hash;
            let principal = Principal {
                party: Party::Firm {
                    firm: firm(id.as_str().split('-').next().unwrap_or_default()),
                    role,
                },
                id,
                name: "for the tests".into(),
                credential: Credential::Key {
                    hash,
                    previous: None,
                },
                scope: Scope::default(),
                state: PrincipalState::Active,
                revision: 1,
                created: now,
                changed: now,
            };
            put(AnyEntry::Principal(Arc::new(principal)));
        }
    }
    for (id, owner) in [("g", "a"), ("h", "c")] {
        put(AnyEntry::Group(Arc::new(Group {
            id: GroupId::parse(id).expect("an id"),
            owner: firm(owner),
            name: "采购商".into(),
            members: BTreeSet::from([firm("b")]),
            revision: 1,
            created: now,
            changed: now,
        })));
    }
    put_prefixes(batch);
}

/// The secret of a principal's key, always the same.
fn secret_of(id: &PrincipalId) -> NewSecret {
    NewSecret::new(id, &[7; KEY_SECRET_BYTES])
}

/// The key of the principal of `firm` that has `role`.
pub(crate) fn key_of(firm: &str, role: FirmRole) -> String {
    secret_of(&principal_id(firm, role)).text.to_string()
}

fn put_prefixes(batch: &mut Batch<'_>) {
    let now = Timestamp::from_millis(1);
    for (prefix, holder) in [
        (PREFIX, Some("a")),
        (OTHER_PREFIX, Some("c")),
        (NOBODYS_PREFIX, None),
        ("0.NA", None),
    ] {
        let prefix = Prefix::parse(prefix).expect("a prefix");
        let canonical = prefix.canonical();
        let entry = PrefixEntry {
            prefix,
            firm: "温州测试有限公司".into(),
            holder: holder.map(firm),
            state: PrefixState::Active,
            case: SuffixCase::Folded,
            quota: None,
            revision: 1,
            created: now,
            changed: now,
        };
        let row = PrefixRow {
            entry: Arc::new(entry),
            counts: Counts::default(),
            labels_max: Some(0),
        };
        batch.put_prefix(&canonical, row).expect("encodes");
    }
}

pub(super) fn firm(id: &str) -> FirmId {
    FirmId::parse(id).expect("an id")
}

fn principal_id(firm: &str, role: FirmRole) -> PrincipalId {
    let id = format!("{firm}-{role:?}").to_ascii_lowercase();
    PrincipalId::parse(&id).expect("an id")
}

/// The principal of `firm` that has `role`.
pub(super) fn member(firm_id: &str, role: FirmRole) -> Caller {
    confined(firm_id, role, Scope::default())
}

/// The same, confined to `scope` as long as its principal is not asked for.
pub(super) fn confined(firm_id: &str, role: FirmRole, scope: Scope) -> Caller {
    Caller::of(Who::Member(Member {
        principal: principal_id(firm_id, role),
        firm: firm(firm_id),
        role,
        scope: Arc::new(scope),
    }))
}

/// A principal of the node.
pub(super) fn operator_with(role: NodeRole) -> Caller {
    Caller::of(Who::Operator(Operator {
        id: "o".into(),
        role,
    }))
}

/// A Handle identity that nothing grants anything.
pub(super) fn identity() -> Caller {
    let reference = Reference::parse("300:88.118.99/App").expect("a reference");
    Caller::of(Who::Identity(Identity::new(reference, false)))
}

pub(super) fn readers(texts: &[&str]) -> Option<Box<Readers>> {
    let readers = texts
        .iter()
        .map(|text| Reader::parse(text).expect("a reader"));
    Some(Box::new(Readers::new(readers).expect("few")))
}

/// Registers `identifier`, also if it was deleted.
pub(super) fn create(
    identifier: &str,
    readers: Option<Box<Readers>>,
    values: Vec<Value>,
) -> Change {
    let action = RecordAction::Create {
        values,
        readers,
        reuse_deleted: true,
    };
    record_change(identifier, action)
}

pub(super) fn set_readers(identifier: &str, readers: Option<Box<Readers>>) -> Change {
    let action = RecordAction::SetReaders {
        readers,
        etag: None,
    };
    record_change(identifier, action)
}

pub(super) fn delete(identifier: &str) -> Change {
    record_change(identifier, RecordAction::Delete { etag: None })
}

pub(super) fn resolved(bare: &Bare, caller: &Caller, identifier: &str) -> Result<Record, Reason> {
    let identifier = Identifier::parse(identifier).expect("an identifier");
    let resolved = bare.node.resolve(caller, &Query::all(identifier));
    resolved.map_err(|refusal| refusal.reason())
}
