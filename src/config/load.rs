//! Puts a configuration together: default, file, environment, flags; the later
//! goes before the earlier, key by key. Every problem found is reported, with
//! its place and what may have been meant.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use crate::config::Config;
use crate::config::problem::{Error, Origin, Problem};

/// Bytes of a configuration file; a larger one is none.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What the names of settings in the environment begin with; the section
/// follows, then `__`, then the key.
const ENVIRONMENT_PREFIX: &str = "IDNODE_";
/// Likeness (Jaro-Winkler, 0 to 1) from which a name is suggested.
const LIKENESS_MIN: f64 = 0.8;

/// A key and where it stands.
type Name<'i> = Spanned<Cow<'i, str>>;

/// Where settings are taken from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if any.
    pub file: Option<PathBuf>,
    /// The environment; what does not look like `IDNODE_SECTION__KEY` is not
    /// read.
    pub environment: Vec<(String, String)>,
    /// Settings from flags: `section.key` and the value.
    pub flags: Vec<(String, String)>,
}

/// A configuration, and where each of its keys comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings in force.
    pub config: Config,
    /// Origin by `section.key`; every key has one.
    pub origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// [`Config::check`] and [`Config::check_paths`], each problem put where
    /// its value was set.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.rule_problems();
        let paths = self.config.check_paths();
        problems.extend(paths.into_iter().map(|problem| self.placed(problem)));
        problems
    }

    fn rule_problems(&self) -> Vec<Problem> {
        let problems = self.config.check();
        problems.into_iter().map(|p| self.placed(p)).collect()
    }

    fn placed(&self, problem: Problem) -> Problem {
        let origin = self.origins.get(&problem.key).cloned();
        problem.at(origin.unwrap_or(Origin::Default))
    }
}

/// Loads the configuration that `sources` add up to, and checks it but for the
/// file system.
///
/// # Errors
/// [`Error::Unreadable`]; [`Error::Problems`] with every problem found.
pub fn load(sources: &Sources) -> Result<Loaded, Error> {
    let mut layers = Layers::new();
    if let Some(path) = &sources.file {
        let text = read(path)?;
        layers.add_file(path, &text);
    }
    for (name, text) in &sources.environment {
        layers.add_variable(name, text);
    }
    for (key, text) in &sources.flags {
        layers.add_flag(key, text);
    }
    let loaded = layers.finish()?;
    let problems = loaded.rule_problems();
    if problems.is_empty() {
        Ok(loaded)
    } else {
        Err(Error::Problems(problems))
    }
}

fn read(path: &Path) -> Result<String, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > FILE_BYTES_MAX {
        let reason = format!("it is larger than {FILE_BYTES_MAX} bytes");
        return Err(unreadable(std::io::Error::other(reason)));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// Settings as they pile up.
struct Layers {
    defaults: Table,
    merged: Table,
    origins: BTreeMap<String, Origin>,
    problems: Vec<Problem>,
}

impl Layers {
    fn new() -> Self {
        let defaults = Config::default().to_table();
        let mut origins = BTreeMap::new();
        for (section, keys) in &defaults {
            for key in keys.as_table().into_iter().flat_map(Table::keys) {
                origins.insert(format!("{section}.{key}"), Origin::Default);
            }
        }
        Self {
            merged: defaults.clone(),
            defaults,
            origins,
            problems: Vec::new(),
        }
    }

    fn add_file(&mut self, path: &Path, text: &str) {
        let place = |offset: usize| {
            let (line, column) = line_and_column(text, offset);
            Origin::File {
                path: path.to_owned(),
                line,
                column,
            }
        };
        let spans = match DeTable::parse(text) {
            Ok(spans) => spans,
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                let rule = error.message().lines().collect::<Vec<_>>().join(", ");
                self.problems
                    .push(Problem::of("", "", rule).at(place(offset)));
                return;
            }
        };
        let values: Table = match toml::from_str(text) {
            Ok(values) => values,
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                self.problems
                    .push(Problem::of("", "", error.message()).at(place(offset)));
                return;
            }
        };
        for (section, keys) in sorted(spans.get_ref()) {
            let name = section.get_ref().as_ref();
            let at_section = place(section.span().start);
            let Some(section_values) = self.file_section(name, values.get(name), at_section) else {
                continue;
            };
            let Some(keys) = keys.get_ref().as_table() else {
                continue;
            };
            for (key, value_span) in sorted(keys) {
                let key_name = key.get_ref().as_ref();
                let Some(value) = section_values.get(key_name) else {
                    continue;
                };
                // A table spans its header; the key in it is at fault.
                let at = if value.is_table() {
                    key.span()
                } else {
                    value_span.span()
                };
                let origins = [place(key.span().start), place(at.start)];
                self.set(name, key_name, value.clone(), origins);
            }
        }
    }

    /// The keys of a section of a file, if it is one.
    fn file_section(&mut self, name: &str, value: Option<&Value>, origin: Origin) -> Option<Table> {
        if !self.defaults.contains_key(name) {
            self.unknown_section(name, origin);
            return None;
        }
        let table = value.and_then(Value::as_table);
        if table.is_none() {
            let shown = value.map(ToString::to_string).unwrap_or_default();
            let rule = format!("must be a section: [{name}]");
            self.problems
                .push(Problem::of(name, shown, rule).at(origin));
        }
        table.cloned()
    }

    fn add_variable(&mut self, name: &str, text: &str) {
        let path = name.strip_prefix(ENVIRONMENT_PREFIX);
        let Some((section, key)) = path.and_then(|path| path.split_once("__")) else {
            return;
        };
        let origin = Origin::Environment(name.to_owned());
        let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        self.set_text(&section, &key, text, origin);
    }

    fn add_flag(&mut self, path: &str, text: &str) {
        let origin = Origin::Flag(format!("--set {path}"));
        let Some((section, key)) = path.split_once('.') else {
            let problem = Problem::of(path, "", "must be spelled section.key=value");
            let suggestion = self.qualified(path);
            self.problems.push(problem.suggest(suggestion).at(origin));
            return;
        };
        self.set_text(section, key, text, origin);
    }

    /// Sets a key from text: read as the type that its default has.
    fn set_text(&mut self, section: &str, key: &str, text: &str, origin: Origin) {
        let Some(keys) = self.defaults.get(section).and_then(Value::as_table) else {
            self.unknown_section(section, origin);
            return;
        };
        let value = match keys.get(key) {
            Some(Value::String(_)) | None => Value::String(text.to_owned()),
            Some(Value::Array(_)) => list_from_text(text),
            Some(_) => scalar_from_text(text),
        };
        self.set(section, key, value, [origin.clone(), origin]);
    }

    /// Sets one key, or notes why not. `origins` are those of key and value.
    fn set(&mut self, section: &str, key: &str, value: Value, origins: [Origin; 2]) {
        let [at_key, at_value] = origins;
        let path = format!("{section}.{key}");
        if !self.origins.contains_key(&path) {
            let suggestion = self.known_key(section, key);
            let problem = Problem::of(&path, "", "unknown key").suggest(suggestion);
            self.problems.push(problem.at(at_key));
            return;
        }
        if let Some(problem) = check_key(section, key, &value) {
            self.problems.push(problem.at(at_value));
            return;
        }
        if let Some(keys) = self.merged.get_mut(section).and_then(Value::as_table_mut) {
            keys.insert(key.to_owned(), value);
            self.origins.insert(path, at_value);
        }
    }

    fn unknown_section(&mut self, name: &str, origin: Origin) {
        let sections = self.defaults.keys().map(String::as_str);
        let suggestion = nearest(name, sections)
            .map(|section| format!("[{section}]"))
            .or_else(|| self.qualified(name));
        let problem = Problem::of(name, "", "unknown section").suggest(suggestion);
        self.problems.push(problem.at(origin));
    }

    /// The key of `section` that `key` is like, else the same key elsewhere.
    fn known_key(&self, section: &str, key: &str) -> Option<String> {
        let keys = self.defaults.get(section)?.as_table()?;
        nearest(key, keys.keys().map(String::as_str))
            .map(str::to_owned)
            .or_else(|| self.qualified(key))
    }

    /// `section.key` of the first section that has exactly this key.
    fn qualified(&self, key: &str) -> Option<String> {
        let has = |value: &Value| value.get(key).is_some();
        let (section, _) = self.defaults.iter().find(|(_, value)| has(value))?;
        Some(format!("{section}.{key}"))
    }

    fn finish(self) -> Result<Loaded, Error> {
        if !self.problems.is_empty() {
            return Err(Error::Problems(self.problems));
        }
        let config = Config::deserialize(self.merged)
            .map_err(|error| Error::Problems(vec![Problem::of("", "", error.message())]))?;
        Ok(Loaded {
            config,
            origins: self.origins,
        })
    }
}

/// The keys of a table in the order of the file.
fn sorted<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(&'a Name<'i>, &'a Spanned<DeValue<'i>>)> {
    let mut keys: Vec<_> = table.iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start);
    keys
}

/// What is wrong with `value` for `section.key`, judged by the module that owns
/// it.
fn check_key(section: &str, key: &str, value: &Value) -> Option<Problem> {
    let keys = Table::from_iter([(key.to_owned(), value.clone())]);
    let sections = Table::from_iter([(section.to_owned(), Value::Table(keys))]);
    let error = Config::deserialize(sections).err()?;
    let message = error.message();
    let choices = choices(message);
    let suggestion = value
        .as_str()
        .and_then(|text| nearest(text, choices.iter().copied()))
        .map(|choice| format!("\"{choice}\""));
    let path = format!("{section}.{key}");
    Some(Problem::of(&path, value, rule(message, value)).suggest(suggestion))
}

/// The names in backticks behind `expected` in a message of serde.
fn choices(message: &str) -> Vec<&str> {
    let Some((_, expected)) = message.split_once("expected one of ") else {
        return Vec::new();
    };
    expected.split('`').skip(1).step_by(2).collect()
}

/// The rule that a message of serde stands for, in words for operators.
fn rule(message: &str, value: &Value) -> String {
    let choices = choices(message);
    if !choices.is_empty() {
        return format!("must be one of {}", choices.join(", "));
    }
    let expected = message.rsplit_once("expected ").map_or("", |(_, e)| e);
    let most = i64::MAX.to_string();
    let rule = match expected.lines().next().unwrap_or_default() {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => return format!("must be a whole number from 0 to {most}"),
        "a boolean" => "true or false",
        "a string" => "text in quotes",
        "path string" | "a path string" => "a path in quotes",
        "a sequence" => "a list: [\"…\", \"…\"]",
        "socket address" => "an address with a port: \"127.0.0.1:8480\", \"[::1]:8480\"",
        _ if message.contains("socket address") => {
            "an address with a port: \"127.0.0.1:8480\", \"[::1]:8480\""
        }
        _ if message.contains("IP address syntax") => {
            "a network: \"10.0.0.0/8\", \"2001:db8::/32\""
        }
        "" => return message.lines().collect::<Vec<_>>().join(", "),
        other => return format!("must be {other}, not {}", value.type_str()),
    };
    format!("must be {rule}")
}

/// A list written as TOML, or its texts with commas between.
fn list_from_text(text: &str) -> Value {
    if text.trim_start().starts_with('[') {
        return scalar_from_text(text);
    }
    let items = text.split(',').map(str::trim).filter(|t| !t.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}

/// A value written as TOML; text that is none stays text, for the check of the
/// key to refuse.
fn scalar_from_text(text: &str) -> Value {
    let table: Result<Table, _> = toml::from_str(&format!("value = {}", text.trim()));
    let value = table.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The candidate that `name` is most like, if it is like any.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_lowercase();
    // Two swapped letters of a short name, as in "dsn", are the likeliest slip
    // of all and lower the likeness most.
    let likeness = |candidate: &str| match strsim::damerau_levenshtein(&name, candidate) {
        0 | 1 if name.len() > 2 => 1.0,
        _ => strsim::jaro_winkler(&name, candidate),
    };
    candidates
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// Line and column of a byte of `text`, both from 1, the column in characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    (line, last_line.chars().count() + 1)
}
