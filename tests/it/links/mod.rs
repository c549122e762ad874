//! Links from outside: stated, confirmed, traced and inspected over gRPC, by three
//! firms and by whoever shows no key.

mod batch;
mod chain;
mod columns;
mod inspect;
mod life;
mod sight;
mod traces;
mod whole;

use std::sync::Arc;
use std::time::SystemTime;

use idnode::access::NewSecret;
use idnode::config::Config;
use idnode::model::{
    Credential, FirmId, FirmRole, FirmState, Party, Prefix, PrefixEntry, PrefixState, Principal,
    PrincipalId, PrincipalState, Scope, SuffixCase, Timestamp,
};
use idnode::store::{AnyEntry, Batch, Counts, PrefixRow};
use idnode::wire::proto::v1::{self, link::Visibility};
use tonic::{Response, Status};

use crate::support::{Clients, TestNode, firm};

/// Firms and their prefixes.
const FIRMS: [(&str, &str); 3] = [("a", "88.118.7"), ("b", "88.118.8"), ("c", "88.118.9")];

/// A node with firms "a", "b" and "c", each with a prefix.
struct Town {
    keys: Vec<(String, String)>,
    node: TestNode,
}

impl Town {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with settings that `change` sets.
    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut keys = Vec::new();
        let node = TestNode::start_with(change).await;
        let node = node.seed_by(|batch| keys = fill(batch)).await;
        Self { keys, node }
    }

    /// The owner of a firm.
    fn of(&self, firm: &str) -> Clients {
        self.by(&format!("{firm}-owner"))
    }

    /// The reader of a firm.
    fn reader_of(&self, firm: &str) -> Clients {
        self.by(&format!("{firm}-reader"))
    }

    fn by(&self, name: &str) -> Clients {
        let key = self.keys.iter().find(|(other, _)| other == name);
        self.node.clients_with(&key.expect("a key").1)
    }
}

/// Puts firms, their prefixes and keys into a store.
fn fill(batch: &mut Batch<'_>) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    for (id, prefix) in FIRMS {
        let entry = AnyEntry::Firm(Arc::new(firm(id, FirmState::Active)));
        batch.put_entry(entry).unwrap();
        batch.put_prefix(prefix, held(prefix, id)).unwrap();
        for role in [FirmRole::Reader, FirmRole::Owner] {
            let name = format!("{id}-{role:?}").to_ascii_lowercase();
            let principal_id = PrincipalId::parse(&format!("k-{name}")).unwrap();
            let number = u8::try_from(keys.len()).unwrap();
            let secret = NewSecret::new(&principal_id, &[number + 1; 32]);
            let party = Party::Firm {
                firm: FirmId::parse(id).unwrap(),
                role,
            };
            let principal = Principal {
                id: principal_id,
                party,
                name: name.clone(),
                credential: Credential::Key {
                    hash: secret.hash,
                    previous: None,
                },
                scope: Scope::default(),
                state: PrincipalState::Active,
                revision: 1,
                created: Timestamp::from_millis(1),
                changed: Timestamp::from_millis(1),
            };
            batch
                .put_entry(AnyEntry::Principal(Arc::new(principal)))
                .unwrap();
            keys.push((name, secret.text.to_string()));
        }
    }
    keys
}

fn held(prefix: &str, firm: &str) -> PrefixRow {
    PrefixRow {
        entry: Arc::new(PrefixEntry {
            prefix: Prefix::parse(prefix).unwrap(),
            firm: format!("Firm {firm}"),
            holder: Some(FirmId::parse(firm).unwrap()),
            state: PrefixState::Active,
            case: SuffixCase::Folded,
            quota: None,
            revision: 1,
            created: Timestamp::from_millis(1),
            changed: Timestamp::from_millis(1),
        }),
        counts: Counts::default(),
        labels_max: Some(0),
    }
}

/// The identifier of `a/BOX`: below the prefix of firm "a". Others stay as they are.
fn id(short: &str) -> String {
    let firm = short.split_once('/');
    let held = firm.and_then(|(firm, suffix)| {
        let (_, prefix) = FIRMS.iter().find(|(id, _)| *id == firm)?;
        Some(format!("{prefix}/{suffix}"))
    });
    held.unwrap_or_else(|| short.to_owned())
}

/// The other way round.
fn short(identifier: &str) -> String {
    let short = FIRMS.iter().find_map(|(firm, prefix)| {
        let suffix = identifier.strip_prefix(prefix)?.strip_prefix('/')?;
        Some(format!("{firm}/{suffix}"))
    });
    short.unwrap_or_else(|| identifier.to_owned())
}

/// `a/BOX contains b/PART`, by the firm whose key is shown.
fn name(text: &str) -> v1::LinkName {
    let parts: Vec<&str> = text.split(' ').collect();
    let [source, kind, target] = parts[..] else {
        panic!("{text}");
    };
    v1::LinkName {
        source: id(source),
        kind: kind.into(),
        target: id(target),
        owner: String::new(),
    }
}

/// The same, by a firm.
fn name_by(text: &str, firm: &str) -> v1::LinkName {
    v1::LinkName {
        owner: format!("firms/{firm}"),
        ..name(text)
    }
}

/// A public link.
fn link(text: &str) -> v1::Link {
    seen_by(text, Visibility::Public)
}

fn seen_by(text: &str, visibility: Visibility) -> v1::Link {
    v1::Link {
        name: Some(name(text)),
        visibility: visibility.into(),
        ..v1::Link::default()
    }
}

fn stating(link: v1::Link) -> v1::StateLinkRequest {
    v1::StateLinkRequest {
        link: Some(link),
        ..v1::StateLinkRequest::default()
    }
}

async fn state(clients: &Clients, link: v1::Link) -> Result<v1::Link, Status> {
    let stated = clients.links().state_link(stating(link)).await;
    stated.map(Response::into_inner)
}

/// States public links, by the firms whose the sources are.
async fn state_all(town: &Town, links: &[&str]) {
    for text in links {
        let (firm, _) = text.split_once('/').unwrap();
        state(&town.of(firm), link(text)).await.expect(text);
    }
}

async fn read(clients: &Clients, name: v1::LinkName) -> Result<v1::Link, Status> {
    let request = v1::GetLinkRequest { name: Some(name) };
    let link = clients.links().get_link(request).await;
    link.map(Response::into_inner)
}

/// A request to trace.
fn tracing(start: &str, direction: v1::TraceDirection) -> v1::TraceRequest {
    v1::TraceRequest {
        start: id(start),
        direction: direction.into(),
        ..v1::TraceRequest::default()
    }
}

fn up(start: &str) -> v1::TraceRequest {
    tracing(start, v1::TraceDirection::Up)
}

fn down(start: &str) -> v1::TraceRequest {
    tracing(start, v1::TraceDirection::Down)
}

async fn trace(clients: &Clients, request: v1::TraceRequest) -> Result<v1::TraceResponse, Status> {
    let traced = clients.links().trace(request).await;
    traced.map(Response::into_inner)
}

/// The identifiers of rows, placeholders as "?", and "+" behind each that has more.
fn shown(rows: &[v1::TraceRow]) -> Vec<String> {
    let row = |row: &v1::TraceRow| {
        let name = match row.identifier.as_str() {
            "" => "?".to_owned(),
            identifier => short(identifier),
        };
        format!("{name}{}", if row.more { "+" } else { "" })
    };
    rows.iter().map(row).collect()
}

/// What a caller finds.
async fn found(clients: &Clients, request: v1::TraceRequest) -> Vec<String> {
    shown(&trace(clients, request).await.unwrap().rows)
}

fn seconds_from_now(seconds: i64) -> prost_types::Timestamp {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    prost_types::Timestamp {
        seconds: now + seconds,
        nanos: 0,
    }
}
