//! Rights against what they are meant to be, and against a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::{Permissions, SuffixCase, Timestamp, Ttl, ValueType};

const ALL: u16 = 0x0fff;
const APP: &str = "300:88.118.7/App_erp";

/// Records by key; every prefix but `99` is served.
#[derive(Default)]
struct Stored {
    records: HashMap<Key, Arc<Record>>,
    holders: HashMap<String, FirmId>,
    reads: std::cell::Cell<usize>,
}

impl Records for Stored {
    fn key(&self, identifier: &Identifier) -> Option<Key> {
        let served = identifier.prefix().as_str() != "99";
        served.then(|| identifier.key(SuffixCase::Folded))
    }

    fn record(&self, key: &Key) -> Result<Option<Arc<Record>>, Error> {
        self.reads.set(self.reads.get() + 1);
        Ok(self.records.get(key).cloned())
    }

    fn holder(&self, prefix: &Prefix) -> Option<FirmId> {
        self.holders.get(prefix.as_str()).cloned()
    }
}

impl Stored {
    fn of(records: impl IntoIterator<Item = Record>) -> Self {
        let key = |record: &Record| record.identifier.key(SuffixCase::Folded);
        let records = records.into_iter();
        Self {
            records: records.map(|r| (key(&r), Arc::new(r))).collect(),
            ..Self::default()
        }
    }
}

fn identifier(text: &str) -> Identifier {
    Identifier::parse(text).expect("an identifier")
}

fn reference(text: &str) -> Reference {
    Reference::parse(text).expect("a reference")
}

fn caller(text: &str) -> Caller {
    Caller::of(Who::Identity(Identity::new(reference(text), false)))
}

fn value(index: u32, value_type: &str, data: Vec<u8>) -> Value {
    Value {
        index,
        value_type: ValueType::parse(value_type).expect("a type"),
        data,
        ttl: Ttl::DEFAULT,
        permissions: Permissions::DEFAULT,
        readers: None,
        changed: Timestamp::default(),
        references: Vec::new(),
    }
}

fn admin(index: u32, bits: u16, named: &str) -> Value {
    let admin = Admin {
        permissions: AdminPermissions::from_bits(bits),
        reference: reference(named),
    };
    value(index, "HS_ADMIN", admin.encode())
}

fn list<S: AsRef<str>>(index: u32, members: &[S]) -> Value {
    let references = members.iter().map(|text| reference(text.as_ref()));
    let list = ReferenceList {
        references: references.collect(),
    };
    value(index, "HS_VLIST", list.encode())
}

fn record(text: &str, mut values: Vec<Value>) -> Record {
    values.sort_by_key(|value| value.index);
    Record {
        identifier: identifier(text),
        values,
        readers: None,
        revision: 1,
        created: Timestamp::default(),
        changed: Timestamp::default(),
    }
}

/// What comes of an operation: `Ok`, or the reason and what it names.
fn outcome(
    caller: &Caller,
    stored: &Stored,
    operation: Operation<'_>,
) -> Result<(), (Reason, String)> {
    permit_record(caller, stored, operation).map_err(|denied| match denied {
        Denied::Refused(refusal) => (refusal.reason(), refusal.shown_limit().to_owned()),
        Denied::Store(error) => panic!("{error}"),
    })
}

fn check(stored: &Stored, operation: Operation<'_>, expected: Result<(), (Reason, &str)>) {
    let seen = outcome(&caller(APP), stored, operation);
    let expected = expected.map_err(|(reason, limit)| (reason, limit.to_owned()));
    assert_eq!(seen, expected, "{operation:?}");
}

#[test]
fn others_need_no_record() {
    let stored = Stored::default();
    let subject = identifier("88.118.7/1");
    let operator = Caller::system_administrator("k");
    let named = Caller::of(Who::Identity(Identity::new(reference(APP), true)));
    for caller in [operator, named] {
        let created = outcome(&caller, &stored, Operation::Create(&subject));
        assert_eq!(created, Ok(()));
    }
    let anonymous = outcome(&Caller::ANONYMOUS, &stored, Operation::Create(&subject));
    assert_eq!(anonymous.unwrap_err().0, Reason::KeyRequired);
}

#[test]
fn the_record_of_the_prefix_grants_registration() {
    let subject = identifier("88.118.7/1");
    let create = Operation::Create(&subject);
    let with = |bits| {
        let values = vec![admin(100, bits, APP)];
        Stored::of([record("0.NA/88.118.7", values)])
    };
    check(&with(AdminPermissions::ADD_HANDLE), create, Ok(()));
    check(&with(ALL), create, Ok(()));
    let missing = Err((Reason::PermissionDenied, "needs ADD_HANDLE"));
    check(&with(ALL & !AdminPermissions::ADD_HANDLE), create, missing);
    let nobody = Err((Reason::NotAdmin, "0.NA/88.118.7"));
    check(&Stored::default(), create, nobody);
    let other = Stored::of([record("0.NA/88.118", vec![admin(100, ALL, APP)])]);
    check(&other, create, nobody);
}

#[test]
fn the_nearest_prefix_above_grants_prefixes() {
    let subject = record("0.NA/88.118.7", vec![admin(100, 0, APP)]);
    let (add, delete) = (
        AdminPermissions::ADD_DERIVED_PREFIX,
        AdminPermissions::DELETE_DERIVED_PREFIX,
    );
    let create = Operation::Create(&subject.identifier);
    let above = |text, bits| record(text, vec![admin(100, bits, APP)]);
    check(&Stored::of([above("0.NA/88.118", add)]), create, Ok(()));
    check(&Stored::of([above("0.NA/88", add)]), create, Ok(()));
    check(&Stored::of([above("0.NA/0.NA", add)]), create, Ok(()));
    let hidden = Stored::of([above("0.NA/88", add), record("0.NA/88.118", vec![])]);
    let nobody = Err((Reason::NotAdmin, "0.NA/88.118, 0.NA/0.NA"));
    check(&hidden, create, nobody);
    let handles = Stored::of([above("0.NA/88.118", ALL & !add)]);
    let missing = Err((Reason::PermissionDenied, "needs ADD_NA"));
    check(&handles, create, missing);

    let operation = Operation::Delete(&subject);
    check(
        &Stored::of([above("0.NA/88.118", delete)]),
        operation,
        Ok(()),
    );
    let missing = Err((Reason::PermissionDenied, "needs DELETE_NA"));
    check(&Stored::default(), operation, missing);
    let itself = record("0.NA/88.118.7", vec![admin(100, delete, APP)]);
    check(&Stored::default(), Operation::Delete(&itself), Ok(()));
}

#[test]
fn the_record_and_its_prefix_grant_changes() {
    let operation = |record| Operation::Change(record, AdminPermissions::ADD_VALUE);
    let own = record(
        "88.118.7/1",
        vec![admin(100, AdminPermissions::ADD_VALUE, APP)],
    );
    check(&Stored::default(), operation(&own), Ok(()));
    let bare = record("88.118.7/1", vec![value(1, "URL", vec![])]);
    let nobody = Err((Reason::NotAdmin, "88.118.7/1, 0.NA/88.118.7"));
    check(&Stored::default(), operation(&bare), nobody);
    let of_prefix = Stored::of([record("0.NA/88.118.7", vec![admin(100, ALL, APP)])]);
    check(&of_prefix, operation(&bare), Ok(()));
    check(&of_prefix, Operation::Delete(&bare), Ok(()));
    check(&of_prefix, Operation::Read(&bare), Ok(()));
    check(
        &of_prefix,
        Operation::List(bare.identifier.prefix()),
        Ok(()),
    );
    let missing = Err((Reason::PermissionDenied, "needs DELETE_HANDLE"));
    check(&Stored::default(), Operation::Delete(&own), missing);
}

#[test]
fn one_admin_value_must_grant_all() {
    let (add, modify) = (AdminPermissions::ADD_VALUE, AdminPermissions::MODIFY_VALUE);
    let halves = record(
        "88.118.7/1",
        vec![
            admin(100, add, APP),
            admin(101, modify | AdminPermissions::REMOVE_VALUE, APP),
            admin(102, ALL, "301:88.118.7/App_erp"),
        ],
    );
    let needs = add | modify | AdminPermissions::REMOVE_VALUE;
    let missing = Err((Reason::PermissionDenied, "needs ADD_VALUE"));
    check(
        &Stored::default(),
        Operation::Change(&halves, needs),
        missing,
    );
}

#[test]
fn an_admin_is_a_key_a_record_or_a_list() {
    let named = |named: &str, others: Vec<Record>| {
        let subject = record("88.118.7/1", vec![admin(100, ALL, named)]);
        outcome(
            &caller(APP),
            &Stored::of(others),
            Operation::Delete(&subject),
        )
        .is_ok()
    };
    assert!(named("300:88.118.7/APP_ERP", vec![]));
    assert!(named("0:88.118.7/App_erp", vec![]));
    assert!(!named("301:88.118.7/App_erp", vec![]));
    assert!(!named("300:88.118.8/App_erp", vec![]));
    assert!(!named("300:99/App_erp", vec![]));

    let group = |members: &[&str]| record("0.NA/88.118.7", vec![list(200, members)]);
    assert!(named("200:0.NA/88.118.7", vec![group(&[APP])]));
    assert!(named(
        "200:0.NA/88.118.7",
        vec![group(&["0:88.118.7/App_erp"])]
    ));
    assert!(!named(
        "200:0.NA/88.118.7",
        vec![group(&["301:88.118.7/x"])]
    ));
    assert!(!named("201:0.NA/88.118.7", vec![group(&[APP])]));
    assert!(!named("0:0.NA/88.118.7", vec![group(&[APP])]));
    let no_list = record("0.NA/88.118.7", vec![value(200, "DESC", vec![])]);
    assert!(!named("200:0.NA/88.118.7", vec![no_list]));
    let garbled = record("0.NA/88.118.7", vec![value(200, "HS_VLIST", vec![7])]);
    assert!(!named("200:0.NA/88.118.7", vec![garbled]));

    let outer = record(
        "0.NA/88.118",
        vec![list(1, &["1:88/x", "200:0.NA/88.118.7"])],
    );
    assert!(named("1:0.NA/88.118", vec![outer, group(&[APP])]));
    let cycle = group(&["200:0.NA/88.118.7", "200:0.NA/88.118.7"]);
    assert!(!named("200:0.NA/88.118.7", vec![cycle]));
}

#[test]
fn an_identity_that_is_no_longer_served_has_no_rights() {
    let subject = record("88.118.7/1", vec![admin(100, ALL, "300:99/x")]);
    let caller = caller("300:99/x");
    let seen = outcome(&caller, &Stored::default(), Operation::Delete(&subject));
    assert_eq!(seen.unwrap_err().0, Reason::NotAdmin);
}

/// A chain of lists, the last of which names [`APP`].
fn chain(count: usize) -> Stored {
    let link = |at: usize| {
        let next = format!("1:88.118.9/{}", at + 1);
        let next = if at + 1 == count { APP } else { &next };
        record(&format!("88.118.9/{at}"), vec![list(1, &[next])])
    };
    Stored::of((0..count).map(link))
}

#[test]
fn lists_are_followed_so_far_and_no_further() {
    let subject = record("88.118.7/1", vec![admin(100, ALL, "1:88.118.9/0")]);
    let delete = |stored: &Stored| outcome(&caller(APP), stored, Operation::Delete(&subject));
    assert!(delete(&chain(DEPTH_MAX)).is_ok());
    assert!(delete(&chain(DEPTH_MAX + 1)).is_err());

    // Each member costs a read, lest it be a list.
    let members: Vec<_> = (0..4000).map(|at| format!("1:88.118.8/{at}")).collect();
    let wide = Stored::of([record("88.118.9/0", vec![list(1, &members)])]);
    assert!(delete(&wide).is_err());
    assert!(wide.reads.get() <= LISTS_MAX + 2, "{}", wide.reads.get());
    let mut last = members;
    last.push(APP.to_owned());
    let wide = Stored::of([record("88.118.9/0", vec![list(1, &last)])]);
    assert!(delete(&wide).is_ok(), "the identity itself costs none");

    let padding = || value(2, "DESC", vec![0; LIST_BYTES_MAX]);
    let members = ["1:88.118.8/a", "1:88.118.8/b"];
    let large = Stored::of([
        record("88.118.9/0", vec![list(1, &members)]),
        record("88.118.8/a", vec![list(1, &["1:88/x"]), padding()]),
        record("88.118.8/b", vec![list(1, &[APP])]),
    ]);
    assert!(delete(&large).is_err());
}

#[test]
fn each_change_of_a_value_needs_its_own_right() {
    let (plain, other) = (value(1, "URL", vec![]), value(1, "DESC", vec![]));
    let (second, admin) = (admin(1, 0, APP), admin(1, ALL, APP));
    let bits = |before, after| names(value_bits(before, after));
    assert_eq!(bits(None, None), "");
    assert_eq!(bits(None, Some(&plain)), "ADD_VALUE");
    assert_eq!(bits(None, Some(&admin)), "ADD_ADMIN");
    assert_eq!(bits(Some(&plain), None), "REMOVE_VALUE");
    assert_eq!(bits(Some(&second), None), "REMOVE_ADMIN");
    assert_eq!(bits(Some(&plain), Some(&other)), "MODIFY_VALUE");
    assert_eq!(bits(Some(&second), Some(&admin)), "MODIFY_ADMIN");
    assert_eq!(bits(Some(&plain), Some(&admin)), "REMOVE_VALUE, ADD_ADMIN");
    assert_eq!(bits(Some(&admin), Some(&plain)), "ADD_VALUE, REMOVE_ADMIN");
}

#[test]
fn a_replacement_needs_what_differs() {
    let mut secret = value(3, "DESC", b"hidden".to_vec());
    secret.permissions = Permissions::from_bits(Permissions::ADMIN_READ | Permissions::ADMIN_WRITE);
    let public = || vec![value(1, "URL", b"a".to_vec()), value(2, "DESC", vec![])];
    let before = record("88.118.7/1", public());
    let bits = |record: &Record, values: Vec<Value>| names(replace_bits(record, &values));
    assert_eq!(bits(&before, public()), "MODIFY_VALUE");
    let mut values = public();
    values.push(value(4, "DESC", vec![]));
    assert_eq!(bits(&before, values), "ADD_VALUE");
    let values = vec![value(1, "URL", b"b".to_vec()), admin(5, ALL, APP)];
    let needs = "MODIFY_VALUE, REMOVE_VALUE, ADD_ADMIN";
    assert_eq!(bits(&before, values), needs);

    // Whether a guess of what is hidden is right must not show.
    let mut with_secret = public();
    with_secret.push(secret.clone());
    let before = record("88.118.7/1", with_secret);
    for guess in [b"hidden".to_vec(), b"wrong".to_vec()] {
        let guessed = Value {
            data: guess,
            ..secret.clone()
        };
        let mut values = public();
        values.extend([guessed, value(4, "DESC", vec![])]);
        assert_eq!(bits(&before, values), "MODIFY_VALUE, ADD_VALUE");
    }
}

#[test]
fn whoever_may_delete_may_replace() {
    let grant = |bits| record("88.118.7/1", vec![admin(100, bits, APP)]);
    let values = [value(1, "URL", vec![])];
    let deletes = grant(AdminPermissions::DELETE_HANDLE);
    let replace = Operation::Replace(&deletes, &values);
    check(&Stored::default(), replace, Ok(()));
    let precise = grant(AdminPermissions::REMOVE_ADMIN | AdminPermissions::ADD_VALUE);
    let replace = Operation::Replace(&precise, &values);
    check(&Stored::default(), replace, Ok(()));
    let less = grant(AdminPermissions::ADD_VALUE);
    let replace = Operation::Replace(&less, &values);
    let missing = Err((Reason::PermissionDenied, "needs REMOVE_ADMIN"));
    check(&Stored::default(), replace, missing);
}

/// Who is named by what, as plainly as it can be said: lists below lists as far
/// as [`DEPTH_MAX`], with none of the other bounds.
fn is_named(lists: &BTreeMap<u8, Vec<Member>>, member: Member, who: Member, depth: usize) -> bool {
    if member == who || member.index == 0 && member.record == who.record {
        return true;
    }
    if depth == 0 || member.index != 200 {
        return false;
    }
    let below = lists.get(&member.record).map(Vec::as_slice);
    let mut below = below.unwrap_or_default().iter();
    below.any(|below| is_named(lists, *below, who, depth - 1))
}

/// A value of the record `88.118.7/<record>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    record: u8,
    index: u32,
}

impl Member {
    fn text(self) -> String {
        let Self { record, index } = self;
        format!("{index}:88.118.7/{record}")
    }
}

fn any_member() -> impl Strategy<Value = Member> {
    let index = prop_oneof![2 => Just(200), 1 => Just(300), 1 => Just(0)];
    (0u8..5, index).prop_map(|(record, index)| Member { record, index })
}

proptest! {
    #[test]
    fn rights_are_those_of_a_plain_map(
        lists in proptest::collection::btree_map(0u8..5, proptest::collection::vec(any_member(), 0..3), 0..5),
        own in proptest::collection::vec((any_member(), 0u16..4), 0..3),
        of_prefix in proptest::collection::vec((any_member(), 0u16..4), 0..3),
        who in 0u8..5,
        needed in 1u16..4,
    ) {
        let who = Member { record: who, index: 300 };
        let admins = |admins: &[(Member, u16)]| {
            let admin = |(at, (member, bits)): (usize, &(Member, u16))| {
                admin(u32::try_from(at).unwrap() + 1, *bits, &member.text())
            };
            admins.iter().enumerate().map(admin).collect::<Vec<_>>()
        };
        let mut records = vec![record("0.NA/88.118.7", admins(&of_prefix))];
        for (at, members) in &lists {
            let members: Vec<_> = members.iter().map(|member| member.text()).collect();
            records.push(record(&format!("88.118.7/{at}"), vec![list(200, &members)]));
        }
        let subject = record("88.118.7/subject", admins(&own));
        let named = |(member, _): &&(Member, u16)| is_named(&lists, *member, who, DEPTH_MAX);
        let naming: Vec<_> = own.iter().chain(&of_prefix).filter(named).collect();
        let expected = if naming.iter().any(|(_, bits)| bits & needed == needed) {
            None
        } else if naming.is_empty() {
            Some(Reason::NotAdmin)
        } else {
            Some(Reason::PermissionDenied)
        };
        let stored = Stored::of(records);
        let seen = outcome(&caller(&who.text()), &stored, Operation::Change(&subject, needed));
        prop_assert_eq!(seen.err().map(|(reason, _)| reason), expected);
    }
}
