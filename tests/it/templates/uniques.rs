//! Unique items against a plain map: any sequence of changes leaves each value
//! with one record, also after the store was closed and opened.

use std::collections::BTreeMap;

use idnode::model::{FirmRole, Reason, Value};
use idnode::node::{RecordAction, TemplateAction};
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
