//! What the operating system says of this process, read when it is asked for.

use std::fs;

use metrics::{Gauge, describe_gauge, gauge};

/// Clock ticks a second in `/proc/self/stat`: fixed at 100 in Linux's interface
/// to user space (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;
/// Bytes of a page on the machines that Linux calls 64-bit by default.
const PAGE_BYTES: f64 = 4096.0;

/// Handles of the process's metrics.
pub(super) struct Metrics {
    cpu_seconds: Gauge,
    resident_bytes: Gauge,
    open_files: Gauge,
    threads: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        describe_gauge!(
            "process_cpu_seconds_total",
            "user and system time of the process"
        );
        describe_gauge!(
            "process_resident_memory_bytes",
            "bytes of the process in memory"
        );
        describe_gauge!("process_open_fds", "open file descriptors");
        describe_gauge!("process_threads", "threads");
        Self {
            cpu_seconds: gauge!("process_cpu_seconds_total"),
            resident_bytes: gauge!("process_resident_memory_bytes"),
            open_files: gauge!("process_open_fds"),
            threads: gauge!("process_threads"),
        }
    }

    /// Reads the figures; leaves out what the system does not tell.
    pub(super) fn observe(&self) {
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            self.open_files.set(f64::from(
                u32::try_from(entries.count()).unwrap_or(u32::MAX),
            ));
        }
        let Ok(stat) = fs::read_to_string("/proc/self/stat") else {
            return;
        };
        let Some(fields) = fields(&stat) else { return };
        let [user_ticks, system_ticks, threads, resident_pages] = fields;
        self.cpu_seconds
            .set((user_ticks + system_ticks) / TICKS_PER_SECOND);
        self.threads.set(threads);
        self.resident_bytes.set(resident_pages * PAGE_BYTES);
    }
}

/// The fields utime (14), stime (15), num_threads (20) and rss (24) of proc(5).
fn fields(stat: &str) -> Option<[f64; 4]> {
    // The name in parentheses may itself hold spaces and parentheses.
    let (_, behind_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = behind_name.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some([field(14)?, field(15)?, field(20)?, field(24)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 3 0 99 1000 42 18446744073709551615";
        assert_eq!(fields(stat), Some([150.0, 50.0, 3.0, 42.0]));
        assert_eq!(fields("7 (a) S 1"), None);
    }
}
