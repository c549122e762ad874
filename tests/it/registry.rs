//! The write path against a plain map: any sequence of changes leaves the same
//! records, counts and refusals, also after the store was closed and opened.

mod identity;
mod plain;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use idnode::cluster;
use idnode::model::{
    Caller, Identifier, Permissions, Prefix, Reason, Record, Refusal, SuffixCase, Timestamp, Ttl,
    Value, ValueType,
};
use idnode::node::{
    Applied, Change, Clock, Effect, Metrics, Node, PrefixAction, Query, RecordAction, RequestId,
    Write,
};
use idnode::store::codec_types::AuditEntry;
use idnode::store::{self, Store};
use proptest::prelude::*;
use proptest::test_runner::Config as Cases;

use plain::{Plain, QUOTA, Step, any_step, change_of, expected};

/// A node without faces on a store in `folder`.
pub(crate) struct Bare {
    pub(crate) node: Node,
    pub(crate) store: Arc<Store>,
    writer: JoinHandle<()>,
}

impl Bare {
    pub(crate) fn open(folder: &std::path::Path) -> Self {
        Self::open_with(folder, &cluster::Config::default())
    }

    fn open_with(folder: &std::path::Path, log: &cluster::Config) -> Self {
        let config = store::Config {
            data_dir: folder.to_owned(),
            cache_bytes: 8 << 20,
            write_buffer_bytes: 1 << 20,
            disk_reserve_bytes: 0,
            ..store::Config::default()
        };
        let store = Arc::new(Store::open(config, store::Metrics::new()).expect("opens"));
        let clock = Clock {
            now: || Timestamp::from_millis(1_800_000_000_000),
            elapsed: || Duration::ZERO,
        };
        let (node, writer) =
            Node::start(Arc::clone(&store), log, (clock, count), Metrics::new()).expect("starts");
        Self {
            node,
            store,
            writer,
        }
    }

    /// Ends the node, and checks that its store agrees with itself then: while the
    /// writer runs, it may be at a refused attempt.
    pub(crate) async fn close(self) {
        self.node.close().await;
        self.writer.join().expect("the writer ends");
        assert_eq!(self.store.check_counts().expect("reads"), None);
    }

    pub(crate) async fn write(&self, change: Change) -> Result<Applied, Refusal> {
        self.write_as(&operator(), change).await
    }

    /// How many changes were made, refused attempts apart.
    fn done(&self) -> usize {
        let mut count = 0;
        let mut take = |_, entry: AuditEntry| {
            count += usize::from(entry.refused.is_empty());
            std::ops::ControlFlow::Continue(())
        };
        self.store.each_audit(0, &mut take).expect("reads");
        count
    }

    pub(crate) async fn write_as(
        &self,
        caller: &Caller,
        change: Change,
    ) -> Result<Applied, Refusal> {
        let write = Write {
            change,
            request_id: None,
        };
        self.node.execute(caller, write).await
    }
}

/// What stands in for chance: each call gives other octets.
fn count(octets: &mut [u8]) {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    for (octet, byte) in octets
        .iter_mut()
        .zip(call.to_be_bytes().into_iter().cycle())
    {
        *octet = byte;
    }
}

pub(crate) fn operator() -> Caller {
    Caller::system_administrator("test")
}

pub(crate) fn value(index: u32, data: &str) -> Value {
    Value {
        index,
        value_type: ValueType::parse("DESC").expect("type"),
        data: data.into(),
        ttl: Ttl::DEFAULT,
        permissions: Permissions::DEFAULT,
        readers: None,
        changed: Timestamp::default(),
        references: Vec::new(),
    }
}

pub(crate) fn record_change(identifier: &str, action: RecordAction) -> Change {
    Change::Record {
        identifier: Identifier::parse(identifier).expect("identifier"),
        action,
    }
}

pub(crate) fn create_prefix(prefix: &str, quota: Option<u64>) -> Change {
    Change::Prefix {
        prefix: Prefix::parse(prefix).expect("prefix"),
        action: PrefixAction::Create {
            firm: "温州测试有限公司".into(),
            case: SuffixCase::Folded,
            quota,
            home: true,
        },
    }
}

fn texts(record: &Record) -> BTreeMap<u32, String> {
    let text = |value: &Value| (value.index, value.text().expect("text").to_owned());
    record.values.iter().map(text).collect()
}

fn agrees(bare: &Bare, plain: &Plain) -> Result<(), TestCaseError> {
    for (name, state) in plain {
        let identifier = Identifier::parse(&format!("88.118.7/NAME.{name}")).expect("identifier");
        let resolved = bare
            .node
            .resolve(&Caller::ANONYMOUS, &Query::all(identifier));
        match state {
            Some(values) => prop_assert_eq!(&texts(&resolved.expect("resolves")), values),
            None => prop_assert_eq!(
                resolved.expect_err("deleted").reason(),
                Reason::RecordNotFound
            ),
        }
    }
    let prefix = Prefix::parse("88.118.7").expect("prefix");
    let view = bare.node.prefix_view(&operator(), &prefix).expect("known");
    let active = plain.values().flatten().count();
    prop_assert_eq!(view.active_count, active as u64);
    prop_assert_eq!(view.deleted_count, (plain.len() - active) as u64);
    Ok(())
}

async fn runs_as_the_map(caller: &Caller, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("folder");
    let mut bare = Bare::open(folder.path());
    bare.write(create_prefix("88.118.7", Some(QUOTA as u64)))
        .await
        .expect("registered");
    identity::grant_all(&bare).await;
    let mut plain = Plain::new();
    for step in &steps {
        let before = plain.clone();
        let expected = expected(&mut plain, step);
        let Some(change) = change_of(step) else {
            bare.close().await;
            bare = Bare::open(folder.path());
            continue;
        };
        let done = bare.done();
        // Who may not is told so by the rules first.
        prop_assert_eq!(
            bare.node.precheck(change.clone()).map_err(|r| r.reason()),
            expected,
            "{:?}",
            step
        );
        let stranger = bare.write_as(&identity::stranger(), change.clone()).await;
        let refused = expected.and(Err(Reason::NotAdmin));
        prop_assert_eq!(stranger.map(drop).map_err(|r| r.reason()), refused);
        let seen = bare
            .write_as(caller, change)
            .await
            .map(drop)
            .map_err(|refusal| refusal.reason());
        prop_assert_eq!(&seen, &expected, "{:?}", step);
        if seen.is_err() || plain == before {
            prop_assert_eq!(plain == before, true);
        }
        if seen.is_err() {
            prop_assert_eq!(bare.done(), done, "a refusal changes nothing");
        }
    }
    agrees(&bare, &plain)?;
    bare.close().await;
    Ok(())
}

/// Steps that are all there at once, in groups of so many that each is decided while the
/// one before it is written.
async fn runs_ahead_as_the_map(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("folder");
    let log = cluster::Config {
        group_count_max: GROUP,
        ..cluster::Config::default()
    };
    let bare = Bare::open_with(folder.path(), &log);
    bare.write(create_prefix("88.118.7", Some(QUOTA as u64)))
        .await
        .expect("registered");
    let mut plain = Plain::new();
    let (mut writes, mut outcomes) = (Vec::new(), Vec::new());
    for step in &steps {
        let Some(change) = change_of(step) else {
            continue;
        };
        outcomes.push(expected(&mut plain, step));
        writes.push(Write {
            change,
            request_id: None,
        });
    }
    let operator = operator();
    let groups = writes.chunks(GROUP).map(<[Write]>::to_vec);
    let written = groups.map(|group| bare.node.execute_many(&operator, group));
    let written = futures_util::future::join_all(written).await;
    let written = written.into_iter().flat_map(|group| group.expect("taken"));
    let seen = written.map(|one| one.map(drop).map_err(|refusal| refusal.reason()));
    prop_assert_eq!(seen.collect::<Vec<_>>(), outcomes);
    agrees(&bare, &plain)?;
    let mut position = 0;
    let mut next = |at, _: AuditEntry| {
        position += 1;
        assert_eq!(at, position);
        std::ops::ControlFlow::Continue(())
    };
    bare.store.each_audit(0, &mut next).expect("reads");
    prop_assert_eq!(position, bare.store.position());
    bare.close().await;
    Ok(())
}

/// Changes that are handed to the committer.
const GROUP: usize = 300;

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtime")
        .block_on(future)
}

proptest! {
    #![proptest_config(Cases { cases: 24, ..Cases::default() })]
    #[test]
    fn any_sequence_of_changes_is_that_of_a_plain_map(
        steps in proptest::collection::vec(any_step(), 1..40),
        by_operator in any::<bool>(),
    ) {
        let caller = if by_operator { operator() } else { identity::administrator() };
        block_on(runs_as_the_map(&caller, steps))?;
    }
}

proptest! {
    #![proptest_config(Cases { cases: 6, max_shrink_iters: 200, ..Cases::default() })]
    #[test]
    fn groups_that_are_decided_ahead_are_as_one_by_one(
        steps in proptest::collection::vec(any_step(), 4 * GROUP..6 * GROUP),
    ) {
        block_on(runs_ahead_as_the_map(steps))?;
    }
}

#[test]
fn a_retry_gets_the_first_answer_also_after_a_restart() {
    block_on(async {
        let folder = tempfile::tempdir().expect("folder");
        let bare = Bare::open(folder.path());
        bare.write(create_prefix("88.118.7", None))
            .await
            .expect("registered");
        let write = |data: &str| Write {
            change: record_change(
                "88.118.7/a",
                RecordAction::Create {
                    values: vec![value(1, data)],
                    readers: None,
                    reuse_deleted: false,
                },
            ),
            request_id: Some(RequestId::parse("0d9c").expect("id")),
        };
        let first = bare
            .node
            .execute(&operator(), write("one"))
            .await
            .expect("created");
        let change = RecordAction::Replace {
            values: vec![value(1, "two")],
            readers: None,
            etag: None,
            allow_missing: false,
        };
        bare.write(record_change("88.118.7/a", change))
            .await
            .expect("replaced");
        assert_eq!(
            bare.node.execute(&operator(), write("one")).await.as_ref(),
            Ok(&first)
        );
        bare.close().await;

        let bare = Bare::open(folder.path());
        assert_eq!(
            bare.node.execute(&operator(), write("one")).await.as_ref(),
            Ok(&first)
        );
        let other = bare
            .node
            .execute(&operator(), write("other"))
            .await
            .expect_err("another body");
        assert_eq!(other.reason(), Reason::RequestIdReused);
        let Applied::Record {
            effect: Effect::Created,
            record,
        } = first
        else {
            panic!("{first:?}")
        };
        assert_eq!(texts(&record)[&1], "one");
        bare.close().await;
    });
}

#[test]
fn the_same_commands_give_the_same_bytes() {
    block_on(async {
        let mut exports = Vec::new();
        for _ in 0..2 {
            let folder = tempfile::tempdir().expect("folder");
            let bare = Bare::open(folder.path());
            bare.write(create_prefix("88.118.7", None))
                .await
                .expect("registered");
            let writes = (0..300).map(|i| Write {
                change: record_change(
                    &format!("88.118.7/L.{i}"),
                    RecordAction::Create {
                        values: vec![value(1, &i.to_string())],
                        readers: None,
                        reuse_deleted: false,
                    },
                ),
                request_id: None,
            });
            bare.node
                .execute_many(&operator(), writes.collect())
                .await
                .expect("taken");
            let delete = record_change("88.118.7/L.7", RecordAction::Delete { etag: None });
            bare.write(delete).await.expect("deleted");
            let mut audit = Vec::new();
            bare.store
                .each_audit(0, &mut |position, mut entry| {
                    // It came with the command, by chance.
                    entry.salt = [0; 16];
                    audit.push((position, entry));
                    std::ops::ControlFlow::Continue(())
                })
                .expect("reads");
            assert_eq!(audit.len(), 302);
            exports.push(audit);
            bare.close().await;
        }
        assert_eq!(exports[0], exports[1]);
    });
}

/// Flips one bit of a table or log below `folder`.
fn flip_a_bit(folder: &std::path::Path) {
    let file = std::fs::read_dir(folder)
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .find(|path| {
            path.extension()
                .is_some_and(|end| end == "log" || end == "sst")
        })
        .expect("a table or log");
    let mut bytes = std::fs::read(&file).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // A hard link of the live store must not change with it.
    std::fs::remove_file(&file).expect("unlinks");
    std::fs::write(&file, bytes).expect("writes");
}

#[test]
fn a_backup_restores_to_the_same_records() {
    block_on(async {
        let folder = tempfile::tempdir().expect("folder");
        let bare = Bare::open(&folder.path().join("one"));
        bare.write(create_prefix("88.118.7", None))
            .await
            .expect("registered");
        let create = |name: &str| {
            let action = RecordAction::Create {
                values: vec![value(1, name)],
                readers: None,
                reuse_deleted: false,
            };
            record_change(&format!("88.118.7/{name}"), action)
        };
        bare.write(create("kept")).await.expect("created");
        let made = bare
            .node
            .backup_create(&operator(), Some("nightly"))
            .expect("made");
        bare.write(create("later")).await.expect("created");
        assert_eq!(
            bare.node
                .backup_verify(&operator(), "nightly")
                .expect("sound"),
            made
        );
        let again = bare
            .node
            .backup_create(&operator(), Some("nightly"))
            .expect_err("there");
        assert_eq!(again.reason(), Reason::BackupExists);
        let path = bare.store.backup_folder("nightly").expect("folder");
        let elsewhere = folder.path().join("two");
        store::backup::restore(&path, &elsewhere).expect("restores");
        let occupied = store::backup::restore(&path, &elsewhere).expect_err("never overwrites");
        assert!(matches!(occupied, store::Error::NotEmpty(_)), "{occupied}");

        // Laid ready for the next start of the same node.
        bare.node
            .backup_restore(&operator(), "nightly")
            .expect("laid ready");
        bare.close().await;
        for data_dir in [elsewhere, folder.path().join("one")] {
            let bare = Bare::open(&data_dir);
            let resolve = |name: &str| {
                let id = Identifier::parse(&format!("88.118.7/{name}")).expect("identifier");
                bare.node.resolve(&Caller::ANONYMOUS, &Query::all(id))
            };
            assert!(resolve("kept").is_ok());
            assert_eq!(
                resolve("later").expect_err("was later").reason(),
                Reason::RecordNotFound
            );
            bare.close().await;
        }

        flip_a_bit(&path.join("db"));
        let corrupt = store::backup::verify(&path).expect_err("found");
        assert!(
            matches!(corrupt, store::Error::BackupCorrupt { .. }),
            "{corrupt}"
        );
    });
}
