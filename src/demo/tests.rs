//! The generator is held to what its users rely on.

use std::collections::HashSet;

use super::*;
use crate::model::data::{Admin, ReferenceList};
use crate::model::record::checked_values;
use crate::model::{OwnerName, SuffixCase};

#[test]
fn names_each_identifier_once_and_makes_sound_records() {
    let demo = Demo::new(1, 30_000);
    let mut keys = HashSet::new();
    let (mut escaped, mut bytes) = (0, 0);
    for position in 0..demo.identifiers() {
        let (identifier, values) = demo.record(position);
        assert_eq!(identifier, demo.identifier(position));
        assert!(
            keys.insert(identifier.key(SuffixCase::Folded)),
            "{identifier} twice"
        );
        assert!(
            (3..=12).contains(&values.len()),
            "{identifier}: {}",
            values.len()
        );
        assert_eq!(values[0].index, 1);
        bytes += values.iter().map(|v| v.data.len()).sum::<usize>();
        assert_eq!(checked_values(values.clone()), Ok(values));
        let name = OwnerName::of(&identifier, SuffixCase::Folded, 12).expect("fits a name");
        escaped += usize::from(name.is_escaped());
    }
    assert!((300..900).contains(&escaped), "about 2 %: {escaped}");
    let average = bytes / 30_000;
    assert!(
        (180..=600).contains(&average),
        "{average} bytes of data on average"
    );
}

#[test]
fn is_the_same_for_the_same_seed_only() {
    let (demo, same, other) = (
        Demo::new(7, 1_000),
        Demo::new(7, 1_000),
        Demo::new(8, 1_000),
    );
    assert!((0..1_000).all(|at| demo.record(at) == same.record(at)));
    assert!((0..1_000).any(|at| demo.record(at) != other.record(at)));
}

#[test]
fn gives_any_of_a_hundred_million_on_its_own() {
    let demo = Demo::new(1, 100_000_000);
    let (identifier, _) = demo.record(99_999_999);
    assert_eq!(identifier.prefix().as_str(), "88.118.400");
    let beyond = demo.identifier(100_000_000);
    let known = demo
        .prefixes()
        .any(|(prefix, _)| prefix == *beyond.prefix());
    assert!(known, "{beyond} stands under a prefix of the data");
}

#[test]
fn each_firm_administers_its_own_prefix() {
    let demo = Demo::new(1, 2_000);
    let records: Vec<_> = demo.administration().collect();
    assert_eq!(
        records,
        Demo::new(1, 2_000).administration().collect::<Vec<_>>()
    );
    assert_eq!(records.len(), 2 * demo.firms().len());
    let mut secrets = HashSet::new();
    for (firm, pair) in demo.firms().iter().zip(records.chunks(2)) {
        let (of_prefix, values) = &pair[0];
        assert_eq!(of_prefix.to_string(), format!("0.NA/{}", firm.prefix()));
        assert_eq!(checked_values(values.clone()).as_ref(), Ok(values));
        let admin = Admin::decode(&values[0].data).expect("an administrator");
        let list = values
            .iter()
            .find(|value| value.index == admin.reference.index)
            .map(|value| ReferenceList::decode(&value.data).expect("a list"));
        assert_eq!(&admin.reference.identifier, of_prefix);
        let (identity, secret) = demo.administrator(firm);
        assert!(list.expect("there").references.contains(&identity));
        let (holder, values) = &pair[1];
        assert_eq!(holder, &identity.identifier);
        assert_eq!(checked_values(values.clone()).as_ref(), Ok(values));
        let key = values.iter().find(|value| value.index == identity.index);
        let key = key.expect("a key");
        assert_eq!(key.text(), Some(secret.as_str()));
        assert!(!key.permissions.public_read());
        assert!(secret.len() == 20 && secrets.insert(secret));
    }
}

#[test]
fn names_firms_that_are_nobody() {
    // Brands of the region, none of which may come out by chance.
    let taken = [
        "正泰",
        "德力西",
        "人民",
        "康奈",
        "奥康",
        "森马",
        "报喜鸟",
        "意尔康",
        "天正",
        "红蜻蜓",
        "超达",
        "伯特利",
        "宣达",
        "瑞立",
        "华峰",
        "嘉隆",
        "法派",
        "庄吉",
    ];
    let demo = Demo::new(1, 100_000_000);
    let mut names = HashSet::new();
    for firm in demo.firms() {
        assert!(names.insert(firm.brand.clone()), "{} twice", firm.name);
        assert!(
            taken.iter().all(|brand| !firm.name.contains(brand)),
            "{}",
            firm.name
        );
    }
    assert_eq!(names.len(), 1_200);
    assert!(demo.firms().len() < usize::try_from(firm::NAME_COUNT).expect("small"));
}

#[test]
fn dates_are_those_of_the_calendar() {
    assert_eq!(date(0), "19700101");
    assert_eq!(date(FIRST_DAY), "20230102");
    assert_eq!(date(19_782), "20240229");
    assert_eq!(date(19_783), "20240301");
    assert_eq!(dashed("20250108"), "2025-01-08");
}
