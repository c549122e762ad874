//! One file of the project, and its text without comments and literals.

use std::fs;
use std::path::Path;

/// One Rust file.
pub(super) struct Source {
    /// Path from the project's root, parted by "/".
    pub path: String,
    /// The text as it is.
    pub text: String,
    /// The text with comments and the insides of literals as spaces. Lines stay
    /// where they were.
    pub code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code: blanked(text),
        }
    }

    /// Every Rust file below `folder` of the project, in order of path.
    pub(super) fn all_below(folder: &str) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut sources = Vec::new();
        let mut folders = vec![root.join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let relative = path.strip_prefix(root).unwrap().to_str().unwrap();
                    let text = fs::read_to_string(&path).unwrap();
                    sources.push(Self::new(&relative.replace('\\', "/"), &text));
                }
            }
        }
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        sources
    }

    /// The module: `src/face/dns/query.rs` is `face::dns::query`, `src/store/mod.rs`
    /// is `store`. `None` outside `src`.
    pub(super) fn module(&self) -> Option<String> {
        let inner = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let inner = inner.strip_suffix("/mod").unwrap_or(inner);
        Some(inner.replace('/', "::"))
    }

    /// Lines before the tests at the file's foot.
    pub(super) fn lines_before_tests(&self) -> usize {
        self.code
            .lines()
            .take_while(|line| line.trim_end() != "#[cfg(test)]")
            .count()
    }

    /// Every line of the code that holds `needle`, as its number and what
    /// follows the needle on it.
    pub(super) fn after<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        self.code
            .lines()
            .enumerate()
            .flat_map(move |(index, line)| {
                line.match_indices(needle)
                    .filter(move |(at, _)| starts_a_word(line, *at))
                    .map(move |(at, _)| (index + 1, line.split_at(at + needle.len()).1))
            })
    }
}

/// Whether the word at `at` of `line` is the first of its path.
fn starts_a_word(line: &str, at: usize) -> bool {
    let before = line.split_at(at).0.chars().next_back();
    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
}

/// `text` with comments and the insides of literals as spaces.
fn blanked(text: &str) -> String {
    let text: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        let end = literal_or_comment_end(&text, at);
        if end == at {
            out.push(c);
            at += 1;
            continue;
        }
        out.extend(
            text[at..end]
                .iter()
                .map(|&c| if c == '\n' { c } else { ' ' }),
        );
        at = end;
    }
    out
}

/// Where the literal or comment that begins at `at` ends; `at` if none does.
fn literal_or_comment_end(text: &[char], at: usize) -> usize {
    let peek = |ahead: usize| text.get(at + ahead).copied().unwrap_or('\0');
    let in_word = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    let find = |from: usize, ends: &dyn Fn(usize) -> bool| {
        (from..text.len()).find(|&i| ends(i)).unwrap_or(text.len())
    };
    match peek(0) {
        '/' if peek(1) == '/' => find(at, &|i| text[i] == '\n'),
        '/' if peek(1) == '*' => find(at + 3, &|i| text[i - 1] == '*' && text[i] == '/') + 1,
        '"' => quoted_end(text, at, '"'),
        'r' if !in_word || text[at - 1] == 'b' => {
            let hashes = text[at + 1..].iter().take_while(|&&c| c == '#').count();
            if peek(1 + hashes) != '"' {
                return at;
            }
            let close =
                |i: usize| text[i] == '"' && text[i + 1..].iter().take(hashes).all(|&c| c == '#');
            find(at + 2 + hashes, &close) + 1 + hashes
        }
        '\'' if peek(1) == '\\' || peek(2) == '\'' => quoted_end(text, at, '\''),
        _ => at,
    }
    .min(text.len())
}

/// Where the literal ends that `quote` opens at `at`.
fn quoted_end(text: &[char], at: usize, quote: char) -> usize {
    let mut at = at + 1;
    while let Some(&c) = text.get(at) {
        at += match c {
            '\\' => 2,
            _ if c == quote => return at + 1,
            _ => 1,
        };
    }
    at
}

#[test]
fn blanks_comments_and_literals_only() {
    let check = |text: &str, expected: &str| assert_eq!(blanked(text), expected, "{text}");
    check("a // b\nc", "a     \nc");
    check("a /* b\n */ c", "a     \n    c");
    check(r#"f("a\"b", c)"#, "f(      , c)");
    check("f(r#\"a\"b\"#, c)", "f(        , c)");
    check("f(br\"a\", c)", "f(b    , c)");
    check("x == '\"' && y == '\\''", "x ==     && y ==     ");
    check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
    check("for r in bar {}", "for r in bar {}");
}
