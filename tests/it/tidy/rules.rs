//! The rules: what of one file breaks them.

use super::source::Source;
use super::{MAY_NAME, ONLY_IN};

/// Modules that compute and nothing else, and what they therefore never name.
const PURE: &str = "model wire demo merkle";
const IMPURE: &[&str] = &[
    "tokio::",
    "async fn",
    "async move",
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "Mutex<",
    "RwLock<",
];

/// Where clock and random source are read; everywhere else time and chance are
/// parameters.
const READ_CLOCK_AND_CHANCE: &str = "server cli bench";

/// Lines of a file before its tests.
pub(super) const FILE_LINES_MAX: usize = 600;

/// Marks of work that is not done. In halves, so that this file has none.
const UNDONE: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
];

/// One broken rule: `path:line: what is wrong`.
pub(super) type Finding = String;

/// A rule's name and what of a file breaks it.
pub(super) type Rule = (&'static str, fn(&Source) -> Vec<Finding>);

/// Every rule.
pub(super) const RULES: &[Rule] = &[
    ("arrows", arrows),
    ("grouped imports", grouped_imports),
    ("ways around the arrows", ways_around),
    ("crates in their place", crates_in_place),
    ("pure modules", pure_modules),
    ("clock and chance", clock_and_chance),
    ("length", length),
    ("file doc", file_doc),
    ("undone work", undone_work),
    ("test attributes", test_attributes),
    ("exceptions to lints", lint_exceptions),
];

fn arrows(source: &Source) -> Vec<Finding> {
    let Some(module) = source.module() else {
        return Vec::new();
    };
    let Some((row, may_name)) = row_of(&module) else {
        return vec![format!(
            "{}:1: {module} has no row in MAY_NAME",
            source.path
        )];
    };
    // A binary sees the library by the package's name.
    let root = if row == "main" { "idnode::" } else { "crate::" };
    source
        .after(root)
        .filter_map(|(line, path)| {
            let target = path_of(path);
            let fits = |allowed| lies_in(&target, allowed);
            // Nothing follows where an import is grouped: that is another rule.
            (!target.is_empty() && !fits(row) && !may_name.split(' ').any(fits))
                .then(|| format!("{}:{line}: {row} may not name {target}", source.path))
        })
        .collect()
}

fn grouped_imports(source: &Source) -> Vec<Finding> {
    ["crate::{", "idnode::{"]
        .into_iter()
        .flat_map(|group| found(source, group, "hides which modules are named"))
        .collect()
}

fn ways_around(source: &Source) -> Vec<Finding> {
    let Some(module) = source.module() else {
        return Vec::new();
    };
    let mut findings = found(source, "super::super", "name the module from crate::");
    // From the first file of a row, `super` is another row.
    if MAY_NAME.iter().any(|(row, _)| *row == module) {
        let own_lines = source.lines_before_tests();
        findings.extend(
            source
                .after("super::")
                .filter(|(line, _)| *line <= own_lines)
                .map(|(line, _)| format!("{}:{line}: super leads out of {module}", source.path)),
        );
    }
    findings
}

fn crates_in_place(source: &Source) -> Vec<Finding> {
    let Some(module) = source.module() else {
        return Vec::new();
    };
    ONLY_IN
        .iter()
        .filter(|(_, places)| !places.split(' ').any(|place| lies_in(&module, place)))
        .flat_map(|(name, places)| {
            let why = format!("is for {places} only");
            found(source, &format!("{name}::"), &why)
        })
        .collect()
}

fn pure_modules(source: &Source) -> Vec<Finding> {
    let pure = |module: String| PURE.split(' ').any(|row| lies_in(&module, row));
    if !source.module().is_some_and(pure) {
        return Vec::new();
    }
    IMPURE
        .iter()
        .flat_map(|name| found(source, name, "has no place in a pure module"))
        .collect()
}

fn clock_and_chance(source: &Source) -> Vec<Finding> {
    let reads = |module: String| {
        READ_CLOCK_AND_CHANCE
            .split(' ')
            .any(|row| lies_in(&module, row))
    };
    let Some(module) = source.module() else {
        return Vec::new();
    };
    if reads(module) {
        return Vec::new();
    }
    let grouped = source
        .after("std::time::{")
        .filter(|(_, names)| names.contains("Instant") || names.contains("SystemTime"))
        .map(|(line, _)| format!("{}:{line}: take the time as a parameter", source.path));
    [
        "std::time::Instant",
        "std::time::SystemTime",
        "aws_lc_rs::rand",
    ]
    .into_iter()
    .flat_map(|name| found(source, name, "take it as a parameter"))
    .chain(grouped)
    .collect()
}

fn length(source: &Source) -> Vec<Finding> {
    let lines = source.lines_before_tests();
    let long = lines > FILE_LINES_MAX;
    long.then(|| {
        format!(
            "{}:1: {lines} lines; the limit is {FILE_LINES_MAX}",
            source.path
        )
    })
    .into_iter()
    .collect()
}

fn file_doc(source: &Source) -> Vec<Finding> {
    let documented = source.text.starts_with("//! ");
    (!documented)
        .then(|| format!("{}:1: begin with //! and what the file is", source.path))
        .into_iter()
        .collect()
}

fn undone_work(source: &Source) -> Vec<Finding> {
    let undone = |line: &str| UNDONE.iter().any(|mark| line.contains(mark));
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| undone(line))
        .map(|(index, _)| format!("{}:{}: do it, or file it", source.path, index + 1))
        .collect()
}

fn test_attributes(source: &Source) -> Vec<Finding> {
    ["#[ignore", "#[should_panic"]
        .into_iter()
        .flat_map(|name| found(source, name, "assert what happens today"))
        .collect()
}

fn lint_exceptions(source: &Source) -> Vec<Finding> {
    ["#[allow(", "#![allow("]
        .into_iter()
        .flat_map(|name| found(source, name, "say #[expect(lint, reason)]"))
        .collect()
}

/// A finding for each place where `source` has `needle`.
fn found(source: &Source, needle: &str, why: &str) -> Vec<Finding> {
    let finding = |(line, _)| format!("{}:{line}: {needle} {why}", source.path);
    source.after(needle).map(finding).collect()
}

/// The longest row that `module` lies in.
fn row_of(module: &str) -> Option<(&'static str, &'static str)> {
    let rows = MAY_NAME.iter().filter(|(row, _)| lies_in(module, row));
    rows.max_by_key(|(row, _)| row.len()).copied()
}

/// Whether `module` is `outer` or below it.
fn lies_in(module: &str, outer: &str) -> bool {
    let rest = module.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The names of the path that `text` begins with: `a::B::c(x)` is `a::B::c`.
fn path_of(text: &str) -> String {
    let inside = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c| !inside(c)).unwrap_or(text.len());
    text.split_at(end).0.trim_end_matches(':').to_owned()
}
