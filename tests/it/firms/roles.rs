//! Who may do what, for every action and every caller; and who sees what.

use idnode::node::Opened;

use super::*;

/// What is done, by its name, and who may: the letters of [`CALLERS`].
type Row = (&'static str, &'static [StepKind], FirmAction, &'static str);

/// Anonymous; Owner, regIstrar and Reader of the firm; owner of anotHer firm;
/// System administrator, seCurity administrator, aUditor.
const CALLERS: &str = "aoirhscu";

const SUBMITTED: &[StepKind] = &[StepKind::Submit];
const VERIFIED: &[StepKind] = &[StepKind::Submit, StepKind::Verify];
const APPROVED: &[StepKind] = &[StepKind::Submit, StepKind::Verify, StepKind::Approve];
const SUSPENDED: &[StepKind] = &[
    StepKind::Submit,
    StepKind::Verify,
    StepKind::Approve,
    StepKind::Activate,
    StepKind::Suspend,
];

fn rows() -> Vec<Row> {
    let step = |kind| FirmAction::Step {
        kind,
        note: "because".into(),
        etag: None,
    };
    let edit = FirmAction::Edit {
        facts: Some(Box::new(facts(OTHER_CODE, "88.118.8"))),
        people: None,
        etag: None,
    };
    let activate = FirmAction::Activate {
        prefix: None,
        quota: None,
        note: String::new(),
        etag: None,
    };
    let detach = FirmAction::Detach {
        number: 1,
        etag: None,
    };
    vec![
        ("edit", &[], edit, "o"),
        ("detach", &[], detach, "o"),
        ("submit", &[], step(StepKind::Submit), "o"),
        ("verify", SUBMITTED, step(StepKind::Verify), "s"),
        ("reject submitted", SUBMITTED, step(StepKind::Reject), "s"),
        ("reject verified", VERIFIED, step(StepKind::Reject), "c"),
        ("approve", VERIFIED, step(StepKind::Approve), "c"),
        ("activate", APPROVED, activate, "s"),
        (
            "activate as a step",
            APPROVED,
            step(StepKind::Activate),
            "s",
        ),
        ("suspend", &TO_ACTIVE, step(StepKind::Suspend), "c"),
        ("reinstate", SUSPENDED, step(StepKind::Reinstate), "c"),
        ("retire", &TO_ACTIVE, step(StepKind::Retire), "c"),
        ("erase", &TO_ACTIVE, step(StepKind::Erase), "oc"),
        (
            "people",
            &TO_ACTIVE,
            FirmAction::Open(Opened::People),
            "osc",
        ),
        (
            "document",
            &TO_ACTIVE,
            FirmAction::Open(Opened::Document(1)),
            "osc",
        ),
    ]
}

/// The callers by their letters. The members are principals that the store has.
async fn callers(office: &Office, id: &FirmId, owner: &Caller) -> Vec<(char, Caller)> {
    let (other, stranger) = office.apply(facts(OTHER_CODE, "88.118.99")).await;
    assert_ne!(*id, other);
    let as_role = |role| {
        let Who::Member(member) = &owner.who else {
            panic!("a member");
        };
        Caller::of(Who::Member(Member {
            role,
            ..member.clone()
        }))
    };
    CALLERS
        .chars()
        .map(|letter| {
            let caller = match letter {
                'a' => Caller::ANONYMOUS,
                'o' => owner.clone(),
                'i' => as_role(FirmRole::Registrar),
                'r' => as_role(FirmRole::Reader),
                'h' => stranger.clone(),
                's' => system(),
                'c' => security(),
                _ => auditor(),
            };
            (letter, caller)
        })
        .collect()
}

#[tokio::test]
async fn each_may_do_its_own_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let mut tried = 0;
    for (at, (name, kinds, action, may)) in rows().into_iter().enumerate() {
        let wanted = format!("88.118.{}", 100 + at);
        let (id, owner) = office.firm(facts(CODE, &wanted), kinds).await;
        for (letter, caller) in callers(&office, &id, &owner).await {
            // The roles of members are those that the store has.
            if "ir".contains(letter) {
                let role = if letter == 'i' {
                    FirmRole::Registrar
                } else {
                    FirmRole::Reader
                };
                let refused = idnode::access::permit_office(&caller, office_of(name, &id));
                assert_eq!(refused.is_ok(), may.contains(letter), "{name} by {role:?}");
                tried += 1;
                continue;
            }
            let write = Write {
                change: change(&id, action.clone()),
                request_id: None,
            };
            let judged = office.node.validate(&caller, vec![write]).expect("judged");
            let outcome = judged.into_iter().next().expect("one");
            let refused = outcome.err().map(|refusal| refusal.reason());
            let expected = match (may.contains(letter), letter) {
                (true, _) => None,
                (false, 'a') => Some(Reason::KeyRequired),
                (false, _) => Some(Reason::PermissionDenied),
            };
            assert_eq!(refused, expected, "{name} by {letter}");
            tried += 1;
        }
        // So that the next may stand for the same code.
        if office.node.firm(&owner, &id).expect("its own").firm.state == FirmState::Active {
            office
                .step(&security(), &id, StepKind::Retire)
                .await
                .expect("retires");
        } else {
            let suspended = office.step(&security(), &id, StepKind::Retire).await;
            let verified = office.step(&security(), &id, StepKind::Reject).await;
            let approved = office.step(&system(), &id, StepKind::Activate).await;
            if suspended.is_err() && verified.is_err() && approved.is_ok() {
                office
                    .step(&security(), &id, StepKind::Retire)
                    .await
                    .expect("retires");
            }
        }
    }
    assert_eq!(tried, rows().len() * CALLERS.len());
    office.close().await;
}

/// What a row asks of `access`, for callers whose roles the store does not have.
fn office_of<'a>(name: &str, id: &'a FirmId) -> idnode::access::Office<'a> {
    use idnode::access::Office as Asked;
    match name {
        "edit" | "detach" | "submit" => Asked::EditFirm(id),
        "verify" | "reject submitted" => Asked::VerifyFirm,
        "activate" | "activate as a step" => Asked::ActivateFirm,
        "erase" => Asked::ErasePersonal(id),
        "people" | "document" => Asked::ReadPersonal(id),
        _ => Asked::ApproveFirm,
    }
}

#[tokio::test]
async fn nobody_lets_a_firm_in_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    for role in [
        NodeRole::SystemAdministrator,
        NodeRole::SecurityAdministrator,
        NodeRole::Auditor,
    ] {
        let (id, owner) = office
            .firm(facts(CODE, "88.118.7"), &[StepKind::Submit])
            .await;
        for _ in 0..3 {
            for kind in [StepKind::Verify, StepKind::Approve, StepKind::Activate] {
                let _outcome = office.step(&operator(role), &id, kind).await;
            }
        }
        let state = office
            .node
            .firm(&owner, &id)
            .expect("its own")
            .firm
            .state
            .clone();
        assert!(
            !state.is_public() && state != FirmState::Approved,
            "{role:?}: {state:?}"
        );
        if state == FirmState::Verified {
            office
                .step(&security(), &id, StepKind::Reject)
                .await
                .expect("rejects");
        }
    }
    office.close().await;
}

#[tokio::test]
async fn others_see_a_firm_once_it_is_active_and_only_its_public_part() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, owner) = office.firm(facts(CODE, "88.118.7"), APPROVED).await;
    let (_, stranger) = office.apply(facts(OTHER_CODE, "88.118.8")).await;
    let absent = FirmId::parse("0123456789abcdef").expect("an id");
    let listed = |caller: &Caller| {
        let page = office.node.firms(caller, (None, 10), |_| true);
        page.items
            .into_iter()
            .map(|view| (view.firm.id.clone(), view.is_whole))
            .collect::<Vec<_>>()
    };
    for caller in [&Caller::ANONYMOUS, &stranger] {
        let hidden = assert_refused(office.node.firm(caller, &id), Reason::FirmNotFound);
        let missing = assert_refused(office.node.firm(caller, &absent), Reason::FirmNotFound);
        let text = |refusal: &Refusal, id: &FirmId| refusal.to_string().replace(id.as_str(), "");
        assert_eq!(text(&hidden, &id), text(&missing, &absent));
        assert!(!listed(caller).iter().any(|(seen, _)| *seen == id));
    }
    for caller in [&owner, &system(), &security(), &auditor()] {
        assert!(office.node.firm(caller, &id).expect("it may").is_whole);
        assert!(listed(caller).contains(&(id.clone(), true)));
    }
    office
        .step(&system(), &id, StepKind::Activate)
        .await
        .expect("activates");
    for caller in [&Caller::ANONYMOUS, &stranger] {
        assert!(!office.node.firm(caller, &id).expect("public").is_whole);
        assert!(listed(caller).contains(&(id.clone(), false)));
    }
    office.close().await;
}

#[tokio::test]
async fn pages_leave_nothing_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let mut expected = Vec::new();
    for at in 0..5 {
        expected.push(office.apply(facts(CODE, &format!("88.118.{at}"))).await.0);
    }
    expected.sort();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = office
            .node
            .firms(&auditor(), (after.as_deref(), 2), |_| true);
        seen.extend(page.items.iter().map(|view| view.firm.id.clone()));
        after = page.next.map(|key| String::from_utf8(key).expect("an id"));
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
    office.close().await;
}
