//! A trace as a graph in the DOT language of Graphviz. Arrows go downstream,
//! whichever way was traced.

use crate::cli::trace::found::{Found, name};
use crate::wire::proto::v1::TraceDirection;

/// What comes before the rows.
pub const HEAD: &str = "digraph trace {\n  rankdir=LR;\n  node [shape=box];\n";
/// What comes behind them.
pub const TAIL: &str = "}\n";

/// The node and the arrow of the row at `place`, or the arrow alone if its identifier has
/// a node. Nodes are called `node` and their place.
pub fn statements(found: &Found, place: usize, direction: TraceDirection, node: &str) -> String {
    let Some(row) = found.rows().get(place) else {
        return String::new();
    };
    let mut label = quoted(name(row));
    let mut style = "";
    if row.more {
        label = quoted(&format!("{}\n(more, not visible to you)", name(row)));
    }
    if row.identifier.is_empty() {
        style = ", style=dashed";
    }
    let own = found.first(place);
    let mut text = match own == place {
        true => format!("  {node}{place} [label={label}{style}];\n"),
        false => String::new(),
    };
    if let Some(parent) = found.parent(place) {
        let (from, to) = match direction {
            TraceDirection::Up => (own, parent),
            TraceDirection::Down | TraceDirection::Unspecified => (parent, own),
        };
        let attributes = match found.terms(row) {
            Some(terms) => {
                let label = quoted(&format!("{}, {}", terms.kind, terms.state));
                let color = match terms.state {
                    "disputed" => ", color=red",
                    _ => "",
                };
                format!("label={label}{color}")
            }
            None => "style=dashed".to_owned(),
        };
        text.push_str(&format!("  {node}{from} -> {node}{to} [{attributes}];\n"));
    }
    text
}

/// A string of the DOT language: in quotes, in which `"` and `\` are escaped and
/// lines end with `\n`.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.extend(c.escape_unicode().flat_map(|c| match c {
                '\\' => vec!['\\', '\\'],
                c => vec![c],
            })),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::proto::v1;

    #[test]
    fn quotes_what_ends_a_string() {
        let check = |text, expected| assert_eq!(quoted(text), expected);
        check("88.1.1/a", r#""88.1.1/a""#);
        check("产品 \"A\"", r#""产品 \"A\"""#);
        check(r"a\", r#""a\\""#);
        check("a\nb", r#""a\nb""#);
        check("a\u{7}b", r#""a\\u{7}b""#);
    }

    #[test]
    fn arrows_go_downstream() {
        let row = |identifier: &str, terms| v1::TraceRow {
            identifier: identifier.to_owned(),
            terms,
            more: terms == 1,
            ..v1::TraceRow::default()
        };
        let terms = v1::TraceTerms {
            number: 1,
            kind: "contains".to_owned(),
            state: v1::link::State::Disputed.into(),
            owner: String::new(),
        };
        let mut found = Found::default();
        found.add(vec![row("a", 0), row("b", 1), row("", 0)], vec![terms]);
        let check = |place, direction, expected: &str| {
            assert_eq!(statements(&found, place, direction, "n"), expected);
        };
        let (up, down) = (TraceDirection::Up, TraceDirection::Down);
        check(0, up, "  n0 [label=\"a\"];\n");
        let node = "  n1 [label=\"b\\n(more, not visible to you)\"];\n";
        let arrow = "[label=\"contains, disputed\", color=red];\n";
        check(1, down, &format!("{node}  n0 -> n1 {arrow}"));
        check(1, up, &format!("{node}  n1 -> n0 {arrow}"));
        let hidden = "  n2 [label=\"(hidden)\", style=dashed];\n  n0 -> n2 [style=dashed];\n";
        check(2, down, hidden);

        let again = v1::TraceRow {
            parent: 1,
            again: true,
            ..row("a", 1)
        };
        let mut found = Found::new(true);
        found.add(vec![row("a", 0), row("b", 0), again], Vec::new());
        let arrow = statements(&found, 2, down, "n");
        assert_eq!(arrow, "  n1 -> n0 [style=dashed];\n");
    }
}
