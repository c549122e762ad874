//! A node without faces, on a store that is opened and closed at will.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use idnode::cluster;
use idnode::merkle::Signer;
use idnode::model::{
    Caller, Identifier, NodeRole, Operator, Permissions, Prefix, Refusal, SuffixCase, Timestamp,
    Ttl, Value, ValueType, Who,
};
use idnode::node::{Applied, Change, Clock, Metrics, Node, PrefixAction, RecordAction, Write};
use idnode::store::codec_types::AuditEntry;
use idnode::store::{self, Store};

pub(super) const PREFIX: &str = "88.118.7";

/// Milliseconds of the day at which bare nodes begin.
pub(super) const BEGINNING: u64 = 1_800_000_000_000;

/// A node without faces on a store in a folder.
pub(super) struct Bare {
    pub(super) node: Node,
    pub(super) store: Arc<Store>,
    writer: JoinHandle<()>,
}

pub(super) fn config(folder: &Path) -> store::Config {
    store::Config {
        data_dir: folder.to_owned(),
        cache_bytes: 8 << 20,
        write_buffer_bytes: 1 << 20,
        disk_reserve_bytes: 0,
        ..store::Config::default()
    }
}

impl Bare {
    pub(super) fn open(folder: &Path) -> Self {
        Self::open_at(folder, || Timestamp::from_millis(BEGINNING))
    }

    pub(super) fn open_at(folder: &Path, now: fn() -> Timestamp) -> Self {
        let store = Store::open(config(folder), store::Metrics::new()).expect("opens");
        let store = Arc::new(store);
        let clock = Clock {
            now,
            elapsed: || Duration::ZERO,
        };
        let log = cluster::Config::default();
        let parts = (clock, chance as fn(&mut [u8]));
        let started = Node::start(Arc::clone(&store), &log, parts, Metrics::new());
        let (node, writer) = started.expect("starts");
        node.set_log_key(Signer::new("node.example/log", &[7; 32]).expect("a key"));
        Self {
            node,
            store,
            writer,
        }
    }

    pub(super) async fn close(self) {
        self.node.close().await;
        self.writer.join().expect("the writer ends");
        assert_eq!(self.store.check_counts().expect("reads"), None);
    }

    pub(super) async fn write(&self, caller: &Caller, change: Change) -> Result<Applied, Refusal> {
        let write = Write {
            change,
            request_id: None,
        };
        self.node.execute(caller, write).await
    }

    /// Registers and homes the prefix, and `count` identifiers below it.
    pub(super) async fn fill(&self, count: usize) {
        let create = create_prefix(None);
        self.write(&administrator(), create).await.expect("created");
        self.add(0, count).await;
    }

    /// Registers identifiers from number `first` up to, not including, `end`.
    pub(super) async fn add(&self, first: usize, end: usize) {
        let writes = (first..end).map(|number| Write {
            change: create(&format!("{PREFIX}/N.{number}"), &number.to_string()),
            request_id: None,
        });
        let writes: Vec<_> = writes.collect();
        for chunk in writes.chunks(1000) {
            let done = self
                .node
                .execute_many(&administrator(), chunk.to_vec())
                .await;
            assert!(done.expect("taken").iter().all(Result::is_ok));
        }
    }

    /// Every entry, with its position.
    pub(super) fn entries(&self) -> Vec<(u64, AuditEntry)> {
        let mut entries = Vec::new();
        let mut take = |position, entry| {
            entries.push((position, entry));
            ControlFlow::Continue(())
        };
        self.store.each_audit(0, &mut take).expect("reads");
        entries
    }
}

pub(super) fn administrator() -> Caller {
    Caller::system_administrator("test")
}

pub(super) fn auditor() -> Caller {
    Caller::of(Who::Operator(Operator {
        id: "watcher".into(),
        role: NodeRole::Auditor,
    }))
}

pub(super) fn value(index: u32, data: &str, permissions: Permissions) -> Value {
    Value {
        index,
        value_type: ValueType::parse("DESC").expect("type"),
        data: data.into(),
        ttl: Ttl::DEFAULT,
        permissions,
        changed: Timestamp::default(),
        references: Vec::new(),
        readers: None,
    }
}

pub(super) fn create(identifier: &str, data: &str) -> Change {
    create_with(identifier, vec![value(1, data, Permissions::DEFAULT)])
}

pub(super) fn create_with(identifier: &str, values: Vec<Value>) -> Change {
    Change::Record {
        identifier: Identifier::parse(identifier).expect("identifier"),
        action: RecordAction::Create {
            values,
            readers: None,
            reuse_deleted: false,
        },
    }
}

pub(super) fn delete(identifier: &str) -> Change {
    Change::Record {
        identifier: Identifier::parse(identifier).expect("identifier"),
        action: RecordAction::Delete { etag: None },
    }
}

pub(super) fn create_prefix(quota: Option<u64>) -> Change {
    Change::Prefix {
        prefix: Prefix::parse(PREFIX).expect("prefix"),
        action: PrefixAction::Create {
            firm: "温州测试有限公司".into(),
            case: SuffixCase::Folded,
            quota,
            home: true,
        },
    }
}

/// Octets that differ from call to call, the same in every run.
fn chance(octets: &mut [u8]) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    for chunk in octets.chunks_mut(8) {
        let next = NEXT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        chunk.copy_from_slice(&next.to_be_bytes()[..chunk.len()]);
    }
}
