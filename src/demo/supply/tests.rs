//! The chain is held to what its story says.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::model::record::checked_values;

fn supply() -> Supply {
    Demo::new(1, 2_000).supply()
}

/// Input and output of a link, as a trace takes it.
fn ends(link: &SupplyLink) -> (&Identifier, &Identifier) {
    match link.kind.leaning() {
        crate::model::link::Leaning::Down => (&link.source, &link.target),
        _ => (&link.target, &link.source),
    }
}

#[test]
fn is_the_same_for_the_same_seed() {
    assert_eq!(supply().links(), supply().links());
    let other = Demo::new(2, 2_000).supply();
    assert_ne!(supply().links(), other.links());
    assert_eq!(supply().story(), other.story());
}

#[test]
fn has_five_tiers_and_hundreds_of_links() {
    let supply = supply();
    assert_eq!(supply.firms().len(), 12);
    let mut tiers = [0; 5];
    let mut keys = HashSet::new();
    for (firm, identifier, values) in supply.records() {
        assert!(keys.insert(identifier.to_string()), "{identifier} twice");
        assert_eq!(identifier.prefix().as_str(), supply.firms()[firm].prefix());
        assert_eq!(checked_values(values.clone()), Ok(values));
        tiers[supply.tier(&identifier).expect("its tier")] += 1;
    }
    assert_eq!(tiers, [10, 17, 120, 24, 22]);
    assert_eq!(supply.links().len(), 658);
}

#[test]
fn every_end_but_one_is_a_record_and_no_link_leads_back() {
    let supply = supply();
    let (mut dangling, mut names) = (Vec::new(), HashSet::new());
    for link in supply.links() {
        let (input, output) = ends(link);
        let name = format!("{} {} {}", link.source, link.kind, link.target);
        assert!(names.insert(name.clone()), "{name} twice");
        assert_eq!(link.facts.check(), Ok(()));
        let prefix = supply.firms()[link.firm].prefix();
        assert_eq!(link.source.prefix().as_str(), prefix, "{name}");
        match (supply.tier(input), supply.tier(output)) {
            // Cartons and pallets are of one tier; a pallet is packed in nothing.
            (Some(4), Some(4)) => assert!(output.to_string().contains("PLT"), "{name}"),
            (Some(above), Some(below)) => assert!(above < below, "{name}"),
            _ => dangling.push(name),
        }
    }
    assert_eq!(dangling.len(), 1, "{dangling:?}");
    let of = |find: fn(&Answer) -> bool| {
        let answers = supply
            .links()
            .iter()
            .filter_map(|link| link.answer.as_ref());
        answers.filter(|answer| find(answer)).count()
    };
    assert_eq!(of(|answer| matches!(answer, Answer::Disputed { .. })), 1);
    assert!(of(|answer| matches!(answer, Answer::Confirmed { .. })) > 100);
}

#[test]
fn the_bad_lot_reaches_some_and_not_all() {
    let supply = supply();
    let Story { lot, pallet } = supply.story();
    let mut below: HashMap<&Identifier, Vec<&Identifier>> = HashMap::new();
    for link in supply.links() {
        let (input, output) = ends(link);
        below.entry(input).or_default().push(output);
    }
    let mut reached = HashSet::from([&lot]);
    let mut waiting = vec![&lot];
    while let Some(next) = waiting.pop() {
        for output in below.get(next).into_iter().flatten() {
            if reached.insert(output) {
                waiting.push(output);
            }
        }
    }
    let count = |part: &str| {
        let found = reached.iter().filter(|id| id.to_string().contains(part));
        found.count()
    };
    let counts = ["LOT-CT", "DZ47", "PZ30", "CTN", "PLT"].map(count);
    assert_eq!(counts, [2, 40, 9, 8, 4]);
    assert!(reached.contains(&pallet));
}
