//! Which nodes a walk has met, in two bits for each.

use parking_lot::Mutex;

use crate::trace::edge::Node;

/// Marks that are kept for the next walk; more walks at once make their own.
const KEPT_MAX: usize = 8;
/// Rows that there is kept room for; what a larger walk needs beyond is freed.
const ROWS_KEPT_MAX: usize = 1 << 18;
/// Nodes of a word.
const WORD_NODES: usize = 32;

/// Two marks for each node.
#[derive(Debug, Default)]
pub(super) struct Seen {
    words: Vec<u64>,
}

/// Marks and room for rows that are not in use. Cleared by whoever used them, so
/// that a small walk over a large graph costs little.
#[derive(Debug)]
pub(super) struct Pool<R> {
    kept: Mutex<Vec<(Seen, Vec<R>)>>,
}

/// A node was met.
pub(super) const MET: u64 = 1;
/// A node was met by an edge that is seen.
pub(super) const NAMED: u64 = 2;

impl Seen {
    /// Sets `marks` of `node`, and returns which it had.
    #[inline]
    pub(super) fn mark(&mut self, node: Node, marks: u64) -> u64 {
        let (index, shift) = place(node);
        if index >= self.words.len() {
            self.words.resize((index + 1).next_power_of_two(), 0);
        }
        let Some(word) = self.words.get_mut(index) else {
            return 0;
        };
        let had = *word >> shift & (MET | NAMED);
        *word |= marks << shift;
        had
    }

    /// Takes `marks` from `node`.
    pub(super) fn unmark(&mut self, node: Node, marks: u64) {
        let (index, shift) = place(node);
        if let Some(word) = self.words.get_mut(index) {
            *word &= !(marks << shift);
        }
    }
}

impl<R> Pool<R> {
    pub(super) const fn new() -> Self {
        Self {
            kept: Mutex::new(Vec::new()),
        }
    }

    /// Marks of which none is set, and room for rows.
    pub(super) fn take(&self) -> (Seen, Vec<R>) {
        self.kept.lock().pop().unwrap_or_default()
    }

    /// Gives both back; the nodes of the rows are all that have a mark.
    pub(super) fn give(&self, mut seen: Seen, mut rows: Vec<R>, node_of: impl Fn(&R) -> Node) {
        for row in &rows {
            seen.unmark(node_of(row), MET | NAMED);
        }
        rows.clear();
        rows.shrink_to(ROWS_KEPT_MAX);
        let mut kept = self.kept.lock();
        if kept.len() < KEPT_MAX {
            kept.push((seen, rows));
        }
    }
}

const fn place(node: Node) -> (usize, usize) {
    let node = node.0 as usize;
    (node / WORD_NODES, node % WORD_NODES * 2)
}
