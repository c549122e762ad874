//! The only place that prints: data on the standard output, talk on the
//! standard error stream, tables for people and JSON for programs.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::cli::failure::{Exit, Failure};
use crate::cli::import::csv::guarded;
use crate::model::Language;

/// How often progress is told where there is no terminal.
const PROGRESS_LINE_EVERY: Duration = Duration::from_secs(5);

/// How answers look. Every command knows the first two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Tables, for people
    #[default]
    Table,
    /// JSON, for programs; its shapes are stable
    Json,
    /// A tree, for people
    Tree,
    /// One JSON object a line, as they are found
    Ndjson,
    /// Rows for a spreadsheet, as they are found
    Csv,
    /// A graph for Graphviz
    Dot,
}

impl Form {
    /// The forms of every command.
    pub const COMMON: &[Self] = &[Self::Table, Self::Json];

    /// Parses one of `forms`.
    pub fn parser(forms: &'static [Self]) -> impl TypedValueParser<Value = Self> {
        let names = forms.iter().filter_map(ValueEnum::to_possible_value);
        PossibleValuesParser::new(names)
            .map(|name| <Self as ValueEnum>::from_str(&name, false).unwrap_or_default())
    }
}

/// Where and how a command speaks.
#[derive(Clone, Debug)]
pub struct Output {
    form: Form,
    language: Language,
    terminal: bool,
    talk_terminal: bool,
    color: bool,
    unicode: bool,
}

impl Output {
    /// For this process: its terminals, its language, `NO_COLOR`.
    pub fn of_process(form: Form) -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|n| set(n));
        let chinese = locale.is_some_and(|locale| locale.to_string_lossy().starts_with("zh"));
        let characters = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|n| set(n));
        let characters = characters.map(|set| set.to_string_lossy().to_ascii_lowercase());
        let talk_terminal = io::stderr().is_terminal();
        Self {
            form,
            language: if chinese {
                Language::Chinese
            } else {
                Language::English
            },
            terminal: io::stdout().is_terminal(),
            talk_terminal,
            color: talk_terminal && set("NO_COLOR").is_none(),
            unicode: characters.is_some_and(|name| name.contains("utf-8") || name.contains("utf8")),
        }
    }

    /// Whether programs read the answer, and what is said of a failure.
    pub fn is_json(&self) -> bool {
        matches!(self.form, Form::Json | Form::Ndjson)
    }

    /// How answers look.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Whether the locale has more than ASCII.
    pub const fn has_unicode(&self) -> bool {
        self.unicode
    }

    /// Whether a person reads the talk.
    pub const fn talks_to_terminal(&self) -> bool {
        self.talk_terminal
    }

    /// Whether the talk may have colours.
    pub const fn has_color(&self) -> bool {
        self.color
    }

    /// The language of texts for people.
    pub const fn language(&self) -> Language {
        self.language
    }

    /// Prints an answer: `value` as JSON, or `table`.
    ///
    /// # Errors
    /// If the standard output cannot be written.
    pub fn show<T: Serialize>(
        &self,
        value: &T,
        table: impl FnOnce() -> Rows,
    ) -> Result<(), Failure> {
        match self.form {
            Form::Json => self.json(value),
            Form::Ndjson => self.line(value),
            Form::Csv => self.data(&format!("\u{feff}{}", table().csv()?)),
            Form::Table | Form::Tree | Form::Dot => self.rows(table()),
        }
    }

    /// Prints a value as JSON in one line.
    ///
    /// # Errors
    /// If the standard output cannot be written.
    pub fn line<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::io("cannot write JSON", &error.into()))?;
        self.data(&format!("{text}\n"))
    }

    fn json<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::io("cannot write JSON", &error.into()))?;
        if self.terminal {
            self.data(&format!("{}\n", json_escaped(&text)))
        } else {
            self.data(&format!("{text}\n"))
        }
    }

    fn rows(&self, rows: Rows) -> Result<(), Failure> {
        let mut table = Table::new();
        if self.terminal {
            table
                .load_style(presets::UTF8_HORIZONTAL_ONLY)
                .set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table
                .load_style(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Disabled);
        }
        if !rows.header.is_empty() {
            table.set_header(rows.header.iter().map(|cell| escaped(cell)));
        }
        for row in rows.rows {
            table.add_row(row.iter().map(|cell| escaped(cell)));
        }
        let text: String = table
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect();
        self.data(&text)
    }

    /// Prints `text` as it is.
    ///
    /// # Errors
    /// If the standard output cannot be written.
    pub fn data(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|error| match error.kind() {
                // The reader has enough, as `head` does.
                io::ErrorKind::BrokenPipe => Failure::new(Exit::Failed, ""),
                _ => Failure::io("cannot write the answer", &error),
            })
    }

    /// Says a line to the person at the terminal.
    pub fn say(&self, text: &str) {
        // Nobody is left to tell if this fails.
        drop(writeln!(io::stderr().lock(), "{}", escaped(text)));
    }

    /// Says several lines, each escaped by itself.
    pub fn say_lines<'a>(&self, lines: impl IntoIterator<Item = &'a str>) {
        lines.into_iter().for_each(|line| self.say(line));
    }

    /// Says why a command failed; as one JSON object where programs read.
    pub fn failure(&self, failure: &Failure) {
        let text = failure.text(self.language);
        if text.is_empty() {
            return;
        }
        if self.is_json() {
            let error = json!({"error": {
                "exit_code": failure.exit().code(),
                "reason": failure.reason(),
                "field": failure.field(),
                "message": failure.text(Language::English),
                "message_zh": failure.text(Language::Chinese),
                "next_step": failure.next_step().unwrap_or_default(),
            }});
            self.say(&error.to_string());
            return;
        }
        let label = match (self.color, self.language) {
            (true, Language::English) => "\u{1b}[1;31merror:\u{1b}[0m",
            (true, Language::Chinese) => "\u{1b}[1;31m错误：\u{1b}[0m",
            (false, Language::English) => "error:",
            (false, Language::Chinese) => "错误：",
        };
        let reason = match failure.reason() {
            "" => String::new(),
            reason => format!(" [{reason}]"),
        };
        let field = match failure.field() {
            "" => String::new(),
            field => format!(" ({field})"),
        };
        let line = escaped(&format!("{text}{field}{reason}"));
        drop(writeln!(io::stderr().lock(), "{label} {line}"));
        if let Some(next_step) = failure.next_step() {
            self.say(&format!("  -> {next_step}"));
        }
    }

    /// Shows how far work of `total_bytes` is: a bar on a terminal, a line
    /// every five seconds elsewhere.
    pub fn progress(&self, total_bytes: u64) -> Progress {
        let target = if self.talk_terminal {
            ProgressDrawTarget::stderr_with_hz(4)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(total_bytes), target);
        let template = "{bar:30} {percent:>3} % {msg} [{elapsed}, {eta} left]";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress {
            bar,
            lines: !self.talk_terminal,
            told: tokio::time::Instant::now(),
            output: self.clone(),
        }
    }
}

/// How far work is, told as it goes on.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    lines: bool,
    told: tokio::time::Instant,
    output: Output,
}

impl Progress {
    /// Tells that `done_bytes` are behind, and `message`.
    pub fn update(&mut self, done_bytes: u64, message: &str) {
        self.bar.set_position(done_bytes);
        self.bar.set_message(message.to_owned());
        if self.lines && self.told.elapsed() >= PROGRESS_LINE_EVERY {
            self.told = tokio::time::Instant::now();
            let total = self.bar.length().unwrap_or(0).max(1);
            let percent = done_bytes.saturating_mul(100) / total;
            self.output
                .say(&format!("{} % {message}", percent.min(100)));
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// The cells of a table. Every row has as many as the header, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    /// A table whose columns have names.
    pub fn with_header<const N: usize>(header: [&str; N]) -> Self {
        Self {
            header: header.map(str::to_owned).into(),
            rows: Vec::new(),
        }
    }

    /// A table of names and what they stand for.
    pub fn of_pairs<V: Into<String>>(pairs: impl IntoIterator<Item = (&'static str, V)>) -> Self {
        let rows = pairs.into_iter();
        Self {
            header: Vec::new(),
            rows: rows.map(|(k, v)| vec![k.to_owned(), v.into()]).collect(),
        }
    }

    /// Adds a row.
    pub fn push<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(row.into());
    }

    /// The table as CSV, its header in small letters.
    ///
    /// # Errors
    /// If memory cannot be written.
    pub fn csv(&self) -> Result<String, Failure> {
        let header: Vec<String> = self.header.iter().map(|cell| cell.to_lowercase()).collect();
        let header = (!header.is_empty()).then_some(header);
        csv_text(header.iter().chain(&self.rows))
    }
}

/// Rows as CSV, fit for a spreadsheet: it runs no cell.
///
/// # Errors
/// If memory cannot be written.
pub fn csv_text<R>(rows: impl IntoIterator<Item = R>) -> Result<String, Failure>
where
    R: IntoIterator<Item: AsRef<str>>,
{
    let fail = |error: csv::Error| Failure::io("cannot write CSV", &error.into());
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let cells = row.into_iter().map(|cell| guarded(cell.as_ref()));
        writer.write_record(cells).map_err(fail)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| fail(error.into_error().into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a terminal would act on it instead of showing it, or show what
/// follows in another order.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` in one line, fit for a terminal.
pub fn escaped(text: &str) -> String {
    if !text.chars().any(is_unsafe) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_unsafe(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// JSON text fit for a terminal: what JSON itself does not escape stands in
/// strings only, so the escape of JSON fits.
fn json_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && is_unsafe(character) {
            out.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_control_characters_and_does_not_obey_them() {
        assert_eq!(escaped("批次 A"), "批次 A");
        assert_eq!(escaped("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(escaped("a\nb\u{202e}c"), "a\\nb\\u{202e}c");
        let json = serde_json::to_string("a\u{9b}2J\u{202e}").expect("json");
        let shown = json_escaped(&json);
        assert_eq!(shown, "\"a\\u009b2J\\u202e\"");
        let back: String = serde_json::from_str(&shown).expect("still JSON");
        assert_eq!(back, "a\u{9b}2J\u{202e}");
    }
}
