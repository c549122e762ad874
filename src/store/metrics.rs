//! What the store measures of itself.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use crate::store::Store;

/// Handles of the store's metrics. Made under the recorder that shows them.
pub struct Metrics {
    live_table_bytes: Gauge,
    pending_compaction_bytes: Gauge,
    memtable_bytes: Gauge,
    cache_bytes: Gauge,
    background_errors: Gauge,
    keys: Gauge,
    active: Gauge,
    deleted: Gauge,
    disk_free_bytes: Gauge,
    files_taken_in: Counter,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("store::Metrics")
    }
}

impl Metrics {
    /// Registers the metrics with the recorder in force.
    pub fn new() -> Self {
        describe_gauge!("idnode_rocksdb_live_sst_bytes", "bytes of live table files");
        describe_gauge!(
            "idnode_rocksdb_pending_compaction_bytes",
            "bytes that compaction still has to rewrite"
        );
        describe_gauge!("idnode_rocksdb_memtable_bytes", "bytes in memtables");
        describe_gauge!(
            "idnode_rocksdb_block_cache_usage_bytes",
            "bytes in the block cache"
        );
        describe_gauge!(
            "idnode_rocksdb_background_errors",
            "errors of flushes and compactions"
        );
        describe_gauge!(
            "idnode_rocksdb_estimate_num_keys",
            "estimated rows of the records column"
        );
        describe_gauge!(
            "idnode_registry_identifiers",
            "identifiers that everyone may know of, by state"
        );
        describe_gauge!("idnode_disk_free_bytes", "bytes free on a volume");
        describe_counter!(
            "idnode_rocksdb_files_taken_in_total",
            "table files that bulk imports wrote"
        );
        Self {
            live_table_bytes: gauge!("idnode_rocksdb_live_sst_bytes"),
            pending_compaction_bytes: gauge!("idnode_rocksdb_pending_compaction_bytes"),
            memtable_bytes: gauge!("idnode_rocksdb_memtable_bytes"),
            cache_bytes: gauge!("idnode_rocksdb_block_cache_usage_bytes"),
            background_errors: gauge!("idnode_rocksdb_background_errors"),
            keys: gauge!("idnode_rocksdb_estimate_num_keys"),
            active: gauge!("idnode_registry_identifiers", "state" => "active"),
            deleted: gauge!("idnode_registry_identifiers", "state" => "deleted"),
            disk_free_bytes: gauge!("idnode_disk_free_bytes", "volume" => "data"),
            files_taken_in: counter!("idnode_rocksdb_files_taken_in_total"),
        }
    }

    /// Counts table files that were taken in.
    pub(super) fn taken_in(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or_default();
        self.files_taken_in.increment(count);
    }

    /// Sets the gauges from the engine.
    pub(super) fn observe(&self, store: &Store) {
        let sum = |property| as_f64(store.property_sum(property));
        self.live_table_bytes.set(as_f64(store.disk_bytes()));
        self.pending_compaction_bytes
            .set(sum("rocksdb.estimate-pending-compaction-bytes"));
        self.memtable_bytes
            .set(sum("rocksdb.cur-size-all-mem-tables"));
        self.background_errors.set(sum("rocksdb.background-errors"));
        self.keys.set(sum("rocksdb.estimate-num-keys"));
        self.cache_bytes.set(as_f64(
            u64::try_from(store.cache.get_usage()).unwrap_or_default(),
        ));
        // Anybody may read metrics who reaches them.
        let (active, deleted) = store.prefixes().open();
        self.active.set(as_f64(active));
        self.deleted.set(as_f64(deleted));
        self.disk_free_bytes
            .set(as_f64(store.disk_free_bytes().unwrap_or_default()));
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// `number` as a metric's value, exact below 2^53.
fn as_f64(number: u64) -> f64 {
    let high = u32::try_from(number >> 32).unwrap_or_default();
    let low = u32::try_from(number & 0xffff_ffff).unwrap_or_default();
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}
