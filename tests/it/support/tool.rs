//! Programs and rights that a test needs and a machine may lack.

use std::path::PathBuf;
use std::process::Command;

/// Where `name` is installed: on the path, or where `scripts/setup` puts what
/// comes from npm. `None` if it is not, and the reason is printed; in CI that
/// fails the test, since nothing may be left out there.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")));
    let npm = cache.map(|cache| cache.join("idnode/npm/node_modules/.bin"));
    let found = std::env::split_paths(&path)
        .chain(npm)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        missing(&format!("{name} is not installed (scripts/setup --tests)"));
    }
    found
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

/// Tells why a test is left out.
///
/// # Panics
/// In CI.
pub(crate) fn missing(what: &str) {
    assert!(variable("CI").is_none(), "{what}");
    eprintln!("left out: {what}");
}

/// Whether the long rounds are asked for (`make test-slow`).
pub(crate) fn is_slow() -> bool {
    variable("IDNODE_SLOW").is_some()
}

/// A variable of the environment, if it is set.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are no part of the node and have no configuration"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
