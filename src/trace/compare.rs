//! What one closure has and another has not.

use std::ops::ControlFlow;

use crate::trace::edge::Node;
use crate::trace::source::{Judge, Source};
use crate::trace::walk::{Ask, Limit, Summary, Walks};

/// The difference of two closures, by named nodes; the starts count as theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Nodes of the first only, ascending.
    pub only_first: Vec<Node>,
    /// Nodes of the second only, ascending.
    pub only_second: Vec<Node>,
    /// Which limit ended each: if any did, nodes may stand here that are in both.
    pub truncated: [Option<Limit>; 2],
}

/// Compares two closures: of two starts, or at two times.
///
/// Keeps 4 bytes for each of up to [`Ask::rows_max`] nodes of either.
///
/// # Errors
/// The source's.
pub fn compare<S, J>(
    walks: &Walks,
    source: &mut S,
    asks: [&Ask<'_>; 2],
    judge: &mut J,
) -> Result<Difference, S::Error>
where
    S: Source,
    J: Judge,
{
    let mut nodes_of = |ask| closure(walks, source, ask, judge);
    let [first, second] = asks;
    let (first, first_end) = nodes_of(first)?;
    let (second, second_end) = nodes_of(second)?;
    Ok(Difference {
        only_first: without(&first, &second),
        only_second: without(&second, &first),
        truncated: [first_end.truncated, second_end.truncated],
    })
}

fn closure<S, J>(
    walks: &Walks,
    source: &mut S,
    ask: &Ask<'_>,
    judge: &mut J,
) -> Result<(Vec<Node>, Summary), S::Error>
where
    S: Source,
    J: Judge,
{
    let mut nodes = Vec::new();
    let summary = walks.closure(source, ask, judge, |rows| {
        nodes.extend(rows.iter().filter_map(|row| row.node));
        ControlFlow::Continue(())
    })?;
    nodes.sort_unstable();
    Ok((nodes, summary))
}

/// The nodes of `these` that are not among `those`; both ascending.
fn without(these: &[Node], those: &[Node]) -> Vec<Node> {
    let mut those = those.iter().peekable();
    let is_alone = |node: &&Node| {
        while those.next_if(|other| other < node).is_some() {}
        those.peek() != Some(node)
    };
    these.iter().filter(is_alone).copied().collect()
}
