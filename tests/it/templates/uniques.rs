//! Unique items against a plain map: any sequence of changes leaves each value
//! with one record, also after the store was closed and opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use idnode::model::{FirmRole, Identifier, Key, Reason, Record, SuffixCase, Timestamp, Value};
use idnode::node::{RecordAction, TemplateAction};
use idnode::store::{Batch, UniqueKey};
use proptest::prelude::*;
use proptest::test_runner::Config as Cases;

use super::{Office, breaker, firm, member, owner, refused, under, value};

const TEMPLATE: &str = "f1-breaker";

fn values(serial: Option<&str>) -> Vec<Value> {
    let serial = serial.map(|serial| value(2005, "serial", serial));
    [under(TEMPLATE), value(2000, "name", "a")]
        .into_iter()
        .chain(serial)
        .collect()
}

async fn office(folder: &std::path::Path) -> Office {
    let office = Office::new(folder);
    let action = TemplateAction::Create {
        firm: Some(firm(1)),
        version: breaker(),
    };
    office
        .template(&owner(1), TEMPLATE, action)
        .await
        .expect("made");
    office
}

#[tokio::test]
async fn one_record_has_a_unique_value() {
    let folder = tempfile::tempdir().expect("folder");
    let office = office(folder.path()).await;
    let registrar = member(1, FirmRole::Registrar);
    office
        .create(&registrar, "88.1.1/a", values(Some("7")))
        .await
        .expect("made");
    let made = office
        .create(&registrar, "88.1.1/b", values(Some("7")))
        .await;
    let refusal = refused(made, Reason::ItemNotUnique);
    assert_eq!(refusal.field_path(), "values[index=2005].data");
    assert!(
        !refusal.to_string().contains("88.1.1/a"),
        "it names the other record"
    );
    // In one refusal with the other faults.
    let mut broken = values(Some("7"));
    broken[1] = value(2000, "name", "");
    let made = office.create(&registrar, "88.1.1/b", broken).await;
    assert_eq!(refused(made, Reason::TemplateFaults).each_fault().len(), 2);
    // Its own value is no obstacle to a record, and free once it is gone.
    let put = |serial| RecordAction::PutValues {
        values: vec![value(2005, "serial", serial)],
    };
    office
        .record(&registrar, "88.1.1/a", put("7"))
        .await
        .expect("unchanged");
    office
        .record(&registrar, "88.1.1/a", put("8"))
        .await
        .expect("changed");
    office
        .create(&registrar, "88.1.1/b", values(Some("7")))
        .await
        .expect("made");
    refused(
        office.record(&registrar, "88.1.1/a", put("7")).await,
        Reason::ItemNotUnique,
    );
    let delete = RecordAction::Delete { etag: None };
    office
        .record(&registrar, "88.1.1/b", delete)
        .await
        .expect("deleted");
    office
        .record(&registrar, "88.1.1/a", put("7"))
        .await
        .expect("changed");
    // A record that leaves its template leaves its values to others.
    let leave = RecordAction::Replace {
        values: vec![value(2005, "serial", "7")],
        readers: None,
        etag: None,
        allow_missing: false,
    };
    office
        .record(&registrar, "88.1.1/a", leave)
        .await
        .expect("changed");
    office
        .create(&registrar, "88.1.1/c", values(Some("7")))
        .await
        .expect("made");
    office.close().await;
}

/// The row of the index for a serial number.
fn row(serial: &str) -> UniqueKey {
    let rows = UniqueKey::all_of("88.1.1", (TEMPLATE, &breaker()), &values(Some(serial)));
    rows.into_iter().next().expect("unique").0
}

fn key(suffix: &str) -> Key {
    let identifier = Identifier::parse(&format!("88.1.1/{suffix}"));
    identifier.expect("an identifier").key(SuffixCase::Folded)
}

/// What the store says of itself once `change` was made behind its back.
fn checked(office: &Office, change: impl FnOnce(&mut Batch<'_>)) -> Option<String> {
    let mut batch = Batch::new(&office.store);
    change(&mut batch);
    batch.commit().expect("commits");
    office.store.check_counts().expect("reads")
}

#[tokio::test]
async fn an_index_that_does_not_agree_with_the_records_is_found() {
    let folder = tempfile::tempdir().expect("folder");
    let office = office(folder.path()).await;
    let registrar = member(1, FirmRole::Registrar);
    for (identifier, serial) in [("88.1.1/a", "7"), ("88.1.1/b", "8")] {
        let made = office.create(&registrar, identifier, values(Some(serial)));
        made.await.expect("made");
    }
    let restricted = RecordAction::Create {
        values: values(Some("9")),
        readers: Some(Box::default()),
        reuse_deleted: false,
    };
    let made = office.record(&registrar, "88.1.1/c", restricted).await;
    made.expect("made");
    assert_eq!(checked(&office, |_| {}), None);
    let has = |suffix: &str| format!("record 88.1.1/{suffix} has the unique value 2005");
    let cases = [
        ("7", Some("a"), None, has("a")),
        ("7", Some("a"), Some("b"), has("a")),
        ("9", Some("c"), None, has("c")),
        // Of a value that the record has not, and of nobody.
        ("10", None, Some("a"), "has 4 unique values".into()),
        ("10", None, Some("z"), "has 4 unique values".into()),
    ];
    for (serial, right, wrong, expected) in cases {
        let put = |owner: Option<&str>| {
            let owner = owner.map(|owner| owner.as_bytes().to_vec());
            checked(&office, |batch| {
                batch.put_unique(row(serial), owner).expect("put");
            })
        };
        let told = put(wrong).expect("a fault");
        assert!(told.contains(&expected), "{serial} of {wrong:?}: {told}");
        assert_eq!(put(right), None, "{serial} of {right:?}");
    }
    // The record is another.
    let record = office.store.record(&key("a")).expect("reads");
    let mut changed = record.clone().expect("a record");
    changed.values.retain(|value| value.index != 2005);
    let put = |record: Record| {
        checked(&office, |batch| {
            batch.put_record(&key("a"), &Arc::new(record)).expect("put");
        })
    };
    let told = put(changed).expect("a fault");
    assert!(told.contains("records have 2"), "{told}");
    assert_eq!(put(record.expect("a record")), None);
    office.close().await;
}

#[tokio::test]
async fn a_record_from_before_its_template_needs_no_rows() {
    let folder = tempfile::tempdir().expect("folder");
    let office = office(folder.path()).await;
    let registrar = member(1, FirmRole::Registrar);
    let made = office.create(&registrar, "88.1.1/a", values(Some("7")));
    made.await.expect("made");
    let record = office.store.record(&key("a")).expect("reads");
    let record = record.expect("a record");
    let fault = checked(&office, |batch| {
        batch.put_unique(row("7"), None).expect("put");
    });
    assert!(fault.is_some());
    let older = Record {
        created: Timestamp::from_millis(1),
        ..record
    };
    let fault = checked(&office, |batch| {
        batch.put_record(&key("a"), &Arc::new(older)).expect("put");
    });
    assert_eq!(fault, None);
    office.close().await;
}

#[derive(Clone, Debug)]
enum Step {
    Create(usize, Option<usize>),
    Put(usize, usize),
    Remove(usize),
    Delete(usize),
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_usize, prop::option::of(0..4_usize)).prop_map(|(at, serial)| Step::Create(at, serial)),
        3 => (0..5_usize, 0..4_usize).prop_map(|(at, serial)| Step::Put(at, serial)),
        1 => (0..5_usize).prop_map(Step::Remove),
        2 => (0..5_usize).prop_map(Step::Delete),
        1 => Just(Step::Reopen),
    ]
}

/// Does what a step says to the plain map; whether it may be done.
fn plain(records: &mut BTreeMap<usize, Option<usize>>, step: &Step) -> bool {
    let taken = |records: &BTreeMap<_, _>, own: usize, serial: Option<usize>| {
        let other = |(at, has): (&usize, &Option<usize>)| *at != own && *has == serial;
        serial.is_some() && records.iter().any(other)
    };
    match *step {
        Step::Create(at, serial) => {
            let may = !records.contains_key(&at) && !taken(records, at, serial);
            if may {
                records.insert(at, serial);
            }
            may
        }
        Step::Put(at, serial) => {
            let may = records.contains_key(&at) && !taken(records, at, Some(serial));
            if may {
                records.insert(at, Some(serial));
            }
            may
        }
        Step::Remove(at) => match records.get_mut(&at) {
            Some(serial @ Some(_)) => {
                *serial = None;
                true
            }
            _ => false,
        },
        Step::Delete(at) => records.remove(&at).is_some(),
        Step::Reopen => true,
    }
}

async fn done(office: &Office, step: &Step) -> bool {
    let registrar = member(1, FirmRole::Registrar);
    let identifier = |at: usize| format!("88.1.1/{at}");
    let (at, action) = match *step {
        Step::Create(at, serial) => {
            let serial = serial.map(|serial| serial.to_string());
            let action = RecordAction::Create {
                values: values(serial.as_deref()),
                readers: None,
                reuse_deleted: true,
            };
            (at, action)
        }
        Step::Put(at, serial) => {
            let values = vec![value(2005, "serial", &serial.to_string())];
            (at, RecordAction::PutValues { values })
        }
        Step::Remove(at) => {
            let action = RecordAction::RemoveValues {
                indices: vec![2005],
                etag: None,
            };
            (at, action)
        }
        Step::Delete(at) => (at, RecordAction::Delete { etag: None }),
        Step::Reopen => return true,
    };
    office
        .record(&registrar, &identifier(at), action)
        .await
        .is_ok()
}

proptest! {
    #![proptest_config(Cases { cases: 24, ..Cases::default() })]

    #[test]
    fn any_sequence_keeps_values_unique(steps in prop::collection::vec(any_step(), 1..40)) {
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("folder");
            let mut office = office(folder.path()).await;
            let mut records = BTreeMap::new();
            for step in &steps {
                if matches!(step, Step::Reopen) {
                    office = office.reopen(folder.path()).await;
                }
                let expected = plain(&mut records, step);
                prop_assert_eq!(done(&office, step).await, expected, "{:?}", step);
            }
            office.close().await;
            Ok(())
        })?;
    }
}
