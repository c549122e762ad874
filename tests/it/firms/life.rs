//! The whole life of a firm, and what its prefix does meanwhile.

use idnode::model::{
    Identifier, Permissions, Prefix, PrefixState, Reason, Refusal, Timestamp, Ttl, Value, ValueType,
};
use idnode::node::{Change, PrefixAction, RecordAction, Write};

use super::*;

fn prefix() -> Prefix {
    Prefix::parse("88.118.7").expect("a prefix")
}

async fn register(office: &Office, owner: &Caller, suffix: &str) -> Result<(), Refusal> {
    let value = Value {
        index: 1,
        value_type: ValueType::parse("URL").expect("a type"),
        data: b"https://f7.wenzhou.example/".to_vec(),
        ttl: Ttl::DEFAULT,
        permissions: Permissions::DEFAULT,
        changed: Timestamp::default(),
        references: Vec::new(),
        readers: None,
    };
    let change = Change::Record {
        identifier: Identifier::parse(&format!("88.118.7/{suffix}")).expect("an identifier"),
        action: RecordAction::Create {
            values: vec![value],
            reuse_deleted: false,
            readers: None,
        },
    };
    let write = Write {
        change,
        request_id: None,
    };
    office.node.execute(owner, write).await.map(drop)
}

fn state(office: &Office) -> Option<PrefixState> {
    let entry = office.node.prefix(&prefix().canonical());
    entry.map(|entry| entry.state.clone())
}

#[expect(clippy::too_many_lines, reason = "one life, step by step")]
#[tokio::test]
async fn from_application_to_retirement() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, owner) = office.firm(facts(CODE, "88.118.7"), &[]).await;
    assert_eq!(state(&office), None);
    assert_refused(register(&office, &owner, "1").await, Reason::PrefixNotHomed);
    office
        .step(&owner, &id, StepKind::Submit)
        .await
        .expect("hands it in");
    office
        .step(&system(), &id, StepKind::Reject)
        .await
        .expect("rejects");
    let rejected = office.node.firm(&owner, &id).expect("its own").firm;
    let because = FirmState::Rejected {
        reason: "because".into(),
    };
    assert_eq!(rejected.state, because);
    for kind in [StepKind::Submit, StepKind::Verify, StepKind::Approve] {
        let by = match kind {
            StepKind::Submit => &owner,
            StepKind::Verify => &system(),
            _ => &security(),
        };
        office.step(by, &id, kind).await.expect("an arrow");
    }
    assert_eq!(state(&office), None, "approved is not yet active");

    office
        .step(&system(), &id, StepKind::Activate)
        .await
        .expect("activates");
    let entry = office.node.prefix("88.118.7").expect("it is there");
    assert_eq!(entry.holder.as_ref(), Some(&id));
    assert_eq!(entry.firm, "温州霁澜川电器有限公司");
    assert_eq!(state(&office), Some(PrefixState::Active));
    register(&office, &owner, "1")
        .await
        .expect("its owner registers");

    office
        .step(&security(), &id, StepKind::Suspend)
        .await
        .expect("suspends");
    assert_refused(
        register(&office, &owner, "2").await,
        Reason::PrefixSuspended,
    );
    office
        .step(&security(), &id, StepKind::Reinstate)
        .await
        .expect("reinstates");
    register(&office, &owner, "2").await.expect("as before");

    let retired = office
        .step(&security(), &id, StepKind::Retire)
        .await
        .expect("retires");
    assert_refused(register(&office, &owner, "3").await, Reason::PrefixNotHomed);
    let steps: Vec<_> = retired.steps.iter().map(|step| step.kind.name()).collect();
    let expected = [
        "apply",
        "submit",
        "reject",
        "submit",
        "verify",
        "approve",
        "activate",
        "suspend",
        "reinstate",
        "retire",
    ];
    assert_eq!(steps, expected);
    let by: Vec<_> = retired.steps.iter().map(|step| step.by.as_str()).collect();
    assert_eq!((by[0], by[1]), ("anonymous", owner.name()));
    assert_eq!(
        (by[4], by[5]),
        ("SystemAdministrator", "SecurityAdministrator")
    );
    office.close().await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, owner) = office.firm(facts(CODE, "88.118.7"), &TO_ACTIVE).await;
    let before = office.node.firm(&owner, &id).expect("its own").firm;
    office.close().await;
    let office = Office::open(folder.path());
    let view = office.node.firm(&owner, &id).expect("its own");
    assert_eq!((&view.firm, view.prefixes), (&before, vec![prefix()]));
    let read = office.node.firm_people(&owner, &id).await.expect("its own");
    assert!(read == people());
    office.close().await;
}

#[tokio::test]
async fn a_suspension_that_was_there_before_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, _) = office.firm(facts(CODE, "88.118.7"), &TO_ACTIVE).await;
    let suspend = Change::Prefix {
        prefix: prefix(),
        action: PrefixAction::Suspend {
            reason: "a court said so".into(),
            etag: None,
        },
    };
    let write = Write {
        change: suspend,
        request_id: None,
    };
    office
        .node
        .execute(&system(), write)
        .await
        .expect("suspends the prefix");
    office
        .step(&security(), &id, StepKind::Suspend)
        .await
        .expect("suspends");
    office
        .step(&security(), &id, StepKind::Reinstate)
        .await
        .expect("reinstates");
    let expected = PrefixState::Suspended {
        reason: "a court said so".into(),
    };
    assert_eq!(state(&office), Some(expected));
    office.close().await;
}

/// Suspending is the security administrator's; whoever runs prefixes must not be
/// able to undo it alone.
#[tokio::test]
async fn a_prefix_does_not_come_back_without_its_firm() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, _) = office.firm(facts(CODE, "88.118.7"), &TO_ACTIVE).await;
    let bring_back = async |action: PrefixAction| {
        let change = Change::Prefix {
            prefix: prefix(),
            action,
        };
        let write = Write {
            change,
            request_id: None,
        };
        office.node.execute(&system(), write).await
    };
    office
        .step(&security(), &id, StepKind::Suspend)
        .await
        .expect("suspends");
    let refused = bring_back(PrefixAction::Activate { etag: None }).await;
    assert_refused(refused, Reason::FirmState);
    office
        .step(&security(), &id, StepKind::Retire)
        .await
        .expect("retires");
    let refused = bring_back(PrefixAction::Home { etag: None }).await;
    assert_refused(refused, Reason::FirmState);
    office.close().await;
}
