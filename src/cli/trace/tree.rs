//! A trace as a tree, in characters.
//!
//! ```text
//! 88.118.7/LOT-1
//! ├── 88.118.8/CT-1  made_from, confirmed
//! │   └── (hidden)
//! │       └── 88.118.9/BOX-1  contains, stated  (more, not visible to you)
//! └── … and 357 more
//! ```

use crate::cli::output::escaped;
use crate::cli::trace::found::{Found, name};
use crate::wire::proto::v1;

/// How a tree is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// With the characters for boxes, or in ASCII.
    pub unicode: bool,
    /// So many of what stands below one row are shown; 0: all.
    pub fold: usize,
}

/// The characters of a tree.
struct Pen {
    branch: &'static str,
    last: &'static str,
    beside: &'static str,
    more: &'static str,
}

const BOXES: Pen = Pen {
    branch: "├── ",
    last: "└── ",
    beside: "│   ",
    more: "…",
};
const ASCII: Pen = Pen {
    branch: "|-- ",
    last: "`-- ",
    beside: "|   ",
    more: "...",
};

/// One line to be drawn.
enum Line {
    Row(usize),
    /// Rows that are not shown, and how many stand below them.
    Folded(usize, usize),
}

/// Draws a tree.
pub fn draw(found: &Found, look: Look) -> String {
    let pen = if look.unicode { &BOXES } else { &ASCII };
    let below = Below::new(found);
    let mut text = String::new();
    // What is to be drawn, the next at the end; with its level, and whether it is
    // the last of its level.
    let mut waiting = vec![(Line::Row(0), 0, true)];
    // For each level above the line, whether nothing more comes on it.
    let mut ended: Vec<bool> = Vec::new();
    while let Some((line, level, is_last)) = waiting.pop() {
        ended.truncate(level);
        for ended in ended.iter().skip(1) {
            text.push_str(if *ended { "    " } else { pen.beside });
        }
        if level > 0 {
            text.push_str(if is_last { pen.last } else { pen.branch });
        }
        ended.push(is_last);
        match line {
            Line::Folded(count, behind) => {
                let behind = match behind {
                    0 => String::new(),
                    behind => format!(", with {behind} below them"),
                };
                text.push_str(&format!("{} and {count} more{behind}\n", pen.more));
            }
            Line::Row(place) => {
                if let Some(row) = found.rows().get(place) {
                    text.push_str(&label(found, row));
                }
                let lines = below.lines(place, look.fold);
                let last = lines.len().saturating_sub(1);
                let lines = lines.into_iter().enumerate().rev();
                waiting.extend(lines.map(|(at, line)| (line, level + 1, at == last)));
            }
        }
    }
    text
}

fn label(found: &Found, row: &v1::TraceRow) -> String {
    let mut text = escaped(name(row));
    if let Some(terms) = found.terms(row) {
        text.push_str(&format!("  {}, {}", escaped(&terms.kind), terms.state));
    }
    if row.more {
        text.push_str("  (more, not visible to you)");
    }
    if row.again {
        text.push_str("  (again)");
    }
    if !row.node.is_empty() {
        text.push_str(&format!("  (at node {})", escaped(&row.node)));
    }
    text.push('\n');
    text
}

/// What stands below each row.
struct Below {
    /// Places of rows, by the row that they stand below.
    children: Vec<usize>,
    /// Where those of each row begin, and one more.
    starts: Vec<usize>,
    /// Rows below each row, at any depth.
    counts: Vec<usize>,
}

impl Below {
    fn new(found: &Found) -> Self {
        let count = found.rows().len();
        let parent = |place| found.parent(place);
        let mut starts = vec![0; count + 1];
        let mut counts = vec![0; count];
        for place in (0..count).rev() {
            let below = counts.get(place).copied().unwrap_or(0);
            let Some(parent) = parent(place) else {
                continue;
            };
            if let Some(counted) = counts.get_mut(parent) {
                *counted += below + 1;
            }
            if let Some(length) = starts.get_mut(parent + 1) {
                *length += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut children = vec![0; sum];
        for place in 0..count {
            let at = parent(place).and_then(|parent| next.get_mut(parent));
            let Some(at) = at else { continue };
            if let Some(child) = children.get_mut(*at) {
                *child = place;
            }
            *at += 1;
        }
        Self {
            children,
            starts,
            counts,
        }
    }

    /// The lines below a row. One row alone is shown rather than folded.
    fn lines(&self, place: usize, fold: usize) -> Vec<Line> {
        let at = |place| self.starts.get(place).copied().unwrap_or_default();
        let places = self.children.get(at(place)..at(place + 1));
        let places = places.unwrap_or_default();
        let shown = match fold {
            0 => places.len(),
            fold if places.len() <= fold + 1 => places.len(),
            fold => fold,
        };
        let (shown, folded) = places.split_at(shown);
        let mut lines: Vec<Line> = shown.iter().map(|place| Line::Row(*place)).collect();
        if !folded.is_empty() {
            let behind = folded.iter().filter_map(|place| self.counts.get(*place));
            lines.push(Line::Folded(folded.len(), behind.sum()));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trace of rows as identifier, parent, kind (or none) and more.
    fn found(rows: &[(&str, u32, u32, bool)]) -> Found {
        let terms = ["made_from", "contains", "contains"].iter().zip([1, 2, 3]);
        let terms = terms.map(|(kind, number)| v1::TraceTerms {
            number,
            kind: (*kind).to_owned(),
            state: if number == 1 { 1 } else { 2 },
            owner: "firms/a".to_owned(),
        });
        let rows = rows
            .iter()
            .map(|(identifier, parent, terms, more)| v1::TraceRow {
                identifier: (*identifier).to_owned(),
                depth: 0,
                parent: *parent,
                terms: *terms,
                more: *more,
                node: String::new(),
                again: *terms == 3,
            });
        let mut found = Found::default();
        found.add(rows.collect(), terms.collect());
        found
    }

    fn check(rows: &[(&str, u32, u32, bool)], look: Look, expected: &str) {
        let expected = expected.trim_start_matches('\n');
        assert_eq!(draw(&found(rows), look), expected);
    }

    const SMALL: [(&str, u32, u32, bool); 7] = [
        ("88.1.1/lot", 0, 0, false),
        ("88.1.2/a", 0, 1, false),
        ("88.1.2/b", 0, 2, true),
        ("", 1, 0, false),
        ("88.1.3/c", 1, 1, false),
        ("88.1.4/d\u{1b}", 3, 2, false),
        ("88.1.2/b", 4, 3, false),
    ];

    #[test]
    fn draws_boxes_where_the_locale_has_them() {
        let boxes = "
88.1.1/lot
├── 88.1.2/a  made_from, stated
│   ├── (hidden)
│   │   └── 88.1.4/d\\u{1b}  contains, confirmed
│   └── 88.1.3/c  made_from, stated
│       └── 88.1.2/b  contains, confirmed  (again)
└── 88.1.2/b  contains, confirmed  (more, not visible to you)
";
        let look = |unicode| Look { unicode, fold: 0 };
        check(&SMALL, look(true), boxes);
        let ascii = boxes
            .replace("├── ", "|-- ")
            .replace("└── ", "`-- ")
            .replace('│', "|");
        check(&SMALL, look(false), &ascii);
    }

    #[test]
    fn folds_what_is_too_much() {
        let mut rows = vec![("s", 0, 0, false)];
        rows.extend([("c", 0, 1, false); 5]);
        rows.extend([("g", 5, 2, false), ("g", 4, 2, false)]);
        let folded = "
s
├── c  made_from, stated
├── c  made_from, stated
└── … and 3 more, with 2 below them
";
        let look = |fold| Look {
            unicode: true,
            fold,
        };
        check(&rows, look(2), folded);
        // One alone takes no more room than what would stand for it.
        assert_eq!(draw(&found(&rows), look(4)).lines().count(), 8);
        assert_eq!(draw(&found(&rows), look(0)).lines().count(), 8);
    }

    #[test]
    fn takes_any_depth_and_any_nonsense() {
        let deep: Vec<_> = (0..1000u32)
            .map(|n| ("x", n.saturating_sub(1), 1, false))
            .collect();
        let look = Look {
            unicode: false,
            fold: 1,
        };
        assert_eq!(draw(&found(&deep), look).lines().count(), 1000);
        // A parent that comes later: the row belongs nowhere.
        check(&[("a", 0, 0, false), ("b", 7, 1, false)], look, "a\n");
        check(&[], look, "");
    }
}
