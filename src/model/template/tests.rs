//! Templates as a whole: drafts, checks and successors.

use super::draft::{DraftCode, DraftItem, DraftKind, DraftList};
use super::*;
use crate::model::fault::{Reason, Refusal};
use crate::model::record::{Permissions, Ttl, Value, ValueType};
use crate::model::time::Timestamp;

pub(super) fn item(index: u32, name: &str, kind: DraftKind) -> DraftItem {
    DraftItem {
        index,
        name: name.to_owned(),
        label: "数据项".to_owned(),
        note: String::new(),
        kind,
        required: false,
        unique: false,
        disabled: false,
        list: None,
        readers: None,
    }
}

pub(super) fn text(length_max: u32, pattern: Option<&str>) -> DraftKind {
    DraftKind::Text {
        length_min: None,
        length_max: Some(length_max),
        pattern: pattern.map(str::to_owned),
    }
}

pub(super) fn decimal(min: &str, max: &str, scale: Option<u8>, unit: &str) -> DraftKind {
    DraftKind::Decimal {
        min: Some(min.to_owned()),
        max: Some(max.to_owned()),
        scale,
        unit: unit.to_owned(),
    }
}

fn draft(items: Vec<DraftItem>) -> Draft {
    Draft {
        label: "断路器".to_owned(),
        industry: "C3823".to_owned(),
        items,
        ..Draft::default()
    }
}

pub(super) fn version(items: Vec<DraftItem>) -> Version {
    Version::new(&draft(items)).expect("sound")
}

pub(super) fn value(index: u32, value_type: &str, data: &str) -> Value {
    Value {
        index,
        value_type: ValueType::parse(value_type).expect("type"),
        data: data.as_bytes().to_vec(),
        ttl: Ttl::DEFAULT,
        permissions: Permissions::DEFAULT,
        changed: Timestamp::default(),
        references: Vec::new(),
        readers: None,
    }
}

fn reasons(faults: &[Refusal]) -> Vec<(Reason, &str)> {
    let both = |fault: &'_ Refusal| fault.reason();
    faults
        .iter()
        .map(|fault| (both(fault), fault.field_path()))
        .collect()
}

/// Texts that an item of `kind` takes, and others with why it does not.
fn check(kind: DraftKind, sound: &[&str], others: &[(&str, Reason)]) {
    let version = version(vec![item(2000, "x", kind)]);
    for text in sound {
        let seen = version.check(&[value(2000, "x", text)], Before::default());
        assert_eq!(seen, Ok(()), "{text:?}");
    }
    for (text, reason) in others {
        let seen = version.check(&[value(2000, "x", text)], Before::default());
        let faults = seen.expect_err(text);
        assert_eq!(reasons(&faults), [(*reason, "values[index=2000].data")]);
    }
}

#[test]
fn checks_texts_and_codes() {
    check(
        text(4, None),
        &["abcd", "断路器壳", "a\nb"],
        &[
            ("", Reason::ItemLength),
            ("abcde", Reason::ItemLength),
            ("a\u{1b}", Reason::ItemForm),
        ],
    );
    check(
        text(12, Some("[0-9]{3}/[0-9]{2,3}[ABCY]")),
        &["170/92A"],
        &[
            ("170/92", Reason::ItemPattern),
            (" 170/92A", Reason::ItemPattern),
        ],
    );
    let code = |code: &str| DraftCode {
        code: code.to_owned(),
        label: String::new(),
    };
    check(
        DraftKind::Code {
            codes: vec![code("1P"), code("2P")],
        },
        &["2P"],
        &[
            ("2p", Reason::ItemCodeUnknown),
            ("", Reason::ItemCodeUnknown),
        ],
    );
    check(
        DraftKind::Boolean {},
        &["true"],
        &[("TRUE", Reason::ItemForm), ("1", Reason::ItemForm)],
    );
}

#[test]
fn checks_numbers_and_units() {
    check(
        DraftKind::Integer {
            min: Some(0),
            max: None,
        },
        &["0", "9223372036854775807"],
        &[
            ("-1", Reason::ItemOutOfRange),
            ("007", Reason::ItemForm),
            ("1.0", Reason::ItemForm),
            ("9223372036854775808", Reason::ItemForm),
            ("", Reason::ItemForm),
            ("-", Reason::ItemForm),
        ],
    );
    check(
        decimal("0.5", "63", Some(1), "A"),
        &["16", "16A", "16 A", "0.50", "62.9"],
        &[
            ("16 mA", Reason::ItemForm),
            ("16  A", Reason::ItemForm),
            ("A", Reason::ItemForm),
            ("0.55", Reason::ItemForm),
            ("63.1A", Reason::ItemOutOfRange),
            ("0.4", Reason::ItemOutOfRange),
            ("1e1", Reason::ItemForm),
        ],
    );
}

#[test]
fn checks_times_addresses_digests_and_references() {
    check(
        DraftKind::Date {
            min: Some("2000-01-01".to_owned()),
            max: None,
        },
        &["2025-01-08"],
        &[
            ("1999-12-31", Reason::ItemOutOfRange),
            ("2025-02-29", Reason::ItemForm),
        ],
    );
    check(
        DraftKind::DateTime {
            min: None,
            max: Some("2025-01-08T00:00:00Z".to_owned()),
        },
        &["2025-01-08T08:00:00+08:00"],
        &[("2025-01-08T00:00:00-00:01", Reason::ItemOutOfRange)],
    );
    check(
        DraftKind::Url {},
        &["https://f7.wenzhou.example/p"],
        &[("javascript:alert(1)", Reason::ItemForm)],
    );
    let digits = "0123456789abcdef".repeat(4);
    check(
        DraftKind::Digest {
            algorithms: vec!["sm3".to_owned()],
        },
        &[&format!("sm3:{digits}")],
        &[
            (&format!("sha256:{digits}"), Reason::ItemForm),
            (&format!("sm3:{}", digits.to_uppercase()), Reason::ItemForm),
            ("sm3:", Reason::ItemForm),
        ],
    );
    check(
        DraftKind::Reference {
            prefixes: vec!["88.118".to_owned()],
        },
        &["88.118/x", "88.118.7/LOT-1", "300:88.118.7/App"],
        &[
            ("88.1189/x", Reason::ItemForm),
            ("88.118.7", Reason::ItemForm),
            ("x:88.118.7/a", Reason::ItemForm),
        ],
    );
}

#[test]
fn checks_each_element_of_a_list() {
    let mut listed = item(2000, "x", decimal("0", "9", None, "mm"));
    listed.list = Some(DraftList {
        count_min: Some(1),
        count_max: Some(3),
    });
    let version = version(vec![listed]);
    let seen = |data| {
        let values = [value(2000, "x", data)];
        let seen = version.check(&values, Before::default());
        seen.map_err(|faults| faults.iter().map(Refusal::reason).collect::<Vec<_>>())
    };
    assert_eq!(seen(r#"["1", "2.5mm"]"#), Ok(()));
    assert_eq!(seen("[]"), Err(vec![Reason::ItemCount]));
    assert_eq!(seen(r#"["1","2","3","4"]"#), Err(vec![Reason::ItemCount]));
    assert_eq!(
        seen(r#"["10", "2", "x"]"#),
        Err(vec![Reason::ItemOutOfRange, Reason::ItemForm])
    );
    for data in ["1", "[1]", r#"["1""#, "[[]]", r#"{"a":"1"}"#, "[[[[[[[[[["] {
        assert_eq!(seen(data), Err(vec![Reason::ItemForm]), "{data}");
    }
}

#[test]
fn says_every_fault_at_once() {
    let mut name = item(2000, "name", text(10, None));
    name.required = true;
    let mut model = item(2002, "model", text(10, None));
    model.required = true;
    let mut old = item(2003, "old", text(10, None));
    (old.disabled, old.required) = (true, true);
    let current = item(2100, "rated_current", decimal("0", "100", None, "A"));
    let version = version(vec![current, name, model, old]);
    let values = [
        value(1, "URL", "not the template's"),
        value(2000, "Name", "DZ47-63 C16 2P"),
        value(2003, "old", "x"),
        value(2100, "rated_current", "160A"),
        value(2999, "colour", "x"),
    ];
    let faults = version
        .check(&values, Before::default())
        .expect_err("faults");
    assert_eq!(
        reasons(&faults),
        [
            (Reason::ItemMissing, "values[index=2002]"),
            (Reason::ItemTypeWrong, "values[index=2000].type"),
            (Reason::ItemLength, "values[index=2000].data"),
            (Reason::ItemDisabled, "values[index=2003].index"),
            (Reason::ItemOutOfRange, "values[index=2100].data"),
            (Reason::ItemUnknown, "values[index=2999].index"),
        ]
    );
    assert_eq!(
        faults[4].to_string(),
        "value \"160A\" is out of the range of item rated_current: 0 to 100 A"
    );
    let sum = refusal_of(faults).expect("a refusal").within("requests[7]");
    assert_eq!(sum.to_string(), "6 faults, each of them listed");
    assert_eq!(
        sum.each_fault()[0].field_path(),
        "requests[7].values[index=2002]"
    );
    assert_eq!(refusal_of(Vec::new()), None);
    let one = Refusal::new(Reason::ItemMissing);
    assert_eq!(refusal_of(vec![one.clone()]), Some(one));
}

#[test]
fn lists_no_more_faults_than_a_refusal_holds() {
    let version = version(vec![item(2000, "name", text(10, None))]);
    let values: Vec<Value> = (3000..5000).map(|index| value(index, "x", "")).collect();
    let faults = version
        .check(&values, Before::default())
        .expect_err("faults");
    assert_eq!(faults.len(), crate::model::limits::FAULTS_MAX);
}

#[test]
fn judges_what_a_record_has_already_no_more() {
    let mut old = item(2003, "old", text(10, None));
    old.disabled = true;
    let version = version(vec![item(2000, "name", text(3, None)), old]);
    let stored = [value(2000, "name", "too long"), value(2003, "old", "x")];
    let before = |is_same_version| Before {
        values: &stored,
        is_same_version,
    };
    assert_eq!(version.check(&stored, before(true)), Ok(()));
    // What another version let in counts, but is not shown to who may not read it.
    let faults = version.check(&stored, before(false)).expect_err("too long");
    assert_eq!(
        reasons(&faults),
        [(Reason::ItemLength, "values[index=2000].data")]
    );
    assert!(
        !faults[0].to_string().contains("too long\""),
        "{}",
        faults[0]
    );
    let changed = [value(2000, "name", "abc"), value(2003, "old", "y")];
    let faults = version.check(&changed, before(true)).expect_err("disabled");
    assert_eq!(
        reasons(&faults),
        [(Reason::ItemDisabled, "values[index=2003].index")]
    );
}

#[test]
fn finds_what_must_be_unique_by_its_meaning() {
    let mut current = item(2001, "current", decimal("0", "100", None, "A"));
    current.unique = true;
    let mut serials = item(2000, "serials", text(10, None));
    serials.unique = true;
    serials.list = Some(DraftList::default());
    let version = version(vec![serials, current]);
    let of = |serials: &str, current: &str| {
        version.uniques(&[
            value(2000, "serials", serials),
            value(2001, "current", current),
        ])
    };
    let expected = vec![
        (2000, "a".to_owned()),
        (2000, "b".to_owned()),
        (2001, "1.5".to_owned()),
    ];
    assert_eq!(of(r#"["a","b"]"#, "1.50 A"), expected);
    assert_eq!(of(r#"["a"]"#, "x"), expected[..1]);
    let twice = version.check(&[value(2000, "serials", r#"["a","a"]"#)], Before::default());
    assert_eq!(
        twice.map_err(|faults| faults[0].reason()),
        Err(Reason::ItemForm)
    );
}

fn refused(draft: &Draft) -> Vec<String> {
    let refusals = Version::new(draft).expect_err("unsound");
    refusals
        .iter()
        .for_each(|r| assert_eq!(r.reason(), Reason::FieldInvalid));
    refusals.iter().map(|r| r.field_path().to_owned()).collect()
}

#[test]
fn refuses_an_unsound_draft_with_every_fault() {
    let mut broken = draft(vec![
        item(1999, "HS_SITE", text(0, Some(r"\d"))),
        item(2000, "a b", decimal("2", "x", Some(15), "5A")),
        item(2000, "URL", DraftKind::Code { codes: Vec::new() }),
        item(
            2001,
            "url",
            DraftKind::Integer {
                min: Some(2),
                max: Some(1),
            },
        ),
        item(2002, "flag", DraftKind::Boolean {}),
        item(
            2003,
            "digest",
            DraftKind::Digest {
                algorithms: vec!["md5".to_owned()],
            },
        ),
        item(
            2004,
            "list",
            DraftKind::Reference {
                prefixes: vec!["/".to_owned()],
            },
        ),
    ]);
    broken.label = " ".to_owned();
    assert_eq!(refused(&broken), ["label"]);
    broken.label = "断路器".to_owned();
    broken.items[4].unique = true;
    broken.items[5].readers = Some(vec!["firm:f1".to_owned(), "f2".to_owned()]);
    broken.items[6].list = Some(DraftList {
        count_min: Some(3),
        count_max: Some(2),
    });
    assert_eq!(
        refused(&broken),
        [
            "items[0].index",
            "items[0].name",
            "items[0].kind.length_max",
            "items[0].kind.pattern",
            "items[1].name",
            "items[1].kind.max",
            "items[1].kind.scale",
            "items[1].kind.unit",
            "items[2].kind.codes",
            "items[3].kind.max",
            "items[4].unique",
            "items[5].readers[1]",
            "items[5].kind.algorithms[0]",
            "items[6].list.count_min",
            "items[6].kind.prefixes[0]",
            "items[2].index",
            "items[3].name",
        ]
    );
    for industry in ["c3823", "C3", "U10", "C38234", "3823", "C３８"] {
        let mut draft = draft(vec![item(2000, "name", text(1, None))]);
        draft.industry = industry.to_owned();
        assert_eq!(refused(&draft), ["industry"], "{industry}");
    }
}

#[test]
fn refuses_what_is_too_large() {
    assert_eq!(refused(&draft(Vec::new())), ["items"]);
    let name = |index: u32| format!("n{index}");
    let many = (0..513).map(|at| item(2000 + at, &name(at), text(1, None)));
    assert_eq!(refused(&draft(many.collect())), ["items"]);
    let patterns = (0..33).map(|at| item(2000 + at, &name(at), text(1, Some("a"))));
    assert_eq!(refused(&draft(patterns.collect())), ["items"]);
    let long = DraftCode {
        code: "c".repeat(100),
        label: "l".repeat(100),
    };
    let codes = DraftKind::Code {
        codes: vec![long; 512],
    };
    let large = (0..4).map(|at| item(2000 + at, &name(at), codes.clone()));
    assert_eq!(refused(&draft(large.collect())), ["items"]);
}

#[test]
fn a_later_version_keeps_every_item() {
    let first = version(vec![
        item(2000, "name", text(10, None)),
        item(2001, "weight", decimal("0", "9", None, "kg")),
        item(2002, "note", text(9, None)),
        item(2003, "size", text(9, None)),
    ]);
    let mut listed = item(2003, "size", text(9, None));
    listed.list = Some(DraftList::default());
    let later = version(vec![
        item(2000, "title", text(10, None)),
        item(2001, "weight", decimal("0", "9", None, "g")),
        listed,
        item(2004, "more", text(9, None)),
    ]);
    let refusals = first.check_successor(&later).expect_err("changed");
    let shown: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "the name of item \"name\" may not change",
            "the unit of item \"weight\" may not change",
            "item \"note\" at index 2002 of the version before is missing: items are disabled, never deleted",
            "the list of item \"size\" may not change",
        ]
    );
    // Rules may change: records stay under the version that they name.
    let mut draft = first.draft();
    draft.items[0].kind = text(5, Some("[a-z]+"));
    draft.items.push(item(2004, "more", text(9, None)));
    let later = Version::new(&draft).expect("sound");
    assert_eq!(first.check_successor(&later), Ok(()));
    let shared = later.sharing(&first);
    assert!(std::sync::Arc::ptr_eq(
        &shared.items()[1],
        &first.items()[1]
    ));
    assert!(!std::sync::Arc::ptr_eq(
        &shared.items()[0],
        &first.items()[0]
    ));
}

#[test]
fn disables_an_item_once() {
    let first = version(vec![item(2000, "name", text(10, None))]);
    let later = first.without(2000).expect("an item");
    assert_eq!(first.check_successor(&later), Ok(()));
    assert_eq!(later.item(2000).map(Item::state), Some(ItemState::Disabled));
    let reason = |version: &Version, index| version.without(index).map_err(|r| r.reason());
    assert_eq!(reason(&later, 2000), Err(Reason::ItemDisabled));
    assert_eq!(reason(&later, 2001), Err(Reason::ItemUnknown));
}

#[test]
fn every_sector_has_a_sound_template() {
    let ids: Vec<_> = sector::all().map(|(id, _)| id).collect();
    assert_eq!(
        ids,
        [
            "apparatus",
            "auto-parts",
            "eyewear",
            "footwear",
            "garments",
            "valves"
        ]
    );
    let core = [
        2000, 2001, 2002, 2003, 2004, 2005, 2006, 2007, 2008, 2009, 2010, 2011, 2015, 2016,
    ];
    for (id, version) in sector::all() {
        let indices = version.items().iter().map(|item| item.index());
        assert_eq!(
            indices.take_while(|i| *i < 2100).collect::<Vec<_>>(),
            core,
            "{id}"
        );
        assert!(version.sources().count() >= 4 && version.industry().starts_with('C'));
        assert_eq!(
            Version::new(&version.draft()).as_ref(),
            Ok(version.as_ref()),
            "{id}"
        );
        let schema = version.schema(&format!("urn:idnode:template:{id}:1"));
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{id}");
    }
    assert!(sector::find("valves").is_some() && sector::find("shoes").is_none());
}
