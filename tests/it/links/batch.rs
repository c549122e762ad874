//! Many links at once: batches, imports, and lists of them.

use idnode::wire::proto::v1::batch_write_links_request::Item;
use idnode::wire::proto::v1::batch_write_links_request::item::Change;
use idnode::wire::proto::v1::batch_write_links_response::result::Outcome;
use idnode::wire::proto::v1::link::State;
use idnode::wire::proto::v1::{
    self, ImportLinksRequest, ImportLinksResponse, TraceDirection, import_records_request,
};
use tonic::Code::InvalidArgument;
use tonic::{Response, Status};

use super::{Town, id, link, name, name_by, read, short, state_all, stating};
use crate::grpc::assert_refused;
use crate::support::Clients;

fn item(change: Change) -> Item {
    Item {
        change: Some(change),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_of_a_batch_is_for_itself_and_sees_those_before_it() {
    let town = Town::new().await;
    let a = town.of("a");
    let state = |text: &str| item(Change::State(Box::new(stating(link(text)))));
    let withdraw = v1::WithdrawLinkRequest {
        name: Some(name("a/BOX contains b/PART")),
        ..v1::WithdrawLinkRequest::default()
    };
    let confirm = v1::ConfirmLinkRequest {
        name: Some(name_by("a/BOX contains b/PART", "a")),
        ..v1::ConfirmLinkRequest::default()
    };
    let dispute = v1::DisputeLinkRequest {
        name: Some(name_by("b/X contains a/Y", "b")),
        reason: "no".into(),
        ..v1::DisputeLinkRequest::default()
    };
    let request = v1::BatchWriteLinksRequest {
        items: vec![
            state("a/BOX contains b/PART"),
            state("a/BOX contains b/PART"),
            state("b/BOX contains c/PART"),
            Item { change: None },
            item(Change::Confirm(confirm)),
            item(Change::Dispute(dispute)),
            item(Change::Withdraw(withdraw)),
        ],
        request_id: "b-1".into(),
        validate_only: false,
    };
    let send = async |request| {
        let answer = a.links().batch_write_links(request).await;
        answer.map(|answer| answer.into_inner().results)
    };
    let tried = v1::BatchWriteLinksRequest {
        validate_only: true,
        ..request.clone()
    };
    let tried = outcomes(send(tried).await.unwrap());
    let expected = [
        "STATE_STATED",
        "LINK_EXISTS name",
        "PERMISSION_DENIED name",
        "FIELD_REQUIRED change",
        "PERMISSION_DENIED name",
        "LINK_NOT_FOUND name",
        "STATE_WITHDRAWN",
    ];
    assert_eq!(tried, expected);
    assert!(read(&a, name("a/BOX contains b/PART")).await.is_err());
    assert_eq!(outcomes(send(request.clone()).await.unwrap()), expected);
    // A retry gets the first answers of what was done.
    let done = v1::BatchWriteLinksRequest {
        items: vec![
            state("a/OTHER contains b/PART"),
            state("a/BOX contains c/PART"),
        ],
        request_id: "b-2".into(),
        validate_only: false,
    };
    let first = send(done.clone()).await.unwrap();
    let withdraw = v1::WithdrawLinkRequest {
        name: Some(name("a/OTHER contains b/PART")),
        ..v1::WithdrawLinkRequest::default()
    };
    a.links().withdraw_link(withdraw).await.unwrap();
    assert_eq!(send(done).await.unwrap(), first);
    let empty = send(v1::BatchWriteLinksRequest::default()).await;
    assert_refused(empty, (InvalidArgument, "BATCH_EMPTY", "items"));
    let large = v1::BatchWriteLinksRequest {
        items: vec![Item::default(); 2001],
        ..v1::BatchWriteLinksRequest::default()
    };
    assert_refused(
        send(large).await,
        (InvalidArgument, "BATCH_TOO_LARGE", "items"),
    );
}

fn outcomes(results: Vec<v1::batch_write_links_response::Result>) -> Vec<String> {
    let outcome = |result: v1::batch_write_links_response::Result| match result.outcome {
        Some(Outcome::Link(link)) => link.state().as_str_name().to_owned(),
        Some(Outcome::Error(error)) => format!("{} {}", error.reason, error.field),
        None => String::new(),
    };
    results.into_iter().map(outcome).collect()
}

async fn import(
    clients: &Clients,
    messages: Vec<ImportLinksRequest>,
) -> Result<Vec<ImportLinksResponse>, Status> {
    let stream = tokio_stream::iter(messages);
    let mut answers = clients.links().import_links(stream).await?.into_inner();
    let mut all = Vec::new();
    while let Some(answer) = answers.message().await? {
        all.push(answer);
    }
    Ok(all)
}

/// Covered, created, updated, unchanged, skipped, and the rejections.
fn report(answer: &ImportLinksResponse) -> ([i64; 5], Vec<String>) {
    let rejection = |rejection: &v1::import_links_response::Rejection| {
        let error = rejection.error.as_ref().unwrap();
        let source = rejection.name.as_ref().map(|name| short(&name.source));
        format!(
            "{} {} {} {}",
            rejection.position,
            source.unwrap_or_default(),
            error.reason,
            error.field
        )
    };
    let counts = [
        answer.covered_count,
        answer.created_count,
        answer.updated_count,
        answer.unchanged_count,
        answer.skipped_count,
    ];
    (counts, answer.rejections.iter().map(rejection).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_reports_what_became_of_each() {
    use import_records_request::OnConflict;
    let town = Town::new().await;
    let a = town.of("a");
    let message = |texts: &[&str], rule: OnConflict| ImportLinksRequest {
        links: texts.iter().map(|text| link(text)).collect(),
        on_conflict: rule.into(),
        validate_only: false,
    };
    let first = message(
        &["a/1 contains b/1", "b/1 contains c/1", "a/2 Contains b/1"],
        OnConflict::Fail,
    );
    let second = message(&["a/1 contains b/1", "a/2 contains b/1"], OnConflict::Fail);
    let trial = ImportLinksRequest {
        validate_only: true,
        ..first.clone()
    };
    let rejections = |first: usize| {
        vec![
            format!("{} b/1 PERMISSION_DENIED name", first + 1),
            format!("{} a/2 FIELD_INVALID name.kind", first + 2),
        ]
    };
    // A trial: no message sees those before it.
    let tried = import(&a, vec![trial.clone(), trial]).await.unwrap();
    assert_eq!(report(&tried[0]), ([3, 1, 0, 0, 0], rejections(0)));
    assert_eq!(report(&tried[1]), ([6, 1, 0, 0, 0], rejections(3)));
    assert!(read(&a, name("a/1 contains b/1")).await.is_err());
    let done = import(&a, vec![first, second]).await.unwrap();
    assert_eq!(report(&done[0]), ([3, 1, 0, 0, 0], rejections(0)));
    let exists = vec!["3 a/1 LINK_EXISTS name".to_owned()];
    assert_eq!(report(&done[1]), ([5, 1, 0, 0, 0], exists));
    let skipping = message(&["a/1 contains b/1", "a/3 contains b/1"], OnConflict::Skip);
    let skipped = import(&a, vec![skipping]).await.unwrap();
    assert_eq!(report(&skipped[0]), ([2, 1, 0, 0, 1], vec![]));
    let mut updating = message(
        &["a/1 contains b/1", "a/3 contains b/1"],
        OnConflict::Update,
    );
    updating.links[0].batch = "7".into();
    // The revision that it had elsewhere is not asked for.
    updating.links[1].etag = "r1".into();
    let updated = import(&a, vec![updating]).await.unwrap();
    assert_eq!(report(&updated[0]), ([2, 0, 1, 1, 0], vec![]));
    let changed = read(&a, name("a/1 contains b/1")).await.unwrap();
    assert_eq!(
        (changed.batch.as_str(), changed.state()),
        ("7", State::Stated)
    );
    let empty = import(&a, vec![ImportLinksRequest::default()]).await;
    assert_refused(empty, (InvalidArgument, "BATCH_EMPTY", "links"));
}

async fn listed(clients: &Clients, request: v1::ListLinksRequest) -> (Vec<String>, String) {
    let page = clients.links().list_links(request).await;
    let page = page.map(Response::into_inner).unwrap();
    let text = |link: v1::Link| {
        let name = link.name.unwrap();
        format!(
            "{} {} {}",
            short(&name.source),
            name.kind,
            short(&name.target)
        )
    };
    (
        page.links.into_iter().map(text).collect(),
        page.next_page_token,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_one_hop_in_one_direction_or_both_in_pages() {
    let town = Town::new().await;
    let links = [
        "a/BOX contains b/1",
        "a/BOX contains b/2",
        "a/BOX made_from c/1",
        "a/BOX same_as c/BOX",
        "a/BOX packed_in a/PALLET",
        "c/SHOP contains a/BOX",
    ];
    state_all(&town, &links).await;
    let withdraw = v1::WithdrawLinkRequest {
        name: Some(name("a/BOX contains b/2")),
        ..v1::WithdrawLinkRequest::default()
    };
    town.of("a").links().withdraw_link(withdraw).await.unwrap();
    let request = |direction: TraceDirection| v1::ListLinksRequest {
        identifier: id("a/box"),
        direction: direction.into(),
        ..v1::ListLinksRequest::default()
    };
    let nobody = town.node.anonymous();
    let (up, token) = listed(&nobody, request(TraceDirection::Up)).await;
    assert_eq!(up, [links[0], links[2], links[3]]);
    assert_eq!(token, "");
    let (down, _) = listed(&nobody, request(TraceDirection::Down)).await;
    assert_eq!(down, [links[4], links[5]]);
    let with_withdrawn = v1::ListLinksRequest {
        show_withdrawn: true,
        ..request(TraceDirection::Unspecified)
    };
    let (all, _) = listed(&nobody, with_withdrawn.clone()).await;
    assert_eq!(all, links);
    // Pages of one are the same list.
    let (mut paged, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = v1::ListLinksRequest {
            page_size: 1,
            page_token: page_token.clone(),
            ..with_withdrawn.clone()
        };
        let (links, next) = listed(&nobody, page).await;
        paged.extend(links);
        if next.is_empty() {
            break;
        }
        page_token = next;
    }
    assert_eq!(paged, links);
    let foreign = v1::ListLinksRequest {
        page_token,
        ..request(TraceDirection::Up)
    };
    let foreign = nobody.links().list_links(foreign).await;
    assert_refused(
        foreign,
        (InvalidArgument, "PAGE_TOKEN_INVALID", "page_token"),
    );
    let nothing = v1::ListLinksRequest {
        identifier: id("b/NOTHING"),
        ..v1::ListLinksRequest::default()
    };
    assert_eq!(listed(&nobody, nothing).await, (vec![], String::new()));
    let bad = v1::ListLinksRequest {
        identifier: "x".into(),
        ..v1::ListLinksRequest::default()
    };
    let bad = nobody.links().list_links(bad).await;
    assert_refused(bad, (InvalidArgument, "IDENTIFIER_SYNTAX", "identifier"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_links_ends_early_and_loses_none() {
    let town = Town::new().await;
    let a = town.of("a");
    let large = |number: usize| v1::Link {
        evidence: vec!["x".repeat(500); 16],
        ..link(&format!("a/BOX contains b/{number}"))
    };
    for chunk in 0..5 {
        let message = ImportLinksRequest {
            links: (chunk * 100..chunk * 100 + 100).map(large).collect(),
            ..ImportLinksRequest::default()
        };
        import(&a, vec![message]).await.unwrap();
    }
    let request = v1::ListLinksRequest {
        identifier: id("a/BOX"),
        page_size: 1000,
        ..v1::ListLinksRequest::default()
    };
    let (first, token) = listed(&a, request.clone()).await;
    assert!((100..500).contains(&first.len()), "{}", first.len());
    let second = v1::ListLinksRequest {
        page_token: token,
        ..request
    };
    let (second, token) = listed(&a, second).await;
    assert_eq!((first.len() + second.len(), token.as_str()), (500, ""));
}
