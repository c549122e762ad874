//! What a server's processes used, as the kernel counts it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::bench::error::Error;

/// Microseconds of one tick of `utime` and `stime` in `/proc/<pid>/stat`: the
/// kernel gives them in USER_HZ, which is 100 on every architecture that Linux
/// shows to programs (proc(5), times(2)).
const TICK_MICROS: u64 = 10_000;

/// Processes that are watched, with all that descend from them.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pids: Vec<u32>,
}

/// What they used since they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    /// Microseconds of CPU, user and system, all threads. In steps of 10 ms.
    pub(super) cpu_micros: u64,
    /// Bytes resident, pages that several processes share counted once (the
    /// sum of `Pss`; `VmRSS` where the kernel shows no `Pss`).
    pub(super) resident_bytes: u64,
}

impl Watch {
    /// Watches `pids`; none is allowed.
    pub(super) fn new(pids: &[u32]) -> Self {
        Self {
            pids: pids.to_vec(),
        }
    }

    /// What they used, or `None` when none is watched.
    ///
    /// # Errors
    /// [`Error::Process`] if one that was named is gone.
    pub(super) fn used(&self) -> Result<Option<Use>, Error> {
        if self.pids.is_empty() {
            return Ok(None);
        }
        let mut sum = Use::default();
        let mut seen = BTreeSet::new();
        let mut waiting = self.pids.clone();
        while let Some(pid) = waiting.pop() {
            if !seen.insert(pid) {
                continue;
            }
            match used_by(pid) {
                Ok(used) => {
                    sum.cpu_micros += used.cpu_micros;
                    sum.resident_bytes += used.resident_bytes;
                }
                // A descendant may end between being listed and being read.
                Err(source) if self.pids.contains(&pid) => {
                    return Err(Error::Process { pid, source });
                }
                Err(_) => continue,
            }
            waiting.extend(children(pid));
        }
        Ok(Some(sum))
    }
}

fn used_by(pid: u32) -> io::Result<Use> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let cpu_micros = cpu_micros(&stat).ok_or(io::ErrorKind::InvalidData)?;
    let sum = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
    let status = || fs::read_to_string(format!("/proc/{pid}/status"));
    let resident_bytes = match sum.ok().and_then(|text| kilobytes(&text, "Pss:")) {
        Some(bytes) => bytes,
        None => kilobytes(&status()?, "VmRSS:").unwrap_or_default(),
    };
    Ok(Use {
        cpu_micros,
        resident_bytes,
    })
}

/// `utime` and `stime`, the 14th and 15th field; the 2nd is the command in
/// parentheses, which may hold anything.
fn cpu_micros(stat: &str) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_MICROS)
}

fn kilobytes(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    let number: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = Path::new("/proc").join(pid.to_string()).join("task");
    let Ok(entries) = fs::read_dir(tasks) else {
        return Vec::new();
    };
    let lists = entries
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("children")).ok());
    let pids = lists.flat_map(|list| {
        list.split_ascii_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect::<Vec<u32>>()
    });
    pids.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ticks_behind_any_command() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 9 1 1";
        assert_eq!(cpu_micros(stat), Some(3_000_000));
        assert_eq!(cpu_micros("7 (a"), None);
        assert_eq!(
            kilobytes("Rss: 9 kB\nPss:   12 kB\n", "Pss:"),
            Some(12 * 1024)
        );
    }

    #[test]
    fn counts_this_process() {
        let used = Watch::new(&[std::process::id()]).used().expect("running");
        assert!(used.is_some_and(|used| used.resident_bytes > 0));
        assert!(Watch::new(&[]).used().expect("none").is_none());
        assert!(Watch::new(&[u32::MAX]).used().is_err());
    }
}
