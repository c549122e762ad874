//! What nodes are called: interned prefixes, and suffixes one behind the other.
//!
//! Everything stands in blocks, so that growing copies nothing and leaves little
//! unused: 8 bytes for a node, and 2 beside its suffix.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use crate::trace::edge::Node;

/// Nodes of a block.
const BLOCK_NODES: usize = 4_096;
/// Bytes of a block of text: as many as 16 bits count.
const BLOCK_BYTES: usize = 1 << 16;
/// The prefix of a node that has no name.
const NO_PREFIX: u32 = u32::MAX;
/// Names that are looked up at once.
const AT_ONCE: usize = 16;
/// What a prefix takes beside its text: its places in list and table.
const PREFIX_BYTES: usize = 72;

/// Names by node.
#[derive(Debug, Default)]
pub(super) struct Names {
    prefixes: Vec<Arc<str>>,
    prefix_numbers: HashMap<Arc<str>, u32>,
    /// Bytes of all prefixes.
    prefix_bytes: usize,
    nodes: Vec<Option<Box<[Name]>>>,
    blocks: usize,
    text: Vec<Vec<u8>>,
}

/// Which prefix, and where the suffix is: its block above 16 bits of place, where
/// its length stands before it.
#[derive(Clone, Copy, Debug)]
struct Name {
    prefix: u32,
    suffix: u32,
}

impl Names {
    /// Names `node`, unless it has a name. `None` where there is no room: too
    /// long a suffix, or more than 4 GiB of them.
    pub(super) fn set(&mut self, node: Node, prefix: &str, suffix: &str) -> Option<()> {
        if self.name(node).is_some() {
            return Some(());
        }
        let suffix = self.keep(suffix)?;
        let prefix = self.prefix(prefix)?;
        let (block, index) = place(node);
        if self.nodes.len() <= block {
            self.nodes.resize_with(block + 1, || None);
        }
        let names = self.nodes.get_mut(block)?.get_or_insert_with(|| {
            self.blocks += 1;
            let none = Name {
                prefix: NO_PREFIX,
                suffix: 0,
            };
            vec![none; BLOCK_NODES].into_boxed_slice()
        });
        *names.get_mut(index)? = Name { prefix, suffix };
        Some(())
    }

    /// The prefix and the suffix of `node`.
    #[cfg(test)]
    pub(super) fn of(&self, node: Node) -> Option<(&str, &str)> {
        self.text(self.name(node)?)
    }

    /// Calls `each` with every item and what the node of it is called. Several names
    /// are looked up at once, since each waits for memory twice.
    pub(super) fn each<T>(
        &self,
        items: &[T],
        node_of: impl Fn(&T) -> Option<Node>,
        mut each: impl FnMut(&T, Option<(&str, &str)>),
    ) {
        for items in items.chunks(AT_ONCE) {
            let mut names = [None; AT_ONCE];
            for (name, item) in names.iter_mut().zip(items) {
                *name = node_of(item).and_then(|node| self.name(node));
            }
            let first = |name: &Name| {
                let text = self.text.get((name.suffix >> 16) as usize)?;
                text.get((name.suffix & 0xffff) as usize).copied()
            };
            let touched = names.iter().flatten().filter_map(first);
            black_box(touched.fold(0, u8::wrapping_add));
            for (name, item) in names.iter().zip(items) {
                each(item, name.and_then(|name| self.text(name)));
            }
        }
    }

    fn text(&self, name: Name) -> Option<(&str, &str)> {
        let prefix = self.prefixes.get(name.prefix as usize)?;
        let text = self.text.get((name.suffix >> 16) as usize)?;
        let rest = text.get((name.suffix & 0xffff) as usize..)?;
        let (length, rest) = rest.split_first_chunk()?;
        let suffix = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
        Some((prefix, std::str::from_utf8(suffix).ok()?))
    }

    /// The number of the prefix of `node`.
    pub(super) fn prefix_number(&self, node: Node) -> Option<u32> {
        self.name(node).map(|name| name.prefix)
    }

    /// The prefix with a number.
    pub(super) fn numbered(&self, prefix: u32) -> Option<Arc<str>> {
        self.prefixes.get(prefix as usize).cloned()
    }

    /// Bytes that it takes, as allocated.
    pub(super) fn bytes(&self) -> usize {
        let list = self.nodes.capacity() * size_of::<Option<Box<[Name]>>>();
        let nodes = self.blocks * BLOCK_NODES * size_of::<Name>();
        let text = self.text.len() * (BLOCK_BYTES + size_of::<Vec<u8>>());
        list + nodes + text + self.prefix_bytes + self.prefixes.len() * PREFIX_BYTES
    }

    fn name(&self, node: Node) -> Option<Name> {
        let (block, index) = place(node);
        let name = self.nodes.get(block)?.as_ref()?.get(index)?;
        (name.prefix != NO_PREFIX).then_some(*name)
    }

    fn prefix(&mut self, prefix: &str) -> Option<u32> {
        if let Some(&number) = self.prefix_numbers.get(prefix) {
            return Some(number);
        }
        let number = u32::try_from(self.prefixes.len()).ok()?;
        let text: Arc<str> = Arc::from(prefix);
        self.prefixes.push(Arc::clone(&text));
        self.prefix_numbers.insert(text, number);
        self.prefix_bytes += prefix.len();
        Some(number)
    }

    fn keep(&mut self, suffix: &str) -> Option<u32> {
        let length = u16::try_from(suffix.len()).ok()?;
        let needed = suffix.len() + size_of::<u16>();
        if needed > BLOCK_BYTES {
            return None;
        }
        let is_full = |block: &Vec<u8>| block.len() + needed > BLOCK_BYTES;
        if self.text.last().is_none_or(is_full) {
            self.text.push(Vec::with_capacity(BLOCK_BYTES));
        }
        let block = u16::try_from(self.text.len() - 1).ok()?;
        let text = self.text.last_mut()?;
        let at = u16::try_from(text.len()).ok()?;
        text.extend(length.to_le_bytes());
        text.extend(suffix.bytes());
        Some(u32::from(block) << 16 | u32::from(at))
    }
}

const fn place(node: Node) -> (usize, usize) {
    let node = node.0 as usize;
    (node / BLOCK_NODES, node % BLOCK_NODES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_each_node_once_in_at_most_24_bytes() {
        let mut names = Names::default();
        for node in 0..100_000 {
            let prefix = format!("88.104.{}", 1000 + node % 1_100);
            let suffix = format!("{node:09}");
            names.set(Node(node), &prefix, &suffix).unwrap();
        }
        assert_eq!(names.of(Node(99_999)), Some(("88.104.1999", "000099999")));
        names.set(Node(7), "1", "2").unwrap();
        assert_eq!(names.of(Node(7)), Some(("88.104.1007", "000000007")));
        assert_eq!(names.of(Node(100_000)), None);
        assert!(names.bytes() < 24 * 100_000, "{}", names.bytes());
    }

    #[test]
    fn takes_long_suffixes_as_far_as_a_block_goes() {
        let mut names = Names::default();
        let longest = "x".repeat(BLOCK_BYTES - 2);
        names.set(Node(u32::MAX), "1", &longest).unwrap();
        names.set(Node(0), "1", "").unwrap();
        assert_eq!(names.of(Node(u32::MAX)), Some(("1", longest.as_str())));
        assert_eq!(names.of(Node(0)), Some(("1", "")));
        assert_eq!(names.set(Node(1), "1", &format!("{longest}x")), None);
        assert_eq!(names.of(Node(1)), None);
    }
}
