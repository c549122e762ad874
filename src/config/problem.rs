//! What can be wrong with a configuration, said so that it can be mended.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Characters of an offending value that a problem repeats.
const SHOWN_CHARS_MAX: usize = 80;

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of a file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// Line of the value (of the key, where the key is at fault), from 1.
        line: usize,
        /// Column there in characters, from 1.
        column: usize,
    },
    /// A variable of the environment, by its name.
    Environment(String),
    /// A flag, as it was written.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// The key as `section.key`, or the section; empty if the file cannot be
    /// read as TOML.
    pub key: String,
    /// The offending value as TOML; empty if the key itself is at fault.
    pub value: String,
    /// The rule that it breaks.
    pub rule: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

impl Problem {
    /// A problem of the value of `key`; where it stands, `load` fills in.
    pub(super) fn of(key: &str, value: impl fmt::Display, rule: impl Into<String>) -> Self {
        Self {
            origin: Origin::Default,
            key: key.to_owned(),
            value: shown(&value.to_string()),
            rule: rule.into(),
            suggestion: None,
        }
    }

    /// Adds what may have been meant.
    #[must_use]
    pub(super) fn suggest(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }

    /// Puts it where the value was set.
    #[must_use]
    pub(super) fn at(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if !self.value.is_empty() {
                write!(f, " = {}", self.value)?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.rule)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean {suggestion}?")?;
        }
        Ok(())
    }
}

/// Why no configuration came about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// The file as it was named.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It breaks rules; every one found, in the order of the sources.
    #[error("the configuration has {} problem(s)", .0.len())]
    Problems(Vec<Problem>),
}

/// `text` in one line, without control characters, cut to a length.
fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN_CHARS_MAX {
            out.push('…');
            break;
        }
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}
