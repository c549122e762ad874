//! Share links and groups: who makes them, what they show, and when they end.

use idnode::model::{
    Caller, FirmRole, Permissions, Reason, Refusal, Target, Timestamp, Value, ValueType,
};
use idnode::node::{Asked, Presented, ShareInput};

use super::world::{OTHER_PREFIX, PREFIX, World, create, firm, member, readers, resolved, run};
use crate::registry::value;

fn private(index: u32, value_type: &str) -> Value {
    Value {
        value_type: ValueType::parse(value_type).expect("a type"),
        permissions: Permissions::SECRET,
        ..value(index, "private")
    }
}

async fn fill(world: &World) {
    for (suffix, names) in [
        ("lot.1", Some(&["firm:b"][..])),
        ("lot.2", None),
        ("other", Some(&[])),
    ] {
        let values = vec![
            value(1, "open"),
            private(2, "DESC"),
            private(300, "HS_SECKEY"),
        ];
        let identifier = format!("{PREFIX}/{suffix}");
        let made = create(&identifier, names.and_then(readers), values);
        world.write(made).await;
    }
}

fn seen(world: &World, caller: &Caller, suffix: &str) -> Result<Vec<u32>, Reason> {
    let record = resolved(&world.bare, caller, &format!("{PREFIX}/{suffix}"))?;
    Ok(record.values.iter().map(|value| value.index).collect())
}

/// What a holder of `token` presents.
fn bearer(token: &str) -> Presented<'_> {
    Presented {
        bearer: Some(token),
        certificate: None,
        source: None,
    }
}

#[test]
fn a_guest_reads_what_the_share_reaches() {
    run(async |world: World| {
        fill(&world).await;
        let node = &world.bare.node;
        for (indices, open, restricted) in [
            (&[][..], vec![1, 2], vec![1, 2]),
            (&[2], vec![1, 2], vec![2]),
            (&[300], vec![1], vec![]),
        ] {
            let lots = format!("{PREFIX}/Lot.*");
            let made = world.share(&[&lots], indices).await;
            let token = made.token.expect("a token");
            let guest = node.authenticate(&bearer(&token)).expect("a guest");
            assert_eq!(seen(&world, &guest, "lot.2"), Ok(open));
            assert_eq!(seen(&world, &guest, "lot.1"), Ok(restricted));
            let missing = Err(Reason::RecordNotFound);
            assert_eq!(seen(&world, &guest, "other"), missing);
            let record = resolved(&world.bare, &guest, &format!("{PREFIX}/lot.1"));
            assert_eq!(record.expect("there").readers, None);

            // It changes nothing, and lists what everyone may.
            let change = create(&format!("{PREFIX}/lot.3"), None, vec![value(1, "x")]);
            let refusal = world.bare.write_as(&guest, change).await;
            let refusal = refusal.expect_err("a guest reads only");
            assert_eq!(refusal.reason(), Reason::PermissionDenied);
            let prefix = idnode::model::Prefix::parse(PREFIX).expect("a prefix");
            let page = node.list_identifiers(&guest, &prefix, None, 10);
            assert_eq!(page.expect("lists").items.len(), 1);

            let owner = member("a", FirmRole::Owner);
            let id = made.share.id.clone();
            let withdrawn = node.withdraw_share(&owner, (id, None), Asked::default());
            withdrawn.await.expect("withdrawn");
            // Who came in by it before reads by it no longer.
            assert_eq!(seen(&world, &guest, "lot.1"), missing);
            let refusal = node.authenticate(&bearer(&token)).expect_err("withdrawn");
            assert_eq!(refusal.reason(), Reason::KeyInvalid);
        }
        world
    });
}

#[test]
fn a_token_is_taken_whole_or_not_at_all() {
    run(async |world: World| {
        let made = world.share(&[&format!("{PREFIX}/Lot.*")], &[]).await;
        let token = made.token.expect("a token");
        let node = &world.bare.node;
        let other = world.share(&[&format!("{PREFIX}/other")], &[]).await;
        let (_, secret) = token.rsplit_once('_').expect("three parts");
        let swapped = format!("idnode_share_{}_{secret}", other.share.id);
        let cut = token.strip_suffix(|_: char| true).unwrap_or_default();
        for bad in ["idnode_share_", "idnode_share__", cut, &swapped] {
            let refusal = node
                .authenticate(&bearer(bad))
                .expect_err("no share's token");
            assert_eq!(refusal.reason(), Reason::KeyInvalid, "{bad}");
        }
        let caller = node.authenticate(&bearer(&token)).expect("a guest");
        assert_eq!(caller.name(), made.share.id.as_str());
        world
    });
}

async fn refusal(world: &World, caller: &Caller, change: impl FnOnce(&mut ShareInput)) -> Refusal {
    let mut input = ShareInput {
        owner: firm("a"),
        purpose: "a recall".into(),
        targets: vec![Target::parse(&format!("{PREFIX}/x")).expect("a target")],
        indices: Vec::new(),
        expires: Timestamp::from_millis(1_800_000_001_000),
    };
    change(&mut input);
    let node = &world.bare.node;
    let made = node.create_share(caller, input, Asked::default()).await;
    made.expect_err("refused")
}

#[test]
fn shares_are_for_a_purpose_and_a_time_and_of_the_firms_own() {
    run(async |world: World| {
        let registrar = member("a", FirmRole::Registrar);
        let check = async |change: fn(&mut ShareInput), field: &str| {
            let refusal = refusal(&world, &registrar, change).await;
            let seen = (refusal.reason(), refusal.field_path().to_owned());
            assert_eq!(seen, (Reason::FieldInvalid, field.to_owned()));
        };
        check(|share| share.purpose = " ".into(), "purpose").await;
        check(|share| share.targets.clear(), "targets").await;
        check(|share| share.indices = (1..66).collect(), "indices").await;
        let past = |share: &mut ShareInput| share.expires = Timestamp::from_millis(5);
        check(past, "expire_time").await;
        let late = |share: &mut ShareInput| {
            share.expires = Timestamp::from_millis(1_800_000_000_000 + 367 * 86_400_000);
        };
        check(late, "expire_time").await;
        let others = |share: &mut ShareInput| {
            let target = Target::parse(&format!("{OTHER_PREFIX}/x"));
            share.targets = vec![target.expect("a target")];
        };
        check(others, "targets").await;
        for caller in [
            member("a", FirmRole::Reader),
            member("b", FirmRole::Owner),
            crate::registry::operator(),
        ] {
            let refusal = refusal(&world, &caller, |_| {}).await;
            assert_eq!(refusal.reason(), Reason::PermissionDenied, "{caller:?}");
        }
        let refusal = refusal(&world, &Caller::ANONYMOUS, |_| {}).await;
        assert_eq!(refusal.reason(), Reason::KeyRequired);
        world
    });
}

#[test]
fn a_retry_gets_the_share_and_not_its_token() {
    run(async |world: World| {
        let owner = member("a", FirmRole::Owner);
        let ask = || {
            let input = ShareInput {
                owner: firm("a"),
                purpose: "a recall".into(),
                targets: vec![Target::parse(&format!("{PREFIX}/x")).expect("a target")],
                indices: Vec::new(),
                expires: Timestamp::from_millis(1_800_000_001_000),
            };
            let asked = Asked {
                request_id: idnode::node::RequestId::parse("once").ok(),
                validate_only: false,
            };
            world.bare.node.create_share(&owner, input, asked)
        };
        let first = ask().await.expect("made");
        let second = ask().await.expect("answered");
        assert!(first.token.is_some() && second.token.is_none());
        assert_eq!(first.share, second.share);
        world
    });
}
