//! kill -9 while links are written: both directions, counts and the graph in memory
//! are those of what was acknowledged.
//!
//! As in [`crate::restart`], each writer has links of its own, and a batch that was
//! under way when the node died is sent again under its request id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use idnode::wire::proto::v1::batch_write_links_request::{Item, item::Change};
use idnode::wire::proto::v1::batch_write_links_response::result::Outcome;
use idnode::wire::proto::v1::import_records_request::OnConflict;
use idnode::wire::proto::v1::link::{State, Visibility};
use idnode::wire::proto::v1::{self, Link, LinkName};
use tokio::task::JoinSet;

use crate::restart::is_gone;
use crate::support::{Chance, Clients, DEADLINE, NodeProcess, is_slow, reason, wait_until};

const PREFIX: &str = "88.118.7";
/// Of things that are not registered here.
const ELSEWHERE: &str = "88.200.1";
const WRITERS: u64 = 6;
const SOURCES: u64 = 4;
const TARGETS: u64 = 5;
const KINDS: [&str; 2] = ["contains", "packed_in"];
const BATCH_ITEMS: u64 = 8;
const ACKNOWLEDGED_MIN: u64 = 150;
const ACKNOWLEDGED_MORE: u64 = 400;

/// Source, kind, target.
type Name = (String, &'static str, String);

/// What a link is: its state and its batch number.
type Known = Option<(State, String)>;

struct Writer {
    number: u64,
    chance: Chance,
    requests: u64,
    links: BTreeMap<Name, Known>,
    unanswered: Option<(v1::BatchWriteLinksRequest, Vec<(Name, Known)>)>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_as_acknowledged_after_a_kill() {
    let rounds = if is_slow() { 50 } else { 5 };
    let folder = tempfile::tempdir().unwrap();
    let mut node = NodeProcess::start(folder.path()).await;
    node.clients().home_prefix(PREFIX).await;
    let mut writers: Vec<_> = (0..WRITERS).map(Writer::new).collect();
    for round in 0..rounds {
        let acknowledged = write_until_killed(node, &mut writers, round).await;
        node = NodeProcess::start(folder.path()).await;
        let clients = node.clients();
        for writer in &mut writers {
            writer.check_and_settle(&clients).await;
        }
        check_whole(&clients, &writers).await;
        eprintln!("round {round}: {acknowledged} changes acknowledged and there");
    }
    node.kill();
}

async fn write_until_killed(node: NodeProcess, writers: &mut Vec<Writer>, round: u64) -> u64 {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let until = ACKNOWLEDGED_MIN + Chance::new(round + 1).below(ACKNOWLEDGED_MORE);
    let mut tasks = JoinSet::new();
    for mut writer in writers.drain(..) {
        let clients = node.clients();
        let acknowledged = Arc::clone(&acknowledged);
        tasks.spawn(async move {
            while let Some(count) = writer.write(&clients).await {
                acknowledged.fetch_add(count, Ordering::Relaxed);
            }
            writer
        });
    }
    let reached = async || acknowledged.load(Ordering::Relaxed) >= until;
    wait_until("enough links acknowledged", reached).await;
    node.kill();
    let ended = tokio::time::timeout(DEADLINE, tasks.join_all()).await;
    writers.extend(ended.expect("writers notice that the node is gone"));
    writers.sort_by_key(|writer| writer.number);
    acknowledged.load(Ordering::Relaxed)
}

impl Writer {
    fn new(number: u64) -> Self {
        let mut links = BTreeMap::new();
        for source in 0..SOURCES {
            for target in 0..TARGETS {
                for kind in KINDS {
                    let source = format!("{PREFIX}/W{number}.{source}");
                    let target = format!("{ELSEWHERE}/T{target}");
                    links.insert((source, kind, target), None);
                }
            }
        }
        Self {
            number,
            chance: Chance::new(number + 100),
            requests: 0,
            links,
            unanswered: None,
        }
    }

    /// Sends one batch; how many changes were made. `None` once the node is gone.
    async fn write(&mut self, clients: &Clients) -> Option<u64> {
        let (request, expected) = self.plan();
        match clients.links().batch_write_links(request.clone()).await {
            Ok(response) => {
                self.note(&expected, response.into_inner());
                Some(u64::try_from(expected.len()).unwrap())
            }
            Err(status) if is_gone(&status) => {
                self.unanswered = Some((request, expected));
                None
            }
            Err(status) => panic!("{}: {status:?}", reason(&status)),
        }
    }

    fn note(&mut self, expected: &[(Name, Known)], response: v1::BatchWriteLinksResponse) {
        assert_eq!(response.results.len(), expected.len());
        for ((name, known), result) in expected.iter().zip(response.results) {
            match result.outcome {
                Some(Outcome::Link(link)) => assert_eq!(known_of(&link), *known),
                other => panic!("{name:?}: {other:?}"),
            }
            self.links.insert(name.clone(), known.clone());
        }
    }

    /// Changes of different links, each allowed by the state that it finds, and what
    /// they make of them.
    fn plan(&mut self) -> (v1::BatchWriteLinksRequest, Vec<(Name, Known)>) {
        let mut names: Vec<_> = self.links.keys().cloned().collect();
        self.requests += 1;
        let mut expected = Vec::new();
        let mut items = Vec::new();
        for _ in 0..1 + self.chance.below(BATCH_ITEMS) {
            let name = names.swap_remove(self.chance.index(names.len()));
            let (change, known) = self.change_of(&name);
            items.push(Item {
                change: Some(change),
            });
            expected.push((name, known));
        }
        let request = v1::BatchWriteLinksRequest {
            items,
            request_id: format!("w{}-{}", self.number, self.requests),
            validate_only: false,
        };
        (request, expected)
    }

    fn change_of(&mut self, name: &Name) -> (Change, Known) {
        let batch = format!("B{}", self.chance.below(1 << 30));
        let standing = self.links[name].clone();
        let standing = standing.filter(|(state, _)| *state != State::Withdrawn);
        match (self.chance.below(4), standing) {
            (0, Some((_, batch))) => (
                Change::Withdraw(v1::WithdrawLinkRequest {
                    name: Some(message(name)),
                    ..v1::WithdrawLinkRequest::default()
                }),
                Some((State::Withdrawn, batch)),
            ),
            (1, Some((State::Stated, batch))) => (
                Change::Confirm(v1::ConfirmLinkRequest {
                    name: Some(message(name)),
                    ..v1::ConfirmLinkRequest::default()
                }),
                Some((State::Confirmed, batch)),
            ),
            _ => (
                Change::State(Box::new(v1::StateLinkRequest {
                    link: Some(Link {
                        name: Some(message(name)),
                        batch: batch.clone(),
                        visibility: Visibility::Public.into(),
                        ..Link::default()
                    }),
                    on_conflict: OnConflict::Update.into(),
                    ..v1::StateLinkRequest::default()
                })),
                Some((State::Stated, batch)),
            ),
        }
    }

    /// Compares every link with what it must be, then sends again what was left
    /// unanswered.
    async fn check_and_settle(&mut self, clients: &Clients) {
        let unanswered = self.unanswered.take();
        for (name, known) in &self.links {
            let seen = get(clients, name).await;
            let mut expected = unanswered.iter().flat_map(|(_, expected)| expected);
            let happened = expected.any(|(changed, known)| changed == name && *known == seen);
            assert!(seen == *known || happened, "{name:?}: {seen:?}, {known:?}");
        }
        if let Some((request, expected)) = unanswered {
            let response = clients.links().batch_write_links(request).await.unwrap();
            self.note(&expected, response.into_inner());
        }
    }
}

fn message((source, kind, target): &Name) -> LinkName {
    LinkName {
        source: source.clone(),
        kind: (*kind).to_owned(),
        target: target.clone(),
        owner: String::new(),
    }
}

fn known_of(link: &Link) -> Known {
    Some((link.state(), link.batch.clone()))
}

async fn get(clients: &Clients, name: &Name) -> Known {
    let request = v1::GetLinkRequest {
        name: Some(message(name)),
    };
    match clients.links().get_link(request).await {
        Ok(link) => known_of(&link.into_inner()),
        Err(status) => {
            assert_eq!(reason(&status), "LINK_NOT_FOUND");
            None
        }
    }
}

/// Both directions of every identifier, the counts, and the graph.
async fn check_whole(clients: &Clients, writers: &[Writer]) {
    let mut near: BTreeMap<(String, bool), BTreeSet<String>> = BTreeMap::new();
    let mut link_count = 0;
    for ((source, kind, target), known) in writers.iter().flat_map(|writer| &writer.links) {
        for end in [source, target] {
            for is_up in [false, true] {
                near.entry((end.clone(), is_up)).or_default();
            }
        }
        let Some((state, _)) = known else { continue };
        link_count += 1;
        if *state == State::Withdrawn {
            continue;
        }
        // What a thing contains is upstream of it; what it is packed in, downstream.
        let source_is_up = *kind == "packed_in";
        let mut add = |near_end: &String, is_up, far: &String| {
            let key = (near_end.clone(), is_up);
            near.entry(key).or_default().insert(far.clone());
        };
        add(source, !source_is_up, target);
        add(target, source_is_up, source);
    }
    for ((end, is_up), expected) in near {
        let direction = match is_up {
            true => v1::TraceDirection::Up,
            false => v1::TraceDirection::Down,
        };
        let request = v1::TraceRequest {
            start: end.clone(),
            direction: direction.into(),
            depth_max: 1,
            ..v1::TraceRequest::default()
        };
        let rows = clients
            .links()
            .trace(request)
            .await
            .unwrap()
            .into_inner()
            .rows;
        let found = rows.into_iter().filter(|row| row.depth == 1);
        let found: BTreeSet<String> = found.map(|row| row.identifier).collect();
        assert_eq!(found, expected, "{end} {is_up}");
    }
    let check = async || {
        let checked = clients
            .links()
            .check_links(v1::CheckLinksRequest::default())
            .await;
        checked.unwrap().into_inner()
    };
    wait_until("the graph", async || check().await.in_memory).await;
    let checked = check().await;
    assert_eq!(checked.fault, "");
    assert_eq!(checked.link_count, link_count);
}
