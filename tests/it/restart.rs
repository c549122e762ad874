//! kill -9 under mixed writes: what was acknowledged is there, nothing is half
//! there, and every count is exact.
//!
//! The tests keep their own record of what each identifier must be. Each writer
//! has identifiers of its own, so its record needs no order between writers. A
//! write that was under way when the node died may have happened or not; its
//! retry under the same request id must make it have happened once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use idnode::wire::proto::v1::batch_write_request::{Item, item};
use idnode::wire::proto::v1::{self, Record, Value, batch_write_response, operation};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::support::{Chance, Clients, DEADLINE, NodeProcess, is_slow, reason, record, text};

const PREFIX: &str = "88.118.7";
const WRITERS: u64 = 8;
/// Few, so that each is created, changed and deleted many times.
const IDENTIFIERS_PER_WRITER: u64 = 12;
const BATCH_ITEMS: u64 = 6;
/// Writes that are acknowledged before the kill: at least, and up to as many more.
const ACKNOWLEDGED_MIN: u64 = 100;
const ACKNOWLEDGED_MORE: u64 = 400;

/// What an identifier is. Values by index; the number is the revision. That of a
/// deletion is not told when it is acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Absent,
    Active(BTreeMap<u32, String>, u64),
    Deleted,
}

/// One change, and the request id that makes it one.
#[derive(Clone, Debug)]
struct Attempt {
    identifier: String,
    change: item::Change,
    request_id: String,
}

/// What one writer knows.
struct Writer {
    number: u64,
    chance: Chance,
    requests: u64,
    states: BTreeMap<String, State>,
    /// What was sent and not answered, as it was sent.
    unanswered: Option<(v1::BatchWriteRequest, Vec<Attempt>)>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_nothing_that_was_acknowledged_when_killed() {
    let rounds = if is_slow() { 50 } else { 5 };
    let folder = tempfile::tempdir().unwrap();
    let mut node = NodeProcess::start(folder.path()).await;
    node.clients().home_prefix(PREFIX).await;
    let mut writers: Vec<_> = (0..WRITERS).map(Writer::new).collect();
    for round in 0..rounds {
        let acknowledged = write_until_killed(node, &mut writers, round).await;
        node = NodeProcess::start(folder.path()).await;
        let clients = node.clients();
        let mut happened = 0;
        for writer in &mut writers {
            happened += writer.check_and_settle(&clients).await;
        }
        check_whole(&clients, &writers, round).await;
        eprintln!(
            "round {round}: {acknowledged} changes acknowledged and there; \
             {happened} more had happened unanswered"
        );
    }
    node.kill();
}

/// Has every writer write until the node is killed; says how many writes were
/// acknowledged.
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
    crate::support::wait_until("enough writes acknowledged", reached).await;
    node.kill();
    let ended = tokio::time::timeout(DEADLINE, tasks.join_all()).await;
    writers.extend(ended.expect("writers notice that the node is gone"));
    writers.sort_by_key(|writer| writer.number);
    acknowledged.load(Ordering::Relaxed)
}

impl Writer {
    fn new(number: u64) -> Self {
        let names = (0..IDENTIFIERS_PER_WRITER).map(|n| format!("{PREFIX}/W{number}.{n}"));
        Self {
            number,
            chance: Chance::new(number + 100),
            requests: 0,
            states: names.map(|name| (name, State::Absent)).collect(),
            unanswered: None,
        }
    }

    /// Sends one batch and notes what came of it: how many changes were made.
    /// `None` once the node is gone; the batch is then kept as unanswered.
    async fn write(&mut self, clients: &Clients) -> Option<u64> {
        let (request, attempts) = self.plan();
        match clients.registry().batch_write(request.clone()).await {
            Ok(response) => {
                let results = response.into_inner().results;
                assert_eq!(results.len(), attempts.len());
                for (attempt, result) in attempts.iter().zip(results) {
                    self.note(attempt, result);
                }
                Some(u64::try_from(attempts.len()).unwrap())
            }
            Err(status) if is_gone(&status) => {
                self.unanswered = Some((request, attempts));
                None
            }
            Err(status) => panic!("{}: {status:?}", reason(&status)),
        }
    }

    /// Changes of different identifiers, each allowed by the state it finds.
    fn plan(&mut self) -> (v1::BatchWriteRequest, Vec<Attempt>) {
        let count = 1 + self.chance.below(BATCH_ITEMS);
        let mut names: Vec<_> = self.states.keys().cloned().collect();
        let mut attempts = Vec::new();
        self.requests += 1;
        let request_id = format!("w{}-{}", self.number, self.requests);
        for _ in 0..count {
            let identifier = names.swap_remove(self.chance.index(names.len()));
            let change = self.change_of(&identifier);
            attempts.push(Attempt {
                identifier,
                change,
                request_id: request_id.clone(),
            });
        }
        let items = attempts.iter().map(|attempt| Item {
            change: Some(attempt.change.clone()),
        });
        let request = v1::BatchWriteRequest {
            items: items.collect(),
            request_id,
            validate_only: false,
        };
        (request, attempts)
    }

    fn change_of(&mut self, identifier: &str) -> item::Change {
        let data = format!("https://a.example/{}", self.chance.below(1 << 30));
        let name = format!("records/{identifier}");
        let State::Active(values, revision) = &self.states[identifier] else {
            return item::Change::Create(v1::CreateRecordRequest {
                record: Some(record(identifier, vec![text(1, "URL", &data)])),
                reuse_deleted: true,
                ..v1::CreateRecordRequest::default()
            });
        };
        let etag = format!("r{revision:x}");
        let last = *values.keys().next_back().unwrap();
        match self.chance.below(5) {
            0 => item::Change::Delete(v1::DeleteRecordRequest {
                name,
                ..v1::DeleteRecordRequest::default()
            }),
            1 => item::Change::Update(v1::UpdateRecordRequest {
                record: Some(Record {
                    etag,
                    ..record(
                        identifier,
                        vec![text(1, "URL", &data), text(7, "DESC", "新")],
                    )
                }),
                ..v1::UpdateRecordRequest::default()
            }),
            2 if values.len() > 1 => item::Change::RemoveValues(v1::RemoveValuesRequest {
                name,
                indices: vec![last],
                ..v1::RemoveValuesRequest::default()
            }),
            3 => item::Change::ModifyValues(v1::ModifyValuesRequest {
                name,
                values: vec![text(last, "URL", &data)],
                ..v1::ModifyValuesRequest::default()
            }),
            _ => item::Change::AddValues(v1::AddValuesRequest {
                name,
                values: vec![text(2000 + last % 1000 + 1, "DESC", &data)],
                ..v1::AddValuesRequest::default()
            }),
        }
    }

    /// Notes an acknowledged change.
    fn note(&mut self, attempt: &Attempt, result: batch_write_response::Result) {
        let expected = after(&self.states[&attempt.identifier], &attempt.change);
        let record = match result.outcome {
            Some(batch_write_response::result::Outcome::Record(record)) => record,
            other => panic!("{attempt:?} on {:?}: {other:?}", self.states),
        };
        let seen = match expected {
            State::Deleted => State::Deleted,
            State::Absent | State::Active(..) => state_of(&record),
        };
        assert!(
            same_content(&seen, &expected),
            "{attempt:?}: {seen:?}, not {expected:?}"
        );
        self.states.insert(attempt.identifier.clone(), seen);
    }

    /// Compares every identifier with what it must be, then retries what was
    /// left unanswered, which must come true exactly once. Says how much of it
    /// had happened already.
    async fn check_and_settle(&mut self, clients: &Clients) -> usize {
        let unanswered = self.unanswered.take();
        let there = listed(clients, &format!("W{}.", self.number)).await;
        for (identifier, known) in &self.states {
            let seen = there.get(identifier).cloned().unwrap_or_default();
            let mut attempts = unanswered.iter().flat_map(|(_, attempts)| attempts);
            let attempt = attempts.find(|attempt| attempt.identifier == *identifier);
            let happened =
                attempt.is_some_and(|attempt| same_content(&seen, &after(known, &attempt.change)));
            assert!(
                seen == *known || happened,
                "{identifier}: is {seen:?}; acknowledged {known:?}; unanswered {attempt:?}"
            );
        }
        let Some((request, attempts)) = unanswered else {
            return 0;
        };
        let response = clients.registry().batch_write(request).await.unwrap();
        for (attempt, result) in attempts.iter().zip(response.into_inner().results) {
            self.note(attempt, result);
        }
        let mut happened_count = 0;
        let now_there = listed(clients, &format!("W{}.", self.number)).await;
        for attempt in &attempts {
            let before = there.get(&attempt.identifier).cloned().unwrap_or_default();
            let after = &now_there[&attempt.identifier];
            assert_eq!(*after, self.states[&attempt.identifier], "{attempt:?}");
            // A change that had happened is not made again: the revision stays.
            let had_happened = same_content(&before, after);
            assert!(
                !had_happened || before == *after,
                "{} made twice: {before:?}, then {after:?}",
                attempt.request_id
            );
            happened_count += usize::from(had_happened);
        }
        happened_count
    }
}

/// Counts, positions and the audit trail against what all writers know.
async fn check_whole(clients: &Clients, writers: &[Writer], round: u64) {
    let states = || writers.iter().flat_map(|writer| writer.states.values());
    let count = |wanted: fn(&State) -> bool| {
        let states = states().filter(|state| wanted(state));
        i64::try_from(states.count()).unwrap()
    };
    let active = count(|state| matches!(state, State::Active(..)));
    let deleted = count(|state| matches!(state, State::Deleted));
    let request = v1::GetPrefixRequest {
        name: format!("prefixes/{PREFIX}"),
    };
    let prefix = clients.registry().get_prefix(request).await.unwrap();
    let prefix = prefix.into_inner();
    assert_eq!(prefix.active_count, active);
    assert_eq!(prefix.deleted_count, deleted);
    assert_eq!(
        listed(clients, "").await.len(),
        states().filter(|s| **s != State::Absent).count()
    );

    let status = clients.node().get_status(v1::GetStatusRequest {}).await;
    let status = status.unwrap().into_inner();
    assert_eq!(status.active_count, prefix.active_count);
    assert_eq!(status.deleted_count, prefix.deleted_count);
    let latest = states().map(revision).max().unwrap_or_default();
    assert!(
        u64::try_from(status.applied_position).unwrap() >= latest,
        "{latest} is ahead of {status:?}"
    );

    // Verifying recounts every row, and has one audit entry for each position.
    let backup_id = format!("round-{round}");
    let request = v1::CreateBackupRequest {
        backup_id: backup_id.clone(),
    };
    let made = clients.node().create_backup(request).await.unwrap();
    finish(clients, made.into_inner()).await;
    let name = format!("backups/{backup_id}");
    let verified = clients
        .node()
        .verify_backup(v1::VerifyBackupRequest { name })
        .await;
    finish(clients, verified.unwrap().into_inner()).await;
}

/// Waits for an operation, which must succeed.
async fn finish(clients: &Clients, operation: v1::Operation) {
    let request = v1::WaitOperationRequest {
        name: operation.name,
        timeout: None,
    };
    let done = clients
        .node()
        .wait_operation(request)
        .await
        .unwrap()
        .into_inner();
    let made = matches!(done.result, Some(operation::Result::Backup(_)));
    assert!(made, "{done:?}");
}

/// Every identifier whose suffix begins with `suffix`, deleted ones too.
async fn listed(clients: &Clients, suffix: &str) -> BTreeMap<String, State> {
    let mut found = BTreeMap::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListRecordsRequest {
            parent: format!("prefixes/{PREFIX}"),
            page_size: 1000,
            page_token,
            show_deleted: true,
        };
        let page = clients.registry().list_records(request).await.unwrap();
        let page = page.into_inner();
        for record in page.records {
            let identifier = record.name.strip_prefix("records/").unwrap().to_owned();
            if identifier.starts_with(&format!("{PREFIX}/{suffix}")) {
                found.insert(identifier, state_of(&record));
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

/// What `state` is after `change`; the revision is not known and 0.
fn after(state: &State, change: &item::Change) -> State {
    let mut values = match state {
        State::Active(values, _) => values.clone(),
        State::Absent | State::Deleted => BTreeMap::new(),
    };
    match change {
        item::Change::Create(request) => values = data_of(&request.record.as_ref().unwrap().values),
        item::Change::Update(request) => values = data_of(&request.record.as_ref().unwrap().values),
        item::Change::Delete(_) => return State::Deleted,
        item::Change::AddValues(request) => values.extend(data_of(&request.values)),
        item::Change::ModifyValues(request) => values.extend(data_of(&request.values)),
        item::Change::RemoveValues(request) => {
            values.retain(|index, _| !request.indices.contains(index));
        }
        item::Change::SetReaders(_) => {}
    }
    State::Active(values, 0)
}

fn data_of(values: &[Value]) -> BTreeMap<u32, String> {
    let data = |value: &Value| match &value.data {
        Some(v1::value::Data::Text(text)) => (value.index, text.clone()),
        other => panic!("{other:?}"),
    };
    values.iter().map(data).collect()
}

fn state_of(record: &Record) -> State {
    if record.delete_time.is_some() {
        return State::Deleted;
    }
    State::Active(data_of(&record.values), revision_of(record))
}

/// The revision that an etag stands for: its digits behind the "r".
fn revision_of(record: &Record) -> u64 {
    u64::from_str_radix(record.etag.strip_prefix('r').unwrap(), 16).unwrap()
}

fn revision(state: &State) -> u64 {
    match state {
        State::Absent | State::Deleted => 0,
        State::Active(_, revision) => *revision,
    }
}

/// Whether two states are the same but for the revision.
fn same_content(a: &State, b: &State) -> bool {
    match (a, b) {
        (State::Active(a, _), State::Active(b, _)) => a == b,
        (State::Absent, State::Absent) | (State::Deleted, State::Deleted) => true,
        _ => false,
    }
}

/// Whether a call failed because the node died under it.
pub(crate) fn is_gone(status: &Status) -> bool {
    let code = status.code();
    reason(status).is_empty()
        && matches!(
            code,
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
        )
}
