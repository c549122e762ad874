//! What a firm's owner reads of the audit trail, and what nobody proves to others.

use idnode::model::{Caller, FirmRole, Identifier, NodeRole, Permissions, Reason, Scope, Value};
use idnode::node::{AuditQuery, Audited, Presented};

use super::world::{
    OTHER_PREFIX, PREFIX, World, confined, create, firm, identity, member, operator_with, readers,
    run,
};
use crate::registry::{operator, value};
use crate::support::wait_until;

fn listed(world: &World, caller: &Caller, query: &AuditQuery) -> Vec<Audited> {
    let page = world.bare.node.list_audit(caller, query, None, 1000);
    page.expect("may read").items
}

fn refusals(world: &World) -> Vec<(String, String, String)> {
    let query = AuditQuery {
        refused_only: true,
        ..AuditQuery::default()
    };
    let auditor = operator_with(NodeRole::Auditor);
    let entries = listed(world, &auditor, &query).into_iter();
    entries
        .map(|entry| (entry.action, entry.subject, entry.refused_reason))
        .collect()
}

/// Has changes and attempts made by everyone, from an address each.
async fn fill(world: &World) {
    let from = |caller: Caller, address: &str| caller.with_source(Some(address.parse().unwrap()));
    let callers = [
        from(member("a", FirmRole::Registrar), "192.0.2.1"),
        from(operator(), "192.0.2.2"),
        from(member("c", FirmRole::Owner), "192.0.2.3"),
        from(identity(), "192.0.2.4"),
        from(Caller::ANONYMOUS, "192.0.2.5"),
    ];
    for (number, caller) in callers.iter().enumerate() {
        for prefix in [PREFIX, OTHER_PREFIX] {
            let identifier = format!("{prefix}/N.{number}");
            let change = create(&identifier, None, vec![value(1, "x")]);
            let _made_or_refused = world.bare.write_as(caller, change).await;
        }
    }
    // Four made, six refused.
    let auditor = operator_with(NodeRole::Auditor);
    wait_until("all told", async || {
        listed(world, &auditor, &AuditQuery::default()).len() == 10
    })
    .await;
}

#[test]
fn an_owner_reads_what_is_its_firms_and_nobody_elses_name() {
    run(async |world: World| {
        fill(&world).await;
        let owner = member("a", FirmRole::Owner);
        let mut seen: Vec<_> = listed(&world, &owner, &AuditQuery::default())
            .into_iter()
            .map(|entry| {
                assert!(entry.subject.starts_with(PREFIX), "{}", entry.subject);
                let source = entry.source.map_or_else(String::new, |ip| ip.to_string());
                (entry.actor, source, entry.refused_reason)
            })
            .collect();
        seen.sort();
        let expected = [
            ("a-registrar", "192.0.2.1", ""),
            ("operator", "", ""),
            ("other", "", "KEY_REQUIRED"),
            ("other", "", "NOT_ADMIN"),
            ("other", "", "PERMISSION_DENIED"),
        ];
        let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(seen, expected);
        // Nor is a name found by asking for it.
        for (actor, count) in [
            ("c-owner", 0),
            ("test", 0),
            ("a-registrar", 1),
            ("other", 3),
        ] {
            let query = AuditQuery {
                actor: Some(actor.to_owned()),
                ..AuditQuery::default()
            };
            assert_eq!(listed(&world, &owner, &query).len(), count, "{actor}");
        }
        // A key that is confined to a prefix sees no other.
        let scope = Scope {
            prefixes: vec![OTHER_PREFIX.to_owned()],
            ..Scope::default()
        };
        let confined = confined("a", FirmRole::Owner, scope);
        assert!(listed(&world, &confined, &AuditQuery::default()).is_empty());
        for nobody in [
            member("a", FirmRole::Registrar),
            member("a", FirmRole::Reader),
            operator(),
            operator_with(NodeRole::SecurityAdministrator),
            identity(),
            Caller::ANONYMOUS,
        ] {
            let refused = world
                .bare
                .node
                .list_audit(&nobody, &AuditQuery::default(), None, 10);
            refused.expect_err("not theirs");
        }
        world
    });
}

#[test]
fn refused_readers_and_false_tokens_are_in_the_trail() {
    run(async |world: World| {
        let node = &world.bare.node;
        let stranger = member("c", FirmRole::Owner);
        let of_a = firm("a");
        assert!(node.list_groups(&stranger, &of_a, None, 9).is_err());
        assert!(node.list_shares(&stranger, &of_a, None, 9).is_err());
        assert!(
            node.list_templates(&stranger, Some(&of_a), None, 9)
                .is_err()
        );
        let all = (None, 9);
        assert!(
            node.list_principals(&stranger, Some(&of_a), all, false)
                .is_err()
        );
        for bearer in ["idnode_share_1_2", "idnode_nobody_aaaa"] {
            let presented = Presented {
                bearer: Some(bearer),
                ..Presented::default()
            };
            let refused = node.authenticate(&presented).expect_err("no key");
            assert_eq!(refused.reason(), Reason::KeyInvalid);
        }
        wait_until("all told", async || refusals(&world).len() == 6).await;
        let read = ("read-office", "firms/a", "PERMISSION_DENIED");
        let shown = ("authenticate", "", "KEY_INVALID");
        let expected = [read, read, read, read, shown, shown];
        let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(refusals(&world), expected);
        world
    });
}

#[test]
fn a_proof_shows_readers_to_the_owner_alone() {
    run(async |world: World| {
        let identifier = format!("{PREFIX}/shared");
        let private = Value {
            permissions: Permissions::SECRET,
            readers: readers(&["firm:b", "firm:c"]),
            ..value(2, "for some")
        };
        let values = vec![value(1, "open"), private];
        world.write(create(&identifier, None, values)).await;
        let identifier = Identifier::parse(&identifier).expect("an identifier");
        let signer = idnode::merkle::Signer::new("node.example/log", &[7; 32]);
        world.bare.node.set_log_key(signer.expect("a key"));
        let whole = |caller: &Caller| {
            let proven = world.bare.node.prove_record(caller, &identifier);
            let proven = proven.expect("there");
            assert!(!proven.public_form.is_empty());
            let holds = |text: &[u8]| proven.public_form.windows(text.len()).any(|w| w == text);
            assert!(holds(b"open") && !holds(b"for some"));
            proven.whole.is_some()
        };
        assert!(whole(&member("a", FirmRole::Owner)));
        // It reads both values, and not who else may.
        assert!(!whole(&member("b", FirmRole::Reader)));
        assert!(!whole(&Caller::ANONYMOUS));
        world
    });
}
