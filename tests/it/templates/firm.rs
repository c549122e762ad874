//! Templates of firms: who makes them, whose records stand under them, and what
//! later versions mean for those that are there.

use idnode::model::template::Version;
use idnode::model::{
    Caller, FirmRole, NodeRole, Operator, Reader, Readers, Reason, TemplateId, Value, Who,
};
use idnode::node::{RecordAction, TemplateAction};

use super::{
    Office, administrator, breaker, draft, firm, member, owner, refused, text_item, under, value,
    version, version_value,
};

const TEMPLATE: &str = "f1-breaker";

fn create() -> TemplateAction {
    TemplateAction::Create {
        firm: Some(firm(1)),
        version: breaker(),
    }
}

#[tokio::test]
async fn only_an_owner_keeps_a_firms_templates() {
    let folder = tempfile::tempdir().expect("folder");
    let office = Office::new(folder.path());
    let operator = |role| {
        Caller::of(Who::Operator(Operator {
            id: "o".into(),
            role,
        }))
    };
    let refused_callers = [
        member(1, FirmRole::Reader),
        member(1, FirmRole::Registrar),
        owner(2),
        operator(NodeRole::SystemAdministrator),
        operator(NodeRole::SecurityAdministrator),
        operator(NodeRole::Auditor),
    ];
    for caller in &refused_callers {
        let made = office.template(caller, TEMPLATE, create()).await;
        refused(made, Reason::PermissionDenied);
    }
    let made = office
        .template(&Caller::ANONYMOUS, TEMPLATE, create())
        .await;
    refused(made, Reason::KeyRequired);
    let made = office
        .template(&owner(1), TEMPLATE, create())
        .await
        .expect("made");
    assert_eq!((made.latest().0, made.firm()), (1, Some(&firm(1))));
    refused(
        office.template(&owner(1), TEMPLATE, create()).await,
        Reason::TemplateExists,
    );
    // Its name says whose it is: nobody learns what others named theirs.
    refused(
        office.template(&owner(1), "breaker", create()).await,
        Reason::FieldInvalid,
    );
    let disable = || TemplateAction::DisableItem {
        index: 2010,
        etag: None,
    };
    // To who may not read it, it is not there; to who may, it is not theirs.
    for caller in [&owner(2), &member(2, FirmRole::Reader)] {
        let changed = office.template(caller, TEMPLATE, disable()).await;
        let there = refused(changed, Reason::TemplateNotFound);
        let absent = office.template(caller, "f1-other", disable()).await;
        let absent = refused(absent, Reason::TemplateNotFound);
        assert_eq!(there.field_path(), absent.field_path());
    }
    let changed = office
        .template(&member(1, FirmRole::Registrar), TEMPLATE, disable())
        .await;
    refused(changed, Reason::PermissionDenied);
    for id in [TEMPLATE, "f1-other"] {
        let changed = office.template(&Caller::ANONYMOUS, id, disable()).await;
        refused(changed, Reason::KeyRequired);
    }
    office
        .template(&owner(1), TEMPLATE, disable())
        .await
        .expect("disabled");
    office.close().await;
}

#[tokio::test]
async fn others_see_nothing_of_a_firms_templates() {
    let folder = tempfile::tempdir().expect("folder");
    let office = Office::new(folder.path());
    office
        .template(&owner(1), TEMPLATE, create())
        .await
        .expect("made");
    let id = TemplateId::parse(TEMPLATE).expect("id");
    let read = |caller: &Caller| office.node.template(caller, &id, None).map(|_| ());
    assert_eq!(read(&member(1, FirmRole::Reader)), Ok(()));
    assert_eq!(read(&administrator()), Ok(()));
    refused(read(&owner(2)), Reason::TemplateNotFound);
    refused(read(&Caller::ANONYMOUS), Reason::TemplateNotFound);
    let firm = firm(1);
    let list = |caller: &Caller| {
        let page = office.node.list_templates(caller, Some(&firm), None, 10)?;
        Ok(page.items.len())
    };
    assert_eq!(list(&owner(1)), Ok(1));
    refused(list(&owner(2)), Reason::PermissionDenied);
    refused(list(&Caller::ANONYMOUS), Reason::KeyRequired);
    let sectors = office
        .node
        .list_templates(&owner(1), None, None, 100)
        .expect("a list");
    assert!(
        sectors
            .items
            .iter()
            .all(|template| template.firm().is_none())
    );
    // A record of another firm cannot stand under it, and is told no more than of
    // one that is not there.
    let values = |id: &str| vec![under(id), value(2000, "name", "a")];
    for id in [TEMPLATE, "f1-other", "../x", ""] {
        let made = office.create(&owner(2), "88.1.2/a", values(id)).await;
        let refusal = refused(made, Reason::TemplateUnknown);
        assert_eq!(refusal.field_path(), "values[index=1000].data");
    }
    office.close().await;
}

#[tokio::test]
async fn a_registration_is_told_every_fault_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let office = Office::new(folder.path());
    office
        .template(&owner(1), TEMPLATE, create())
        .await
        .expect("made");
    let registrar = member(1, FirmRole::Registrar);
    let values = vec![
        under(TEMPLATE),
        value(2005, "serial", "far too long a serial"),
        value(2010, "remark", "x"),
        value(2011, "more", "x"),
    ];
    let made = office.create(&registrar, "88.1.1/a", values.clone()).await;
    let refusal = refused(made, Reason::TemplateFaults);
    let faults: Vec<_> = refusal
        .each_fault()
        .iter()
        .map(|f| (f.reason(), f.field_path()))
        .collect();
    assert_eq!(
        faults,
        [
            (Reason::ItemMissing, "values[index=2000]"),
            (Reason::ItemLength, "values[index=2005].data"),
            (Reason::ItemTypeWrong, "values[index=2010].type"),
            (Reason::ItemUnknown, "values[index=2011].index"),
        ]
    );
    // Who may not write learns that, and nothing of the template.
    let made = office
        .create(&member(1, FirmRole::Reader), "88.1.1/a", values.clone())
        .await;
    refused(made, Reason::PermissionDenied);
    let made = office.create(&owner(2), "88.1.1/a", values).await;
    refused(made, Reason::PermissionDenied);
    let alone = vec![version_value("1"), value(1, "URL", "x")];
    let made = office.create(&registrar, "88.1.1/a", alone).await;
    refused(made, Reason::TemplateVersionAlone);
    for number in ["0", "2", "01", "x", "", "99999999999"] {
        let values = vec![
            under(TEMPLATE),
            version_value(number),
            value(2000, "name", "a"),
        ];
        let made = office.create(&registrar, "88.1.1/a", values).await;
        refused(made, Reason::TemplateVersionUnknown);
    }
    let wrong = office
        .create(&registrar, "88.1.1/a", vec![value(1000, "DESC", "x")])
        .await;
    refused(wrong, Reason::IndexReserved);
    office.close().await;
}

/// What a record of the template says in its first version.
fn values() -> Vec<Value> {
    vec![
        under(TEMPLATE),
        value(2000, "name", "a"),
        value(2010, "note", "n"),
    ]
}

fn replace(values: Vec<Value>) -> RecordAction {
    RecordAction::Replace {
        values,
        readers: None,
        etag: None,
        allow_missing: false,
    }
}

/// A record under version 1, and two later versions: the second asks for more, the
/// third has no note any more.
async fn revised(folder: &std::path::Path) -> Office {
    let office = Office::new(folder);
    office
        .template(&owner(1), TEMPLATE, create())
        .await
        .expect("made");
    let made = office
        .create(&member(1, FirmRole::Registrar), "88.1.1/a", values())
        .await
        .expect("made");
    // The node names the version that the record was judged by.
    assert_eq!(made[1].index, 1001);
    assert_eq!(made[1].text(), Some("1"));

    // Version 2 asks for more, and version 3 has no note any more.
    let mut stricter = draft(breaker().draft().items);
    stricter.items[2].required = true;
    let mut code = text_item(2020, "code");
    code.required = true;
    stricter.items.push(code);
    let revise = TemplateAction::Revise {
        version: Box::new(Version::new(&stricter).expect("sound")),
        etag: None,
    };
    office
        .template(&owner(1), TEMPLATE, revise)
        .await
        .expect("revised");
    let disable = TemplateAction::DisableItem {
        index: 2010,
        etag: None,
    };
    let third = office
        .template(&owner(1), TEMPLATE, disable)
        .await
        .expect("revised");
    assert_eq!(third.latest().0, 3);
    office.reopen(folder).await
}

#[tokio::test]
async fn a_later_version_leaves_stored_records_valid() {
    let folder = tempfile::tempdir().expect("folder");
    let office = revised(folder.path()).await;
    let registrar = member(1, FirmRole::Registrar);
    // A change of it, and the same import again, keep it under its version.
    let add = RecordAction::PutValues {
        values: vec![value(1, "URL", "https://a.example/")],
    };
    let changed = office
        .record(&registrar, "88.1.1/a", add)
        .await
        .expect("changed");
    assert_eq!(
        changed
            .iter()
            .find(|v| v.index == 1001)
            .and_then(|v| v.text()),
        Some("1")
    );
    let replaced = office
        .record(&registrar, "88.1.1/a", replace(values()))
        .await;
    assert_eq!(replaced.expect("replaced").len(), 4);
    office.close().await;
}

#[tokio::test]
async fn records_come_under_a_later_version_as_that_has_them() {
    let folder = tempfile::tempdir().expect("folder");
    let office = revised(folder.path()).await;
    let registrar = member(1, FirmRole::Registrar);
    // New records stand under the latest, unless they name another.
    let made = office.create(&registrar, "88.1.1/b", values()).await;
    let refusal = refused(made, Reason::TemplateFaults);
    assert_eq!(refusal.each_fault().len(), 2, "{:?}", refusal.each_fault());
    let older = [vec![version_value("1")], values()].concat();
    office
        .create(&registrar, "88.1.1/b", older)
        .await
        .expect("made");
    // To come under the latest version a record must be as that has it; what it has
    // of a disabled item it keeps.
    let newer = |more: Vec<_>| [vec![version_value("3")], values(), more].concat();
    let moved = office
        .record(&registrar, "88.1.1/a", replace(newer(Vec::new())))
        .await;
    refused(moved, Reason::ItemMissing);
    let code = vec![value(2020, "code", "c")];
    let moved = office
        .record(&registrar, "88.1.1/a", replace(newer(code.clone())))
        .await;
    assert_eq!(moved.expect("moved").len(), 5);
    let mut changed = newer(code);
    changed[3] = value(2010, "note", "other");
    let changed = office
        .record(&registrar, "88.1.1/a", replace(changed))
        .await;
    refused(changed, Reason::ItemDisabled);
    office.close().await;
}

#[tokio::test]
async fn a_version_takes_nothing_away() {
    let folder = tempfile::tempdir().expect("folder");
    let office = Office::new(folder.path());
    let first = office
        .template(&owner(1), TEMPLATE, create())
        .await
        .expect("made");
    let revise = |version, etag| TemplateAction::Revise { version, etag };
    let shorter = version(vec![text_item(2000, "title")]);
    let revised = office
        .template(&owner(1), TEMPLATE, revise(shorter, None))
        .await;
    let refusal = refused(revised, Reason::TemplateFaults);
    let faults: Vec<_> = refusal
        .each_fault()
        .iter()
        .map(|fault| fault.reason())
        .collect();
    assert_eq!(
        faults,
        [Reason::ItemChanged, Reason::ItemGone, Reason::ItemGone]
    );
    let same = office
        .template(&owner(1), TEMPLATE, revise(breaker(), None))
        .await;
    refused(same, Reason::TemplateUnchanged);
    let more = || {
        let items = [breaker().draft().items, vec![text_item(2030, "more")]].concat();
        version(items)
    };
    let stale = office
        .template(
            &owner(1),
            TEMPLATE,
            revise(more(), Some(first.revision() + 1)),
        )
        .await;
    refused(stale, Reason::StaleEtag);
    let etag = Some(first.revision());
    let revised = office
        .template(&owner(1), TEMPLATE, revise(more(), etag))
        .await
        .expect("revised");
    assert!(revised.revision() > first.revision());
    for (index, reason) in [(2031, Reason::ItemUnknown), (2030, Reason::ItemDisabled)] {
        let disable = || TemplateAction::DisableItem { index, etag: None };
        if reason == Reason::ItemDisabled {
            office
                .template(&owner(1), TEMPLATE, disable())
                .await
                .expect("disabled");
        }
        refused(
            office.template(&owner(1), TEMPLATE, disable()).await,
            reason,
        );
    }
    office.close().await;
}

#[tokio::test]
async fn a_sectors_templates_are_the_system_administrators() {
    let folder = tempfile::tempdir().expect("folder");
    let office = Office::new(folder.path());
    let sector = || TemplateAction::Create {
        firm: None,
        version: breaker(),
    };
    refused(
        office.template(&owner(1), "bearings", sector()).await,
        Reason::PermissionDenied,
    );
    refused(
        office.template(&administrator(), "valves", sector()).await,
        Reason::TemplateExists,
    );
    office
        .template(&administrator(), "bearings", sector())
        .await
        .expect("made");
    let disable = || TemplateAction::DisableItem {
        index: 2009,
        etag: None,
    };
    refused(
        office.template(&owner(1), "valves", disable()).await,
        Reason::PermissionDenied,
    );
    // What came with the node is the first version of what it becomes.
    let valves = office
        .template(&administrator(), "valves", disable())
        .await
        .expect("revised");
    assert_eq!(valves.latest().0, 2);
    let office = office.reopen(folder.path()).await;
    let list = |after, limit| {
        office
            .node
            .list_templates(&Caller::ANONYMOUS, None, after, limit)
    };
    let page = list(None, 100).expect("a list");
    let ids: Vec<_> = page
        .items
        .iter()
        .map(|template| template.id().as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "apparatus",
            "auto-parts",
            "bearings",
            "eyewear",
            "footwear",
            "garments",
            "valves"
        ]
    );
    let page = list(Some("eyewear"), 2).expect("a list");
    assert_eq!(page.items[0].id().as_str(), "footwear");
    assert_eq!(page.next.as_deref(), Some(&b"garments"[..]));
    assert_eq!(list(Some("garments"), 2).expect("a list").next, None);
    for firm in [1, 2] {
        let values = vec![under("bearings"), value(2000, "name", "a")];
        let made = office
            .create(&owner(firm), &format!("88.1.{firm}/b"), values)
            .await;
        assert!(made.is_ok(), "{made:?}");
    }
    office.close().await;
}

#[tokio::test]
async fn an_items_readers_are_those_of_its_values() {
    let folder = tempfile::tempdir().expect("folder");
    let office = Office::new(folder.path());
    let mut items = breaker().draft().items;
    items[1].readers = Some(vec!["firm:f2".to_owned()]);
    items[2].readers = Some(Vec::new());
    let action = TemplateAction::Create {
        firm: Some(firm(1)),
        version: version(items),
    };
    office
        .template(&owner(1), TEMPLATE, action)
        .await
        .expect("made");
    let registrar = member(1, FirmRole::Registrar);
    let serial = || [values(), vec![value(2005, "serial", "7")]].concat();
    let made = office
        .create(&registrar, "88.1.1/a", serial())
        .await
        .expect("made");
    let of = |values: &[Value], index| {
        let found = values.iter().find(|value| value.index == index);
        let value = found.expect("a value");
        (value.readers.clone(), value.permissions.public_read())
    };
    let named = |readers: &[Reader]| Some(Box::new(Readers::new(readers.to_vec()).expect("few")));
    let second = Reader::Firm(firm(2));
    assert_eq!(of(&made, 2000), (None, true));
    assert_eq!(
        of(&made, 2005),
        (named(std::slice::from_ref(&second)), false)
    );
    assert_eq!(of(&made, 2010), (named(&[]), false));
    // The same again changes nothing; readers of its own a value keeps.
    let again = office
        .record(&registrar, "88.1.1/a", replace(serial()))
        .await
        .expect("unchanged");
    assert_eq!(again, made);
    let mut own = serial();
    own[2].readers = named(&[second]);
    let changed = office
        .record(&registrar, "88.1.1/a", replace(own.clone()))
        .await
        .expect("changed");
    assert_eq!(of(&changed, 2010).0, own[2].readers);
    office.close().await;
}
