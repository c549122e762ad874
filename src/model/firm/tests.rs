//! The life cycle: every arrow, and that there are no others.

use super::*;
use crate::model::limits::NOTE_CHARS_MAX;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

const KINDS: [StepKind; 10] = [
    StepKind::Apply,
    StepKind::Submit,
    StepKind::Verify,
    StepKind::Approve,
    StepKind::Reject,
    StepKind::Activate,
    StepKind::Suspend,
    StepKind::Reinstate,
    StepKind::Retire,
    StepKind::Erase,
];

fn facts() -> Facts {
    Facts {
        name: Text::parse("温州霁澜川电器有限公司", "name").expect("a name"),
        credit_code: CreditCode::parse("91350100M000100Y43").expect("a code"),
        region: Region::parse("330382").expect("a division"),
        address: Text::parse("柳市镇电器大道 1 号", "address").expect("an address"),
        industry: Industry::parse("C3823").expect("a class"),
        wanted_prefix: WantedPrefix::parse("88.118.7").expect("a prefix"),
        hosting: Hosting::Hosted,
    }
}

fn step(kind: StepKind) -> Step {
    Step {
        kind,
        by: "0f3c9a12".into(),
        at: NOW,
        note: "because".into(),
    }
}

fn licence() -> Document {
    Document {
        number: 0,
        kind: DocumentKind::BusinessLicence,
        name: Text::parse("营业执照.pdf", "name").expect("a name"),
        media_type: MediaType::Pdf,
        byte_count: 5,
        sha256: [1; 32],
        added: NOW,
        contents: 7,
    }
}

fn draft() -> Firm {
    let id = FirmId::parse("f7").expect("an id");
    let source = "2001:db8:1:2:3::4".parse().ok();
    Firm::applied(id, facts(), "anonymous", (NOW, source))
}

/// A firm after these steps, its licence attached.
fn firm(kinds: &[StepKind]) -> Firm {
    let mut firm = draft().with_document(licence()).expect("a draft");
    for kind in kinds {
        firm = firm.after(step(*kind)).expect("an arrow");
    }
    firm
}

#[test]
fn there_are_these_arrows_and_no_others() {
    use StepKind::{Activate, Approve, Erase, Reinstate, Reject, Retire, Submit, Suspend, Verify};
    let path = [
        Submit, Verify, Approve, Activate, Suspend, Reinstate, Retire,
    ];
    let check = |firm: &Firm, expected: &[(StepKind, &str)]| {
        for kind in KINDS {
            let seen = firm.after(step(kind));
            let to = expected.iter().find(|(known, _)| *known == kind);
            match (seen, to) {
                (Ok(after), Some((_, to))) => assert_eq!(after.state.name(), *to),
                (Ok(after), None) => {
                    assert_eq!((kind, &after.state), (Erase, &firm.state));
                }
                (Err(refusal), to) => {
                    assert_eq!(to, None, "{kind:?}: {refusal}");
                    assert_eq!(refusal.reason(), Reason::FirmState);
                    assert_eq!(refusal.shown_limit(), firm.state.name());
                }
            }
        }
    };
    check(&firm(&[]), &[(Submit, "submitted")]);
    check(
        &firm(&path[..1]),
        &[(Verify, "verified"), (Reject, "rejected")],
    );
    check(
        &firm(&path[..2]),
        &[(Approve, "approved"), (Reject, "rejected")],
    );
    check(&firm(&path[..3]), &[(Activate, "active")]);
    check(
        &firm(&path[..4]),
        &[(Suspend, "suspended"), (Retire, "retired")],
    );
    check(
        &firm(&path[..5]),
        &[(Reinstate, "active"), (Retire, "retired")],
    );
    check(
        &firm(&path[..6]),
        &[(Suspend, "suspended"), (Retire, "retired")],
    );
    check(&firm(&path[..7]), &[]);
    check(&firm(&[Submit, Reject]), &[(Submit, "submitted")]);
}

#[test]
fn every_step_is_remembered_with_its_note() {
    let firm = firm(&[StepKind::Submit, StepKind::Reject]);
    let kinds: Vec<_> = firm.steps.iter().map(|step| step.kind.name()).collect();
    assert_eq!(kinds, ["apply", "submit", "reject"]);
    assert_eq!(firm.steps[2], step(StepKind::Reject));
    assert_eq!(
        firm.state,
        FirmState::Rejected {
            reason: "because".into()
        }
    );

    let mut restless = self::firm(&[
        StepKind::Submit,
        StepKind::Verify,
        StepKind::Approve,
        StepKind::Activate,
    ]);
    for _ in 0..FIRM_STEPS_MAX {
        restless = restless.after(step(StepKind::Suspend)).expect("active");
        restless = restless
            .after(step(StepKind::Reinstate))
            .expect("suspended");
    }
    assert_eq!(restless.steps.len(), FIRM_STEPS_MAX);
    assert_eq!(
        restless.steps.last().map(|step| step.kind),
        Some(StepKind::Reinstate)
    );
}

#[test]
fn what_hurts_needs_a_reason() {
    let submitted = firm(&[StepKind::Submit]);
    for note in ["", "  "] {
        let refusal = submitted.after(Step {
            note: note.into(),
            ..step(StepKind::Reject)
        });
        let refusal = refusal.expect_err("no reason");
        assert_eq!(
            (refusal.reason(), refusal.field_path()),
            (Reason::FieldRequired, "reason")
        );
    }
    let note = "长".repeat(NOTE_CHARS_MAX + 1);
    let refusal = submitted.after(Step {
        note,
        ..step(StepKind::Verify)
    });
    assert_eq!(refusal.expect_err("too long").reason(), Reason::NoteTooLong);
}

#[test]
fn nothing_goes_in_without_a_licence_and_people() {
    let refusal = draft()
        .after(step(StepKind::Submit))
        .expect_err("no licence");
    assert_eq!(refusal.reason(), Reason::FirmIncomplete);
    let other = Document {
        kind: DocumentKind::Other,
        ..licence()
    };
    let refusal = draft()
        .with_document(other)
        .expect("a draft")
        .after(step(StepKind::Submit));
    assert_eq!(
        refusal.expect_err("no licence").reason(),
        Reason::FirmIncomplete
    );

    let erased = firm(&[StepKind::Submit, StepKind::Erase]);
    assert_eq!(
        (erased.personal, erased.documents.len()),
        (PersonalState::Erased, 0)
    );
    let refusal = erased.after(step(StepKind::Verify)).expect_err("no people");
    assert_eq!(
        (refusal.reason(), refusal.shown_limit()),
        (Reason::FirmIncomplete, "personal")
    );
}

#[test]
fn facts_stand_while_somebody_looks_at_them() {
    let rejected = firm(&[StepKind::Submit, StepKind::Reject]);
    let edited = rejected
        .edited(Some(facts()), false, NOW)
        .expect("rejected");
    assert_eq!(edited.state, FirmState::Draft);
    for kinds in [
        &[StepKind::Submit][..],
        &[StepKind::Submit, StepKind::Verify],
        &[
            StepKind::Submit,
            StepKind::Verify,
            StepKind::Approve,
            StepKind::Activate,
        ],
    ] {
        let firm = firm(kinds);
        let refusal = firm
            .edited(Some(facts()), false, NOW)
            .expect_err("not editable");
        assert_eq!(refusal.reason(), Reason::FirmState);
        assert!(firm.with_document(licence()).is_err());
        assert!(firm.without_document(1, NOW).is_err());
        let edited = firm.edited(None, true, NOW).expect("people may change");
        assert_eq!(edited.state, firm.state);
    }
}

#[test]
fn papers_are_counted_and_numbered_once() {
    let mut firm = draft();
    for number in 1..=DOCUMENTS_PER_FIRM_MAX {
        firm = firm.with_document(licence()).expect("room");
        assert_eq!(
            firm.documents.last().map(|last| last.number),
            u32::try_from(number).ok()
        );
    }
    let refusal = firm.with_document(licence()).expect_err("no room");
    assert_eq!(refusal.reason(), Reason::DocumentsTooMany);
    let fewer = firm.without_document(3, NOW).expect("it is there");
    let refusal = fewer.document(3).expect_err("it was taken away");
    assert_eq!(refusal.reason(), Reason::DocumentNotFound);
    let again = fewer.with_document(licence()).expect("room");
    let expected = u32::try_from(DOCUMENTS_PER_FIRM_MAX + 1).ok();
    assert_eq!(again.documents.last().map(|last| last.number), expected);
}

#[test]
fn drafts_that_nobody_hands_in_expire() {
    let days = |days: u64| Timestamp::from_millis(NOW.millis() + days * 86_400_000 + 1000);
    assert!(!draft().is_expired(days(DRAFT_DAYS - 1)));
    assert!(draft().is_expired(days(DRAFT_DAYS)));
    let rejected = firm(&[StepKind::Submit, StepKind::Reject]);
    let reopened = rejected
        .edited(Some(facts()), false, NOW)
        .expect("rejected");
    for kept in [firm(&[StepKind::Submit]), rejected, reopened] {
        assert!(!kept.is_expired(days(10 * DRAFT_DAYS)), "{:?}", kept.state);
    }
}

#[test]
fn one_network_is_one_applicant_until_somebody_looked() {
    let check = |source: &str, expected: &str| {
        let source = source.parse().expect("an address");
        assert_eq!(network(source).to_string(), expected);
    };
    check("192.0.2.7", "192.0.2.7");
    check("::ffff:192.0.2.7", "192.0.2.7");
    check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
    let expected = "2001:db8:1:2::".parse().ok();
    assert_eq!(draft().applied_from, expected);
    assert_eq!(firm(&[StepKind::Submit]).applied_from, expected);
    assert_eq!(
        firm(&[StepKind::Submit, StepKind::Verify]).applied_from,
        None
    );
    assert_eq!(
        firm(&[StepKind::Submit, StepKind::Reject]).applied_from,
        None
    );
}

#[test]
fn stored_bytes_that_break_a_rule_are_no_firm() {
    let bytes = postcard::to_allocvec(&firm(&[])).expect("encodes");
    assert_eq!(postcard::from_bytes::<Firm>(&bytes), Ok(firm(&[])));
    let at = bytes
        .windows(2)
        .position(|pair| pair == b"Y4")
        .expect("the code");
    let mut broken = bytes;
    broken[at] = b'X';
    assert!(postcard::from_bytes::<Firm>(&broken).is_err());
}
