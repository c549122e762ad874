//! Refused attempts in the audit trail.

use idnode::model::{Caller, Reason};
use idnode::node::{AuditQuery, Write};
use idnode::wire::proto::v1;

use super::bare::{Bare, PREFIX, administrator, auditor, create, create_prefix};
use crate::support::{TestNode, reason, wait_until};

#[tokio::test]
async fn a_refused_attempt_has_an_entry_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bare = Bare::open(folder.path());
    bare.fill(1).await;
    let source = "192.0.2.7".parse().unwrap();
    let anonymous = Caller::anonymous(source);
    let change = create(&format!("{PREFIX}/STOLEN"), "x");
    let refused = bare.write(&anonymous, change).await.expect_err("no key");
    assert_eq!(refused.reason(), Reason::KeyRequired);
    // Nobody waits for it: it is there once the writer has been woken.
    wait_until("an entry of the attempt", async || {
        bare.entries().len() == 3
    })
    .await;
    let (position, entry) = bare.entries().pop().unwrap();
    assert_eq!((position, &*entry.actor), (3, "anonymous"));
    assert_eq!(entry.source, Some(source));
    assert_eq!(&*entry.refused, "KEY_REQUIRED");
    assert_eq!(&*entry.subject, format!("{PREFIX}/stolen").as_bytes());
    assert_eq!(
        (entry.before, entry.after, entry.public),
        (None, None, None)
    );
    bare.close().await;
}

#[tokio::test]
async fn an_exhausted_quota_is_an_attempt_in_the_batch_of_the_next_change() {
    let folder = tempfile::tempdir().unwrap();
    let bare = Bare::open(folder.path());
    let caller = administrator();
    bare.write(&caller, create_prefix(Some(1)))
        .await
        .expect("created");
    let writes = (0..3).map(|number| Write {
        change: create(&format!("{PREFIX}/N.{number}"), "x"),
        request_id: None,
    });
    let outcomes = bare
        .node
        .execute_many(&caller, writes.collect())
        .await
        .expect("taken");
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    // The change that was made took them along.
    let entries = bare.entries();
    assert_eq!(entries.len(), 4);
    let refused: Vec<_> = entries.iter().map(|(_, entry)| &*entry.refused).collect();
    assert_eq!(refused, ["", "", "QUOTA_EXCEEDED", "QUOTA_EXCEEDED"]);
    bare.close().await;
}

#[tokio::test]
async fn a_flood_is_counted_and_not_written_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let bare = Bare::open(folder.path());
    bare.write(&administrator(), create_prefix(None))
        .await
        .expect("created");
    for number in 0..5000 {
        let change = create(&format!("{PREFIX}/F.{number}"), "x");
        let refused = bare.write(&Caller::ANONYMOUS, change).await;
        assert!(refused.is_err());
    }
    bare.write(&administrator(), create(&format!("{PREFIX}/N"), "x"))
        .await
        .expect("created");
    let node = bare.node.clone();
    node.close().await;
    // The clock of this node stands: all of it is one second.
    let told = || {
        let entries = bare.entries();
        let refused = entries
            .iter()
            .filter(|(_, entry)| !entry.refused.is_empty())
            .count();
        let omitted: u64 = entries.iter().map(|(_, entry)| entry.omitted).sum();
        (refused, omitted)
    };
    wait_until("all of them told", async || told() == (100, 4900)).await;
    bare.close().await;
}

#[tokio::test]
async fn attempts_that_wait_are_written_before_the_store_closes() {
    let folder = tempfile::tempdir().unwrap();
    let bare = Bare::open(folder.path());
    bare.write(&administrator(), create_prefix(None))
        .await
        .expect("created");
    let change = create(&format!("{PREFIX}/N"), "x");
    bare.write(&Caller::ANONYMOUS, change)
        .await
        .expect_err("no key");
    bare.close().await;
    let bare = Bare::open(folder.path());
    assert_eq!(bare.entries().len(), 2);
    bare.close().await;
}

#[tokio::test]
async fn the_trail_is_listed_to_those_who_watch_alone() {
    let folder = tempfile::tempdir().unwrap();
    let bare = Bare::open(folder.path());
    bare.fill(9).await;
    for caller in [Caller::ANONYMOUS, administrator()] {
        let query = AuditQuery::default();
        let refused = bare
            .node
            .list_audit(&caller, &query, None, 10)
            .expect_err("not theirs");
        assert!(matches!(
            refused.reason(),
            Reason::KeyRequired | Reason::PermissionDenied
        ));
        let mut none = |_| panic!("nothing is exported");
        assert!(bare.node.export_audit(&caller, &mut none).is_err());
    }
    // Four attempts at the trail, and both kinds are in it.
    wait_until("the attempts told", async || bare.entries().len() == 14).await;
    let list = |query: AuditQuery, after, limit| {
        let page = bare
            .node
            .list_audit(&auditor(), &query, after, limit)
            .expect("an auditor");
        let positions: Vec<u64> = page.items.iter().map(|entry| entry.position).collect();
        let next = page
            .next
            .map(|key| u64::from_be_bytes(key.try_into().unwrap()));
        (positions, next)
    };
    let all = AuditQuery::default;
    assert_eq!(list(all(), None, 3), (vec![1, 2, 3], Some(3)));
    assert_eq!(list(all(), Some(12), 3), (vec![13, 14], None));
    let descending = AuditQuery {
        descending: true,
        ..all()
    };
    assert_eq!(list(descending.clone(), None, 2), (vec![14, 13], Some(13)));
    assert_eq!(list(descending, Some(2), 2), (vec![1], None));
    let refused = AuditQuery {
        refused_only: true,
        ..all()
    };
    assert_eq!(list(refused, None, 9).0, [11, 12, 13, 14]);
    let subject = AuditQuery {
        subject: Some(format!("{PREFIX}/N.3")),
        ..all()
    };
    assert_eq!(list(subject, None, 9).0, [5]);
    let actor = AuditQuery {
        actor: Some("anonymous".to_owned()),
        ..all()
    };
    assert_eq!(list(actor, None, 9).0.len(), 2);
    bare.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_listed_over_grpc() {
    let node = TestNode::start().await;
    let refused = node
        .anonymous()
        .audit()
        .list_audit_entries(request_of(""))
        .await;
    assert_eq!(reason(&refused.expect_err("no key")), "KEY_REQUIRED");
    let refused = node
        .clients()
        .audit()
        .list_audit_entries(request_of(""))
        .await;
    assert_eq!(
        reason(&refused.expect_err("no auditor")),
        "PERMISSION_DENIED"
    );
    let unknown = node.clients_with("idnode_nobody_aaaa");
    let refused = unknown
        .audit()
        .get_checkpoint(v1::GetCheckpointRequest {})
        .await;
    assert_eq!(reason(&refused.expect_err("no key")), "KEY_INVALID");
    let created = node.anonymous().create("88.118.7/a", "x").await;
    assert_eq!(reason(&created.expect_err("no key")), "KEY_REQUIRED");
    let auditor = node.auditor();
    let list = async |request| {
        let listed = auditor.audit().list_audit_entries(request).await;
        listed.expect("an auditor").into_inner()
    };
    let told = async || list(request_of("")).await.entries;
    wait_until("four attempts", async || told().await.len() == 4).await;
    let expected = [
        ("read-audit", "KEY_REQUIRED"),
        ("read-audit", "PERMISSION_DENIED"),
        ("authenticate", "KEY_INVALID"),
        ("create-record", "KEY_REQUIRED"),
    ];
    for (seen, (action, refused)) in told().await.iter().zip(expected) {
        assert_eq!((&*seen.action, &*seen.refused_reason), (action, refused));
        assert_eq!(seen.source, "127.0.0.1");
    }
    let listed = list(request_of("88.118.7/A")).await;
    assert_eq!(listed.entries.len(), 1);
    // Pages follow each other, and a token serves its own list only.
    let page = |token: &str| v1::ListAuditEntriesRequest {
        page_size: 2,
        page_token: token.to_owned(),
        ..request_of("")
    };
    let first = list(page("")).await;
    let second = list(page(&first.next_page_token)).await;
    let positions = |listed: &v1::ListAuditEntriesResponse| {
        let entries = listed.entries.iter();
        entries.map(|entry| entry.position).collect::<Vec<_>>()
    };
    assert_eq!(
        (positions(&first), positions(&second)),
        (vec![4, 5], vec![6, 7])
    );
    let foreign = v1::ListAuditEntriesRequest {
        refused_only: false,
        ..page(&first.next_page_token)
    };
    let refused = auditor.audit().list_audit_entries(foreign).await;
    assert_eq!(
        reason(&refused.expect_err("another list")),
        "PAGE_TOKEN_INVALID"
    );
}

fn request_of(subject: &str) -> v1::ListAuditEntriesRequest {
    v1::ListAuditEntriesRequest {
        subject: subject.to_owned(),
        refused_only: true,
        ..v1::ListAuditEntriesRequest::default()
    }
}
