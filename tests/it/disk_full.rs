//! A full disk: writes fail and say so, reads go on, and writes are taken again
//! once there is space, without a restart.
//!
//! Each test has a small volume of its own in memory, which takes root.

use std::fs;
use std::path::Path;
use std::process::Command;

use idnode::config::Config;
use idnode::wire::proto::v1;
use tempfile::TempDir;

use crate::support::{Clients, TestNode, is_root, missing, reason, record, text, wait_until};

const PREFIX: &str = "88.118.7";
/// Room for the log of writes, which is laid out 70 MiB ahead, and for the 64 MiB
/// that RocksDB wants free before it resumes.
const VOLUME_BYTES: u64 = 256 << 20;
const RESERVE_BYTES: u64 = 8 << 20;
/// What a test leaves to the node when it fills the volume to the brim.
const LEFT_BYTES: u64 = 256 << 10;

/// A volume of [`VOLUME_BYTES`], gone when dropped.
struct SmallVolume {
    folder: TempDir,
}

impl SmallVolume {
    /// `None` where it cannot be had.
    fn mount() -> Option<Self> {
        if !is_root() {
            missing("only root can mount the small volume that this test fills");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={VOLUME_BYTES}"),
                "tmpfs",
            ])
            .arg(folder.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            missing("no volume can be mounted here");
            return None;
        }
        Some(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn free_bytes(&self) -> u64 {
        let stat = nix::sys::statvfs::statvfs(self.path()).unwrap();
        stat.blocks_available() * stat.fragment_size()
    }

    /// Fills the volume until no more than `left` bytes are free.
    fn fill(&self, left: u64) {
        let bytes = self.free_bytes().saturating_sub(left);
        let ballast = vec![0; usize::try_from(bytes).unwrap()];
        fs::write(self.path().join("ballast"), ballast).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallVolume {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.path()).status();
        assert!(status.is_ok_and(|status| status.success()), "umount");
    }
}

/// A node on `volume` with a homed prefix.
async fn node_on(volume: &SmallVolume, reserve_bytes: u64) -> (TestNode, Clients) {
    let node = TestNode::start_with(|config: &mut Config| {
        config.store.data_dir = volume.path().join("data");
        config.store.disk_reserve_bytes = reserve_bytes;
        config.store.write_buffer_bytes = 1 << 20;
    })
    .await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    (node, clients)
}

async fn is_writable(clients: &Clients) -> bool {
    let status = clients.node().get_status(v1::GetStatusRequest {}).await;
    status.unwrap().into_inner().writable
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_writes_below_the_reserve_and_takes_them_above() {
    let Some(volume) = SmallVolume::mount() else {
        return;
    };
    let (_node, clients) = node_on(&volume, RESERVE_BYTES).await;
    let known = format!("{PREFIX}/known");
    clients.create(&known, "https://a.example/").await.unwrap();

    volume.fill(RESERVE_BYTES / 2);
    let late = format!("{PREFIX}/late");
    let refused = clients
        .create(&late, "https://a.example/")
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "DISK_FULL");
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(!is_writable(&clients).await);
    clients.resolve(&known).await.unwrap();
    let absent = clients.resolve(&late).await.unwrap_err();
    assert_eq!(reason(&absent), "RECORD_NOT_FOUND");

    volume.free();
    clients.create(&late, "https://a.example/").await.unwrap();
    assert!(is_writable(&clients).await);
    clients.resolve(&late).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_what_it_acknowledged_when_the_volume_is_full_to_the_brim() {
    let Some(volume) = SmallVolume::mount() else {
        return;
    };
    let (node, clients) = node_on(&volume, 0).await;
    volume.fill(LEFT_BYTES);
    // Values large enough that the log outgrows what is left.
    let large = format!("https://a.example/{}", "x".repeat(32 << 10));
    let mut acknowledged = Vec::new();
    let refused = loop {
        let identifier = format!("{PREFIX}/{}", acknowledged.len());
        match clients.create(&identifier, &large).await {
            Ok(_) => acknowledged.push(identifier),
            Err(status) => break status,
        }
        assert!(acknowledged.len() < 10_000, "the volume never fills");
    };
    assert_eq!(reason(&refused), "DISK_FULL");
    for identifier in &acknowledged {
        clients.resolve(identifier).await.unwrap();
    }

    volume.free();
    let after = format!("{PREFIX}/after");
    wait_until("writes are taken again", async || {
        clients.create(&after, "https://a.example/").await.is_ok()
    })
    .await;
    acknowledged.push(after);

    // What was refused is not there, and what was acknowledged is, also on disk.
    let node = node.restart().await;
    let clients = node.clients();
    for identifier in &acknowledged {
        clients.resolve(identifier).await.unwrap();
    }
    let request = v1::GetPrefixRequest {
        name: format!("prefixes/{PREFIX}"),
    };
    let prefix = clients.registry().get_prefix(request).await.unwrap();
    let count = i64::try_from(acknowledged.len()).unwrap();
    assert_eq!(prefix.into_inner().active_count, count);
}

/// A stream of large records until the volume is full: a group may have been decided
/// behind one that could not be written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_keeps_what_it_acknowledged_when_the_volume_is_full() {
    let Some(volume) = SmallVolume::mount() else {
        return;
    };
    let (node, clients) = node_on(&volume, 0).await;
    volume.fill(24 << 20);
    let data = "x".repeat(2_000);
    let message = move |number: usize| v1::ImportRecordsRequest {
        records: (number * 300..(number + 1) * 300)
            .map(|row| {
                let name = format!("{PREFIX}/{row:06}");
                record(&name, vec![text(1, "DESC", &data)])
            })
            .collect(),
        ..v1::ImportRecordsRequest::default()
    };
    let stream = tokio_stream::iter((0..1_000).map(message));
    let answers = clients.registry().import_records(stream).await.unwrap();
    let mut answers = answers.into_inner();
    let mut created = 0;
    let refused = loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                assert!(answer.rejections.is_empty());
                created += answer.created_count;
            }
            Ok(None) => panic!("the volume never fills"),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&refused), "DISK_FULL", "{refused:?}");
    assert!(created > 0);

    volume.free();
    let node = node.restart().await;
    let clients = node.clients();
    for row in [0, created / 2, created - 1] {
        let name = format!("{PREFIX}/{row:06}");
        clients.resolve(&name).await.unwrap();
    }
    // Groups that were written before the stream ended may not have been acknowledged.
    let request = v1::GetPrefixRequest {
        name: format!("prefixes/{PREFIX}"),
    };
    let prefix = clients.registry().get_prefix(request).await.unwrap();
    let count = prefix.into_inner().active_count;
    assert!(count >= created, "{count} of {created}");
    assert_eq!(count % 300, 0);
}
