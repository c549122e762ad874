//! Patterns of items: I-Regexp (RFC 9485), the expressions that mean the same to
//! every program that a template is handed to.

use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::model::limits::{PATTERN_BYTES_MAX, PATTERN_COMPILED_BYTES_MAX, PATTERN_DEPTH_MAX};

/// A pattern that a whole text must match, in time linear in the text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Box<str>,
    regex: Regex,
}

impl Pattern {
    /// Parses an I-Regexp.
    ///
    /// # Errors
    /// What is wrong with it, in English: it is none, or larger than
    /// [`PATTERN_BYTES_MAX`], [`PATTERN_DEPTH_MAX`] groups deep or
    /// [`PATTERN_COMPILED_BYTES_MAX`] allow.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX {
            return Err(format!("1 to {PATTERN_BYTES_MAX} bytes"));
        }
        let rust = translate(text, Dialect::Rust)?;
        let regex = RegexBuilder::new(&rust)
            .size_limit(PATTERN_COMPILED_BYTES_MAX)
            .dfa_size_limit(PATTERN_COMPILED_BYTES_MAX)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => "its repetitions are too many".to_owned(),
                _ => "no regular expression as of RFC 9485".to_owned(),
            })?;
        Ok(Self {
            text: text.into(),
            regex,
        })
    }

    /// Whether all of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The expression as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The expression for JSON Schema, in the dialect of ECMA-262 with the flag
    /// `u` (RFC 9485 §5.3).
    pub fn ecma(&self) -> String {
        translate(&self.text, Dialect::Ecma).unwrap_or_default()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whose expression an I-Regexp is turned into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Rust,
    Ecma,
}

/// `text` in `dialect`, from the text's first to its last character.
///
/// ```text
/// i-regexp = branch *( "|" branch )        branch = *piece
/// piece    = atom [ "*" / "+" / "?" / "{" n [ "," [ n ] ] "}" ]
/// atom     = char / "." / escape / category / class / "(" i-regexp ")"
/// class    = "[" [ "^" ] members "]"
/// ```
fn translate(text: &str, dialect: Dialect) -> Result<String, String> {
    let mut translator = Translator {
        rest: text,
        dialect,
        out: String::with_capacity(text.len() + 16),
    };
    // Without the flag for several lines these are the text's ends in both.
    translator.out.push_str("^(?:");
    translator.branches()?;
    translator.out.push_str(")$");
    Ok(translator.out)
}

struct Translator<'a> {
    rest: &'a str,
    dialect: Dialect,
    out: String,
}

impl Translator<'_> {
    /// The whole expression. Groups are counted, not descended into.
    fn branches(&mut self) -> Result<(), String> {
        // Of each open group, whether it has anything in it: an empty one cannot be
        // repeated, as not every program takes that (RFC 9485 does).
        let mut open = Vec::new();
        // Whether something stands before that a quantifier can repeat.
        let mut repeatable = false;
        while let Some(next) = self.take() {
            repeatable = match next {
                '(' => {
                    open.push(false);
                    if open.len() > PATTERN_DEPTH_MAX {
                        return Err(format!("more than {PATTERN_DEPTH_MAX} groups deep"));
                    }
                    self.out.push_str("(?:");
                    false
                }
                ')' => {
                    let has_content = open
                        .pop()
                        .ok_or_else(|| "\")\" closes nothing".to_owned())?;
                    self.out.push(')');
                    has_content
                }
                '|' => {
                    self.out.push('|');
                    fill(&mut open);
                    false
                }
                '*' | '+' | '?' | '{' => {
                    self.quantifier(next, repeatable)?;
                    false
                }
                '.' => {
                    self.out.push_str("[^\\n\\r]");
                    true
                }
                '[' => {
                    self.class()?;
                    true
                }
                '\\' => {
                    self.escape()?;
                    true
                }
                ']' | '}' => return Err(format!("\"{next}\" must be escaped")),
                other => {
                    self.literal(other);
                    true
                }
            };
            if repeatable {
                fill(&mut open);
            }
        }
        if !open.is_empty() {
            return Err("a group is not closed".to_owned());
        }
        Ok(())
    }

    fn take(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    /// One character that stands for itself.
    fn literal(&mut self, character: char) {
        match self.dialect {
            Dialect::Rust => {
                let mut bytes = [0; 4];
                let text: &str = character.encode_utf8(&mut bytes);
                self.out.push_str(&regex::escape(text));
            }
            // With the flag `u` only these may be escaped, and "-" in classes.
            Dialect::Ecma => {
                if "^$\\.*+?()[]{}|/".contains(character) {
                    self.out.push('\\');
                }
                self.out.push(character);
            }
        }
    }

    /// One character of a class.
    fn member(&mut self, character: char) {
        if character == '-' {
            self.out.push_str("\\-");
        } else {
            self.literal(character);
        }
    }

    fn quantifier(&mut self, first: char, repeatable: bool) -> Result<(), String> {
        if !repeatable {
            return Err(format!("\"{first}\" repeats nothing"));
        }
        self.out.push(first);
        if first != '{' {
            return Ok(());
        }
        let (counts, rest) = self
            .rest
            .split_once('}')
            .ok_or_else(|| "\"{\" is not closed".to_owned())?;
        let (least, most) = counts.split_once(',').unwrap_or((counts, counts));
        let is_count = |text: &str| {
            (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let numbers = (least.parse::<u32>(), most.parse::<u32>());
        let ordered = !matches!(numbers, (Ok(least), Ok(most)) if least > most);
        if !is_count(least) || !(most.is_empty() || is_count(most)) || !ordered {
            return Err(format!("{{{counts}}} is no count of repetitions"));
        }
        self.out.push_str(counts);
        self.out.push('}');
        self.rest = rest;
        Ok(())
    }

    /// What stands behind a backslash outside of a class.
    fn escape(&mut self) -> Result<(), String> {
        if self.category()? {
            return Ok(());
        }
        let character = self.escaped()?;
        self.control_or(character, Self::literal);
        Ok(())
    }

    /// The character that an escape stands for; the backslash is taken.
    fn escaped(&mut self) -> Result<char, String> {
        let next = self.take();
        match next {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some(other) if "()*+-.?[\\]^{|}".contains(other) => Ok(other),
            _ => {
                let shown = next.map(String::from).unwrap_or_default();
                Err(format!("\"\\{shown}\" is no escape of RFC 9485"))
            }
        }
    }

    fn control_or(&mut self, character: char, otherwise: fn(&mut Self, char)) {
        match character {
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            other => otherwise(self, other),
        }
    }

    /// `\p{Lu}` and `\P{Lu}`, if that is what follows a backslash.
    fn category(&mut self) -> Result<bool, String> {
        let Some(letter) = self.rest.chars().next().filter(|c| matches!(c, 'p' | 'P')) else {
            return Ok(false);
        };
        let name = self
            .rest
            .get(1..)
            .and_then(|rest| rest.strip_prefix('{')?.split_once('}'));
        let Some((name, rest)) = name.filter(|(name, _)| CATEGORIES.contains(name)) else {
            return Err(format!("\"\\{letter}\" wants a category as {{Lu}}"));
        };
        self.out.push('\\');
        self.out.push(letter);
        self.out.push('{');
        self.out.push_str(name);
        self.out.push('}');
        self.rest = rest;
        Ok(true)
    }

    /// A class, its bracket taken.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.out.push('^');
            self.rest = rest;
        }
        let mut is_empty = true;
        loop {
            let unclosed = || "a class is not closed".to_owned();
            match self.take().ok_or_else(unclosed)? {
                ']' if is_empty => return Err("a class is empty".to_owned()),
                ']' => break,
                '-' if is_empty || self.rest.starts_with(']') => self.member('-'),
                '-' => return Err("\"-\" must stand first or last in a class".to_owned()),
                '[' => return Err("\"[\" must be escaped".to_owned()),
                '\\' => {
                    if !self.category()? {
                        let character = self.escaped()?;
                        self.range(character)?;
                    }
                }
                other => self.range(other)?,
            }
            is_empty = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// A member of a class that begins with `first`, or the range from there.
    fn range(&mut self, first: char) -> Result<(), String> {
        self.control_or(first, Self::member);
        let Some(rest) = self.rest.strip_prefix('-') else {
            return Ok(());
        };
        if rest.starts_with(']') {
            return Ok(());
        }
        self.rest = rest;
        let last = match self.take() {
            Some('\\') => self.escaped()?,
            Some(other) if !"[]-".contains(other) => other,
            _ => return Err("a range of a class has no end".to_owned()),
        };
        if last < first {
            return Err("a range of a class ends before it begins".to_owned());
        }
        self.out.push('-');
        self.control_or(last, Self::member);
        Ok(())
    }
}

/// Notes that the innermost open group has something in it.
fn fill(open: &mut [bool]) {
    if let Some(innermost) = open.last_mut() {
        *innermost = true;
    }
}

/// General categories of Unicode (RFC 9485 §3, `IsCategory`).
const CATEGORIES: &[&str] = &[
    "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No", "P", "Pc",
    "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Z", "Zl", "Zp", "Zs", "S", "Sc", "Sk", "Sm", "So", "C",
    "Cc", "Cf", "Cn", "Co",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern = Pattern::parse(pattern).expect(pattern);
        for text in matching {
            assert!(pattern.matches(text), "{pattern} {text:?}");
        }
        for text in others {
            assert!(!pattern.matches(text), "{pattern} {text:?}");
        }
    }

    #[test]
    fn matches_the_whole_text() {
        check(
            "[0-9]{3}/[0-9]{2,3}[ABC]",
            &["170/92A"],
            &["170/92A ", "x170/92A", "170/92"],
        );
        check("a|bc", &["a", "bc"], &["ab", "abc", "bcx"]);
        check("a.c", &["abc", "a中c"], &["a\nc", "a\rc", "ac"]);
        check("a()", &["a"], &["", "b"]);
        check("(|a)?b", &["b", "ab"], &["a", "aab"]);
        check("((a))+", &["a", "aa"], &["", "b"]);
    }

    #[test]
    fn gives_signs_the_meaning_of_rfc_9485() {
        check("^a$", &["^a$"], &["a"]);
        check("[&&a~~]+", &["&", "a~"], &["b"]);
        check("[-a]", &["-", "a"], &["b"]);
        check("[a-]", &["-", "a"], &["b"]);
        check(r"[\--\.]", &["-", "."], &["/"]);
        check(r"\p{Lu}\P{Lu}", &["Ab", "É1"], &["ab", "AB"]);
        check(r"\(\n\t\\\)", &["(\n\t\\)"], &["n"]);
        check("#<>= ~", &["#<>= ~"], &[]);
    }

    #[test]
    fn refuses_what_programs_understand_differently() {
        for pattern in [
            r"\d+",
            r"\w",
            r"\s",
            r"\b",
            r"\1",
            r"\x41",
            r"\u0041",
            r"\p{Greek}",
            r"\p",
            r"\",
            "(?i)a",
            "(?:a)",
            "(?=a)",
            "a**",
            "a+?",
            "a{2}{3}",
            "*a",
            "a{,3}",
            "a{3,2}",
            "a{x}",
            "a{1",
            "a{99999}",
            "(a",
            "a)",
            "[a",
            "[]",
            "[^]",
            "[b-a]",
            "[a-",
            "[[a]]",
            "[a-b-c]",
            "a]",
            "a}",
            "|*",
            "()*",
            r"\?()?",
            "(())+",
            "(()())?",
            "a(){2}",
            "[a--z]",
        ] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn bounds_what_a_pattern_costs() {
        let deep = |count| format!("{}a{}", "(".repeat(count), ")".repeat(count));
        assert!(Pattern::parse(&deep(PATTERN_DEPTH_MAX)).is_ok());
        assert!(Pattern::parse(&deep(PATTERN_DEPTH_MAX + 1)).is_err());
        assert!(Pattern::parse(&"a".repeat(PATTERN_BYTES_MAX + 1)).is_err());
        assert!(Pattern::parse("((a{1000}){1000}){1000}").is_err());
        assert!(Pattern::parse(r"(\p{L}{1,1000}){1,100}").is_err());
        // A text over which a backtracking matcher does not end.
        let slow = Pattern::parse("(a*)*b").expect("pattern");
        assert!(!slow.matches(&"a".repeat(64 * 1024)));
    }

    proptest! {
        #[test]
        fn what_parses_compiles_in_both_dialects(text in "[ab\\-\\[\\]\\\\^$.|?*+(){},0-9n&~p中]{1,24}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                prop_assert!(pattern.ecma().starts_with("^(?:"));
                let schema = serde_json::json!({"type": "string", "pattern": pattern.ecma()});
                let validator = jsonschema::validator_for(&schema);
                prop_assert!(validator.is_ok(), "{}", pattern.ecma());
            }
        }

        #[test]
        fn hostile_patterns_never_panic(text in ".{0,64}") {
            drop(Pattern::parse(&text));
        }
    }
}
