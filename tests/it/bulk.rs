//! Bulk imports: many messages written together, as table files, as durable and as
//! indexed as any other.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use idnode::store::{Config, Metrics, Store};
use idnode::wire::proto::v1::{self, ImportRecordsRequest, ImportRecordsResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::support::{Chance, Clients, NodeProcess, record, text, wait_until};

const PREFIX: &str = "88.118.7";
/// Records of a message.
const MESSAGE: usize = 2_000;
/// Messages that become one table file for each column at least.
const MESSAGES: usize = 10;
/// Messages of an import that is killed.
const SENT: usize = 80;
/// Rounds of killing.
const ROUNDS: u64 = 4;

fn row(number: usize) -> v1::Record {
    let name = format!("{PREFIX}/{number:06}");
    record(&name, vec![text(1, "URL", "https://example.test/")])
}

fn message(rows: Range<usize>) -> ImportRecordsRequest {
    ImportRecordsRequest {
        records: rows.map(row).collect(),
        bulk: true,
        ..ImportRecordsRequest::default()
    }
}

/// Messages with the rows of each.
fn messages(rows: &[Range<usize>]) -> Vec<ImportRecordsRequest> {
    rows.iter().cloned().map(message).collect()
}

/// Sends all that it can; gives the answers, and how the stream ended. Tells meanwhile
/// how many items are covered.
async fn import(
    clients: &Clients,
    messages: Vec<ImportRecordsRequest>,
    covered: &AtomicI64,
) -> (Vec<ImportRecordsResponse>, Result<(), Status>) {
    let mut all = Vec::new();
    let stream = clients
        .registry()
        .import_records(tokio_stream::iter(messages))
        .await;
    let mut answers = match stream {
        Ok(stream) => stream.into_inner(),
        Err(status) => return (all, Err(status)),
    };
    loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                covered.store(answer.covered_count, Ordering::Relaxed);
                all.push(answer);
            }
            Ok(None) => return (all, Ok(())),
            Err(status) => return (all, Err(status)),
        }
    }
}

async fn count(clients: &Clients) -> usize {
    let name = format!("prefixes/{PREFIX}");
    let mut registry = clients.registry();
    let prefix = registry.get_prefix(v1::GetPrefixRequest { name }).await;
    let prefix = prefix.expect("it is there").into_inner();
    usize::try_from(prefix.active_count).expect("a count")
}

async fn is_there(clients: &Clients, number: usize) -> bool {
    let name = format!("records/{PREFIX}/{number:06}");
    let request = v1::GetRecordRequest { name };
    match clients.registry().get_record(request).await {
        Ok(found) => found.into_inner().values.len() == 1,
        Err(status) => {
            assert_eq!(status.code(), tonic::Code::NotFound, "{status}");
            false
        }
    }
}

/// Opens the store of a node that has ended, and checks that it agrees with itself.
/// Gives how many changes there were.
fn check(data_dir: &Path) -> u64 {
    let config = Config {
        data_dir: data_dir.to_owned(),
        ..Config::default()
    };
    let store = Store::open(config, Metrics::new()).expect("opens");
    assert_eq!(store.check_counts().expect("reads"), None);
    store.check_trail().expect("sound");
    assert!(!data_dir.join("laid").exists());
    store.position()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_as_indexed_as_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = NodeProcess::start(folder.path()).await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let first = |message: usize| message * MESSAGE;
    let mut rows: Vec<_> = (0..MESSAGES)
        .map(|message| first(message)..first(message + 1))
        .collect();
    // What came before in the same group, and what is no identifier's data.
    rows.push(5..15);
    let mut sent = messages(&rows);
    sent[1].records[7].values.push(text(1, "URL", "twice"));
    let (answers, ended) = import(&clients, sent, &AtomicI64::new(0)).await;
    ended.expect("taken");
    // For all of them, or but for a first few.
    let metrics = node.metrics().await;
    let files = metrics.lines().find_map(|line| {
        line.strip_prefix("idnode_rocksdb_files_taken_in_total ")?
            .parse()
            .ok()
    });
    assert!(files >= Some(2), "{files:?} table files");
    let sum = |of: fn(&ImportRecordsResponse) -> i64| answers.iter().map(of).sum::<i64>();
    let taken = MESSAGES * MESSAGE - 1;
    assert_eq!(
        usize::try_from(sum(|answer| answer.created_count)),
        Ok(taken)
    );
    let last = answers.last().expect("an answer");
    let sent_count = i64::try_from(MESSAGES * MESSAGE + 10).expect("few");
    assert_eq!(last.covered_count, sent_count);
    let rejected = answers.iter().flat_map(|answer| &answer.rejections);
    let rejected: Vec<_> = rejected.map(|one| (one.position, &one.name)).collect();
    let mut expected = vec![(2_007, format!("records/{PREFIX}/002007"))];
    expected.extend((0..10).map(|number| {
        let name = format!("records/{PREFIX}/{:06}", number + 5);
        (sent_count - 10 + i64::from(number), name)
    }));
    let expected: Vec<_> = expected.iter().map(|(at, name)| (*at, name)).collect();
    assert_eq!(rejected, expected);
    assert_eq!(count(&clients).await, taken);
    for (number, expected) in [(0, true), (2_006, true), (2_007, false), (19_999, true)] {
        assert_eq!(is_there(&clients, number).await, expected, "{number}");
    }
    // What is there can be changed and deleted, and a backup has all of it.
    let name = format!("records/{PREFIX}/000000");
    let request = v1::DeleteRecordRequest {
        name,
        ..v1::DeleteRecordRequest::default()
    };
    clients
        .registry()
        .delete_record(request)
        .await
        .expect("deleted");
    assert!(!is_there(&clients, 0).await);
    node.kill();
    let position = check(&folder.path().join("data"));
    assert!(position > u64::try_from(taken).expect("few"), "{position}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_at_once_is_as_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = NodeProcess::start(folder.path()).await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let mut open = Vec::new();
    for first in [0, 100] {
        let (sender, receiver) = mpsc::channel(1);
        let message = message(first..first + 10);
        sender.send(message).await.expect("waited for");
        let mut registry = clients.registry();
        let stream = registry.import_records(ReceiverStream::new(receiver)).await;
        let mut answers = stream.expect("begins").into_inner();
        let answer = answers
            .message()
            .await
            .expect("goes on")
            .expect("an answer");
        assert_eq!(answer.created_count, 10);
        open.push((sender, answers));
    }
    let covered = AtomicI64::new(0);
    let counts = async |rows: [Range<usize>; 2]| {
        let (answers, ended) = import(&clients, messages(&rows), &covered).await;
        ended.expect("taken");
        let counts = answers.iter().map(|answer| answer.created_count);
        counts.collect::<Vec<_>>()
    };
    // An answer for each message, and not one for both.
    assert_eq!(counts([200..205, 205..210]).await, [5, 5]);
    drop(open);
    let is_free = async || {
        let first = count(&clients).await;
        counts([first + 200..first + 205, first + 205..first + 210]).await == [10]
    };
    wait_until("a place", is_free).await;
    node.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_as_durable_when_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut node = NodeProcess::start(folder.path()).await;
    node.clients().home_prefix(PREFIX).await;
    let mut begun = 0;
    for round in 0..ROUNDS {
        let clients = node.clients();
        let first = begun;
        let rows: Vec<_> = (0..SENT)
            .map(|message| first + message * MESSAGE..first + (message + 1) * MESSAGE)
            .collect();
        begun = first + SENT * MESSAGE;
        let (covered, sent) = (AtomicI64::new(0), messages(&rows));
        let killing = async {
            let is_taking = async || covered.load(Ordering::Relaxed) > 0;
            wait_until("some are taken", is_taking).await;
            // While a group is decided, written, or taken in.
            let wait = Chance::new(round + 1).below(1_500);
            tokio::time::sleep(Duration::from_millis(wait)).await;
            node.kill();
        };
        let importing = import(&clients, sent, &covered);
        let ((answers, _), ()) = tokio::join!(importing, killing);
        let covered = answers.last().map_or(0, |answer| answer.covered_count);
        let covered = usize::try_from(covered).expect("a count");
        node = NodeProcess::start(folder.path()).await;
        let clients = node.clients();
        for number in (first..first + covered).step_by(97) {
            assert!(is_there(&clients, number).await, "round {round}: {number}");
        }
        eprintln!("round {round}: {covered} acknowledged, all there");
    }
    let there = count(&node.clients()).await;
    node.kill();
    let position = check(&folder.path().join("data"));
    assert!(position >= u64::try_from(there).expect("few"));
}
