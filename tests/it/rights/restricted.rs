//! Readers of records and values: what a restricted record leaves for those who
//! may not know of it, which is nothing.

use idnode::model::{
    Caller, Identifier, Permissions, Prefix, PrefixEntry, Reason, Record, SuffixCase, Value,
};
use idnode::node::{Applied, Effect, Listed, OnConflict, Query, RecordAction};
use idnode::store::Restricted;

use super::world::{PREFIX, World, create, delete, readers, resolved, run, set_readers};
use crate::registry::{Bare, operator, record_change, value};

fn listed(bare: &Bare, caller: &Caller, show_deleted: bool) -> Vec<String> {
    let prefix = Prefix::parse(PREFIX).expect("a prefix");
    let page = bare
        .node
        .list_records(caller, &prefix, None, 100, show_deleted)
        .expect("lists");
    let name = |listed: Listed| match listed {
        Listed::Active(record) => record.identifier.to_string(),
        Listed::Deleted(tombstone) => format!("{} deleted", tombstone.identifier),
    };
    page.items.into_iter().map(name).collect()
}

fn entry(bare: &Bare) -> std::sync::Arc<PrefixEntry> {
    bare.node.prefix(PREFIX).expect("the prefix")
}

/// All that anyone can learn below the prefix of `suffix`, its plain name and its
/// escaped one, as text.
fn seen_by_anyone(bare: &Bare, suffix: &str) -> String {
    let anyone = &Caller::ANONYMOUS;
    let entry = entry(bare);
    let identifier = format!("{PREFIX}/{suffix}");
    let mut exported = Vec::new();
    let mut sink = |records: Vec<Record>| {
        exported.extend(records.into_iter().map(|r| r.identifier.to_string()));
        std::ops::ControlFlow::Continue(())
    };
    let prefix = Prefix::parse(PREFIX).expect("a prefix");
    let export = bare.node.export(anyone, Some(&prefix), None, 2, &mut sink);
    let above = suffix.split('.').next().expect("a first label");
    let asked = [
        RecordAction::Create {
            values: vec![value(1, "x")],
            readers: None,
            reuse_deleted: false,
        },
        RecordAction::Import {
            values: vec![value(1, "x")],
            readers: None,
            on_conflict: OnConflict::Fail,
        },
        RecordAction::AddValues {
            values: vec![value(1, "x")],
            etag: None,
        },
        RecordAction::RemoveValues {
            indices: vec![1],
            etag: None,
        },
        RecordAction::Delete { etag: None },
        RecordAction::SetReaders {
            readers: None,
            etag: None,
        },
    ];
    let judged: Vec<_> = asked
        .into_iter()
        .map(|action| bare.node.precheck(record_change(&identifier, action)))
        .collect();
    format!(
        "{:?} {:?} {exported:?} {export:?} {} {:?} {:?} {judged:?}",
        resolved(bare, anyone, &identifier).map(|record| record.values),
        listed(bare, anyone, false),
        bare.node.has_identifiers(&entry),
        bare.node.has_plain_below(&entry, above),
        bare.node.has_escaped_below(&entry, &[above]),
    )
}

#[test]
fn a_restricted_record_leaves_no_trace() {
    run(async |world: World| {
        let bare = &world.bare;
        // One with a plain owner name below another, one with several chunks.
        let long = format!("A.{}_批次", "b".repeat(120));
        for suffix in ["DZ.1", long.as_str()] {
            let absent = seen_by_anyone(bare, suffix);
            let identifier = format!("{PREFIX}/{suffix}");
            let stamp = bare.node.stamp(PREFIX, suffix.as_bytes());
            for who in [readers(&[]), readers(&["firm:b", "group:g"])] {
                let made = create(&identifier, who.clone(), vec![value(1, "secret")]);
                bare.write(made).await.expect("created");
                assert_eq!(seen_by_anyone(bare, suffix), absent);
                let changed = RecordAction::PutValues {
                    values: vec![value(2, "more")],
                };
                let changed = record_change(&identifier, changed);
                bare.write(changed).await.expect("changed");
                assert_eq!(seen_by_anyone(bare, suffix), absent);
                let record = resolved(bare, &operator(), &identifier).expect("there");
                assert_eq!((record.values.len(), record.readers), (2, who));
                bare.write(delete(&identifier)).await.expect("deleted");
                assert_eq!(seen_by_anyone(bare, suffix), absent);
                let deleted = format!("{identifier} deleted");
                assert!(listed(bare, &operator(), true).contains(&deleted));
            }
            // Answers kept for everyone depend on none of it.
            assert!(bare.node.is_current(&stamp));
            let open = create(&identifier, None, vec![value(1, "x")]);
            bare.write(open).await.expect("created");
            assert!(!bare.node.is_current(&stamp));
            assert_ne!(seen_by_anyone(bare, suffix), absent);
        }
        world
    });
}

#[test]
fn a_record_comes_and_goes_for_everyone_with_its_readers() {
    run(async |world: World| {
        let bare = &world.bare;
        let long = format!("A.{}_批次", "b".repeat(120));
        for suffix in ["DZ.1", long.as_str()] {
            let identifier = format!("{PREFIX}/{suffix}");
            let absent = seen_by_anyone(bare, suffix);
            let made = create(&identifier, None, vec![value(1, "x")]);
            bare.write(made).await.expect("created");
            let there = seen_by_anyone(bare, suffix);
            assert_ne!(there, absent);
            for (who, expected) in [
                (readers(&["firm:b"]), &absent),
                (readers(&["firm:c", "group:g"]), &absent),
                (None, &there),
                (readers(&[]), &absent),
            ] {
                let before = resolved(bare, &operator(), &identifier).expect("there");
                let name = bare.node.stamp(PREFIX, suffix.as_bytes());
                let first = bare.node.stamp(PREFIX, b"");
                let applied = bare.write(set_readers(&identifier, who.clone())).await;
                let Ok(Applied::Record { record, .. }) = applied else {
                    panic!("{applied:?}");
                };
                assert_eq!(record.readers, who);
                assert_eq!(record.values, before.values);
                assert_eq!(&seen_by_anyone(bare, suffix), expected);
                let is_open = before.readers.is_none() || who.is_none();
                assert_eq!(bare.node.is_current(&name), !is_open);
                // It was the only one that is there for everyone, or is.
                assert_eq!(bare.node.is_current(&first), !is_open);
            }
            let same = bare.write(set_readers(&identifier, readers(&[]))).await;
            let Ok(Applied::Record { effect, .. }) = same else {
                panic!("{same:?}");
            };
            assert_eq!(effect, Effect::Unchanged);
            bare.write(delete(&identifier)).await.expect("deleted");
        }
        world
    });
}

#[test]
fn a_value_with_readers_is_not_there_for_others() {
    run(async |world: World| {
        let bare = &world.bare;
        let identifier = format!("{PREFIX}/a");
        let mut shared = value(2, "shared");
        shared.readers = readers(&["firm:b"]);
        let made = create(&identifier, None, vec![value(1, "x")]);
        bare.write(made).await.expect("created");
        let absent = seen_by_anyone(bare, "a");
        let asks = || {
            [
                RecordAction::AddValues {
                    values: vec![value(2, "x")],
                    etag: None,
                },
                RecordAction::ModifyValues {
                    values: vec![value(2, "x")],
                    etag: None,
                },
                RecordAction::RemoveValues {
                    indices: vec![2],
                    etag: None,
                },
            ]
            .map(|action| bare.node.precheck(record_change(&identifier, action)))
        };
        let before = asks();
        let put = RecordAction::PutValues {
            values: vec![shared],
        };
        bare.write(record_change(&identifier, put))
            .await
            .expect("put");
        assert_eq!(seen_by_anyone(bare, "a"), absent);
        assert_eq!(asks(), before);
        let query = Query::all(Identifier::parse(&identifier).expect("an identifier"));
        let counted = |caller: &Caller| {
            let (record, hidden) = bare.node.resolve_counting(caller, &query).expect("there");
            (record.values.len(), hidden)
        };
        assert_eq!(counted(&Caller::ANONYMOUS), (1, 0));
        assert_eq!(counted(&operator()), (2, 0));

        // Who knows of no readers keeps them; who lets the public read does not.
        for (bits, expected) in [
            (Permissions::SECRET, readers(&["firm:b"])),
            (Permissions::DEFAULT, None),
        ] {
            let changed = Value {
                permissions: bits,
                ..value(2, "changed")
            };
            let modify = RecordAction::ModifyValues {
                values: vec![changed],
                etag: None,
            };
            let applied = bare.write(record_change(&identifier, modify)).await;
            let Ok(Applied::Record { record, .. }) = applied else {
                panic!("{applied:?}");
            };
            let seen = record.value(2).map(|value| value.readers.clone());
            assert_eq!(seen, Some(expected));
        }
        world
    });
}

#[test]
fn an_update_that_names_no_readers_leaves_them() {
    run(async |world: World| {
        let bare = &world.bare;
        let identifier = format!("{PREFIX}/a");
        let made = create(&identifier, readers(&["firm:b"]), vec![value(1, "x")]);
        bare.write(made).await.expect("created");
        let replace = |data: &str, readers| RecordAction::Replace {
            values: vec![value(1, data)],
            readers,
            etag: None,
            allow_missing: true,
        };
        let import = |data: &str, readers| RecordAction::Import {
            values: vec![value(1, data)],
            readers,
            on_conflict: OnConflict::Update,
        };
        for (action, expected) in [
            (replace("y", None), readers(&["firm:b"])),
            (import("z", None), readers(&["firm:b"])),
            (replace("z", readers(&[])), readers(&[])),
            (import("z", readers(&["group:g"])), readers(&["group:g"])),
        ] {
            let applied = bare.write(record_change(&identifier, action)).await;
            let (Ok(Applied::Record { effect, .. }) | Ok(Applied::Imported(effect))) = applied
            else {
                panic!("{applied:?}");
            };
            assert_eq!(effect, Effect::Updated);
            let parsed = Identifier::parse(&identifier).expect("an identifier");
            let key = parsed.key(SuffixCase::Folded);
            let kept = match bare.store.restricted(&key).expect("reads") {
                Some(Restricted::Active(record)) => record.readers.clone(),
                Some(Restricted::Deleted(_)) | None => None,
            };
            assert_eq!(kept, expected);
        }
        world
    });
}

#[test]
fn the_record_of_a_prefix_is_there_for_everyone() {
    run(async |world: World| {
        let bare = &world.bare;
        let made = create("0.NA/88.118.7", readers(&[]), vec![value(1, "x")]);
        let refusal = bare.write(made).await.expect_err("refused");
        let seen = (refusal.reason(), refusal.field_path());
        assert_eq!(seen, (Reason::FieldInvalid, "readers"));
        world
    });
}
