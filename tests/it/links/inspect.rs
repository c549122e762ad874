//! What is the matter with links, and whether all that is kept of them agrees.

use std::collections::BTreeSet;

use idnode::wire::proto::v1;
use idnode::wire::proto::v1::inspect_links_response::Matter;
use idnode::wire::proto::v1::link::Visibility;
use tonic::Code::{InvalidArgument, PermissionDenied};
use tonic::Response;

use super::{Town, id, link, name, name_by, read, seen_by, short, state, state_all};
use crate::grpc::assert_refused;
use crate::support::{Clients, wait_until};

async fn inspected(clients: &Clients, page_size: i32) -> Vec<(Matter, String)> {
    let (mut findings, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::InspectLinksRequest {
            parent: "prefixes/88.118.7".into(),
            page_size,
            page_token,
        };
        let page = clients.links().inspect_links(request).await;
        let page = page.map(Response::into_inner).unwrap();
        findings.extend(page.findings);
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    let text = |finding: v1::inspect_links_response::Finding| {
        let matter = finding.matter();
        let name = finding.link.unwrap().name.unwrap();
        let text = format!("{} {}", short(&name.source), short(&name.target));
        (matter, text)
    };
    let mut findings: Vec<_> = findings.into_iter().map(text).collect();
    findings.sort_unstable_by_key(|(matter, text)| (i32::from(*matter), text.clone()));
    findings
}

async fn register(town: &Town, identifiers: &[&str]) {
    for identifier in identifiers {
        let clients = town.node.clients();
        let made = clients.create(&id(identifier), "https://x.example").await;
        made.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_dangles_until_both_ends_are_registered() {
    let town = Town::new().await;
    let a = town.of("a");
    let made = state(&a, link("a/BOX contains b/PART")).await.unwrap();
    assert!(made.source_dangling && made.target_dangling);
    register(&town, &["a/BOX"]).await;
    let seen = read(&a, name("a/BOX contains b/PART")).await.unwrap();
    assert!(!seen.source_dangling && seen.target_dangling);
    assert_eq!(
        inspected(&a, 0).await,
        [
            (Matter::Dangling, "a/BOX b/PART".into()),
            (Matter::Asymmetric, "a/BOX b/PART".into()),
        ]
    );
    register(&town, &["b/PART"]).await;
    let seen = read(&a, name("a/BOX contains b/PART")).await.unwrap();
    assert!(!seen.source_dangling && !seen.target_dangling);
    let request = v1::DeleteRecordRequest {
        name: format!("records/{}", id("a/BOX")),
        ..v1::DeleteRecordRequest::default()
    };
    a.registry().delete_record(request).await.unwrap();
    let seen = read(&a, name("a/BOX contains b/PART")).await.unwrap();
    assert!(seen.source_dangling && !seen.target_dangling);
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_each_matter() {
    let town = Town::new().await;
    let all = [
        "a/OK",
        "b/OK",
        "a/ASYM",
        "a/DISPUTED",
        "a/BOTH",
        "a/C1",
        "a/C2",
        "b/X",
    ];
    register(&town, &all).await;
    let links = [
        "a/OK contains b/OK",
        "a/ASYM contains b/X",
        "a/DISPUTED contains b/X",
        "a/C1 made_from a/C2",
        "a/C2 made_from a/C1",
        "a/OK contains a/NOT.YET",
    ];
    state_all(&town, &links).await;
    let of_quantity = |amount: &str| v1::Link {
        quantity: Some(v1::LinkQuantity {
            amount: amount.into(),
            unit: String::new(),
        }),
        ..link("a/BOTH contains b/X")
    };
    state(&town.of("a"), of_quantity("1")).await.unwrap();
    state(&town.of("b"), of_quantity("2")).await.unwrap();
    let mut b = town.of("b").links();
    let confirm = v1::ConfirmLinkRequest {
        name: Some(name_by("a/OK contains b/OK", "a")),
        ..v1::ConfirmLinkRequest::default()
    };
    b.confirm_link(confirm).await.unwrap();
    let dispute = v1::DisputeLinkRequest {
        name: Some(name_by("a/DISPUTED contains b/X", "a")),
        reason: "no".into(),
        ..v1::DisputeLinkRequest::default()
    };
    b.dispute_link(dispute).await.unwrap();
    let a = town.of("a");
    let expected = [
        (Matter::Dangling, "a/OK a/NOT.YET".to_owned()),
        (Matter::Asymmetric, "a/ASYM b/X".into()),
        (Matter::Contradictory, "a/BOTH b/X".into()),
        (Matter::Contradictory, "a/BOTH b/X".into()),
        (Matter::Contradictory, "a/DISPUTED b/X".into()),
        (Matter::Cyclic, "a/C1 a/C2".into()),
        (Matter::Cyclic, "a/C2 a/C1".into()),
    ];
    assert_eq!(inspected(&a, 0).await, expected);
    assert_eq!(inspected(&a, 1).await, expected);
    assert_eq!(inspected(&town.node.anonymous(), 0).await, expected);
    // What a caller does not see is not the matter.
    let own = seen_by("a/OWN contains b/X", Visibility::Owner);
    state(&a, own).await.unwrap();
    assert_eq!(inspected(&town.node.anonymous(), 0).await, expected);
    let of_own = (Matter::Dangling, "a/OWN b/X".to_owned());
    assert!(inspected(&a, 0).await.contains(&of_own));
    let request = v1::InspectLinksRequest {
        parent: "88.118.7".into(),
        ..v1::InspectLinksRequest::default()
    };
    let bad = a.links().inspect_links(request).await;
    assert_refused(bad, (InvalidArgument, "FIELD_INVALID", "parent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_within_an_identifier_with_many_findings() {
    let town = Town::new().await;
    let a = town.of("a");
    let links = (0..1500).map(|part| link(&format!("a/BOX contains b/{part:04}")));
    let message = v1::ImportLinksRequest {
        links: links.collect(),
        ..v1::ImportLinksRequest::default()
    };
    let stream = tokio_stream::iter([message]);
    let mut answers = a.links().import_links(stream).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    let first = v1::InspectLinksRequest {
        parent: "prefixes/88.118.7".into(),
        ..v1::InspectLinksRequest::default()
    };
    let first = a.links().inspect_links(first).await.unwrap().into_inner();
    assert_eq!(first.findings.len(), 1000);
    // Each dangles and is asymmetric, once.
    let findings = inspected(&a, 0).await;
    assert_eq!(findings.len(), 3000);
    let different: BTreeSet<_> = findings.iter().map(|(_, text)| text).collect();
    assert_eq!(different.len(), 1500);
}

async fn check(town: &Town) -> v1::CheckLinksResponse {
    let mut links = town.node.clients().links();
    let check = links.check_links(v1::CheckLinksRequest::default()).await;
    check.unwrap().into_inner()
}

async fn all_agrees(town: &Town) -> v1::CheckLinksResponse {
    let links = [
        "a/1 contains b/1",
        "a/1 packed_in a/2",
        "b/1 made_from c/1",
        "a/3 same_as c/1",
    ];
    state_all(town, &links).await;
    let withdraw = v1::WithdrawLinkRequest {
        name: Some(name("a/1 packed_in a/2")),
        ..v1::WithdrawLinkRequest::default()
    };
    town.of("a").links().withdraw_link(withdraw).await.unwrap();
    state(&town.of("a"), link("a/1 packed_in a/2"))
        .await
        .unwrap();
    let checked = check(town).await;
    assert_eq!(checked.fault, "");
    assert_eq!((checked.identifier_count, checked.link_count), (5, 4));
    let mut links = town.of("a").links();
    let refused = links.check_links(v1::CheckLinksRequest::default()).await;
    assert_refused(refused, (PermissionDenied, "PERMISSION_DENIED", ""));
    checked
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_kept_of_links_agrees() {
    let town = Town::with(|config| config.trace.memory_bytes = 0).await;
    let checked = all_agrees(&town).await;
    assert!(!checked.in_memory && checked.memory_bytes == 0);
    let town = Town::new().await;
    wait_until("the graph", async || check(&town).await.in_memory).await;
    let checked = all_agrees(&town).await;
    // What was withdrawn stays as history where it is stated again.
    assert!(checked.in_memory && checked.memory_link_count >= 4);
}
