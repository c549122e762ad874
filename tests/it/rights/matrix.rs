//! Who reads what, caller by caller.

use idnode::model::{Caller, FirmRole, NodeRole, Permissions, Reason, Scope, Value, Verb};
use idnode::node::RecordAction;

use super::world::{
    PREFIX, ROLES, World, confined, create, identity, member, operator_with, readers, resolved, run,
};
use crate::registry::{operator, record_change, value};

/// Indices of what a record of the test holds.
const OPEN: u32 = 1;
const PRIVATE: u32 = 2;
const FOR_B: u32 = 3;
const FOR_GROUP: u32 = 4;
const OWN: u32 = 5;
const SECRET: u32 = 300;

fn values() -> Vec<Value> {
    let for_readers = |index, names: &[&str]| Value {
        readers: readers(names),
        ..value(index, "shared")
    };
    vec![
        value(OPEN, "open"),
        Value {
            permissions: Permissions::SECRET,
            ..value(PRIVATE, "private")
        },
        for_readers(FOR_B, &["firm:b"]),
        for_readers(FOR_GROUP, &["group:g"]),
        for_readers(OWN, &[]),
        Value {
            value_type: idnode::model::ValueType::parse("HS_SECKEY").expect("a type"),
            permissions: Permissions::SECRET,
            ..value(SECRET, "secret")
        },
    ]
}

/// Restricted records by whom they name, and one for everyone.
const RECORDS: [(&str, Option<&[&str]>); 5] = [
    ("open", None),
    ("own", Some(&[])),
    ("for-b", Some(&["firm:b"])),
    ("for-group", Some(&["group:g"])),
    ("for-c", Some(&["firm:c"])),
];

async fn fill(world: &World) {
    for (suffix, names) in RECORDS {
        let identifier = format!("{PREFIX}/{suffix}");
        let readers = names.and_then(readers);
        world.write(create(&identifier, readers, values())).await;
    }
}

/// What `caller` sees of each record: the indices of its values.
fn check(world: &World, caller: &Caller, expected: [&[u32]; 5]) {
    for ((suffix, _), expected) in RECORDS.iter().zip(expected) {
        let seen = resolved(&world.bare, caller, &format!("{PREFIX}/{suffix}"));
        let seen = seen.map(|record| {
            let indices = record.values.iter().map(|value| value.index);
            indices.collect::<Vec<_>>()
        });
        let expected = match expected {
            [] => Err(Reason::RecordNotFound),
            indices => Ok(indices.to_vec()),
        };
        assert_eq!(seen, expected, "{suffix} {caller:?}");
    }
}

const ALL: &[u32] = &[OPEN, PRIVATE, FOR_B, FOR_GROUP, OWN, SECRET];
const BUT_SECRETS: &[u32] = &[OPEN, PRIVATE, FOR_B, FOR_GROUP, OWN];
const AS_B: &[u32] = &[OPEN, FOR_B, FOR_GROUP];
const PUBLIC: &[u32] = &[OPEN];
const NONE: &[u32] = &[];

#[test]
fn each_caller_reads_what_it_may() {
    run(async |world: World| {
        fill(&world).await;
        check(&world, &operator(), [ALL; 5]);
        check(&world, &member("a", FirmRole::Owner), [ALL; 5]);
        check(&world, &member("a", FirmRole::Registrar), [ALL; 5]);
        check(&world, &member("a", FirmRole::Reader), [BUT_SECRETS; 5]);
        let nothing = [PUBLIC, NONE, NONE, NONE, NONE];
        for role in ROLES {
            check(&world, &member("b", role), [AS_B, NONE, AS_B, AS_B, NONE]);
            let as_c = [PUBLIC, NONE, NONE, NONE, PUBLIC];
            check(&world, &member("c", role), as_c);
            check(&world, &member("d", role), nothing);
        }
        check(&world, &Caller::ANONYMOUS, nothing);
        check(&world, &identity(), nothing);
        for role in [NodeRole::SecurityAdministrator, NodeRole::Auditor] {
            check(&world, &operator_with(role), nothing);
        }
        world
    });
}

/// A registrar of `firm`, confined to `scope`: the node asks what the principal is
/// confined to at the time.
fn confine(world: &World, firm: &str, scope: &Scope) -> Caller {
    let mut batch = idnode::store::Batch::new(&world.bare.store);
    let caller = confined(firm, FirmRole::Registrar, scope.clone());
    let stored = batch
        .entry::<idnode::model::Principal>(caller.name())
        .expect("a principal");
    let principal = idnode::model::Principal {
        scope: scope.clone(),
        ..idnode::model::Principal::clone(&stored)
    };
    let entry = idnode::store::AnyEntry::Principal(principal.into());
    batch.put_entry(entry).expect("encodes");
    batch.commit().expect("written");
    caller
}

/// Suffixes in a list and in an export of the firm's prefix for `caller`, and the
/// indices of the values that either shows.
fn listed(world: &World, caller: &Caller) -> Vec<(String, Vec<u32>)> {
    let node = &world.bare.node;
    let prefix = idnode::model::Prefix::parse(PREFIX).expect("a prefix");
    let shown = |record: &idnode::model::Record| {
        let indices = record.values.iter().map(|value| value.index).collect();
        (record.identifier.suffix().as_str().to_owned(), indices)
    };
    let page = node.list_records(caller, &prefix, None, 10, false);
    let page = page.expect("listed").items;
    let rows = page.iter().map(|row| match row {
        idnode::node::Listed::Active(record) => shown(record),
        idnode::node::Listed::Deleted(_) => panic!("nothing was deleted"),
    });
    let rows: Vec<_> = rows.collect();
    let mut exported = Vec::new();
    let exporting = node.export(caller, Some(&prefix), None, 10, &mut |records| {
        exported.extend(records.iter().map(shown));
        std::ops::ControlFlow::Continue(())
    });
    exporting.expect("exported");
    assert_eq!(rows, exported, "{caller:?}");
    rows
}

/// What became of a change of an open record, only judged and in a batch; one that
/// was made is taken back.
async fn written(world: &World, caller: &Caller) -> Result<(), Reason> {
    let identifier = format!("{PREFIX}/open");
    let write = || {
        let values = vec![value(7, "new")];
        idnode::node::Write {
            change: record_change(&identifier, RecordAction::PutValues { values }),
            request_id: None,
        }
    };
    let node = &world.bare.node;
    let judged = node.validate(caller, vec![write()]);
    let judged = judged.and_then(|mut all| all.remove(0)).map(|_| ());
    let in_batch = node.execute_many(caller, vec![write()]).await;
    let in_batch = in_batch.and_then(|mut all| all.remove(0)).map(|_| ());
    assert_eq!(judged, in_batch, "{caller:?}");
    if in_batch.is_ok() {
        let action = RecordAction::RemoveValues {
            indices: vec![7],
            etag: None,
        };
        world.write(record_change(&identifier, action)).await;
    }
    in_batch.map_err(|refusal| refusal.reason())
}

#[test]
fn a_key_lists_and_writes_within_its_scope() {
    run(async |world: World| {
        fill(&world).await;
        let scope = |prefixes: &[&str], verbs: &[Verb]| Scope {
            prefixes: prefixes.iter().map(|text| (*text).to_owned()).collect(),
            verbs: verbs.to_vec(),
            ..Scope::default()
        };
        let open = vec![("open".to_owned(), PUBLIC.to_vec())];
        let open_whole = vec![("open".to_owned(), ALL.to_vec())];
        let each = |indices: &[u32]| {
            let row = |(suffix, _): &(&str, _)| ((*suffix).to_owned(), indices.to_vec());
            let mut rows: Vec<_> = RECORDS.iter().map(row).collect();
            rows.sort();
            rows
        };
        let denied = Err(Reason::PermissionDenied);
        for (scope, lists, writes) in [
            (scope(&[], &[]), each(ALL), Ok(())),
            (scope(&[PREFIX], &[]), each(ALL), Ok(())),
            (scope(&["88.118.8"], &[]), open.clone(), denied),
            (scope(&[], &[Verb::Read]), open_whole, denied),
            (scope(&[], &[Verb::List]), each(PUBLIC), denied),
            (scope(&[], &[Verb::Write]), open.clone(), Ok(())),
            (
                scope(&[PREFIX], &[Verb::List, Verb::Read]),
                each(ALL),
                denied,
            ),
            (
                scope(&["88.118.8"], &[Verb::List, Verb::Read, Verb::Write]),
                open.clone(),
                denied,
            ),
        ] {
            let caller = confine(&world, "a", &scope);
            assert_eq!(listed(&world, &caller), lists, "{scope:?}");
            let position = world.bare.store.position();
            assert_eq!(written(&world, &caller).await, writes, "{scope:?}");
            if writes.is_err() {
                // Both attempts are told, before the principal is changed again
                // beside the writer.
                let told = async || world.bare.store.position() == position + 2;
                crate::support::wait_until("the attempts", told).await;
            }
        }
        world
    });
}

#[test]
fn a_key_reads_within_its_scope() {
    run(async |world: World| {
        fill(&world).await;
        let confine = |firm, scope: &Scope| confine(&world, firm, scope);
        let nothing = [PUBLIC, NONE, NONE, NONE, NONE];
        let below = |prefix: &str| Scope {
            prefixes: vec![prefix.to_owned()],
            ..Scope::default()
        };
        let only = |verb| Scope {
            verbs: vec![verb],
            ..Scope::default()
        };
        check(&world, &confine("a", &below(PREFIX)), [ALL; 5]);
        check(&world, &confine("a", &below("88.118.8")), nothing);
        check(&world, &confine("a", &only(Verb::Read)), [ALL; 5]);
        check(&world, &confine("a", &only(Verb::Write)), nothing);
        let as_b = [AS_B, NONE, AS_B, AS_B, NONE];
        check(&world, &confine("b", &only(Verb::Read)), as_b);
        check(&world, &confine("b", &only(Verb::Write)), nothing);
        check(&world, &confine("b", &below("88.118.8")), nothing);
        let expired = Scope {
            expires: Some(idnode::model::Timestamp::from_millis(1)),
            ..Scope::default()
        };
        check(&world, &confine("a", &expired), nothing);
        world
    });
}

#[test]
fn who_leaves_a_group_reads_by_it_no_longer() {
    run(async |world: World| {
        fill(&world).await;
        let reader = member("b", FirmRole::Reader);
        check(&world, &reader, [AS_B, NONE, AS_B, AS_B, NONE]);
        let action = idnode::node::GroupAction::Update {
            name: None,
            members: Some(std::collections::BTreeSet::new()),
            etag: None,
        };
        let group = idnode::model::GroupId::parse("g").expect("an id");
        let owner = member("a", FirmRole::Owner);
        let asked = idnode::node::Asked::default();
        let node = &world.bare.node;
        node.change_group(&owner, (group, action), asked)
            .await
            .expect("changed");
        let without = &[OPEN, FOR_B][..];
        check(&world, &reader, [without, NONE, without, NONE, NONE]);
        world
    });
}

#[test]
fn members_count_while_their_firm_is_active() {
    run(async |world: World| {
        fill(&world).await;
        let guest = world.share(&[&format!("{PREFIX}/own")], &[]).await;
        let guest = world.guest(&guest);
        let nothing = [PUBLIC, NONE, NONE, NONE, NONE];
        check(
            &world,
            &guest,
            [
                PUBLIC,
                &[OPEN, PRIVATE, FOR_B, FOR_GROUP, OWN],
                NONE,
                NONE,
                NONE,
            ],
        );
        for firm in ["a", "b"] {
            world.suspend(firm);
            for role in ROLES {
                check(&world, &member(firm, role), nothing);
            }
        }
        check(&world, &guest, nothing);
        let change = create(&format!("{PREFIX}/new"), None, vec![value(1, "x")]);
        let owner = member("a", FirmRole::Owner);
        let refusal = world.bare.write_as(&owner, change).await;
        let refusal = refusal.expect_err("suspended");
        assert_eq!(refusal.reason(), Reason::PermissionDenied);
        world
    });
}

#[test]
fn only_the_owner_sees_who_else_reads() {
    run(async |world: World| {
        fill(&world).await;
        let for_b = format!("{PREFIX}/for-b");
        for (caller, shows) in [
            (operator(), true),
            (member("a", FirmRole::Reader), true),
            (member("b", FirmRole::Owner), false),
        ] {
            let record = resolved(&world.bare, &caller, &for_b).expect("there");
            assert_eq!(record.readers.is_some(), shows, "{caller:?}");
            let value = record.value(FOR_B).expect("there");
            assert_eq!(value.readers.is_some(), shows, "{caller:?}");
        }
        world
    });
}

#[test]
fn each_caller_changes_what_it_may() {
    run(async |world: World| {
        fill(&world).await;
        let change = |suffix: &str| {
            let action = RecordAction::PutValues {
                values: vec![value(9, "x")],
            };
            record_change(&format!("{PREFIX}/{suffix}"), action)
        };
        let make = || create(&format!("{PREFIX}/own"), None, vec![value(1, "x")]);
        for (caller, expected) in [
            (member("a", FirmRole::Reader), Reason::PermissionDenied),
            (member("b", FirmRole::Owner), Reason::PermissionDenied),
            (member("c", FirmRole::Owner), Reason::PermissionDenied),
            (operator_with(NodeRole::Auditor), Reason::PermissionDenied),
            (Caller::ANONYMOUS, Reason::KeyRequired),
        ] {
            // Whether it is there or not, open or not, makes no difference.
            let mut seen = Vec::new();
            for asked in [
                change("open"),
                change("own"),
                change("for-b"),
                change("not-there"),
                make(),
            ] {
                let refusal = world.bare.write_as(&caller, asked).await;
                seen.push(refusal.expect_err("refused"));
            }
            assert!(seen.iter().all(|refusal| *refusal == seen[0]), "{seen:?}");
            assert_eq!(seen[0].reason(), expected, "{caller:?}");
        }
        for caller in [operator(), member("a", FirmRole::Registrar)] {
            for suffix in ["open", "own", "for-b"] {
                let written = world.bare.write_as(&caller, change(suffix)).await;
                written.expect("changed");
            }
            let refusal = world.bare.write_as(&caller, make()).await;
            let refusal = refusal.expect_err("taken");
            assert_eq!(refusal.reason(), Reason::RecordExists);
        }
        world
    });
}

#[test]
fn readers_are_firms_that_are_known_and_groups_of_the_holder() {
    run(async |world: World| {
        for (names, expected) in [
            (&["firm:nowhere"][..], Reason::FirmNotFound),
            (&["firm:d"], Reason::FirmNotFound),
            (&["firm:b", "group:h"], Reason::GroupNotFound),
            (&["group:nowhere"], Reason::GroupNotFound),
        ] {
            let owner = member("a", FirmRole::Owner);
            let identifier = format!("{PREFIX}/x");
            let shared = Value {
                readers: readers(names),
                ..value(1, "x")
            };
            for change in [
                create(&identifier, readers(names), vec![value(1, "x")]),
                create(&identifier, None, vec![shared]),
            ] {
                let refusal = world.bare.write_as(&owner, change).await;
                let refusal = refusal.expect_err("refused");
                let seen = (refusal.reason(), refusal.field_path());
                assert_eq!(seen, (expected, "readers"));
            }
        }
        world
    });
}
