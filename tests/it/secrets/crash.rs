//! What a crash leaves: of the node nothing, of a process that forbids nothing the
//! core file that the system is set up to write.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::NodeProcess;

/// Where the kernel is told to put core files, and under which name (core(5)).
const PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// Ends `node`, which runs in `folder` and was started with as large a core file as
/// the system allows, as a crash does, and checks that there is no core file of it.
pub(super) fn leaves_no_core_file(node: &mut NodeProcess, folder: &Path) {
    let limits = fs::read_to_string(format!("/proc/{}/limits", node.id())).unwrap();
    let mut lines = limits.lines();
    let cores = lines.find(|line| line.starts_with("Max core file size"));
    let cores: Vec<_> = cores.expect("a limit").split_whitespace().collect();
    assert_eq!(cores[4..6], ["0", "0"], "no octet of a core file");
    let pid = Pid::from_raw(i32::try_from(node.id()).unwrap());
    kill(pid, Signal::SIGABRT).unwrap();
    let status = node.wait();
    assert_eq!(status.signal(), Some(Signal::SIGABRT as i32), "{status}");
    assert!(!status.core_dumped(), "{status}");
    let number = node.id().to_string();
    for (place, mark) in [(Some(folder.to_owned()), "core"), (elsewhere(), &*number)] {
        let names: Vec<_> = place.iter().flat_map(|place| names(place)).collect();
        let is_one = |name: &&String| name.starts_with("core") && name.contains(mark);
        assert_eq!(names.iter().find(is_one), None, "{place:?}");
    }
    unprotected_leaves_one();
}

/// The same crash of a process that forbids nothing, so that what is above is the
/// node's doing; where the system writes no core files of anybody, says so.
fn unprotected_leaves_one() {
    let folder = tempfile::tempdir().unwrap();
    let crash = "ulimit -c \"$(ulimit -H -c)\" && kill -ABRT $$";
    let mut command = Command::new("sh");
    let status = command.args(["-c", crash]).current_dir(folder.path());
    let status = status.status().unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGABRT as i32), "{status}");
    let pattern = fs::read_to_string(PATTERN).unwrap_or_default();
    let pattern = pattern.trim();
    if !status.core_dumped() {
        eprintln!("left out: no process leaves a core file here (core_pattern {pattern:?})");
    } else if pattern == "core" {
        let names = names(folder.path());
        assert!(
            names.iter().any(|name| name.starts_with("core")),
            "{names:?}"
        );
    }
}

/// The folder of core files, where that is not the one that a process runs in.
fn elsewhere() -> Option<PathBuf> {
    let pattern = fs::read_to_string(PATTERN).unwrap_or_default();
    let pattern = Path::new(pattern.trim());
    let folder = pattern.is_absolute().then(|| pattern.parent());
    folder.flatten().map(Path::to_owned)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    entries.map(name).collect()
}
