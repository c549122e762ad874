//! `config`: checks and shows configurations, and is where `serve` gets its own.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};
use crate::config::{self, Loaded, Origin, Problem, Sources};

/// The file that is read if none is named and it exists.
const SYSTEM_FILE: &str = "/etc/idnode/idnode.toml";

/// What can be asked.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check a configuration; ends with 2 if it has problems
    #[command(before_help = "\
Examples:
  idnode config check
  idnode config check /etc/idnode/idnode.toml")]
    Check {
        /// The file; without it the one that `serve` would read
        file: Option<PathBuf>,
        /// What makes the configuration.
        #[command(flatten)]
        settings: Settings,
    },
    /// Show a configuration
    #[command(before_help = "\
Examples:
  idnode config show --effective --origin
  IDNODE_DNS__UDP_THREADS=4 idnode config show")]
    Show {
        /// What makes the configuration.
        #[command(flatten)]
        settings: Settings,
        /// Also show what nobody set
        #[arg(long)]
        effective: bool,
        /// Also show where each setting comes from
        #[arg(long)]
        origin: bool,
    },
    /// Print the default configuration, every key with its comment
    #[command(before_help = "\
Examples:
  idnode config default > idnode.toml")]
    Default,
}

/// Options that make a configuration.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Settings {
    /// Configuration file; without it /etc/idnode/idnode.toml if that exists
    #[arg(long = "config", value_name = "FILE", env = "IDNODE_CONFIG")]
    config_file: Option<PathBuf>,
    /// A setting that goes before file and environment. May be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
}

impl Settings {
    /// Where the settings of this process come from.
    pub fn sources(&self) -> Sources {
        let system = PathBuf::from(SYSTEM_FILE);
        let file = self.config_file.clone();
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        });
        Sources {
            file: file.or_else(|| system.exists().then_some(system)),
            environment: variables.collect(),
            flags: self.set.clone(),
        }
    }

    /// Sets `key` unless a flag did already.
    pub fn set_default(&mut self, key: &str, value: impl Into<String>) {
        if !self.set.iter().any(|(set, _)| set == key) {
            self.set.push((key.to_owned(), value.into()));
        }
    }
}

/// Loads a configuration and checks everything, folders too. Every problem is
/// said.
///
/// # Errors
/// [`Exit::Usage`] if it cannot be read or has problems.
pub fn load(sources: &Sources, output: &Output) -> Result<Loaded, Failure> {
    let loaded = config::load(sources).map_err(|error| told(error, output))?;
    match loaded.problems() {
        problems if problems.is_empty() => Ok(loaded),
        problems => Err(told(config::Error::Problems(problems), output)),
    }
}

/// Does what `command` says.
///
/// # Errors
/// [`Exit::Usage`] if the configuration has problems.
pub fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Check { file, settings } => check(file, settings, output),
        Command::Show {
            settings,
            effective,
            origin,
        } => {
            let sources = settings.sources();
            let loaded = config::load(&sources).map_err(|error| told(error, output))?;
            show(&loaded, effective, origin, output)
        }
        Command::Default => output.data(config::DEFAULT_FILE),
    }
}

fn check(file: Option<PathBuf>, mut settings: Settings, output: &Output) -> Result<(), Failure> {
    settings.config_file = file.or(settings.config_file);
    let sources = settings.sources();
    load(&sources, output)?;
    let file = sources.file.map(|path| path.display().to_string());
    let checked = file
        .clone()
        .unwrap_or_else(|| "no file; defaults".to_owned());
    output.show(&json!({"file": file, "problems": []}), || {
        Rows::of_pairs([("checked", checked), ("problems", "none".to_owned())])
    })
}

/// Says every problem, and what the command ends with.
fn told(error: config::Error, output: &Output) -> Failure {
    match error {
        config::Error::Unreadable { path, source } => Failure::usage(format!(
            "cannot read the configuration {}: {source}",
            path.display()
        )),
        config::Error::Problems(problems) => {
            for problem in &problems {
                if output.is_json() {
                    output.say(&problem_json(problem).to_string());
                } else {
                    output.say(&problem.to_string());
                }
            }
            let text = match problems.len() {
                1 => "the configuration has a problem".to_owned(),
                count => format!("the configuration has {count} problems"),
            };
            Failure::new(Exit::Usage, text)
                .hint("every key and what it means: idnode config default")
        }
    }
}

fn problem_json(problem: &Problem) -> serde_json::Value {
    let (line, column) = match &problem.origin {
        Origin::File { line, column, .. } => (Some(*line), Some(*column)),
        Origin::Default | Origin::Environment(_) | Origin::Flag(_) => (None, None),
    };
    json!({
        "origin": problem.origin.to_string(),
        "line": line,
        "column": column,
        "key": problem.key,
        "value": problem.value,
        "rule": problem.rule,
        "suggestion": problem.suggestion,
    })
}

fn show(
    loaded: &Loaded,
    effective: bool,
    with_origin: bool,
    output: &Output,
) -> Result<(), Failure> {
    let mut text = String::new();
    let mut settings = serde_json::Map::new();
    for (section, keys) in loaded.config.to_table() {
        let mut lines = String::new();
        for (key, value) in keys.as_table().into_iter().flatten() {
            let path = format!("{section}.{key}");
            let origin = loaded.origins.get(&path).unwrap_or(&Origin::Default);
            if *origin == Origin::Default && !effective {
                continue;
            }
            let comment = if with_origin {
                format!("  # {origin}")
            } else {
                String::new()
            };
            lines.push_str(&format!("{key} = {value}{comment}\n"));
            let entry = json!({"value": value, "origin": origin.to_string()});
            settings.insert(path, entry);
        }
        if !lines.is_empty() {
            text.push_str(&format!("[{section}]\n{lines}\n"));
        }
    }
    if output.is_json() {
        return output.show(&settings, Rows::default);
    }
    if text.is_empty() {
        output.say("nothing is set; see the defaults with --effective");
    }
    output.data(&text)
}

/// Parses `SECTION.KEY=VALUE`.
///
/// # Errors
/// Without a `=`.
pub fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("must be SECTION.KEY=VALUE, as dns.udp_threads=4")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
