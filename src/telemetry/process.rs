//! The process as Linux sees it, in the names that Prometheus clients share.

use std::fmt::Write;
use std::fs;

use nix::time::{ClockId, clock_gettime};

/// The process's metrics in the Prometheus text format. What cannot be read is
/// left out.
pub(super) fn render() -> String {
    let mut text = String::new();
    let mut line = |name: &str, kind: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _written = write!(
                text,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n"
            );
        }
    };
    line(
        "process_cpu_seconds_total",
        "counter",
        "CPU time of all threads, user and system",
        cpu_seconds(),
    );
    line(
        "process_resident_memory_bytes",
        "gauge",
        "memory in RAM",
        resident_bytes(),
    );
    line(
        "process_open_fds",
        "gauge",
        "open file descriptors",
        open_files(),
    );
    text
}

fn cpu_seconds() -> Option<f64> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).ok()?;
    let time = std::time::Duration::from(time);
    Some(time.as_secs_f64())
}

/// `VmRSS` of proc_pid_status(5), in KiB.
fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u32 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(f64::from(kib) * 1024.0)
}

fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the folder itself.
    u32::try_from(count).ok()?.checked_sub(1).map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_of_its_metrics() {
        let text = render();
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_open_fds",
        ] {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split(' ').nth(1));
            let value: f64 = value.expect("there").parse().expect("a number");
            assert!(value > 0.0, "{name} {value}");
        }
    }
}
